//! The tree of a run that is opened again: found, or made again, and known to be the run's.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::LockGuard;
use runr_core::mutant::without;
use runr_core::phase::event::Event;
use runr_core::phase::ops::RunFiles;
use runr_core::phase::state::State;
use runr_core::{Code, Error, Result, RunId};

use super::choice::Chosen;
use crate::harness::baseline::{Baseline, Leftover};
use crate::harness::context::Layout;
use crate::harness::git::{Git, TreeStatus};
use crate::harness::gitdir::GitDir;
use crate::harness::index::OwnIndex;
use crate::harness::inspect::Guard;
use crate::harness::{owner, worktree};
use crate::host::Host;

/// The tree of a run that is opened again.
pub(super) struct Reopened {
    pub(super) git: Git,
    pub(super) tree_lock: LockGuard,
    pub(super) status: TreeStatus,
    pub(super) index: OwnIndex,
    /// Whether uncommitted work of the run is gone.
    pub(super) lost_work: bool,
    pub(super) events: Vec<Event>,
}

impl Reopened {
    pub(super) fn new(
        layout: &Layout,
        files: &RunFiles,
        state: &State,
        git: &Git,
        host: &Host,
    ) -> Result<Self> {
        let tree = Utf8PathBuf::from(&state.repo_path);
        let mut events = Vec::new();
        let mut lost_work = false;
        // Until a worker was asked, and in a fresh tree, nobody has written the index.
        let mut is_fresh = state.calls_started == 0;
        if state.options.worktree {
            let half_made = state.worktree_path.is_none() && tree.exists();
            if half_made {
                worktree::remove_half_made(git, layout, &tree)?;
            }
            if !tree.exists() {
                let made = worktree::add_again(
                    host,
                    layout,
                    git,
                    &tree,
                    if without("recorded-base") {
                        "HEAD"
                    } else {
                        state.expected_head()
                    },
                    state.branch.as_deref(),
                )?;
                lost_work = state.open_phase.is_some();
                is_fresh = true;
                events.push(if state.worktree_path.is_none() {
                    Event::WorktreeCreated(made)
                } else {
                    Event::WorktreeRecreated(made)
                });
            }
        } else if !tree.is_dir() {
            return Err(Error::new(
                Code::WorktreeMissing,
                format!("Worktree is missing: {tree}"),
            )
            .with("run_id", state.run_id.as_str())
            .with("worktree_path", tree.as_str())
            .at(tree));
        }
        let tree_lock = owner::take_tree(&host.storage, &layout.runs_dir(), &tree)?;
        let main = git;
        let git = git.at(&tree);
        if state.options.worktree {
            remove_stale_index_lock(main, &git)
                .map_err(|error| error.with("run_id", state.run_id.as_str()))?;
        } else if state.worktree_path.is_none() && state.open_phase.is_none() {
            put_on_branch(&git, state)?;
        }
        let (git, git_dir) = (git.pinned(), GitDir::of(&tree)?);
        let index = if is_fresh {
            OwnIndex::take(git_dir, files.dir())?
        } else {
            OwnIndex::reopen(&git, git_dir, files.dir())?
        };
        let git = git.judging_by(index.path());
        let status = git.status()?;
        Ok(Self {
            git,
            tree_lock,
            status,
            index,
            lost_work,
            events,
        })
    }

    /// The last checkpoint that is part of the branch. On another branch nothing is corrected: the
    /// guard stops the run and says so.
    pub(super) fn pick_checkpoint(&self, layout: &Layout, state: &State) -> Result<Chosen> {
        if self.status.branch != state.branch {
            return Ok(Chosen::recorded(layout, state));
        }
        Chosen::on_branch(layout, &self.git, state, &self.status)
    }

    /// What stood in the tree before any worker: as it was kept, or as it is if none was asked.
    pub(super) fn baseline(
        &self,
        files: &RunFiles,
        guard: &Guard,
        state: &State,
    ) -> Result<Baseline> {
        let git_dir = self.index.git_dir();
        if let Some(mut kept) = Baseline::read(files)? {
            if !self.events.is_empty() {
                // The tree was made again, and with it what belongs to it alone.
                kept.rules.append(&mut git_dir.own_rules()?);
            }
            return Ok(kept);
        }
        // Once a worker was asked, what is there proves nothing.
        if state.calls_started > 0 {
            return Ok(Baseline {
                rules: git_dir.rules()?,
                ..Baseline::default()
            });
        }
        let (tree, status) = (self.git.dir(), &self.status);
        let mut baseline = Baseline {
            guarded: guard.guarded_prints(tree, status)?,
            rules: git_dir.rules()?,
            ..Baseline::default()
        };
        if !state.options.worktree {
            baseline.dirty = guard.dirty_prints(tree, status)?;
        }
        Ok(baseline)
    }

    /// Uncommitted changes are the run's own in its worktree; in the user's checkout only as long as
    /// they are what the run left there. Anything else is not to be mixed with the run's work.
    pub(super) fn refuse_strangers_work(&self, files: &RunFiles, state: &State) -> Result<()> {
        if state.options.worktree || state.options.allow_dirty {
            return Ok(());
        }
        let left = Leftover::read(files)?;
        // By the index of the tree: what the user has committed or switched to is no dirt.
        let status = self.git.with_index_of_tree().status()?;
        let strange = left.strange(self.git.dir(), &status)?;
        if strange.is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::WorktreeDirty, "Worktree is dirty")
            .at(self.git.dir())
            .with("files", strange.into_iter().take(10).collect::<Vec<_>>())
            .hint("commit or stash the changes, then resume"))
    }
}

/// The harness died between the record and the switch to the run's branch.
fn put_on_branch(git: &Git, state: &State) -> Result<()> {
    let run_id = RunId::parse(&state.run_id)?;
    let wanted = worktree::branch_name(&run_id);
    let on = git.status()?.branch;
    if state.branch.as_deref() != Some(wanted.as_str()) || on == state.branch {
        return Ok(());
    }
    if worktree::has_branch(git, &wanted)? {
        git.run(&["switch", "--quiet", &wanted])?;
        return Ok(());
    }
    worktree::switch_to_branch(git, &wanted)
}

/// The worktree is the run's alone and no process of the run is left, so a lock of its index is a
/// dead git's. A worktree of another repository at the same path is somebody's.
fn remove_stale_index_lock(main: &Git, git: &Git) -> Result<()> {
    let answer = git.run(&[
        "rev-parse",
        "--path-format=absolute",
        "--show-toplevel",
        "--git-common-dir",
        "--git-path",
        "index.lock",
    ])?;
    let lines: Vec<&Utf8Path> = answer.lines().map(Utf8Path::new).collect();
    let [toplevel, common, lock] = lines.as_slice() else {
        return Err(Error::internal(format!("git rev-parse said `{answer}`")));
    };
    let of_main = main.run(&["rev-parse", "--path-format=absolute", "--git-common-dir"])?;
    let same = |one: &Utf8Path, other: &Utf8Path| {
        one.canonicalize_utf8()
            .is_ok_and(|one| other.canonicalize_utf8().is_ok_and(|other| one == other))
    };
    if !same(toplevel, git.dir()) || !same(common, Utf8Path::new(of_main.trim_end_matches('\n'))) {
        return Err(Error::new(
            Code::WorktreeMissing,
            format!(
                "Worktree is missing: {} is no worktree of this repository",
                git.dir()
            ),
        )
        .at(git.dir())
        .with("worktree_path", git.dir().as_str())
        .hint("move the directory away, then resume: it is made again at the last checkpoint"));
    }
    match std::fs::remove_file(lock) {
        Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", lock, problem))
        }
        _ => Ok(()),
    }
}
