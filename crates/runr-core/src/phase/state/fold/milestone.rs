//! What changes when a milestone ends, or is taken back.

use crate::mutant::without;
use crate::phase::model::Phase;
use crate::phase::state::{State, Step};

impl State {
    pub(super) fn checkpoint(&mut self, commit: &str, milestone_index: usize) {
        self.milestone_index = milestone_index + 1;
        self.milestone_checkpoints.truncate(milestone_index);
        self.milestone_checkpoints.push(commit.to_owned());
        self.checkpoint_commit_sha = Some(commit.to_owned());
        self.committing = false;
        self.moved_head = None;
        self.last_verification_evidence = None;
        self.verify_passes = self.passes_before();
        self.forget_milestone();
        let more = self.milestone_index < self.milestones.len();
        self.step = Step::Due(if more {
            Phase::Implement
        } else {
            Phase::Finalize
        });
    }

    /// CHECKPOINT judges the tree before it commits: what looks like a commit of the run by then is
    /// none. A resume judges the tree before it looks for a commit, which proves nothing.
    pub(super) fn fault_found(&mut self) {
        let before_commit = self.phase == Phase::Checkpoint && !self.session.reopened;
        if before_commit && !without("earlier-commit") {
            self.committing = false;
        }
    }

    /// Passes of the milestone that is begun: not zero if it was taken back, for its logs are kept.
    pub(super) fn passes_before(&self) -> u32 {
        let passes = self.passes_of_milestones.get(&self.milestone_index);
        passes.copied().unwrap_or(0)
    }

    pub(super) fn forget_milestone(&mut self) {
        self.set_retries(0);
        self.review_rounds = 0;
        self.last_review_fingerprint = None;
        self.pending_review = None;
        self.last_verify_failure = None;
        self.last_failed_log = None;
        self.changed_files.clear();
        self.review_changes.clear();
    }
}
