//! What a resume would do, told without doing it.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::Result;
use runr_core::phase::config::Config;
use runr_core::phase::rules;
use runr_core::phase::stop::StopReason;

use super::choice::Chosen;
use super::{choose, driver_lives};
use crate::harness::context::Layout;
use crate::harness::git::{Git, TreeStatus};
use crate::harness::snapshot::Snapshot;
use crate::harness::trust;
use crate::host::Host;

/// What a resume would do.
///
/// # Errors
/// `E_RUN_NOT_FOUND`, `E_STORE_CORRUPT`, and git's failures.
pub(crate) fn plan_resume(
    host: &Host,
    root: &Utf8Path,
    argument: Option<&str>,
) -> Result<serde_json::Value> {
    let layout = Layout::find(&host.cwd.join(root), host)?;
    let run_id = choose(&layout, argument)?;
    let mut state = layout.files(&run_id).state()?;
    // Looking at a tree runs git, and git runs what its repository configures.
    let config = Snapshot::read(&layout.files(&run_id))?.config;
    if config.command_list() != Config::default().command_list() {
        trust::check(host, &layout.repo_root, &config)?;
    }
    if !state.is_stopped() {
        // As a resume would record it first.
        state.stop_reason = Some(StopReason::Interrupted);
    }
    let tree = Utf8PathBuf::from(&state.repo_path);
    let there = tree.is_dir();
    let git = Git::new(&tree);
    let status = if there {
        git.status()?
    } else {
        TreeStatus::default()
    };
    let chosen = if there {
        Chosen::on_branch(&layout, &git, &state, &status)?
    } else {
        Chosen::recorded(&layout, &state)
    };
    let dirty: Vec<&String> = status
        .changed
        .iter()
        .filter(|path| !path.starts_with(".runr/"))
        .collect();
    let mut warnings = Vec::new();
    if !there {
        warnings.push(format!(
            "the worktree {tree} is missing and would be made again"
        ));
    }
    if driver_lives(&layout.files(&run_id)) {
        warnings.push("the run is still running".to_owned());
    }
    let remaining = state
        .milestones
        .len()
        .saturating_sub(chosen.milestone_index);
    Ok(serde_json::json!({
        "schema_version": 1,
        "run_id": run_id,
        "repo_path": state.repo_root,
        "effective_repo_path": state.repo_path,
        "checkpoint": {
            "sha": chosen.sha,
            "milestone_index": i64::try_from(chosen.milestone_index).unwrap_or(i64::MAX) - 1,
            "source": chosen.source,
        },
        "resume": {
            "from_milestone_index": chosen.milestone_index,
            "phase": rules::reentry(&state),
            "remaining_milestones": remaining,
        },
        "repo_state": {
            "working_tree_clean": dirty.is_empty(),
            "dirty_paths_sample": dirty.iter().take(10).collect::<Vec<_>>(),
            "dirty_count": dirty.len(),
        },
        "delta": {"diffstat": null, "lockfiles_changed": false, "ignored_noise_count": 0, "ignored_noise_sample": []},
        "warnings": warnings,
    }))
}
