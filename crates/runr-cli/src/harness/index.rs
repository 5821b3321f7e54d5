//! The index a run judges by: a copy of the tree's, taken before any worker, that only runr writes.
//!
//! Whoever writes an index decides what `git status` shows: flags hide edits, forged times make a
//! changed file look untouched. So the index of the tree, which workers write, is asked only for what
//! they staged; everything else is told by the run's own.

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::{Code, Error, Result};

use super::git::Git;
use super::gitdir::GitDir;
use crate::presence;

/// Its name in the run directory.
const FILE: &str = "git-index";
/// How long somebody else's git may hold the index of the tree.
const PATIENCE: Duration = Duration::from_secs(10);

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

    /// Goes on with the index of an earlier session; one that is lost is made from HEAD.
    pub(crate) fn reopen(git: &Git, git_dir: GitDir, run_dir: &Utf8Path) -> Result<Self> {
        let mut index = Self::at(git_dir, run_dir);
        // No git of the run is left, so a lock is a dead one's.
        remove(&Utf8PathBuf::from(format!("{}.lock", index.path)))?;
        if stamp_of(&index.path)?.is_none() {
            index.read_head(git)?;
        }
        index.own_written()?;
        Ok(index)
    }

    /// Begins anew from HEAD.
    pub(crate) fn anew(git: &Git, git_dir: GitDir, run_dir: &Utf8Path) -> Result<Self> {
        let mut index = Self::at(git_dir, run_dir);
        remove(&index.path)?;
        index.read_head(git)?;
        index.own_written()?;
        Ok(index)
    }

    fn read_head(&self, git: &Git) -> Result<()> {
        let git = git.clone().judging_by(&self.path);
        git.run(&["read-tree", "HEAD"])?;
        // Not zero when files differ, as they may.
        git.succeeds(&["update-index", "-q", "--refresh"])?;
        Ok(())
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
        let lock = Utf8PathBuf::from(format!("{}.lock", self.of_tree));
        let deadline = Instant::now() + PATIENCE;
        while presence::exists(&lock)? {
            if Instant::now() > deadline {
                return Err(
                    Error::new(Code::Io, format!("git's index is locked: {lock}"))
                        .at(lock)
                        .hint("end the other git, or remove the file if there is none"),
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        copy(&self.path, &self.of_tree)?;
        self.staged_judged()
    }
}

/// Copies an index with its time: git takes a file that is not older than the index for changed until
/// it has looked, and a copy with a later time would hide a late edit. Nothing to copy is an empty
/// index.
fn copy(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let failed = |source| Error::io("copy an index to", to, source);
    let Some(time) = presence::link_metadata(from)?
        .map(|m| m.modified())
        .transpose()
        .map_err(failed)?
    else {
        return remove(to);
    };
    let half = Utf8PathBuf::from(format!("{to}.runr"));
    // A leftover, or a link that the copy would go through.
    remove(&half)?;
    std::fs::copy(from, &half)
        .and_then(|_| File::options().write(true).open(&half))
        .and_then(|file| file.set_modified(time))
        .and_then(|()| std::fs::rename(&half, to))
        .map_err(failed)
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
