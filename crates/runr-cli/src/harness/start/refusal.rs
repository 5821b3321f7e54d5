//! Why a run is refused, as a record and as an error.

use runr_core::phase::event::{Event, Preflight, PreflightGuard};
use runr_core::phase::rules;
use runr_core::phase::stop::StopReason;
use runr_core::store::RunPaths;
use runr_core::{Code, Error, Result};
use serde_json::json;

use super::ahead::silence;
use crate::harness::recorder::{Recorder, SUPERVISOR};

/// Records the refusal and returns it as the error the caller sees.
pub(super) fn refuse(
    recorder: &mut Recorder,
    run: &RunPaths,
    guard: &PreflightGuard,
    error: Error,
) -> Result<Error> {
    let stop = rules::stop_of(
        &recorder.state,
        StopReason::GuardViolation,
        Some(error.to_string()),
    );
    recorder.record(SUPERVISOR, &Event::Stop(Box::new(stop)))?;
    Ok(error
        .with("run_id", run.run_id.as_str())
        .with("run_dir", run.run_dir.as_str())
        .with(
            "guard",
            json!({
                "reasons": guard.reasons,
                "scope_violations": guard.scope_violations,
                "lockfile_violations": guard.lockfile_violations,
                "dirty_files": guard.dirty_files,
            }),
        ))
}

/// One reason with a code of its own uses that code; a dirty tree's files are often out of scope as
/// well, and saying "dirty" is then the more useful answer.
pub(super) fn refusal(preflight: &Preflight) -> Error {
    let guard = &preflight.guard;
    if let Some(silent) = silence(preflight) {
        return silent;
    }
    let only = |wanted: &str| guard.reasons.iter().all(|reason| reason == wanted);
    let dirty = guard
        .reasons
        .iter()
        .any(|reason| reason == "dirty_worktree");
    let about_dirt = |reason: &String| {
        ["dirty_worktree", "scope_violation", "lockfile_violation"].contains(&reason.as_str())
    };
    if dirty && guard.reasons.iter().all(about_dirt) {
        return Error::new(Code::WorktreeDirty, "Worktree is dirty")
            .with("files", shortened(&guard.dirty_files))
            .hint("commit or stash the changes, or pass --allow-dirty");
    }
    if only("no_verification") {
        return Error::new(Code::Unverified, "No verification commands configured").hint(
            "add commands to `verification` in .runr/runr.config.json, or pass --allow-unverified",
        );
    }
    Error::new(
        Code::GuardViolation,
        format!("Guard failed: {}", guard.reasons.join(", ")),
    )
    .with("scope_violations", guard.scope_violations.clone())
    .with("lockfile_violations", guard.lockfile_violations.clone())
    .with("dirty_files", guard.dirty_files.clone())
    .hint("review .runr/runr.config.json")
}

fn shortened(files: &[String]) -> Vec<String> {
    let mut shown: Vec<String> = files.iter().take(10).cloned().collect();
    if files.len() > 10 {
        shown.push(format!("... and {} more", files.len() - 10));
    }
    shown
}
