//! Which run an argument means; every command asks here.

use runr_core::phase::ops::resolve_run;
use runr_core::{Code, Result, RunId};

use super::context::Layout;

impl Layout {
    /// The run that an argument means: its id, a unique prefix, `latest`, or a work item, by its id
    /// or by a reference, which means the newest of its runs.
    ///
    /// # Errors
    /// `E_RUN_NOT_FOUND`, `E_RUN_ID_AMBIGUOUS`, `E_NO_RUNS`, and those of reading work items.
    pub(crate) fn run_argument(&self, argument: &str) -> Result<RunId> {
        let ids = self.store().ids()?;
        let not_found = match resolve_run(&ids, argument) {
            Err(error) if error.code() == Code::RunNotFound => error,
            other => return other,
        };
        let Some(item) = self.work_items().find(argument)? else {
            return Err(not_found);
        };
        let there = |run: &str| ids.iter().any(|id| id.as_str() == run);
        let newest = item.newest(there).map(RunId::parse).transpose()?;
        newest.ok_or_else(|| {
            not_found
                .reworded(format!("the work item {} has no run", item.id))
                .hint(format!(
                    "runr run --flow build --ref {} --task FILE",
                    item.id
                ))
        })
    }
}
