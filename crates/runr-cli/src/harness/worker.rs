//! Asks a configured worker: a child process, or the script that stands in for one.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::phase::config::{Config, Worker};
use runr_core::phase::event::{FailureKind, Usage};
use runr_core::phase::model::Stage;
use runr_core::phase::reply::{parse_reply, unwrap_output};
use runr_core::phase::rules::WorkerFailure;
use runr_core::redact::Redactor;
use runr_core::{Code, Error, Result};

use super::process::{self, End, Spec, What};
use crate::host::Host;

/// How much of an output is searched for the answer, from its end, and then from its beginning; what
/// else a worker prints is progress.
const ANSWER_LIMIT: u64 = 4 * 1024 * 1024;
const PROBE: Duration = Duration::from_secs(5);

/// What a worker gave back.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Text that should hold a reply.
    Text(String),
    /// The worker itself failed.
    Failed(WorkerFailure),
}

/// An answer with what is known about the call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CallEnd {
    pub(crate) answer: Answer,
    pub(crate) exit_code: Option<i32>,
    pub(crate) usage: Option<Usage>,
    pub(crate) log: Option<CallLog>,
}

/// A log by its path in the run directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallLog {
    pub(crate) path: String,
    pub(crate) sha256: String,
}

/// The name people know a worker by.
#[must_use]
pub fn display_name(key: &str) -> &str {
    if key == "claude" { "claude-code" } else { key }
}

/// The binary of a worker, as it would be started.
pub(crate) fn find_binary(host: &Host, worker: &Worker) -> Option<Utf8PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let runnable = |path: &Utf8Path| {
        path.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if worker.bin.contains('/') {
        let path = host.cwd.join(&worker.bin);
        return runnable(&path).then_some(path);
    }
    let dirs = host.var("PATH").unwrap_or_default().split(':');
    dirs.map(|dir| Utf8Path::new(dir).join(&worker.bin))
        .find(|path| runnable(path))
}

/// What `--version` printed, within five seconds.
pub(crate) fn version_of(host: &Host, worker: &Worker) -> std::result::Result<String, String> {
    use std::os::unix::process::CommandExt;
    let Some(binary) = find_binary(host, worker) else {
        return Err("not on PATH".to_owned());
    };
    let mut child = std::process::Command::new(binary)
        .arg("--version")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|problem| problem.to_string())?;
    let group = rustix::process::Pid::from_child(&child);
    let deadline = Instant::now() + PROBE;
    loop {
        match child.try_wait() {
            Err(problem) => return Err(problem.to_string()),
            Ok(Some(status)) if status.success() => break,
            Ok(Some(status)) => return Err(format!("`--version` failed: {status}")),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                let pid = rustix::process::Pid::from_child(&child);
                // Already gone is as good.
                let _gone = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
                let _reaped = child.wait();
                return Err("`--version` did not answer within 5 s".to_owned());
            }
        }
    }
    // What it left behind may hold the pipe open.
    let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    let output = child
        .wait_with_output()
        .map_err(|problem| problem.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned())
}

/// Makes sure that every worker a run may ask can be started.
///
/// # Errors
/// `E_WORKER_NOT_FOUND`.
pub(crate) fn probe(host: &Host, config: &Config, names: &[&str], ask_version: bool) -> Result<()> {
    for name in names {
        let missing = |detail: &str| {
            Error::new(
                Code::WorkerNotFound,
                format!("{} not found", display_name(name)),
            )
            .with("worker", *name)
            .with("detail", detail)
            .hint("runr doctor")
        };
        let worker = config
            .workers
            .get(name)
            .ok_or_else(|| missing("not configured"))?;
        if find_binary(host, worker).is_none() {
            return Err(missing(&format!("`{}` is not on PATH", worker.bin)));
        }
        if ask_version {
            version_of(host, worker).map_err(|why| missing(&why))?;
        }
    }
    Ok(())
}

/// One call of a process worker.
pub(crate) struct ProcessCall<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) name: &'a str,
    pub(crate) stage: Stage,
    pub(crate) cwd: &'a Utf8Path,
    pub(crate) env: &'a [(String, String)],
    /// Standard output; standard error goes beside it with `.err` appended.
    pub(crate) log: Utf8PathBuf,
    pub(crate) redactor: &'a Redactor,
}

impl ProcessCall<'_> {
    /// Starts the worker up to its gate.
    pub(crate) fn spawn(&self) -> Result<process::Gated> {
        let mut argv = vec![self.worker.bin.clone()];
        argv.extend(self.worker.args.iter().cloned());
        if self.name == "codex" {
            argv.extend(["-C".to_owned(), self.cwd.to_string()]);
        }
        let stderr = Utf8PathBuf::from(format!("{}.err", self.log));
        let spec = Spec {
            what: What::Program(&argv),
            cwd: self.cwd,
            env: self.env,
            stdout: &self.log,
            stderr: Some(&stderr),
            redactor: self.redactor,
        };
        process::spawn(&spec)
            .map_err(|source| Error::io("start worker", Utf8Path::new(&self.worker.bin), source))
    }

    /// What the finished process said. Exit code and timeout are looked at before any word.
    pub(crate) fn read(&self, end: End) -> Result<(Answer, Option<i32>)> {
        let unreadable = |source| Error::io("read", &self.log, source);
        let code = match end {
            End::TimedOut => {
                let message = "the call passed its deadline".to_owned();
                return Ok((failed(FailureKind::Timeout, message), None));
            }
            End::Cancelled => {
                let message = "the call was interrupted".to_owned();
                return Ok((failed(FailureKind::Crash, message), None));
            }
            End::Exited(code) => code,
        };
        let stdout = process::tail_of(&self.log, ANSWER_LIMIT).map_err(unreadable)?;
        let (text, is_answer) = self.find_answer(&stdout);
        if code == 0 || is_answer {
            return Ok((Answer::Text(text), Some(code)));
        }
        let stderr = process::tail_of(&Utf8PathBuf::from(format!("{}.err", self.log)), 4096)
            .unwrap_or_default();
        let said = format!("{stderr}\n{}", runr_core::phase::rules::tail(&stdout, 4096));
        let message = format!(
            "exit code {code}: {}",
            runr_core::phase::rules::tail(said.trim(), 500)
        );
        Ok((failed(kind_of(&said), message), Some(code)))
    }

    /// The text that should hold the reply, and whether it does. `tail` is the end of the output.
    fn find_answer(&self, tail: &str) -> (String, bool) {
        let is_answer = |text: &String| parse_reply(self.stage, text).is_ok();
        let text = unwrap_output(self.worker.output, tail);
        if is_answer(&text) {
            return (text, true);
        }
        let length = self.log.metadata().map_or(0, |metadata| metadata.len());
        let head = (length > ANSWER_LIMIT).then(|| process::head_of(&self.log, ANSWER_LIMIT));
        let head = head.map(|head| unwrap_output(self.worker.output, &head));
        match head.filter(is_answer) {
            Some(head) => (head, true),
            None => (text, false),
        }
    }
}

/// A failure that told nothing but its kind and its words.
pub(crate) fn failed(kind: FailureKind, message: impl Into<String>) -> Answer {
    Answer::Failed(WorkerFailure {
        kind,
        message: message.into(),
        retry_at: None,
    })
}

/// What a failed worker's words point to.
fn kind_of(said: &str) -> FailureKind {
    let said = said.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if any(&[
        "rate limit",
        "rate_limit",
        "usage limit",
        "too many requests",
        "429",
    ]) {
        FailureKind::RateLimit
    } else if any(&[
        "unauthorized",
        "not logged in",
        "please log in",
        "login expired",
        "invalid api key",
        "401",
    ]) {
        FailureKind::Auth
    } else if any(&[
        "econnrefused",
        "enotfound",
        "network error",
        "connection refused",
        "could not resolve",
    ]) {
        FailureKind::Network
    } else {
        FailureKind::Crash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_worker_is_told_apart_by_its_words() {
        assert_eq!(
            kind_of("Error: 429 Too Many Requests"),
            FailureKind::RateLimit
        );
        assert_eq!(kind_of("Please log in first"), FailureKind::Auth);
        assert_eq!(kind_of("connect ECONNREFUSED"), FailureKind::Network);
        assert_eq!(kind_of("Segmentation fault"), FailureKind::Crash);
    }

    #[test]
    fn claude_has_a_name_of_its_own() {
        assert_eq!(display_name("claude"), "claude-code");
        assert_eq!(display_name("codex"), "codex");
    }
}
