//! Why runs stop and what to do about it: the only table of stop reasons.
//!
//! Reports, watchers, resume, the docs and the bindings all read it from here.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What kind of trouble a stop reason belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Family {
    /// No trouble.
    Complete,
    /// The checks failed.
    Verification,
    /// Nothing moved any more.
    Stall,
    /// A budget is used up.
    Budget,
    /// A worker could not or did not answer.
    Worker,
    /// A person or a reviewer must decide.
    Review,
    /// A rule about files was broken.
    Guard,
    /// The claim is gone.
    Ownership,
    /// A worker cannot be reached or logged in.
    Auth,
    /// None of these.
    Unknown,
}

/// What the next reader should do, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextAction {
    /// Nothing.
    None,
    /// Resume the run.
    Resume,
    /// Repair the configuration or a worker.
    FixConfig,
    /// Undo the change, or widen the scope.
    ResolveScopeViolation,
    /// Wait for another run, or return to the recorded branch.
    ResolveBranchMismatch,
    /// Look at the logs.
    InspectLogs,
}

impl NextAction {
    /// The word as it is written in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Resume => "resume",
            Self::FixConfig => "fix_config",
            Self::ResolveScopeViolation => "resolve_scope_violation",
            Self::ResolveBranchMismatch => "resolve_branch_mismatch",
            Self::InspectLogs => "inspect_logs",
        }
    }
}

/// How a run ended, as receipts record it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TerminalState {
    /// Every milestone is committed.
    Complete,
    /// Something is wrong with the work.
    Failed,
    /// The run can or could go on.
    Stopped,
}

/// Where a run stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Stopped with reason `complete`.
    Complete,
    /// Stopped for another reason.
    Stopped,
    /// Not stopped.
    Running,
    /// Not started.
    Unknown,
}

/// Who ended an interrupted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// A signal, or an exception in the host program.
    Signal,
    /// Somebody asked for it.
    StopRequest,
    /// The driver died; another command recorded that.
    OwnerLost,
}

/// Whether resuming by hand makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ManualResume {
    /// There is nothing to resume, or it would stop again at once.
    No,
    /// A plain resume goes on.
    Yes,
    /// Once this holds.
    If(&'static str),
    /// The reason is not one of ours.
    Unknown,
}

impl ManualResume {
    /// `no`, `yes`, `unknown`, or the condition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::If(condition) => condition,
            Self::Unknown => "unknown",
        }
    }
}

impl Serialize for ManualResume {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What the registry says about one stop reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StopRow {
    /// The reason.
    pub stop_reason: StopReason,
    /// Its family.
    pub family: Family,
    /// Whether a watcher resumes it; an interruption by a lost owner is resumed besides.
    pub watch_resumable: bool,
    /// Whether the driver itself may retry in process.
    pub supervisor_auto_resumable: bool,
    /// What to do next.
    pub next_action: NextAction,
    /// The command to run, with `{run_id}` and `{other_run}` to be filled in.
    pub suggested_command: Option<&'static str>,
    /// What receipts record.
    pub terminal_state: TerminalState,
    /// Whether resuming by hand makes sense.
    pub manual_resume: ManualResume,
}

const RESUME: Option<&str> = Some("runr resume {run_id}");
const SCOPE: Option<&str> = Some("# Review .runr/runr.config.json scope settings");
const DOCTOR: Option<&str> = Some("runr doctor");
const APPROVE: Option<&str> = Some("runr approve {run_id}");
const RAISE_COST: Option<&str> = Some("# Raise the limit: runr resume {run_id} --max-cost <usd>");
const WAIT_FOR_OTHER: Option<&str> =
    Some("# Wait for {other_run} to finish, then: runr resume {run_id}");

const NO: ManualResume = ManualResume::No;
const YES: ManualResume = ManualResume::Yes;
const ONCE_FIXED: ManualResume = ManualResume::If("once the cause is fixed");

macro_rules! reasons {
    ($($variant:ident $text:literal $when:literal
        $family:ident $watch:literal $retry:literal $manual:expr, $next:ident $command:expr, $terminal:ident;)*) => {
        /// Why a run stopped. Reasons written by other versions survive as [`StopReason::Other`].
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum StopReason {
            $(#[doc = $when] $variant,)*
            /// Any other text.
            Other(String),
        }

        impl StopReason {
            /// Every reason of this version, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The reason as it stands in files.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }

            /// The reason written as `text`.
            #[must_use]
            pub fn parse(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }

            /// What it means, in one sentence; empty for a reason of another version.
            #[must_use]
            pub fn meaning(&self) -> &'static str {
                match self {
                    $(Self::$variant => $when,)*
                    Self::Other(_) => "",
                }
            }

            /// What the registry says about this reason.
            #[must_use]
            pub fn row(&self) -> StopRow {
                let (family, watch, retry, manual, next, command, terminal) = match self {
                    $(Self::$variant => (
                        Family::$family, $watch, $retry, $manual,
                        NextAction::$next, $command, TerminalState::$terminal,
                    ),)*
                    Self::Other(_) => (
                        Family::Unknown, false, false, ManualResume::Unknown,
                        NextAction::InspectLogs, None, TerminalState::Stopped,
                    ),
                };
                StopRow {
                    stop_reason: self.clone(),
                    family,
                    watch_resumable: watch,
                    supervisor_auto_resumable: retry,
                    next_action: next,
                    suggested_command: command,
                    terminal_state: terminal,
                    manual_resume: manual,
                }
            }
        }
    };
}

// The columns: reason, when, family, watch, self, manual, next action, command, terminal state.
#[rustfmt::skip]
reasons! {
    Complete "complete" "Every milestone is committed."
        Complete false false NO, None None, Complete;
    VerificationFailedMaxRetries "verification_failed_max_retries" "A milestone failed its checks for the fourth time."
        Verification true false YES, Resume RESUME, Failed;
    StalledTimeout "stalled_timeout" "There was no progress past the stall threshold."
        Stall true true YES, Resume RESUME, Stopped;
    WorkerCallTimeout "worker_call_timeout" "One worker call passed the hard cap."
        Stall true true YES, Resume RESUME, Stopped;
    MaxTicksReached "max_ticks_reached" "The tick budget is used."
        Budget true false YES, Resume RESUME, Stopped;
    TimeBudgetExceeded "time_budget_exceeded" "The time budget is used."
        Budget true false YES, Resume RESUME, Stopped;
    CostBudgetExceeded "cost_budget_exceeded" "The cost budget is used."
        Budget false false ManualResume::If("with a higher `--max-cost`"), InspectLogs RAISE_COST, Stopped;
    ImplementBlocked "implement_blocked" "The implementer replied that it is blocked or failed."
        Worker true false YES, Resume RESUME, Stopped;
    RateLimited "rate_limited" "A worker reported a usage limit; watchers wait for `retry_at`."
        Worker true false YES, Resume RESUME, Stopped;
    Interrupted "interrupted" "A signal, a request or a dead driver ended the run."
        Worker false false YES, Resume RESUME, Stopped;
    ApprovalRequired "approval_required" "The plan waits for approval."
        Review false false ManualResume::If("after `runr approve`"), InspectLogs APPROVE, Stopped;
    GuardViolation "guard_violation" "A rule about scope, lockfiles or preflight was broken."
        Guard false false ONCE_FIXED, ResolveScopeViolation SCOPE, Failed;
    PlanScopeViolation "plan_scope_violation" "The plan names files outside the allowlist."
        Guard false false ONCE_FIXED, ResolveScopeViolation SCOPE, Failed;
    OwnershipViolation "ownership_violation" "A change lies outside what the task owns."
        Guard false false ONCE_FIXED, ResolveScopeViolation SCOPE, Failed;
    ParallelFileCollision "parallel_file_collision" "The plan shares files with a live run."
        Guard false false ManualResume::If("after the other run"), ResolveBranchMismatch WAIT_FOR_OTHER, Stopped;
    WorktreeBranchMismatch "worktree_branch_mismatch" "The toplevel or the branch is not the recorded one."
        Guard false false ONCE_FIXED, ResolveBranchMismatch None, Stopped;
    OwnershipLost "ownership_lost" "Another run owns the target."
        Ownership false false ManualResume::If("after a new claim"), InspectLogs None, Stopped;
    ReviewLoopDetected "review_loop_detected" "The same requests came twice, or there were too many rounds."
        Review false false ManualResume::If("after intervention"), InspectLogs None, Stopped;
    PlanRejection "plan_rejection" "The planner refused the task."
        Review false false NO, InspectLogs None, Stopped;
    PlanParseFailed "plan_parse_failed" "No worker gave a valid plan."
        Worker false false YES, FixConfig DOCTOR, Stopped;
    ImplementParseFailed "implement_parse_failed" "No worker gave a valid implement reply."
        Worker false false YES, FixConfig DOCTOR, Stopped;
    ReviewParseFailed "review_parse_failed" "No worker gave a valid review."
        Worker false false YES, FixConfig DOCTOR, Stopped;
    WorkerUnavailable "worker_unavailable" "The worker crashed or could not be reached, after retries."
        Auth false false YES, FixConfig DOCTOR, Stopped;
    AuthExpired "auth_expired" "The worker's login was refused."
        Auth false false YES, FixConfig DOCTOR, Stopped;
    InsufficientEvidence "insufficient_evidence" "`no_changes_needed` came without proof."
        Worker false false YES, InspectLogs None, Stopped;
    MilestoneMissing "milestone_missing" "The milestone index is past the list."
        Unknown false false YES, InspectLogs None, Stopped;
    InternalError "internal_error" "Git or the disk failed inside a phase."
        Unknown false false YES, InspectLogs None, Stopped;
}

impl StopReason {
    /// Whether a watcher may resume the run by itself; of the interruptions only a lost owner.
    #[must_use]
    pub fn watch_resumable(&self, cause: Option<StopCause>) -> bool {
        let lost = *self == Self::Interrupted && cause == Some(StopCause::OwnerLost);
        lost || self.row().watch_resumable
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for StopReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StopReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}

/// The whole registry, one row per reason.
#[must_use]
pub fn stop_reasons() -> Vec<StopRow> {
    StopReason::ALL.iter().map(StopReason::row).collect()
}

/// Where a run stands and the command that takes it further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStep {
    /// `complete`, `stopped` or `running`.
    pub outcome: Outcome,
    /// What to do next.
    pub next_action: NextAction,
    /// Ready to run, with the real run id.
    pub suggested_command: Option<String>,
}

/// What to do about a run that stopped for `reason`; without a reason it is running.
#[must_use]
pub fn next_action(reason: Option<&StopReason>, run_id: &str, other_run: Option<&str>) -> NextStep {
    let Some(reason) = reason else {
        return NextStep {
            outcome: Outcome::Running,
            next_action: NextAction::InspectLogs,
            suggested_command: Some(format!("runr status {run_id}")),
        };
    };
    let row = reason.row();
    let fill = |template: &str| {
        template
            .replace("{other_run}", other_run.unwrap_or("conflicting run"))
            .replace("{run_id}", run_id)
    };
    NextStep {
        outcome: match reason {
            StopReason::Complete => Outcome::Complete,
            _ => Outcome::Stopped,
        },
        next_action: row.next_action,
        suggested_command: row.suggested_command.map(fill),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::vectors::replay;

    #[test]
    fn every_recorded_row_stands_in_the_registry() {
        replay("phase-stop-reasons.json", "rows", 22, |expected| {
            let reason = StopReason::parse(expected["stop_reason"].as_str().unwrap());
            let mut row = serde_json::to_value(reason.row()).unwrap();
            row.as_object_mut().unwrap().remove("manual_resume");
            (expected.clone(), row)
        });
    }

    #[test]
    fn every_recorded_command_is_filled_in() {
        replay("phase-stop-reasons.json", "rows", 22, |row| {
            let reason = StopReason::parse(row["stop_reason"].as_str().unwrap());
            let step = next_action(Some(&reason), "R1", Some("R2"));
            let command = row["suggested_command"].as_str();
            let command = command.map(|c| c.replace("{run_id}", "R1").replace("{other_run}", "R2"));
            let outcome = if reason == StopReason::Complete {
                "complete"
            } else {
                "stopped"
            };
            let next = &row["next_action"];
            (
                json!({"outcome": outcome, "next_action": next, "suggested_command": command}),
                json!(step),
            )
        });
    }

    #[test]
    fn every_reason_reads_itself_back_and_foreign_ones_survive() {
        assert_eq!(stop_reasons().len(), 27);
        for reason in StopReason::ALL {
            assert_eq!(StopReason::parse(reason.as_str()), *reason);
            assert_eq!(reason.row().stop_reason, *reason);
        }
        let foreign: StopReason = serde_json::from_value(json!("from_the_future")).unwrap();
        assert_eq!(
            serde_json::to_value(&foreign).unwrap(),
            json!("from_the_future")
        );
        assert_eq!(foreign.row().manual_resume, ManualResume::Unknown);
    }

    #[test]
    fn only_a_lost_owner_makes_an_interruption_resumable() {
        let interrupted = StopReason::Interrupted;
        assert!(interrupted.watch_resumable(Some(StopCause::OwnerLost)));
        assert!(!interrupted.watch_resumable(Some(StopCause::Signal)));
        assert!(!interrupted.watch_resumable(Some(StopCause::StopRequest)));
        assert!(!interrupted.watch_resumable(None));
        assert!(StopReason::RateLimited.watch_resumable(None));
        assert!(!StopReason::GuardViolation.watch_resumable(Some(StopCause::OwnerLost)));
    }

    #[test]
    fn no_reason_means_running_and_no_other_run_is_named_in_words() {
        let running = next_action(None, "R1", None);
        assert_eq!(
            serde_json::to_value(&running).unwrap(),
            json!({"outcome": "running", "next_action": "inspect_logs", "suggested_command": "runr status R1"})
        );
        let collision = next_action(Some(&StopReason::ParallelFileCollision), "R1", None);
        assert_eq!(
            collision.suggested_command.as_deref(),
            Some("# Wait for conflicting run to finish, then: runr resume R1")
        );
    }

    #[test]
    fn a_row_has_its_columns_in_order() {
        let row = serde_json::to_value(StopReason::RateLimited.row()).unwrap();
        let keys: Vec<_> = row.as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            keys[..7],
            [
                "stop_reason",
                "family",
                "watch_resumable",
                "supervisor_auto_resumable",
                "next_action",
                "suggested_command",
                "terminal_state"
            ]
        );
        assert_ne!(row["suggested_command"], Value::Null);
    }
}
