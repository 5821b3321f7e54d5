//! Work items from the shell's side: where they lie, and which branch is checked out.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::identity::{Branch, PrepReport, PrepRequest, WorkItems};
use runr_core::{Error, Result, Timestamp};
use serde_json::{Value, json};

use crate::harness::Git;
use crate::host::Host;
use crate::repository::root_if_any;

/// The work items of a root. The present directory stands for the main checkout of the repository
/// around it, if there is one: all its worktrees share their work items. Any other root is taken
/// as it is.
///
/// # Errors
/// `E_IO` if it cannot be seen where that is.
pub(crate) fn work_items(host: &Host, root: &Utf8Path) -> Result<WorkItems> {
    Ok(WorkItems::open(
        host.storage.clone(),
        items_root(host, root)?,
    ))
}

fn items_root(host: &Host, root: &Utf8Path) -> Result<Utf8PathBuf> {
    if root != "." {
        return Ok(host.cwd.join(root));
    }
    Ok(root_if_any(&host.cwd)?.unwrap_or_else(|| host.cwd.clone()))
}

/// Prepares a work item.
///
/// # Errors
/// `E_USAGE`.
pub(crate) fn prep(
    host: &Host,
    root: &Utf8Path,
    request: &PrepRequest,
    now: Option<Timestamp>,
) -> Result<PrepReport> {
    let now = now.unwrap_or_else(|| host.clock.now());
    work_items(host, root)?.prep(request, now)
}

/// The record of a preparation, with the texts for agents.
pub(crate) fn prep_json(report: &PrepReport) -> Result<Value> {
    let mut record = serde_json::to_value(report)
        .map_err(|error| Error::internal(format!("a report has no JSON form: {error}")))?;
    record["machine_block"] = json!(report.to_machine_block());
    record["handoff"] = json!(report.to_handoff());
    Ok(record)
}

/// The branch that is checked out at `dir`, and its upstream. Git runs nothing of the repository.
pub(crate) fn observe_branch(dir: &Utf8Path) -> Branch {
    let git = Git::new(dir);
    let name = match git.run(&["branch", "--show-current"]) {
        Ok(text) => text.trim().to_owned(),
        Err(error) => {
            return Branch::Unavailable {
                why: Some(first_line(&error.to_string())),
            };
        }
    };
    if name.is_empty() {
        return Branch::Detached;
    }
    let reference = format!("refs/heads/{name}");
    let upstream = git.run(&["for-each-ref", "--format=%(upstream:short)", &reference]);
    let upstream = upstream.ok().map(|text| text.trim().to_owned());
    Branch::Named {
        name,
        upstream: upstream.filter(|text| !text.is_empty()),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
