//! What a worktree needs before checks can run in it: the same that the worktree of a run gets.

use std::collections::HashSet;
use std::time::Instant;

use camino::Utf8Path;
use runr_core::redact::Redactor;
use runr_core::{Error, Result};

use super::Submission;
use crate::harness::setup::copy::{self, Copied};
use crate::harness::setup::{self, Ended, Order};

/// Where and how long; the log is relative to the directory of the run.
pub(super) struct Preparation<'a> {
    pub(super) tree: &'a Utf8Path,
    pub(super) env: &'a [(String, String)],
    pub(super) log: &'a str,
    pub(super) deadline: Instant,
    pub(super) redactor: &'a Redactor,
}

impl Preparation<'_> {
    /// Copies what the configuration names and runs its set-up commands; `false` when interrupted.
    ///
    /// # Errors
    /// `E_INTERNAL` when a command fails or the time is over: nothing can be said of the result then.
    pub(super) fn run(&self, of: &Submission<'_>) -> Result<bool> {
        let main = &of.layout.repo_root;
        if !setup::is_wanted(&of.config, main)? {
            return Ok(true);
        }
        let cancel = &of.host.cancel;
        let rules = copy::rules(main, &of.config.worktree.copy)?;
        let wanted = copy::listed(&of.git.at(main), &rules)?;
        let nothing = HashSet::new();
        match copy::copy(main, self.tree, wanted, &nothing, self.deadline, cancel)? {
            Copied::All(_) => {}
            Copied::Cancelled => return Ok(false),
            Copied::OutOfTime => return Err(failed("copying files took too long".to_owned())),
        }
        let order = Order {
            commands: &of.config.worktree.setup,
            cwd: self.tree,
            run_dir: of.files.dir(),
            log: self.log,
            env: self.env,
            deadline: self.deadline,
            redactor: self.redactor,
        };
        match setup::run(&order, cancel, &mut |_| Ok(()))? {
            Ended::Done => Ok(true),
            Ended::Cancelled => Ok(false),
            Ended::Failed { command, exit_code } => {
                Err(failed(format!("`{command}` exited with {exit_code}")))
            }
            Ended::TimedOut { command } => Err(failed(format!("`{command}` did not end in time"))),
        }
        .map_err(|error| error.with("log", self.log))
    }
}

fn failed(why: String) -> Error {
    Error::internal(format!("worktree.setup: {why}"))
        .hint("nothing was moved; repair the command, then submit again")
}
