//! Exclusive locks between threads and processes, held by the kernel.
//!
//! A lock is an empty file that is never renamed over, truncated or removed. The kernel frees it
//! when its holder dies, however it dies, so there is no stale lock and nothing to steal. In front
//! of the kernel stands a table of this process: its threads queue there, and a thread that asks
//! for a lock it already holds is refused at once instead of waiting for itself.
//!
//! A contended wait is a blocking system call on a thread of its own, in the kernel's queue; the
//! caller meanwhile watches its deadline and its cancel flag. Whoever releases a lock that others
//! wait for lets them go first before it takes the lock again (see [`table`]).
//!
//! Limits: the locks are advisory; on file systems without locks every call fails with `E_IO`
//! rather than going on unlocked. A process that is forked without exec while a lock is being
//! *waited for* may keep a copy of the descriptor. A forked copy of a guard never unlocks; but it keeps
//! the lock held until it is dropped, should the holder die before.

mod kernel;
mod patience;
mod queue;
mod table;

use std::io;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};

use self::table::{Refused, Turn};
use super::Storage;
use super::dir::{Dir, LockFile};
use crate::error::{Code, Error, Result};
use crate::mutant::without;

pub(super) use self::kernel::KernelLock;
pub use self::patience::{CancelFlag, Wait};
pub(crate) use self::patience::{GaveUp, Patience};

/// How often a lock file may be replaced under our hands before we give up. Nobody of ours ever
/// replaces one.
const MAX_REPLACED: usize = 8;

/// The entry points to locking.
#[derive(Debug)]
#[non_exhaustive]
pub struct Lock;

impl Lock {
    /// Takes the lock file `name` in the directory `dir`, and creates it if it is missing.
    ///
    /// The thread that took a lock counts as its holder until the guard is dropped, even if the
    /// guard has moved to another thread since.
    ///
    /// # Errors
    /// `E_LOCK_TIMEOUT` with `lock_path` and `waited_ms` when it was not granted in time or the
    /// wait was cancelled (`cancelled`), and, not retryable, when this thread holds it already
    /// (`reentrant`); `E_IO` when the file cannot be opened or locked.
    pub fn acquire(storage: &Storage, dir: &Utf8Path, name: &str, wait: Wait) -> Result<LockGuard> {
        let dir = open(storage, dir)?;
        Self::acquire_in(dir.as_ref(), name, wait)
    }

    /// Takes the lock if nobody holds it; `None` if anybody does, this thread included.
    ///
    /// # Errors
    /// `E_IO`.
    pub fn try_acquire(storage: &Storage, dir: &Utf8Path, name: &str) -> Result<Option<LockGuard>> {
        match Self::acquire(storage, dir, name, Wait::No) {
            Ok(guard) => Ok(Some(guard)),
            Err(error) if error.code() == Code::LockTimeout => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether anybody holds the lock, this process included. The probe takes the lock for an
    /// instant where it is free, and never creates the file.
    ///
    /// # Errors
    /// `E_IO`.
    pub fn is_held(storage: &Storage, dir: &Utf8Path, name: &str) -> Result<bool> {
        let path = dir.join(name);
        let opened = storage
            .open_dir(dir)
            .and_then(|dir| dir.open_lock(name, false));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("lock", &path, error)),
        };
        let probe = |file: &mut dyn LockFile| {
            let id = file.stat()?.regular()?.id;
            let Ok(_turn) = table::enter(id, &Patience::new(Wait::No)) else {
                return Ok(true);
            };
            let free = file.try_lock()?;
            if free {
                file.unlock()?;
            }
            Ok(!free)
        };
        probe(file.as_mut()).map_err(|error| Error::io("lock", &path, error))
    }

    pub(crate) fn acquire_in(dir: &dyn Dir, name: &str, wait: Wait) -> Result<LockGuard> {
        let path = dir.path().join(name);
        let patience = Patience::new(wait);
        for _ in 0..MAX_REPLACED {
            match attempt(dir, name, &patience) {
                Ok(Some((file, turn))) => {
                    return Ok(LockGuard {
                        file,
                        _turn: turn,
                        path,
                        home: std::process::id(),
                    });
                }
                Ok(None) => {}
                Err(failure) => return Err(failure.into_error(&path, &patience)),
            }
        }
        let replaced = io::Error::other("the lock file is being replaced");
        Err(Error::io("lock", &path, replaced))
    }
}

/// A held lock; dropping it releases it.
#[derive(Debug)]
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct LockGuard {
    // Dropped before the turn: the next thread of this process must find the kernel's lock free.
    file: Box<dyn LockFile>,
    _turn: Turn,
    path: Utf8PathBuf,
    /// The process that took it.
    home: u32,
}

impl LockGuard {
    /// The path of the lock file.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// A handle that keeps the lock held in a child process, should this process die before the
    /// child. See [`LockFile::inheritable`].
    ///
    /// # Errors
    /// `E_IO`.
    pub fn inheritable(&self) -> Result<Option<std::fs::File>> {
        self.file
            .inheritable()
            .map_err(|error| Error::io("duplicate", &self.path, error))
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if std::process::id() != self.home {
            // A forked copy has the same open file: unlocking it would take the lock from the
            // process that holds it, closing does not.
            return;
        }
        // Closing would release it too, but not while a child forked in this moment still has a
        // copy of the descriptor. Should the call fail, closing is what is left.
        drop(self.file.unlock());
        if without("lock-file-stays") {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn open(storage: &Storage, dir: &Utf8Path) -> Result<Box<dyn Dir>> {
    storage
        .open_dir(dir)
        .map_err(|error| Error::io("open", dir, error))
}

/// The kernel's lock, and the place in this process.
type Taken = (Box<dyn LockFile>, Turn);

/// One round: `None` if the file was replaced between opening and locking it.
fn attempt(dir: &dyn Dir, name: &str, patience: &Patience) -> Result<Option<Taken>, Failure> {
    let mut file = dir.open_lock(name, true)?;
    let id = file.stat()?.regular()?.id;
    let mut turn = table::enter(id, patience)?;
    if !file.try_lock()? && !without("kernel-lock") {
        let start = Instant::now();
        file = queue::wait(file, patience)??;
        turn.waited(start.elapsed());
    }
    match dir.stat(name) {
        Ok(stat) if stat.id == id || without("inode") => Ok(Some((file, turn))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Why a lock was not taken.
enum Failure {
    Io(io::Error),
    GaveUp(GaveUp),
    Reentrant,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<GaveUp> for Failure {
    fn from(gave_up: GaveUp) -> Self {
        Self::GaveUp(gave_up)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Reentrant => Self::Reentrant,
            Refused::GaveUp(gave_up) => Self::GaveUp(gave_up),
        }
    }
}

impl Failure {
    fn into_error(self, path: &Utf8Path, patience: &Patience) -> Error {
        let timeout = |message: String| {
            Error::new(Code::LockTimeout, message)
                .at(path)
                .during("lock")
                .with("lock_path", path.as_str())
                .with("waited_ms", patience.waited_ms())
        };
        match self {
            Self::Io(error) => Error::io("lock", path, error),
            Self::GaveUp(GaveUp::Deadline) => timeout(format!("{path} is locked"))
                .hint("another process or thread is writing; try again"),
            Self::GaveUp(GaveUp::Cancelled) => {
                timeout(format!("the wait for {path} was cancelled")).with("cancelled", true)
            }
            Self::Reentrant => timeout(format!("{path} is already locked by this thread"))
                .retryable(false)
                .with("reentrant", true)
                .hint("do not call the store from a function that runs under its lock"),
        }
    }
}

#[cfg(test)]
mod tests;
