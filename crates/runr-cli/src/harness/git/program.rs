//! Which git is started: found once, and never in the directory it is to look at.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The git of this process.
pub(super) fn program() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found = installed("git");
        // What is not found fails to start, and says so.
        found.unwrap_or_else(|| PathBuf::from("/usr/bin/git"))
    })
}

/// A program of the search path, but for its relative directories.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    find(std::env::var_os("PATH")?, name)
}

/// The first program of a name in absolute directories of a search path: a relative one would mean
/// the repository, since that is where git is started.
fn find(path: OsString, name: &str) -> Option<PathBuf> {
    let runnable = |file: &PathBuf| {
        file.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(runnable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_never_taken_from_a_relative_directory() {
        let dir = tempfile::tempdir().unwrap();
        let ours = dir.path().join("git");
        std::fs::write(&ours, "#!/bin/sh\n").unwrap();
        let path = |dirs: &[&Path]| std::env::join_paths(dirs).unwrap();
        let (here, relative) = (dir.path(), Path::new("."));
        assert_eq!(find(path(&[relative, here]), "git"), None, "not executable");
        std::fs::set_permissions(&ours, PermissionsExt::from_mode(0o755)).unwrap();
        let mut dirs = vec![relative, Path::new(""), Path::new("/nowhere"), here];
        assert_eq!(find(path(&dirs), "git"), Some(ours));
        dirs.pop();
        assert_eq!(find(path(&dirs), "git"), None);
    }
}
