//! The loop of a run: performs what the rules decide and pauses only where it needs a reply.

mod arrive;
mod ask;
mod call;
mod judge;
mod look;
mod milestone;
mod own;
mod retry;
mod turn;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use runr_core::fs::CancelFlag;
use runr_core::mutant::without;
use runr_core::phase::event::{Event, Stop};
use runr_core::phase::rules;
use runr_core::phase::rules::Action;
use runr_core::phase::state::State;
use runr_core::phase::status::Outcome;
use runr_core::phase::stop::{StopCause, StopReason};
use runr_core::phase::watchdog::Doing;
use runr_core::{Code, Error, Result, RunId};

use super::baseline::{Baseline, Leftover};
use super::beside::Beside;
use super::context::Context;
use super::git::TreeStatus;
use super::index::OwnIndex;
use super::inspect::Seen;
use super::notify::Notify;
use super::orphans;
use super::owner::Ownership;
use super::receipt::Ending;
use super::recorder::{Listener, Recorder, SUPERVISOR};
use super::request::{Prepared, ResumeRequest, RunRequest};
use super::task_log;
use super::watchdog::Watchdog;
use crate::host::Host;

pub use call::{Fix, WorkerCall};
pub(super) use own::reason_of;

struct Pending {
    call: WorkerCall,
    since: Instant,
}

/// Drives one run. Dropping it leaves the run as it is; a later resume goes on from there.
pub struct Driver {
    // First, so that it is dropped first: nothing must be written to a run that is given free.
    watchdog: Watchdog,
    context: Context,
    recorder: Recorder,
    ownership: Option<Ownership>,
    baseline: Baseline,
    index: OwnIndex,
    /// The tree as it was judged last; absent until somebody looked.
    seen: Option<Seen>,
    pending: Option<Pending>,
    /// The call that was open when the run ended, until its answer has come.
    unanswered: Option<WorkerCall>,
    /// The tree is to be prepared first; so it stays until that has come to a good end.
    is_arriving: bool,
    /// Ends the child at work: for the user, or for the watchdog.
    halt: CancelFlag,
    notify: Notify,
    /// Whether the stop has been told.
    is_told: bool,
    /// Why the cancel flag was raised, if not by a signal.
    cancel_cause: Arc<OnceLock<StopCause>>,
    warnings: Vec<String>,
    /// Notes that the run works on its task, beside it.
    noting: Option<Beside<Option<String>>>,
    /// How much was recorded as not judged, and its beginning.
    left_out: (usize, Vec<String>),
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("run_id", &self.context.run_id)
            .finish_non_exhaustive()
    }
}

impl Driver {
    /// Starts a run that the caller answers.
    ///
    /// # Errors
    /// Whatever refuses a run: `E_NOT_A_REPO`, `E_TASK_NOT_FOUND`, `E_TASK_INVALID`,
    /// `E_CONFIG_NOT_FOUND`, `E_CONFIG_INVALID`, `E_UNTRUSTED`, `E_TREE_BUSY`, and the preflight's
    /// `E_WORKTREE_DIRTY`, `E_UNVERIFIED`, `E_GUARD_VIOLATION`.
    pub fn start(request: RunRequest) -> Result<Self> {
        Self::start_on(request, &Host::of_process(Vec::new()), None)
    }

    /// Starts a run in the given surroundings; `listener` hears every record.
    ///
    /// # Errors
    /// Those of [`Driver::start`], and `E_WORKER_NOT_FOUND`.
    pub fn start_on(request: RunRequest, host: &Host, listener: Option<Listener>) -> Result<Self> {
        let prepared = Prepared::new(&request, host)?;
        if prepared.is_manual() {
            return Err(
                Error::new(Code::Usage, "the task is manual: there is nothing to run")
                    .hint("do it, then mark it as done"),
            );
        }
        let mut driver = super::start::start(prepared, host, listener)?;
        driver.yield_turn();
        Ok(driver)
    }

    /// Goes on with a stopped or abandoned run that the caller answers.
    ///
    /// # Errors
    /// `E_RUN_NOT_FOUND`, `E_RUN_ACTIVE`, `E_UNTRUSTED`, `E_WORKTREE_DIRTY`, `E_TREE_BUSY`,
    /// `E_STORE_CORRUPT`.
    pub fn resume(run_id: &str) -> Result<Self> {
        let request = ResumeRequest {
            run_id: Some(run_id.to_owned()),
            host_answers: true,
            root: ".".into(),
            ..ResumeRequest::default()
        };
        Self::resume_on(request, &Host::of_process(Vec::new()), None)
    }

    /// Goes on with a run in the given surroundings; `listener` hears every record.
    ///
    /// # Errors
    /// Those of [`Driver::resume`].
    pub fn resume_on(
        request: ResumeRequest,
        host: &Host,
        listener: Option<Listener>,
    ) -> Result<Self> {
        let mut driver = super::resume::resume(&request, host, listener)?;
        driver.yield_turn();
        Ok(driver)
    }

    pub(crate) fn new(
        context: Context,
        mut recorder: Recorder,
        ownership: Option<Ownership>,
        baseline: Baseline,
        index: OwnIndex,
    ) -> Self {
        recorder.retries = Some(retry::retries(&context.config));
        let halt = context.host.cancel.below();
        let is_driven = ownership.is_some();
        Self {
            watchdog: Self::watchdog_of(&recorder, &context, is_driven, halt.clone()),
            halt,
            notify: Notify::new(
                &context.config,
                &context.layout,
                &context.run_id,
                &context.host,
            ),
            context,
            recorder,
            ownership,
            baseline,
            index,
            seen: None,
            pending: None,
            unanswered: None,
            is_arriving: false,
            is_told: false,
            cancel_cause: Arc::default(),
            warnings: Vec::new(),
            noting: None,
            left_out: (0, Vec::new()),
        }
    }

    /// The run.
    #[must_use]
    pub fn run_id(&self) -> &RunId {
        &self.context.run_id
    }

    /// The state as it is known to this driver.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.recorder.state
    }

    /// How the run stands.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::new(self.context.run_id.clone(), &self.recorder.state)
    }

    /// What the last stop left behind; absent while the run goes on.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.recorder.ending.as_ref()
    }

    /// How many git processes this driver started.
    #[must_use]
    pub fn git_calls(&self) -> u32 {
        self.context.git.calls()
    }

    /// What went wrong beside the run, and did not stop it, since the last question.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Set this to make the driver stop as soon as it can.
    #[must_use]
    pub fn cancel_flag(&self) -> CancelFlag {
        self.context.host.cancel.clone()
    }

    /// Say here why, before raising the flag; a signal needs no word.
    #[must_use]
    pub fn cancel_cause(&self) -> Arc<OnceLock<StopCause>> {
        Arc::clone(&self.cancel_cause)
    }

    /// Answers every call with the configured workers until the run has ended.
    ///
    /// # Errors
    /// Storage errors that could not be recorded.
    pub fn drive(&mut self) -> Result<Outcome> {
        self.take_turn();
        if self.context.host.signals.is_some() {
            // The process is there for this run alone.
            orphans::adopt();
        }
        while let Some(call) = self.advance()? {
            let since = Instant::now();
            self.watchdog.progress(Doing::Worker);
            let asked = self.ask(&call);
            self.watchdog.progress(Doing::Phase);
            match asked {
                // It came while the watchdog was at it; the next turn of the loop stops the run.
                Ok(Some(_)) if self.watchdog.passed().is_some() => self.ignore_answer(&call)?,
                Ok(Some(end)) => {
                    if let Err(error) = self.settle(&call, since.elapsed(), end) {
                        self.end_after(&error)?;
                    }
                }
                Ok(None) => {} // Cancelled; the next turn of the loop stops the run.
                Err(error) => self.end_after(&error)?,
            }
        }
        Ok(self.outcome())
    }

    /// Ends the run with `interrupted`, unless it has ended or was left.
    ///
    /// # Errors
    /// Storage errors.
    pub fn interrupt(&mut self, cause: StopCause) -> Result<()> {
        self.take_turn();
        self.close_call();
        if self.ownership.is_some() && !self.recorder.state.is_stopped() {
            let mut stop = rules::stop_of(&self.recorder.state, StopReason::Interrupted, None);
            stop.cause = Some(cause);
            self.stop(stop)?;
        }
        self.leave();
        Ok(())
    }

    /// Performs actions until a worker must be asked or the run has ended.
    fn advance(&mut self) -> Result<Option<WorkerCall>> {
        loop {
            if self.ownership.is_none() || self.has_ended()? {
                self.leave();
                return Ok(None);
            }
            if self.ended_by_claim()? {
                continue;
            }
            if let Some(stop) = self.overdue() {
                self.stop(stop)?;
                continue;
            }
            if self.context.host.cancel.is_cancelled() {
                let cause = *self.cancel_cause.get().unwrap_or(&StopCause::Signal);
                self.interrupt(cause)?;
                continue;
            }
            if let Err(error) = self.recorder.catch_up() {
                self.end_after(&error)?;
                continue;
            }
            self.watchdog.progress(Doing::Phase);
            if self.is_arriving {
                self.arrive()?;
                continue;
            }
            let now = self.context.host.clock.now();
            match rules::next(&self.recorder.state, &self.context.policy, now) {
                Action::Call {
                    stage,
                    worker,
                    attempt,
                } => match self.compose_in_place(stage, worker, attempt) {
                    Ok(Some(call)) => return Ok(Some(call)),
                    Ok(None) => {}
                    Err(error) => self.end_after(&error)?,
                },
                action => {
                    // A failure inside a phase ends the run with a reason; it never leaves it hanging.
                    if let Err(error) = self.perform(action) {
                        self.end_after(&error)?;
                    }
                }
            }
        }
    }

    fn perform(&mut self, action: Action) -> Result<()> {
        match action {
            Action::Enter { phase, skipped } => self.recorder.enter(phase, skipped),
            Action::Verify => self.verify(),
            Action::Commit => self.commit(),
            Action::Stop(stop) => self.stop(*stop),
            Action::Call { .. } | Action::Done => Ok(()),
        }
    }

    /// Ends a run whose last step could not be recorded.
    fn end_after(&mut self, error: &Error) -> Result<()> {
        if without("phase-errors") {
            return Err(Error::internal(error.to_string()));
        }
        if error.code() == Code::StoreCorrupt {
            return self.end_regardless(error);
        }
        self.stop_because(reason_of(error), Some(error.to_string()))
    }

    /// Ends a run whose timeline was tampered with; what others wrote there counts for nothing.
    fn end_regardless(&mut self, error: &Error) -> Result<()> {
        let words = Some(error.to_string());
        let stop = rules::stop_of(&self.recorder.state, StopReason::GuardViolation, words);
        self.recorder
            .record_regardless(&Event::Stop(Box::new(stop)))
    }

    fn stop_because(&mut self, reason: StopReason, error: Option<String>) -> Result<()> {
        let stop = rules::stop_of(&self.recorder.state, reason, error);
        self.stop(stop)
    }

    fn stop(&mut self, stop: Stop) -> Result<()> {
        if stop.reason != StopReason::Complete && !self.recorder.state.options.worktree {
            // Without the note a resume asks the user to look at the tree; that is all.
            drop(self.look_at_leftover());
        }
        self.recorder
            .record(SUPERVISOR, &Event::Stop(Box::new(stop)))
    }

    /// In the user's checkout, what is uncommitted must be recognised as the run's own later.
    fn note_leftover(&self, status: &TreeStatus) -> Result<()> {
        if self.recorder.state.options.worktree {
            return Ok(());
        }
        Leftover::write(&self.recorder.files, self.context.git.dir(), status)
    }

    fn look_at_leftover(&self) -> Result<()> {
        if !self.baseline.account.changed()?.is_empty() {
            return Ok(()); // What they name now would run.
        }
        let rules = self.index.git_dir().rules()?;
        let changed = !self.baseline.changed_rules(&rules).is_empty();
        let status = self.context.git.for_rules(changed).status()?;
        self.note_leftover(&status)
    }

    /// Notes that the run works on its task. The run does not wait for the disk with that.
    pub(super) fn note_begun(&mut self) {
        let context = &self.context;
        let (host, layout) = (context.host.clone(), context.layout.clone());
        let (run_id, state) = (context.run_id.clone(), self.recorder.state.clone());
        let note = move || task_log::begun(&host, &layout, &run_id, &state);
        self.noting = Some(Beside::over(std::thread::spawn(note), None));
    }

    /// Notes how the run left its task, once.
    fn note_ended(&mut self) {
        if self.ownership.is_none() || self.is_told {
            return;
        }
        let begun = self.noting.take().and_then(Beside::end);
        self.warnings.extend(begun.flatten());
        let Context {
            host,
            layout,
            run_id,
            ..
        } = &self.context;
        let failed = task_log::ended(host, layout, run_id, &self.recorder.state);
        self.warnings.extend(failed);
    }

    /// Gives the run, its tree and its claim free.
    pub(crate) fn leave(&mut self) {
        self.watchdog.end();
        self.note_ended();
        let state = &self.recorder.state;
        let has_ended = self.ownership.is_some() && state.is_stopped();
        if has_ended && !state.is_complete() {
            // A worker can have written the file; a resume must not go by that. It says what it
            // says if the disk fails.
            drop(self.baseline.save(&self.recorder.files));
        }
        self.close_call();
        // Whoever takes the run over finds its target free.
        self.context.claim = None;
        if has_ended {
            self.tell();
        }
        self.ownership = None;
    }
}

fn no_milestone() -> Error {
    Error::internal("there is no milestone to work on")
}
