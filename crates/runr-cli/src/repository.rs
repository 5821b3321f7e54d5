//! Finds a repository without running git: looking must never execute anything.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::store::Repository;
use runr_core::{Code, Error, Result};

use crate::presence;

mod common_dir;

pub(crate) use common_dir::{shared_config, shared_repository, shared_root};

/// The main checkout that `start` lies in, from any folder of it or of one of its worktrees.
///
/// # Errors
/// `E_NOT_A_REPO`; `E_IO` if it could not be seen whether it is one, or which.
pub(crate) fn find_root(start: &Utf8Path) -> Result<Utf8PathBuf> {
    let not_a_repo = || {
        let was_one = start.ancestors().any(|dir| dir.join(".runr/runs").is_dir());
        let hint = if was_one {
            "its `.git` is gone: restore it from a clone or a backup"
        } else {
            "git init"
        };
        Error::new(Code::NotARepo, format!("Not a git repository: {start}"))
            .at(start)
            .hint(hint)
    };
    let real = real(start)?.ok_or_else(not_a_repo)?;
    for dir in real.ancestors() {
        if presence::link_metadata(&dir.join(".git"))?.is_some() {
            return Ok(main_of(dir)?.unwrap_or_else(|| dir.to_owned()));
        }
    }
    Err(not_a_repo())
}

/// As [`find_root`], with nothing where there is no repository.
///
/// # Errors
/// `E_IO`.
pub(crate) fn root_if_any(start: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    match find_root(start) {
        Err(error) if error.code() == Code::NotARepo => Ok(None),
        found => found.map(Some),
    }
}

/// The path without links; nothing for what does not exist.
fn real(path: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    presence::if_there(path.canonicalize_utf8())
        .map_err(|source| Error::io("resolve", path, source))
}

/// The main checkout of a linked worktree: its `.git` is a file that names
/// `<main>/.git/worktrees/<name>`.
fn main_of(top: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    let named = named_by(top)?;
    let worktrees = parent_named(named.as_deref(), "worktrees");
    let common = parent_named(worktrees, ".git");
    let main = common.and_then(Utf8Path::parent);
    main.map_or(Ok(None), real)
}

/// The directory that a path lies in, if it has this name.
fn parent_named<'a>(path: Option<&'a Utf8Path>, name: &str) -> Option<&'a Utf8Path> {
    path?.parent().filter(|dir| dir.file_name() == Some(name))
}

/// The repository that `start` lies in, with its origin as its configuration names it.
///
/// # Errors
/// `E_NOT_A_REPO`.
pub(crate) fn find(start: &Utf8Path) -> Result<Repository> {
    at(&find_root(start)?)
}

/// The repository whose main checkout is `top`.
///
/// # Errors
/// `E_USAGE` if that is no absolute path; `E_IO`: a configuration that cannot be read may name
/// another repository than its absence.
pub(crate) fn at(top: &Utf8Path) -> Result<Repository> {
    with_origin(&git_dir(top)?, top)
}

/// The repository at `top` whose shared directory is `git_dir`.
fn with_origin(git_dir: &Utf8Path, top: &Utf8Path) -> Result<Repository> {
    let path = git_dir.join("config");
    let config = presence::if_there(std::fs::read(&path))
        .map_err(|source| Error::io("read", &path, source))?
        .unwrap_or_default();
    let origin = origin_url(&String::from_utf8_lossy(&config));
    Repository::new(&origin.unwrap_or_default(), top)
}

/// Where git keeps the configuration of the checkout at `top`. In a submodule, and where the folder
/// was moved elsewhere, `.git` is a file that names it; a worktree shares that of its main checkout.
fn git_dir(top: &Utf8Path) -> Result<Utf8PathBuf> {
    common_of(&named_by(top)?.unwrap_or_else(|| top.join(".git")))
}

/// The git directory that the file `.git` of a checkout names.
fn named_by(top: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    let link = top.join(".git");
    if presence::is_dir(&link)? {
        return Ok(None);
    }
    let text = presence::text(&link)?.unwrap_or_default();
    let target = text.trim().strip_prefix("gitdir:").map(str::trim);
    Ok(target.map(|target| top.join(target)))
}

/// What the git directory of one checkout shares with all others.
fn common_of(own: &Utf8Path) -> Result<Utf8PathBuf> {
    let named = presence::text(&own.join("commondir"))?.unwrap_or_default();
    Ok(match named.trim() {
        "" => own.to_owned(),
        common => own.join(common),
    })
}

/// The address of `origin` in the text of a git configuration.
fn origin_url(config: &str) -> Option<String> {
    let mut in_origin = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            in_origin = line.replace(' ', "") == "[remote\"origin\"]";
        } else if in_origin
            && let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case("url")
        {
            return Some(value.trim().trim_matches('"').to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_read_from_the_configuration() {
        let config = "[core]\n\turl = no\n[remote \"other\"]\n url = no\n[remote \"origin\"]\n\tfetch = x\n\tURL = git@github.com:a/b.git\n";
        assert_eq!(origin_url(config).unwrap(), "git@github.com:a/b.git");
        assert_eq!(origin_url("[remote \"other\"]\nurl = x\n"), None);
    }

    #[test]
    fn the_configuration_is_found_where_git_is_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let base = Utf8Path::from_path(dir.path()).unwrap();
        let origin = "[remote \"origin\"]\n\turl = git@github.com:a/b.git\n";
        let write = |path: &str, text: &str| {
            let path = base.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("plain/.git/config", origin);
        write("modules/sub/config", origin);
        write("sub/.git", "gitdir: ../modules/sub\n");
        write("bare/config", origin);
        write("bare/worktrees/w/commondir", "../..\n");
        write("w/.git", &format!("gitdir: {base}/bare/worktrees/w\n"));
        for top in ["plain", "sub", "w"] {
            let found = at(&base.join(top)).unwrap();
            assert_eq!(found.repo_key, "github:a/b", "{top}");
        }
        std::fs::create_dir(base.join("none")).unwrap();
        let none = at(&base.join("none")).unwrap();
        assert!(none.repo_key.starts_with("path:") && none.origin_url.is_empty());
    }

    #[test]
    fn a_worktree_leads_to_its_main_checkout() {
        let dir = tempfile::tempdir().unwrap();
        let base = Utf8Path::from_path(dir.path())
            .unwrap()
            .canonicalize_utf8()
            .unwrap();
        let main = base.join("main");
        std::fs::create_dir_all(main.join(".git/worktrees/w")).unwrap();
        std::fs::create_dir_all(main.join("src/deep")).unwrap();
        let linked = base.join("w");
        std::fs::create_dir_all(linked.join("sub")).unwrap();
        std::fs::write(
            linked.join(".git"),
            format!("gitdir: {main}/.git/worktrees/w\n"),
        )
        .unwrap();
        assert_eq!(find_root(&main.join("src/deep")).unwrap(), main);
        assert_eq!(find_root(&linked.join("sub")).unwrap(), main);
    }

    #[test]
    fn outside_of_any_repository_is_an_error() {
        let error = find_root(Utf8Path::new("/")).unwrap_err();
        assert_eq!(error.code(), Code::NotARepo);
    }
}
