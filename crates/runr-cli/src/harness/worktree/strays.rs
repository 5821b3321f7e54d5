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
            records: records.canonicalize_utf8().unwrap_or(records),
            host,
            layout,
        })
    }

    /// All that there are.
    pub(crate) fn look(&self) -> Result<Vec<Stray>> {
        let under = &self.layout.worktrees;
        let under = under.canonicalize_utf8().unwrap_or_else(|_| under.clone());
        let recorded = directories(&self.records)?;
        let recorded: Vec<_> = recorded.iter().filter_map(|dir| recorded_in(dir)).collect();
        let present = directories(&under)?.into_iter().map(|tree| Present {
            names: link_of(&tree).and_then(|link| link.file_name().map(str::to_owned)),
            tree,
        });
        let present: Vec<_> = present.collect();
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

    fn forget(&self, record: &Recorded) -> Result<()> {
        let mut args = vec!["worktree", "remove"];
        if self.records.join(&record.name).join("locked").exists() {
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
        match (index.is_file(), has_commit) {
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
        let is_repository = tree.join(".git").is_dir();
        let link = link_of(tree);
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
    let entries = match of.read_dir_utf8() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.into_path());
        }
    }
    found.sort();
    Ok(found)
}

/// What a record of git's says.
fn recorded_in(dir: &Utf8Path) -> Option<Recorded> {
    let link = std::fs::read_to_string(dir.join("gitdir")).ok()?;
    let link = without_dots(&dir.join(link.trim_end()));
    let lock = std::fs::read_to_string(dir.join("locked")).ok();
    Some(Recorded {
        name: dir.file_name()?.to_owned(),
        tree: link.parent()?.to_owned(),
        is_there: link.exists(),
        is_kept: lock.is_some_and(|why| why.trim_end() != BEING_MADE),
    })
}

/// The record that the `.git` of a worktree names.
fn link_of(tree: &Utf8Path) -> Option<Utf8PathBuf> {
    let text = std::fs::read_to_string(tree.join(".git")).ok()?;
    let link = text.trim_end().strip_prefix("gitdir:")?.trim_start();
    Some(without_dots(&tree.join(link)))
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
    let removed = match std::fs::remove_file(&link) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => std::fs::remove_dir(tree),
    };
    removed.map_err(|source| Error::io("remove", tree, source))
}
