//! The claim that a run works under: made before the run is recorded, shown before every step,
//! given back at the end.
//!
//! In whose name a target is claimed: in that of a guard that the caller hands over; else of the
//! run that the environment names (`RUNR_RUN_ID` and its older names), for which the harness then
//! works; else of the harness run itself. A resume claims in the name of the session before, unless
//! the environment carries the claim that counts.

mod wanted;
mod watch;

use std::sync::Arc;

use camino::Utf8Path;
use runr_core::fs::{CancelFlag, Wait};
use runr_core::ownership::{
    ClaimStore, Expect, Expiry, GUARD_TTL, Guard, HolderKind, Lease, OwnOptions, Record, RunName,
    Snapshot, Target, Token, World, fencing, inspect,
};
use runr_core::phase::claim::{ClaimEnd, RunClaim};
use runr_core::phase::config::Config;
use runr_core::{Code, Error, Result, RunId};

use crate::host::Host;
use crate::ownership::{ClaimPlace, world};
use wanted::{Carried, Claimer, name_of};
use watch::{Listener, Watch};

pub use wanted::Own;
pub(crate) use wanted::Wanted;

/// A claim that a run is about to make.
pub(crate) struct Claiming {
    store: Arc<dyn ClaimStore>,
    world: World,
    wanted: Wanted,
    carried: Carried,
    /// The name of the session before.
    before: Option<RunName>,
}

impl Claiming {
    /// Of what is wanted in the repository around `root`. `before` is the claim of the session
    /// that is resumed.
    ///
    /// # Errors
    /// `E_IO`.
    pub(crate) fn new(
        host: &Host,
        root: &Utf8Path,
        config: &Config,
        wanted: Wanted,
        before: Option<&RunClaim>,
    ) -> Result<Self> {
        let place = ClaimPlace::around(host, root)?;
        let place = place.single_host(Some(config.coordination.single_host));
        // A run that is told to stop gives its claim back all the same.
        let store = place.claims(host)?.wait(Wait::USUAL);
        Ok(Self {
            store: Arc::new(store),
            world: world(host),
            carried: Carried::by(host, &wanted.target),
            wanted,
            before: before.and_then(|claim| RunName::new(claim.run_id.as_str())),
        })
    }

    /// Refuses what the claim would be refused for, and writes nothing. Of a run that is not made
    /// yet the name may not be known.
    ///
    /// # Errors
    /// `E_OWNERSHIP_LOST`; those of reading the record.
    pub(crate) fn expect_free(&self, run_id: Option<&RunId>) -> Result<()> {
        let present = Present::look(self)?;
        let claimer = self.claimer(&present, run_id)?;
        present.admits(claimer.as_ref(), self.wanted.guard.is_some())
    }

    /// Claims, and watches the claim: `cancel` is raised when it does not let the run go on.
    ///
    /// # Errors
    /// `E_OWNERSHIP_LOST` if another run owns the target; those of [`Guard::acquire`].
    pub(crate) fn claim(self, run_id: &RunId, cancel: CancelFlag) -> Result<Claim> {
        let present = Present::look(&self)?;
        let claimer = self.claimer(&present, Some(run_id))?;
        let claimer = claimer.ok_or_else(|| Error::internal("a claim in nobody's name"))?;
        let of_guard = self.wanted.guard.is_some();
        present.admits(Some(&claimer), of_guard)?;
        let options = OwnOptions {
            ttl: GUARD_TTL,
            kind: HolderKind::Harness,
            token: claimer.token,
            expect: present.dead.map(Expect::Token),
            only_if_expired: present.dead.is_some(),
            ..OwnOptions::default()
        };
        let target = self.wanted.target;
        let guard = Guard::acquire(self.store, target, claimer.run_id, options, self.world)?;
        let shared = claimer.token == Some(guard.token());
        if of_guard && !shared {
            return Err(gone(&guard));
        }
        Claim::of(guard, shared, cancel)
    }

    /// Who claims; nobody as long as a new run has no name.
    fn claimer(&self, present: &Present, run_id: Option<&RunId>) -> Result<Option<Claimer>> {
        if let Some(guard) = &self.wanted.guard {
            return Ok(Some(guard.clone()));
        }
        let carries = self.carried.claim();
        let carries_it = carries.is_some_and(|(run, token)| present.is(run, token));
        match &self.before {
            Some(before) if !carries_it => Ok(Some(self.carried.named(before.clone()))),
            _ => match self.carried.claimer() {
                Some(claimer) => Ok(Some(claimer)),
                None => run_id
                    .map(|id| Ok(self.carried.named(name_of(id)?)))
                    .transpose(),
            },
        }
    }
}

/// The claim of a target as it is before a run makes its own.
struct Present {
    target: Target,
    owner: Option<RunName>,
    token: Option<Token>,
    /// The number of a claim whose process has ended: it is taken over without a word.
    dead: Option<Token>,
}

impl Present {
    fn look(claiming: &Claiming) -> Result<Self> {
        let (target, world) = (&claiming.wanted.target, &claiming.world);
        let store = &*claiming.store;
        let (snapshot, lease): (Snapshot, Lease) =
            inspect(store, target, &*world.processes, world.clock.now())?;
        let token = fencing::current_token(&snapshot);
        Ok(Self {
            owner: snapshot.record.as_ref().and_then(Record::owner).cloned(),
            dead: token.filter(|_| lease == Lease::Expired(Expiry::Death)),
            token,
            target: target.clone(),
        })
    }

    fn is(&self, run: &RunName, token: Token) -> bool {
        self.owner.as_ref() == Some(run) && self.token == Some(token)
    }

    /// Whether this claimer may claim. A guard must have the claim already.
    fn admits(&self, claimer: Option<&Claimer>, of_guard: bool) -> Result<()> {
        let run = claimer.map(|claimer| &claimer.run_id);
        let token = claimer.and_then(|claimer| claimer.token);
        let owned = match &self.owner {
            None => !of_guard,
            Some(owner) if of_guard => run == Some(owner) && token == self.token,
            Some(owner) => run == Some(owner) || self.dead.is_some(),
        };
        if owned { Ok(()) } else { Err(self.refusal()) }
    }

    fn refusal(&self) -> Error {
        let target = &self.target;
        let what = match &self.owner {
            Some(owner) => format!("{target} is owned by {owner}"),
            None => format!("nobody owns {target} any more"),
        };
        Error::new(Code::OwnershipLost, format!("Ownership lost: {what}"))
            .with("target", target.to_string())
            .with("owner", self.owner.as_ref().map(ToString::to_string))
            .hint("wait until it is released, or take it over (`runr owner takeover`)")
    }
}

fn gone(guard: &Guard) -> Error {
    let target = guard.target();
    let message = format!("Ownership lost: the guard does not own {target} any more");
    Error::new(Code::OwnershipLost, message)
        .with("target", target.to_string())
        .hint("claim it anew")
}

/// The claim of a run. Clones are the same one; with the last it is given back.
#[derive(Clone)]
pub(crate) struct Claim(Arc<Held>);

struct Held {
    // Dropped in this order: nobody looks at a claim that was given back.
    watch: Watch,
    guard: Arc<Guard>,
    facts: RunClaim,
}

impl Claim {
    fn of(guard: Guard, shared: bool, cancel: CancelFlag) -> Result<Self> {
        let facts = RunClaim {
            target: guard.target().clone(),
            run_id: guard.run_id().to_string(),
            token: guard.token(),
            shared,
        };
        let guard = Arc::new(guard);
        Ok(Self(Arc::new(Held {
            watch: Watch::start(Arc::clone(&guard), cancel)?,
            guard,
            facts,
        })))
    }

    /// As the timeline keeps it.
    pub(crate) fn facts(&self) -> &RunClaim {
        &self.0.facts
    }

    /// Calls `listener` once when the claim does not let the run go on, or at once if it does not.
    pub(crate) fn on_end(&self, listener: Listener) {
        self.0.watch.on_end(listener);
    }

    /// What does not let the run go on.
    ///
    /// # Errors
    /// `E_IO`.
    pub(crate) fn end(&self) -> Result<Option<ClaimEnd>> {
        end_of(&self.0.guard)
    }

    /// Makes sure that the claim counts.
    ///
    /// # Errors
    /// `E_OWNERSHIP_LOST`, `E_IO`.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.guard.check().map_err(unprovable)
    }

    /// Runs a short step while nobody can take the claim away.
    ///
    /// # Errors
    /// As [`check`](Self::check); `E_LOCK_TIMEOUT`; those of the step.
    pub(crate) fn act<T>(&self, step: impl FnOnce() -> Result<T>) -> Result<T> {
        self.0.guard.act(step).map_err(unprovable)?
    }
}

fn end_of(guard: &Guard) -> Result<Option<ClaimEnd>> {
    match guard.check().map_err(unprovable) {
        Err(error) if error.code() == Code::OwnershipLost => {
            Ok(Some(ClaimEnd::Lost(error.to_string())))
        }
        Err(error) => Err(error),
        Ok(()) => Ok(guard.exit_signalled().map(|signal| ClaimEnd::Signalled {
            reason: signal.reason.map(|reason| reason.to_string()),
        })),
    }
}

/// A record that cannot be used holds no claim of ours.
fn unprovable(error: Error) -> Error {
    match error.code() {
        Code::StoreCorrupt
        | Code::RecordSchema
        | Code::RecordTargetMismatch
        | Code::TargetInvalid => {
            let message = format!("Ownership lost: its record cannot be used: {error}");
            Error::new(Code::OwnershipLost, message)
                .hint("`runr owner repair` rebuilds it")
                .with("cause", error.to_json())
        }
        _ => error,
    }
}
