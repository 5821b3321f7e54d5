//! Claims in memory: for tests, and the shortest description of what a store does.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::claim_store::{Change, ClaimStore, Snapshot, Swap, Version};
use super::fencing::{Archived, Fence};
use super::model::Record;
use super::target::Target;
use crate::error::Result;

/// Claims that live as long as this value.
#[derive(Debug, Default)]
pub struct MemoryClaims {
    claims: Mutex<HashMap<Target, Claim>>,
}

#[derive(Debug, Clone, Default)]
struct Claim {
    record: Option<Record>,
    fence: Option<Fence>,
    archive: Vec<Archived>,
    version: u64,
}

impl Claim {
    fn snapshot(&self) -> Snapshot {
        let archived = self.archive.last().map(|line| line.token);
        Snapshot {
            record: self.record.clone(),
            fence: self.fence.clone(),
            highest: self.fence.as_ref().map(|fence| fence.token).or(archived),
            version: Version::new(self.version.to_string()),
        }
    }
}

impl MemoryClaims {
    /// No claims.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was archived of a target.
    #[must_use]
    pub fn archive(&self, target: &Target) -> Vec<Archived> {
        self.with(target, |claim| claim.archive.clone())
    }

    /// Writes a record past the rules, as another program does.
    pub fn write_foreign(&self, target: &Target, record: Option<Record>) {
        self.with(target, |claim| {
            claim.record = record;
            claim.version += 1;
        });
    }

    fn with<T>(&self, target: &Target, f: impl FnOnce(&mut Claim) -> T) -> T {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        f(claims.entry(target.clone()).or_default())
    }
}

impl ClaimStore for MemoryClaims {
    fn location(&self, target: &Target) -> String {
        format!("memory:{target}")
    }

    fn load(&self, target: &Target) -> Result<Snapshot> {
        Ok(self.with(target, |claim| claim.snapshot()))
    }

    fn compare_and_set(&self, target: &Target, read: &Version, change: &Change) -> Result<Swap> {
        Ok(self.with(target, |claim| {
            if claim.version.to_string() != read.as_str() {
                return Swap::Conflict;
            }
            claim.archive.extend(change.archive.iter().cloned());
            claim.fence = change.fence.clone().or(claim.fence.take());
            claim.record = Some(change.record.clone());
            claim.version += 1;
            Swap::Stored(Version::new(claim.version.to_string()))
        }))
    }
}
