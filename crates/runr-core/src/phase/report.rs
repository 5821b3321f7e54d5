//! The report: what a run took and how it went, computed from its timeline alone.
//!
//! One pass over the records. A terminal record closes the open phase and leaves none open, so that
//! the pause before a resume is idle time and is charged to no phase.

mod counts;
mod text;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::claim::RunClaim;
use super::event::Record;
use super::model::Phase;
use super::state::State;
use super::stop::next_action;
use crate::time::Timestamp;
use counts::Counts;

pub use text::{human_duration, kpi_text, usage_text};

/// The report; the order of the fields is part of the promise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Version of this form.
    pub version: u32,
    /// The run.
    pub run_id: String,
    /// Where it stands, if its state is known.
    pub phase: Option<Phase>,
    /// Its last checkpoint.
    pub checkpoint_sha: Option<String>,
    /// From the start to the last end; absent while running.
    pub total_duration_ms: Option<u64>,
    /// What belongs to no phase and no pause; absent while running.
    pub unattributed_ms: Option<u64>,
    /// Between each stop and the resume after it; absent before the start.
    pub idle_ms: Option<u64>,
    /// When the run was started first.
    pub started_at: Option<Timestamp>,
    /// When it ended last; absent while running.
    pub ended_at: Option<Timestamp>,
    /// The phases that were entered.
    pub phases: BTreeMap<Phase, PhaseTime>,
    /// Valid replies per worker; `"unknown"` when the run did not say.
    #[serde(serialize_with = "calls_or_unknown")]
    pub workers: Option<BTreeMap<String, u64>>,
    /// How verification went.
    pub verify: Verify,
    /// How far the run came.
    pub milestones: Milestones,
    /// What went wrong besides the work itself.
    pub reliability: Reliability,
    /// What the workers consumed.
    pub usage: Usage,
    /// How it went.
    pub outcome: Outcome,
    /// Why it stopped; absent while running and after success.
    pub stop_reason: Option<String>,
    /// The kind of the next step.
    pub next_action: String,
    /// The next step as a command, ready to run.
    pub suggested_command: Option<String>,
    /// The fingerprint of a failure that came twice running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeated_failure: Option<String>,
    /// The claim that the last session works or worked under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<RunClaim>,
}

/// Time spent in one phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PhaseTime {
    /// In total.
    pub duration_ms: u64,
    /// How often the phase was entered.
    pub count: u32,
}

/// How verification went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Verify {
    /// Tiers that were run; one pass may run several.
    pub attempts: u32,
    /// Failed passes that were sent back.
    pub retries: u32,
    /// Time spent in the tiers.
    pub total_duration_ms: u64,
}

/// How far the run came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Milestones {
    /// With a checkpoint.
    pub completed: usize,
    /// Planned.
    pub total: usize,
}

/// What went wrong besides the work itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reliability {
    /// Repeated calls after an unreadable answer.
    pub infra_retries: u64,
    /// Whether another worker had to step in.
    pub fallback_used: bool,
    /// How often.
    pub fallback_count: u32,
    /// Stops for want of progress.
    pub stalls_triggered: u32,
    /// Answers that came after their time.
    pub late_results_ignored: u32,
}

/// What the workers consumed, as far as they told.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Usage {
    /// All workers together.
    #[serde(flatten)]
    pub total: Consumption,
    /// Each worker.
    pub by_worker: BTreeMap<String, Consumption>,
}

/// A sum over worker calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Consumption {
    /// Prompt tokens; absent where no call told.
    pub input_tokens: Option<u64>,
    /// Answer tokens; absent where no call told.
    pub output_tokens: Option<u64>,
    /// US dollars; absent where no call told.
    pub cost_usd: Option<f64>,
    /// Calls that did not tell their cost.
    pub unknown_calls: u32,
}

/// How a run went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every milestone is done.
    Complete,
    /// Ended for another reason.
    Stopped,
    /// Not ended.
    Running,
    /// Never started.
    #[default]
    Unknown,
}

impl Outcome {
    /// The word as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Running => "running",
            Self::Unknown => "unknown",
        }
    }
}

/// What the report takes from the state of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportState {
    /// Where the run stands.
    pub phase: Phase,
    /// Its last checkpoint.
    pub checkpoint_sha: Option<String>,
    /// Milestones of its plan.
    pub milestones_total: usize,
}

/// What to do next, from the registry of stop reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextStepText {
    /// The kind of the next step.
    pub next_action: String,
    /// The next step as a command.
    pub suggested_command: Option<String>,
}

/// Computes the report of a run from its timeline and the state that is its fold.
#[must_use]
pub fn report_with_state(
    run_id: &str,
    records: &[Record],
    state: &State,
    now: Timestamp,
) -> Report {
    let next = next_action(
        state.stop_reason.as_ref(),
        run_id,
        state.other_run.as_deref(),
    );
    let next = NextStepText {
        next_action: next.next_action.as_str().to_owned(),
        suggested_command: next.suggested_command,
    };
    let facts = ReportState {
        phase: state.phase,
        checkpoint_sha: state.checkpoint_commit_sha.clone(),
        milestones_total: state.milestones.len(),
    };
    report(run_id, records, Some(&facts), now, next)
}

/// Computes the report of a run.
///
/// While the run goes on, its open phase is counted up to `now`.
#[must_use]
pub fn report(
    run_id: &str,
    records: &[Record],
    state: Option<&ReportState>,
    now: Timestamp,
    next: NextStepText,
) -> Report {
    let mut course = Course::default();
    let mut counts = Counts::default();
    for record in records {
        course.see(record);
        counts.see(record);
    }
    if course.outcome == Outcome::Running {
        course.close_phase(now);
    }
    let total = course.total_ms();
    let attributed = course
        .phases
        .values()
        .map(|phase| phase.duration_ms)
        .sum::<u64>()
        + course.idle_ms;
    Report {
        version: 1,
        run_id: run_id.to_owned(),
        phase: state.map(|state| state.phase),
        checkpoint_sha: state.and_then(|state| state.checkpoint_sha.clone()),
        total_duration_ms: total,
        unattributed_ms: total.map(|total| total.saturating_sub(attributed)),
        idle_ms: course.started_at.map(|_| course.idle_ms),
        started_at: course.started_at,
        ended_at: course.ended_at,
        phases: course.phases,
        workers: counts.workers,
        verify: counts.verify,
        milestones: Milestones {
            completed: counts.completed.len(),
            total: state.map_or(0, |state| state.milestones_total),
        },
        reliability: counts.reliability,
        usage: counts.usage,
        outcome: course.outcome,
        stop_reason: course.stop_reason,
        next_action: next.next_action,
        suggested_command: next.suggested_command,
        repeated_failure: counts.repeated_failure,
        claim: course.claim,
    }
}

/// How a run went and why it stopped; the reason is absent while running and after success.
#[must_use]
pub fn outcome_of(records: &[Record]) -> (Outcome, Option<String>) {
    let mut course = Course::default();
    for record in records {
        course.see(record);
    }
    (course.outcome, course.stop_reason)
}

/// The run in time: when it went on, in which phase, and how it ended.
#[derive(Default)]
struct Course {
    outcome: Outcome,
    stop_reason: Option<String>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    idle_ms: u64,
    open: Option<(Phase, Timestamp)>,
    phases: BTreeMap<Phase, PhaseTime>,
    claim: Option<RunClaim>,
}

impl Course {
    fn see(&mut self, record: &Record) {
        let at = record.timestamp;
        match record.kind.as_str() {
            "run_started" => {
                self.started_at.get_or_insert(at);
                self.go_on(record);
            }
            "resume" | "run_resumed" => self.go_on(record),
            "phase_start" => {
                self.close_phase(at);
                self.open = text(record, "phase")
                    .and_then(Phase::parse)
                    .map(|phase| (phase, at));
                if let Some((phase, _)) = self.open {
                    self.phases.entry(phase).or_default().count += 1;
                }
            }
            "stop" => self.end(at, text(record, "reason")),
            // Older timelines end with these instead.
            "run_complete" => self.end(at, Some("complete")),
            "max_ticks_reached" => self.end(at, Some("max_ticks_reached")),
            _ => {}
        }
    }

    fn go_on(&mut self, record: &Record) {
        if let Some(ended_at) = self.ended_at.take() {
            self.idle_ms += millis_between(ended_at, record.timestamp);
        }
        let claim = record.payload.get("claim").cloned();
        self.claim = claim.and_then(|claim| serde_json::from_value(claim).ok());
        self.outcome = Outcome::Running;
        self.stop_reason = None;
    }

    fn end(&mut self, at: Timestamp, reason: Option<&str>) {
        self.close_phase(at);
        self.ended_at = Some(at);
        let complete = reason == Some("complete");
        self.outcome = if complete {
            Outcome::Complete
        } else {
            Outcome::Stopped
        };
        self.stop_reason = reason.filter(|_| !complete).map(str::to_owned);
    }

    fn close_phase(&mut self, at: Timestamp) {
        if let Some((phase, since)) = self.open.take() {
            self.phases.entry(phase).or_default().duration_ms += millis_between(since, at);
        }
    }

    fn total_ms(&self) -> Option<u64> {
        Some(millis_between(self.started_at?, self.ended_at?))
    }
}

fn text<'a>(record: &'a Record, key: &str) -> Option<&'a str> {
    record.payload.get(key)?.as_str()
}

fn millis_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}

fn calls_or_unknown<S: Serializer>(
    calls: &Option<BTreeMap<String, u64>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match calls {
        Some(calls) => calls.serialize(serializer),
        None => serializer.serialize_str("unknown"),
    }
}

#[cfg(test)]
mod tests;
