//! The port to where claims are kept.

use std::fmt;

use super::fencing::{Archived, Fence, Token};
use super::model::Record;
use super::target::Target;
use crate::error::Result;
use crate::time::Timestamp;

/// How often a change is tried anew when others come first.
const MAX_ROUNDS: usize = 64;

/// Which state of a claim was read; opaque to all but its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub(super) String);

impl Version {
    /// The version that a store calls so.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What the store calls it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A claim as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The record; `None` if there is none.
    pub record: Option<Record>,
    /// The fence; `None` if there is none that can be used.
    pub fence: Option<Fence>,
    /// The highest token that is known: the fence's, or where there is none, the archive's.
    pub highest: Option<Token>,
    /// The state that was read.
    pub version: Version,
}

impl Snapshot {
    /// A record that was read without its fence.
    #[must_use]
    pub fn of_record(record: Option<Record>) -> Self {
        Self {
            record,
            fence: None,
            highest: None,
            version: Version::new(""),
        }
    }
}

/// What is to be stored, whole or not at all as far as the store can: what comes first in this
/// order is durable first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is appended to the archive.
    pub archive: Vec<Archived>,
    /// The new fence, if the owner changes.
    pub fence: Option<Fence>,
    /// The new record.
    pub record: Record,
}

/// What a compare-and-set did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// The change is stored, durably.
    Stored(Version),
    /// Somebody came first; nothing was stored.
    Conflict,
}

/// Decides what becomes of a claim; `None` leaves it as it is.
pub type Decide<'a> = dyn FnMut(&Snapshot) -> Result<Option<Change>> + 'a;

/// Where claims are kept.
pub trait ClaimStore: Send + Sync + fmt::Debug {
    /// Where the record of a target is, for people.
    fn location(&self, target: &Target) -> String;

    /// The claim as it is now. Takes no lock, and makes nothing.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT`, `E_RECORD_SCHEMA`, `E_RECORD_TARGET_MISMATCH`, `E_TARGET_INVALID` for a
    /// record that cannot be used; `E_IO`.
    fn load(&self, target: &Target) -> Result<Snapshot>;

    /// The record alone, where that is cheaper.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn read(&self, target: &Target) -> Result<Option<Record>> {
        Ok(self.load(target)?.record)
    }

    /// Stores a change if the claim is still in the state that was read.
    ///
    /// # Errors
    /// As [`load`](Self::load); `E_META_WRITE_FAILED`; `E_LOCK_TIMEOUT`.
    fn compare_and_set(&self, target: &Target, read: &Version, change: &Change) -> Result<Swap>;

    /// Loads, decides and stores, with nobody in between. A store that has locks decides under
    /// them; without any, `decide` may be called again when somebody came first.
    ///
    /// # Errors
    /// As [`compare_and_set`](Self::compare_and_set); the error of `decide`.
    fn update(&self, target: &Target, decide: &mut Decide<'_>) -> Result<()> {
        for _ in 0..MAX_ROUNDS {
            let snapshot = self.load(target)?;
            let Some(change) = decide(&snapshot)? else {
                return Ok(());
            };
            if let Swap::Stored(_) = self.compare_and_set(target, &snapshot.version, &change)? {
                return Ok(());
            }
        }
        Err(contended(&self.location(target)))
    }

    /// The time by the clock of the store, if it has one.
    fn now(&self) -> Option<Timestamp> {
        None
    }
}

fn contended(location: &str) -> crate::Error {
    let message = format!("{location} is changed by others all the time");
    crate::Error::new(crate::Code::LockTimeout, message).hint("try again")
}
