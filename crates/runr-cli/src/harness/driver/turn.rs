//! Whose turn it is: the driver's, or that of the program around it.

use std::time::Instant;

use runr_core::fs::CancelFlag;
use runr_core::phase::event::{Event, Stop};
use runr_core::phase::rules;
use runr_core::phase::stop::StopReason;
use runr_core::phase::usage::plausible;
use runr_core::phase::watchdog::{Doing, Limits};
use runr_core::{Code, Error, Result};

use super::{Driver, Pending, WorkerCall};
use crate::harness::baseline::Leftover;
use crate::harness::owner::take_owner_lock;
use crate::harness::recorder::{Recorder, SUPERVISOR};
use crate::harness::request::Answered;
use crate::harness::task_log;
use crate::harness::verify::millis;
use crate::harness::watchdog::{Left, Watchdog};
use crate::harness::worker::CallEnd;

impl Driver {
    /// Works until a reply is needed; `None` when the run has ended.
    ///
    /// # Errors
    /// `E_USAGE` while a call is unanswered; storage errors that could not be recorded.
    pub fn next_call(&mut self) -> Result<Option<WorkerCall>> {
        self.take_turn();
        let call = self.call_host();
        self.yield_turn();
        call
    }

    fn call_host(&mut self) -> Result<Option<WorkerCall>> {
        if self.recorder.state.is_stopped() {
            self.close_call();
        }
        if let Some(pending) = &self.pending {
            return Err(Error::new(
                Code::Usage,
                format!("call {} is not answered yet", pending.call.id),
            ));
        }
        let Some(call) = self.advance()? else {
            return Ok(None);
        };
        self.announce(&call, None, None)?;
        self.pending = Some(Pending {
            call: call.clone(),
            since: Instant::now(),
        });
        Ok(Some(call))
    }

    /// Answers a call.
    ///
    /// # Errors
    /// `E_CALL_LATE` for a call that is no longer open, or past its deadline.
    pub fn reply(&mut self, call_id: &str, reply: impl Into<Answered>) -> Result<()> {
        self.take_turn();
        let taken = self.take_reply(call_id, reply.into());
        if self.is_over() {
            self.leave();
        }
        self.yield_turn();
        taken
    }

    fn take_reply(&mut self, call_id: &str, answered: Answered) -> Result<()> {
        let open = self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.call.id == call_id);
        let Some(pending) = self.pending.take_if(|_| open) else {
            if let Some(call) = self.unanswered.take_if(|call| call.id == call_id) {
                // The answer is refused either way, and the run may be somebody else's by now.
                drop(self.note_late(&call));
            }
            return Err(late());
        };
        let call = pending.call;
        let over = self.recorder.state.is_stopped()
            || self.ended_by_claim()?
            || self.watchdog.passed().is_some();
        if over || self.context.host.clock.now() > call.deadline {
            self.ignore_answer(&call)?;
            return Err(late());
        }
        let end = CallEnd {
            answer: answered.reply.into(),
            exit_code: None,
            usage: answered.usage.and_then(plausible),
            log: None,
        };
        let settled = self.settle(&call, pending.since.elapsed(), end);
        if let Err(error) = &settled {
            self.end_after(error)?;
        }
        settled
    }

    /// The watchdog of a session.
    pub(super) fn watchdog_of(
        recorder: &Recorder,
        context: &super::Context,
        is_driven: bool,
        cancel: CancelFlag,
    ) -> Watchdog {
        // A run of an earlier version has recorded none.
        let known = recorder.state.limits;
        let limits = known.or_else(|| Limits::new(&context.config, |_| None).ok());
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
        let (notify, host) = (self.notify.clone(), self.context.host.clone());
        let (layout, run_id) = (self.context.layout.clone(), self.context.run_id.clone());
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
                drop(task_log::ended(&host, &layout, &run_id, &recorder.state));
                drop(notify.tell(recorder, host.clock.now()));
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

    /// An answer to the open call comes too late from here on.
    pub(super) fn close_call(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.unanswered = Some(pending.call);
        }
    }

    /// Notes that an answer came after the end, also of a run that was left since; but not if
    /// somebody else drives it, or did.
    ///
    /// # Errors
    /// `E_RUN_ACTIVE`, `E_STORE_CORRUPT`, storage errors.
    fn note_late(&mut self, call: &WorkerCall) -> Result<()> {
        let _owner = match &self.ownership {
            Some(_) => None,
            None => {
                let (files, host) = (&self.recorder.files, &self.context.host);
                Some(take_owner_lock(files, &host.storage)?)
            }
        };
        self.record_late(call)
    }

    fn record_late(&mut self, call: &WorkerCall) -> Result<()> {
        let ignored = Event::LateWorkerResultIgnored {
            stage: call.stage,
            worker: call.worker.clone(),
        };
        self.recorder.record(SUPERVISOR, &ignored)
    }

    /// Notes that an answer came when the run, or the time for it, was over.
    pub(super) fn ignore_answer(&mut self, call: &WorkerCall) -> Result<()> {
        self.record_late(call)?;
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
}

fn late() -> Error {
    Error::new(Code::CallLate, "Reply came after the deadline or stop")
        .hint("ask for the next call")
}
