//! The index a run judges by: a copy of the tree's, taken before any worker, that only runr writes.
//!
//! Whoever writes an index decides what `git status` shows: flags hide edits, forged times make a
//! changed file look untouched. So the index of the tree, which workers write, is asked only for what
//! they staged; everything else is told by the run's own.

mod flags;
mod published;

use std::fs::Metadata;
use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::mutant::without;
use runr_core::{Error, Result};

use super::git::Git;
use super::gitdir::GitDir;
use crate::presence;

pub(crate) use flags::Flags;

/// Its name in the run directory.
const FILE: &str = "git-index";

/// The index of a run, and that of its tree.
#[derive(Debug)]
pub(crate) struct OwnIndex {
    path: Utf8PathBuf,
    of_tree: Utf8PathBuf,
    git_dir: GitDir,
    own: Stamp,
    tree: Stamp,
}

/// Tells whether somebody wrote a file; nothing for a file that is not there.
type Stamp = Option<(u64, u64, [i64; 4])>;

impl OwnIndex {
    /// Takes over the index of a tree that no worker has touched.
    pub(crate) fn take(git_dir: GitDir, run_dir: &Utf8Path) -> Result<Self> {
        let mut index = Self::at(git_dir, run_dir);
        copy(&index.of_tree, &index.path)?;
        index.own_written()?;
        index.staged_judged()?;
        Ok(index)
    }

    /// Makes the index anew from HEAD, with the flags that the user had set before the run. That of
    /// an earlier session proves nothing: a worker can have written it, and a power cut damaged it.
    pub(crate) fn reopen(
        git: &Git,
        git_dir: GitDir,
        run_dir: &Utf8Path,
        flags: &Flags,
    ) -> Result<Self> {
        let mut index = Self::at(git_dir, run_dir);
        // No git of the run is left, so these are a dead one's; the second is that of one commit.
        for left in ["git-index.lock", "artifacts/index", "artifacts/index.lock"] {
            remove(&run_dir.join(left))?;
        }
        published::remove_dead_lock(&index.of_tree)?;
        if !without("index-anew") || !presence::exists(&index.path)? {
            remove(&index.path)?;
            read_head(&git.clone().judging_by(&index.path), run_dir, flags)?;
        }
        index.own_written()?;
        Ok(index)
    }

    /// Not opened yet.
    pub(crate) fn at(git_dir: GitDir, run_dir: &Utf8Path) -> Self {
        Self {
            path: run_dir.join(FILE),
            of_tree: git_dir.index(),
            git_dir,
            own: None,
            tree: None,
        }
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Where git keeps the index of the tree, and everything else it goes by.
    pub(crate) fn git_dir(&self) -> &GitDir {
        &self.git_dir
    }

    /// As a violation names it.
    pub(crate) fn name(&self) -> String {
        let id = self.path.parent().and_then(Utf8Path::file_name);
        format!(".runr/runs/{}/{FILE}", id.unwrap_or_default())
    }

    /// Whether somebody else wrote the run's own index.
    pub(crate) fn is_forged(&self) -> Result<bool> {
        Ok(stamp_of(&self.path)? != self.own)
    }

    /// Takes note that the run itself has written its index.
    pub(crate) fn own_written(&mut self) -> Result<()> {
        self.own = stamp_of(&self.path)?;
        Ok(())
    }

    /// Whether somebody wrote the index of the tree, so that it may hold what nobody has judged.
    pub(crate) fn may_hold_more(&self) -> Result<bool> {
        Ok(stamp_of(&self.of_tree)? != self.tree)
    }

    /// Takes note that what is staged in the tree has been looked at.
    pub(crate) fn staged_judged(&mut self) -> Result<()> {
        self.tree = stamp_of(&self.of_tree)?;
        Ok(())
    }

    /// Gives the tree the run's index, so that it shows people what is committed, and hides nothing.
    pub(crate) fn publish(&mut self) -> Result<()> {
        published::replace(&self.path, &self.of_tree)?;
        self.staged_judged()
    }
}

/// Fills the index that `git` goes by.
fn read_head(git: &Git, run_dir: &Utf8Path, flags: &Flags) -> Result<()> {
    git.run(&["read-tree", "HEAD"])?;
    if !without("sparse-rules") && flags::is_sparse(git)? {
        skip_what_is_left_out(git, run_dir)?;
    }
    // Not 0 when files differ, as they may.
    git.ask(&["update-index", "-q", "--refresh"])?;
    flags.set(git, run_dir)
}

/// Marks what the rules of a sparse checkout leave out, which is not deleted. Git does that when it
/// brings a tree to a commit. Here it is given an empty one: nothing is to be written, as the index
/// has that commit, nor removed, as nothing is there.
fn skip_what_is_left_out(git: &Git, run_dir: &Utf8Path) -> Result<()> {
    let nothing = run_dir.join("artifacts/no-tree");
    let failed = |source| Error::io("make an empty directory", &nothing, source);
    if presence::link_metadata(&nothing)?.is_some_and(|it| it.is_dir()) {
        std::fs::remove_dir_all(&nothing).map_err(failed)?;
    } else {
        remove(&nothing)?;
    }
    std::fs::create_dir(&nothing).map_err(failed)?;
    let marked = git.run_with(
        &["read-tree", "-m", "-u", "HEAD"],
        &[("GIT_WORK_TREE", nothing.as_str())],
    );
    std::fs::remove_dir(&nothing).map_err(failed)?;
    marked.map(drop)
}

/// Copies an index; nothing to copy is an empty one.
fn copy(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    if presence::link_metadata(from)?.is_none() {
        return remove(to);
    }
    let half = published::copied_beside(from, to)?;
    std::fs::rename(&half, to).map_err(|source| Error::io("copy an index to", to, source))
}

/// Removes an index, or the lock of one, if it is there.
pub(super) fn remove(path: &Utf8Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(problem) if problem.kind() != ErrorKind::NotFound => {
            Err(Error::io("remove", path, problem))
        }
        _ => Ok(()),
    }
}

fn stamp_of(path: &Utf8Path) -> Result<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let stamp = |m: Metadata| {
        let times = [m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()];
        (m.ino(), m.size(), times)
    };
    Ok(presence::link_metadata(path)?.map(stamp))
}
