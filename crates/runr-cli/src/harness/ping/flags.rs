//! Whether a worker knows the arguments it is configured with, without a word that costs anything.

use camino::Utf8Path;
use runr_core::phase::config::Worker;

use super::{VERSION_LIMIT, first_line};
use crate::harness::process::End;
use crate::harness::question::Question;
use crate::harness::worker::{arguments, find_binary};
use crate::host::Host;

/// The programs of which it is known that they read their arguments before they do anything, and
/// that `--help` behind them costs nothing.
const KNOWN: [&str; 2] = ["claude", "codex"];

/// Whether the worker takes its arguments in the main checkout, which is `cwd`, or why not. Nothing for
/// a program of which nobody knows what it does when it is asked for help.
pub(crate) fn takes_flags(
    host: &Host,
    name: &str,
    worker: &Worker,
    cwd: &Utf8Path,
) -> Option<std::result::Result<(), String>> {
    let program = Utf8Path::new(&worker.bin).file_name()?;
    let mut args = arguments(name, worker, cwd);
    // Behind `--` it would be a prompt.
    if !KNOWN.contains(&program) || args.iter().any(|arg| arg == "--") {
        return None;
    }
    args.push("--help".to_owned());
    let binary = find_binary(host, cwd, worker)?;
    let question = Question {
        program: &binary,
        args: &args,
        cwd,
        input: "",
        limit: VERSION_LIMIT,
    };
    let said = match question.ask(&host.cancel) {
        Ok(said) => said,
        Err(problem) => return Some(Err(problem.to_string())),
    };
    Some(match said.end {
        End::Exited(0) => Ok(()),
        End::Exited(_) if !said.stderr.trim().is_empty() => Err(first_line(said.stderr.trim())),
        End::Exited(code) => Err(format!("`--help` failed: exit status: {code}")),
        End::TimedOut => Err("`--help` did not answer within 5 s".to_owned()),
        End::Cancelled => Err("`--help` was interrupted".to_owned()),
    })
}
