//! The words of the phase machine, as they stand in files and replies.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every word, in canonical order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word as it is written in files.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value written as this word.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Where a run stands.
    Phase {
        /// Recorded, nothing done yet.
        Init = "INIT",
        /// The planner splits the task into milestones.
        Plan = "PLAN",
        /// The implementer changes the tree.
        Implement = "IMPLEMENT",
        /// The harness runs the verification tiers.
        Verify = "VERIFY",
        /// The reviewer judges the change.
        Review = "REVIEW",
        /// The harness commits the milestone.
        Checkpoint = "CHECKPOINT",
        /// All milestones are done.
        Finalize = "FINALIZE",
        /// Ended, with a stop reason.
        Stopped = "STOPPED",
    }
}

words! {
    /// What a worker is called for.
    Stage {
        /// Answer with a plan.
        Plan = "plan",
        /// Change the tree for one milestone.
        Implement = "implement",
        /// Judge one milestone.
        Review = "review",
    }
}

words! {
    /// A group of verification commands, from cheap to thorough.
    Tier {
        /// Fast checks; always run.
        Tier0 = "tier0",
        /// Builds; run on risk and for the last milestone.
        Tier1 = "tier1",
        /// Tests; run for the last milestone.
        Tier2 = "tier2",
    }
}

words! {
    /// The planner's estimate of a milestone's risk.
    RiskLevel {
        /// Nothing special.
        Low = "low",
        /// The default.
        Medium = "medium",
        /// Also runs the builds.
        High = "high",
    }
}

words! {
    /// How an implement call ended, in the implementer's words.
    ImplementStatus {
        /// The milestone is implemented.
        Ok = "ok",
        /// The implementer cannot go on.
        Blocked = "blocked",
        /// The implementer gave up.
        Failed = "failed",
        /// The goal is met already; needs evidence.
        NoChangesNeeded = "no_changes_needed",
    }
}

words! {
    /// The reviewer's verdict.
    Verdict {
        /// The milestone may be committed.
        Approve = "approve",
        /// The listed changes are needed first.
        RequestChanges = "request_changes",
        /// The approach is wrong; treated like requested changes.
        Reject = "reject",
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// What the milestone achieves.
    pub goal: String,
    /// Repository-relative paths the planner expects to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_expected: Option<Vec<String>>,
    /// How to tell that it is done.
    pub done_checks: Vec<String>,
    /// Estimated risk.
    pub risk_level: RiskLevel,
}

/// A planner's valid answer: a plan, or a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PlanReply {
    /// The task cannot or must not be planned.
    Rejected {
        /// Always `rejected`.
        status: Rejected,
        /// Why.
        reason: String,
    },
    /// At least one milestone.
    Plan(Plan),
}

/// The constant word of a rejected plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejected {
    /// `"rejected"`.
    #[serde(rename = "rejected")]
    Rejected,
}

/// The milestones of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In order of execution; never empty.
    pub milestones: Vec<Milestone>,
    /// Risks the planner saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_map: Option<Vec<String>>,
    /// Patterns to add to the denylist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub do_not_touch: Option<Vec<String>>,
}

/// An implementer's valid answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImplementReply {
    /// How the call ended.
    pub status: ImplementStatus,
    /// What the next reader must know.
    pub handoff_memo: String,
    /// Commands the worker says it ran; never believed without an exit code of our own.
    #[serde(default)]
    pub commands_run: Vec<String>,
    /// Free remarks.
    #[serde(default)]
    pub observations: Vec<String>,
    /// Proof for `no_changes_needed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// Proof that a milestone needs no change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Files that were inspected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_checked: Option<Vec<String>>,
    /// Output of a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grep_output: Option<String>,
    /// Commands with their exit codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands_run: Option<Vec<ClaimedCommand>>,
}

/// A command a worker says it ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedCommand {
    /// The command line.
    pub command: String,
    /// The exit code the worker reports.
    pub exit_code: i64,
}

/// A reviewer's valid answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewReply {
    /// The verdict.
    pub status: Verdict,
    /// What must change; objects become their compact JSON text.
    #[serde(default)]
    pub changes: Vec<String>,
}
