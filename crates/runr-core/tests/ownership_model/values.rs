//! What the model keeps of the files of a claim: small values that can be compared and hashed, and
//! how they become the real ones and come back.
//!
//! The history is left out: no rule reads it, and it only grows.

use std::time::Duration;

use runr_core::Timestamp;
use runr_core::ownership::{self as real, HolderKind, Now, RunName, Target, Text, Token, Version};

/// A run, by its place among [`RUNS`].
pub(crate) type Run = u8;

/// The time of a clock. One tick is longer than every lease.
pub(crate) type Tick = u8;

/// The ids of runs.
const RUNS: [&str; 4] = ["ann", "ben", "cat", "old"];

/// The run of the writer that knows no tokens.
pub(crate) const OLD: Run = 3;

const TICK: Duration = Duration::from_secs(3600);

/// The record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Record {
    pub(crate) owner: Option<Owner>,
    pub(crate) previous: Option<Previous>,
    /// Which runs have said that they end, as bits.
    pub(crate) signals: u8,
}

/// Who owns the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) run: Run,
    pub(crate) claimed: Tick,
    pub(crate) updated: Tick,
}

/// Who owned it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Previous {
    pub(crate) run: Run,
    pub(crate) at: Tick,
    pub(crate) by: Option<Run>,
}

/// The sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fence {
    pub(crate) token: u64,
    /// A record with the digest of the sidecar.
    pub(crate) of: Record,
    /// The process that keeps the claim alive.
    pub(crate) process: Option<Process>,
}

/// A life of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) actor: u8,
    pub(crate) life: u8,
}

/// The files of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Files {
    pub(crate) record: Option<Record>,
    pub(crate) fence: Option<Fence>,
    /// The token of the last line of the archive.
    pub(crate) archived: Option<u64>,
}

/// What an operation writes, in the order in which it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Change {
    pub(crate) archive: Option<Archived>,
    pub(crate) fence: Option<Fence>,
    pub(crate) record: Option<Record>,
}

/// What an operation appends to the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Archived {
    pub(crate) token: u64,
    /// Whether a change is among it that somebody made who knows no tokens.
    pub(crate) adopts: bool,
}

impl Files {
    /// The owner, as far as the record tells.
    pub(crate) fn owner(&self) -> Option<Run> {
        Some(self.record?.owner?.run)
    }

    pub(crate) fn to_real(self, target: &Target) -> real::Snapshot {
        let fence = self.fence.map(|fence| fence.to_real(target));
        let archived = self.archived.map(Token);
        real::Snapshot {
            record: self.record.map(|record| record.to_real(target)),
            highest: fence.as_ref().map(|fence| fence.token).or(archived),
            fence,
            version: Version::new(""),
        }
    }
}

impl Record {
    pub(crate) fn to_real(self, target: &Target) -> real::Record {
        let mut record = real::Record::new(target.clone());
        record.active_run = self.owner.map(|owner| real::ActiveRun {
            run_id: name(owner.run),
            claimed_at: Some(stamp(owner.claimed)),
            updated_at: Some(stamp(owner.updated)),
        });
        record.previous_run = self.previous.map(|previous| real::PreviousRun {
            run_id: name(previous.run),
            replaced_at: Some(stamp(previous.at)),
            replaced_by: previous.by.map(name),
        });
        let signalled = (0..8).filter(|run| self.signals & (1 << run) != 0);
        record.exit_signals = signalled
            .map(|run| real::ExitSignal {
                run_id: name(run),
                at: None,
                reason: None,
            })
            .collect();
        record
    }

    pub(crate) fn of(record: &real::Record) -> Self {
        let signals = record.exit_signals.iter();
        Self {
            owner: record.active_run.as_ref().map(|owner| Owner {
                run: place(&owner.run_id),
                claimed: tick(owner.claimed_at.as_ref()),
                updated: tick(owner.updated_at.as_ref()),
            }),
            previous: record.previous_run.as_ref().map(|previous| Previous {
                run: place(&previous.run_id),
                at: tick(previous.replaced_at.as_ref()),
                by: previous.replaced_by.as_ref().map(place),
            }),
            signals: signals.fold(0, |bits, signal| bits | 1 << place(&signal.run_id)),
        }
    }

    /// The same without what no digest covers.
    fn bare(mut self) -> Self {
        self.signals = 0;
        self.owner = self.owner.map(|owner| Owner {
            updated: owner.claimed,
            ..owner
        });
        self
    }
}

impl Fence {
    /// A sidecar that fits a record, whatever it was written for.
    pub(crate) fn fitting(self, record: Record) -> Self {
        Self {
            of: record.bare(),
            ..self
        }
    }

    fn to_real(self, target: &Target) -> real::Fence {
        let guard = self.process.is_some();
        let ttl = if guard {
            real::GUARD_TTL
        } else {
            real::PLAIN_TTL
        };
        real::Fence {
            token: Token(self.token),
            digest: real::fencing::digest(Some(&self.of.to_real(target))),
            holder: real::Holder {
                run_id: self.of.owner.map(|owner| name(owner.run).to_string()),
                kind: if guard {
                    HolderKind::Guard
                } else {
                    HolderKind::Plain
                },
                ttl_ms: u64::try_from(ttl.as_millis()).unwrap(),
                nonce: String::new(),
                process: self.process.map(Process::to_real),
            },
        }
    }

    /// The sidecar of a record that is written with it.
    fn of(fence: &real::Fence, record: Record, target: &Target) -> Self {
        let of = record.bare();
        let digest = real::fencing::digest(Some(&of.to_real(target)));
        assert_eq!(
            fence.digest, digest,
            "the model misses what the digest covers"
        );
        Self {
            token: fence.token.0,
            of,
            process: fence.holder.process.as_ref().map(Process::of),
        }
    }
}

impl Process {
    pub(crate) fn to_real(self) -> real::Process {
        real::Process {
            pid: u32::from(self.actor) + 1,
            start: u64::from(self.life),
            boot_id: "boot".to_owned(),
            pid_ns: "namespace".to_owned(),
            host: "host".to_owned(),
        }
    }

    fn of(process: &real::Process) -> Self {
        Self {
            actor: u8::try_from(process.pid - 1).unwrap(),
            life: u8::try_from(process.start).unwrap(),
        }
    }
}

impl Change {
    pub(crate) fn of(change: &real::Change, target: &Target) -> Self {
        let record = Record::of(&change.record);
        let fence = change.fence.as_ref();
        Self {
            archive: change.archive.last().map(|line| Archived {
                token: line.token.0,
                adopts: change.archive.len() > 1,
            }),
            fence: fence.map(|fence| Fence::of(fence, record, target)),
            record: Some(record),
        }
    }
}

/// The id of a run.
pub(crate) fn name(run: Run) -> RunName {
    RunName::new(RUNS[usize::from(run)]).unwrap()
}

fn place(run: &RunName) -> Run {
    let found = RUNS.iter().position(|name| *name == run.to_string());
    u8::try_from(found.unwrap()).unwrap()
}

/// A time as the clock tells it.
pub(crate) fn time(tick: Tick) -> Timestamp {
    Timestamp::from_millis(0).plus(TICK * u32::from(tick))
}

fn stamp(tick: Tick) -> Text {
    Now::from(time(tick)).stamp
}

fn tick(stamp: Option<&Text>) -> Tick {
    let at: Timestamp = stamp.unwrap().to_string().parse().unwrap();
    let ticks = at.since(time(0)).as_secs() / TICK.as_secs();
    Tick::try_from(ticks).unwrap()
}
