//! The work item that a run belongs to: prepared before the run, linked to it afterwards.

use runr_core::identity::{Flow, PrepReport, PrepRequest, PrepStatus};
use runr_core::{Code, Error, Result, RunId};

use super::request::Prepared;
use crate::host::Host;
use crate::work_items::observe_branch;

/// Which work item a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ItemRequest {
    pub(crate) flow: Flow,
    pub(crate) refs: Vec<String>,
}

impl ItemRequest {
    /// References alone mean work that is built; neither means no work item.
    pub(crate) fn of(flow: Option<Flow>, refs: &[String]) -> Option<Self> {
        let flow = flow.or((!refs.is_empty()).then_some(Flow::Build))?;
        Some(Self {
            flow,
            refs: refs.to_vec(),
        })
    }
}

/// Prepares the work item of a run, if it is to have one.
pub(super) fn prepare(prepared: &Prepared, host: &Host) -> Result<Option<PrepReport>> {
    let Some(item) = &prepared.item else {
        return Ok(None);
    };
    let mut request = PrepRequest::new(item.flow);
    request.refs.clone_from(&item.refs);
    request.branch = observe_branch(&prepared.place.toplevel);
    let items = prepared.layout.work_items();
    let report = items.prep(&request, host.clock.now())?;
    match report.status {
        PrepStatus::CannotProceed => Err(failure(&report)),
        _ => Ok(Some(report)),
    }
}

/// Adds the run to those that worked on its work item.
pub(super) fn link(prepared: &Prepared, item: Option<&str>, run: &RunId) -> Result<()> {
    match item {
        None => Ok(()),
        Some(item) => prepared.layout.work_items().link_run(item, run).map(drop),
    }
}

fn failure(report: &PrepReport) -> Error {
    let code = report.error.and_then(Code::parse).unwrap_or(Code::Internal);
    let message = format!(
        "cannot prepare the work item: {}",
        report.blockers.join("; ")
    );
    let error = Error::new(code, message).hint("runr prep says what is wrong");
    match report.missing_required.first() {
        Some(path) => error.at(path.as_str()),
        None => error,
    }
}
