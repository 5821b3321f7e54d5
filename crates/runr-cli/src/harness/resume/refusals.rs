//! Runs that must not go on.

use runr_core::phase::config::Config;
use runr_core::phase::ops::RunFiles;
use runr_core::phase::owned::is_own_output;
use runr_core::phase::state::State;
use runr_core::{Code, Error, Result};

use super::tree::Reopened;
use crate::harness::inspect::Guard;

/// A run that died before its first record has nothing to go on with.
pub(super) fn refuse_unstarted(files: &RunFiles, state: &State) -> Result<()> {
    if state.seq > 0 {
        return Ok(());
    }
    Err(Error::new(
        Code::RunBroken,
        "Run metadata is unusable: the run was never recorded",
    )
    .at(files.dir())
    .with("run_id", files.run_id().as_str())
    .hint("start the task again with `runr run`"))
}

/// A run without checks must not be resumed into passing.
pub(super) fn refuse_unverified(config: &Config, state: &State) -> Result<()> {
    if !config.verification.is_empty() || state.options.allow_unverified {
        return Ok(());
    }
    Err(
        Error::new(Code::Unverified, "No verification commands configured")
            .hint("runr resume --config <file with checks>"),
    )
}

/// What the preflight refuses is not let in by a resume: a run that never entered a phase is judged
/// again.
pub(super) fn refuse_first_dirt(reopened: &Reopened, guard: &Guard, state: &State) -> Result<()> {
    if state.options.worktree || state.open_phase.is_some() {
        return Ok(());
    }
    let own =
        |path: &&String| is_own_output(path) || path.starts_with(".runr/") || *path == ".gitignore";
    let dirty: Vec<String> = reopened
        .status
        .changed
        .iter()
        .filter(|p| !own(p))
        .cloned()
        .collect();
    let verdict = guard.scope.check(&dirty);
    if verdict.ok {
        return Ok(());
    }
    Err(
        Error::new(Code::GuardViolation, "Guard failed: scope_violation")
            .with("scope_violations", verdict.scope_violations)
            .with("lockfile_violations", verdict.lockfile_violations)
            .hint("commit, stash or undo the changes, then start the task again"),
    )
}
