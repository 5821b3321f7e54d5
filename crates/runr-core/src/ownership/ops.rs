//! The operations: load, decide, store.

use super::claim_store::{ClaimStore, Snapshot};
use super::claimant::Claimant;
use super::fencing::{Decision, decide};
use super::lease::{Lease, lease};
use super::model::{Record, RunName};
use super::observer;
use super::outcome::{Conflict, Outcome, Status, Verdict};
use super::processes::Processes;
use super::rules::{Expect, Mode, Now, Op};
use super::stale::{StaleQuery, stale};
use super::target::Target;
use super::text::Text;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Makes the caller the owner, or keeps it the owner.
///
/// # Errors
/// `E_STORE_CORRUPT`, `E_RECORD_SCHEMA`, `E_RECORD_TARGET_MISMATCH` for a record that cannot be
/// used and stays as it is; `E_LOCK_TIMEOUT`; `E_META_WRITE_FAILED`; `E_IO`.
pub fn claim(
    store: &dyn ClaimStore,
    target: &Target,
    caller: &Claimant,
    mode: &Mode,
    processes: &dyn Processes,
    now: &Now,
) -> Result<Outcome> {
    let op = Op::Claim {
        run_id: caller.run_id.clone(),
        mode: mode.clone(),
    };
    change(store, target, &op, caller, Some(processes), now)
}

/// Says whether the caller is the owner. Takes no lock and writes nothing.
///
/// # Errors
/// As [`claim`], without those of writing.
pub fn assert_owner(
    store: &dyn ClaimStore,
    target: &Target,
    caller: &Claimant,
    require_existing: bool,
) -> Result<Outcome> {
    // Only those who show a token need the fence.
    if caller.run_id.is_none() || caller.token.is_some() {
        return assert_with_token(store, target, caller, require_existing);
    }
    let snapshot = Snapshot::of_record(store.read(target)?);
    Ok(asserted(store, target, caller, require_existing, &snapshot))
}

/// The same, with the token of the claim in the answer: it costs a look at the fence.
///
/// # Errors
/// As [`assert_owner`].
pub fn assert_with_token(
    store: &dyn ClaimStore,
    target: &Target,
    caller: &Claimant,
    require_existing: bool,
) -> Result<Outcome> {
    if caller.run_id.is_none() {
        return Ok(nameless(store, target));
    }
    let snapshot = store.load(target)?;
    Ok(asserted(store, target, caller, require_existing, &snapshot))
}

fn asserted(
    store: &dyn ClaimStore,
    target: &Target,
    caller: &Claimant,
    require_existing: bool,
    snapshot: &Snapshot,
) -> Outcome {
    let op = Op::Assert {
        run_id: caller.run_id.clone(),
        require_existing,
    };
    // An assert writes no time.
    let never = Now::from(Timestamp::from_millis(0));
    let decision = decide(snapshot, target, &op, caller, &never, false);
    outcome(store, target, caller, decision)
}

/// Makes the caller the owner no more.
///
/// # Errors
/// As [`claim`].
pub fn release(
    store: &dyn ClaimStore,
    target: &Target,
    caller: &Claimant,
    now: &Now,
) -> Result<Outcome> {
    let op = Op::Release {
        run_id: caller.run_id.clone(),
    };
    change(store, target, &op, caller, None, now)
}

/// What an exit signal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitNote {
    /// Why the run ends.
    pub reason: Option<Text>,
    /// Whether only the owner may say so.
    pub require_active_owner: bool,
}

/// Records that a run ends, and why. It stays the owner.
///
/// # Errors
/// As [`claim`].
pub fn record_exit_signal(
    store: &dyn ClaimStore,
    target: &Target,
    caller: &Claimant,
    signal: &ExitNote,
    now: &Now,
) -> Result<Outcome> {
    let op = Op::ExitSignal {
        run_id: caller.run_id.clone(),
        reason: signal.reason.clone(),
        require_active_owner: signal.require_active_owner,
    };
    change(store, target, &op, caller, None, now)
}

/// Shows that the owner lives: its lease begins anew.
///
/// # Errors
/// As [`claim`].
pub fn heartbeat(
    store: &dyn ClaimStore,
    target: &Target,
    caller: &Claimant,
    now: &Now,
) -> Result<Outcome> {
    let op = Op::Heartbeat {
        run_id: caller.run_id.clone(),
    };
    change(store, target, &op, caller, None, now)
}

/// How [`ensure`] makes sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensure {
    /// Whether nobody's target is a conflict, if it is not claimed.
    pub require_existing: bool,
    /// Whether nobody's target is claimed.
    pub claim_if_missing: bool,
    /// Replaces an owner that this finds stale, or that has said that it ends.
    pub supersede: Option<StaleQuery>,
}

/// Makes sure that the caller is the owner, unless it is no run at all.
///
/// # Errors
/// As [`claim`].
pub fn ensure(
    store: &dyn ClaimStore,
    target: &Target,
    caller: &Claimant,
    how: &Ensure,
    processes: &dyn Processes,
    now: &Now,
) -> Result<Outcome> {
    if caller.run_id.is_none() {
        let skipped = Verdict::Done(Status::SkippedNoAsyncRunId);
        return Ok(unasked(store, target, skipped));
    }
    let asserted = assert_owner(store, target, caller, how.require_existing)?;
    let claim_as = |mode| claim(store, target, caller, &mode, processes, now);
    match asserted.verdict {
        Verdict::Done(Status::NoOwnerRecord) | Verdict::Refused(Conflict::OwnershipMissing)
            if how.claim_if_missing =>
        {
            claim_as(Mode::Claim)
        }
        Verdict::Refused(Conflict::OwnershipLost) => match superseded(&asserted, how) {
            // Whoever came first keeps it: the takeover expects the owner that was judged.
            Some(owner) => claim_as(Mode::Takeover {
                expect: Some(Expect::Run(owner)),
                only_if_expired: false,
            }),
            None => Ok(asserted),
        },
        _ => Ok(asserted),
    }
}

/// The owner that may be replaced.
fn superseded(asserted: &Outcome, how: &Ensure) -> Option<RunName> {
    let query = how.supersede.as_ref()?;
    let record = asserted.record.as_ref()?;
    let owner = record.owner()?;
    (!stale(Some(record), query).ok()).then(|| owner.clone())
}

/// The record of a target, as it would be written.
///
/// # Errors
/// As [`assert_owner`].
pub fn load(store: &dyn ClaimStore, target: &Target) -> Result<Option<Record>> {
    store.read(target)
}

/// The claim of a target and its lease, as this process sees them.
///
/// # Errors
/// As [`assert_owner`].
pub fn inspect(
    store: &dyn ClaimStore,
    target: &Target,
    processes: &dyn Processes,
    now: Timestamp,
) -> Result<(Snapshot, Lease)> {
    let snapshot = store.load(target)?;
    let lease = leased(store, target, &snapshot, processes, now);
    Ok((snapshot, lease))
}

fn leased(
    store: &dyn ClaimStore,
    target: &Target,
    snapshot: &Snapshot,
    processes: &dyn Processes,
    now: Timestamp,
) -> Lease {
    let unchanged_for = observer::unchanged_for(&store.location(target), snapshot);
    lease(
        snapshot,
        store.now().unwrap_or(now),
        unchanged_for,
        processes,
    )
}

fn change(
    store: &dyn ClaimStore,
    target: &Target,
    op: &Op,
    caller: &Claimant,
    processes: Option<&dyn Processes>,
    now: &Now,
) -> Result<Outcome> {
    if caller.run_id.is_none() {
        return Ok(nameless(store, target));
    }
    let mut answer = None;
    store.update(target, &mut |snapshot| {
        let lease = processes.map(|processes| leased(store, target, snapshot, processes, now.at));
        let expired = matches!(lease, Some(Lease::Expired(_)));
        let mut decision = decide(snapshot, target, op, caller, now, expired);
        let change = decision.change.take();
        answer = Some(outcome(store, target, caller, decision));
        Ok(change)
    })?;
    answer.ok_or_else(|| Error::internal("a store did not decide"))
}

fn outcome(
    store: &dyn ClaimStore,
    target: &Target,
    caller: &Claimant,
    decision: Decision,
) -> Outcome {
    Outcome {
        verdict: decision.verdict,
        target: target.clone(),
        run_id: caller.run_id.clone(),
        record: decision.record,
        file_path: store.location(target),
        token: decision.token,
    }
}

/// The answer to a caller without a run id, who is not told what the store holds.
fn nameless(store: &dyn ClaimStore, target: &Target) -> Outcome {
    unasked(store, target, Verdict::Refused(Conflict::RunIdRequired))
}

fn unasked(store: &dyn ClaimStore, target: &Target, verdict: Verdict) -> Outcome {
    Outcome {
        verdict,
        target: target.clone(),
        run_id: None,
        record: None,
        file_path: store.location(target),
        token: None,
    }
}
