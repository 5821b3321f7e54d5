//! What the events carry.

use serde::{Deserialize, Serialize};

use super::readiness::{BinaryCheck, PingCheck};
use crate::phase::claim::RunClaim;
use crate::phase::evidence::CommandRun;
use crate::phase::model::{Milestone, Phase, Stage, Tier};
use crate::phase::options::RunOptions;
use crate::phase::stop::{StopCause, StopReason};
use crate::phase::watchdog::Limits;

/// The scope as it was frozen at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeLock {
    /// What may be changed; empty means everything.
    pub allowlist: Vec<String>,
    /// What must not be changed; beats the allowlist.
    pub denylist: Vec<String>,
}

/// The paths a task claims for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPaths {
    /// As written in the front matter.
    pub raw: Vec<String>,
    /// As patterns.
    pub normalized: Vec<String>,
}

/// The first record of every run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunStarted {
    /// The run.
    pub run_id: String,
    /// First heading or goal of the task.
    pub task: String,
    /// Where the task file stood; absent for a task given as text.
    pub task_path: Option<String>,
    /// Id of the work item the run is linked to.
    pub work_item: Option<String>,
    /// The main checkout.
    pub repo_root: String,
    /// The tree the run works in.
    pub repo_path: String,
    /// The frozen scope.
    pub scope_lock: ScopeLock,
    /// The task's own paths.
    pub owned_paths: TaskPaths,
    /// Every option of the run.
    pub options: RunOptions,
    /// The commit the run starts from.
    pub base_sha: String,
    /// The branch the run will commit to.
    pub branch: Option<String>,
    /// SHA-256 of the configuration.
    pub config_sha256: Option<String>,
    /// SHA-256 of the file that keeps configuration, task and prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_sha256: Option<String>,
    /// The branch of the main checkout.
    pub current_branch: Option<String>,
    /// What was already changed at the start.
    pub changed_files: Vec<String>,
    /// The one milestone the task implies, until there is a plan.
    pub milestones: Vec<Milestone>,
    /// The claim the run works under; absent without one, and for a run that was refused.
    pub claim: Option<RunClaim>,
    /// The limits in effect.
    pub limits: Option<Limits>,
}

/// The checks before the first side effect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Preflight {
    /// What the guard said.
    pub guard: PreflightGuard,
    /// Whether the workers can be started.
    #[serde(default)]
    pub binary: BinaryCheck,
    /// Whether they answer.
    #[serde(default)]
    pub ping: PingCheck,
    /// Tiers the last milestone will run.
    pub tiers: Vec<Tier>,
    /// Why these tiers.
    pub tier_reasons: Vec<String>,
}

/// The guard's part of the preflight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreflightGuard {
    /// Whether the run may start.
    pub ok: bool,
    /// In fixed order.
    pub reasons: Vec<String>,
    /// Whether there are uncommitted changes that are not noise.
    pub dirty: bool,
    /// Dirty files outside the scope.
    pub scope_violations: Vec<String>,
    /// Dirty lockfiles.
    pub lockfile_violations: Vec<String>,
    /// Uncommitted changes that are not noise.
    pub dirty_files: Vec<String>,
    /// Changes that are noise.
    pub env_touched: Vec<String>,
}

/// A worktree of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worktree {
    /// Absolute path.
    pub worktree_path: String,
    /// The commit it was made at.
    pub base_sha: String,
    /// The run's branch; absent when detached.
    pub run_branch: Option<String>,
}

/// Who a child process is, so that it can be found, and not mistaken, after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Process id; also the id of its process group.
    pub pid: u32,
    /// Start time in the system's own unit.
    pub start: u64,
    /// The boot in which pid and start mean anything.
    pub boot_id: String,
}

/// A worker call began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStarted {
    /// Unique within the run.
    pub call_id: String,
    /// What for.
    pub stage: Stage,
    /// 1 to 3 per worker.
    pub attempt: u32,
    /// 0-based.
    pub milestone_index: usize,
    /// The configured name.
    pub worker: String,
    /// Where its output goes.
    pub log: Option<String>,
    /// The process; absent when a host program answers itself.
    #[serde(default)]
    pub pid: Option<u32>,
    /// Start time of the process.
    #[serde(default)]
    pub start: Option<u64>,
    /// Boot of the process.
    #[serde(default)]
    pub boot_id: Option<String>,
}

/// What a worker call consumed, as far as the worker told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens.
    pub input_tokens: Option<u64>,
    /// Answer tokens.
    pub output_tokens: Option<u64>,
    /// Cost in US dollars.
    pub cost_usd: Option<f64>,
}

/// How a worker itself failed, as opposed to what it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Past its deadline.
    Timeout,
    /// Login refused or expired.
    Auth,
    /// A usage limit.
    RateLimit,
    /// Unreachable.
    Network,
    /// Anything else.
    Crash,
}

/// A worker call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallFinished {
    /// Unique within the run.
    pub call_id: String,
    /// What for.
    pub stage: Stage,
    /// The configured name.
    pub worker: String,
    /// Whether there is an answer to read.
    pub ok: bool,
    /// Exit status of the process.
    pub exit_code: Option<i32>,
    /// Wall time.
    pub duration_ms: u64,
    /// Set when the worker itself failed.
    pub kind: Option<FailureKind>,
    /// Tokens and cost, if told.
    pub usage: Option<Usage>,
    /// Where its output is.
    pub log: Option<String>,
    /// SHA-256 of the log.
    pub sha256: Option<String>,
}

/// A command of the configuration began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandStarted {
    /// `setup`, `verify` or `notify`.
    pub kind: String,
    /// For `verify`.
    pub tier: Option<Tier>,
    /// The command line.
    pub command: String,
    /// Where its output goes.
    pub log: String,
    /// Process id and group.
    pub pid: u32,
    /// Start time of the process.
    pub start: u64,
    /// Boot of the process.
    pub boot_id: String,
}

/// The implementer is done and the tree was inspected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImplementComplete {
    /// What differs from the last checkpoint, noise left out.
    pub changed_files: Vec<String>,
    /// The implementer's note to the next reader.
    pub handoff_memo: String,
    /// Set when the goal was met already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_changes_needed: bool,
    /// Which evidence was sufficient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_satisfied_by: Option<String>,
}

/// Files outside what the run may change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardViolation {
    /// Outside the allowlist, on the denylist, or runr's own files.
    pub scope_violations: Vec<String>,
    /// Lockfiles changed without permission.
    pub lockfile_violations: Vec<String>,
    /// Why, where the lists alone do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl GuardViolation {
    /// All files concerned, scope first.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let mut files = self.scope_violations.clone();
        for file in &self.lockfile_violations {
            if !files.contains(file) {
                files.push(file.clone());
            }
        }
        files
    }
}

/// One command of a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    /// The command line.
    pub command: String,
    /// Exit status; -1 when it was killed or did not start.
    pub exit_code: i32,
    /// Whether the deadline ended it.
    pub timed_out: bool,
    /// Wall time.
    pub duration_ms: u64,
    /// Where its output is.
    pub log: String,
    /// SHA-256 of the log.
    pub sha256: String,
}

/// One tier was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Which tier.
    pub tier: Tier,
    /// Whether every command ran and exited 0.
    pub ok: bool,
    /// The configured commands.
    pub commands: Vec<String>,
    /// Those that ran.
    pub command_results: Vec<CommandResult>,
    /// Wall time of the tier.
    pub duration_ms: u64,
}

/// A failed pass goes back to IMPLEMENT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyFailedRetry {
    /// The tier that failed.
    pub tier: Tier,
    /// All commands of the tier, joined by ` && `.
    pub failed_command: String,
    /// Where the failing output is; the output itself never stands in an event.
    pub log: Option<String>,
    /// Failures so far.
    pub retry_count: u32,
    /// The limit.
    pub max_retries: u32,
    /// Over the failed command and its normalised output.
    pub fingerprint: String,
    /// Whether the previous pass failed alike.
    pub same_as_previous: bool,
}

/// A tier's verdict within one pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierResult {
    /// Which tier.
    pub tier: Tier,
    /// Whether it passed.
    pub ok: bool,
}

/// What the reviewer and the evidence gate rely on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationEvidence {
    /// Every command of the selected tiers.
    pub commands_required: Vec<String>,
    /// Those that ran, with their exit codes.
    pub commands_run: Vec<CommandRun>,
    /// Required, but not run.
    pub commands_missing: Vec<String>,
    /// The tiers that ran.
    pub tiers_run: Vec<Tier>,
    /// Stands for the content of the changed files when the checks had passed.
    #[serde(default)]
    pub content: Option<String>,
}

/// A review loop was recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewLoop {
    /// 0-based.
    pub milestone_index: usize,
    /// Rounds including the present one.
    pub review_rounds: u32,
    /// The limit.
    pub max_review_rounds: u32,
    /// Whether the same changes were asked for twice running.
    pub same_fingerprint: bool,
    /// The first two requests of the round before.
    pub last_changes: Vec<String>,
    /// The first five requests of this round.
    pub reviewer_requests: Vec<String>,
}

/// An answer could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParseFailed {
    /// What was asked.
    pub stage: Stage,
    /// Which worker and attempt.
    pub parser_context: String,
    /// 1 when the same worker is asked again, else 0.
    pub retry_count: u32,
    /// What is wrong with the answer.
    pub error: String,
    /// The start of the answer.
    pub output_snippet: String,
}

/// The end of a run, or of one of its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Why.
    pub reason: StopReason,
    /// The error behind it, shortened.
    pub error: Option<String>,
    /// Phases executed in this session.
    pub ticks_used: u32,
    /// Of `interrupted`: `signal`, `stop_request` or `owner_lost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<StopCause>,
    /// Of `rate_limited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// Of `parallel_file_collision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_run: Option<String>,
    /// The log that shows what failed, where the stop is about a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Where the run stood when a watchdog stopped it.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub overdue: Option<Overdue>,
}

/// What a watchdog saw when a limit had passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overdue {
    /// The phase the run was in.
    pub phase: Phase,
    /// The type of its last record.
    pub last_event_type: String,
    /// Since the last progress.
    pub elapsed_ms: u64,
    /// The limit.
    pub timeout_ms: u64,
    /// Whether a worker was at work.
    pub worker_in_flight: bool,
}

/// A step of the retries within a process; what does not apply is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoResume {
    /// From 1.
    pub attempt: u32,
    /// The limit.
    pub max: u32,
    /// The pause before it, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Why it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why the run had stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_stop_reason: Option<StopReason>,
    /// Where it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_phase: Option<Phase>,
    /// `complete` or `stopped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Why it stopped again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
}
