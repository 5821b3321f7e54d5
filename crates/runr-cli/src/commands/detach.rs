//! `--detach`: the command again, in a session of its own, with a log instead of a terminal.
//!
//! The child reports over its standard output, a pipe, that the run is recorded or refused, and
//! then gives that pipe up. The caller waits for the report and for nothing else.

use std::fs::File;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::{Code, Error, Result};
use serde_json::Value;

use super::Invocation;
use crate::harness::{Driver, Layout};
use crate::host::Host;
use crate::presence;

/// Set in the detached child: the path of its log until the run is recorded.
const LOG_VARIABLE: &str = "RUNR_DETACHED_LOG";

/// What is told at once, and has no run that goes on.
const FOREGROUND: [&str; 3] = ["manual_task", "dry_run", "complete"];

/// Whether this process is the detached child.
pub(crate) fn is_detached(host: &Host) -> bool {
    host.var(LOG_VARIABLE).is_some()
}

/// Starts the detached child and waits for its report; nothing if that says that there is nothing to
/// run in the background.
pub(crate) fn start(call: &Invocation<'_>, argv: &[String]) -> Result<Option<u8>> {
    let Some((program, prefix)) = call.host.self_command.split_first() else {
        return Err(
            Error::new(Code::Usage, "this host cannot start a detached runr")
                .hint("run without --detach"),
        );
    };
    let layout = Layout::find(&call.host.cwd.join(&call.root), call.host)?;
    let runs = layout.runs_dir();
    call.host.make_dirs(&runs)?;
    let log = runs.join(format!(".driver-{}.log", std::process::id()));
    let failed = |source| Error::io("start a detached runr with log", &log, source);
    // A leftover of an earlier process, or a link that somebody put there.
    drop(std::fs::remove_file(&log));
    let file = File::create_new(&log).map_err(failed)?;
    let output = Command::new(program)
        .args(prefix)
        .args(super::as_json(argv))
        .env(LOG_VARIABLE, log.as_str())
        .current_dir(&call.host.cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(file)
        .spawn()
        .and_then(read_report)
        .map_err(failed)?;
    let (report, exit) = output;
    let Ok(line) = serde_json::from_str::<Value>(&report) else {
        let tail = std::fs::read_to_string(&log).unwrap_or_default();
        return Err(
            Error::new(Code::Internal, "the detached runr ended before it reported")
                .at(log.clone())
                .with("log_tail", runr_core::phase::rules::tail(&tail, 2000)),
        );
    };
    let started = line.get("status").and_then(Value::as_str) == Some("started");
    if !started {
        // The log of a refusal holds nothing that the report does not say.
        drop(std::fs::remove_file(&log));
    }
    if line
        .get("status")
        .and_then(Value::as_str)
        .is_some_and(|it| FOREGROUND.contains(&it))
    {
        return Ok(None);
    }
    show(call, &line, started);
    Ok(Some(if started {
        0
    } else {
        exit.unwrap_or_else(|| exit_of(&line))
    }))
}

/// Reads until the child gives the pipe up; its exit status is known if it ended by then.
fn read_report(mut child: std::process::Child) -> std::io::Result<(String, Option<u8>)> {
    use std::io::Read;
    let mut report = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut report)?;
    }
    // A child that refused ends right after its report.
    for _ in 0..40 {
        if let Some(status) = child.try_wait()? {
            return Ok((
                report,
                status.code().and_then(|code| u8::try_from(code).ok()),
            ));
        }
        if report.contains("\"status\":\"started\"") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    Ok((report, None))
}

fn exit_of(line: &Value) -> u8 {
    line.get("code")
        .and_then(Value::as_str)
        .and_then(Code::parse)
        .map_or(1, Code::exit)
}

fn show(call: &Invocation<'_>, line: &Value, started: bool) {
    let text = |key: &str| {
        line.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    if call.json {
        call.console.json_line(line);
    } else if started {
        call.console
            .line(&format!("Run {} started in the background", text("run_id")));
        call.console
            .line(&format!("log: {}/logs/driver.log", text("run_dir")));
        call.console
            .line(&format!("runr status {}", text("run_id")));
    } else if let Some(code) = line
        .get("code")
        .and_then(Value::as_str)
        .and_then(Code::parse)
    {
        call.console.error(&refusal(code, line));
    } else {
        call.console.json_line(line);
    }
}

/// The error that the child reported, with all it said.
fn refusal(code: Code, line: &Value) -> Error {
    const KNOWN: [&str; 4] = ["error", "code", "message", "hint"];
    let text = |key: &str| line.get(key).and_then(Value::as_str);
    let mut error = Error::new(code, text("message").unwrap_or_default());
    if let Some(hint) = text("hint") {
        error = error.hint(hint);
    }
    let context = line.as_object().into_iter().flatten();
    for (name, value) in context.filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
        error = error.with(name, value.clone());
    }
    error
}

/// In the detached child: the run is recorded, so the log moves to its place, the pipe to the caller
/// is closed and the terminal is left behind.
pub(crate) fn report_recorded(call: &Invocation<'_>, driver: &Driver) -> Result<()> {
    let Some(log) = call.host.var(LOG_VARIABLE).map(Utf8PathBuf::from) else {
        return Ok(());
    };
    let run_dir = Layout::find(&call.host.cwd.join(&call.root), call.host)?
        .store()
        .run_dir(driver.run_id());
    let place: &Utf8Path = &run_dir.join("logs/driver.log");
    keep_earlier(place)?;
    std::fs::rename(&log, place).map_err(|source| Error::io("rename", &log, source))?;
    // The pipe must close for the caller to go on; what is printed from here on belongs in the log.
    rustix::stdio::dup2_stdout(std::io::stderr())
        .map_err(|e| Error::io("redirect output to", place, e.into()))
}

/// Moves the log of an earlier session aside.
fn keep_earlier(log: &Utf8Path) -> Result<()> {
    let mut earlier = (1..).map(|n| log.with_extension(format!("{n}.log")));
    while presence::link_metadata(log)?.is_some() {
        let Some(aside) = earlier.next() else { break };
        if presence::link_metadata(&aside)?.is_none() {
            std::fs::rename(log, &aside).map_err(|source| Error::io("rename", log, source))?;
        }
    }
    Ok(())
}

/// In the detached child, first of all: a session of its own, so that no terminal can end it.
pub(crate) fn leave_terminal(host: &Host) {
    if is_detached(host) {
        // Fails only for a process that leads its group already, and then there is nothing to leave.
        let _session = rustix::process::setsid();
    }
}
