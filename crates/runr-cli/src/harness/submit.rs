//! Moves the work of a run to a branch, without touching a checkout on the way.
//!
//! The commits are made again on the tip of the branch ([`crate::merge`]), all checks are run on the
//! result in a worktree of its own, and only then the branch moves, by compare-and-swap. A branch
//! that moved meanwhile is begun with anew. The lock of the repository is held for the moments in
//! which the branch is read and moved, not while checks run; that two submissions of one run do not
//! meet, the lock of the run's submission sees to.

mod branch;
mod checks;
mod gate;
mod land;
mod leftovers;
mod prepare;
mod remote;
mod scratch;
mod underway;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::{Lock, LockGuard, Wait};
use runr_core::mutant::without;
use runr_core::phase::config::Config;
use runr_core::phase::ops::RunFiles;
use runr_core::phase::state::State;
use runr_core::phase::submit::{
    self, ByHand, Ending, Moved, Obstacle, Picking, Push, RESTARTS, Submitted, Taking,
    squash_subject,
};
use runr_core::{Code, Error, Result, RunId};

use self::branch::Branch;
use self::checks::Checked;
use self::land::Landed;
use self::scratch::Scratch;
use super::context::{Layout, redactor};
use super::git::Git;
use super::worktree;
use crate::host::Host;
use crate::merge::{CommitId, Form, Replay, Stopped, Work, replay};

pub(crate) use leftovers::{end_killed_submissions, killed_submissions};

/// Held in the directory of a run while its work is moved.
pub(super) const LOCK: &str = "submit.lock";

/// Which work goes where.
#[derive(Debug, Clone)]
pub struct SubmitRequest {
    /// The run: id, unique prefix, `latest`, or a work item.
    pub run_id: String,
    /// The local branch, without `refs/heads/`.
    pub to: String,
    /// A directory of the repository.
    pub root: Utf8PathBuf,
    /// Only tell what would come of it.
    pub dry_run: bool,
    /// Make one commit of all.
    pub squash: bool,
    /// Push the branch afterwards, never by force.
    pub push: bool,
}

impl SubmitRequest {
    /// All commits of a run to a branch of the repository around the present directory.
    #[must_use]
    pub fn new(run_id: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            run_id: run_id.into(),
            to: to.into(),
            root: ".".into(),
            dry_run: false,
            squash: false,
            push: false,
        }
    }
}

/// Moves all milestone commits of a run to a local branch.
///
/// A conflict, a failing check, a branch that cannot take the result and a failed push are endings,
/// not errors.
///
/// # Errors
/// `E_RUN_ACTIVE`, `E_GUARD_VIOLATION` without a checkpoint, `E_OWNERSHIP_LOST`, `E_UNTRUSTED`,
/// `E_GIT_TOO_OLD`, `E_USAGE` for a branch that cannot be moved, `E_LOCK_TIMEOUT` if it moves faster
/// than it can be checked or the run is being submitted, and those of reading a run.
pub fn submit(request: &SubmitRequest, host: &Host) -> Result<Submitted> {
    let mut submission = Submission::admitted(request, host)?;
    if !request.dry_run {
        end_killed_submissions(host, &submission.layout);
    }
    let lock = submission.lock_unless_dry()?;
    if let Some(lock) = &lock {
        // A git that outlives this process keeps the lock until it ends.
        submission.git = submission.git.holding(lock.inheritable()?);
    }
    for _ in 0..=RESTARTS {
        if let Some(submitted) = submission.attempt()? {
            return Ok(submitted);
        }
    }
    Err(submission.restless())
}

/// A request that nothing speaks against, with everything it needs.
struct Submission<'a> {
    host: &'a Host,
    layout: Layout,
    /// In the main checkout.
    git: Git,
    files: RunFiles,
    state: State,
    config: Config,
    work: Work,
    branch: Branch,
    dry_run: bool,
    /// The message of the one commit, if it is to be one.
    squash: Option<String>,
    /// Where the branch is pushed to.
    remote: Option<String>,
}

impl Submission<'_> {
    fn run_id(&self) -> &RunId {
        self.files.run_id()
    }

    fn lock_unless_dry(&self) -> Result<Option<LockGuard>> {
        if self.dry_run {
            return Ok(None);
        }
        Lock::acquire(&self.host.storage, self.files.dir(), LOCK, Wait::USUAL).map(Some)
    }

    /// One round; nothing if the branch moved meanwhile.
    fn attempt(&self) -> Result<Option<Submitted>> {
        let old = self.tip()?;
        let told = |moved, ending| Ok(Some(self.told(&old, moved, ending)));
        let form = self.squash.as_deref().map_or(Form::Each, Form::Squash);
        let (new, moved) = match replay(&self.git, &self.work, &old, form)? {
            Replay::Stopped(stopped) => return told(Vec::new(), self.conflict(stopped)?),
            Replay::Done { tip, .. } if tip == old => {
                return told(Vec::new(), Ending::NothingToMove { push: self.push() });
            }
            Replay::Done { tip, moved } => (tip, moved),
        };
        let new_sha = new.to_string();
        if self.dry_run {
            return told(moved, Ending::Planned { new_sha });
        }
        let verified = match self.check(&new)? {
            Checked::Passed => true,
            Checked::Unverified => false,
            Checked::Failed(check) if !without("submit-checks") => {
                return told(moved, Ending::ChecksFailed(check));
            }
            Checked::Failed(_) => true,
            Checked::Interrupted => return told(moved, Ending::Interrupted),
        };
        if self.host.cancel.is_cancelled() && !without("submit-cancel") {
            // It came when no check was at work that it could have ended.
            return told(moved, Ending::Interrupted);
        }
        let ending = match land::land(self, &old, &new)? {
            Landed::TipMoved => return Ok(None),
            Landed::Moved => Ending::Moved {
                new_sha,
                verified,
                push: self.push(),
            },
            Landed::Kept {
                reference,
                tree,
                why,
            } => Ending::Kept {
                recipe: self.taking(&tree, &reference, &why),
                new_sha,
                reference,
                why,
                verified,
            },
        };
        told(moved, ending)
    }

    fn tip(&self) -> Result<CommitId> {
        let _alone = worktree::alone(self.host, &self.layout)?;
        self.branch.tip(&self.git)
    }

    fn conflict(&self, stopped: Stopped) -> Result<Ending> {
        let subject = squash_subject(self.run_id());
        let picking = match &self.squash {
            Some(_) => Picking::Squash {
                last: self.work.last.as_str(),
                subject: &subject,
            },
            None => Picking::Each {
                commits: &stopped.commits,
                with_merges: stopped.with_merges,
            },
        };
        let checkouts = self.branch.checkouts(&self.git)?;
        let by_hand = ByHand {
            run_id: self.run_id(),
            target: self.branch.name(),
            tree: &self
                .layout
                .worktrees
                .join(format!("{}-by-hand", self.run_id())),
            checkout: checkouts.first().map(AsRef::as_ref),
            picking,
        };
        Ok(Ending::Conflict {
            recipe: by_hand.commands(),
            files: stopped.conflict.files,
            messages: stopped.conflict.messages,
        })
    }

    fn taking(&self, tree: &Utf8Path, reference: &str, why: &Obstacle) -> Vec<String> {
        let taking = Taking {
            run_id: self.run_id(),
            target: self.branch.name(),
            squash: self.squash.is_some(),
            tree,
            reference,
            why,
        };
        taking.commands()
    }

    /// Runs all checks on a result, in a worktree of its own.
    fn check(&self, new: &CommitId) -> Result<Checked> {
        if self.config.verification.is_empty() {
            return Ok(Checked::Unverified);
        }
        let scratch = Scratch::make(self, new)?;
        checks::run(self, scratch.dir())
    }

    fn push(&self) -> Push {
        let remote = match &self.remote {
            Some(remote) if !self.dry_run => remote,
            _ => return Push::NotAsked,
        };
        match remote::push(self.host, &self.git, remote, &self.branch) {
            Ok(()) => Push::Done(remote.clone()),
            Err(error) => Push::Failed {
                // What the other side says is anybody's.
                words: redactor(&self.config, self.host).text(&error.to_string()),
                recipe: vec![submit::push(remote, self.branch.name())],
            },
        }
    }

    fn told(&self, old: &CommitId, commits: Vec<Moved>, ending: Ending) -> Submitted {
        Submitted {
            run_id: self.run_id().clone(),
            target: self.branch.name().to_owned(),
            old_sha: old.to_string(),
            commits,
            dry_run: self.dry_run,
            ending,
        }
    }

    fn restless(&self) -> Error {
        let (branch, rounds) = (self.branch.name(), RESTARTS + 1);
        let message = format!("{branch} moved {rounds} times while the result was being checked");
        Error::new(Code::LockTimeout, message)
            .with("run_id", self.run_id().as_str())
            .with("target", branch)
            .hint("try again when nobody else moves it")
            .retryable(true)
    }
}
