//! Whether something is there. "It is not" and "it could not be seen" are two answers: a failure that
//! passes must never be taken for a fact about the tree.

use std::fs::Metadata;
use std::io;

use camino::Utf8Path;
use runr_core::{Error, Result};

/// Whether there is no such file, or no such directory to look into.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// What was looked for, if it is there.
pub(crate) fn if_there<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    match looked {
        Err(problem) if is_absent(&problem) => Ok(None),
        looked => looked.map(Some),
    }
}

/// What is known of a file, or of the one that a link leads to.
pub(crate) fn metadata(path: &Utf8Path) -> Result<Option<Metadata>> {
    if_there(path.metadata()).map_err(|source| Error::io("inspect", path, source))
}

/// What is known of a file, or of a link itself.
pub(crate) fn link_metadata(path: &Utf8Path) -> Result<Option<Metadata>> {
    if_there(path.symlink_metadata()).map_err(|source| Error::io("inspect", path, source))
}

/// Whether a path leads to anything.
pub(crate) fn exists(path: &Utf8Path) -> Result<bool> {
    metadata(path).map(|found| found.is_some())
}

/// Whether a path leads to a directory.
pub(crate) fn is_dir(path: &Utf8Path) -> Result<bool> {
    metadata(path).map(|found| found.is_some_and(|it| it.is_dir()))
}

/// The text of a file.
pub(crate) fn text(path: &Utf8Path) -> Result<Option<String>> {
    if_there(std::fs::read_to_string(path)).map_err(|source| Error::io("read", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_there_is_absent() {
        let dir = tempfile::tempdir().unwrap();
        let base = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(base.join("file"), "text").unwrap();
        std::os::unix::fs::symlink("loop", base.join("loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", base.join("dangling")).unwrap();
        assert_eq!(text(&base.join("file")).unwrap().unwrap(), "text");
        for absent in ["none", "none/below", "file/below", "dangling"] {
            assert!(!exists(&base.join(absent)).unwrap(), "{absent}");
            assert_eq!(text(&base.join(absent)).unwrap(), None, "{absent}");
        }
        assert!(link_metadata(&base.join("dangling")).unwrap().is_some());
        // As any other failure: nobody knows what is behind it.
        for unknown in ["loop", "loop/below"] {
            assert!(exists(&base.join(unknown)).is_err(), "{unknown}");
            assert!(is_dir(&base.join(unknown)).is_err(), "{unknown}");
            assert!(text(&base.join(unknown)).is_err(), "{unknown}");
        }
        assert!(is_dir(base).unwrap() && !is_dir(&base.join("file")).unwrap());
    }
}
