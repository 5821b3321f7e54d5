//! What is recorded when a stopped run goes on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::phase::claim::RunClaim;
use crate::phase::model::Phase;
use crate::phase::options::RunOptions;
use crate::phase::watchdog::Limits;

/// Where a resumed run found its last checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointSource {
    /// Its record.
    Record,
    /// The commit alone.
    Commit,
    /// There is none.
    None,
}

/// A stopped run goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResumed {
    /// The phase that is entered.
    pub resume_phase: Phase,
    /// The last checkpoint.
    pub checkpoint_sha: Option<String>,
    /// 0-based.
    pub resume_from_milestone_index: usize,
    /// Milestones still to do.
    pub remaining_milestones: usize,
    /// The options from here on, overrides included.
    pub options: RunOptions,
    /// The claim of the session.
    #[serde(default)]
    pub claim: Option<RunClaim>,
    /// The limits from here on.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// SHA-256 of the file that keeps configuration, task and prompts, if it is another one now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_sha256: Option<String>,
    /// Whether the driver took its own run up again, within its budgets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
    /// Set when the run goes on on another branch than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
    /// What differs from before because the caller said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// What differs from the last checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Delta>,
}

/// The branch a run goes on on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Its name.
    pub branch: String,
    /// The commit it stood at; what is in it is not the run's and is not judged.
    pub head: String,
}

/// A setting that the caller of a resume changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The name of the setting.
    pub option: String,
    /// Before.
    pub from: Value,
    /// From here on.
    pub to: Value,
}

/// What differs from the last checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// As git sums it up; absent when nothing tracked differs.
    pub diffstat: Option<String>,
    /// Whether a lockfile is among it.
    pub lockfiles_changed: bool,
    /// Changes that are noise.
    pub ignored_noise_count: usize,
    /// The first of them.
    pub ignored_noise_sample: Vec<String>,
}
