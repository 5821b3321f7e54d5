//! The state of a run: a pure fold of its timeline, and nothing else.
//!
//! `state.json` is a cache of this fold. Whatever a decision needs stands here or in the
//! [`Policy`](super::rules::Policy); a driver that dies loses nothing but the answer it waited for.

mod fold;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::claim::RunClaim;
use super::event::{AutoResume, ScopeLock, TaskPaths, Usage, VerificationEvidence};
use super::model::{Milestone, Phase, Stage, Tier};
use super::options::RunOptions;
use super::stop::{StopCause, StopReason};
use super::watchdog::Limits;
use crate::time::Timestamp;

pub use fold::fold;

/// Where a phase stands, as far as the next decision cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The phase was entered; its work is still to do.
    Entered,
    /// The phase is over; this one comes next.
    Due(Phase),
}

/// A worker call without its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// The configured name.
    pub worker: String,
    /// What for.
    pub stage: Stage,
    /// When it began.
    pub since: Timestamp,
    /// The process group, if a process answers.
    pub process: Option<super::event::ProcessIdentity>,
}

/// The failure an implementer has to fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyFailure {
    /// All commands of the tier, joined by ` && `.
    pub failed_command: String,
    /// Where the output is, relative to the run directory.
    pub log: Option<String>,
    /// What had changed.
    pub changed_files: Vec<String>,
    /// The tier that failed.
    pub tier: Tier,
    /// Over command and normalised output.
    pub fingerprint: String,
}

/// One uninterrupted stretch of work: from start or resume to the next stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// Phases entered in it.
    pub ticks: u32,
    /// Whether no phase was entered yet since a resume.
    pub reopened: bool,
}

/// Whom the present stage asks, and how often it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// Set once a fallback took over.
    pub worker: Option<String>,
    /// Finished calls of this worker in this phase.
    pub tries: u32,
    /// What was wrong with the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Valid replies per worker, in sum and by stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStats {
    /// By stage.
    pub by_phase: BTreeMap<Stage, BTreeMap<String, u32>>,
}

impl WorkerStats {
    pub(super) fn count(&mut self, stage: Stage, worker: &str) {
        *self
            .by_phase
            .entry(stage)
            .or_default()
            .entry(worker.to_owned())
            .or_default() += 1;
    }

    /// Valid replies per worker over all stages.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<&str, u32> {
        let mut totals = BTreeMap::new();
        for (worker, count) in self.by_phase.values().flatten() {
            *totals.entry(worker.as_str()).or_default() += count;
        }
        totals
    }
}

/// Everything that is known about a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "the names are those of state.json and documented there, in docs/files.md"
)]
pub struct State {
    pub schema_version: u32,
    /// Of the last folded record.
    pub seq: u64,
    pub run_id: String,
    pub task: String,
    pub task_path: Option<String>,
    pub work_item: Option<String>,
    /// SHA-256 of the file that keeps configuration, task and prompts; absent where none was noted.
    pub snapshot_sha256: Option<String>,
    pub repo_root: String,
    pub repo_path: String,
    pub worktree_path: Option<String>,
    pub branch: Option<String>,
    pub current_branch: Option<String>,
    pub base_sha: String,
    /// Where another branch stood when the run moved to it, until the next checkpoint.
    pub moved_head: Option<String>,
    pub phase: Phase,
    /// The phase entered last; unlike `phase` it survives a stop.
    pub open_phase: Option<Phase>,
    pub step: Step,
    /// Whether the branch may hold the checkpoint of the present milestone without its record.
    #[serde(default)]
    pub committing: bool,
    pub phase_attempt: u32,
    pub last_successful_phase: Option<Phase>,
    pub phase_started_at: Option<Timestamp>,
    pub milestone_index: usize,
    pub milestones: Vec<Milestone>,
    /// Whether the milestones are a plan; before that they are the one the task implies.
    pub planned: bool,
    /// Whether somebody approved the present plan.
    pub plan_approved: bool,
    /// Checkpoint of each finished milestone.
    pub milestone_checkpoints: Vec<String>,
    pub milestone_retries: u32,
    /// The user-facing name of `milestone_retries`; always equal.
    pub verification_failures: u32,
    pub review_rounds: u32,
    pub last_review_fingerprint: Option<String>,
    /// The reviewer's requests for the next implement prompt.
    pub review_changes: Vec<String>,
    /// A verdict that counts once IMPLEMENT is entered again.
    pub pending_review: Option<String>,
    pub stop_reason: Option<StopReason>,
    pub stop_cause: Option<StopCause>,
    pub retry_at: Option<String>,
    pub other_run: Option<String>,
    pub guard_violation_files: Vec<String>,
    pub last_error: Option<String>,
    pub scope_lock: ScopeLock,
    pub owned_paths: TaskPaths,
    pub tier_reasons: Vec<String>,
    pub last_verify_failure: Option<VerifyFailure>,
    /// The log of the check that failed last, for people.
    pub last_failed_log: Option<String>,
    /// What the implementer had changed when the tree was looked at last.
    pub changed_files: Vec<String>,
    pub last_verification_evidence: Option<VerificationEvidence>,
    pub checkpoint_commit_sha: Option<String>,
    pub started_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub last_progress_at: Option<Timestamp>,
    pub auto_resume_count: u32,
    /// The retry that the driver waits for.
    pub retry_due: Option<AutoResume>,
    /// What the last retry followed, unless somebody has resumed the run since.
    pub retried_after: Option<StopReason>,
    pub worker_stats: WorkerStats,
    /// Finished worker calls per stage; numbers the steps of a script worker.
    pub calls_finished: BTreeMap<Stage, u32>,
    pub calls_started: u32,
    pub asking: Asking,
    pub usage: Usage,
    /// Finished worker calls that told no cost.
    pub unknown_cost_calls: u32,
    pub in_flight: Option<InFlight>,
    /// A command of the configuration that was started and whose tier has no result yet.
    pub running_command: Option<super::event::ProcessIdentity>,
    pub options: RunOptions,
    /// The claim of the last session.
    pub claim: Option<RunClaim>,
    /// The limits of the last session.
    pub limits: Option<Limits>,
    pub session: Session,
    /// VERIFY passes of the present milestone, over all sessions; numbers their logs.
    pub verify_passes: u32,
    /// The same of every milestone, be it done or taken back.
    #[serde(default)]
    pub passes_of_milestones: BTreeMap<usize, u32>,
    /// The milestone a resume came back to; its tree may hold work of an earlier session.
    pub resumed_milestone: Option<usize>,
    pub ticks_used: u32,
    pub stop_requested: Option<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            schema_version: 1,
            seq: 0,
            run_id: String::new(),
            task: String::new(),
            task_path: None,
            work_item: None,
            snapshot_sha256: None,
            repo_root: String::new(),
            repo_path: String::new(),
            worktree_path: None,
            branch: None,
            current_branch: None,
            base_sha: String::new(),
            moved_head: None,
            phase: Phase::Init,
            open_phase: None,
            step: Step::Due(Phase::Plan),
            committing: false,
            phase_attempt: 0,
            last_successful_phase: None,
            phase_started_at: None,
            milestone_index: 0,
            milestones: Vec::new(),
            planned: false,
            plan_approved: false,
            milestone_checkpoints: Vec::new(),
            milestone_retries: 0,
            verification_failures: 0,
            review_rounds: 0,
            last_review_fingerprint: None,
            review_changes: Vec::new(),
            pending_review: None,
            stop_reason: None,
            stop_cause: None,
            retry_at: None,
            other_run: None,
            guard_violation_files: Vec::new(),
            last_error: None,
            scope_lock: ScopeLock::default(),
            owned_paths: TaskPaths::default(),
            tier_reasons: Vec::new(),
            last_verify_failure: None,
            last_failed_log: None,
            changed_files: Vec::new(),
            last_verification_evidence: None,
            checkpoint_commit_sha: None,
            started_at: None,
            updated_at: None,
            last_progress_at: None,
            auto_resume_count: 0,
            retry_due: None,
            retried_after: None,
            worker_stats: WorkerStats::default(),
            calls_finished: BTreeMap::new(),
            calls_started: 0,
            asking: Asking::default(),
            usage: Usage::default(),
            unknown_cost_calls: 0,
            in_flight: None,
            running_command: None,
            options: RunOptions::default(),
            claim: None,
            limits: None,
            session: Session {
                started_at: None,
                ticks: 0,
                reopened: false,
            },
            verify_passes: 0,
            passes_of_milestones: BTreeMap::new(),
            resumed_milestone: None,
            ticks_used: 0,
            stop_requested: None,
        }
    }
}

impl State {
    /// The milestone that is worked on, if there is one.
    #[must_use]
    pub fn milestone(&self) -> Option<&Milestone> {
        self.milestones.get(self.milestone_index)
    }

    /// Whether the present milestone is the last one.
    #[must_use]
    pub fn is_last_milestone(&self) -> bool {
        self.milestone_index + 1 >= self.milestones.len()
    }

    /// Whether the run has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// Whether the run has ended with every milestone checkpointed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.stop_reason == Some(StopReason::Complete)
    }

    /// The commit the tree is compared with: the last checkpoint, or where the run started.
    #[must_use]
    pub fn expected_head(&self) -> &str {
        self.moved_head
            .as_deref()
            .or(self.checkpoint_commit_sha.as_deref())
            .unwrap_or(&self.base_sha)
    }

    /// Whether earlier calls of this milestone may have left work in the tree.
    #[must_use]
    pub fn has_earlier_work(&self) -> bool {
        self.last_verify_failure.is_some()
            || !self.review_changes.is_empty()
            || self.resumed_milestone == Some(self.milestone_index)
    }

    /// All files the plan names.
    #[must_use]
    pub fn files_expected(&self) -> Vec<String> {
        self.milestones
            .iter()
            .filter_map(|m| m.files_expected.clone())
            .flatten()
            .collect()
    }
}
