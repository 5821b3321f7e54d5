//! The status of one run, as users and programs see it.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::claim::RunClaim;
use super::event::ScopeLock;
use super::model::{Phase, RiskLevel, Stage};
use super::ops::{Live, Liveness};
use super::options::AllowDeps;
use super::state::State;
use super::stop::{StopCause, StopReason};
use crate::id::RunId;
use crate::time::Timestamp;

/// One milestone with its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MilestoneStatus {
    /// `m` and the 1-based position.
    pub id: String,
    /// `pending`, `in_progress` or `complete`.
    pub status: &'static str,
    /// What it achieves.
    pub goal: String,
    /// Paths the plan names.
    pub files_expected: Vec<String>,
    /// How to tell that it is done.
    pub done_checks: Vec<String>,
    /// Estimated risk.
    pub risk_level: RiskLevel,
    /// Its commit.
    pub checkpoint_sha: Option<String>,
}

/// Who drives a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// Host name.
    pub host: String,
    /// When it last said that it lives.
    pub heartbeat_at: Timestamp,
}

/// A worker call without its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InFlightStatus {
    /// The configured name.
    pub worker: String,
    /// What for.
    pub stage: Stage,
    /// When it began.
    pub since: Timestamp,
}

/// The status document; the order of the fields is part of the promise.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(
    missing_docs,
    reason = "the fields are described once, in docs/files.md"
)]
pub struct Status {
    pub run_id: RunId,
    pub phase: Phase,
    pub milestone_index: usize,
    pub milestones: Vec<MilestoneStatus>,
    pub stop_reason: Option<StopReason>,
    pub verification_failures: u32,
    pub guard_violation_files: Vec<String>,
    pub checkpoint_sha: Option<String>,
    pub branch: Option<String>,
    pub worktree_path: Option<String>,
    pub repo_path: String,
    pub task_path: Option<String>,
    pub fast: bool,
    pub allow_deps: AllowDeps,
    pub work_item: Option<String>,
    pub liveness: Liveness,
    pub owner: Option<Owner>,
    pub in_flight: Option<InFlightStatus>,
    pub last_error: Option<String>,
    pub cause: Option<StopCause>,
    pub retry_at: Option<String>,
    pub auto_resume_count: u32,
    pub review_rounds: u32,
    pub phase_attempt: u32,
    pub started_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub phase_started_at: Option<Timestamp>,
    pub last_progress_at: Option<Timestamp>,
    pub scope: ScopeLock,
    pub worker_stats: Value,
    pub usage: super::event::Usage,
    pub schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<RunClaim>,
}

impl Status {
    /// The status of a run in `state`.
    #[must_use]
    pub fn new(run_id: RunId, state: &State, liveness: Liveness, live: Option<Live>) -> Self {
        Self {
            run_id,
            phase: state.phase,
            milestone_index: state.milestone_index,
            milestones: milestones(state),
            stop_reason: state.stop_reason.clone(),
            verification_failures: state.verification_failures,
            guard_violation_files: state.guard_violation_files.clone(),
            checkpoint_sha: state.checkpoint_commit_sha.clone(),
            branch: state.branch.clone(),
            worktree_path: state.worktree_path.clone(),
            repo_path: state.repo_path.clone(),
            task_path: state.task_path.clone(),
            fast: state.options.fast,
            allow_deps: state.options.allow_deps.clone(),
            work_item: state.work_item.clone(),
            liveness,
            owner: live.map(|live| Owner {
                pid: live.pid,
                host: live.host,
                heartbeat_at: live.heartbeat_at,
            }),
            in_flight: state.in_flight.as_ref().map(|call| InFlightStatus {
                worker: call.worker.clone(),
                stage: call.stage,
                since: call.since,
            }),
            last_error: state.last_error.clone(),
            cause: state.stop_cause,
            retry_at: state.retry_at.clone(),
            auto_resume_count: state.auto_resume_count,
            review_rounds: state.review_rounds,
            phase_attempt: state.phase_attempt,
            started_at: state.started_at,
            updated_at: state.updated_at,
            phase_started_at: state.phase_started_at,
            last_progress_at: state.last_progress_at,
            scope: state.scope_lock.clone(),
            worker_stats: worker_stats(state),
            usage: state.usage.clone(),
            schema_version: 1,
            claim: state.claim.clone(),
        }
    }
}

fn milestones(state: &State) -> Vec<MilestoneStatus> {
    let status = |index: usize| match index.cmp(&state.milestone_index) {
        std::cmp::Ordering::Less => "complete",
        std::cmp::Ordering::Equal => "in_progress",
        std::cmp::Ordering::Greater => "pending",
    };
    state
        .milestones
        .iter()
        .enumerate()
        .map(|(index, milestone)| MilestoneStatus {
            id: format!("m{}", index + 1),
            status: status(index),
            goal: milestone.goal.clone(),
            files_expected: milestone.files_expected.clone().unwrap_or_default(),
            done_checks: milestone.done_checks.clone(),
            risk_level: milestone.risk_level,
            checkpoint_sha: state.milestone_checkpoints.get(index).cloned(),
        })
        .collect()
}

/// `{<worker>: n, by_phase: {plan, implement, review: {<worker>: n}}}`.
#[must_use]
pub fn worker_stats(state: &State) -> Value {
    let mut stats = Map::new();
    for (worker, count) in state.worker_stats.totals() {
        stats.insert(worker.to_owned(), json!(count));
    }
    let mut by_phase = Map::new();
    for stage in Stage::ALL {
        let counts = state
            .worker_stats
            .by_phase
            .get(stage)
            .cloned()
            .unwrap_or_default();
        by_phase.insert(stage.as_str().to_owned(), json!(counts));
    }
    stats.insert("by_phase".to_owned(), Value::Object(by_phase));
    Value::Object(stats)
}

/// How a run stands, for the program that drove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The run.
    pub run_id: RunId,
    /// Its phase.
    pub phase: Phase,
    /// `complete`, another reason, or absent while it runs.
    pub stop_reason: Option<StopReason>,
    /// Checkpointed milestones.
    pub milestones_completed: usize,
    /// What a person should do.
    pub next_action: super::stop::NextAction,
    /// The command that does it.
    pub suggested_command: Option<String>,
}

impl Outcome {
    /// The outcome of a run in `state`.
    #[must_use]
    pub fn new(run_id: RunId, state: &State) -> Self {
        let next = super::stop::next_action(
            state.stop_reason.as_ref(),
            run_id.as_str(),
            state.other_run.as_deref(),
        );
        Self {
            run_id,
            phase: state.phase,
            stop_reason: state.stop_reason.clone(),
            milestones_completed: state.milestone_index,
            next_action: next.next_action,
            suggested_command: next.suggested_command,
        }
    }
}
