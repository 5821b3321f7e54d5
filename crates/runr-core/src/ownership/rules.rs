//! What an operation makes of a record. No files, no clock.

use super::fencing::Token;
use super::model::{ActiveRun, ExitSignal, HistoryEvent, PreviousRun, Record, RunName};
use super::outcome::{Conflict, Status, Verdict};
use super::target::Target;
use super::text::Text;
use crate::time::Timestamp;

/// What is asked for. A run id that is absent is answered, not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// To become the owner, or to stay it.
    Claim {
        /// Who asks.
        run_id: Option<RunName>,
        /// What becomes of another owner.
        mode: Mode,
    },
    /// To know whether the caller is the owner.
    Assert {
        /// Who asks.
        run_id: Option<RunName>,
        /// Whether nobody's target is a conflict.
        require_existing: bool,
    },
    /// To be the owner no more.
    Release {
        /// Who asks.
        run_id: Option<RunName>,
    },
    /// To say that a run ends.
    ExitSignal {
        /// The run.
        run_id: Option<RunName>,
        /// Why; trimmed and cut to 500 UTF-16 units.
        reason: Option<Text>,
        /// Whether only the owner may say so.
        require_active_owner: bool,
    },
    /// To show that the owner lives: no event, no new token.
    Heartbeat {
        /// Who asks.
        run_id: Option<RunName>,
    },
}

/// What a claim does with another owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mode {
    /// It leaves it alone.
    #[default]
    Claim,
    /// It takes the target over.
    Takeover {
        /// Only from this owner. A free target is claimed as usual.
        expect: Option<Expect>,
        /// Only if the owner's lease has expired.
        only_if_expired: bool,
    },
}

/// Whom a takeover expects to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// This run.
    Run(RunName),
    /// This claim.
    Token(Token),
}

/// The time of an operation: as it is written, and as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// What is written, unchecked.
    pub stamp: Text,
    /// What leases are compared with.
    pub at: Timestamp,
}

impl From<Timestamp> for Now {
    fn from(at: Timestamp) -> Self {
        Self {
            stamp: at.to_string().as_str().into(),
            at,
        }
    }
}

/// What an operation makes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Whether it is done.
    pub verdict: Verdict,
    /// The record after it.
    pub record: Option<Record>,
    /// Whether the record is to be written.
    pub writes: bool,
}

impl Op {
    /// Who asks.
    #[must_use]
    pub fn run_id(&self) -> Option<&RunName> {
        match self {
            Self::Claim { run_id, .. }
            | Self::Assert { run_id, .. }
            | Self::Release { run_id }
            | Self::ExitSignal { run_id, .. }
            | Self::Heartbeat { run_id } => run_id.as_ref(),
        }
    }
}

/// Decides an operation. The conditions of a takeover are no business of the record alone; they are
/// judged [before](super::fencing::decide), and here every takeover is one.
#[must_use]
pub fn transition(record: Option<&Record>, target: &Target, op: &Op, now: &Now) -> Transition {
    let Some(run) = op.run_id() else {
        return refused(record, Conflict::RunIdRequired);
    };
    match op {
        Op::Claim { mode, .. } => claim(record, target, run, mode, now),
        Op::Assert {
            require_existing, ..
        } => assert(record, run, *require_existing),
        Op::Release { .. } => release(record, run, now),
        Op::ExitSignal {
            reason,
            require_active_owner,
            ..
        } => exit_signal(record, run, reason.as_ref(), *require_active_owner, now),
        Op::Heartbeat { .. } => heartbeat(record, run, now),
    }
}

fn claim(
    record: Option<&Record>,
    target: &Target,
    run: &RunName,
    mode: &Mode,
    now: &Now,
) -> Transition {
    let Some((record, owner)) = owned(record) else {
        let record = record
            .cloned()
            .unwrap_or_else(|| Record::new(target.clone()));
        return claim_new(record, run, now);
    };
    match mode {
        _ if owner.run_id == *run => refresh(record.clone(), owner.clone(), now),
        Mode::Takeover { .. } => take_over(record.clone(), owner, run, now),
        Mode::Claim => refused(Some(record), Conflict::ActiveRunExists),
    }
}

fn claim_new(mut record: Record, run: &RunName, now: &Now) -> Transition {
    record.active_run = Some(ActiveRun::new(run.clone(), now));
    record.note("claim", run, None, now);
    written(Status::ClaimedNew, record)
}

fn refresh(mut record: Record, mut owner: ActiveRun, now: &Now) -> Transition {
    record.note("refresh", &owner.run_id, None, now);
    owner.claimed_at.get_or_insert_with(|| now.stamp.clone());
    owner.updated_at = Some(now.stamp.clone());
    record.active_run = Some(owner);
    written(Status::Refreshed, record)
}

fn take_over(mut record: Record, owner: &ActiveRun, run: &RunName, now: &Now) -> Transition {
    record.previous_run = Some(PreviousRun {
        run_id: owner.run_id.clone(),
        replaced_at: Some(now.stamp.clone()),
        replaced_by: Some(run.clone()),
    });
    record.note("takeover", run, Some(&owner.run_id), now);
    record.active_run = Some(ActiveRun::new(run.clone(), now));
    written(Status::TakenOver, record)
}

fn assert(record: Option<&Record>, run: &RunName, require_existing: bool) -> Transition {
    match owned(record) {
        None if require_existing => refused(record, Conflict::OwnershipMissing),
        None => kept(record, Status::NoOwnerRecord),
        Some((_, owner)) if owner.run_id == *run => kept(record, Status::OwnerConfirmed),
        Some(_) => refused(record, Conflict::OwnershipLost),
    }
}

fn release(record: Option<&Record>, run: &RunName, now: &Now) -> Transition {
    let Some(found) = record else {
        return kept(None, Status::ReleaseNoop);
    };
    if found.owner() != Some(run) {
        return refused(record, Conflict::OwnershipLost);
    }
    let mut record = found.clone();
    record.active_run = None;
    record.previous_run = Some(PreviousRun {
        run_id: run.clone(),
        replaced_at: Some(now.stamp.clone()),
        replaced_by: None,
    });
    record.note("release", run, None, now);
    written(Status::Released, record)
}

fn exit_signal(
    record: Option<&Record>,
    run: &RunName,
    reason: Option<&Text>,
    require_active_owner: bool,
    now: &Now,
) -> Transition {
    let Some(found) = record else {
        return refused(None, Conflict::OwnershipMissing);
    };
    if require_active_owner && found.owner() != Some(run) {
        return refused(record, Conflict::OwnershipLost);
    }
    let mut record = found.clone();
    record.exit_signals.push(ExitSignal {
        run_id: run.clone(),
        at: Some(now.stamp.clone()),
        reason: reason.and_then(ExitSignal::reason),
    });
    written(Status::ExitSignalRecorded, record)
}

fn heartbeat(record: Option<&Record>, run: &RunName, now: &Now) -> Transition {
    match owned(record) {
        None => refused(record, Conflict::OwnershipMissing),
        Some((_, owner)) if owner.run_id != *run => refused(record, Conflict::OwnershipLost),
        Some((record, owner)) => {
            let mut record = record.clone();
            record.active_run = Some(ActiveRun {
                updated_at: Some(now.stamp.clone()),
                ..owner.clone()
            });
            written(Status::Refreshed, record)
        }
    }
}

/// The record and who owns its target.
fn owned(record: Option<&Record>) -> Option<(&Record, &ActiveRun)> {
    let record = record?;
    Some((record, record.active_run.as_ref()?))
}

impl Record {
    /// Adds an event to the history.
    fn note(&mut self, kind: &str, run: &RunName, previous: Option<&RunName>, now: &Now) {
        let event = HistoryEvent::new(kind, run, previous, &now.stamp);
        self.history.push(event);
    }
}

fn written(status: Status, record: Record) -> Transition {
    Transition {
        verdict: Verdict::Done(status),
        record: Some(record),
        writes: true,
    }
}

fn kept(record: Option<&Record>, status: Status) -> Transition {
    Transition {
        verdict: Verdict::Done(status),
        record: record.cloned(),
        writes: false,
    }
}

fn refused(record: Option<&Record>, conflict: Conflict) -> Transition {
    Transition {
        verdict: Verdict::Refused(conflict),
        record: record.cloned(),
        writes: false,
    }
}

#[cfg(test)]
mod tests;
