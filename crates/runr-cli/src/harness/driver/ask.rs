//! Asking: what a worker is told, and how its answer is fetched.

use std::time::{Duration, Instant};

use runr_core::mutant::without;
use runr_core::phase::event::{CallStarted, Event, FailureKind, ProcessIdentity};
use runr_core::phase::model::Stage;
use runr_core::phase::reply::parse_reply;
use runr_core::phase::reply_schema::reply_schema;
use runr_core::phase::rules;
use runr_core::{Error, Result};

use super::{Driver, Fix, WorkerCall, no_milestone};
use crate::harness::context::Workers;
use crate::harness::orphans::end_orphans;
use crate::harness::process::{End, Ended, Log, head_of};
use crate::harness::recorder::{Recorder, SUPERVISOR};
use crate::harness::script;
use crate::harness::worker::{Answer, CallEnd, CallLog, ProcessCall, failed};

impl Driver {
    /// The next question, unless the tree is not the one to ask it in: then the run has stopped.
    pub(super) fn compose_in_place(
        &mut self,
        stage: Stage,
        worker: String,
        attempt: u32,
    ) -> Result<Option<WorkerCall>> {
        match self.out_of_place()? {
            Some(stop) => {
                self.recorder.record_all(SUPERVISOR, &stop)?;
                Ok(None)
            }
            None => self.compose(stage, worker, attempt).map(Some),
        }
    }

    fn compose(&mut self, stage: Stage, worker: String, attempt: u32) -> Result<WorkerCall> {
        let prompts = &self.context.prompts;
        let prompt = match stage {
            Stage::Plan => prompts.plan(&self.recorder.state, &self.context.task_text, attempt),
            Stage::Implement => {
                let state = &self.recorder.state;
                let milestone = state.milestone().ok_or_else(no_milestone)?;
                self.context.prompts.implement(
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
                self.context.prompts.review(
                    state,
                    milestone,
                    &self.context.task_text,
                    &gate,
                    &change,
                    attempt,
                )
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
            schema: reply_schema(stage),
            worker,
            fix,
        })
    }

    /// The first part of the output the implementer has to react to.
    pub(super) fn failing_output(&self) -> String {
        let failure = self.recorder.state.last_verify_failure.as_ref();
        let log = failure.and_then(|failure| failure.log.as_ref());
        let text = log.map(|log| head_of(&self.context.run_dir().join(log), 8 * 1024));
        text.unwrap_or_default().chars().take(2000).collect()
    }

    /// How long one call may take: the hard cap, or what is left of the time budget.
    pub(super) fn patience(&self) -> Duration {
        let minutes = self.context.config.resilience.max_worker_call_minutes;
        Duration::from_secs_f64((minutes * 60.0).clamp(0.0, 1e9)).min(self.time_left())
    }

    pub(super) fn time_left(&self) -> Duration {
        rules::time_left(&self.recorder.state, self.context.host.clock.now())
    }

    /// Gives a worker whose answer could not be read a moment before it is asked again; `false`
    /// when the user wants to stop.
    fn pause_before(&self, attempt: u32) -> bool {
        let base = match attempt {
            0 | 1 => return true,
            _ if without("retry-pause") => return true,
            2 => 250,
            _ => 1000,
        };
        // Up to half as much again, so that several runs do not come back together.
        let spread = u64::from(std::process::id()) % (base / 2);
        let until = Instant::now() + Duration::from_millis(base + spread);
        while Instant::now() < until && !self.halt.is_cancelled() {
            std::thread::sleep(Duration::from_millis(20));
        }
        !self.halt.is_cancelled()
    }

    pub(super) fn announce(
        &mut self,
        call: &WorkerCall,
        process: Option<&ProcessIdentity>,
        log: Option<&str>,
    ) -> Result<()> {
        announce(&mut self.recorder, call, process, log)
    }

    /// Asks the configured worker; `None` when the user wants to stop.
    pub(super) fn ask(&mut self, call: &WorkerCall) -> Result<Option<CallEnd>> {
        let deadline = Instant::now() + self.patience();
        if let Workers::Script(_) = &self.context.workers {
            self.context.may_act()?;
            self.announce(call, None, None)?;
            return self.play(call, deadline);
        }
        if !self.pause_before(call.attempt) {
            return Ok(None);
        }
        self.context.may_act()?;
        let worker = self.context.config.workers.get(&call.worker).cloned();
        let worker = worker.ok_or_else(|| {
            Error::internal(format!("worker `{}` is not configured", call.worker))
        })?;
        let run_dir = self.context.run_dir();
        let (stdout, stderr) = self
            .logs(call)
            .map_err(|source| Error::io("create a log in", &run_dir, source))?;
        let relative = stdout.name.clone();
        let asked = ProcessCall {
            worker: &worker,
            name: &call.worker,
            stage: call.stage,
            root: &self.context.layout.repo_root,
            cwd: self.context.git.dir(),
            env: &self.context.env,
            log: run_dir.join(&stdout.name),
            complaints: run_dir.join(&stderr.name),
            redactor: &self.context.redactor,
        };
        let child = asked.spawn(stdout, stderr)?;
        let identity = child.identity.clone();
        if let Err(error) = announce(&mut self.recorder, call, Some(&identity), Some(&relative)) {
            child.abandon();
            return Err(error);
        }
        let cancel = self.halt.clone();
        let ended = child.run(&call.prompt, deadline, &cancel);
        end_orphans(&run_dir);
        let Ended { end, sha256 } =
            ended.map_err(|e| Error::io("wait for worker, log", &asked.log, e))?;
        if end == End::Cancelled {
            return Ok(None);
        }
        let heard = asked.read(end, self.context.host.clock.now())?;
        let log = Some(CallLog {
            path: relative,
            sha256,
        });
        Ok(Some(CallEnd {
            answer: heard.answer,
            exit_code: heard.exit_code,
            usage: heard.usage,
            log,
        }))
    }

    /// The logs of a call: standard output, and beside it standard error.
    fn logs(&self, call: &WorkerCall) -> std::io::Result<(Log, Log)> {
        let run_dir = self.context.run_dir();
        let number = self.recorder.state.calls_started + 1;
        let (milestone, attempt, stage) = (call.milestone + 1, call.attempt, call.stage);
        let name = format!("logs/worker/m{milestone:02}-a{attempt}-{stage}-{number}.log");
        let stdout = Log::fresh(&run_dir, &name)?;
        let stderr = Log::fresh(&run_dir, &format!("{}.err", stdout.name))?;
        Ok((stdout, stderr))
    }

    pub(super) fn play(&self, call: &WorkerCall, deadline: Instant) -> Result<Option<CallEnd>> {
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
            redactor: &self.context.redactor,
        };
        let git = self.context.git.at(self.context.git.dir());
        let (answer, exit_code) = match script.play(&step, &git, deadline, &self.halt)? {
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
}

fn announce(
    recorder: &mut Recorder,
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
        pid: process.map(|process| process.pid),
        start: process.map(|process| process.start),
        boot_id: process.map(|process| process.boot_id.clone()),
    };
    recorder.record(SUPERVISOR, &Event::WorkerCallStarted(started))
}
