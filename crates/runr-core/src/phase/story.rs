//! A run as a story: its timeline sorted by milestone, for those who come later.
//!
//! The state knows what the next decision needs; this knows what happened.

use super::event::{
    CallFinished, CallStarted, CommandResult, Event, GuardViolation, ImplementComplete, Record,
    Stop, Verification,
};
use super::model::{Phase, Plan, Tier, Verdict};
use super::preset;
use crate::time::Timestamp;

/// What happened in a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Story {
    /// Its last end, even if it was resumed since.
    pub end: Option<End>,
    /// Whether it went on after that end.
    pub resumed: bool,
    /// The present plan.
    pub plan: Option<Plan>,
    /// What was done for each milestone.
    pub chapters: Vec<Chapter>,
    /// Every worker call.
    pub calls: Vec<Call>,
    /// The rule about files that was broken in the last session.
    pub violation: Option<GuardViolation>,
    /// What would permit some of its files, in words.
    pub suggestion: Option<String>,
    /// The check that failed last and has not passed since.
    pub failure: Option<FailedCheck>,
    /// What the reviewer asked for last and has not approved since.
    pub requests: Vec<String>,
    /// The logs whose hash was recorded when they were finished.
    pub logs: Vec<KnownLog>,
}

/// A stop of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The number of its record.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What it says.
    pub stop: Stop,
}

/// What was done for one milestone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chapter {
    /// The implementer's last word.
    pub done: Option<ImplementComplete>,
    /// The tiers of the last pass.
    pub checks: Vec<Verification>,
    /// The tiers that passed on what stands in the tree now.
    pub verified: Vec<Tier>,
    /// The verdicts, in order.
    pub reviews: Vec<(Verdict, Vec<String>)>,
    /// Its commit.
    pub checkpoint: Option<Checkpoint>,
}

/// The commit of a milestone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The commit.
    pub commit: String,
    /// The tree it holds.
    pub tree: String,
}

/// A worker call and, if it came to one, its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// How it began.
    pub started: CallStarted,
    /// How it ended.
    pub finished: Option<CallFinished>,
}

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCheck {
    /// Its tier.
    pub tier: Tier,
    /// The command line.
    pub command: String,
    /// How it ended; absent if its time was over before it could start.
    pub result: Option<CommandResult>,
    /// The fingerprint of a failure of this check that came twice running.
    pub repeated: Option<String>,
}

/// A log with the hash it had when it was finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLog {
    /// Relative to the run directory.
    pub path: String,
    /// SHA-256.
    pub sha256: String,
}

impl Story {
    /// What the records of a run tell.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let mut story = Self::default();
        let mut at = 0;
        for record in records {
            if let Some(event) = record.event() {
                story.see(event, record, &mut at);
            }
        }
        story
    }

    /// The tiers that were passed by the last checkpoint.
    #[must_use]
    pub fn verified(&self) -> &[Tier] {
        let last = self.chapters.iter().rev().find(|c| c.checkpoint.is_some());
        last.map_or(&[], |chapter| &chapter.verified)
    }

    /// `at` is the milestone the events belong to, as few of them say so.
    fn see(&mut self, event: Event, record: &Record, at: &mut usize) {
        match event {
            Event::Preflight(preflight) if !preflight.guard.ok => {
                let guard = preflight.guard;
                let dirty = guard
                    .reasons
                    .iter()
                    .any(|reason| reason == "dirty_worktree");
                let mut files = guard.scope_violations;
                for file in guard.dirty_files.into_iter().filter(|_| dirty) {
                    if !files.contains(&file) {
                        files.push(file);
                    }
                }
                self.violation = Some(GuardViolation {
                    scope_violations: files,
                    lockfile_violations: guard.lockfile_violations,
                    why: Some(guard.reasons.join(", ")),
                });
            }
            Event::PhaseStart { phase } => self.enter(phase, *at),
            Event::PlanGenerated(plan) => {
                self.chapters.clear();
                self.plan = Some(plan);
            }
            Event::PlanScopeViolation {
                violations,
                suggested_presets,
                ..
            } => {
                self.broke(violations);
                self.suggestion = preset::advice(&suggested_presets);
            }
            Event::OwnershipViolation {
                violating_files, ..
            } => self.broke(violating_files),
            Event::GuardViolation(violation) => self.violation = Some(violation),
            Event::WorkerCallStarted(started) => self.calls.push(Call {
                started,
                finished: None,
            }),
            Event::WorkerCallFinished(finished) => self.call_finished(finished),
            Event::ImplementComplete(done) => self.chapter(*at).done = Some(done),
            Event::Verification(ran) => self.checked(ran, *at),
            Event::VerifyFailedRetry(failed) => {
                if let Some(failure) = &mut self.failure {
                    failure.repeated = failed.same_as_previous.then_some(failed.fingerprint);
                }
            }
            Event::VerifyComplete {
                verification_evidence,
                ..
            } => {
                self.failure = None;
                self.chapter(*at).verified = verification_evidence.tiers_run;
            }
            Event::ReviewComplete { verdict, changes } => {
                let asked = verdict != Verdict::Approve;
                self.requests = if asked { changes.clone() } else { Vec::new() };
                self.chapter(*at).reviews.push((verdict, changes));
            }
            Event::CheckpointComplete {
                commit,
                milestone_index,
                tree,
                ..
            } => {
                self.chapter(milestone_index).checkpoint = Some(Checkpoint { commit, tree });
                self.failure = None;
                self.requests.clear();
                *at = milestone_index.saturating_add(1);
            }
            Event::MilestoneIndexCorrected { corrected_to, .. } => {
                for chapter in self.chapters.iter_mut().skip(corrected_to) {
                    chapter.checkpoint = None;
                }
                *at = corrected_to;
            }
            Event::RunResumed(resumed) => {
                self.resumed = true;
                self.violation = None;
                self.suggestion = None;
                *at = resumed.resume_from_milestone_index;
            }
            Event::Stop(stop) => {
                self.resumed = false;
                self.end = Some(End {
                    seq: record.seq,
                    at: record.timestamp,
                    stop: *stop,
                });
            }
            _ => {}
        }
    }

    fn enter(&mut self, phase: Phase, at: usize) {
        match phase {
            // Whatever had passed, the tree may differ from here on.
            Phase::Implement => self.chapter(at).verified.clear(),
            Phase::Verify => self.chapter(at).checks.clear(),
            _ => {}
        }
    }

    fn chapter(&mut self, index: usize) -> &mut Chapter {
        // An absurd number in a foreign timeline must not become an absurd length.
        let index = index.min(MAX_CHAPTERS);
        if self.chapters.len() <= index {
            self.chapters.resize_with(index + 1, Chapter::default);
        }
        &mut self.chapters[index]
    }

    fn broke(&mut self, files: Vec<String>) {
        self.violation = Some(GuardViolation {
            scope_violations: files,
            ..GuardViolation::default()
        });
    }

    fn call_finished(&mut self, finished: CallFinished) {
        let log = finished.log.clone().zip(finished.sha256.clone());
        self.logs
            .extend(log.map(|(path, sha256)| KnownLog { path, sha256 }));
        let open = |call: &&mut Call| call.started.call_id == finished.call_id;
        if let Some(call) = self.calls.iter_mut().rev().find(open) {
            call.finished = Some(finished);
        }
    }

    fn checked(&mut self, ran: Verification, at: usize) {
        self.logs
            .extend(ran.command_results.iter().map(|result| KnownLog {
                path: result.log.clone(),
                sha256: result.sha256.clone(),
            }));
        if !ran.ok {
            let failed = |r: &&CommandResult| r.exit_code != 0 || r.timed_out;
            let result = ran.command_results.iter().find(failed).cloned();
            let unrun = ran.commands.get(ran.command_results.len());
            let command = result.as_ref().map(|result| &result.command).or(unrun);
            let command = command.cloned().unwrap_or_default();
            let before = self.failure.take().filter(|f| f.command == command);
            self.failure = Some(FailedCheck {
                tier: ran.tier,
                command,
                result,
                repeated: before.and_then(|failure| failure.repeated),
            });
        }
        self.chapter(at).checks.push(ran);
    }
}

/// More milestones than any plan has.
const MAX_CHAPTERS: usize = 10_000;

#[cfg(test)]
mod tests;
