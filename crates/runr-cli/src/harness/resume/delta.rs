//! What a tree holds beyond the last checkpoint.

use runr_core::Result;
use runr_core::phase::config::Config;
use runr_core::phase::event::Delta;

use crate::harness::git::{COMMITS_OF_SUBMODULES, Git, TreeStatus};
use crate::harness::inspect::Guard;

/// Longest list of noise in an event.
const SAMPLE: usize = 20;

/// What differs from the checkpoint `head`.
pub(super) fn delta(
    git: &Git,
    config: &Config,
    guard: &Guard,
    status: &TreeStatus,
    head: &str,
) -> Result<Delta> {
    let args = [
        "diff",
        "--shortstat",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        COMMITS_OF_SUBMODULES,
        head,
        "--",
    ];
    let said = git.run(&args)?.trim().to_owned();
    let committed = if status.head == head {
        Vec::new()
    } else {
        git.touched_between(head, &status.head)?.paths
    };
    let is_lockfile = |path: &String| config.scope.lockfiles.contains(path);
    let noise = guard.scope.check(&status.changed).env_touched;
    Ok(Delta {
        diffstat: (!said.is_empty()).then_some(said),
        lockfiles_changed: status.changed.iter().chain(&committed).any(is_lockfile),
        ignored_noise_count: noise.len(),
        ignored_noise_sample: noise.into_iter().take(SAMPLE).collect(),
    })
}
