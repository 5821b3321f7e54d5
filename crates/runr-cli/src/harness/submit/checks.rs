//! All checks of the configuration, run on a result.
//!
//! The timeline of the run says how it went when it was made; what is checked here is something else,
//! so it has logs of its own and no event.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::phase::model::Tier;
use runr_core::phase::submit::FailedCheck;
use runr_core::redact::Redactor;
use runr_core::{Error, Result};

use super::Submission;
use super::prepare::Preparation;
use crate::harness::context::{child_env, redactor};
use crate::harness::process::{self, End, Log, Spec, What};
use crate::harness::setup;

/// What the checks say of a result.
pub(super) enum Checked {
    /// There are none, and the run was started without any.
    Unverified,
    Passed,
    Failed(FailedCheck),
    Interrupted,
}

/// Runs every tier in `tree`, under one deadline. The first failure is the end.
pub(super) fn run(of: &Submission<'_>, tree: &Utf8Path) -> Result<Checked> {
    let verification = &of.config.verification;
    let seconds = verification.max_verify_time_per_milestone;
    let pass = Pass {
        of,
        cwd: match verification.cwd.as_deref() {
            Some(dir) => tree.join(dir),
            None => tree.to_owned(),
        },
        env: environment(of, tree),
        logs: log_dir(of.files.dir())?,
        deadline: Instant::now() + Duration::from_secs(seconds),
        redactor: redactor(&of.config, of.host),
    };
    let log = pass.logs.join("setup.log");
    let preparation = Preparation {
        tree,
        env: &pass.env,
        log: log.as_str(),
        deadline: pass.deadline,
        redactor: &pass.redactor,
    };
    if !preparation.run(of)? {
        return Ok(Checked::Interrupted);
    }
    for tier in Tier::ALL {
        for (index, command) in verification.tier(*tier).iter().enumerate() {
            match pass.run(*tier, index + 1, command)? {
                Checked::Passed => {}
                other => return Ok(other),
            }
        }
    }
    Ok(Checked::Passed)
}

/// The variables of every check. The tree is the mark by which its processes are found.
fn environment(of: &Submission<'_>, tree: &Utf8Path) -> Vec<(String, String)> {
    let mut env = child_env(of.run_id(), tree, None);
    env.extend(setup::variables(&of.layout.repo_root, tree, None));
    env.push(("CI".to_owned(), "1".to_owned()));
    env
}

/// A directory below `logs` that no other pass has, relative to the run directory.
fn log_dir(run_dir: &Utf8Path) -> Result<Utf8PathBuf> {
    let mut number = 1;
    loop {
        let name = Utf8PathBuf::from(format!("logs/submit-{number:02}"));
        let path = run_dir.join(&name);
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Error::io("create", &path, error)),
        }
    }
}

/// What all checks of one pass share.
struct Pass<'a> {
    of: &'a Submission<'a>,
    cwd: Utf8PathBuf,
    env: Vec<(String, String)>,
    logs: Utf8PathBuf,
    deadline: Instant,
    redactor: Redactor,
}

impl Pass<'_> {
    fn run(&self, tier: Tier, number: usize, command: &String) -> Result<Checked> {
        let name = self.logs.join(format!("{tier}-{number}.log"));
        let log = &self.of.files.dir().join(&name);
        let failed = |source| Error::io("run a verification command, log", log, source);
        let stdout = Log::fresh(self.of.files.dir(), name.as_str()).map_err(failed)?;
        let name = stdout.name.clone();
        let spec = Spec {
            what: What::Command(command),
            cwd: &self.cwd,
            env: &self.env,
            stdout,
            stderr: None,
            redactor: &self.redactor,
        };
        let child = process::spawn(spec).map_err(failed)?;
        let cancel = &self.of.host.cancel;
        let ended = child.run("", self.deadline, cancel).map_err(failed)?;
        let (exit_code, timed_out) = match ended.end {
            End::Exited(0) => return Ok(Checked::Passed),
            End::Cancelled => return Ok(Checked::Interrupted),
            End::Exited(code) => (code, false),
            End::TimedOut => (-1, true),
        };
        Ok(Checked::Failed(FailedCheck {
            tier,
            command: command.clone(),
            exit_code,
            timed_out,
            log: name,
        }))
    }
}
