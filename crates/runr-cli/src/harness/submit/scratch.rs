//! The worktree in which a result is checked. It is gone when the checks are over, and one that a
//! killed process left is gone with the next submission.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::Lock;
use runr_core::{Result, RunId};

use super::{LOCK, Submission};
use crate::harness::{orphans, worktree};
use crate::merge::CommitId;
use crate::presence;

/// What the names of these worktrees begin with; no run's does.
const PREFIX: &str = "submit-";

/// A worktree with nobody's branch.
pub(super) struct Scratch<'a> {
    of: &'a Submission<'a>,
    dir: Utf8PathBuf,
}

impl<'a> Scratch<'a> {
    pub(super) fn make(of: &'a Submission<'a>, commit: &CommitId) -> Result<Self> {
        let (host, layout, git) = (of.host, &of.layout, &of.git);
        // Known before it is made: half of one must be removed, too.
        let scratch = Self {
            dir: dir_of(of, of.run_id()),
            of,
        };
        if presence::exists(&scratch.dir)? {
            worktree::remove_scratch(git, &scratch.dir)?;
        }
        worktree::add_again(host, layout, git, &scratch.dir, commit.as_str(), None)?;
        Ok(scratch)
    }

    pub(super) fn dir(&self) -> &Utf8Path {
        &self.dir
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        remove(self.of, &self.dir);
    }
}

fn dir_of(of: &Submission<'_>, run_id: &RunId) -> Utf8PathBuf {
    of.layout.worktrees.join(format!("{PREFIX}{run_id}"))
}

/// Removes what killed submissions of this repository left; one that goes on holds its lock.
pub(super) fn remove_leftovers(of: &Submission<'_>) {
    let Ok(entries) = of.layout.worktrees.read_dir_utf8() else {
        return; // There never was a worktree.
    };
    for entry in entries.flatten() {
        let name = entry.file_name().strip_prefix(PREFIX);
        let Some(run_id) = name.and_then(|id| RunId::parse(id).ok()) else {
            continue;
        };
        if run_id == *of.run_id() {
            remove(of, entry.path());
            continue;
        }
        let dir = of.layout.store().run_dir(&run_id);
        if let Ok(Some(_lock)) = Lock::try_acquire(&of.host.storage, &dir, LOCK) {
            remove(of, entry.path());
        }
    }
}

/// Ends what still runs for the tree, and removes it. What cannot be removed now the next submission
/// finds again.
fn remove(of: &Submission<'_>, dir: &Utf8Path) {
    orphans::end_marked(dir);
    let _alone = worktree::alone(of.host, &of.layout);
    let made = ["worktree", "remove", "--force", "--force", dir.as_str()];
    // Git refuses what is no worktree of this repository, and the system what is not empty.
    if !of.git.succeeds(&made).unwrap_or(false) && std::fs::remove_dir(dir).is_err() && dir.exists()
    {
        drop(worktree::remove_scratch(&of.git, dir));
    }
}
