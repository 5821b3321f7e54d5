//! The loop of a run: performs what the rules decide and pauses only where it needs a reply.

use std::time::{Duration, Instant};

use runr_core::fs::CancelFlag;
use runr_core::phase::event::{
    CallFinished, CallStarted, Event, FailureKind, ProcessIdentity, Record, Stop,
};
use runr_core::phase::evidence::{EvidenceGate, evidence_gate};
use runr_core::phase::model::{
    ImplementReply, ImplementStatus, PlanReply, ReviewReply, Stage, Tier,
};
use runr_core::phase::owned::{ActiveRun, Collision, file_collisions};
use runr_core::phase::prompt;
use runr_core::phase::reply::{Reply as Parsed, parse_reply};
use runr_core::phase::rules::{self, Action};
use runr_core::phase::state::State;
use runr_core::phase::status::Outcome;
use runr_core::phase::stop::{StopCause, StopReason};
use runr_core::phase::tiers::{TierInput, select_tiers};
use runr_core::{Code, Error, Result, RunId, Timestamp};
use serde::Serialize;

use super::checkpoint;
use super::context::{Context, Workers};
use super::git::TreeStatus;
use super::inspect::{Baseline, Leftover, Seen, inspect};
use super::owner::Ownership;
use super::process::{hash_log, head_of};
use super::recorder::{Listener, Recorder, SUPERVISOR, VERIFIER};
use super::request::{Prepared, Reply, ResumeRequest, RunRequest};
use super::script;
use super::start::BASELINE;
use super::verify;
use super::worker::{Answer, CallEnd, CallLog, ProcessCall};
use crate::host::Host;

/// A question to a worker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerCall {
    /// Unique within the run.
    pub id: String,
    /// What for.
    pub stage: Stage,
    /// What the worker is told.
    pub prompt: String,
    /// Where it works.
    pub cwd: String,
    /// 0-based.
    pub milestone: usize,
    /// 1 to 3 per worker.
    pub attempt: u32,
    /// When the answer comes too late.
    pub deadline: Timestamp,
    /// The form of the answer.
    pub schema: &'static str,
    /// The configured name of the worker.
    pub worker: String,
    /// The failure to fix, for an implementer after a failed VERIFY.
    pub fix: Option<Fix>,
}

/// The failure an implementer has to fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// 2 to 4.
    pub attempt: u32,
    /// What failed.
    pub failed_command: String,
    /// What it said.
    pub error_output: String,
    /// What had changed.
    pub changed_files: Vec<String>,
}

struct Pending {
    call: WorkerCall,
    since: Instant,
}

/// Drives one run. Dropping it leaves the run as it is; a later resume goes on from there.
pub struct Driver {
    context: Context,
    recorder: Recorder,
    ownership: Option<Ownership>,
    baseline: Baseline,
    /// The tree as it was judged last; absent until somebody looked.
    seen: Option<Seen>,
    pending: Option<Pending>,
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
        super::start::start(prepared, host, listener)
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
        super::resume::resume(&request, host, listener)
    }

    pub(crate) fn new(
        context: Context,
        recorder: Recorder,
        ownership: Option<Ownership>,
        baseline: Baseline,
    ) -> Self {
        Self {
            context,
            recorder,
            ownership,
            baseline,
            seen: None,
            pending: None,
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

    /// How many git processes this driver started.
    #[must_use]
    pub fn git_calls(&self) -> u32 {
        self.context.git.calls()
    }

    /// Set this to make the driver stop as soon as it can.
    #[must_use]
    pub fn cancel_flag(&self) -> CancelFlag {
        self.context.host.cancel.clone()
    }

    /// Works until a reply is needed; `None` when the run has ended.
    ///
    /// # Errors
    /// `E_USAGE` while a call is unanswered; storage errors that could not be recorded.
    pub fn next_call(&mut self) -> Result<Option<WorkerCall>> {
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
    pub fn reply(&mut self, call_id: &str, reply: Reply) -> Result<()> {
        let open = self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.call.id == call_id);
        let Some(pending) = self.pending.take_if(|_| open) else {
            return Err(late());
        };
        let call = pending.call;
        if self.recorder.state.is_stopped() || self.context.host.clock.now() > call.deadline {
            let ignored = Event::LateWorkerResultIgnored {
                stage: call.stage,
                worker: call.worker.clone(),
            };
            self.recorder.record(SUPERVISOR, &ignored)?;
            if !self.recorder.state.is_stopped() {
                self.stop_because(
                    StopReason::WorkerCallTimeout,
                    Some(format!("{} answered too late", call.worker)),
                )?;
            }
            return Err(late());
        }
        let end = CallEnd {
            answer: reply.into(),
            exit_code: None,
            usage: None,
            log: None,
        };
        self.settle(&call, pending.since.elapsed(), end)
    }

    /// Answers every call with the configured workers until the run has ended.
    ///
    /// # Errors
    /// Storage errors that could not be recorded.
    pub fn drive(&mut self) -> Result<Outcome> {
        while let Some(call) = self.advance()? {
            let since = Instant::now();
            match self.ask(&call) {
                Ok(Some(end)) => self.settle(&call, since.elapsed(), end)?,
                Ok(None) => {} // Cancelled; the next turn of the loop stops the run.
                Err(error) => {
                    self.stop_because(StopReason::InternalError, Some(error.to_string()))?
                }
            }
        }
        Ok(self.outcome())
    }

    /// Ends the run with `interrupted`, unless it has ended.
    ///
    /// # Errors
    /// Storage errors.
    pub fn interrupt(&mut self, cause: StopCause) -> Result<()> {
        self.pending = None;
        if self.recorder.state.is_stopped() {
            return Ok(());
        }
        let mut stop = rules::stop_of(&self.recorder.state, StopReason::Interrupted, None);
        stop.cause = Some(cause);
        self.stop(stop)
    }

    /// Performs actions until a worker must be asked or the run has ended.
    fn advance(&mut self) -> Result<Option<WorkerCall>> {
        loop {
            if self.ownership.is_none() || self.recorder.state.is_stopped() {
                self.leave();
                return Ok(None);
            }
            if self.context.host.cancel.is_cancelled() {
                self.interrupt(StopCause::Signal)?;
                continue;
            }
            self.recorder.catch_up()?;
            let now = self.context.host.clock.now();
            match rules::next(&self.recorder.state, &self.context.policy, now) {
                Action::Call {
                    stage,
                    worker,
                    attempt,
                } => match self.compose(stage, worker, attempt) {
                    Ok(call) => return Ok(Some(call)),
                    Err(error) => {
                        self.stop_because(StopReason::InternalError, Some(error.to_string()))?
                    }
                },
                action => {
                    // A failure inside a phase ends the run with a reason; it never leaves it hanging.
                    if let Err(error) = self.perform(action) {
                        self.stop_because(StopReason::InternalError, Some(error.to_string()))?;
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

    fn stop_because(&mut self, reason: StopReason, error: Option<String>) -> Result<()> {
        let stop = rules::stop_of(&self.recorder.state, reason, error);
        self.stop(stop)
    }

    fn stop(&mut self, stop: Stop) -> Result<()> {
        if stop.reason != StopReason::Complete && !self.recorder.state.options.worktree {
            // Without the note a resume asks the user to look at the tree; that is all.
            drop(
                self.context
                    .git
                    .status()
                    .and_then(|status| self.note_leftover(&status)),
            );
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

    /// Gives the run and its tree free.
    pub(crate) fn leave(&mut self) {
        self.pending = None;
        self.ownership = None;
    }

    // ----- asking -----

    fn compose(&mut self, stage: Stage, worker: String, attempt: u32) -> Result<WorkerCall> {
        let prompt = match stage {
            Stage::Plan => prompt::plan(&self.recorder.state, &self.context.task_text, attempt),
            Stage::Implement => {
                let state = &self.recorder.state;
                let milestone = state.milestone().ok_or_else(no_milestone)?;
                prompt::implement(
                    state,
                    milestone,
                    &self.context.task_text,
                    &self.failing_output(),
                    attempt,
                )
            }
            Stage::Review => {
                let gate = self.gate()?;
                let change = self.change()?;
                let state = &self.recorder.state;
                let milestone = state.milestone().ok_or_else(no_milestone)?;
                prompt::review(state, milestone, &gate, &change, attempt)
            }
        };
        let state = &self.recorder.state;
        let fix = state
            .last_verify_failure
            .as_ref()
            .filter(|_| stage == Stage::Implement)
            .map(|failure| Fix {
                attempt: state.milestone_retries + 1,
                failed_command: failure.failed_command.clone(),
                error_output: self.failing_output(),
                changed_files: failure.changed_files.clone(),
            });
        Ok(WorkerCall {
            id: format!("c{}", state.calls_started + 1),
            stage,
            prompt,
            cwd: self.context.git.dir().to_string(),
            milestone: state.milestone_index,
            attempt,
            deadline: self.context.host.clock.now().plus(self.patience()),
            schema: prompt::contract(stage),
            worker,
            fix,
        })
    }

    /// The first part of the output the implementer has to react to.
    fn failing_output(&self) -> String {
        let failure = self.recorder.state.last_verify_failure.as_ref();
        let log = failure.and_then(|failure| failure.log.as_ref());
        let text = log.map(|log| head_of(&self.context.run_dir().join(log), 8 * 1024));
        text.unwrap_or_default().chars().take(2000).collect()
    }

    /// How long one call may take: the hard cap, or what is left of the time budget.
    fn patience(&self) -> Duration {
        let state = &self.recorder.state;
        let minutes = |value: f64| Duration::from_secs_f64((value * 60.0).clamp(0.0, 1e9));
        let cap = minutes(self.context.config.resilience.max_worker_call_minutes);
        let used = state.session.started_at.map_or(Duration::ZERO, |began| {
            self.context.host.clock.now().since(began)
        });
        cap.min(minutes(state.options.time_minutes).saturating_sub(used))
    }

    fn announce(
        &mut self,
        call: &WorkerCall,
        process: Option<&ProcessIdentity>,
        log: Option<&str>,
    ) -> Result<()> {
        let started = CallStarted {
            call_id: call.id.clone(),
            stage: call.stage,
            attempt: call.attempt,
            milestone_index: call.milestone,
            worker: call.worker.clone(),
            log: log.map(str::to_owned),
            pid: process.map(|p| p.pid),
            start: process.map(|p| p.start),
            boot_id: process.map(|p| p.boot_id.clone()),
        };
        self.recorder
            .record(SUPERVISOR, &Event::WorkerCallStarted(started))
    }

    /// Asks the configured worker; `None` when the user wants to stop.
    fn ask(&mut self, call: &WorkerCall) -> Result<Option<CallEnd>> {
        let deadline = Instant::now() + self.patience();
        if let Workers::Script(_) = &self.context.workers {
            self.announce(call, None, None)?;
            return self.play(call, deadline);
        }
        let worker = self.context.config.workers.get(&call.worker).cloned();
        let worker = worker.ok_or_else(|| {
            Error::internal(format!("worker `{}` is not configured", call.worker))
        })?;
        let logs = self.context.run_dir().join("logs/worker");
        std::fs::create_dir_all(&logs).map_err(|source| Error::io("create", &logs, source))?;
        let number = self.recorder.state.calls_started + 1;
        let name = format!(
            "m{:02}-a{}-{}-{number}.log",
            call.milestone + 1,
            call.attempt,
            call.stage
        );
        let asked = ProcessCall {
            worker: &worker,
            name: &call.worker,
            stage: call.stage,
            cwd: self.context.git.dir(),
            env: &self.context.env,
            log: logs.join(name),
        };
        let relative = self.context.relative(&asked.log);
        let child = asked.spawn()?;
        let identity = child.identity.clone();
        if let Err(error) = announce(&mut self.recorder, call, &identity, &relative) {
            child.abandon();
            return Err(error);
        }
        let cancel = self.context.host.cancel.clone();
        let end = child
            .run(&call.prompt, deadline, &cancel)
            .map_err(|e| Error::io("wait for worker, log", &asked.log, e))?;
        if end == super::process::End::Cancelled {
            return Ok(None);
        }
        let (answer, exit_code) = asked.read(end)?;
        let hashed =
            hash_log(&asked.log).map_err(|source| Error::io("read", &asked.log, source))?;
        let log = Some(CallLog {
            path: relative,
            sha256: hashed,
        });
        Ok(Some(CallEnd {
            answer,
            exit_code,
            usage: None,
            log,
        }))
    }

    fn play(&self, call: &WorkerCall, deadline: Instant) -> Result<Option<CallEnd>> {
        let Workers::Script(script) = &self.context.workers else {
            return Err(Error::internal("no worker script"));
        };
        let step = script::Call {
            run_id: self.context.run_id.as_str(),
            stage: call.stage,
            n: self
                .recorder
                .state
                .calls_finished
                .get(&call.stage)
                .copied()
                .unwrap_or(0),
            milestone: call.milestone,
            task_stem: &self.context.task_stem,
            cwd: self.context.git.dir(),
            prompt: &call.prompt,
        };
        let git = self.context.git.at(self.context.git.dir());
        let failed = |kind, message: &str| Answer::Failed {
            kind,
            message: message.to_owned(),
            retry_at: None,
        };
        let (answer, exit_code) =
            match script.play(&step, &git, deadline, &self.context.host.cancel)? {
                script::Played::Cancelled => return Ok(None),
                script::Played::TimedOut => (
                    failed(FailureKind::Timeout, "the call passed its deadline"),
                    None,
                ),
                script::Played::Replied { text, exit_code }
                    if exit_code == 0 || parse_reply(call.stage, &text).is_ok() =>
                {
                    (Answer::Text(text), Some(exit_code))
                }
                script::Played::Replied { exit_code, .. } => (
                    failed(FailureKind::Crash, "the script failed"),
                    Some(exit_code),
                ),
            };
        Ok(Some(CallEnd {
            answer,
            exit_code,
            usage: None,
            log: None,
        }))
    }

    // ----- judging -----

    /// Records an answer together with everything it leads to, in one append: an answer that is
    /// journalled is never asked for again.
    fn settle(&mut self, call: &WorkerCall, took: Duration, end: CallEnd) -> Result<()> {
        let kind = match &end.answer {
            Answer::Text(_) => None,
            Answer::Failed { kind, .. } => Some(*kind),
        };
        let finished = Event::WorkerCallFinished(CallFinished {
            call_id: call.id.clone(),
            stage: call.stage,
            worker: call.worker.clone(),
            ok: kind.is_none(),
            exit_code: end.exit_code,
            duration_ms: verify::millis(took),
            kind,
            usage: end.usage,
            log: end.log.as_ref().map(|log| log.path.clone()),
            sha256: end.log.map(|log| log.sha256),
        });
        let now = self.context.host.clock.now();
        let after = self.recorder.state.apply(&Record::new(
            self.recorder.state.seq + 1,
            now,
            &call.worker,
            &finished,
        ));
        let consequences = match self.judge(&after, call, end.answer) {
            Ok(events) => events,
            Err(error) => {
                vec![Event::Stop(Box::new(rules::stop_of(
                    &after,
                    StopReason::InternalError,
                    Some(error.to_string()),
                )))]
            }
        };
        let mut events = vec![finished];
        events.extend(consequences);
        self.recorder.record_all(&call.worker, &events)
    }

    fn judge(&mut self, after: &State, call: &WorkerCall, answer: Answer) -> Result<Vec<Event>> {
        let policy = &self.context.policy;
        let text = match answer {
            Answer::Text(text) => text,
            Answer::Failed {
                kind,
                message,
                retry_at,
            } => {
                return Ok(rules::after_worker_failure(
                    after,
                    policy,
                    call.stage,
                    &call.worker,
                    kind,
                    &message,
                    retry_at,
                ));
            }
        };
        match parse_reply(call.stage, &text) {
            Err(error) => {
                self.keep_raw(call, &text);
                Ok(rules::after_parse_failure(
                    after,
                    policy,
                    call.stage,
                    &call.worker,
                    &error,
                    &text,
                ))
            }
            Ok(Parsed::Plan(reply)) => self.judge_plan(after, reply),
            Ok(Parsed::Implement(reply)) => self.judge_implement(after, &reply),
            Ok(Parsed::Review(reply)) => self.judge_review(after, reply),
        }
    }

    /// Keeps the end of an unreadable answer for people; a failure to do so changes nothing.
    fn keep_raw(&self, call: &WorkerCall, text: &str) {
        let name = format!("raw-outputs-{}-{}.md", call.stage, call.worker);
        let path = self.context.run_dir().join("artifacts").join(name);
        let entry = format!(
            "## {} attempt {}\n\n{}\n\n",
            call.id,
            call.attempt,
            rules::tail(text, 2048)
        );
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        drop(std::fs::write(path, old + &entry));
    }

    fn judge_plan(&mut self, after: &State, reply: PlanReply) -> Result<Vec<Event>> {
        let guard = self.context.guard(after)?;
        let files: Vec<String> = match &reply {
            PlanReply::Plan(plan) => plan
                .milestones
                .iter()
                .filter_map(|m| m.files_expected.clone())
                .flatten()
                .collect(),
            PlanReply::Rejected { .. } => Vec::new(),
        };
        let collisions = if files.is_empty() {
            Vec::new()
        } else {
            self.collisions(&files)?
        };
        let stops = !after.options.force_parallel && !after.options.worktree;
        Ok(rules::after_plan(
            after,
            reply,
            &guard.scope,
            &collisions,
            stops,
        ))
    }

    fn collisions(&self, files: &[String]) -> Result<Vec<Collision>> {
        let mut active = Vec::new();
        for id in self.context.layout.store().ids()? {
            let other = self.context.layout.files(&id);
            if id == self.context.run_id || !crate::liveness::is_live(&other)? {
                continue;
            }
            // A run whose timeline cannot be read collides with nothing that could be named.
            if let Ok(state) = other.state() {
                active.push(ActiveRun {
                    run_id: id.to_string(),
                    files_expected: state.files_expected(),
                });
            }
        }
        Ok(file_collisions(files, &active))
    }

    fn judge_implement(&mut self, after: &State, reply: &ImplementReply) -> Result<Vec<Event>> {
        let seen = self.look(after)?;
        if let Some(stop) = self.wrong_branch(after, &seen) {
            return Ok(stop);
        }
        let checked = self.with_claims_checked(reply)?;
        let events = rules::after_implement(after, &checked, &seen.verdict);
        self.note_leftover(&seen.status)?;
        self.seen = Some(seen);
        Ok(events)
    }

    /// The reply with the exit codes of claimed commands replaced by what they are when the harness
    /// runs them. Only configured checks are run: a claim must not get anything else executed.
    fn with_claims_checked(&mut self, reply: &ImplementReply) -> Result<ImplementReply> {
        let mut checked = reply.clone();
        let claims = checked
            .evidence
            .as_mut()
            .and_then(|evidence| evidence.commands_run.as_mut());
        let Some(claims) = claims.filter(|_| reply.status == ImplementStatus::NoChangesNeeded)
        else {
            return Ok(checked);
        };
        for (index, claim) in claims.iter_mut().enumerate() {
            let is_check = |tier: &Tier| {
                self.context
                    .config
                    .verification
                    .tier(*tier)
                    .contains(&claim.command)
            };
            let Some(tier) = Tier::ALL.iter().copied().find(is_check) else {
                claim.exit_code = -1;
                continue;
            };
            let label = format!("claim{}-{}", self.recorder.state.calls_started, index + 1);
            let tiers = vec![(tier, std::slice::from_ref(&claim.command))];
            let (order, cancel) = (
                self.order(tiers, Vec::new(), &label),
                self.context.host.cancel.clone(),
            );
            let ran = verify::run_claim(&order, &mut self.recorder, &cancel)?;
            claim.exit_code = ran.map_or(-1, i64::from);
        }
        Ok(checked)
    }

    fn judge_review(&mut self, after: &State, reply: ReviewReply) -> Result<Vec<Event>> {
        let gate = self.gate()?;
        Ok(rules::after_review(
            after,
            &self.context.policy,
            reply,
            &gate,
        ))
    }

    fn look(&self, state: &State) -> Result<Seen> {
        inspect(
            &self.context.git,
            &self.context.guard(state)?,
            &self.baseline,
            state.expected_head(),
        )
    }

    /// The stop for a tree that is no longer on the run's branch.
    fn wrong_branch(&self, state: &State, seen: &Seen) -> Option<Vec<Event>> {
        if seen.status.branch == state.branch {
            return None;
        }
        let actual = seen.status.branch.clone();
        let error = format!(
            "the tree is on {}, not on {}",
            name(actual.as_ref()),
            name(state.branch.as_ref())
        );
        let stop = rules::stop_of(state, StopReason::WorktreeBranchMismatch, Some(error));
        let mismatch = Event::WorktreeBranchMismatch {
            expected_branch: state.branch.clone(),
            actual,
        };
        Some(vec![mismatch, Event::Stop(Box::new(stop))])
    }

    /// Judges the tree before anything else is done in it; for a resume, and before a commit.
    pub(crate) fn guard_tree(&mut self) -> Result<()> {
        let seen = self.look(&self.recorder.state)?;
        let state = &self.recorder.state;
        let events = self
            .wrong_branch(state, &seen)
            .unwrap_or_else(|| rules::guard(state, &seen.verdict));
        self.seen = Some(seen);
        self.recorder.record_all(SUPERVISOR, &events)
    }

    fn gate(&mut self) -> Result<EvidenceGate> {
        let state = &self.recorder.state;
        let evidence = state.last_verification_evidence.clone().unwrap_or_default();
        let expected = state
            .milestone()
            .and_then(|m| m.files_expected.clone())
            .unwrap_or_default();
        let deleted: Vec<String> = match &self.seen {
            Some(seen) => seen.verdict.scope.semantic_changed.clone(),
            None => Vec::new(),
        };
        let tree = self.context.git.dir();
        // A planned file that the change deletes is as good as one that exists.
        let files: Vec<(String, bool)> = expected
            .into_iter()
            .map(|path| {
                let there = tree.join(&path).symlink_metadata().is_ok() || deleted.contains(&path);
                (path, there)
            })
            .collect();
        Ok(evidence_gate(
            &evidence.commands_required,
            &evidence.commands_run,
            &files,
            state.options.allow_unverified,
        ))
    }

    /// What the reviewer is shown: summary and patch, then the files git does not know yet.
    fn change(&mut self) -> Result<prompt::Change> {
        const SHOWN: usize = 8000;
        let head = self.recorder.state.expected_head().to_owned();
        let args = [
            "diff",
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "--stat",
            "-p",
            &head,
            "--",
        ];
        let mut diff = self.context.git.run(&args)?;
        let untracked = self
            .seen
            .as_ref()
            .map(|seen| seen.status.untracked.clone())
            .unwrap_or_default();
        let committed = self
            .seen
            .as_ref()
            .map(|seen| seen.to_commit.clone())
            .unwrap_or_default();
        for path in untracked.iter().filter(|path| committed.contains(path)) {
            if diff.len() > SHOWN {
                break;
            }
            let text = head_of(&self.context.git.dir().join(path), 4096);
            diff.push_str(&format!("\nnew file {path}\n{text}"));
        }
        let diff = diff.chars().take(SHOWN).collect();
        let log = self.context.run_dir().join("artifacts/tests_tier0.log");
        let check_log = if log.exists() {
            head_of(&log, 4096)
        } else {
            String::new()
        };
        Ok(prompt::Change { diff, check_log })
    }

    // ----- verifying and committing -----

    fn verify(&mut self) -> Result<()> {
        if self.seen.is_none() {
            self.guard_tree()?;
            if self.recorder.state.is_stopped() {
                return Ok(());
            }
        }
        let state = &self.recorder.state;
        let milestone = state.milestone().ok_or_else(no_milestone)?;
        let changed = self
            .seen
            .as_ref()
            .map(|seen| seen.verdict.scope.semantic_changed.clone())
            .unwrap_or_default();
        let verification = &self.context.config.verification;
        let selected = select_tiers(&TierInput {
            risk_triggers: verification.risk_triggers.clone(),
            changed_files: changed.clone(),
            risk_level: milestone.risk_level,
            last_milestone: state.is_last_milestone(),
            min_tier: self.context.min_tier,
        });
        let tiers: Vec<(Tier, &[String])> = selected
            .tiers
            .iter()
            .map(|tier| (*tier, verification.tier(*tier)))
            .filter(|(_, c)| !c.is_empty())
            .collect();
        let label = format!("m{:02}-a{}", state.milestone_index + 1, state.verify_passes);
        let order = self.order(tiers, selected.reasons, &label);
        let cancel = self.context.host.cancel.clone();
        let Some(pass) = verify::run(&order, &mut self.recorder, &cancel)? else {
            return Ok(()); // Cancelled; the loop stops the run.
        };
        let events = rules::after_verify(&self.recorder.state, pass);
        self.recorder.record_all(VERIFIER, &events)
    }

    fn order(
        &self,
        tiers: Vec<(Tier, &[String])>,
        reasons: Vec<String>,
        label: &str,
    ) -> verify::Order {
        let mut env = self.context.env.clone();
        env.push(("CI".to_owned(), "1".to_owned()));
        let seconds = self
            .context
            .config
            .verification
            .max_verify_time_per_milestone;
        verify::Order {
            tiers: tiers
                .into_iter()
                .map(|(tier, commands)| (tier, commands.to_vec()))
                .collect(),
            reasons,
            cwd: self.context.verification_cwd(),
            run_dir: self.context.run_dir(),
            label: label.to_owned(),
            env,
            budget: Duration::from_secs(seconds),
        }
    }

    fn commit(&mut self) -> Result<()> {
        // Checks and reviewers run code too: what is committed is judged once more, right before.
        self.guard_tree()?;
        let Some(seen) = self
            .seen
            .take()
            .filter(|_| !self.recorder.state.is_stopped())
        else {
            return Ok(());
        };
        let state = &self.recorder.state;
        let made = checkpoint::commit(
            &self.context.git,
            &self.context.run_dir(),
            &self.context.run_id,
            state,
            &seen,
            &self.context.author,
        )?;
        self.baseline.guarded = self
            .context
            .guard(state)?
            .guarded_prints(self.context.git.dir(), &seen.status)?;
        self.recorder
            .files
            .cache(BASELINE)
            .replace(&runr_core::phase::ops::to_text(&self.baseline)?)?;
        self.record_checkpoint(&made)
    }

    pub(crate) fn record_checkpoint(&mut self, made: &checkpoint::Commit) -> Result<()> {
        let events = checkpoint::record(
            &self.context.host,
            &self.context.layout.checkpoints(),
            &self.context.run_id,
            &self.recorder.state,
            made,
        );
        self.recorder.record_all(SUPERVISOR, &events)
    }

    /// Finds the checkpoint that a dead driver committed, but did not live to record.
    pub(crate) fn adopt_checkpoint(&mut self) -> Result<()> {
        let Some(seen) = self
            .seen
            .as_ref()
            .filter(|_| !self.recorder.state.is_stopped())
        else {
            return Ok(());
        };
        let state = &self.recorder.state;
        if seen.status.head == state.expected_head() {
            return Ok(());
        }
        let found = checkpoint::find(
            &self.context.git,
            &self.context.run_id,
            state.milestone_index,
            &seen.status.head,
        )?;
        if let Some(made) = found {
            self.record_checkpoint(&made)?;
            self.seen = None;
        }
        Ok(())
    }
}

fn announce(
    recorder: &mut Recorder,
    call: &WorkerCall,
    process: &ProcessIdentity,
    log: &str,
) -> Result<()> {
    let started = CallStarted {
        call_id: call.id.clone(),
        stage: call.stage,
        attempt: call.attempt,
        milestone_index: call.milestone,
        worker: call.worker.clone(),
        log: Some(log.to_owned()),
        pid: Some(process.pid),
        start: Some(process.start),
        boot_id: Some(process.boot_id.clone()),
    };
    recorder.record(SUPERVISOR, &Event::WorkerCallStarted(started))
}

fn name(branch: Option<&String>) -> &str {
    branch.map_or("no branch", String::as_str)
}

fn no_milestone() -> Error {
    Error::internal("there is no milestone to work on")
}

fn late() -> Error {
    Error::new(Code::CallLate, "Reply came after the deadline or stop")
        .hint("ask for the next call")
}
