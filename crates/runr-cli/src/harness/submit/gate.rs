//! What refuses a submission before anything is done.

use runr_core::mutant::without;
use runr_core::phase::ops::{RunFiles, TIMELINE};
use runr_core::phase::submit::squash_message;
use runr_core::{Code, Error, Result};

use super::branch::Branch;
use super::{Submission, SubmitRequest, remote};
use crate::harness::claim::{Claiming, Wanted};
use crate::harness::context::Layout;
use crate::harness::git::Git;
use crate::harness::snapshot::Snapshot;
use crate::harness::{owner, trust};
use crate::host::Host;
use crate::merge::{self, CommitId, Work};

impl<'a> Submission<'a> {
    /// Looks at the run and the branch; writes nothing and runs nothing of the repository.
    pub(super) fn admitted(request: &SubmitRequest, host: &'a Host) -> Result<Self> {
        let layout = Layout::find(&host.cwd.join(&request.root), host)?;
        let run_id = layout.run_argument(&request.run_id)?;
        let files = layout.files(&run_id);
        refuse_live(&files)?;
        let state = files.state()?;
        let sha = state.checkpoint_commit_sha.as_deref();
        let last = sha.ok_or_else(|| no_checkpoint(&files))?;
        let config = Snapshot::read(&files, state.snapshot_sha256.as_deref())?.config;
        let git = Git::new(&layout.repo_root);
        merge::require(&git)?;
        let work = Work {
            base: commit(&git, &files, "base_sha", &state.base_sha)?,
            last: commit(&git, &files, "checkpoint", last)?,
        };
        let branch = Branch::existing(&git, &request.to)?;
        let submission = Self {
            squash: request.squash.then(|| squash_message(&run_id, &state)),
            remote: if request.push {
                Some(remote::of(&git, &branch)?)
            } else {
                None
            },
            dry_run: request.dry_run,
            host,
            layout,
            git,
            files,
            state,
            config,
            work,
            branch,
        };
        submission.refuse_lost_claim()?;
        if !request.dry_run {
            submission.refuse_untrusted()?;
        }
        Ok(submission)
    }

    /// Refuses the work of a run whose target is another one's by now.
    ///
    /// # Errors
    /// `E_OWNERSHIP_LOST`; those of reading the record.
    pub(super) fn refuse_lost_claim(&self) -> Result<()> {
        let Some(target) = &self.state.options.own else {
            return Ok(());
        };
        let wanted = Wanted::from(target.clone());
        let (root, before) = (&self.layout.repo_root, self.state.claim.as_ref());
        Claiming::new(self.host, root, &self.config, wanted, before)?
            .expect_free(Some(self.run_id()))
    }

    /// Checks are run again, so they must be approved, and there must be some.
    fn refuse_untrusted(&self) -> Result<()> {
        let checks = &self.config.verification;
        if !checks.is_empty() {
            return trust::check(self.host, &self.layout.repo_root, &self.config, None);
        }
        if self.state.options.allow_unverified {
            return Ok(());
        }
        Err(
            Error::new(Code::Unverified, "No verification commands configured")
                .hint("runr resume --config <file with checks>"),
        )
    }
}

fn refuse_live(files: &RunFiles) -> Result<()> {
    if crate::liveness::is_live(files)? && !without("submit-live") {
        return Err(owner::active(files));
    }
    Ok(())
}

fn no_checkpoint(files: &RunFiles) -> Error {
    Error::new(Code::GuardViolation, "Guard failed: no_checkpoint")
        .with("run_id", files.run_id().as_str())
        .with("reasons", vec!["no_checkpoint"])
        .hint(format!("runr resume {}", files.run_id()))
}

/// A commit that the timeline names. Nothing else of it reaches git.
fn commit(git: &Git, files: &RunFiles, what: &str, sha: &str) -> Result<CommitId> {
    let corrupt = |problem: &str| {
        let path = files.dir().join(TIMELINE);
        let message = format!("Run state is corrupt: {path}: {what} {problem}");
        Error::new(Code::StoreCorrupt, message)
            .at(path)
            .with(what, sha)
    };
    let id = CommitId::parse(sha).ok_or_else(|| corrupt("is no commit id"))?;
    if id.exists(git)? {
        Ok(id)
    } else {
        Err(corrupt("is not in this repository")
            .hint("fetch or restore the branch of the run, then try again"))
    }
}
