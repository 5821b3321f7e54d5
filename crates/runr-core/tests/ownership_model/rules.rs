//! The real rules, asked with the small values of the model. Each question is put to them once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::Duration;

use runr_core::ownership::fencing::decide;
use runr_core::ownership::rules::transition;
use runr_core::ownership::{
    self as real, Claimant, Conflict, Expiry, HolderKind, Lease, Mode, Now, Op, Processes, Status,
    Target, Token, Verdict, lease,
};

use crate::values::{Change, Files, Process, Record, Run, Tick, name, time};

/// What a program of ours may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ask {
    /// To own the target, if nobody else does.
    Claim,
    /// To own it, whoever does.
    TakeOver,
    /// To own it, if its owner's lease has expired.
    Rescue,
    /// To be known to live.
    Beat,
    /// To have said that the run ends.
    Signal,
    /// To own it no more.
    Release,
    /// To do something under the locks, while its claim counts.
    Act,
    /// To do something without any lock to a resource that looks at tokens itself.
    Effect,
}

/// An operation, and all that its answer may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) files: Files,
    pub(crate) ask: Ask,
    pub(crate) run: Run,
    /// The process that is to keep the claim alive; a plain call has none.
    pub(crate) process: Option<Process>,
    /// The token that is shown.
    pub(crate) token: Option<u64>,
    pub(crate) now: Tick,
    /// Whether the process that keeps the present claim alive has ended.
    pub(crate) ended: bool,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Answer {
    pub(crate) deed: Deed,
    pub(crate) token: Option<u64>,
    pub(crate) change: Change,
}

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Deed {
    Claims,
    Refreshes,
    TakesOver(Why),
    Beats,
    Signals,
    Releases,
    Acts,
    /// Another run has the target.
    Waits,
    /// The caller has lost it.
    Loses,
}

/// Why a target may be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Why {
    Forced,
    Time,
    Death,
}

/// The real rules, and what they have answered.
#[derive(Debug)]
pub(crate) struct Rules {
    target: Target,
    answers: Mutex<HashMap<Question, Answer>>,
    foreign: Mutex<HashMap<Foreign, Option<Record>>>,
}

/// What a writer asks that knows no tokens: the record, its run, whether it takes over, the time.
type Foreign = (Option<Record>, Run, bool, Tick);

impl Default for Rules {
    fn default() -> Self {
        Self {
            target: Target::pr("owner/name", 17).unwrap(),
            answers: Mutex::default(),
            foreign: Mutex::default(),
        }
    }
}

impl Rules {
    /// Decides an operation of ours.
    pub(crate) fn decide(&self, question: Question) -> Answer {
        remembered(&self.answers, question, || question.answer(&self.target))
    }

    /// The record that a writer without tokens makes of one; `None` if it leaves it alone.
    pub(crate) fn foreign(
        &self,
        record: Option<Record>,
        run: Run,
        takes_over: bool,
        now: Tick,
    ) -> Option<Record> {
        remembered(&self.foreign, (record, run, takes_over, now), || {
            let op = claim(run, if takes_over { forced() } else { Mode::Claim });
            let record = record.map(|record| record.to_real(&self.target));
            let next = transition(record.as_ref(), &self.target, &op, &Now::from(time(now)));
            let written = next.record.filter(|_| next.writes);
            written.map(|record| Record::of(&record))
        })
    }
}

fn remembered<Q: Copy + Eq + Hash, A: Copy>(
    answers: &Mutex<HashMap<Q, A>>,
    question: Q,
    answer: impl FnOnce() -> A,
) -> A {
    *answers
        .lock()
        .unwrap()
        .entry(question)
        .or_insert_with(answer)
}

impl Question {
    fn answer(self, target: &Target) -> Answer {
        let snapshot = self.files.to_real(target);
        let processes = Seen { ended: self.ended };
        let lease = lease(&snapshot, time(self.now), Duration::ZERO, &processes);
        let now = Now::from(time(self.now));
        let expired = matches!(lease, Lease::Expired(_));
        let caller = self.caller();
        let decision = decide(&snapshot, target, &self.op(), &caller, &now, expired);
        let change = decision.change.as_ref();
        Answer {
            deed: self.deed(decision.verdict, lease),
            token: decision.token.map(|token| token.0),
            change: change.map_or_else(Change::default, |change| Change::of(change, target)),
        }
    }

    fn caller(&self) -> Claimant {
        let plain = Claimant::plain(Some(name(self.run))).with_token(self.token.map(Token));
        match self.process {
            None => plain,
            Some(process) => Claimant {
                kind: HolderKind::Guard,
                ttl: real::GUARD_TTL,
                process: Some(process.to_real()),
                ..plain
            },
        }
    }

    fn op(&self) -> Op {
        let run_id = Some(name(self.run));
        match self.ask {
            Ask::Claim => claim(self.run, Mode::Claim),
            Ask::TakeOver => claim(self.run, forced()),
            Ask::Rescue => claim(
                self.run,
                Mode::Takeover {
                    expect: None,
                    only_if_expired: true,
                },
            ),
            Ask::Beat => Op::Heartbeat { run_id },
            Ask::Signal => Op::ExitSignal {
                run_id,
                reason: None,
                require_active_owner: true,
            },
            Ask::Release => Op::Release { run_id },
            Ask::Act | Ask::Effect => Op::Assert {
                run_id,
                require_existing: true,
            },
        }
    }

    fn deed(&self, verdict: Verdict, lease: Lease) -> Deed {
        match verdict {
            Verdict::Done(Status::ClaimedNew) => Deed::Claims,
            Verdict::Done(Status::Refreshed) if self.ask == Ask::Beat => Deed::Beats,
            Verdict::Done(Status::Refreshed) => Deed::Refreshes,
            Verdict::Done(Status::TakenOver) => Deed::TakesOver(match (self.ask, lease) {
                (Ask::Rescue, Lease::Expired(Expiry::Time)) => Why::Time,
                (Ask::Rescue, Lease::Expired(Expiry::Death)) => Why::Death,
                _ => Why::Forced,
            }),
            Verdict::Done(Status::OwnerConfirmed) => Deed::Acts,
            Verdict::Done(Status::Released) => Deed::Releases,
            Verdict::Done(Status::ExitSignalRecorded) => Deed::Signals,
            Verdict::Refused(Conflict::ActiveRunExists) => Deed::Waits,
            Verdict::Refused(Conflict::OwnershipLost | Conflict::OwnershipMissing)
            | Verdict::Done(Status::ReleaseNoop) => Deed::Loses,
            other => panic!("{other:?} for {self:?}"),
        }
    }
}

fn claim(run: Run, mode: Mode) -> Op {
    Op::Claim {
        run_id: Some(name(run)),
        mode,
    }
}

fn forced() -> Mode {
    Mode::Takeover {
        expect: None,
        only_if_expired: false,
    }
}

/// The processes of the model, as far as a lease asks: for the one that keeps the claim alive.
#[derive(Debug)]
struct Seen {
    ended: bool,
}

impl Processes for Seen {
    fn own(&self) -> real::Process {
        Process { actor: 0, life: 0 }.to_real()
    }

    fn exists(&self, _: u32) -> bool {
        !self.ended
    }

    fn has_ended(&self, _: &real::Process) -> bool {
        self.ended
    }
}
