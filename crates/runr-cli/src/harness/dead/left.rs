//! What a driver that died at work left in the user's checkout.

use camino::Utf8Path;
use runr_core::Result;
use runr_core::mutant::without;
use runr_core::phase::ops::RunFiles;
use runr_core::phase::state::State;

use crate::harness::baseline::Leftover;
use crate::harness::context::Layout;
use crate::harness::git::Git;
use crate::harness::owner;
use crate::host::Host;
use crate::presence;

/// Notes what is uncommitted as the run's own: it may have been written since the last note. Once the
/// stop is recorded nobody knows that any more, and a resume may still be refused.
pub(super) fn note(
    files: &RunFiles,
    host: &Host,
    layout: &Layout,
    git: &Git,
    state: &State,
) -> Result<()> {
    let at_work = state.in_flight.is_some() || state.running_command.is_some();
    let tree = Utf8Path::new(&state.repo_path);
    let in_checkout = !state.options.worktree && presence::is_dir(tree)?;
    if !at_work || !in_checkout || without("died-leftover") {
        return Ok(());
    }
    // Another run may work there by now.
    let _alone = owner::take_tree(&host.storage, &layout.runs_dir(), tree)?;
    let status = git.at(tree).pinned().status()?;
    Leftover::write(files, tree, &status)
}
