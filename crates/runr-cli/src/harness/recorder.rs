//! Appends events to the timeline and keeps the fold beside it.

use std::sync::Arc;

use runr_core::phase::event::{Event, Record};
use runr_core::phase::model::Phase;
use runr_core::phase::ops::RunFiles;
use runr_core::phase::state::State;
use runr_core::{Clock, Result, Timestamp};

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
    listener: Option<Listener>,
    /// How long the timeline is if nobody else has appended.
    length: u64,
}

impl Recorder {
    pub(crate) fn new(
        files: RunFiles,
        state: State,
        clock: Arc<dyn Clock>,
        listener: Option<Listener>,
    ) -> Self {
        // Zero is never right for a timeline that is there, so the first look reads it.
        Self {
            files,
            state,
            clock,
            listener,
            length: 0,
        }
    }

    pub(crate) fn record(&mut self, source: &str, event: &Event) -> Result<()> {
        self.record_all(source, std::slice::from_ref(event))
    }

    /// Appends several events with one flush.
    pub(crate) fn record_all(&mut self, source: &str, events: &[Event]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let last = self.state.seq;
        let events = &self.with_stats(source, events, now);
        let build = |index: usize, seq: u64| {
            let event = &events[index];
            Record::new(seq, now, speaker(event, source), event)
        };
        let records = self.files.timeline().append_batch(events.len(), build)?;
        if records.first().is_some_and(|record| record.seq > last + 1) {
            self.length = 0;
            self.catch_up()?; // Somebody else appended in between: fold in file order.
        } else {
            self.length += records.iter().map(length_of).sum::<u64>();
            self.fold(&records);
        }
        // While it runs, a run's state is the fold; the file is for those who look later.
        if events.iter().any(|event| matches!(event, Event::Stop(_))) {
            self.files.write_state(&self.state)?;
        }
        Ok(())
    }

    /// Puts the count of valid replies before a stop, for the report.
    fn with_stats(&self, source: &str, events: &[Event], now: Timestamp) -> Vec<Event> {
        let Some(stop) = events
            .iter()
            .position(|event| matches!(event, Event::Stop(_)))
        else {
            return events.to_vec();
        };
        let mut preview = self.state.clone();
        for (event, seq) in events[..stop].iter().zip(preview.seq + 1..) {
            preview.fold_in(&Record::new(seq, now, source, event));
        }
        let mut events = events.to_vec();
        if !preview.worker_stats.by_phase.is_empty() {
            let stats = serde_json::json!(preview.worker_stats.totals());
            events.insert(stop, Event::WorkerStats { stats });
        }
        events
    }

    /// Folds what other processes appended.
    pub(crate) fn catch_up(&mut self) -> Result<()> {
        // Looked up before reading: what is appended meanwhile changes it again.
        let length = self.files.timeline_len()?;
        if length == self.length {
            return Ok(());
        }
        self.length = length;
        let records = self.files.timeline().replay(self.state.seq)?;
        self.fold(&records);
        Ok(())
    }

    fn fold(&mut self, records: &[Record]) {
        for record in records {
            self.state.fold_in(record);
            if let Some(listener) = &mut self.listener {
                listener(record, &self.state);
            }
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

/// The bytes a record takes in the timeline, line feed included.
fn length_of(record: &Record) -> u64 {
    // A record that could be written can be printed.
    let text = serde_json::to_string(record).unwrap_or_default();
    u64::try_from(text.len()).unwrap_or(u64::MAX) + 1
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
        Event::CommandStarted(_)
        | Event::Verification(_)
        | Event::VerifyFailedRetry(_)
        | Event::VerifyFailedMaxRetries { .. }
        | Event::VerifyComplete { .. } => VERIFIER,
        _ => SUPERVISOR,
    }
}
