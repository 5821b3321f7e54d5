//! Where a run's phase files are, and how they are read and written.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::event::{Event, Record};
use super::state::{State, fold};
use crate::error::{Code, Error, Result};
use crate::fs::{Document, Durability, Journal, Lock, Storage};
use crate::id::RunId;
use crate::mutant::without;
use crate::redact::Redactor;
use crate::time::Timestamp;

/// The timeline of a run.
pub const TIMELINE: &str = "timeline.jsonl";
/// The cache of the timeline's fold.
pub const STATE: &str = "state.json";
/// Held for the driver's life.
pub const OWNER_LOCK: &str = "owner.lock";
/// Who drives; for messages, never for decisions.
pub const LIVE: &str = "live.json";

/// The phase files of one run directory.
#[derive(Debug, Clone)]
pub struct RunFiles {
    storage: Storage,
    run_id: RunId,
    dir: Utf8PathBuf,
    redactor: Redactor,
}

/// Who drives a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Process id.
    pub pid: u32,
    /// Start time in the system's own unit.
    pub start: u64,
    /// The boot in which pid and start mean anything.
    pub boot_id: String,
    /// Host name.
    pub host: String,
    /// When the driver last said that it lives.
    pub heartbeat_at: Timestamp,
}

/// Whether a run is driven by anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// A driver holds the owner lock.
    Running,
    /// Not stopped, and nobody drives it.
    Stale,
    /// Ended.
    Stopped,
}

impl RunFiles {
    /// The files of `run_id` in `dir`; nothing is touched.
    #[must_use]
    pub fn new(storage: Storage, run_id: RunId, dir: impl Into<Utf8PathBuf>) -> Self {
        Self {
            storage,
            run_id,
            dir: dir.into(),
            redactor: Redactor::default(),
        }
    }

    /// The same files, into whose timeline nothing comes that `redactor` finds.
    #[must_use]
    pub fn redacting(self, redactor: Redactor) -> Self {
        Self { redactor, ..self }
    }

    /// What nothing of the run may hold.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The run.
    #[must_use]
    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// The run directory.
    #[must_use]
    pub fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// Where the files are kept.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The timeline as a journal.
    #[must_use]
    pub fn timeline(&self) -> Journal<Record> {
        Journal::new(self.storage.clone(), &self.dir, TIMELINE)
    }

    /// A document of the run directory, synced without its directory: what can be made again.
    #[must_use]
    pub fn cache(&self, name: &str) -> Document {
        Document::new(self.storage.clone(), &self.dir, name).durability(Durability::File)
    }

    /// All records of the timeline.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` with the offset of the first bad line, `E_IO`.
    pub fn records(&self) -> Result<Vec<Record>> {
        self.timeline().replay(0).map_err(|error| {
            if error.code() != Code::StoreCorrupt {
                return error;
            }
            let path = self.dir.join(TIMELINE);
            error
                .reworded(format!("Run state is corrupt: {path}"))
                .at(path)
                .hint("restore the file from a backup; nothing was changed")
        })
    }

    /// The size of the timeline in bytes; zero if there is none.
    ///
    /// # Errors
    /// `E_IO`.
    pub fn timeline_len(&self) -> Result<u64> {
        let failed = |error| Error::io("inspect", &self.dir.join(TIMELINE), error);
        let dir = self.storage.open_dir(&self.dir).map_err(failed)?;
        match dir.stat(TIMELINE) {
            Ok(stat) => Ok(stat.size),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(failed(error)),
        }
    }

    /// The state: the fold of the timeline. The cached fold is for other readers; here it is only
    /// checked, because a cache that knows more than the timeline means that records were lost.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` for a bad timeline, an unreadable cache, or a cache that is newer than the
    /// timeline; `E_IO`.
    pub fn state(&self) -> Result<State> {
        // The cache first: a run that goes on meanwhile adds to the timeline before it writes there.
        let cached = self.cached_state()?;
        let records = self.records()?;
        let last = records.last().map_or(0, |record| record.seq);
        match cached {
            Some(cached) if cached.seq > last => Err(Error::new(
                Code::StoreCorrupt,
                format!(
                    "Run state is corrupt: {} is newer than {TIMELINE}",
                    self.dir.join(STATE)
                ),
            )
            .at(self.dir.join(STATE))
            .with("state_seq", cached.seq)
            .with("timeline_seq", last)
            .hint("restore the timeline from a backup; nothing was changed")),
            _ => Ok(fold(&records)),
        }
    }

    fn cached_state(&self) -> Result<Option<State>> {
        let Some(text) = self.cache(STATE).read()? else {
            return Ok(None);
        };
        let read = serde_json::from_str(&text);
        if let Ok(State {
            schema_version: version @ 2..,
            ..
        }) = read
        {
            let path = self.dir.join(STATE);
            let message = format!("Run state is corrupt: {path} has the later version {version}");
            return Err(Error::new(Code::StoreCorrupt, message)
                .at(path)
                .with("schema_version", version)
                .hint("use the runr that wrote it; nothing was changed"));
        }
        read.map(Some).map_err(|problem| {
            Error::new(
                Code::StoreCorrupt,
                format!("Run state is corrupt: {}", self.dir.join(STATE)),
            )
            .at(self.dir.join(STATE))
            .with("line", problem.line())
            .with("reason", problem.to_string())
            .hint(format!(
                "remove {} to rebuild it from the timeline",
                self.dir.join(STATE)
            ))
        })
    }

    /// Writes the cache of the fold.
    ///
    /// # Errors
    /// `E_META_WRITE_FAILED`, `E_LOCK_TIMEOUT`.
    pub fn write_state(&self, state: &State) -> Result<()> {
        self.cache(STATE).replace(&to_text(state)?)
    }

    /// Appends one event and returns its record.
    ///
    /// # Errors
    /// Those of [`Journal::append`].
    pub fn append(&self, now: Timestamp, source: &str, event: &Event) -> Result<Record> {
        self.timeline()
            .append(|seq| self.record(seq, now, source, event))
    }

    /// The record of an event, as it goes into the timeline: every one is made here, so that no
    /// secret gets there.
    #[must_use]
    pub fn record(&self, seq: u64, now: Timestamp, source: &str, event: &Event) -> Record {
        let record = Record::new(seq, now, source, event);
        if without("redact-events") {
            return record;
        }
        record.redacted(&self.redactor)
    }

    /// Whether a driver holds the run; a probe, which changes nothing.
    ///
    /// # Errors
    /// `E_IO`.
    pub fn is_driven(&self) -> Result<bool> {
        Lock::is_held(&self.storage, &self.dir, OWNER_LOCK)
    }

    /// Who drives or last drove the run, as far as it can be told.
    #[must_use]
    pub fn live(&self) -> Option<Live> {
        let text = self.cache(LIVE).read().ok()??;
        serde_json::from_str(&text).ok()
    }

    /// Writes who drives the run.
    ///
    /// # Errors
    /// `E_META_WRITE_FAILED`, `E_LOCK_TIMEOUT`.
    pub fn write_live(&self, live: &Live) -> Result<()> {
        let file =
            Document::new(self.storage.clone(), &self.dir, LIVE).durability(Durability::None);
        file.replace(&to_text(live)?)
    }
}

/// Two-space JSON with a final line feed: the form of every document that only runr writes.
///
/// # Errors
/// `E_INTERNAL` when the value cannot be represented.
pub fn to_text(value: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::internal(format!("cannot print JSON: {e}")))?;
    text.push('\n');
    Ok(text)
}

/// The run an argument means: an id, `latest`, or a unique prefix of at least 4 characters.
/// `ids` are all runs in ascending order.
///
/// # Errors
/// `E_RUN_NOT_FOUND`, `E_NO_RUNS`, `E_RUN_ID_AMBIGUOUS`, `E_USAGE` for a blank argument.
pub fn resolve_run(ids: &[RunId], argument: &str) -> Result<RunId> {
    let argument = argument.trim();
    if argument.is_empty() {
        return Err(Error::new(Code::Usage, "the run argument is empty"));
    }
    if let Some(id) = ids.iter().find(|id| id.as_str() == argument) {
        return Ok(id.clone());
    }
    if argument == "latest" {
        let latest = ids.iter().filter(|id| id.is_harness()).max();
        return latest.cloned().ok_or_else(no_runs);
    }
    let hits: Vec<&RunId> = ids
        .iter()
        .filter(|id| argument.len() >= 4 && id.as_str().starts_with(argument))
        .collect();
    match hits.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(run_not_found(argument, ids)),
        many => Err(
            Error::new(Code::RunIdAmbiguous, format!("Ambiguous run: {argument}")).with(
                "candidates",
                many.iter().map(|id| id.to_string()).collect::<Vec<_>>(),
            ),
        ),
    }
}

fn no_runs() -> Error {
    Error::new(Code::NoRuns, "No runs found").hint("runr run --task <file>")
}

fn run_not_found(argument: &str, ids: &[RunId]) -> Error {
    let newest: Vec<String> = ids.iter().rev().take(5).map(ToString::to_string).collect();
    Error::new(Code::RunNotFound, "Run not found")
        .with("run_id", argument)
        .with("newest", newest)
        .hint("runr status --all")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::MemoryFs;
    use crate::phase::model::Phase;

    #[test]
    fn who_looks_while_a_run_stops_finds_no_damage() {
        let id = RunId::parse("20260101120000").unwrap();
        let files = RunFiles::new(MemoryFs::new().into(), id, "/");
        let step = Event::PhaseStart { phase: Phase::Plan };
        let (writer, last) = (files.clone(), 400);
        std::thread::scope(|beside| {
            beside.spawn(move || {
                let mut state = State::default();
                for _ in 0..last {
                    let now = Timestamp::from_millis(0);
                    state.fold_in(&writer.append(now, "supervisor", &step).unwrap());
                    writer.write_state(&state).unwrap();
                }
            });
            while files.state().unwrap().seq < last {}
        });
    }
}
