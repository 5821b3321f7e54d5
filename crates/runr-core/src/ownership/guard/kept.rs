//! What a guard shares with its threads: the claim, its life, and the two loops.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::held::Held;
use super::life::{Life, OnLoss};
use super::loss::Loss;
use crate::error::{Error, Result};
use crate::ownership::claim_store::Snapshot;

/// The longest pause before a heartbeat that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long a release waits for a heartbeat under way. More would only help a store that hangs.
const PATIENCE: Duration = Duration::from_secs(1);

/// The claim of a guard, and its life. Lives until the guard and both of its threads are gone.
pub(super) struct Kept {
    pub(super) held: Held,
    life: Mutex<Life>,
    changed: Condvar,
}

impl Kept {
    pub(super) fn new(held: Held, life: Life) -> Self {
        Self {
            held,
            life: Mutex::new(life),
            changed: Condvar::new(),
        }
    }

    /// Starts the heartbeat, and the watch over it: a heartbeat that hangs can declare nothing.
    ///
    /// The threads are never joined. Waiting for one that hangs would hang as well, and a process
    /// does not wait for them.
    pub(super) fn start(self: &Arc<Self>, interval: Duration) -> io::Result<()> {
        self.spawn("runr-heartbeat", move |kept| kept.keep_alive(interval))?;
        self.spawn("runr-lease", Self::watch)
    }

    fn spawn(
        self: &Arc<Self>,
        name: &str,
        run: impl FnOnce(&Self) + Send + 'static,
    ) -> io::Result<()> {
        let kept = Arc::clone(self);
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || run(&kept)).map(drop)
    }

    /// Whether the guard may act, as far as can be said without a look at the store.
    ///
    /// The first question is whether this process is the right one: in a forked copy the other
    /// threads are gone, and a lock that one of them held is held for ever.
    pub(super) fn standing(&self) -> Result<()> {
        if !self.held.is_home() {
            return Err(self.held.error(&Loss::Forked));
        }
        let standing = self.life().standing(Instant::now());
        standing.map(drop).map_err(|loss| self.lose(loss))
    }

    /// The same with a look at the claim as it was read.
    pub(super) fn verify(&self, snapshot: &Snapshot) -> Result<(), Loss> {
        let mut life = self.life();
        life.standing(Instant::now())?;
        self.held.verify(snapshot)?;
        life.exit.look(snapshot.record.as_ref());
        Ok(())
    }

    /// The claim is lost: tells everybody who wants to know, once. The loss that counts is the
    /// first one.
    pub(super) fn lose(&self, loss: Loss) -> Error {
        let mut life = self.life();
        let listeners = life.put_out(loss.clone());
        let error = self.held.error(life.out().unwrap_or(&loss));
        drop(life);
        self.changed.notify_all();
        for listener in listeners {
            call(listener, &error);
        }
        error
    }

    /// The guard ends: no heartbeat begins any more, and one under way is waited for, so that
    /// nothing is written after the release. But not for long.
    pub(super) fn end(&self) {
        let mut life = self.life();
        let listeners = life.put_out(Loss::Ended);
        self.changed.notify_all();
        let waited = self
            .changed
            .wait_timeout_while(life, PATIENCE, |life| life.beating);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        // What they own may ask the guard something when it goes.
        drop(listeners);
    }

    /// Calls `listener` when the claim is lost: at once if it is already.
    pub(super) fn listen(&self, listener: OnLoss) {
        let mut life = self.life();
        let Some(listener) = life.listen(listener) else {
            return;
        };
        let loss = life.out().filter(|loss| **loss != Loss::Ended).cloned();
        drop(life);
        if let Some(loss) = loss {
            call(listener, &self.held.error(&loss));
        }
    }

    /// One heartbeat. Whether it reached the record.
    pub(super) fn beat(&self) -> bool {
        let began = Instant::now();
        let answer = self.held.heartbeat();
        let mut life = self.life();
        life.beating = false;
        self.changed.notify_all();
        match answer {
            Ok(Ok(record)) => life.alive(began, record.as_ref()),
            Ok(Err(loss)) => {
                drop(life);
                drop(self.lose(loss));
            }
            Err(error) => {
                life.failed(error);
                return false;
            }
        }
        true
    }

    /// The thread of the heartbeat.
    fn keep_alive(&self, interval: Duration) {
        let mut pause = interval;
        while self.rest(pause) {
            let began = Instant::now();
            pause = if self.beat() {
                interval.saturating_sub(began.elapsed())
            } else {
                RETRY.min(interval / 8)
            };
        }
    }

    /// Waits until the next heartbeat is due, and says that it begins; false if none is.
    fn rest(&self, pause: Duration) -> bool {
        let start = Instant::now();
        let mut life = self.life();
        while life.standing(Instant::now()).is_ok() {
            let left = pause.saturating_sub(start.elapsed());
            if left.is_zero() {
                life.beating = true;
                return true;
            }
            life = self.wait(life, left);
        }
        false
    }

    /// The thread that declares the claim lost when no heartbeat reached the record for too long.
    fn watch(&self) {
        let mut life = self.life();
        while life.out().is_none() {
            match life.standing(Instant::now()) {
                Ok(left) => life = self.wait(life, left),
                Err(loss) => {
                    drop(life);
                    drop(self.lose(loss));
                    return;
                }
            }
        }
    }

    fn wait<'a>(&self, life: MutexGuard<'a, Life>, at_most: Duration) -> MutexGuard<'a, Life> {
        let waited = self.changed.wait_timeout(life, at_most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn life(&self) -> MutexGuard<'_, Life> {
        // Each change is one step: a panic leaves it whole.
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that panics must not keep the loss from the others, nor end a thread of ours. The panic has
/// been reported when it comes here.
fn call(listener: OnLoss, error: &Error) {
    drop(catch_unwind(AssertUnwindSafe(|| listener(error))));
}
