//! The guard: a claim that keeps itself alive, and says when it is lost.
//!
//! A guard claims when it is made and releases when it is dropped. In between a thread of its own
//! shows every third of the lease that the run lives. What it protects is protected by the token
//! alone: [`Guard::check`] compares it before a step, [`Guard::act`] compares it under the lock of
//! the store and runs a short step there, with no gap between the two.
//!
//! A guard that is lost stays lost. That is so when a newer claim counts, and when no heartbeat
//! reached the record for two thirds of the lease: then others may soon take over, and what is
//! under way needs the rest to stop. A forked copy of the process has lost it from the beginning.
//!
//! What a guard cannot do: it stops nobody who does not ask it. A step that takes long may outlive
//! the claim; hand the token to whatever can compare it.

mod held;
mod kept;
mod life;
mod loss;
mod options;
mod signals;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;

pub use options::{OwnOptions, World};

use super::claim_store::ClaimStore;
use super::fencing::Token;
use super::model::{ExitSignal, RunName};
use super::outcome::Outcome;
use super::target::Target;
use crate::error::{Code, Error, Result};
use held::Held;
use kept::Kept;
use loss::Loss;

/// A claim that keeps itself alive until it is released, dropped or lost.
///
/// It can be shared between threads. A callback of [`on_loss`](Self::on_loss) that owns the guard
/// keeps it, and so the claim, until one of them ends it.
///
/// ```
/// # use std::sync::Arc;
/// # use runr_core::ownership::{Process, Processes};
/// # use runr_core::{store::SystemSuffixes, Clock, Timestamp};
/// # #[derive(Debug)] struct Machine;
/// # impl Clock for Machine { fn now(&self) -> Timestamp { Timestamp::from_millis(0) } }
/// # impl Processes for Machine {
/// #     fn own(&self) -> Process {
/// #         let (boot_id, pid_ns, host) = (String::new(), String::new(), String::new());
/// #         Process { pid: std::process::id(), start: 0, boot_id, pid_ns, host }
/// #     }
/// #     fn exists(&self, _: u32) -> bool { true }
/// #     fn has_ended(&self, _: &Process) -> bool { false }
/// # }
/// # let world = World {
/// #     clock: Arc::new(Machine),
/// #     processes: Arc::new(Machine),
/// #     suffixes: Arc::new(SystemSuffixes),
/// # };
/// use runr_core::Code;
/// use runr_core::ownership::{Guard, MemoryClaims, OwnOptions, RunName, Target, World};
///
/// let store = Arc::new(MemoryClaims::new());
/// let own = |run: &str, options| {
///     let target = Target::pr("acme/shop", 17)?;
///     let run = RunName::new(run).ok_or_else(|| runr_core::Error::new(Code::Usage, "no run id"))?;
///     Guard::acquire(store.clone(), target, run, options, world.clone())
/// };
/// let owner = own("run-1", OwnOptions::ttl(60))?;
/// owner.check()?;
/// let merged = owner.act(|| "merged")?;
/// assert_eq!(merged, "merged");
///
/// // Another run has to wait, or to take over. Then the first one can do nothing any more.
/// let refused = own("run-2", OwnOptions::default()).unwrap_err();
/// assert_eq!(refused.code(), Code::OwnershipLost);
/// let rescuer = own("run-2", OwnOptions { takeover: true, ..OwnOptions::default() })?;
/// assert!(rescuer.token() > owner.token());
/// assert_eq!(owner.act(|| "again").unwrap_err().code(), Code::OwnershipLost);
/// assert!(owner.is_lost());
/// # Ok::<(), runr_core::Error>(())
/// ```
#[must_use = "the claim is released as soon as the guard is dropped"]
pub struct Guard {
    kept: Arc<Kept>,
    /// The threads that are inside [`act`](Self::act).
    inside: Mutex<Vec<ThreadId>>,
    /// The answer to the release, once there is one.
    released: Mutex<Option<Outcome>>,
}

impl Guard {
    /// Claims `target` for a run, and keeps the claim alive from now on.
    ///
    /// A run that owns the target already has it anew, and its other guards have lost it; unless
    /// the caller carries the present token. Then the claim is shared: this guard keeps it alive,
    /// but neither releases it nor says that the run ends.
    ///
    /// # Errors
    /// `E_OWNERSHIP_LOST` if another run owns the target, or a newer claim of the same run counts
    /// than the one that is carried; `E_USAGE` for a lease of less than a millisecond; those of
    /// [`claim`](super::claim).
    pub fn acquire(
        store: Arc<dyn ClaimStore>,
        target: Target,
        run_id: RunName,
        options: OwnOptions,
        world: World,
    ) -> Result<Self> {
        let guard = Self::claim(store, target, run_id, options, world)?;
        // If this fails, the guard is dropped, and with it the claim.
        let interval = guard.kept.held.ttl / 3;
        guard.kept.start(interval).map_err(|why| {
            let message = format!("cannot start the heartbeat of {}: {why}", guard.target());
            Error::new(Code::Io, message).during("spawn").caused_by(why)
        })?;
        Ok(guard)
    }

    /// Claims, but shows no sign of life.
    fn claim(
        store: Arc<dyn ClaimStore>,
        target: Target,
        run_id: RunName,
        options: OwnOptions,
        world: World,
    ) -> Result<Self> {
        let (held, life) = Held::claim(store, target, run_id, options, world)?;
        Ok(Self {
            kept: Arc::new(Kept::new(held, life)),
            inside: Mutex::default(),
            released: Mutex::default(),
        })
    }

    /// The run that claimed.
    #[must_use]
    pub fn run_id(&self) -> &RunName {
        &self.kept.held.run_id
    }

    /// The number of the claim, for whatever can compare it.
    #[must_use]
    pub fn token(&self) -> Token {
        self.kept.held.token
    }

    /// What is claimed.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.kept.held.target
    }

    /// Makes sure that the claim still counts. Takes no lock: it may be lost a moment later.
    ///
    /// # Errors
    /// `E_OWNERSHIP_LOST`, from then on every time; those of [`ClaimStore::load`], after which it
    /// is not known whether the claim counts.
    pub fn check(&self) -> Result<()> {
        self.kept.standing()?;
        let snapshot = self.kept.held.store.load(self.target())?;
        let verified = self.kept.verify(&snapshot);
        verified.map_err(|loss| self.kept.lose(loss))
    }

    /// Runs a step while nobody can take the claim away: under the lock of the store, if it has
    /// one, after the same questions as [`check`](Self::check).
    ///
    /// The step must be short. Others wait for the lock meanwhile, the heartbeat too. Within the
    /// step `check` and `act` work, releasing is refused. If the step panics, the lock is released
    /// and the panic goes on.
    ///
    /// # Errors
    /// As [`check`](Self::check), and those of [`ClaimStore::update`]. The step has not been run.
    pub fn act<T>(&self, step: impl FnOnce() -> T) -> Result<T> {
        self.kept.standing()?;
        if self.is_inside() {
            self.check()?;
            return Ok(step());
        }
        let mut step = Some(step);
        let mut done = None;
        let mut lost = None;
        let update = self.kept.held.store.update(self.target(), &mut |snapshot| {
            match self.kept.verify(snapshot) {
                // Told outside the lock.
                Err(loss) => lost = Some(loss),
                Ok(()) => {
                    let _inside = Inside::enter(self);
                    done = step.take().map(|step| step());
                }
            }
            Ok(None)
        });
        match (done, lost) {
            // Nothing is stored, so nothing that fails later undoes the step.
            (Some(done), _) => Ok(done),
            (None, Some(loss)) => Err(self.kept.lose(loss)),
            (None, None) => Err(update.err().unwrap_or_else(|| {
                Error::internal(format!("the store asked nobody about {}", self.target()))
            })),
        }
    }

    /// Whether the claim is known to be lost, without a look at the store.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.loss().is_some()
    }

    /// How the claim was lost, if that is known.
    #[must_use]
    pub fn loss(&self) -> Option<Error> {
        let held = &self.kept.held;
        if !held.is_home() {
            return Some(held.error(&Loss::Forked));
        }
        let standing = self.kept.life().standing(Instant::now());
        let loss = standing.err().filter(|loss| *loss != Loss::Ended)?;
        Some(held.error(&loss))
    }

    /// Calls `listener` once when the claim is lost, or at once if it is; on whichever thread
    /// finds out, with no lock held. After a release it is dropped.
    pub fn on_loss(&self, listener: Box<dyn FnOnce(&Error) + Send>) {
        if self.kept.held.is_home() {
            self.kept.listen(listener);
        } else {
            listener(&self.kept.held.error(&Loss::Forked));
        }
    }

    /// The exit signal that somebody recorded for the run after this guard claimed, as far as a
    /// heartbeat or a check has seen it. The claim still counts, but the run should stop.
    #[must_use]
    pub fn exit_signalled(&self) -> Option<ExitSignal> {
        if !self.kept.held.is_home() {
            return None;
        }
        self.kept.life().exit.found().cloned()
    }

    /// Gives the claim back. A reason is recorded as an exit signal first; it is the record's only
    /// place for one. The guard never acts again, even if this fails; it can then be tried again.
    /// Once it is done, the same answer is given every time.
    ///
    /// A claim that was lost is answered with the conflict `ownership_lost`, a shared one with
    /// `release_noop`.
    ///
    /// # Errors
    /// Those of [`release`](super::release) and
    /// [`record_exit_signal`](super::record_exit_signal), the latter after the release;
    /// `E_OWNERSHIP_LOST` in a forked copy; `E_USAGE` within [`act`](Self::act).
    pub fn release(&self, reason: Option<&str>) -> Result<Outcome> {
        if !self.kept.held.is_home() {
            return Err(self.kept.held.error(&Loss::Forked));
        }
        if self.is_inside() {
            let message = format!("{} cannot be released within `act`", self.target());
            return Err(Error::new(Code::Usage, message).hint("release it after the step"));
        }
        let mut released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = &*released {
            return Ok(outcome.clone());
        }
        self.kept.end();
        let held = &self.kept.held;
        let signalled = reason.map_or(Ok(()), |reason| held.signal(reason));
        let outcome = held.release()?;
        *released = Some(outcome.clone());
        signalled.map(|()| outcome)
    }

    /// Says that the run ends, and why; then gives the claim back.
    ///
    /// # Errors
    /// As [`release`](Self::release).
    pub fn fail(&self, reason: &str) -> Result<Outcome> {
        self.release(Some(reason))
    }

    fn is_inside(&self) -> bool {
        self.inside().contains(&thread::current().id())
    }

    fn inside(&self) -> MutexGuard<'_, Vec<ThreadId>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Guard");
        out.field("target", self.target());
        out.field("run_id", self.run_id());
        out.field("token", &self.token());
        out.finish_non_exhaustive()
    }
}

/// Gives the claim back as well as it can; a thread that panics says so first.
impl Drop for Guard {
    fn drop(&mut self) {
        let reason = thread::panicking().then_some("panicked");
        // Where a panic is under way, a second one would end the process.
        let released = catch_unwind(AssertUnwindSafe(|| self.release(reason)));
        drop(released);
    }
}

/// A thread in the middle of a step.
struct Inside<'a>(&'a Guard);

impl<'a> Inside<'a> {
    fn enter(guard: &'a Guard) -> Self {
        guard.inside().push(thread::current().id());
        Self(guard)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let me = thread::current().id();
        self.0.inside().retain(|thread| *thread != me);
    }
}

#[cfg(test)]
mod tests;
