//! Coming into a fresh worktree: it is prepared before anybody is asked to work in it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use runr_core::Result;
use runr_core::mutant::without;
use runr_core::phase::event::Event;
use runr_core::phase::owned::is_own_output;
use runr_core::phase::rules;

use super::Driver;
use crate::harness::account::Account;
use crate::harness::baseline::prints;
use crate::harness::context::Context;
use crate::harness::git::TreeStatus;
use crate::harness::recorder::SUPERVISOR;
use crate::harness::setup::copy::{self, Copied};
use crate::harness::setup::{self, Ended, Order};

impl Driver {
    /// Makes the preparation of the tree the first step.
    pub(crate) fn prepare_first(&mut self) {
        self.is_arriving = true;
    }

    /// Prepares the tree and judges it.
    pub(super) fn arrive(&mut self) -> Result<()> {
        match self.prepare() {
            Ok(true) => {
                self.is_arriving = false;
                self.take_up()
            }
            // Stopped, or cancelled: then the loop stops the run.
            Ok(false) => Ok(()),
            Err(error) => self.end_after(&error),
        }
    }

    /// Copies what the tree needs, runs the commands, and takes what is there then for granted;
    /// `false` when that came to no good end.
    fn prepare(&mut self) -> Result<bool> {
        self.context.may_act()?;
        let deadline = Instant::now() + self.setup_budget();
        let main = self.context.layout.repo_root.clone();
        let rules = copy::rules(&main, &self.context.config.worktree.copy)?;
        let wanted = copy::listed(&self.context.git.at(&main), &rules)?;
        let mut status = self.status_of_all()?;
        let head = status.head.clone();
        // An earlier preparation may have been killed in the middle.
        let mut dirt = self.dirt(&status)?;
        dirt.retain(|path| !wanted.contains(path));
        if self.stopped_by_dirt("git", &dirt)? {
            return Ok(false);
        }
        if !self.copy(wanted, &status, deadline)? {
            return Ok(false);
        }
        if !self.run_setup(deadline)? {
            return Ok(false);
        }
        status = self.status_of_all()?;
        let mut dirt = self.dirt(&status)?;
        if status.head != head {
            dirt.extend(self.context.git.touched_between(&head, &status.head)?.paths);
        }
        if !without("setup-clean") && self.stopped_by_dirt("worktree.setup", &dirt)? {
            return Ok(false);
        }
        let guard = self.context.guard(&self.recorder.state)?;
        let tree = self.context.git.dir();
        self.baseline.guarded = guard.guarded_prints(tree, &status)?;
        self.baseline.rules = self.index.git_dir().rules()?;
        let Context { host, git, .. } = &self.context;
        self.baseline.account = Account::observe(host, git)?;
        self.baseline.save(&self.recorder.files)?;
        self.index.staged_judged()?;
        setup::note_ready(&self.recorder.files)?;
        Ok(true)
    }

    /// As long as one pass of the checks may take, and no longer than the run.
    fn setup_budget(&self) -> Duration {
        let verification = &self.context.config.verification;
        let seconds = verification.max_verify_time_per_milestone;
        Duration::from_secs(seconds).min(self.time_left())
    }

    /// What differs in the tree, and in the index that set-up commands see.
    fn status_of_all(&self) -> Result<TreeStatus> {
        let git = &self.context.git;
        let mut status = git.status()?;
        if self.index.may_hold_more()? {
            status.absorb(git.with_index_of_tree().status()?);
        }
        Ok(status)
    }

    /// What is neither committed nor noise, nor was copied and is as it was then.
    fn dirt(&self, status: &TreeStatus) -> Result<Vec<String>> {
        let guard = self.context.guard(&self.recorder.state)?;
        let changed = status.changed.iter().filter(|path| !is_own_output(path));
        let changed: Vec<String> = changed.cloned().collect();
        let mut dirt = guard.scope.check(&changed).semantic_changed;
        let now = prints(self.context.git.dir(), &dirt)?;
        dirt.retain(|path| match self.baseline.dirty.get(path) {
            Some(known) => now.get(path) != Some(known),
            None => true,
        });
        Ok(dirt)
    }

    fn stopped_by_dirt(&mut self, what: &str, dirt: &[String]) -> Result<bool> {
        let events = rules::dirty_after(&self.recorder.state, what, dirt);
        self.recorder.record_all(SUPERVISOR, &events)?;
        Ok(!events.is_empty())
    }

    /// Copies, and notes what git does not ignore in the worktree: like the user's own changes it is
    /// never committed.
    fn copy(&mut self, wanted: Vec<String>, status: &TreeStatus, end: Instant) -> Result<bool> {
        if wanted.is_empty() {
            return Ok(true);
        }
        let replaceable: HashSet<&String> =
            status.untracked.iter().chain(&status.ignored).collect();
        let tree = self.context.git.dir().to_owned();
        let main = self.context.layout.repo_root.clone();
        let cancel = &self.halt;
        match copy::copy(&main, &tree, wanted, &replaceable, end, cancel)? {
            Copied::Cancelled => Ok(false),
            Copied::OutOfTime => {
                self.setup_failed("copying into the worktree took too long".to_owned())?;
                Ok(false)
            }
            Copied::All(copied) => {
                let after = self.context.git.status()?;
                self.baseline.copied = copied.into_iter().collect();
                let copied = &self.baseline.copied;
                let shown = after.untracked.iter().filter(|path| copied.contains(*path));
                self.baseline.dirty = prints(&tree, shown)?;
                Ok(true)
            }
        }
    }

    fn run_setup(&mut self, deadline: Instant) -> Result<bool> {
        let commands = self.context.config.worktree.setup.clone();
        let run_dir = self.context.run_dir();
        let order = Order {
            commands: &commands,
            cwd: self.context.git.dir(),
            run_dir: &run_dir,
            log: setup::LOG,
            env: &self.context.env,
            deadline,
            redactor: &self.context.redactor,
        };
        let cancel = self.halt.clone();
        let recorder = &mut self.recorder;
        let ended = setup::run(&order, &cancel, &mut |started| {
            recorder.record(SUPERVISOR, &Event::CommandStarted(started))
        })?;
        let words = match ended {
            Ended::Done => return Ok(true),
            Ended::Cancelled => return Ok(false),
            Ended::Failed { command, exit_code } => format!("`{command}` exited with {exit_code}"),
            Ended::TimedOut { command } => format!("`{command}` did not end in time"),
        };
        self.setup_failed(format!("worktree.setup: {words}, see {}", setup::LOG))?;
        Ok(false)
    }

    fn setup_failed(&mut self, words: String) -> Result<()> {
        let out_of_time = self.time_left().is_zero();
        let state = &self.recorder.state;
        self.stop(rules::after_setup(state, words, setup::LOG, out_of_time))
    }
}
