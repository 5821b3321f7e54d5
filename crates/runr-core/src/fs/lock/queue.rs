//! A contended wait: the kernel's queue, entered by a thread that may be left behind.

use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::patience::{GaveUp, Patience};
use crate::fs::dir::LockFile;

type Granted = io::Result<Box<dyn LockFile>>;

/// Where the helper thread and the caller meet.
#[derive(Debug, Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Waiting,
    Granted(Granted),
    /// Nobody waits any more: what is granted now is given back.
    Abandoned,
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
        let mut state = self.state();
        if let State::Waiting = *state {
            *state = State::Granted(granted);
            drop(state);
            self.changed.notify_one();
        }
        // Otherwise `granted` is dropped here, and the lock with it.
    }

    fn await_grant(&self, patience: &Patience) -> Result<Granted, GaveUp> {
        let mut state = self.state();
        loop {
            // Taken out at once, so that a grant is either returned or still at the desk.
            match mem::replace(&mut *state, State::Abandoned) {
                State::Granted(granted) => return Ok(granted),
                waiting => {
                    let slice: Duration = patience.next_slice()?;
                    *state = waiting;
                    let waited = self.changed.wait_timeout(state, slice);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is one word, written in one step: a panic leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
