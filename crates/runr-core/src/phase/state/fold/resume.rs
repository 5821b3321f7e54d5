//! What changes when a stopped run goes on.

use crate::mutant::without;
use crate::phase::event::{Moved, RunResumed};
use crate::phase::model::Phase;
use crate::phase::state::{Session, State, Step};
use crate::time::Timestamp;

impl State {
    /// Nothing that was checked or reviewed of the present milestone counts any more.
    pub(super) fn redo_milestone(&mut self) {
        self.last_verification_evidence = None;
        if self.planned && !without("redo-milestone") {
            self.step = Step::Due(Phase::Implement);
        }
    }

    pub(super) fn resume(&mut self, resumed: &RunResumed, at: Timestamp) {
        if !resumed.automatic {
            self.begin_session(at);
        }
        if let Some(moved) = &resumed.moved {
            self.move_to(moved);
        }
        self.retry_due = None;
        self.stop_reason = None;
        self.stop_cause = None;
        self.retry_at = None;
        self.other_run = None;
        self.last_error = None;
        self.guard_violation_files.clear();
        self.in_flight = None;
        self.running_command = None;
        self.options = resumed.options.clone();
        if without("options-kept") {
            self.options.fast = false;
            self.owned_paths = Default::default();
        }
        self.claim.clone_from(&resumed.claim);
        if resumed.snapshot_sha256.is_some() {
            self.snapshot_sha256.clone_from(&resumed.snapshot_sha256);
        }
        self.limits = resumed.limits;
        let open = self.last_verify_failure.as_ref();
        self.last_failed_log = open.and_then(|failure| failure.log.clone());
        // Planned once more, because what is recorded is not one to begin with.
        self.planned &= resumed.resume_phase != Phase::Plan;
        self.phase = resumed.resume_phase;
        self.phase_attempt = 0;
        self.phase_started_at = Some(at);
        self.session.reopened = true;
        self.resumed_milestone = Some(self.milestone_index);
        self.step = Step::Due(resumed.resume_phase);
    }

    /// Full budgets and attempts, but the feedback that was open stays for the next prompt. A retry
    /// of the driver's own gets neither.
    fn begin_session(&mut self, at: Timestamp) {
        if !without("full-attempts") {
            self.set_retries(0);
        }
        self.review_rounds = 0;
        self.last_review_fingerprint = None;
        self.pending_review = None;
        self.stop_requested = None;
        self.retried_after = None;
        self.session = Session {
            started_at: Some(at),
            ticks: 0,
            reopened: true,
        };
    }

    fn move_to(&mut self, moved: &Moved) {
        self.branch = Some(moved.branch.clone());
        if self.milestone_checkpoints.is_empty() {
            self.base_sha.clone_from(&moved.head);
        }
        self.moved_head = Some(moved.head.clone());
        self.last_verification_evidence = None;
    }
}
