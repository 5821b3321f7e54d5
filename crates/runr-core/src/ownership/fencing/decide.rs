//! Which token an operation needs, gets and shows, and what is to be written.

use std::time::Duration;

use super::{Archived, ArchivedKind, Fence, Holder, HolderKind, Token, digest};
use crate::json::Written;
use crate::mutant::without;
use crate::ownership::claim_store::{Change, Snapshot};
use crate::ownership::claimant::{Claimant, PLAIN_TTL};
use crate::ownership::model::{HistoryEvent, Record, RunName};
use crate::ownership::outcome::{Conflict, Status, Verdict};
use crate::ownership::rules::{self, Expect, Mode, Now, Op, Transition};
use crate::ownership::target::Target;

/// How many events a record keeps; older ones go to the archive.
pub const MAX_HISTORY: usize = 50;

/// An event that is longer stays in the record: the archive could not hold it in a line.
const MAX_EVENT: usize = 1 << 19;

/// What becomes of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is done.
    pub verdict: Verdict,
    /// The record after it.
    pub record: Option<Record>,
    /// The token after it.
    pub token: Option<Token>,
    /// What is to be stored.
    pub change: Option<Change>,
}

/// Decides an operation. `expired` says whether the present owner may be taken over by those who
/// ask only for an expired claim.
#[must_use]
pub fn decide(
    snapshot: &Snapshot,
    target: &Target,
    op: &Op,
    caller: &Claimant,
    now: &Now,
    expired: bool,
) -> Decision {
    let op = settled(op, snapshot, expired);
    let next = rules::transition(snapshot.record.as_ref(), target, &op, now);
    let verdict = match next.verdict {
        Verdict::Done(status) if is_fenced_out(snapshot, &op, status, caller) => {
            Verdict::Refused(Conflict::OwnershipLost)
        }
        verdict => verdict,
    };
    match (verdict, next) {
        (
            Verdict::Done(status),
            Transition {
                record: Some(record),
                writes: true,
                ..
            },
        ) => write(snapshot, &op, caller, now, status, record),
        _ => Decision {
            verdict,
            record: snapshot.record.clone(),
            token: current_token(snapshot),
            change: None,
        },
    }
}

/// The token that counts; none if the record was changed by a program that knows no tokens, or was
/// never fenced.
#[must_use]
pub fn current_token(snapshot: &Snapshot) -> Option<Token> {
    valid(snapshot).map(|fence| fence.token)
}

fn valid(snapshot: &Snapshot) -> Option<&Fence> {
    let fence = snapshot.fence.as_ref()?;
    (fence.digest == digest(snapshot.record.as_ref()) || without("fence-digest")).then_some(fence)
}

/// A takeover whose conditions do not hold leaves the owner alone.
fn settled(op: &Op, snapshot: &Snapshot, expired: bool) -> Op {
    let Op::Claim {
        run_id,
        mode: Mode::Takeover {
            expect,
            only_if_expired,
        },
    } = op
    else {
        return op.clone();
    };
    let owner = snapshot.record.as_ref().and_then(Record::owner);
    let is_expected = match expect {
        None => true,
        Some(Expect::Run(run)) => owner == Some(run),
        Some(Expect::Token(token)) => current_token(snapshot) == Some(*token),
    };
    let holds = is_expected && (expired || !only_if_expired) || without("takeover-conditions");
    let mode = if holds {
        Mode::Takeover {
            expect: None,
            only_if_expired: false,
        }
    } else {
        Mode::Claim
    };
    Op::Claim {
        run_id: run_id.clone(),
        mode,
    }
}

/// Whether the caller shows a token that counts no more.
fn is_fenced_out(snapshot: &Snapshot, op: &Op, status: Status, caller: &Claimant) -> bool {
    let Some(token) = caller.token.filter(|_| !without("token-compare")) else {
        return false;
    };
    let current = current_token(snapshot);
    match (op, status) {
        // An older process of the same run. A token of another target means nothing here, and
        // whoever claims anew shows none.
        (Op::Claim { .. }, Status::Refreshed) => current.is_some_and(|current| token < current),
        (Op::Claim { .. }, _) | (_, Status::NoOwnerRecord | Status::ReleaseNoop) => false,
        _ => current != Some(token),
    }
}

fn write(
    snapshot: &Snapshot,
    op: &Op,
    caller: &Claimant,
    now: &Now,
    status: Status,
    mut record: Record,
) -> Decision {
    let mut tokens = Tokens::after(snapshot, caller, now);
    let mut archive = Vec::new();
    let adopted = is_foreign(snapshot);
    if adopted {
        let owner = snapshot.record.as_ref().and_then(Record::owner);
        archive.push(tokens.archive(adopt(owner, now)));
    }
    let new_owner = changes_owner(snapshot, op, caller, status);
    if new_owner && let Some(event) = record.history.last() {
        archive.push(tokens.archive(event.clone()));
    }
    let is_stale =
        snapshot.fence.as_ref().map(|fence| &fence.digest) != Some(&digest(Some(&record)));
    let fence = (adopted || new_owner || is_stale).then(|| {
        if archive.is_empty() {
            tokens.last = tokens.last.next();
        }
        let kept = valid(snapshot).map(|fence| fence.holder.clone());
        let holder = match (new_owner, kept) {
            (true, _) => holder(caller, status),
            (false, Some(kept)) => kept,
            (false, None) => plain(record.owner()),
        };
        Fence {
            token: tokens.last,
            digest: digest(Some(&record)),
            holder,
        }
    });
    let token = tokens.last;
    evict(&mut record, token, &mut archive);
    Decision {
        verdict: Verdict::Done(status),
        record: Some(record.clone()),
        token: Some(token),
        change: Some(Change {
            archive,
            fence,
            record,
        }),
    }
}

/// The tokens that an operation gives.
struct Tokens {
    last: Token,
}

impl Tokens {
    /// Begins with the last one that is known. Where none is, the time is one nobody had.
    fn after(snapshot: &Snapshot, caller: &Claimant, now: &Now) -> Self {
        let by_time = Token(u64::try_from(now.at.as_millis()).unwrap_or_default());
        let last = match &snapshot.fence {
            Some(fence) => fence.token,
            None => [snapshot.highest, caller.token, Some(by_time)]
                .into_iter()
                .flatten()
                .max()
                .unwrap_or(by_time),
        };
        Self { last }
    }

    /// A line with a new token.
    fn archive(&mut self, event: HistoryEvent) -> Archived {
        if !without("token-grows") {
            self.last = self.last.next();
        }
        Archived {
            token: self.last,
            kind: ArchivedKind::Change,
            event,
        }
    }
}

/// Whether somebody changed the record who knows no tokens. A new target is nobody's change.
fn is_foreign(snapshot: &Snapshot) -> bool {
    let is_new = snapshot.record.is_none() && snapshot.fence.is_none();
    !is_new && valid(snapshot).is_none()
}

/// Whether the claim is another one after this than before.
fn changes_owner(snapshot: &Snapshot, op: &Op, caller: &Claimant, status: Status) -> bool {
    match status {
        Status::ClaimedNew | Status::TakenOver | Status::Released => true,
        Status::Refreshed => {
            let shares = caller.token.is_some() && caller.token == current_token(snapshot);
            matches!(op, Op::Claim { .. }) && caller.kind != HolderKind::Plain && !shares
        }
        _ => false,
    }
}

fn holder(caller: &Claimant, status: Status) -> Holder {
    if status == Status::Released {
        return plain(None);
    }
    Holder {
        run_id: caller.run_id.as_ref().map(ToString::to_string),
        kind: caller.kind,
        ttl_ms: millis(caller.ttl),
        nonce: caller.nonce.clone(),
        process: caller.process.clone(),
    }
}

/// The holder of a claim that no process is known to keep alive.
pub(in crate::ownership) fn plain(owner: Option<&RunName>) -> Holder {
    Holder {
        run_id: owner.map(ToString::to_string),
        kind: HolderKind::Plain,
        ttl_ms: millis(PLAIN_TTL),
        nonce: String::new(),
        process: None,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The event of a claim that is taken as it was found; the archive alone has it.
pub(in crate::ownership) fn adopt(owner: Option<&RunName>, now: &Now) -> HistoryEvent {
    let run = owner.map_or_else(|| "null".to_owned(), |run| run.as_text().quoted());
    let at = now.stamp.quoted();
    HistoryEvent(Written::trusted(format!(
        "{{\"type\":\"adopt\",\"runId\":{run},\"at\":{at}}}"
    )))
}

/// Moves the oldest events to the archive.
fn evict(record: &mut Record, token: Token, archive: &mut Vec<Archived>) {
    let mut surplus = record.history.len().saturating_sub(MAX_HISTORY);
    let mut kept = Vec::with_capacity(record.history.len());
    let mut evicted = Vec::with_capacity(surplus);
    for event in std::mem::take(&mut record.history) {
        if surplus > 0 && event.0.text().len() <= MAX_EVENT {
            surplus -= 1;
            evicted.push(Archived {
                token,
                kind: ArchivedKind::Evicted,
                event,
            });
        } else {
            kept.push(event);
        }
    }
    record.history = kept;
    // Before the new events, which happened after them.
    archive.splice(0..0, evicted);
}
