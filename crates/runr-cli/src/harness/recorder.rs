//! Appends events to the timeline and keeps the fold beside it.

use std::cell::Cell;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use runr_core::phase::event::{Event, Record};
use runr_core::phase::model::Phase;
use runr_core::phase::ops::{RunFiles, TIMELINE};
use runr_core::phase::rules::{self, Retries};
use runr_core::phase::state::State;
use runr_core::{Clock, Code, Error, Result, Timestamp};

use super::git::Git;
use super::receipt::{self, Ending};
use crate::presence;

/// Speaks for the driver.
pub(crate) const SUPERVISOR: &str = "supervisor";
/// Speaks for the checks.
pub(crate) const VERIFIER: &str = "verifier";

/// Speaks for a resume.
pub(crate) const RESUME: &str = "resume";

/// Hears every record as it is appended.
pub type Listener = Box<dyn FnMut(&Record, &State) + Send>;

/// The one writer of a driver.
pub(crate) struct Recorder {
    pub(crate) files: RunFiles,
    pub(crate) state: State,
    clock: Arc<dyn Clock>,
    listener: Option<Arc<Mutex<Listener>>>,
    /// The type of the last record.
    last_kind: String,
    /// How long the timeline is if nobody else has appended.
    length: u64,
    /// The numbers of the last records that this one wrote, folded or not.
    own: Range<u64>,
    /// Whether the driver takes the run up again by itself; absent until there is one.
    pub(crate) retries: Option<Retries>,
    /// Tells what the run has committed.
    git: Git,
    /// What the last stop left behind.
    pub(crate) ending: Option<Ending>,
}

impl Recorder {
    pub(crate) fn new(
        files: RunFiles,
        state: State,
        clock: Arc<dyn Clock>,
        listener: Option<Listener>,
        git: Git,
    ) -> Self {
        // Zero is never right for a timeline that is there, so the first look reads it.
        Self {
            files,
            state,
            clock,
            listener: listener.map(|listener| Arc::new(Mutex::new(listener))),
            last_kind: String::new(),
            length: 0,
            own: 0..0,
            retries: None,
            git,
            ending: None,
        }
    }

    /// A copy for whoever writes next in place of this one; of both only one may go on.
    pub(crate) fn twin(&self) -> Self {
        Self {
            files: self.files.clone(),
            state: self.state.clone(),
            clock: Arc::clone(&self.clock),
            listener: self.listener.clone(),
            last_kind: self.last_kind.clone(),
            length: self.length,
            own: self.own.clone(),
            retries: self.retries.clone(),
            git: self.git.clone(),
            ending: None,
        }
    }

    /// The type of the last record that was written or read.
    pub(crate) fn last_kind(&self) -> &str {
        &self.last_kind
    }

    pub(crate) fn record(&mut self, source: &str, event: &Event) -> Result<()> {
        self.record_all(source, std::slice::from_ref(event))
    }

    /// Appends several events with one flush, after folding what others appended.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` when somebody else spoke for the driver, or records are gone.
    pub(crate) fn record_all(&mut self, source: &str, events: &[Event]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        self.catch_up()?;
        let records = self.append(source, events)?;
        let first = records.first().map_or(0, |record| record.seq);
        if first <= self.state.seq {
            return Err(self.tampered("records are gone"));
        }
        if first > self.state.seq + 1 {
            // Somebody else appended in between: fold in file order.
            self.length = 0;
            let all = self.files.timeline().replay(self.state.seq)?;
            let (foreign, own): (Vec<_>, Vec<_>) = all.into_iter().partition(|r| r.seq < first);
            self.admit(&foreign)?;
            self.fold(&own);
            return Ok(());
        }
        // A guest that wrote since is noticed with the next change, by its number at the latest. A
        // length that cannot be told changes nothing about what is recorded: the next look reads.
        let length = self.files.timeline_len();
        self.fold(&records);
        self.length = length.unwrap_or(0);
        Ok(())
    }

    /// Appends without regard to what others wrote: the last word on a timeline that cannot be
    /// trusted any more.
    pub(crate) fn record_regardless(&mut self, event: &Event) -> Result<()> {
        let records = self.append(SUPERVISOR, std::slice::from_ref(event))?;
        self.length = 0;
        self.fold(&records);
        Ok(())
    }

    fn append(&mut self, source: &str, events: &[Event]) -> Result<Vec<Record>> {
        // A timeline that is gone is not begun anew: half a run would look like a whole one.
        self.timeline_len()?;
        let now = self.clock.now();
        let events = self.with_stats(source, events, now);
        let first = Cell::new(0);
        let build = |index: usize, seq: u64| {
            if index == 0 {
                first.set(seq);
            }
            let event = &events[index];
            self.files.record(seq, now, speaker(event, source), event)
        };
        let appended = self.files.timeline().append_batch(events.len(), build);
        // Readers may see them although the append failed.
        if appended.as_ref().map_or_else(is_committed, |_| true) {
            self.own = first.get()..first.get() + events.len() as u64;
        }
        appended
    }

    /// Puts what belongs to a stop around it: before it the count of valid replies, for the report,
    /// and how a retry ended; after it whether there will be one.
    fn with_stats(&self, source: &str, events: &[Event], now: Timestamp) -> Vec<Event> {
        if !events.iter().any(|event| matches!(event, Event::Stop(_))) {
            return events.to_vec();
        }
        let mut whole = Vec::new();
        let mut preview = self.state.clone();
        for event in events {
            if let Event::Stop(stop) = event {
                if !preview.worker_stats.by_phase.is_empty() {
                    let stats = serde_json::json!(preview.worker_stats.totals());
                    whole.push(Event::WorkerStats { stats });
                }
                let retries = self.retries.as_ref();
                whole.extend(retries.and_then(|it| rules::result_of(&preview, stop, it)));
            }
            preview.fold_in(&Record::new(preview.seq + 1, now, source, event));
            whole.push(event.clone());
            if matches!(event, Event::Stop(_)) {
                let retries = self.retries.as_ref();
                whole.extend(retries.and_then(|it| rules::after_stop(&preview, it)));
            }
        }
        whole
    }

    /// Lets the next look read the timeline, whatever its length: who wrote while the last record was
    /// flushed is heard before a long wait.
    pub(crate) fn look_anew(&mut self) {
        self.length = 0;
    }

    /// Folds what other processes appended.
    ///
    /// # Errors
    /// Those of [`Recorder::record_all`].
    pub(crate) fn catch_up(&mut self) -> Result<()> {
        // Looked up before reading: what is appended meanwhile changes it again.
        let length = self.timeline_len()?;
        if length == self.length {
            return Ok(());
        }
        if length < self.length {
            return Err(self.tampered("records are gone"));
        }
        let records = self.files.timeline().replay(self.state.seq)?;
        self.admit(&records)?;
        self.length = length;
        Ok(())
    }

    /// How long the timeline is.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` when it is gone.
    fn timeline_len(&self) -> Result<u64> {
        match self.files.timeline_len() {
            Ok(0) if self.state.seq > 0 => Err(self.deleted()),
            Err(_) if self.state.seq > 0 && !presence::exists(self.files.dir())? => {
                Err(self.deleted())
            }
            known => known,
        }
    }

    fn deleted(&self) -> Error {
        let (dir, state) = (self.files.dir(), &self.state);
        let committed = match &state.branch {
            Some(branch) => format!("what was committed is on the branch {branch}, the rest"),
            None => "its work".to_owned(),
        };
        let tree = &state.repo_path;
        Error::new(
            Code::StoreCorrupt,
            format!("Run state is corrupt: {dir}: it was deleted while the run was at work"),
        )
        .at(dir)
        .with("run_id", self.files.run_id().as_str())
        .hint(format!(
            "{committed} is in {tree}; start the task again with `runr run`"
        ))
    }

    /// Folds what others may say, and what this one said and could not read again then; nobody else
    /// may speak for the driver.
    fn admit(&mut self, records: &[Record]) -> Result<()> {
        const GUESTS: [&str; 3] = ["note", "stop_requested", "plan_approved"];
        let may = |it: &&Record| GUESTS.contains(&it.kind.as_str()) || self.own.contains(&it.seq);
        match records.iter().find(|record| !may(record)) {
            Some(record) => {
                let what = format!(
                    "somebody else wrote record {}, `{}`",
                    record.seq, record.kind
                );
                Err(self.tampered(&what))
            }
            None => {
                self.fold(records);
                Ok(())
            }
        }
    }

    fn tampered(&self, what: &str) -> Error {
        let path = self.files.dir().join(TIMELINE);
        Error::new(
            Code::StoreCorrupt,
            format!("Run state is corrupt: {path}: {what}"),
        )
        .at(path)
        .with("reason", what)
    }

    fn fold(&mut self, records: &[Record]) {
        for record in records {
            self.state.fold_in(record);
            if let Some(listener) = &self.listener {
                let mut listener = listener.lock().unwrap_or_else(PoisonError::into_inner);
                listener(record, &self.state);
            }
        }
        if let Some(last) = records.last() {
            self.last_kind.clone_from(&last.kind);
        }
        // While it runs, a run's state is the fold; the file is for those who look later. It is a
        // cache: the stop is recorded, and the next reader folds it.
        if records.iter().any(|record| record.kind == "stop") {
            self.ending = Some(std::thread::scope(|beside| {
                beside.spawn(|| drop(self.files.write_state(&self.state)));
                receipt::leave(&self.files, &self.state, &self.git)
            }));
        }
    }

    /// Enters a phase; `skipped` is what fast mode leaves out.
    pub(crate) fn enter(&mut self, phase: Phase, skipped: Option<Phase>) -> Result<()> {
        let mut events = Vec::new();
        if let Some(skipped_phase) = skipped {
            events.push(Event::FastPathSkip {
                skipped_phase,
                reason: "fast_mode".into(),
            });
        }
        events.push(Event::PhaseStart { phase });
        self.record_all(SUPERVISOR, &events)
    }
}

/// Whether readers see what an append failed to make durable.
fn is_committed(error: &Error) -> bool {
    error.code() == Code::MetaWriteFailed && error.context().get("committed") == Some(&true.into())
}

/// Who says an event that was recorded on behalf of `given`: a worker's words are its own, the
/// checks speak for themselves, and everything else is the driver's.
fn speaker<'a>(event: &Event, given: &'a str) -> &'a str {
    match event {
        _ if given == RESUME => given,
        Event::PlanGenerated(_)
        | Event::ImplementComplete(_)
        | Event::NoChangesEvidenceOk { .. }
        | Event::NoChangesEvidenceFailed { .. }
        | Event::ReviewComplete { .. }
        | Event::ParseFailed(_) => given,
        Event::CommandStarted(command) if command.kind != "verify" => SUPERVISOR,
        Event::CommandStarted(_)
        | Event::Verification(_)
        | Event::VerifyFailedRetry(_)
        | Event::VerifyFailedMaxRetries { .. }
        | Event::VerifyComplete { .. } => VERIFIER,
        _ => SUPERVISOR,
    }
}
