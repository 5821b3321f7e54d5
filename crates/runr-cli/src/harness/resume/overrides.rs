//! What the caller of a resume wants otherwise than before.

use runr_core::phase::config::Config;
use runr_core::phase::event::{Moved, Override};
use runr_core::phase::options::RunOptions;
use runr_core::phase::state::State;
use serde_json::json;

use crate::harness::request::ResumeRequest;
use crate::harness::snapshot::config_sha256;

/// The options from here on: as they were, with fresh budgets and what the caller says.
pub(super) fn options(before: &RunOptions, request: &ResumeRequest) -> RunOptions {
    let defaults = RunOptions::default();
    let allowed = request.allow_deps.as_ref();
    RunOptions {
        allow_deps: allowed.map_or_else(
            || before.allow_deps.clone(),
            |more| before.allow_deps.widened(more),
        ),
        max_cost: request.max_cost.or(before.max_cost),
        auto_resume: request.auto_resume.or(before.auto_resume),
        time_minutes: request.time_minutes.unwrap_or(defaults.time_minutes),
        max_ticks: request.max_ticks.unwrap_or(defaults.max_ticks),
        ..before.clone()
    }
}

/// What stands in no option: the configuration, and the branch.
pub(super) fn beside_options(
    state: &State,
    moved: Option<&Moved>,
    before: &Config,
    after: &Config,
) -> Vec<Override> {
    let config = (before != after).then(|| Override {
        option: "config".to_owned(),
        from: json!(config_sha256(before)),
        to: json!(config_sha256(after)),
    });
    let branch = moved.map(|moved| Override {
        option: "branch".to_owned(),
        from: json!(state.branch),
        to: json!(moved.branch),
    });
    config.into_iter().chain(branch).collect()
}
