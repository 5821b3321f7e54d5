//! A claim in the hands of a guard, and how its store is spoken to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::life::Life;
use super::loss::{About, Loss};
use super::options::{OwnOptions, World};
use super::signals::ExitWatch;
use crate::error::{Error, Result};
use crate::mutant::without;
use crate::ownership::claim_store::{ClaimStore, Snapshot};
use crate::ownership::claimant::Claimant;
use crate::ownership::fencing::{self, Token};
use crate::ownership::model::{Record, RunName};
use crate::ownership::ops::{self, ExitNote};
use crate::ownership::outcome::{Conflict, Outcome, Status, Verdict};
use crate::ownership::processes::Process;
use crate::ownership::rules::Now;
use crate::ownership::target::Target;

/// The claim itself. Nothing in it changes.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) store: Arc<dyn ClaimStore>,
    pub(super) target: Target,
    pub(super) run_id: RunName,
    pub(super) token: Token,
    /// How long the claim lives without a sign of life.
    pub(super) ttl: Duration,
    /// Whether another holder gives it back.
    shared: bool,
    claimant: Claimant,
    process: Process,
    location: String,
    world: World,
}

impl Held {
    /// Claims, and says how the life of the claim begins.
    pub(super) fn claim(
        store: Arc<dyn ClaimStore>,
        target: Target,
        run_id: RunName,
        options: OwnOptions,
        world: World,
    ) -> Result<(Self, Life)> {
        let options = options.checked()?;
        let process = world.processes.own();
        let claimant = Claimant {
            run_id: Some(run_id.clone()),
            kind: options.kind,
            ttl: options.ttl,
            nonce: format!("{:016x}", world.suffixes.next()?),
            process: Some(process.clone()),
            token: options.token,
        };
        // Before the time that is written: others count the lease from that one.
        let began = Instant::now();
        let now = now(&*store, &world);
        let mode = options.mode();
        let processes = &*world.processes;
        let outcome = ops::claim(&*store, &target, &claimant, &mode, processes, &now)?;
        let token = granted(&outcome, &run_id)?;
        let exit = ExitWatch::new(run_id.clone(), outcome.record.as_ref());
        let mut held = Self {
            location: outcome.file_path,
            shared: false,
            claimant: claimant.with_token(Some(token)),
            ttl: options.ttl,
            store,
            target,
            run_id,
            token,
            process,
            world,
        };
        if options.token == Some(token) {
            held.share()?;
        }
        let life = Life::new(began, held.ttl, exit);
        Ok((held, life))
    }

    /// The token is the one that was carried: the claim is another holder's, whose lease was fixed
    /// when it was made. Whoever shares it keeps to that one, unless its own is stricter.
    ///
    /// The carried token may also have come from elsewhere and be the new one by chance.
    fn share(&mut self) -> Result<()> {
        let fence = self.store.load(&self.target)?.fence;
        let other = fence.filter(|fence| fence.holder.nonce != self.claimant.nonce);
        self.shared = other.is_some();
        if let Some(fence) = other {
            self.ttl = self.ttl.min(Duration::from_millis(fence.holder.ttl_ms));
        }
        Ok(())
    }

    /// A forked copy of the process has the claim in its memory, but must not act on it.
    pub(super) fn is_home(&self) -> bool {
        let (own, home) = (self.world.processes.own(), &self.process);
        // The system cannot always tell when a process started, for want of file descriptors say.
        let is_unknown = own.start == 0 || home.start == 0;
        own.pid == home.pid && (is_unknown || own.start == home.start) || without("guard-pid")
    }

    /// Whether a claim as it was read is still this one.
    pub(super) fn verify(&self, snapshot: &Snapshot) -> Result<(), Loss> {
        let token = fencing::current_token(snapshot);
        let owner = snapshot.record.as_ref().and_then(Record::owner);
        let counts = token == Some(self.token) || without("guard-token");
        if counts && owner == Some(&self.run_id) {
            return Ok(());
        }
        let owner = owner.cloned();
        Err(Loss::Replaced { owner, token })
    }

    /// Shows that the run lives.
    pub(super) fn heartbeat(&self) -> Result<Result<Option<Record>, Loss>> {
        let now = self.now();
        let outcome = ops::heartbeat(&*self.store, &self.target, &self.claimant, &now)?;
        if outcome.ok() {
            return Ok(Ok(outcome.record));
        }
        let owner = outcome.record.as_ref().and_then(Record::owner).cloned();
        let token = outcome.token;
        Ok(Err(Loss::Replaced { owner, token }))
    }

    /// Says why the run ends. Not for a claim that is shared: its run may go on.
    pub(super) fn signal(&self, reason: &str) -> Result<()> {
        if self.shared {
            return Ok(());
        }
        let note = ExitNote {
            reason: Some(reason.into()),
            require_active_owner: true,
        };
        let now = self.now();
        ops::record_exit_signal(&*self.store, &self.target, &self.claimant, &note, &now).map(drop)
    }

    /// Gives the claim back, unless another holder does.
    pub(super) fn release(&self) -> Result<Outcome> {
        if !self.shared {
            return ops::release(&*self.store, &self.target, &self.claimant, &self.now());
        }
        Ok(Outcome {
            verdict: Verdict::Done(Status::ReleaseNoop),
            target: self.target.clone(),
            run_id: Some(self.run_id.clone()),
            record: self.store.read(&self.target)?,
            file_path: self.location.clone(),
            token: Some(self.token),
        })
    }

    pub(super) fn error(&self, loss: &Loss) -> Error {
        loss.error(About {
            target: &self.target,
            run_id: &self.run_id,
            token: Some(self.token),
            location: &self.location,
        })
    }

    fn now(&self) -> Now {
        now(&*self.store, &self.world)
    }
}

/// The store's own time where it has one: then all who share it count by the same clock.
fn now(store: &dyn ClaimStore, world: &World) -> Now {
    store.now().unwrap_or_else(|| world.clock.now()).into()
}

/// The token of a claim; the error if there is none.
fn granted(outcome: &Outcome, run_id: &RunName) -> Result<Token> {
    if let Verdict::Refused(conflict) = outcome.verdict {
        return Err(refused(outcome, conflict, run_id));
    }
    outcome
        .token
        .ok_or_else(|| Error::internal("a claim was answered without a token"))
}

/// A conflict as an error. What the loss of a claim says fits here, too: who owns the target.
fn refused(outcome: &Outcome, conflict: Conflict, run_id: &RunName) -> Error {
    let owner = outcome.record.as_ref().and_then(Record::owner).cloned();
    let token = outcome.token;
    let error = Loss::Replaced { owner, token }.error(About {
        target: &outcome.target,
        run_id,
        token: None,
        location: &outcome.file_path,
    });
    let error = error.with("reason", conflict.as_str());
    match conflict {
        Conflict::ActiveRunExists => {
            error.hint("wait until it is released, or take it over (`runr owner takeover`)")
        }
        _ => error,
    }
}
