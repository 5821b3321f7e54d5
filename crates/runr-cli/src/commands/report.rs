//! `runr report`: what a run did and why it stopped, and whether its receipt still holds.

use runr_core::Result;
use runr_core::phase::diagnosis::{Cause, cause, next_commands};
use runr_core::phase::event::Record;
use runr_core::phase::receipt::Entry;
use runr_core::phase::report::{Report, kpi_text};
use runr_core::phase::state::State;
use runr_core::phase::stop::StopReason;
use runr_core::phase::story::{FailedCheck, Story};

use super::Invocation;
use super::cli::ReportArgs;
use crate::output::events::{call_line, event_line, last_lines, read_log};
use crate::output::printable;
use crate::views::{self, Found};

pub(crate) fn execute(call: &Invocation<'_>, args: &ReportArgs) -> Result<u8> {
    if args.verify {
        return verify(call, args);
    }
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
    let records = found.files.records()?;
    let story = Story::of(&records);
    why_it_stopped(call, &state, &story);
    last_events(call, &records, &state, args.tail);
    pointers(call, &found, &report, &story);
    next(call, &state, &story);
    Ok(0)
}

/// Prints what became of each entry of the receipt; 1 if any is not as it was.
fn verify(call: &Invocation<'_>, args: &ReportArgs) -> Result<u8> {
    let verdict = views::verify_receipt(call.host, &call.root, &args.run)?;
    if call.json {
        call.console.json(&verdict);
    } else {
        for entry in &verdict.entries {
            call.console.line(&line_of(entry));
        }
        let wrong = verdict
            .entries
            .iter()
            .filter(|e| e.status != runr_core::phase::receipt::Status::Ok);
        let (of, wrong) = (verdict.entries.len(), wrong.count());
        call.console.line(&match wrong {
            0 => format!(
                "Run {}: all {of} entries are as the receipt says",
                verdict.run_id
            ),
            _ => format!(
                "Run {}: {wrong} of {of} entries are not as the receipt says",
                verdict.run_id
            ),
        });
    }
    Ok(u8::from(!verdict.ok))
}

fn line_of(entry: &Entry) -> String {
    let (status, kind) = (entry.status.as_str(), entry.kind.as_str());
    let detail = entry.detail.as_ref();
    let detail = detail.map_or(String::new(), |detail| format!(" ({detail})"));
    printable(&format!("{status:7} {kind:10} {}{detail}", entry.name))
}

fn run_block(found: &Found, state: &State) -> String {
    let or_none = |text: Option<&str>| text.unwrap_or("none").to_owned();
    let claim = state.claim.as_ref().map_or(String::new(), |claim| {
        let (target, run, token) = (&claim.target, &claim.run_id, claim.token);
        printable(&format!("claim: {target} by {run}, token {token}")) + "\n"
    });
    let task = state.task_path.as_deref().unwrap_or(&state.task);
    let about = format!(
        "task: {task}\nrepo: {}\nbranch: {}\nworktree: {}\n{claim}run_dir: {}\n",
        state.repo_root,
        or_none(state.branch.as_deref()),
        or_none(state.worktree_path.as_deref()),
        found.files.dir(),
    );
    printable(&about)
}

fn why_it_stopped(call: &Invocation<'_>, state: &State, story: &Story) {
    let stopped = |reason: &&StopReason| **reason != StopReason::Complete;
    let Some(reason) = state.stop_reason.as_ref().filter(stopped) else {
        return;
    };
    let print = |text: &str| call.console.line(&printable(text));
    print(&format!("\nWhy it stopped\nstop_reason: {reason}"));
    if !reason.meaning().is_empty() {
        print(reason.meaning());
    }
    for file in &state.guard_violation_files {
        print(&format!("guard_violation: {file}"));
    }
    let cause = cause(reason, story);
    // The words of a failed check are those of its output.
    let error = state.last_error.as_ref();
    if let Some(error) = error.filter(|_| !matches!(cause, Cause::Check(_))) {
        print(&format!("error: {error}"));
    }
    match cause {
        Cause::Check(failure) => failed_check(call, state, failure),
        Cause::Requests(requests) => {
            for request in requests {
                print(&format!("reviewer: {request}"));
            }
        }
        Cause::Files { .. } | Cause::Words => {}
    }
}

fn failed_check(call: &Invocation<'_>, state: &State, failure: &FailedCheck) {
    let print = |text: &str| call.console.line(&printable(text));
    print(&format!(
        "failed_command: {} ({})",
        failure.command, failure.tier
    ));
    let Some(result) = &failure.result else {
        print("it was not run: the time for checks was over");
        return;
    };
    let how = match result.timed_out {
        true => "past its time".to_owned(),
        false => format!("exit {}", result.exit_code),
    };
    print(&format!("result: {how}\nlog: {}", result.log));
    for line in last_lines(&read_log(state, Some(&result.log)), 40) {
        print(&format!("  {line}"));
    }
    if let Some(fingerprint) = &failure.repeated {
        print(&format!(
            "it failed in the same way twice running: {fingerprint}"
        ));
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

fn pointers(call: &Invocation<'_>, found: &Found, report: &Report, story: &Story) {
    let dir = found.files.dir();
    call.console.line(&format!(
        "\nPointers\nstate: {dir}/state.json\ntimeline: {dir}/timeline.jsonl\nlogs: {dir}/logs"
    ));
    let checks = story.chapters.iter().flat_map(|chapter| &chapter.checks);
    if let Some(last) = checks.flat_map(|ran| &ran.command_results).last() {
        let log = printable(&last.log);
        call.console
            .line(&format!("last verification: {dir}/{log}"));
    }
    if let Some(sha) = &report.checkpoint_sha {
        call.console.line(&format!("checkpoint: {sha}"));
    }
    for (name, file) in [
        ("diagnosis", "handoffs/stop.md"),
        ("diff", "diff.patch"),
        ("diff", "diff.patch.gz"),
        ("receipt", "receipt.json"),
    ] {
        if dir.join(file).is_file() {
            call.console.line(&format!("{name}: {dir}/{file}"));
        }
    }
}

fn next(call: &Invocation<'_>, state: &State, story: &Story) {
    let report = format!("runr report {}", state.run_id);
    let commands = next_commands(state, story);
    // This is the report.
    let mut commands = commands
        .iter()
        .filter(|command| **command != report)
        .peekable();
    if commands.peek().is_some() {
        call.console.line("\nNext");
        for command in commands {
            call.console.line(&printable(command));
        }
    }
}
