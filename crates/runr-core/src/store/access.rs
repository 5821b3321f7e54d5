//! Who may change a data directory: its owner alone. A run that somebody else can put there, or a
//! command that somebody else can change in one, would be taken for the user's own.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::names::RepoId;
use super::places::DataDir;
use crate::error::{Code, Error, Result};
use crate::fs::{Stat, Storage};

/// The superuser may change everything anyway.
const ROOT: u32 = 0;

impl DataDir {
    /// Refuses a data directory that others than `user` may change; without one, on systems that
    /// know no user ids, only what everybody may write. What is missing is nobody's yet.
    ///
    /// # Errors
    /// `E_IO` with the directory and how to close it.
    pub fn check_access(&self, storage: &Storage, user: Option<u32>) -> Result<()> {
        check(storage, &[self.path().to_owned(), self.repos_dir()], user)
    }

    /// Refuses the directory of a repository in the same manner.
    ///
    /// # Errors
    /// As [`check_access`](Self::check_access).
    pub fn check_repository(
        &self,
        storage: &Storage,
        repo: &RepoId,
        user: Option<u32>,
    ) -> Result<()> {
        check(storage, &[self.repo_dir(repo), self.runs_dir(repo)], user)
    }
}

fn check(storage: &Storage, directories: &[Utf8PathBuf], user: Option<u32>) -> Result<()> {
    for path in directories {
        match storage.stat(path) {
            Ok(stat) => refuse_open(path, &stat, user)?,
            // Nobody's yet, or no directory, which whoever opens it will say.
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(Error::io("stat", path, error)),
        }
    }
    Ok(())
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

fn refuse_open(path: &Utf8Path, stat: &Stat, user: Option<u32>) -> Result<()> {
    let refused = |cause: &str| {
        Error::new(Code::Io, format!("cannot use {path}: {cause}"))
            .at(path)
            .during("open")
            .with("cause", cause)
    };
    if user.is_some_and(|user| stat.owner != user && stat.owner != ROOT) {
        return Err(refused("it belongs to another user")
            .with("owner", stat.owner)
            .hint("set RUNR_DATA_DIR to a directory of your own"));
    }
    if stat.mode & 0o022 != 0 {
        return Err(refused("other users may write to it")
            .with("mode", format!("{:04o}", stat.mode))
            .hint(format!("chmod go-w '{path}'")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{FileId, Kind};

    #[test]
    fn a_directory_belongs_to_the_user_or_to_the_superuser() {
        let check = |owner, mode, user| {
            let stat = Stat {
                kind: Kind::Dir,
                size: 0,
                mode,
                owner,
                group: 0,
                id: FileId { dev: 1, ino: 1 },
                links: 1,
                modified: crate::Timestamp::from_millis(0),
            };
            refuse_open("/data".into(), &stat, user).map_err(|error| error.to_string())
        };
        assert_eq!(check(7, 0o755, Some(7)), Ok(()));
        assert_eq!(check(0, 0o755, Some(7)), Ok(()));
        assert_eq!(check(7, 0o755, None), Ok(()));
        for user in [8, 0] {
            let refused = check(7, 0o700, Some(user)).unwrap_err();
            assert!(refused.contains("another user"), "{refused}");
        }
        for user in [Some(7), None] {
            let refused = check(7, 0o770, user).unwrap_err();
            assert!(refused.contains("write"), "{refused}");
        }
    }
}
