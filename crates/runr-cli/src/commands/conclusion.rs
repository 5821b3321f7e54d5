//! The last block of `run` and `resume`: what was reached, or why not, and what to do next.

use runr_core::phase::budget::larger_budget;
use runr_core::phase::diagnosis::{Cause, cause, next_commands};
use runr_core::phase::report::usage_text;
use runr_core::phase::state::State;
use runr_core::phase::stop::StopReason;
use runr_core::phase::story::Story;

use super::Invocation;
use crate::harness::{Driver, Ending};
use crate::output::events::{last_lines, read_log, short};
use crate::output::printable;

/// Files of the change that are shown.
const FILES: usize = 20;
/// Lines of a failing check that are shown.
const LINES: usize = 15;

/// Tells how a run ended; with `--json` only what went wrong besides.
pub(crate) fn conclude(call: &Invocation<'_>, driver: &Driver) {
    let nothing = Ending::default();
    let ending = driver.ending().unwrap_or(&nothing);
    let state = driver.state();
    let lines = match &state.stop_reason {
        _ if call.json => Vec::new(),
        Some(StopReason::Complete) => success(state, ending),
        Some(reason) => stop(state, reason, &ending.story),
        None => return,
    };
    for line in lines {
        call.console.line(&printable(&line));
    }
    if let Some(problem) = &ending.problem {
        call.console.say(&printable(&format!(
            "warning: there is no receipt: {problem}"
        )));
    }
}

fn success(state: &State, ending: &Ending) -> Vec<String> {
    let mut lines = vec![format!("\nRun {} complete", state.run_id)];
    let changes = ending.changes.as_ref();
    lines.extend(
        changes
            .map(|changes| changes.stat_lines(FILES))
            .unwrap_or_default(),
    );
    if let Some(sha) = &state.checkpoint_commit_sha {
        let tiers: Vec<&str> = ending.story.verified().iter().map(|t| t.as_str()).collect();
        let verified = if tiers.is_empty() {
            "none".to_owned()
        } else {
            tiers.join(", ")
        };
        lines.push(format!("Checkpoint: {} (verified: {verified})", short(sha)));
    }
    lines.extend(
        state
            .branch
            .iter()
            .map(|branch| format!("Branch: {branch}")),
    );
    lines.extend(usage(state));
    lines.extend(next(state, &ending.story));
    lines
}

/// What the run consumed, as far as its workers told.
fn usage(state: &State) -> Option<String> {
    let told = usage_text(&state.usage);
    let silent = match state.unknown_cost_calls {
        0 => String::new(),
        calls => format!(" (calls of unknown cost: {calls})"),
    };
    (!told.is_empty()).then(|| format!("Usage: {told}{silent}"))
}

fn stop(state: &State, reason: &StopReason, story: &Story) -> Vec<String> {
    let of = state.milestones.len();
    let mut lines = vec![format!("\nSTOPPED: {reason}")];
    lines.push(match &state.checkpoint_commit_sha {
        Some(sha) => {
            let at = state.milestone_index.min(of);
            format!("Last checkpoint: {} (milestone {at}/{of})", short(sha))
        }
        None => {
            let at = (state.milestone_index + 1).min(of);
            format!("No checkpoint (milestone {at}/{of})")
        }
    });
    lines.extend(context(state, reason, story));
    lines.extend(usage(state));
    lines.extend(next(state, story));
    let larger = larger_budget(reason, &state.options, &state.run_id);
    lines.extend(larger.map(|command| format!("      {command}  (half as much again)")));
    lines
}

/// What explains the stop best, in a few lines.
fn context(state: &State, reason: &StopReason, story: &Story) -> Vec<String> {
    match cause(reason, story) {
        Cause::Files { scope, lockfiles } => {
            let files = scope.iter().chain(lockfiles);
            let why = story.violation.as_ref().and_then(|v| v.why.as_ref());
            let mut lines: Vec<String> = why.iter().map(|why| format!("  {why}:")).collect();
            lines.extend(files.clone().take(10).map(|file| format!("  {file}")));
            let more = files.count().saturating_sub(10);
            lines.extend((more > 0).then(|| format!("  ...{more} more files")));
            lines.extend(story.suggestion.iter().map(|words| format!("  {words}")));
            lines
        }
        Cause::Check(failure) => {
            let mut lines = vec![format!("  failed: {} ({})", failure.command, failure.tier)];
            let log = failure.result.as_ref().map(|result| result.log.as_str());
            let text = read_log(state, log);
            lines.extend(last_lines(&text, LINES).map(|line| format!("    {line}")));
            lines
        }
        Cause::Requests(requests) => {
            let first = requests.iter().take(3);
            first
                .map(|request| format!("  {}", request.replace('\n', "\n  ")))
                .collect()
        }
        Cause::Words => {
            let error = state
                .last_error
                .as_deref()
                .unwrap_or_else(|| reason.meaning());
            let words = last_lines(error, LINES).map(|line| format!("  {line}"));
            let log = story.end.as_ref().and_then(|end| end.stop.log.as_deref());
            let text = read_log(state, log);
            let output = last_lines(&text, LINES).map(|line| format!("    {line}"));
            words.chain(output).collect()
        }
    }
}

fn next(state: &State, story: &Story) -> Vec<String> {
    let commands = next_commands(state, story).into_iter().enumerate();
    let word = |first: bool| if first { "Next: " } else { "      " };
    commands
        .map(|(n, command)| format!("{}{command}", word(n == 0)))
        .collect()
}
