//! What a killed submission leaves: its worktree, and a check in it that nobody ends.
//!
//! There is no process that could end the check at once: nobody watches over a submission. Whatever
//! runr does next in the repository does it, a run, a resume, a submission or a repair.

use camino::Utf8PathBuf;
use runr_core::RunId;
use runr_core::fs::{Lock, LockGuard};
use runr_core::mutant::without;

use super::{LOCK, scratch};
use crate::harness::context::Layout;
use crate::harness::git::Git;
use crate::host::Host;
use crate::presence;

/// The worktree of a submission.
pub(crate) struct Leftover {
    pub(crate) run_id: RunId,
    dir: Utf8PathBuf,
}

/// What killed submissions of a repository left. Nothing is changed.
pub(crate) fn killed_submissions(host: &Host, layout: &Layout) -> Vec<Leftover> {
    let mut found = scratches(layout);
    found.retain(|it| {
        let dir = layout.store().run_dir(&it.run_id);
        matches!(Lock::is_held(&host.storage, &dir, LOCK), Ok(false))
    });
    found
}

/// Ends what still runs for killed submissions of a repository, and removes their worktrees. What
/// cannot be removed now is found again by the next one who looks.
pub(crate) fn end_killed_submissions(host: &Host, layout: &Layout) {
    if without("submit-scratch") {
        return;
    }
    for Leftover { run_id, dir } in scratches(layout) {
        let run_dir = layout.store().run_dir(&run_id);
        let lock = match Lock::try_acquire(&host.storage, &run_dir, LOCK) {
            Ok(Some(lock)) => Some(lock),
            // Of a run that is gone nothing can be submitted.
            Err(_) if matches!(presence::exists(&run_dir), Ok(false)) => None,
            // A submission that goes on holds its lock.
            Ok(None) if !without("submit-goes-on") => continue,
            Ok(None) => None,
            Err(_) => continue,
        };
        let held = lock.as_ref().map(LockGuard::inheritable).transpose();
        if let Ok(held) = held {
            // A git that outlives this process keeps the next one away until it ends.
            let git = Git::new(&layout.repo_root).holding(held.flatten());
            scratch::remove(host, layout, &git, &dir);
        }
    }
}

/// The worktrees of submissions, whether they go on or not.
fn scratches(layout: &Layout) -> Vec<Leftover> {
    let Ok(entries) = layout.worktrees.read_dir_utf8() else {
        return Vec::new(); // There never was a worktree.
    };
    let leftovers = entries.flatten().filter_map(|entry| {
        // A link leads to somebody else's directory.
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_one = is_dir || without("submit-link");
        let run_id = scratch::run_of(entry.file_name()).filter(|_| is_one)?;
        let dir = entry.into_path();
        Some(Leftover { run_id, dir })
    });
    leftovers.collect()
}
