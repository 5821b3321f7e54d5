//! What readers see of runs: status, list, report and whether a receipt still holds. Nothing here
//! writes, and nothing but the last runs git, which only reads.

use camino::Utf8Path;
use runr_core::phase::model::Phase;
use runr_core::phase::ops::{Liveness, RunFiles};
use runr_core::phase::receipt::Verdict;
use runr_core::phase::report::{Report, report_with_state};
use runr_core::phase::state::State;
use runr_core::phase::status::Status;
use runr_core::phase::stop::StopReason;
use runr_core::{Result, RunId, Timestamp};
use serde::Serialize;

use crate::harness::{Git, Layout};
use crate::host::Host;
use crate::liveness::liveness;

/// A run that was looked up.
pub(crate) struct Found {
    pub(crate) run_id: RunId,
    pub(crate) files: RunFiles,
}

/// Looks a run up; never creates anything.
pub(crate) fn find(host: &Host, root: &Utf8Path, argument: &str) -> Result<Found> {
    let layout = Layout::find(&host.cwd.join(root), host)?;
    let run_id = layout.run_argument(argument)?;
    let files = layout.files(&run_id);
    Ok(Found { run_id, files })
}

/// The status of one run.
pub(crate) fn status(host: &Host, root: &Utf8Path, argument: &str) -> Result<Status> {
    let found = find(host, root, argument)?;
    let state = found.files.state()?;
    let liveness = liveness(&found.files, &state)?;
    Ok(Status::new(
        found.run_id,
        &state,
        liveness,
        found.files.live(),
    ))
}

/// One row of the list of runs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) run_id: RunId,
    pub(crate) status: &'static str,
    pub(crate) phase: Option<Phase>,
    pub(crate) milestones: Progress,
    pub(crate) stop_reason: Option<StopReason>,
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) auto_resume_count: u32,
    pub(crate) risk: &'static str,
    pub(crate) in_flight: Option<String>,
}

/// Checkpointed and planned milestones.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Progress {
    pub(crate) completed: usize,
    pub(crate) total: usize,
}

/// All runs: running first, then stopped, newest update first. A run that cannot be read is a row
/// too.
pub(crate) fn list(host: &Host, root: &Utf8Path) -> Result<Vec<Row>> {
    let layout = Layout::find(&host.cwd.join(root), host)?;
    let mut rows: Vec<Row> = layout
        .store()
        .ids()?
        .into_iter()
        .map(|id| row(&layout, id))
        .collect();
    rows.sort_by(|a, b| {
        let rank = |row: &Row| u8::from(row.status != "running");
        rank(a)
            .cmp(&rank(b))
            .then(b.updated_at.cmp(&a.updated_at))
            .then(b.run_id.cmp(&a.run_id))
    });
    Ok(rows)
}

fn row(layout: &Layout, run_id: RunId) -> Row {
    let files = layout.files(&run_id);
    let read = files
        .state()
        .and_then(|state| Ok((liveness(&files, &state)?, state)));
    let Ok((liveness, state)) = read else {
        let none = Progress {
            completed: 0,
            total: 0,
        };
        return Row {
            run_id,
            status: "corrupt",
            phase: None,
            milestones: none,
            stop_reason: None,
            updated_at: None,
            auto_resume_count: 0,
            risk: "-",
            in_flight: None,
        };
    };
    Row {
        run_id,
        status: match liveness {
            Liveness::Running => "running",
            Liveness::Stale => "stale",
            Liveness::Stopped => "stopped",
        },
        phase: Some(state.phase),
        milestones: Progress {
            completed: state.milestone_index,
            total: state.milestones.len(),
        },
        stop_reason: state.stop_reason,
        updated_at: state.updated_at,
        auto_resume_count: state.auto_resume_count,
        risk: if liveness == Liveness::Running {
            "none"
        } else {
            "-"
        },
        in_flight: state
            .in_flight
            .map(|call| format!("{}/{}", call.worker, call.stage)),
    }
}

/// Whether a run is still as its receipt says.
pub(crate) fn verify_receipt(host: &Host, root: &Utf8Path, argument: &str) -> Result<Verdict> {
    let layout = Layout::find(&host.cwd.join(root), host)?;
    let run_id = layout.run_argument(argument)?;
    let git = Git::new(&layout.repo_root);
    crate::harness::verify_receipt(&layout.files(&run_id), &git)
}

/// The report of one run, with what it was computed from.
pub(crate) fn report_of(host: &Host, found: &Found) -> Result<(Report, State)> {
    let records = found.files.records()?;
    let state = found.files.state()?;
    let report = report_with_state(found.run_id.as_str(), &records, &state, host.clock.now());
    Ok((report, state))
}
