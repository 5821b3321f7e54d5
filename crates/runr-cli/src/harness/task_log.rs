//! What a run notes of its task. A convenience: a run goes on without it, with a warning.

use runr_core::phase::state::State;
use runr_core::phase::task_status::{TaskEvent, TaskStatusFile};
use runr_core::{Result, RunId};

use super::context::Layout;
use crate::host::Host;

/// Notes that a run of a task began or goes on. The warning if that failed.
pub(crate) fn begun(host: &Host, layout: &Layout, run_id: &RunId, state: &State) -> Option<String> {
    note(host, layout, state, &[TaskEvent::Begun { run_id }])
}

/// Notes how a run ended. The warning if that failed.
pub(crate) fn ended(host: &Host, layout: &Layout, run_id: &RunId, state: &State) -> Option<String> {
    let end = end_of(run_id, state)?;
    note(host, layout, state, &[end])
}

/// Notes that a run ended before it could begin. The warning if that failed.
pub(crate) fn refused(
    host: &Host,
    layout: &Layout,
    run_id: &RunId,
    state: &State,
) -> Option<String> {
    let end = end_of(run_id, state)?;
    note(host, layout, state, &[TaskEvent::Begun { run_id }, end])
}

/// What the end of a run means for its task; nothing while it has not ended.
pub(crate) fn end_of<'a>(run_id: &'a RunId, state: &'a State) -> Option<TaskEvent<'a>> {
    Some(TaskEvent::Ended {
        run_id,
        reason: state.stop_reason.as_ref()?,
        error: state.last_error.as_deref(),
        checkpoint: state.checkpoint_commit_sha.as_deref(),
    })
}

/// The file of a repository.
pub(crate) fn file(host: &Host, layout: &Layout) -> TaskStatusFile {
    TaskStatusFile::open(host.storage.clone(), &layout.repo_root)
}

fn note(host: &Host, layout: &Layout, state: &State, events: &[TaskEvent<'_>]) -> Option<String> {
    let task = state.task_path.as_deref()?;
    let noted: Result<bool> = file(host, layout).note(task, events, host.clock.now());
    let error = noted.err()?;
    Some(format!("how the task stands was not noted: {error}"))
}
