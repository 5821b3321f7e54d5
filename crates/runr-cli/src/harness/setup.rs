//! The preparation of a worktree: what is copied into it, and the commands that are run in it.

pub(crate) mod copy;

use std::time::Instant;

use camino::Utf8Path;
use runr_core::fs::CancelFlag;
use runr_core::phase::config::Config;
use runr_core::phase::event::CommandStarted;
use runr_core::phase::include::INCLUDE_FILE;
use runr_core::phase::ops::{RunFiles, to_text};
use runr_core::redact::Redactor;
use runr_core::{Error, Result};
use serde_json::{Value, json};

use super::orphans;
use super::process::{self, End, Log, Spec, What};
use crate::presence;

/// The output of all set-up commands of a run.
pub(crate) const LOG: &str = "logs/setup.log";
/// Says whether a worktree that was made again has been prepared.
const READY: &str = "setup.json";

/// Commands to run one after the other in a worktree.
pub(crate) struct Order<'a> {
    pub(crate) commands: &'a [String],
    pub(crate) cwd: &'a Utf8Path,
    /// Whose processes they are; the log is relative to it.
    pub(crate) run_dir: &'a Utf8Path,
    pub(crate) log: &'a str,
    /// Besides `CI=1`.
    pub(crate) env: &'a [(String, String)],
    pub(crate) deadline: Instant,
    /// What no log may hold.
    pub(crate) redactor: &'a Redactor,
}

/// How the commands ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    Failed { command: String, exit_code: i32 },
    TimedOut { command: String },
    Cancelled,
}

/// Runs the commands; the first one that fails ends it. `journal` hears of each one before it does
/// anything. Nothing that they started is left when this returns.
pub(crate) fn run(
    order: &Order<'_>,
    cancel: &CancelFlag,
    journal: &mut dyn FnMut(CommandStarted) -> Result<()>,
) -> Result<Ended> {
    let mut env = order.env.to_vec();
    env.push(("CI".to_owned(), "1".to_owned()));
    for command in order.commands {
        let ended = run_one(command, &env, order, cancel, journal);
        orphans::end_orphans(order.run_dir);
        match ended? {
            Ended::Done => {}
            early => return Ok(early),
        }
    }
    Ok(Ended::Done)
}

fn run_one(
    command: &String,
    env: &[(String, String)],
    order: &Order<'_>,
    cancel: &CancelFlag,
    journal: &mut dyn FnMut(CommandStarted) -> Result<()>,
) -> Result<Ended> {
    let log = order.run_dir.join(order.log);
    let failed = |source| Error::io("run a set-up command, log", &log, source);
    let stdout = Log::continued(order.run_dir, order.log).map_err(failed)?;
    let name = stdout.name.clone();
    let spec = Spec {
        what: What::Command(command),
        cwd: order.cwd,
        env,
        stdout,
        stderr: None,
        redactor: order.redactor,
    };
    let child = process::spawn(spec).map_err(failed)?;
    let started = CommandStarted {
        kind: "setup".to_owned(),
        tier: None,
        command: command.clone(),
        log: name,
        pid: child.identity.pid,
        start: child.identity.start,
        boot_id: child.identity.boot_id.clone(),
    };
    if let Err(error) = journal(started) {
        child.abandon();
        return Err(error);
    }
    let command = command.clone();
    let ended = child.run("", order.deadline, cancel).map_err(failed)?;
    Ok(match ended.end {
        End::Exited(0) => Ended::Done,
        End::Exited(exit_code) => Ended::Failed { command, exit_code },
        End::TimedOut => Ended::TimedOut { command },
        End::Cancelled => Ended::Cancelled,
    })
}

/// Tells a command where it works, and for whom. A detached tree has no branch.
pub(crate) fn variables(
    main: &Utf8Path,
    tree: &Utf8Path,
    branch: Option<&str>,
) -> [(String, String); 3] {
    [
        ("RUNR_MAIN_REPO", main.as_str()),
        ("RUNR_WORKTREE", tree.as_str()),
        ("RUNR_BRANCH", branch.unwrap_or_default()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// Whether a fresh worktree of this repository is to be prepared at all.
pub(crate) fn is_wanted(config: &Config, main: &Utf8Path) -> Result<bool> {
    let worktree = &config.worktree;
    let is_configured = !worktree.setup.is_empty() || !worktree.copy.is_empty();
    Ok(is_configured || presence::link_metadata(&main.join(INCLUDE_FILE))?.is_some())
}

/// Notes that a worktree is made again: until it is prepared, nobody may take it for whole.
pub(crate) fn note_unready(files: &RunFiles) -> Result<()> {
    note(files, false)
}

/// Notes that the worktree is prepared, if the opposite was noted.
pub(crate) fn note_ready(files: &RunFiles) -> Result<()> {
    if is_unready(files)? {
        note(files, true)
    } else {
        Ok(())
    }
}

fn note(files: &RunFiles, ready: bool) -> Result<()> {
    files
        .cache(READY)
        .replace(&to_text(&json!({"ready": ready}))?)
}

/// Whether the preparation of a worktree that was made again has not come to its end.
pub(crate) fn is_unready(files: &RunFiles) -> Result<bool> {
    let Some(text) = files.cache(READY).read()? else {
        return Ok(false);
    };
    // A note that cannot be read costs a preparation.
    let note: Value = serde_json::from_str(&text).unwrap_or_default();
    Ok(note.get("ready") != Some(&Value::Bool(true)))
}
