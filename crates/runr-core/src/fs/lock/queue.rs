//! A contended wait: the kernel's queue, entered by a thread that may be left behind.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::patience::{GaveUp, Patience};
use crate::fs::dir::LockFile;

type Granted = io::Result<Box<dyn LockFile>>;

/// Where the helper thread leaves what the kernel said.
///
/// Both sides own the desk. If the caller has gone when the lock is granted, the desk goes with
/// the helper thread, and with it the lock: nobody keeps what nobody wants.
#[derive(Debug, Default)]
struct Desk {
    granted: Mutex<Option<Granted>>,
    changed: Condvar,
}

/// Waits until the kernel grants the lock, or patience ends. The inner result is the kernel's.
pub(super) fn wait(file: Box<dyn LockFile>, patience: &Patience) -> Result<Granted, GaveUp> {
    patience.next_slice()?;
    let desk = Arc::new(Desk::default());
    let theirs = Arc::clone(&desk);
    let spawned = thread::Builder::new()
        .name("runr-lock-wait".into())
        .spawn(move || theirs.fetch(file));
    match spawned {
        Ok(_) => desk.await_grant(patience),
        Err(error) => Ok(Err(error)),
    }
}

impl Desk {
    /// Runs on the helper thread, for as long as others keep the lock.
    fn fetch(&self, mut file: Box<dyn LockFile>) {
        let granted = file.lock().map(|()| file);
        *self.granted() = Some(granted);
        self.changed.notify_one();
    }

    fn await_grant(&self, patience: &Patience) -> Result<Granted, GaveUp> {
        let mut granted = self.granted();
        loop {
            if let Some(granted) = granted.take() {
                return Ok(granted);
            }
            let waited = self.changed.wait_timeout(granted, patience.next_slice()?);
            granted = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn granted(&self) -> MutexGuard<'_, Option<Granted>> {
        // Written in one step: a panic leaves it whole.
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
