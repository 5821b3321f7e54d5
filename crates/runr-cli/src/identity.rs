//! Work items for programs: [`runr_core::identity`] with the clock, the disk and the git of this
//! machine.

use camino::Utf8Path;
use runr_core::{Result, RunId};

pub use runr_core::identity::*;

use crate::host::Host;
use crate::work_items::{observe_branch, work_items};

/// Decides which work item a request means, makes its directories, and brings its files up to date,
/// now. The root `.` stands for the main checkout of the repository around the present directory; a
/// branch that the request does not name is asked for.
///
/// What cannot be read or written is no error but a report that says so.
///
/// ```no_run
/// use runr_cli::identity::{self, Flow, PrepRequest};
///
/// let item = identity::prep(".".into(), &PrepRequest::new(Flow::Build).reference("#17"))?;
/// println!("{:?}", item.run_id);
/// # Ok::<(), runr_core::Error>(())
/// ```
///
/// # Errors
/// `E_USAGE`.
pub fn prep(root: &Utf8Path, request: &PrepRequest) -> Result<PrepReport> {
    let host = Host::of_process(Vec::new());
    let mut request = request.clone();
    if request.branch == Branch::default() {
        request.branch = observe_branch(&host.cwd.join(root));
    }
    work_items(&host, root)?.prep(&request, host.clock.now())
}

/// Adds a harness run to those that worked on a work item.
///
/// # Errors
/// As [`WorkItems::link_run`].
pub fn link_run(root: &Utf8Path, run_id: &str, harness_run_id: &RunId) -> Result<Linked> {
    work_items(&Host::of_process(Vec::new()), root)?.link_run(run_id, harness_run_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_prepares_a_work_item_and_links_its_run() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let report = prep(root, &PrepRequest::new(Flow::Build).reference("#17")).unwrap();
        assert_eq!(report.run_id.as_deref(), Some("gh-17"));
        let run = RunId::parse("20260203040506").unwrap();
        assert!(link_run(root, "gh-17", &run).unwrap().changed);
        assert!(!link_run(root, "gh-17", &run).unwrap().changed);
    }
}
