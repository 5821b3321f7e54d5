//! What the user had not committed when the run began: it is neither changed nor committed by a run.

use std::collections::HashSet;

use runr_core::Result;
use runr_core::mutant::without;
use runr_core::phase::owned::is_protected;

use super::is_noise_of_init;
use crate::harness::baseline::{Baseline, print_of};
use crate::harness::git::Git;

/// Why such a change stops a run.
pub(super) const DISTURBED: &str =
    "your uncommitted work was changed or committed; put it back, or change it yourself";

/// The files with the user's uncommitted work that are not as they were, or are in a commit: neither
/// could be told from the work of the run, and checks would pass with what no checkpoint holds.
pub(super) fn disturbed(
    git: &Git,
    baseline: &Baseline,
    in_history: &HashSet<&str>,
    head: &str,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    // What steers runr has a rule of its own.
    let users = baseline
        .dirty
        .iter()
        .filter(|(path, _)| !is_protected(path));
    for (path, print) in users.filter(|_| !without("users-work")) {
        let is_committed = in_history.contains(path.trim_end_matches('/'));
        let is_changed = || -> Result<bool> {
            let is_as_it_was = print_of(&git.dir().join(path))? == *print;
            Ok(!is_as_it_was && !is_noise_of_init(git, path, head)?)
        };
        if is_committed || is_changed()? {
            found.push(path.clone());
        }
    }
    Ok(found)
}
