//! Telling a person that a run has stopped: one command of theirs, which can change nothing.

use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use runr_core::fs::CancelFlag;
use runr_core::phase::config::Config;
use runr_core::phase::event::{CommandStarted, Event};
use runr_core::phase::wait::{Awaited, wait_report};
use runr_core::redact::Redactor;
use runr_core::{Error, Result, RunId, Timestamp};

use super::context::{self, Layout};
use super::orphans::MARK;
use super::process::{self, End, Log, Spec, What};
use super::recorder::{Recorder, SUPERVISOR};
use super::setup;
use crate::host::Host;

const LOG: &str = "logs/notify.log";
/// How long the command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The command of `resilience.notify`, and what it is told.
#[derive(Debug, Clone)]
pub(crate) struct Notify {
    command: Option<String>,
    run_id: RunId,
    root: Utf8PathBuf,
    run_dir: Utf8PathBuf,
    redactor: Redactor,
}

impl Notify {
    pub(crate) fn new(config: &Config, layout: &Layout, run_id: &RunId, host: &Host) -> Self {
        Self {
            command: config.resilience.notify.clone(),
            run_id: run_id.clone(),
            root: layout.repo_root.clone(),
            run_dir: layout.store().run_dir(run_id),
            redactor: context::redactor(config, host),
        }
    }

    /// Runs the command for a stop that is recorded; returns what went wrong. The caller sees to it
    /// that no stop is told twice.
    pub(crate) fn tell(&self, recorder: &mut Recorder, now: Timestamp) -> Option<String> {
        let command = self.command.as_ref()?;
        let log = self.run_dir.join(LOG);
        let words = match self.run(command, recorder, now) {
            Ok(End::Exited(0)) => return None,
            Ok(End::Exited(code)) => format!("exited with {code}"),
            Ok(_) => format!("did not end within {} s", PATIENCE.as_secs()),
            Err(error) => format!("could not be run: {error}"),
        };
        Some(format!(
            "the command of resilience.notify {words}; see {log}"
        ))
    }

    fn run(&self, command: &str, recorder: &mut Recorder, now: Timestamp) -> Result<End> {
        let state = &recorder.state;
        let began = state.session.started_at;
        let elapsed = began.map_or(Duration::ZERO, |began| now.since(began));
        let run = (&self.run_id, self.run_dir.as_path());
        let elapsed = super::verify::millis(elapsed);
        let report = wait_report(state, false, Awaited::Terminal, run, elapsed, now);
        let mut text = serde_json::to_string(&report)
            .map_err(|e| Error::internal(format!("cannot print JSON: {e}")))?;
        text.push('\n');
        let reason = state.stop_reason.as_ref().map(ToString::to_string);
        let mut env = vec![
            ("RUNR_RUN_ID".to_owned(), self.run_id.to_string()),
            ("RUNR_STOP_REASON".to_owned(), reason.unwrap_or_default()),
            (MARK.to_owned(), self.run_dir.to_string()),
        ];
        let tree = state.repo_path.as_str().into();
        env.extend(setup::variables(&self.root, tree, state.branch.as_deref()));
        let failed = |source| Error::io("start in", &self.root, source);
        let log = Log::continued(&self.run_dir, LOG).map_err(failed)?;
        let name = log.name.clone();
        // A program, for a command line of the gate has no input.
        let words = ["/bin/sh", "-c", command].map(str::to_owned);
        let spec = Spec {
            what: What::Program(&words),
            cwd: &self.root,
            env: &env,
            stdout: log,
            stderr: None,
            redactor: &self.redactor,
        };
        let child = process::spawn(spec).map_err(failed)?;
        let started = Event::CommandStarted(CommandStarted {
            kind: "notify".to_owned(),
            tier: None,
            command: command.to_owned(),
            log: name,
            pid: child.identity.pid,
            start: child.identity.start,
            boot_id: child.identity.boot_id.clone(),
        });
        // A run whose timeline was tampered with is the one to be told of.
        let known = recorder.record(SUPERVISOR, &started);
        if let Err(error) = known.or_else(|_| recorder.record_regardless(&started)) {
            child.abandon();
            return Err(error);
        }
        // Whatever stopped the run does not stop this.
        let cancel = CancelFlag::new();
        let ended = child.run(&text, Instant::now() + PATIENCE, &cancel);
        Ok(ended.map_err(failed)?.end)
    }
}
