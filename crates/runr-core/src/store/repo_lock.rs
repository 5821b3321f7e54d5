//! The lock of a repository, for commands of several steps.
//!
//! It does not replace the lock of a run: every change of a `meta.json` takes that one. A program
//! that marks its lock by a file `.lock` with its process id in it is waited for, as long as that
//! process lives; the file is its own, so it is neither made nor removed here.

use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ops::RunStore;
use crate::error::{Code, Error, Result};
use crate::fs::{
    Document, Durability, Lock, LockGuard, Replacing, Wait, create_dirs, write_atomic,
};
use crate::mutant::without;
use crate::time::Timestamp;

pub(super) const LOCK: &str = ".runr.lock";
/// Beside the lock, because on some systems a locked file cannot be read.
const INFO: &str = ".runr.lock.info";
const FOREIGN: &str = ".lock";
/// How often a foreign lock file is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long a foreign lock file that cannot be read may be one that is just being written.
const BEING_WRITTEN: Duration = Duration::from_millis(250);

/// Who holds the lock; for messages only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The machine.
    #[serde(default)]
    pub host: String,
    /// Since when.
    #[serde(default)]
    pub since: String,
    /// The command.
    #[serde(default)]
    pub cmd: String,
}

impl Holder {
    /// Who is about to take the lock.
    #[must_use]
    pub fn new(pid: u32, host: &str, since: Timestamp, cmd: &str) -> Self {
        Self {
            pid,
            host: host.to_owned(),
            since: since.to_string(),
            cmd: cmd.to_owned(),
        }
    }
}

/// The held lock of a repository; dropping it releases it.
#[derive(Debug)]
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct RepoLock {
    _guard: LockGuard,
}

impl RunStore {
    /// Takes the lock of the repository. `is_alive` says whether a process of this machine lives.
    /// Take it before the lock of a run, never after.
    ///
    /// # Errors
    /// `E_LOCK_TIMEOUT` with `lock_path`, `waited_ms` and `holder`; `E_IO`.
    pub fn lock_repository(
        &self,
        holder: &Holder,
        wait: Duration,
        is_alive: &dyn Fn(u32) -> bool,
    ) -> Result<RepoLock> {
        let start = Instant::now();
        let path = self.repository_dir();
        let dir = create_dirs(&self.storage, &path, self.modes.dir, Durability::Full)?;
        let guard = self.lock_repository_file(Wait::UpTo(wait))?;
        if self.repo_id().is_some() && !without("foreign-lock") {
            self.wait_for_foreign(&path, start, wait, is_alive)?;
        }
        let text = format!("{}\n", json!(holder));
        let new = Replacing::Nothing(0o600);
        // Only for messages, so a failure is nobody's trouble.
        drop(write_atomic(
            dir.as_ref(),
            INFO,
            text.as_bytes(),
            new,
            Durability::None,
        ));
        Ok(RepoLock { _guard: guard })
    }

    /// Takes the lock alone, for a moment: nobody needs to be told who has it.
    pub(super) fn lock_repository_file(&self, wait: Wait) -> Result<LockGuard> {
        let path = self.repository_dir();
        Lock::acquire(&self.storage, &path, LOCK, wait).map_err(|error| {
            let present: Option<Holder> = self.read_json(&path, INFO);
            match (error.code(), present) {
                (Code::LockTimeout, Some(present)) => named(error, &json!(present)),
                _ => error,
            }
        })
    }

    /// The same, where nothing is to be held by who holds it already.
    pub(super) fn lock_unless_held(&self, wait: Wait) -> Result<Option<LockGuard>> {
        match self.lock_repository_file(wait) {
            Err(error) if error.context().contains_key("reentrant") => Ok(None),
            other => other.map(Some),
        }
    }

    /// The directory that holds the directory of runs.
    pub(super) fn repository_dir(&self) -> Utf8PathBuf {
        match self.root.parent() {
            Some(parent) if !parent.as_str().is_empty() => parent.to_owned(),
            _ => Utf8PathBuf::from("."),
        }
    }

    fn wait_for_foreign(
        &self,
        dir: &Utf8Path,
        start: Instant,
        wait: Duration,
        is_alive: &dyn Fn(u32) -> bool,
    ) -> Result<()> {
        loop {
            let waited = start.elapsed();
            let holder = match self.foreign(dir) {
                Foreign::None => return Ok(()),
                Foreign::Unreadable if waited >= BEING_WRITTEN => return Ok(()),
                Foreign::Unreadable => Value::Null,
                Foreign::Held { pid, .. } if !is_alive(pid) => return Ok(()),
                Foreign::Held { holder, .. } => holder,
            };
            if waited >= wait {
                let path = dir.join(FOREIGN);
                let error = Error::new(Code::LockTimeout, format!("{path} is locked"))
                    .at(&path)
                    .during("lock")
                    .with("lock_path", path.as_str())
                    .with(
                        "waited_ms",
                        u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
                    )
                    .hint("another program works on the repository; try again when it has ended");
                return Err(named(error, &holder));
            }
            thread::sleep(LOOK.min(wait.saturating_sub(waited)));
        }
    }

    fn foreign(&self, dir: &Utf8Path) -> Foreign {
        let document = Document::new(self.storage.clone(), dir, FOREIGN).limit(64 << 10);
        let text = match document.read() {
            Ok(None) => return Foreign::None,
            Ok(Some(text)) => text,
            Err(_) => return Foreign::Unreadable,
        };
        let holder: Option<Value> = serde_json::from_str(&text).ok();
        let pid = |holder: &Value| u32::try_from(holder.get("pid")?.as_u64()?).ok();
        match holder.as_ref().and_then(pid).zip(holder) {
            None => Foreign::Unreadable,
            Some((pid, holder)) => Foreign::Held {
                pid,
                holder: json!({"pid": pid, "since": holder["created_at"], "cmd": holder["cmd"]}),
            },
        }
    }

    fn read_json<T: serde::de::DeserializeOwned>(&self, dir: &Utf8Path, name: &str) -> Option<T> {
        let text = Document::new(self.storage.clone(), dir, name)
            .read()
            .ok()??;
        serde_json::from_str(&text).ok()
    }
}

/// What the lock file of another program says.
enum Foreign {
    None,
    Unreadable,
    Held { pid: u32, holder: Value },
}

/// The error of a lock, with the one who holds it.
fn named(error: Error, holder: &Value) -> Error {
    let message = match (&holder["pid"], holder["since"].as_str()) {
        (Value::Number(pid), Some(since)) => format!("{error} by process {pid} since {since}"),
        (Value::Number(pid), None) => format!("{error} by process {pid}"),
        _ => error.to_string(),
    };
    error.reworded(message).with("holder", holder.clone())
}
