//! The directory that all checkouts of a repository share, found as git finds it.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::Result;
use runr_core::store::Repository;

use super::{common_of, named_by, real, with_origin};
use crate::presence;

/// Where what belongs to all checkouts of the repository around `start` stands: beside the directory
/// that they share. Outside of any repository that is the real path of `start`.
///
/// # Errors
/// `E_IO`: another place than this one would be taken for it.
pub(crate) fn shared_root(start: &Utf8Path) -> Result<Utf8PathBuf> {
    let start = named(start)?;
    let common = common_dir(&start)?;
    let beside = common.as_deref().and_then(Utf8Path::parent);
    Ok(beside.map_or_else(|| start.clone(), Utf8Path::to_owned))
}

/// The repository around `start`, or the directory as one without an origin.
///
/// # Errors
/// `E_IO` for a configuration that cannot be read: it may name another origin than its absence.
pub(crate) fn shared_repository(start: &Utf8Path) -> Result<Repository> {
    let start = named(start)?;
    match common_dir(&start)? {
        Some(common) => with_origin(&common, common.parent().unwrap_or(&start)),
        None => Repository::new("", &start),
    }
}

/// The configuration that all checkouts of the repository around `start` share.
///
/// # Errors
/// `E_IO`.
pub(crate) fn shared_config(start: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    Ok(common_dir(&named(start)?)?.map(|common| common.join("config")))
}

/// The path without links. What does not exist has no other name.
fn named(start: &Utf8Path) -> Result<Utf8PathBuf> {
    Ok(real(start)?.unwrap_or_else(|| start.to_owned()))
}

/// Looks upwards for a `.git`, or for a directory that is one itself. A `.git` that names nothing
/// usable ends the search; a directory of that name which is no git directory does not.
fn common_dir(start: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    for dir in start.ancestors() {
        let link = dir.join(".git");
        let is_file = presence::metadata(&link)?.is_some_and(|it| it.is_file());
        let named = if is_file { named_by(dir)? } else { None };
        for own in named.as_deref().map_or(vec![&link, dir], |own| vec![own]) {
            if is_git_dir(own)? {
                return real(&common_of(own)?);
            }
        }
        if is_file {
            break;
        }
    }
    Ok(None)
}

fn is_git_dir(dir: &Utf8Path) -> Result<bool> {
    if presence::link_metadata(&dir.join("HEAD"))?.is_none() {
        return Ok(false);
    }
    let common = common_of(dir)?;
    Ok(presence::is_dir(&common.join("objects"))? && presence::is_dir(&common.join("refs"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Disk {
        _dir: tempfile::TempDir,
        base: Utf8PathBuf,
    }

    impl Disk {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let base = Utf8Path::from_path(dir.path()).unwrap();
            let base = base.canonicalize_utf8().unwrap();
            Self { _dir: dir, base }
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.base.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn git_dir(&self, path: &str) {
            self.write(&format!("{path}/HEAD"), "ref: refs/heads/main\n");
            fs::create_dir_all(self.base.join(path).join("objects")).unwrap();
            fs::create_dir_all(self.base.join(path).join("refs")).unwrap();
        }

        fn linked(&self, tree: &str, own: &str, common: &str) {
            self.write(&format!("{own}/HEAD"), "ref: refs/heads/w\n");
            self.write(&format!("{own}/commondir"), common);
            let own = self.base.join(own);
            self.write(&format!("{tree}/.git"), &format!("gitdir: {own}\n"));
        }

        #[track_caller]
        fn leads(&self, from: &str, to: &str) {
            fs::create_dir_all(self.base.join(from)).unwrap();
            let expected = self.base.join(to);
            assert_eq!(
                shared_root(&self.base.join(from)).unwrap(),
                expected,
                "{from}"
            );
        }
    }

    #[test]
    fn every_checkout_leads_to_the_same_place() {
        let disk = Disk::new();
        disk.git_dir("main/.git");
        disk.linked("w", "main/.git/worktrees/w", "../..\n");
        for from in [
            "main",
            "main/src/deep",
            "main/.git",
            "main/.git/refs",
            "w",
            "w/sub",
        ] {
            disk.leads(from, "main");
        }
        std::os::unix::fs::symlink(disk.base.join("w/sub"), disk.base.join("link")).unwrap();
        disk.leads("link", "main");
    }

    #[test]
    fn bare_repositories_submodules_and_moved_directories_are_found() {
        let disk = Disk::new();
        disk.git_dir("pool/bare.git");
        disk.linked("bw", "pool/bare.git/worktrees/bw", "../..\n");
        disk.leads("bw", "pool");
        disk.leads("pool/bare.git/refs", "pool");
        disk.git_dir("super/.git");
        disk.git_dir("super/.git/modules/sub");
        disk.write("super/sub/.git", "gitdir: ../.git/modules/sub\n");
        disk.leads("super/sub", "super/.git/modules");
    }

    #[test]
    fn what_is_no_repository_is_passed_by_and_a_broken_link_ends_the_search() {
        let disk = Disk::new();
        disk.leads("plain/sub", "plain/sub");
        disk.git_dir("main/.git");
        disk.leads("main/inner/.git", "main");
        disk.leads("main/inner", "main");
        for junk in ["junk", "gitdir: /nowhere/at/all"] {
            disk.write("main/broken/.git", junk);
            disk.leads("main/broken", "main/broken");
        }
        let missing = disk.base.join("not/there");
        assert_eq!(shared_root(&missing).unwrap(), missing);
    }

    #[test]
    fn the_origin_is_that_of_the_shared_directory() {
        let disk = Disk::new();
        disk.git_dir("main/.git");
        disk.write(
            "main/.git/config",
            "[remote \"origin\"]\n\turl = https://github.com/a/b\n",
        );
        disk.linked("w", "main/.git/worktrees/w", "../..\n");
        let found = shared_repository(&disk.base.join("w")).unwrap();
        assert_eq!(found.origin_url, "https://github.com/a/b");
        assert_eq!(found.repo_root, disk.base.join("main"));
        let none = shared_repository(&disk.base).unwrap();
        assert_eq!(
            (none.origin_url.as_str(), none.repo_root),
            ("", disk.base.clone())
        );
    }
}
