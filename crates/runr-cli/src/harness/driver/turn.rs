//! Whose turn it is: the driver's, or that of the program around it.

use runr_core::Result;
use runr_core::phase::event::{Event, Stop};
use runr_core::phase::rules;
use runr_core::phase::stop::StopReason;
use runr_core::phase::watchdog::{Doing, Limits};

use super::{Driver, WorkerCall};
use crate::harness::baseline::Leftover;
use crate::harness::recorder::{Recorder, SUPERVISOR};
use crate::harness::verify::millis;
use crate::harness::watchdog::{Left, Watchdog};

impl Driver {
    /// The watchdog of a session.
    pub(super) fn watchdog_of(
        recorder: &Recorder,
        context: &super::Context,
        is_driven: bool,
    ) -> Watchdog {
        // A run of an earlier version has recorded none.
        let known = recorder.state.limits;
        let limits = known.or_else(|| Limits::new(&context.config, |_| None).ok());
        let cancel = context.host.cancel.clone();
        match limits {
            Some(limits) if is_driven && !recorder.state.is_stopped() => {
                Watchdog::start(limits, cancel)
            }
            _ => Watchdog::off(cancel),
        }
    }

    /// The driver's turn. Nothing else writes to the run until [`Driver::yield_turn`].
    pub(super) fn take_turn(&mut self) {
        if let Some(recorder) = self.watchdog.take_back() {
            self.recorder = recorder;
            self.is_told = true;
        }
    }

    /// The turn of the program: the watchdog keeps its eye on it.
    pub(crate) fn yield_turn(&mut self) {
        if self.ownership.is_none() || self.recorder.state.is_stopped() {
            return;
        }
        let doing = match self.pending {
            None => Doing::Phase,
            Some(_) => Doing::Call {
                time_left_ms: millis(self.time_left()),
            },
        };
        let (git, baseline) = (self.context.git.clone(), self.baseline.clone());
        let files = self.recorder.files.clone();
        let in_checkout = !self.recorder.state.options.worktree;
        let (notify, clock) = (self.notify.clone(), self.context.host.clock.clone());
        let left = Left {
            recorder: self.recorder.twin(),
            // As at every other stop; each is for a resume, which gets by without.
            before: Box::new(move || {
                drop(baseline.save(&files));
                if in_checkout && let Ok(status) = git.status() {
                    drop(Leftover::write(&files, git.dir(), &status));
                }
            }),
            after: Box::new(move |recorder| {
                // Nobody is there to be warned; the log says it.
                drop(notify.tell(recorder, clock.now()));
            }),
        };
        self.watchdog.leave(doing, left);
    }

    /// The stop that the watchdog wants, if it wants one.
    pub(super) fn overdue(&self) -> Option<Stop> {
        let passed = self.watchdog.passed()?;
        let (state, last) = (&self.recorder.state, self.recorder.last_kind());
        Some(runr_core::phase::watchdog::stop_of(state, &passed, last))
    }

    /// Notes that an answer came when the run, or the time for it, was over.
    pub(super) fn ignore_answer(&mut self, call: &WorkerCall) -> Result<()> {
        let ignored = Event::LateWorkerResultIgnored {
            stage: call.stage,
            worker: call.worker.clone(),
        };
        self.recorder.record(SUPERVISOR, &ignored)?;
        if self.recorder.state.is_stopped() {
            return Ok(());
        }
        if let Some(stop) = self.overdue() {
            return self.stop(stop);
        }
        let reason = if self.time_left().is_zero() {
            StopReason::TimeBudgetExceeded
        } else {
            StopReason::WorkerCallTimeout
        };
        let words = format!("{} answered too late", call.worker);
        self.stop(rules::stop_of(&self.recorder.state, reason, Some(words)))
    }

    /// Runs the user's command for a stop, once; what goes wrong is kept for whoever asks.
    pub(super) fn tell(&mut self) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        let now = self.context.host.clock.now();
        let problem = self.notify.tell(&mut self.recorder, now);
        self.warnings.extend(problem);
    }

    /// What went wrong beside the run, and did not stop it; each warning is given once.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}
