//! The approval of a plan, for a run that stops after PLAN until it has one.

use camino::Utf8Path;
use runr_core::phase::event::Event;
use runr_core::{Code, Error, Result, RunId};
use serde::Serialize;

use crate::harness::Layout;
use crate::host::Host;

/// Who speaks in the timeline.
const SOURCE: &str = "cli";

/// A plan that is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Approved {
    pub(crate) run_id: RunId,
    /// Whether this call approved it; before, somebody else had.
    pub(crate) changed: bool,
    /// What goes on with the run.
    pub(crate) suggested_command: String,
}

/// Approves the plan of a run.
///
/// # Errors
/// `E_RUN_NOT_FOUND`, and `E_USAGE` for a run that has no plan or needs no approval.
pub(crate) fn approve(host: &Host, root: &Utf8Path, argument: &str) -> Result<Approved> {
    let layout = Layout::find(&host.cwd.join(root), host)?;
    let run_id = layout.run_argument(argument)?;
    let files = layout.files(&run_id);
    let state = files.state()?;
    let unusable = |why: &str| Error::new(Code::Usage, why).with("run_id", run_id.as_str());
    if !state.options.approve_plan {
        return Err(unusable("the run was not started with --approve-plan")
            .hint(format!("runr status {run_id}")));
    }
    if !state.planned {
        return Err(
            unusable("there is no plan to approve yet").hint(format!("runr status {run_id}"))
        );
    }
    if !state.plan_approved {
        let by = host.var("USER").unwrap_or("cli").to_owned();
        files.append(host.clock.now(), SOURCE, &Event::PlanApproved { by })?;
    }
    Ok(Approved {
        changed: !state.plan_approved,
        suggested_command: format!("runr resume {run_id}"),
        run_id,
    })
}
