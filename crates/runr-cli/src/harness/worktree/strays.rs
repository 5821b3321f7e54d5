//! Worktrees without their other half: found without git, and removed if nothing is lost with them.

use std::io::ErrorKind;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use runr_core::fs::Lock;
use runr_core::phase::removal::{Keep, TreeFacts, may_remove};
use runr_core::phase::stray::{Present, Recorded, Stray, run_of, strays};
use runr_core::{Error, Result};

use super::alone;
use super::removal::all_but_git;
use crate::harness::context::Layout;
use crate::harness::git::Git;
use crate::harness::gitdir::GitDir;
use crate::harness::submit::LOCK as SUBMIT_LOCK;
use crate::host::Host;
use crate::presence;

/// What git locks a record with while it makes the worktree.
const BEING_MADE: &str = "initializing";

/// The worktrees of a repository, as far as one half of them is missing.
pub(crate) struct Strays<'a> {
    host: &'a Host,
    layout: &'a Layout,
    git: Git,
    /// Git's records of worktrees.
    records: Utf8PathBuf,
}

impl<'a> Strays<'a> {
    pub(crate) fn of(host: &'a Host, layout: &'a Layout) -> Result<Self> {
        let records = GitDir::of(&layout.repo_root)?.common().join("worktrees");
        Ok(Self {
            git: Git::new(&layout.repo_root),
            // As git writes it into the `.git` of a worktree.
            records: real(&records)?,
            host,
            layout,
        })
    }

    /// All that there are.
    pub(crate) fn look(&self) -> Result<Vec<Stray>> {
        let under = real(&self.layout.worktrees)?;
        let mut recorded = Vec::new();
        for record in directories(&self.records)? {
            recorded.extend(self.recorded_in(&record)?);
        }
        let mut present = Vec::new();
        for tree in directories(&under)? {
            let names = link_of(&tree)?.and_then(|link| link.file_name().map(str::to_owned));
            present.push(Present { tree, names });
        }
        Ok(strays(&under, &recorded, &present))
    }

    /// Whether nothing is lost with a stray, or why it must stay.
    pub(crate) fn may_go(&self, stray: &Stray) -> Result<std::result::Result<(), Keep>> {
        Ok(match stray {
            Stray::Gone(record) => may_remove(&self.facts_of_record(record)?),
            Stray::Unknown(tree) => may_remove(&self.facts_of_directory(tree)?),
            Stray::Moved { .. } | Stray::Cut(_) => Err(Keep::NotOurs),
        })
    }

    /// Removes a stray with which nothing is lost; whether that is so is asked once more.
    pub(crate) fn remove(&self, stray: &Stray) -> Result<()> {
        // A git that makes a worktree has one half of it for a moment.
        let _alone = alone(self.host, self.layout)?;
        let kept = |keep: Keep| {
            let why = std::io::Error::other(keep.to_string());
            Error::io("remove", stray.tree(), why)
        };
        if !self.look()?.contains(stray) {
            return Ok(()); // Somebody has put it right.
        }
        self.may_go(stray)?.map_err(kept)?;
        match stray {
            Stray::Gone(record) => self.forget(record),
            Stray::Unknown(tree) => remove_empty(tree),
            Stray::Moved { .. } | Stray::Cut(_) => Ok(()),
        }
    }

    /// What a record of git's says.
    fn recorded_in(&self, dir: &Utf8Path) -> Result<Option<Recorded>> {
        let Some(link) = presence::text(&dir.join("gitdir"))? else {
            return Ok(None);
        };
        let link = without_dots(&dir.join(link.trim_end()));
        let (Some(name), Some(tree)) = (dir.file_name(), link.parent()) else {
            return Ok(None);
        };
        let lock = presence::text(&dir.join("locked"))?;
        let is_locked = lock.is_some_and(|why| why.trim_end() != BEING_MADE);
        Ok(Some(Recorded {
            name: name.to_owned(),
            tree: tree.to_owned(),
            is_there: presence::exists(&link)?,
            is_kept: is_locked || self.is_away(tree)?,
        }))
    }

    /// Whether the whole place of a tree is out of reach, such as a disk that was taken out.
    fn is_away(&self, tree: &Utf8Path) -> Result<bool> {
        if tree.starts_with(real(&self.layout.repo_root)?) {
            return Ok(false);
        }
        let place = tree.parent().map_or(Ok(false), presence::exists)?;
        Ok(!place)
    }

    fn forget(&self, record: &Recorded) -> Result<()> {
        let mut args = vec!["worktree", "remove"];
        if presence::exists(&self.records.join(&record.name).join("locked"))? {
            args.extend(["--force", "--force"]);
        }
        args.push(record.tree.as_str());
        self.git.run(&args).map(drop)
    }

    /// What would be lost with a record: commits that only its HEAD holds, and what is only staged.
    fn facts_of_record(&self, record: &Recorded) -> Result<TreeFacts> {
        let head = format!("worktrees/{}/HEAD", record.name);
        let commit = format!("{head}^{{commit}}");
        let has_commit = self
            .git
            .succeeds(&["rev-parse", "--verify", "--quiet", &commit])?;
        let index = self.records.join(&record.name).join("index");
        let (mut changed, mut only_here) = (Vec::new(), 0);
        if has_commit {
            let count = ["rev-list", "--count", &head, "--not"];
            let elsewhere = ["--branches", "--remotes", "--tags"];
            let count = self.git.run(&[&count[..], &elsewhere].concat())?;
            only_here = count.trim().parse().unwrap_or(usize::MAX);
        }
        match (presence::exists(&index)?, has_commit) {
            (true, true) => {
                let git = self.git.clone().judging_by(&index);
                // What the index lacks of its commit is no work.
                let staged = ["diff-index", "--cached", "--name-only", "--diff-filter=d"];
                let staged = git.run(&[&staged[..], &["-z", &head]].concat())?;
                let names = staged.split('\0').filter(|name| !name.is_empty());
                changed.extend(names.map(str::to_owned));
            }
            // There is nothing to compare it with.
            (true, false) => changed.push("what is staged".to_owned()),
            (false, _) => {}
        }
        Ok(TreeFacts {
            is_ours: true,
            is_driven: self.is_in_use(&record.tree)?,
            changed,
            only_here,
        })
    }

    /// Of a directory without a record git cannot say what was changed, so all that is in it counts.
    fn facts_of_directory(&self, tree: &Utf8Path) -> Result<TreeFacts> {
        let git = presence::link_metadata(&tree.join(".git"))?;
        let is_repository = git.is_some_and(|it| !it.is_file());
        let link = link_of(tree)?;
        Ok(TreeFacts {
            is_ours: !is_repository && link.is_none_or(|link| link.starts_with(&self.records)),
            is_driven: self.is_in_use(tree)?,
            changed: all_but_git(tree)?,
            only_here: 0,
        })
    }

    /// Whether the run of a worktree is at work, or being submitted.
    fn is_in_use(&self, tree: &Utf8Path) -> Result<bool> {
        let Some(run_id) = run_of(tree) else {
            return Ok(true);
        };
        let files = self.layout.files(&run_id);
        let submitting = Lock::is_held(files.storage(), files.dir(), SUBMIT_LOCK)?;
        Ok(submitting || crate::liveness::is_live(&files)?)
    }
}

/// The directories in a directory, in order; none if that is missing. Links are not followed.
fn directories(of: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let failed = |source| Error::io("list", of, source);
    let entries = presence::if_there(of.read_dir_utf8()).map_err(failed)?;
    let mut found = Vec::new();
    for entry in entries.into_iter().flatten() {
        let entry = match entry {
            // No name of a run.
            Err(problem) if problem.kind() == ErrorKind::InvalidData => continue,
            entry => entry.map_err(failed)?,
        };
        if entry.file_type().map_err(failed)?.is_dir() {
            found.push(entry.into_path());
        }
    }
    found.sort();
    Ok(found)
}

/// The record that the `.git` of a worktree names.
fn link_of(tree: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    let link = tree.join(".git");
    if !presence::link_metadata(&link)?.is_some_and(|it| it.is_file()) {
        return Ok(None);
    }
    let text = presence::text(&link)?.unwrap_or_default();
    let target = text.trim_end().strip_prefix("gitdir:").map(str::trim_start);
    Ok(target.map(|target| without_dots(&tree.join(target))))
}

/// A path without links, as far as it leads to anything.
fn real(path: &Utf8Path) -> Result<Utf8PathBuf> {
    let found = presence::if_there(path.canonicalize_utf8());
    let found = found.map_err(|source| Error::io("resolve", path, source))?;
    Ok(found.unwrap_or_else(|| path.to_owned()))
}

/// A path that may lead nowhere, without the `..` of a relative one.
fn without_dots(path: &Utf8Path) -> Utf8PathBuf {
    let mut plain = Utf8PathBuf::new();
    for part in path.components() {
        match part {
            Utf8Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// Removes a directory in which there is at most a `.git`; the system refuses any other.
fn remove_empty(tree: &Utf8Path) -> Result<()> {
    let link = tree.join(".git");
    let removed = presence::if_there(std::fs::remove_file(&link));
    let removed = removed.and_then(|_| std::fs::remove_dir(tree));
    removed.map_err(|source| Error::io("remove", tree, source))
}
