//! How much may happen in one exploration, and which step of the protocol is left out.

use crate::rules::Ask;
use crate::values::Run;

/// What an exploration goes through: everything that these numbers allow, in every order.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The programs of ours.
    pub(crate) programs: Vec<Program>,
    /// How many operations each of them begins.
    pub(crate) operations: u8,
    /// The runs of the writers that know no tokens.
    pub(crate) writers: Vec<Run>,
    /// How often each of those writes.
    pub(crate) writes: u8,
    /// How many programs of ours die, wherever they are.
    pub(crate) deaths: u8,
    /// How many writers die.
    pub(crate) writer_deaths: u8,
    /// How often the clock jumps, back or forward.
    pub(crate) jumps: u8,
    /// How often the sidecar is lost.
    pub(crate) losses: u8,
    pub(crate) operator: Operator,
    pub(crate) removal: Removal,
    pub(crate) without: Option<Without>,
}

/// A program of ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    pub(crate) run: Run,
    /// Whether its process keeps its claims alive, as a guard does, or each call stands alone.
    pub(crate) guard: bool,
    /// Whether the program that follows a dead one finds the token of that in its environment.
    pub(crate) inherits: bool,
    /// What it asks for.
    pub(crate) asks: &'static [Ask],
}

/// The person who removes lock directories by hand, as the older programs tell them to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Absent,
    /// Removes a directory whose holder is dead.
    Careful,
    /// Removes any directory.
    Rash,
}

/// What is done with a lock directory that nobody holds any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is moved away, looked at again, and put back if it is another one.
    SetAside,
    /// It is made our own where it stands.
    Inherit,
}

/// A step of the protocol that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    /// Who acts does not show its token.
    TokenCheck,
    /// The sidecar counts whatever the record says.
    Digest,
    /// The record is written before the sidecar.
    FenceFirst,
    /// Without a sidecar the archive is not asked for the last token.
    Archive,
    /// A takeover does not ask whether the lease has expired.
    Lease,
    /// There is only the directory.
    KernelLock,
    /// The directory is made first, and says who holds it later.
    WholeDirectory,
    /// A directory is removed without a second look at it.
    SecondLook,
    /// A directory is removed however alive its holder is, as if it were too old.
    Liveness,
    /// Nor does it matter whether it says who holds it.
    Signature,
    /// What stands under the name of the directory is removed when its lock is given up.
    Nonce,
    /// The lock directory of a dead program of ours is left for a person.
    Orphans,
    /// The resource takes any token.
    Resource,
}

/// Everything that a program of ours can ask for.
pub(crate) const EVERYTHING: &[Ask] = &[
    Ask::Claim,
    Ask::TakeOver,
    Ask::Rescue,
    Ask::Beat,
    Ask::Signal,
    Ask::Release,
    Ask::Act,
    Ask::Effect,
];

impl Program {
    /// A guard for a run.
    pub(crate) fn guard(run: Run) -> Self {
        Self {
            run,
            guard: true,
            inherits: false,
            asks: EVERYTHING,
        }
    }

    /// The same with fewer wishes.
    pub(crate) fn asking(self, asks: &'static [Ask]) -> Self {
        Self { asks, ..self }
    }

    /// Calls that no process stands behind.
    pub(crate) fn plain(run: Run) -> Self {
        Self {
            guard: false,
            ..Self::guard(run)
        }
    }
}

impl Scenario {
    /// Programs of ours that nothing happens to.
    pub(crate) fn of(name: &'static str, programs: &[Program]) -> Self {
        Self {
            name,
            programs: programs.to_vec(),
            operations: 2,
            writers: Vec::new(),
            writes: 0,
            deaths: 0,
            writer_deaths: 0,
            jumps: 0,
            losses: 0,
            operator: Operator::Absent,
            removal: Removal::SetAside,
            without: None,
        }
    }

    /// Whether this step is left out.
    pub(crate) fn lacks(&self, step: Without) -> bool {
        self.without == Some(step)
    }

    /// The same without a step.
    pub(crate) fn without(mut self, step: Without) -> Self {
        self.without = Some(step);
        self
    }

    /// The same beside writers that know no tokens.
    pub(crate) fn beside(mut self, writers: &[Run], writes: u8) -> Self {
        self.writers = writers.to_vec();
        self.writes = writes;
        self
    }
}
