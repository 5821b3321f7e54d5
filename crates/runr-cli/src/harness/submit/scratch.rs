//! The worktree in which a result is checked. It is gone when the checks are over.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::phase::stray::SUBMIT_PREFIX;
use runr_core::{Result, RunId};

use super::Submission;
use crate::harness::context::Layout;
use crate::harness::git::Git;
use crate::harness::{orphans, worktree};
use crate::host::Host;
use crate::merge::CommitId;
use crate::presence;

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
            orphans::end_marked(&scratch.dir);
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
        let Submission {
            host, layout, git, ..
        } = self.of;
        remove(host, layout, git, &self.dir);
    }
}

fn dir_of(of: &Submission<'_>, run_id: &RunId) -> Utf8PathBuf {
    of.layout.worktrees.join(format!("{SUBMIT_PREFIX}{run_id}"))
}

/// The run whose submission has a worktree of this name.
pub(super) fn run_of(name: &str) -> Option<RunId> {
    RunId::parse(name.strip_prefix(SUBMIT_PREFIX)?).ok()
}

/// Ends what still runs for the tree, and removes it. What cannot be removed now is found again by
/// the next command.
pub(super) fn remove(host: &Host, layout: &Layout, git: &Git, dir: &Utf8Path) {
    orphans::end_marked(dir);
    let _alone = worktree::alone(host, layout);
    let made = ["worktree", "remove", "--force", "--force", dir.as_str()];
    // Git refuses what is no worktree of this repository, and the system what is not empty.
    if !git.succeeds(&made).unwrap_or(false) && std::fs::remove_dir(dir).is_err() && dir.exists() {
        drop(worktree::remove_scratch(git, dir));
    }
}
