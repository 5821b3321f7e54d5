//! The tree of a run that is opened again: found, or made again, and known to be the run's.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::LockGuard;
use runr_core::mutant::without;
use runr_core::phase::event::{Event, Moved};
use runr_core::phase::ops::RunFiles;
use runr_core::phase::state::State;
use runr_core::phase::stop::StopCause;
use runr_core::{Code, Error, Result, RunId};

use super::choice::Chosen;
use super::stash;
use crate::harness::baseline::{Baseline, Leftover};
use crate::harness::context::Layout;
use crate::harness::git::{Git, TreeStatus};
use crate::harness::gitdir::GitDir;
use crate::harness::index::{self, Flags, OwnIndex};
use crate::harness::inspect::Guard;
use crate::harness::recorder::{RESUME, Recorder};
use crate::harness::{owner, setup, worktree};
use crate::host::Host;
use crate::presence;

/// The tree of a run that is opened again.
pub(super) struct Reopened {
    pub(super) git: Git,
    pub(super) tree_lock: LockGuard,
    pub(super) status: TreeStatus,
    pub(super) index: OwnIndex,
    /// The record of a tree that was made again.
    pub(super) made: Option<Event>,
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
        let mut event = None;
        // Until a worker was asked, and in a fresh tree, nobody has written the index.
        let mut is_fresh = state.calls_started == 0;
        if state.options.worktree {
            let half_made = state.worktree_path.is_none() && presence::exists(&tree)?;
            if half_made {
                worktree::remove_half_made(git, files, &tree, state.expected_head())?;
            }
            if !presence::exists(&tree)? {
                setup::note_unready(files)?;
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
                is_fresh = true;
                event = Some(if state.worktree_path.is_none() {
                    Event::WorktreeCreated(made)
                } else {
                    Event::WorktreeRecreated(made)
                });
            }
        } else if !presence::is_dir(&tree)? {
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
        }
        let (git, git_dir) = (git.pinned(), GitDir::of(&tree)?);
        let index = if is_fresh {
            OwnIndex::take(git_dir, files.dir())?
        } else {
            let flags = Baseline::read(files)?.unwrap_or_default().flags;
            OwnIndex::reopen(&git, git_dir, files.dir(), &flags)?
        };
        let git = git.judging_by(index.path());
        let status = git.status()?;
        Ok(Self {
            git,
            tree_lock,
            status,
            index,
            made: event,
        })
    }

    /// Whether the checkout is still to be put on the branch of a run that never began.
    pub(super) fn is_unplaced(&self, state: &State) -> bool {
        let wanted = RunId::parse(&state.run_id).map(|id| worktree::branch_name(&id));
        let began = state.options.worktree || state.open_phase.is_some();
        !began && state.branch == wanted.ok() && self.status.branch != state.branch
    }

    /// Puts the user's checkout on the branch of a run that never began, if that is due: the run was
    /// refused, or the harness died before. When nothing else refuses the resume.
    pub(super) fn put_on_branch(&mut self, state: &State) -> Result<()> {
        let (Some(wanted), true) = (&state.branch, self.is_unplaced(state)) else {
            return Ok(());
        };
        let (base, head) = (state.expected_head(), &self.status.head);
        if head != base && !without("first-head") {
            return Err(began_elsewhere(base, head).at(self.git.dir()));
        }
        let git = self.git.with_index_of_tree();
        if worktree::has_branch(&git, wanted)? {
            git.run(&["switch", "--quiet", wanted])?;
        } else {
            worktree::switch_to_branch(&git, wanted)?;
        }
        self.status = self.git.status()?;
        Ok(())
    }

    /// The branch that the tree is on instead of the run's, if the run is to go on there.
    pub(super) fn moved(&self, state: &State, force: bool) -> Option<Moved> {
        let goes = force && self.status.branch != state.branch && !self.is_unplaced(state);
        let branch = self.status.branch.clone().filter(|_| goes)?;
        Some(Moved {
            branch,
            head: self.status.head.clone(),
        })
    }

    /// The last checkpoint that is part of the branch. On a wrong branch nothing is corrected: the
    /// guard stops the run and says so.
    pub(super) fn pick_checkpoint(
        &self,
        layout: &Layout,
        state: &State,
        moved: bool,
    ) -> Result<Chosen> {
        if self.status.branch != state.branch && !moved {
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
            if self.made.is_some() {
                // The tree was made again, and with it what belongs to it alone.
                kept.rules.append(&mut git_dir.own_rules()?);
                kept.dirty.clear();
            }
            // Who died at work may have left anything.
            if !state.options.worktree && state.stop_cause != Some(StopCause::OwnerLost) {
                let left = Leftover::read(files)?;
                let moved = self.status.head != state.expected_head();
                kept.take_over(&left, self.git.dir(), &self.status, moved)?;
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
            baseline.flags = Flags::of(&self.git)?;
        }
        Ok(baseline)
    }

    /// Uncommitted changes are the run's own in its worktree; in the user's checkout only as long as
    /// they are what the run left there. Anything else is not to be mixed with the run's work: it is
    /// refused, or put on the stash if the caller wants that.
    pub(super) fn clear_strangers_work(
        &mut self,
        recorder: &mut Recorder,
        stash: bool,
    ) -> Result<()> {
        if recorder.state.options.worktree || recorder.state.options.allow_dirty {
            return Ok(());
        }
        let left = Leftover::read(&recorder.files)?;
        let strange = self.strangers_work(&left)?;
        if strange.is_empty() {
            return Ok(());
        }
        let mixed: Vec<String> = strange
            .iter()
            .filter(|it| left.knows(it))
            .cloned()
            .collect();
        if !stash {
            let hint = "commit or stash the changes, or pass --auto-stash";
            return Err(self.dirty(strange, hint));
        }
        if !mixed.is_empty() && !without("stash-own") {
            let hint = "the run has changed these files, too: commit or undo your changes";
            return Err(self.dirty(mixed, hint));
        }
        let made = stash::push(&self.git, &recorder.files, &strange)?;
        recorder.record_all(RESUME, made.as_slice())?;
        self.status = self.git.status()?;
        let strange = self.strangers_work(&left)?;
        if strange.is_empty() {
            return Ok(());
        }
        Err(self.dirty(strange, "git cannot stash these: commit or move them"))
    }

    fn strangers_work(&self, left: &Leftover) -> Result<Vec<String>> {
        // By the index of the tree: what the user has committed or switched to is no dirt.
        let status = self.git.with_index_of_tree().status()?;
        left.strange(self.git.dir(), &status)
    }

    fn dirty(&self, files: Vec<String>, hint: &str) -> Error {
        Error::new(Code::WorktreeDirty, "Worktree is dirty")
            .at(self.git.dir())
            .with("files", files.into_iter().take(10).collect::<Vec<_>>())
            .hint(hint)
    }
}

/// What is checked out has commits that are not the run's, or lacks some that it counts on.
fn began_elsewhere(base: &str, head: &str) -> Error {
    let short = |sha: &str| sha.get(..7).unwrap_or(sha).to_owned();
    let (base, head) = (short(base), short(head));
    let message = format!("Guard failed: the run was to begin at {base}, not at {head}");
    Error::new(Code::GuardViolation, message).hint(format!(
        "check {base} out and resume, or start the task again with `runr run`"
    ))
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
    let real = |path: &Utf8Path| {
        let resolved = presence::if_there(path.canonicalize_utf8());
        resolved.map_err(|source| Error::io("resolve", path, source))
    };
    let of_main = Utf8Path::new(of_main.trim_end_matches('\n'));
    if real(toplevel)? != real(git.dir())? || real(common)? != real(of_main)? {
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
    index::remove(lock)
}
