//! Finds a repository without running git: looking must never execute anything.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::{Code, Error, Result};

/// The main checkout that `start` lies in, from any folder of it or of one of its worktrees.
///
/// # Errors
/// `E_NOT_A_REPO`.
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
    let real = start.canonicalize_utf8().map_err(|_| not_a_repo())?;
    let top = real
        .ancestors()
        .find(|dir| dir.join(".git").symlink_metadata().is_ok())
        .ok_or_else(not_a_repo)?;
    Ok(main_of(top).unwrap_or_else(|| top.to_owned()))
}

/// The main checkout of a linked worktree: its `.git` is a file that names
/// `<main>/.git/worktrees/<name>`.
fn main_of(top: &Utf8Path) -> Option<Utf8PathBuf> {
    let text = std::fs::read_to_string(top.join(".git")).ok()?;
    let gitdir = top.join(text.trim().strip_prefix("gitdir:")?.trim());
    let worktrees = gitdir
        .parent()
        .filter(|dir| dir.file_name() == Some("worktrees"))?;
    let common = worktrees
        .parent()
        .filter(|dir| dir.file_name() == Some(".git"))?;
    common.parent()?.canonicalize_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
