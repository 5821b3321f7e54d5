//! `runr report`: what a run did and why it stopped.

use runr_core::Result;
use runr_core::phase::event::Record;
use runr_core::phase::report::{Report, kpi_text};
use runr_core::phase::state::State;
use runr_core::phase::stop::StopReason;

use super::Invocation;
use super::cli::ReportArgs;
use crate::output::events::{call_line, event_line, last_lines, read_log};
use crate::views::{self, Found};

pub(crate) fn execute(call: &Invocation<'_>, args: &ReportArgs) -> Result<u8> {
    let found = views::find(call.host, &call.root, &args.run)?;
    let (report, state) = views::report_of(call.host, &found)?;
    if call.json {
        call.console.json(&report);
        return Ok(0);
    }
    if !args.kpi_only {
        call.console.line(&run_block(&found, &state));
    }
    call.console.line(kpi_text(&report).trim_end());
    if args.kpi_only {
        return Ok(0);
    }
    why_it_stopped(call, &state);
    last_events(call, &found.files.records()?, &state, args.tail);
    pointers(call, &found, &report);
    Ok(0)
}

fn run_block(found: &Found, state: &State) -> String {
    let or_none = |text: Option<&str>| text.unwrap_or("none").to_owned();
    let claim = state.claim.as_ref().map_or(String::new(), |claim| {
        let (target, run, token) = (&claim.target, &claim.run_id, claim.token);
        crate::output::printable(&format!("claim: {target} by {run}, token {token}")) + "\n"
    });
    format!(
        "task: {}\nrepo: {}\nbranch: {}\nworktree: {}\n{claim}run_dir: {}\n",
        state.task_path.as_deref().unwrap_or(&state.task),
        state.repo_root,
        or_none(state.branch.as_deref()),
        or_none(state.worktree_path.as_deref()),
        found.files.dir(),
    )
}

fn why_it_stopped(call: &Invocation<'_>, state: &State) {
    let Some(reason) = state
        .stop_reason
        .as_ref()
        .filter(|reason| **reason != StopReason::Complete)
    else {
        return;
    };
    call.console
        .line(&format!("\nWhy it stopped\nstop_reason: {reason}"));
    for file in &state.guard_violation_files {
        let file = crate::output::printable(file);
        call.console.line(&format!("guard_violation: {file}"));
    }
    if let Some(log) = &state.last_failed_log {
        call.console.line(&format!("log: {log}"));
        for line in last_lines(&read_log(state, Some(log)), 40) {
            call.console
                .line(&format!("  {}", crate::output::printable(line)));
        }
    } else if let Some(error) = &state.last_error {
        call.console
            .line(&format!("error: {}", crate::output::printable(error)));
    }
}

fn last_events(call: &Invocation<'_>, records: &[Record], state: &State, tail: usize) {
    call.console.line("\nLast events");
    let skip = records.len().saturating_sub(tail);
    for record in &records[skip..] {
        let summary = event_line(record, state).unwrap_or_default();
        let summary = summary.split_once("] ").map_or("", |(_, rest)| rest);
        let detail = summary
            .strip_prefix(record.kind.as_str())
            .unwrap_or(summary);
        let told = call_line(record).unwrap_or_default();
        let line = format!(
            "{} {} {} {}{detail}{told}",
            record.seq, record.timestamp, record.kind, record.source
        );
        call.console.line(line.trim_end());
    }
}

fn pointers(call: &Invocation<'_>, found: &Found, report: &Report) {
    let dir = found.files.dir();
    call.console.line(&format!(
        "\nPointers\nstate: {dir}/state.json\ntimeline: {dir}/timeline.jsonl\nlogs: {dir}/logs"
    ));
    if let Some(sha) = &report.checkpoint_sha {
        call.console.line(&format!("checkpoint: {sha}"));
    }
    if report.next_action != "none" {
        let next = report
            .suggested_command
            .as_ref()
            .unwrap_or(&report.next_action);
        call.console.line(&format!("\nNext\n{next}"));
    }
}
