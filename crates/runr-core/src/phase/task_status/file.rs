//! `.runr/task-status.json`: changed under the lock of the repository, replaced atomically.

use camino::{Utf8Path, Utf8PathBuf};

use super::{LIMIT, TaskEntries, TaskEvent, read_entries, record_events};
use crate::error::{Code, Error, Result};
use crate::fs::{Document, Durability, Storage};
use crate::json::BadJson;
use crate::mutant::without;
use crate::time::Timestamp;

/// The name of the file in `.runr`.
const NAME: &str = "task-status.json";
/// The lock of the repository, which whoever else changes the file takes, too.
const LOCK: &str = ".runr.lock";

/// The note of how the tasks of a repository stand.
#[derive(Debug, Clone)]
pub struct TaskStatusFile {
    pub(super) document: Document,
}

impl TaskStatusFile {
    /// The one of the main checkout at `repo_root`. The file alone is synced: what a power cut takes
    /// of it, the runs still know.
    #[must_use]
    pub fn open(storage: Storage, repo_root: &Utf8Path) -> Self {
        let document = Document::new(storage, repo_root.join(".runr"), NAME)
            .lock_name(LOCK)
            .durability(Durability::File)
            .limit(LIMIT as u64);
        Self { document }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> Utf8PathBuf {
        self.document.path()
    }

    /// What is noted; nothing if there is no file.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` with the place, `E_IO`.
    pub fn read(&self) -> Result<TaskEntries> {
        let text = self.document.read()?;
        let read = |text: &String| read_entries(text).map_err(|bad| self.corrupt(&bad));
        Ok(text.as_ref().map(read).transpose()?.unwrap_or_default())
    }

    /// Notes what happened to a task. Whether anything changed. `.runr` must exist.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` with the place, and the file stays as it is; `E_LOCK_TIMEOUT`,
    /// `E_META_WRITE_FAILED`, `E_IO`.
    pub fn note(&self, task: &str, events: &[TaskEvent<'_>], at: Timestamp) -> Result<bool> {
        let update = self.document.update(|text| {
            let text =
                text.filter(|text| !without("task-status-kept") || read_entries(text).is_ok());
            record_events(text, task, events, at).map_err(|bad| self.corrupt(&bad))
        })?;
        Ok(update.changed)
    }

    fn corrupt(&self, bad: &BadJson) -> Error {
        let path = self.path();
        Error::new(
            Code::StoreCorrupt,
            format!("Run state is corrupt: {path}: {bad}"),
        )
        .with("reason", bad.reason.as_str())
        .with("offset", bad.offset)
        .with("line", bad.line)
        .hint(format!(
            "repair or remove {path}; the runs know what they did"
        ))
        .at(path)
    }
}
