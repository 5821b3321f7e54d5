//! The fold itself: what each record changes, and nothing else does.

mod milestone;
mod resume;

use super::{Asking, InFlight, Session, State, Step, VerifyFailure};
use crate::phase::event::{
    CallFinished, Event, Preflight, ProcessIdentity, Record, RunStarted, Stop, VerifyFailedRetry,
    Worktree,
};
use crate::phase::fingerprint::review_fingerprint;
use crate::phase::model::{Phase, Stage, Verdict};
use crate::phase::transitions::enter_phase;
use crate::time::Timestamp;

/// The state after all `records`.
#[must_use]
pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> State {
    let mut state = State::default();
    for record in records {
        state.fold_in(record);
    }
    state
}

impl State {
    /// The state after one more record; `self` stays as it was.
    #[must_use]
    pub fn apply(&self, record: &Record) -> Self {
        let mut next = self.clone();
        next.fold_in(record);
        next
    }

    /// Folds one record into this state. Types it does not know change only `seq` and `updated_at`.
    pub fn fold_in(&mut self, record: &Record) {
        self.seq = record.seq;
        self.updated_at = Some(record.timestamp);
        if let Some(event) = record.event() {
            self.fold_event(&event, record.timestamp, &record.source);
        }
    }

    fn fold_event(&mut self, event: &Event, at: Timestamp, source: &str) {
        if !matches!(
            event,
            Event::Note { .. } | Event::StopRequested { .. } | Event::PlanApproved { .. }
        ) {
            self.last_progress_at = Some(at);
        }
        match event {
            Event::RunStarted(started) => self.start(started, at),
            Event::Preflight(preflight) => self.preflight(preflight),
            Event::WorktreeCreated(tree) => self.found_tree(tree),
            Event::WorktreeRecreated(tree) => {
                self.found_tree(tree);
                // What was not committed went with the old one.
                self.redo_milestone();
            }
            Event::PhaseStart { phase } => self.enter(*phase, at),
            Event::WorkerCallStarted(call) => {
                self.calls_started += 1;
                self.in_flight = Some(InFlight {
                    worker: call.worker.clone(),
                    stage: call.stage,
                    since: at,
                    process: identity(call.pid, call.start, call.boot_id.as_deref()),
                });
            }
            Event::WorkerCallFinished(call) => self.call_finished(call),
            Event::CommandStarted(command) => {
                self.running_command = identity(
                    Some(command.pid),
                    Some(command.start),
                    Some(&command.boot_id),
                );
            }
            Event::PlanGenerated(plan) => {
                self.worker_stats.count(Stage::Plan, source);
                self.milestones.clone_from(&plan.milestones);
                self.planned = true;
                self.plan_approved = false;
                for pattern in plan.do_not_touch.iter().flatten() {
                    if !self.scope_lock.denylist.contains(pattern) {
                        self.scope_lock.denylist.push(pattern.clone());
                    }
                }
                self.step = Step::Due(Phase::Implement);
            }
            Event::ImplementComplete(done) => {
                self.worker_stats.count(Stage::Implement, source);
                self.changed_files.clone_from(&done.changed_files);
                let next = if done.no_changes_needed {
                    Phase::Checkpoint
                } else {
                    Phase::Verify
                };
                self.step = Step::Due(next);
            }
            Event::GuardViolation(violation) => {
                self.fault_found();
                self.guard_violation_files = violation.files();
            }
            Event::PlanScopeViolation {
                violations: files, ..
            }
            | Event::OwnershipViolation {
                violating_files: files,
                ..
            } => {
                self.fault_found();
                self.guard_violation_files.clone_from(files);
            }
            Event::WorktreeBranchMismatch { .. } => self.fault_found(),
            Event::Verification(ran) => {
                self.running_command = None;
                if !ran.ok {
                    self.last_failed_log =
                        ran.command_results.last().map(|result| result.log.clone());
                }
            }
            Event::VerifyFailedRetry(failed) => self.verify_failed(failed),
            Event::VerifyComplete {
                tier_reasons,
                verification_evidence,
                ..
            } => {
                self.tier_reasons.clone_from(tier_reasons);
                self.last_verification_evidence = Some(verification_evidence.clone());
                self.last_verify_failure = None;
                self.step = Step::Due(if self.options.fast {
                    Phase::Checkpoint
                } else {
                    Phase::Review
                });
            }
            Event::ReviewComplete { verdict, changes } => {
                self.worker_stats.count(Stage::Review, source);
                self.reviewed(*verdict, changes);
            }
            Event::CheckpointComplete {
                commit,
                milestone_index,
                ..
            } => self.checkpoint(commit, *milestone_index),
            Event::ParseFailed(failed) => {
                self.asking.problem = Some(failed.error.clone());
                self.step = Step::Entered;
            }
            Event::WorkerFallback { to, .. } => {
                self.asking = Asking {
                    worker: Some(to.clone()),
                    tries: 0,
                    problem: self.asking.problem.take(),
                };
                self.step = Step::Entered;
            }
            Event::RunResumed(resumed) => self.resume(resumed, at),
            Event::ScopeChanged { to, .. } => self.scope_lock = to.clone(),
            Event::MilestoneIndexCorrected { corrected_to, .. } => {
                self.milestone_index = *corrected_to;
                self.milestone_checkpoints.truncate(*corrected_to);
                self.checkpoint_commit_sha = self.milestone_checkpoints.last().cloned();
                // Checks and reviews were those of another milestone.
                self.forget_milestone();
                self.verify_passes = self.passes_before();
                self.committing = false;
                self.redo_milestone();
            }
            Event::StopRequested { by, reason } => {
                self.stop_requested = Some(
                    reason
                        .clone()
                        .unwrap_or_else(|| format!("requested by {by}")),
                );
            }
            Event::PlanApproved { .. } => self.plan_approved = self.planned,
            Event::AutoResumeScheduled(step) => self.retry_due = Some(step.clone()),
            Event::AutoResumeStarted(step) => {
                self.auto_resume_count += 1;
                self.retry_due = None;
                self.retried_after.clone_from(&step.previous_stop_reason);
            }
            Event::AutoResumeSkipped(_)
            | Event::AutoResumeExhausted(_)
            | Event::AutoResumeLoopDetected(_) => self.retry_due = None,
            Event::Stop(stop) => self.stop(stop, at),
            Event::FastPathSkip { .. }
            | Event::ParallelFileCollision { .. }
            | Event::NoChangesEvidenceOk { .. }
            | Event::NoChangesEvidenceFailed { .. }
            | Event::IgnoredChanges { .. }
            | Event::VerifyFailedMaxRetries { .. }
            | Event::ReviewLoopDetected(_)
            | Event::CheckpointSidecarWriteFailed { .. }
            | Event::WorkerStats { .. }
            | Event::LateWorkerResultIgnored { .. }
            | Event::ResumeCheckpointSelected { .. }
            | Event::AutoStashCreated { .. }
            | Event::AutoResumeResult(_)
            | Event::Note { .. } => {}
        }
    }

    fn start(&mut self, started: &RunStarted, at: Timestamp) {
        self.run_id.clone_from(&started.run_id);
        self.task.clone_from(&started.task);
        self.task_path.clone_from(&started.task_path);
        self.work_item.clone_from(&started.work_item);
        self.snapshot_sha256.clone_from(&started.snapshot_sha256);
        self.repo_root.clone_from(&started.repo_root);
        self.repo_path.clone_from(&started.repo_path);
        self.scope_lock = started.scope_lock.clone();
        self.owned_paths = started.owned_paths.clone();
        self.options = started.options.clone();
        self.claim.clone_from(&started.claim);
        self.limits = started.limits;
        self.base_sha.clone_from(&started.base_sha);
        self.branch.clone_from(&started.branch);
        self.current_branch.clone_from(&started.current_branch);
        self.milestones.clone_from(&started.milestones);
        self.planned = self.options.fast;
        self.started_at = Some(at);
        self.session = Session {
            started_at: Some(at),
            ticks: 0,
            reopened: false,
        };
        self.step = Step::Due(if self.options.fast {
            Phase::Implement
        } else {
            Phase::Plan
        });
    }

    fn preflight(&mut self, preflight: &Preflight) {
        self.tier_reasons.clone_from(&preflight.tier_reasons);
        let guard = &preflight.guard;
        if guard.ok {
            return;
        }
        let dirty = guard
            .reasons
            .iter()
            .any(|reason| reason == "dirty_worktree");
        let listed = guard
            .scope_violations
            .iter()
            .chain(&guard.lockfile_violations);
        for file in listed.chain(guard.dirty_files.iter().filter(|_| dirty)) {
            if !self.guard_violation_files.contains(file) {
                self.guard_violation_files.push(file.clone());
            }
        }
    }

    fn enter(&mut self, phase: Phase, at: Timestamp) {
        // Leaving STOPPED is not a success of the phase that is opened again.
        if self.session.reopened {
            self.phase_attempt = 1;
        } else {
            let entered = enter_phase(self.phase, self.phase_attempt, phase);
            self.phase_attempt = entered.phase_attempt;
            self.last_successful_phase = entered.last_successful_phase;
        }
        if phase == Phase::Implement
            && let Some(fingerprint) = self.pending_review.take()
        {
            self.review_rounds += 1;
            self.last_review_fingerprint = Some(fingerprint);
        }
        if phase == Phase::Verify {
            self.verify_passes += 1;
            let (milestone, passes) = (self.milestone_index, self.verify_passes);
            self.passes_of_milestones.insert(milestone, passes);
        }
        self.phase = phase;
        self.open_phase = Some(phase);
        self.step = Step::Entered;
        self.committing = phase == Phase::Checkpoint;
        self.phase_started_at = Some(at);
        self.asking = Asking::default();
        self.in_flight = None;
        self.running_command = None;
        self.session.reopened = false;
        self.session.ticks += 1;
        self.ticks_used += 1;
    }

    fn call_finished(&mut self, call: &CallFinished) {
        self.in_flight = None;
        *self.calls_finished.entry(call.stage).or_default() += 1;
        self.asking.tries += 1;
        let usage = call.usage.as_ref();
        if let Some(usage) = usage {
            self.usage.add(usage);
        }
        if usage.is_none_or(|usage| usage.cost_usd.is_none()) {
            self.unknown_cost_calls += 1;
        }
    }

    fn verify_failed(&mut self, failed: &VerifyFailedRetry) {
        self.set_retries(failed.retry_count);
        self.last_verify_failure = Some(VerifyFailure {
            failed_command: failed.failed_command.clone(),
            log: failed.log.clone(),
            changed_files: self.changed_files.clone(),
            tier: failed.tier,
            fingerprint: failed.fingerprint.clone(),
        });
        self.step = Step::Due(Phase::Implement);
    }

    fn reviewed(&mut self, verdict: Verdict, changes: &[String]) {
        if verdict == Verdict::Approve {
            self.review_changes.clear();
            self.step = Step::Due(Phase::Checkpoint);
        } else {
            self.review_changes = changes.to_vec();
            self.pending_review = Some(review_fingerprint(changes));
            self.step = Step::Due(Phase::Implement);
        }
    }

    fn found_tree(&mut self, tree: &Worktree) {
        self.worktree_path = Some(tree.worktree_path.clone());
        self.repo_path.clone_from(&tree.worktree_path);
    }

    fn stop(&mut self, stop: &Stop, at: Timestamp) {
        self.phase = Phase::Stopped;
        self.retry_due = None;
        self.stop_reason = Some(stop.reason.clone());
        self.stop_cause = stop.cause;
        self.retry_at.clone_from(&stop.retry_at);
        self.other_run.clone_from(&stop.other_run);
        if stop.error.is_some() {
            self.last_error.clone_from(&stop.error);
        }
        if stop.log.is_some() {
            self.last_failed_log.clone_from(&stop.log);
        }
        self.phase_started_at = Some(at);
        self.in_flight = None;
        self.running_command = None;
    }

    fn set_retries(&mut self, retries: u32) {
        self.milestone_retries = retries;
        self.verification_failures = retries;
    }
}

fn identity(
    pid: Option<u32>,
    start: Option<u64>,
    boot_id: Option<&str>,
) -> Option<ProcessIdentity> {
    Some(ProcessIdentity {
        pid: pid?,
        start: start?,
        boot_id: boot_id?.to_owned(),
    })
}
