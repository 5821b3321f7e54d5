//! The world at one moment: files, locks, programs, and what the promises are judged by.

use crate::rules::{Ask, Deed};
use crate::scenario::{Operator, Scenario};
use crate::values::{Change, Files, Process, Record, Run, Tick};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) now: Tick,
    pub(crate) files: Files,
    /// Which program holds the kernel's lock. It vanishes with its holder.
    pub(crate) kernel: Option<u8>,
    /// What stands under the name of the lock directory. It stays when its holder dies.
    pub(crate) dir: Option<Dir>,
    pub(crate) programs: Vec<Program>,
    pub(crate) writers: Vec<Writer>,
    pub(crate) seen: Seen,
    pub(crate) left: Left,
}

/// A lock directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Dir {
    pub(crate) by: Holder,
    /// Whether it says so.
    pub(crate) signed: bool,
}

/// Who made a lock directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    Program(Process),
    Writer(Process),
}

/// A program of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Program {
    pub(crate) run: Run,
    /// How often it was started again.
    pub(crate) life: u8,
    pub(crate) lives: bool,
    /// The claim that it believes to have.
    pub(crate) claim: Option<Claim>,
    /// The token that it found in its environment.
    pub(crate) carried: Option<u64>,
    pub(crate) place: Place,
    pub(crate) left: u8,
}

/// A claim, as the program knows it that was told that it has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) token: u64,
    /// Whether the record named another owner since. The program does not know.
    pub(crate) is_broken: bool,
}

/// Where a program of ours is in what it does. A paused one simply stays there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// It does nothing.
    Outside,
    /// It has the kernel's lock and wants the directory.
    Waiting(Ask),
    /// It has made the directory and has not yet said so in it.
    Unsigned(Ask),
    /// It has found a directory that nobody holds any more.
    Found(Ask, Dir),
    /// It has moved away what stood there: the directory it found, and what it moved.
    Moved(Ask, Dir, Option<Dir>),
    /// It has the locks and has read and decided.
    Inside(Visit),
    /// It looks at its claim without any lock, and has read the record.
    Reading(Option<Record>),
    /// Its claim counted when it looked, and it is about to act without any lock.
    Checked,
}

/// A program inside the locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Visit {
    pub(crate) deed: Deed,
    /// The token that is answered.
    pub(crate) token: Option<u64>,
    /// Whether it is a new one.
    pub(crate) is_new: bool,
    /// The record as it must stand there: as read, later as written.
    pub(crate) record: Option<Record>,
    /// What is still to be written.
    pub(crate) todo: Change,
    /// Whether something is still to be done under the locks.
    pub(crate) acts: bool,
}

/// A program that knows neither tokens nor the kernel's lock. Each of its calls is a process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Writer {
    pub(crate) run: Run,
    pub(crate) life: u8,
    pub(crate) place: WriterPlace,
    pub(crate) left: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum WriterPlace {
    Outside,
    /// It has made the directory, and has not yet written into it who it is.
    Unsigned {
        takes_over: bool,
    },
    /// It has read the record and decided what to write.
    Inside {
        read: Option<Record>,
        write: Option<Record>,
    },
}

/// What has been seen so far, for the promises alone. No actor looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Seen {
    /// The highest token that was answered.
    pub(crate) answered: u64,
    /// The highest token that somebody acted with under the locks.
    pub(crate) acted: u64,
    /// The highest token that the fenced resource has seen.
    pub(crate) resource: u64,
    /// The token under which one of ours last wrote another owner into the record.
    pub(crate) recorded: u64,
    /// Whether the operator took the directory of a living holder away.
    pub(crate) robbed: bool,
    /// What went wrong, as bits.
    faults: u8,
}

impl Seen {
    /// Whether this never went wrong.
    pub(crate) fn lacks(&self, fault: Fault) -> bool {
        self.faults & (1 << fault as u8) == 0
    }

    /// Whether nothing went wrong.
    pub(crate) fn is_faultless(&self) -> bool {
        self.faults == 0
    }
}

/// What must never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// Somebody acted with an older token after somebody acted with a newer one.
    OlderToken,
    /// Somebody acted under the locks whose claim was not the last one, or had been broken.
    NotTheOwner,
    /// A token was answered or written that is not above the older ones.
    TokenBack,
    /// A record was written over one that its writer had not read.
    Overwritten,
    /// What was answered does not stand in the record.
    Lost,
    /// A program of ours removed the lock directory of a living holder.
    Evicted,
    /// An owner was replaced as expired that was alive and had just said so.
    TooEarly,
}

/// How much may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) deaths: u8,
    pub(crate) writer_deaths: u8,
    pub(crate) jumps: u8,
    pub(crate) losses: u8,
    pub(crate) hands: u8,
}

impl Program {
    /// The token of the claim that it believes to have.
    pub(crate) fn token(&self) -> Option<u64> {
        self.claim.map(|claim| claim.token)
    }
}

impl State {
    /// No files, no locks, and nobody has begun.
    pub(crate) fn first(scenario: &Scenario) -> Self {
        let programs = scenario.programs.iter().map(|program| Program {
            run: program.run,
            life: 0,
            lives: true,
            claim: None,
            carried: None,
            place: Place::Outside,
            left: scenario.operations,
        });
        let writers = scenario.writers.iter().map(|run| Writer {
            run: *run,
            life: 0,
            place: WriterPlace::Outside,
            left: scenario.writes,
        });
        Self {
            now: 1,
            files: Files::default(),
            kernel: None,
            dir: None,
            programs: programs.collect(),
            writers: writers.collect(),
            seen: Seen::default(),
            left: Left {
                deaths: scenario.deaths,
                writer_deaths: scenario.writer_deaths,
                jumps: scenario.jumps,
                losses: scenario.losses,
                hands: u8::from(scenario.operator != Operator::Absent),
            },
        }
    }

    /// Somebody writes the record.
    pub(crate) fn write_record(&mut self, record: Option<Record>) {
        let before = self.files.owner();
        self.files.record = record;
        if self.files.owner() != before {
            let claims = self.programs.iter_mut();
            let claims = claims.filter_map(|program| program.claim.as_mut());
            claims.for_each(|claim| claim.is_broken = true);
        }
    }

    /// Something went wrong.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.seen.faults |= 1 << fault as u8;
    }

    /// The process of a program of ours.
    pub(crate) fn process(&self, who: u8) -> Process {
        Process {
            actor: who,
            life: self.programs[usize::from(who)].life,
        }
    }

    /// Whether that process of a program of ours has ended.
    pub(crate) fn has_ended(&self, process: Process) -> bool {
        let program = &self.programs[usize::from(process.actor)];
        !program.lives || program.life != process.life
    }

    /// Whether the process that made a lock directory is still there.
    pub(crate) fn is_alive(&self, holder: Holder) -> bool {
        match holder {
            Holder::Program(process) => !self.has_ended(process),
            Holder::Writer(process) => {
                let writer = &self.writers[usize::from(process.actor)];
                writer.place != WriterPlace::Outside && writer.life == process.life
            }
        }
    }

    /// How many are inside: have read the record and may still write it.
    pub(crate) fn inside(&self) -> usize {
        let programs = self.programs.iter();
        let writers = self.writers.iter();
        programs
            .filter(|program| matches!(program.place, Place::Inside(_)))
            .count()
            + writers
                .filter(|writer| matches!(writer.place, WriterPlace::Inside { .. }))
                .count()
    }

    /// Whether nobody is in the middle of anything.
    pub(crate) fn is_quiet(&self) -> bool {
        let programs = self.programs.iter();
        let mut writers = self.writers.iter();
        programs
            .clone()
            .all(|program| program.place == Place::Outside)
            && writers.all(|writer| writer.place == WriterPlace::Outside)
    }
}
