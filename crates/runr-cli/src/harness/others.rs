//! The other runs of a repository, as far as they concern one that starts or plans.

use runr_core::mutant::without;
use runr_core::phase::owned::scope_overlap;
use runr_core::phase::state::State;
use runr_core::{Result, RunId};

use super::context::Layout;
use super::request::Prepared;
use super::start::frozen_scope;

/// The live runs but `own`, as far as their timelines can be read: of another one nothing could be
/// said.
pub(crate) fn live_runs(layout: &Layout, own: Option<&RunId>) -> Result<Vec<(RunId, State)>> {
    let mut live = Vec::new();
    for id in layout.store().ids()? {
        let files = layout.files(&id);
        let is_live = without("dead-runs") || crate::liveness::is_live(&files)?;
        if Some(&id) == own || !is_live {
            continue;
        }
        if let Ok(state) = files.state() {
            live.push((id, state));
        }
    }
    Ok(live)
}

/// What does not refuse a run, but should be known before it starts.
pub(crate) fn warnings(prepared: &Prepared) -> Result<Vec<String>> {
    let mut all = unmet(prepared)?;
    let ours = frozen_scope(&prepared.config, &prepared.task).allowlist;
    for (id, state) in live_runs(&prepared.layout, None)? {
        let shared = scope_overlap(&ours, &state.scope_lock.allowlist);
        if let Some(patterns) = shared {
            let patterns: Vec<String> = patterns.into_iter().take(5).collect();
            all.push(format!(
                "run {id} may change the same files: {}",
                patterns.join(" ")
            ));
        }
    }
    Ok(all)
}

/// The tasks that come first and of which no run is complete.
fn unmet(prepared: &Prepared) -> Result<Vec<String>> {
    let wanted = &prepared.task.depends_on;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let layout = &prepared.layout;
    let states = layout.store().ids()?.into_iter();
    let complete = states.filter_map(|id| layout.files(&id).state().ok());
    let done: Vec<String> = complete
        .filter(State::is_complete)
        .filter_map(|state| state.task_path)
        .collect();
    let open = wanted.iter().map(|task| task.trim_start_matches("./"));
    Ok(open
        .filter(|task| !done.iter().any(|path| path == task))
        .map(|task| format!("the task depends on {task}, of which no run is complete"))
        .collect())
}
