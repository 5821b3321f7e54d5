//! Taking up one's own run again after a stall or a timeout, without leaving the process.
//!
//! The stop is recorded together with the retry that is due. Until then the run stays this driver's:
//! its lock, its tree and its claim are kept.

use std::time::{Duration, Instant};

use runr_core::Result;
use runr_core::phase::claim::ClaimEnd;
use runr_core::phase::config::Config;
use runr_core::phase::event::{AutoResume, Event, RunResumed};
use runr_core::phase::model::Phase;
use runr_core::phase::rules::{self, Retries};

use super::Driver;
use crate::harness::claim::Claim;
use crate::harness::recorder::{RESUME, SUPERVISOR};

/// How soon somebody who wants the run to end is heard.
const LOOK: Duration = Duration::from_millis(50);

/// What the configuration says about retries.
pub(super) fn retries(config: &Config) -> Retries {
    let resilience = &config.resilience;
    Retries {
        by_default: resilience.auto_resume,
        max: resilience.max_auto_resumes,
        delays_ms: resilience.auto_resume_delays_ms.clone(),
    }
}

impl Driver {
    /// Whether the run is stopped, and no retry of it is due.
    pub(super) fn is_over(&self) -> bool {
        let state = &self.recorder.state;
        state.is_stopped() && state.retry_due.is_none()
    }

    /// Whether the run is stopped and stays so; a retry that is due is made.
    pub(super) fn has_ended(&mut self) -> Result<bool> {
        if !self.recorder.state.is_stopped() {
            return Ok(false);
        }
        let Some(due) = self.recorder.state.retry_due.clone() else {
            return Ok(true);
        };
        self.close_call();
        // A timeline that cannot be trusted is not gone on with; the stop stands.
        match self.wait_for(&due) {
            Ok(None) => self.retry(due)?,
            Ok(Some(why)) => {
                let skipped = rules::retry_skipped(&due, why);
                self.recorder.record(SUPERVISOR, &skipped)?;
            }
            Err(_) => return Ok(true),
        }
        Ok(self.is_over())
    }

    /// Waits until a retry is due; or why there will be none.
    fn wait_for(&mut self, due: &AutoResume) -> Result<Option<&'static str>> {
        self.recorder.look_anew();
        let until = Instant::now() + Duration::from_millis(due.delay_ms.unwrap_or_default());
        loop {
            match self.context.claim.as_ref().map(Claim::end) {
                // A look that fails tells nothing; before anything is done there is another one.
                None | Some(Ok(None) | Err(_)) => {}
                Some(Ok(Some(ClaimEnd::Signalled { .. }))) => return Ok(Some("exit_signal")),
                Some(Ok(Some(ClaimEnd::Lost(_)))) => return Ok(Some("ownership_lost")),
            }
            if self.context.host.cancel.is_cancelled() {
                return Ok(Some("interrupted"));
            }
            self.recorder.catch_up()?;
            if self.recorder.state.stop_requested.is_some() {
                return Ok(Some("stop_requested"));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    /// The watchdog has ended what the last attempt was at; the next one gets a flag of its own.
    fn watch_anew(&mut self) {
        self.halt = self.context.host.cancel.below();
        let halt = self.halt.clone();
        self.watchdog = Self::watchdog_of(&self.recorder, &self.context, true, halt);
        self.is_told = false;
    }

    /// Goes on as a resume does: with the tree judged before anything else.
    fn retry(&mut self, due: AutoResume) -> Result<()> {
        let state = &self.recorder.state;
        let phase = due.resume_phase.unwrap_or(Phase::Implement);
        let remaining = state.milestones.len().saturating_sub(state.milestone_index);
        let resumed = Event::RunResumed(Box::new(RunResumed {
            resume_phase: phase,
            checkpoint_sha: state.checkpoint_commit_sha.clone(),
            resume_from_milestone_index: state.milestone_index,
            remaining_milestones: remaining,
            options: state.options.clone(),
            claim: state.claim.clone(),
            limits: state.limits,
            snapshot_sha256: None,
            automatic: true,
            moved: None,
            overrides: Vec::new(),
            delta: None,
        }));
        let started = Event::AutoResumeStarted(AutoResume {
            delay_ms: None,
            ..due
        });
        self.recorder.record_all(RESUME, &[started, resumed])?;
        self.watch_anew();
        if self.is_arriving {
            return Ok(()); // Judged once it is prepared.
        }
        self.take_up()
    }
}
