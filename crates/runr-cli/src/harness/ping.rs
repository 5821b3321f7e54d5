//! What workers are asked before a run: their version, and whether they answer at all.

mod flags;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use runr_core::phase::config::{Config, Worker};
use runr_core::phase::event::{BinaryCheck, BinaryResult, FailureKind, PingCheck, PingResult};
use runr_core::phase::failure::{failure_by_words, told_failure};
use runr_core::phase::rules::WorkerFailure;
use runr_core::{Code, Error, Result};

use super::process::End;
use super::question::{Question, Said};
use super::verify::millis;
use super::worker::{arguments, display_name, find_binary};
use crate::host::Host;

pub(crate) use flags::takes_flags;

const VERSION_LIMIT: Duration = Duration::from_secs(5);
/// How long a worker may take for its word before a run.
pub(crate) const PING_LIMIT: Duration = Duration::from_secs(15);
const PING: &str = "Answer with the single word: pong\n";

/// What workers call their versions, by their configured names.
pub(crate) type Versions = BTreeMap<String, String>;

/// The versions that a check heard of.
pub(crate) fn versions(check: &BinaryCheck) -> Versions {
    let heard = check.results.iter().filter_map(|worker| {
        let version = worker.version.clone()?;
        Some((worker.worker.clone(), version))
    });
    heard.collect()
}

/// What `--version` printed, within five seconds.
pub(crate) fn version_of(
    host: &Host,
    root: &Utf8Path,
    worker: &Worker,
) -> std::result::Result<String, String> {
    match find_binary(host, root, worker) {
        Some(binary) => version_of_binary(host, &binary),
        None => Err("not on PATH".to_owned()),
    }
}

/// The same of a program.
pub(crate) fn version_of_binary(
    host: &Host,
    binary: &Utf8Path,
) -> std::result::Result<String, String> {
    let question = Question {
        program: binary,
        args: &["--version".to_owned()],
        cwd: &host.cwd,
        input: "",
        limit: VERSION_LIMIT,
    };
    let said = question.ask(&host.cancel).map_err(|e| e.to_string())?;
    match said.end {
        End::Exited(0) => Ok(first_line(&said.stdout)),
        End::Exited(code) => Err(format!("`--version` failed: exit status: {code}")),
        End::TimedOut => Err("`--version` did not answer within 5 s".to_owned()),
        End::Cancelled => Err("`--version` was interrupted".to_owned()),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// Makes sure that every worker a run may ask can be started.
///
/// # Errors
/// `E_WORKER_NOT_FOUND`.
pub(crate) fn probe(
    host: &Host,
    root: &Utf8Path,
    config: &Config,
    names: &[&str],
    ask_version: bool,
) -> Result<BinaryCheck> {
    let mut results = Vec::new();
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
        if find_binary(host, root, worker).is_none() {
            return Err(missing(&format!("`{}` is not on PATH", worker.bin)));
        }
        let version = if ask_version {
            Some(version_of(host, root, worker).map_err(|why| missing(&why))?)
        } else {
            None
        };
        results.push(BinaryResult {
            ok: true,
            worker: (*name).to_owned(),
            version,
        });
    }
    Ok(BinaryCheck { ok: true, results })
}

/// Asks every one of these workers for a word in `cwd`, side by side, and waits for each as long as
/// `limit`.
pub(crate) fn ping(
    host: &Host,
    root: &Utf8Path,
    config: &Config,
    names: &[&str],
    cwd: &Utf8Path,
    limit: Duration,
) -> PingCheck {
    let results = std::thread::scope(|scope| {
        let ask = |name: &&str| {
            let name = (*name).to_owned();
            scope.spawn(move || ping_one(host, root, config, &name, cwd, limit))
        };
        let asked: Vec<_> = names.iter().map(ask).collect();
        let heard = asked.into_iter().map(|thread| {
            let heard = thread.join();
            heard.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        heard.collect::<Vec<PingResult>>()
    });
    if host.cancel.is_cancelled() {
        // Nobody waited for the answers; the run ends as interrupted, and not for want of one.
        return PingCheck::skipped();
    }
    PingCheck::of(results)
}

fn ping_one(
    host: &Host,
    root: &Utf8Path,
    config: &Config,
    name: &str,
    cwd: &Utf8Path,
    limit: Duration,
) -> PingResult {
    let since = Instant::now();
    let failure = answer_of(host, root, config, name, cwd, limit);
    PingResult {
        ok: failure.is_none(),
        worker: name.to_owned(),
        ms: millis(since.elapsed()),
        category: failure.as_ref().map(|failure| failure.kind.into()),
        message: failure.map(|failure| failure.message),
    }
}

/// What keeps the worker from answering, if anything does.
fn answer_of(
    host: &Host,
    root: &Utf8Path,
    config: &Config,
    name: &str,
    cwd: &Utf8Path,
    limit: Duration,
) -> Option<WorkerFailure> {
    let broken = |message: String| {
        Some(WorkerFailure {
            kind: FailureKind::Crash,
            message,
            retry_at: None,
        })
    };
    let Some(worker) = config.workers.get(name) else {
        return broken("not configured".to_owned());
    };
    let Some(program) = find_binary(host, root, worker) else {
        return broken(format!("`{}` is not on PATH", worker.bin));
    };
    let question = Question {
        program: &program,
        args: &arguments(name, worker, cwd),
        cwd,
        input: PING,
        limit,
    };
    match question.ask(&host.cancel) {
        Ok(said) => judge(host, worker, &said, limit),
        Err(problem) => broken(problem.to_string()),
    }
}

fn judge(host: &Host, worker: &Worker, said: &Said, limit: Duration) -> Option<WorkerFailure> {
    let now = host.clock.now();
    let silent = |message: &str| WorkerFailure {
        kind: FailureKind::Timeout,
        message: message.to_owned(),
        retry_at: None,
    };
    if let Some(failure) = told_failure(worker.output, &said.stdout, now) {
        return Some(failure);
    }
    match said.end {
        End::Exited(0) if said.stdout.trim().is_empty() => Some(silent("it ended without a word")),
        End::Exited(0) => None,
        End::Exited(code) => Some(failure_by_words(
            code,
            worker.output,
            &said.stdout,
            &said.stderr,
            now,
        )),
        End::TimedOut => {
            let seconds = limit.as_secs();
            Some(silent(&format!("no answer within {seconds} s")))
        }
        End::Cancelled => Some(silent("the question was interrupted")),
    }
}

/// One line per worker that did not answer.
pub(crate) fn complaints(ping: &PingCheck) -> Vec<String> {
    let failed = ping.results.iter().filter(|result| !result.ok);
    failed
        .map(|result| {
            let message = result.message.as_deref().unwrap_or_default();
            format!("{}: {message}", display_name(&result.worker))
        })
        .collect()
}
