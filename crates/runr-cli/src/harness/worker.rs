//! Asks a configured worker: a child process, or the script that stands in for one.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::mutant::without;
use runr_core::phase::config::Worker;
use runr_core::phase::event::{FailureKind, Usage};
use runr_core::phase::failure::{failure_by_words, told_failure};
use runr_core::phase::model::Stage;
use runr_core::phase::reply::{parse_reply, unwrap_output};
use runr_core::phase::rules::WorkerFailure;
use runr_core::phase::usage::usage_of;
use runr_core::redact::Redactor;
use runr_core::{Error, Result, Timestamp};

use super::process::{self, End, Log, Spec, What};
use crate::host::Host;

/// How much of an output is searched for the answer, from its end, and then from its beginning; what
/// else a worker prints is progress.
const ANSWER_LIMIT: u64 = 4 * 1024 * 1024;
/// How much is looked at of what a failed worker complains of.
const STDERR_LIMIT: u64 = 256 * 1024;

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

/// What a process said.
pub(crate) struct Heard {
    pub(crate) answer: Answer,
    pub(crate) exit_code: Option<i32>,
    pub(crate) usage: Option<Usage>,
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

/// What is started for a worker: a name, or a path from the main checkout, wherever one stands. The
/// copy in a worktree is the work of whoever works there.
fn program(root: &Utf8Path, worker: &Worker) -> Utf8PathBuf {
    if worker.bin.contains('/') && !without("main-program") {
        root.join(&worker.bin)
    } else {
        worker.bin.as_str().into()
    }
}

/// The binary of a worker of the repository at `root`, as it would be started.
pub(crate) fn find_binary(host: &Host, root: &Utf8Path, worker: &Worker) -> Option<Utf8PathBuf> {
    let program = program(root, worker);
    if program.as_str().contains('/') {
        return is_runnable(&program).then_some(program);
    }
    find_on_path(host, program.as_str())
}

/// The program of this name, as a shell would find it.
pub(crate) fn find_on_path(host: &Host, name: &str) -> Option<Utf8PathBuf> {
    let dirs = host.var("PATH").unwrap_or_default().split(':');
    dirs.map(|dir| Utf8Path::new(dir).join(name))
        .find(|path| is_runnable(path))
}

/// Whether this is a program.
pub(crate) fn is_runnable(path: &Utf8Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// The arguments of a worker that works in `cwd`.
pub(crate) fn arguments(name: &str, worker: &Worker, cwd: &Utf8Path) -> Vec<String> {
    let mut args = worker.args.clone();
    // It looks for its repository by itself otherwise, and may find another one.
    if name == "codex" || Utf8Path::new(&worker.bin).file_name() == Some("codex") {
        args.extend(["-C".to_owned(), cwd.to_string()]);
    }
    args
}

/// One call of a process worker.
pub(crate) struct ProcessCall<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) name: &'a str,
    pub(crate) stage: Stage,
    /// The main checkout.
    pub(crate) root: &'a Utf8Path,
    pub(crate) cwd: &'a Utf8Path,
    pub(crate) env: &'a [(String, String)],
    /// Where standard output goes, and where standard error.
    pub(crate) log: Utf8PathBuf,
    pub(crate) complaints: Utf8PathBuf,
    pub(crate) redactor: &'a Redactor,
}

impl ProcessCall<'_> {
    /// Starts the worker up to its gate.
    pub(crate) fn spawn(&self, stdout: Log, stderr: Log) -> Result<process::Gated> {
        let mut argv = vec![program(self.root, self.worker).into_string()];
        argv.extend(arguments(self.name, self.worker, self.cwd));
        let spec = Spec {
            what: What::Program(&argv),
            cwd: self.cwd,
            env: self.env,
            stdout,
            stderr: Some(stderr),
            redactor: self.redactor,
        };
        process::spawn(spec)
            .map_err(|source| Error::io("start worker", Utf8Path::new(&self.worker.bin), source))
    }

    /// What the finished process said, and what it consumed. How it ended is looked at before any
    /// word.
    pub(crate) fn read(&self, end: End, now: Timestamp) -> Result<Heard> {
        let unreadable = |source| Error::io("read", &self.log, source);
        let stdout = process::tail_of(&self.log, ANSWER_LIMIT).map_err(unreadable)?;
        let (answer, exit_code) = match end {
            End::TimedOut => {
                let message = "the call passed its deadline";
                (failed(FailureKind::Timeout, message), None)
            }
            End::Cancelled => {
                let message = "the call was interrupted";
                (failed(FailureKind::Crash, message), None)
            }
            End::Exited(code) => (self.answer(code, &stdout, now), Some(code)),
        };
        Ok(Heard {
            answer,
            exit_code,
            usage: usage_of(self.worker.output, &stdout),
        })
    }

    fn answer(&self, exit_code: i32, stdout: &str, now: Timestamp) -> Answer {
        let mode = self.worker.output;
        if let Some(failure) = told_failure(mode, stdout, now) {
            return Answer::Failed(failure);
        }
        let (text, is_answer) = self.find_answer(stdout);
        if exit_code == 0 || is_answer {
            return Answer::Text(text);
        }
        let stderr = process::tail_of(&self.complaints, STDERR_LIMIT).unwrap_or_default();
        if stdout.trim().is_empty() && parse_reply(self.stage, &stderr).is_ok() {
            return Answer::Text(stderr);
        }
        Answer::Failed(failure_by_words(exit_code, mode, stdout, &stderr, now))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claude_has_a_name_of_its_own() {
        assert_eq!(display_name("claude"), "claude-code");
        assert_eq!(display_name("codex"), "codex");
    }
}
