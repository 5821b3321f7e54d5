//! The options of a run: one type behind the command line, the bindings and the timeline.

use serde::{Deserialize, Serialize};

use crate::ownership::Target;

/// What a run may and must do; recorded in the timeline so that a resume is faithful.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunOptions {
    /// Own worktree and branch.
    pub worktree: bool,
    /// Without PLAN and REVIEW.
    pub fast: bool,
    /// Lockfile changes are allowed.
    pub allow_deps: bool,
    /// Start despite uncommitted changes; they are never committed.
    pub allow_dirty: bool,
    /// Start although no verification command is configured.
    pub allow_unverified: bool,
    /// Stay on the current branch.
    pub no_branch: bool,
    /// Skip the collision stop.
    pub force_parallel: bool,
    /// This worker for every stage.
    pub worker: Option<String>,
    /// Wall budget of one session in minutes.
    pub time_minutes: f64,
    /// Phases executed in one session.
    pub max_ticks: u32,
    /// Skip the worker probe.
    pub skip_doctor: bool,
    /// What the run claims, or works on under the claim of another holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Target>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            worktree: false,
            fast: false,
            allow_deps: false,
            allow_dirty: false,
            allow_unverified: false,
            no_branch: false,
            force_parallel: false,
            worker: None,
            time_minutes: 120.0,
            max_ticks: 50,
            skip_doctor: false,
            own: None,
        }
    }
}
