//! Names of runs: each belongs to one active run of its repository.

use serde_json::json;

use super::model::RunMeta;
use super::ops::RunStore;
use crate::error::{Code, Error, Result};
use crate::fs::{LockGuard, Wait};
use crate::id::RunId;
use crate::mutant::without;

impl RunStore {
    /// Keeps others from taking a name in this repository. Nothing is held in a store that belongs
    /// to no repository of a data directory, and where this thread holds the lock already.
    pub(super) fn lock_names(&self, wait: Wait) -> Result<Option<LockGuard>> {
        if self.repo_id().is_none() {
            return Ok(None);
        }
        self.lock_unless_held(wait)
    }

    /// A name must not be that of another active run. To be called with the names locked.
    pub(super) fn check_free(&self, name: &str, own: &RunId) -> Result<()> {
        let records = self.scan()?;
        let taken = records.iter().find(|record| {
            let meta = record.meta.as_ref().filter(|meta| meta.is_active());
            record.run_id != *own && meta.is_some_and(|it| it.name.as_deref() == Some(name))
        });
        match taken {
            None => Ok(()),
            Some(_) if without("free-name") => Ok(()),
            Some(other) => Err(Error::new(
                Code::RunRefAmbiguous,
                format!("the run {} has the name `{name}`", other.run_id),
            )
            .with("input", name)
            .with(
                "candidates",
                json!([{"repo_id": other.repo_id, "run_id": other.run_id}]),
            )
            .hint("choose another name, or archive that run")),
        }
    }
}

/// The name that a change takes, if it takes one.
pub(super) fn taken_name<'a>(old: &RunMeta, new: &'a RunMeta) -> Option<&'a str> {
    new.name.as_deref().filter(|_| old.name != new.name)
}
