//! The other runs of a repository, as far as they concern one that starts or plans.

use std::collections::BTreeSet;

use runr_core::mutant::without;
use runr_core::phase::owned::scope_overlap;
use runr_core::phase::state::State;
use runr_core::phase::task_status::TaskEntries;
use runr_core::{Result, RunId};

use super::context::Layout;
use super::request::Prepared;
use super::start::frozen_scope;
use super::task_log;
use crate::host::Host;

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

/// What is odd about a task. A text that was given on the command line needs no headings.
pub(crate) fn oddities(prepared: &Prepared) -> Vec<String> {
    let mut all = prepared.task.warnings.clone();
    let missing = &prepared.task.missing_headings;
    if prepared.task_path.is_some() && !missing.is_empty() {
        let headings: Vec<String> = missing.iter().map(|text| format!("`## {text}`")).collect();
        all.push(format!("the task has no heading {}", headings.join(", ")));
    }
    all
}

/// What does not refuse a run, but should be known before it starts.
pub(crate) fn warnings(prepared: &Prepared, host: &Host) -> Result<Vec<String>> {
    let mut all = unmet(prepared, host)?;
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

/// The tasks that come first and are not done. What is noted of them cannot be read: that is said
/// instead, and the runs alone decide.
fn unmet(prepared: &Prepared, host: &Host) -> Result<Vec<String>> {
    let wanted = &prepared.task.depends_on;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let layout = &prepared.layout;
    let (entries, unreadable) = match task_log::file(host, layout).read() {
        Ok(entries) => (entries, None),
        Err(error) => (TaskEntries::new(), Some(error.to_string())),
    };
    let open = crate::tasks::unmet(layout, &entries, wanted)?;
    let first = |task: String| format!("the task depends on {task}, which is not done");
    Ok(unreadable
        .into_iter()
        .chain(open.into_iter().map(first))
        .collect())
}

/// The tasks of which a run is complete.
pub(crate) fn complete_tasks(layout: &Layout) -> Result<BTreeSet<String>> {
    let states = layout.store().ids()?.into_iter();
    let complete = states.filter_map(|id| layout.files(&id).state().ok());
    let tasks = complete.filter(State::is_complete);
    Ok(tasks.filter_map(|state| state.task_path).collect())
}
