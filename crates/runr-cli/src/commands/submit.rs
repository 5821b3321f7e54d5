//! `runr submit`: moves the work of a run to a branch.

use runr_core::Result;
use runr_core::phase::submit::{Ending, FailedCheck, Push, Submitted};

use super::Invocation;
use super::cli::SubmitArgs;
use crate::harness::{SubmitRequest, submit};
use crate::output::printable;

pub(crate) fn execute(call: &Invocation<'_>, args: &SubmitArgs) -> Result<u8> {
    let request = SubmitRequest {
        root: call.root.clone(),
        dry_run: args.dry_run,
        squash: args.squash,
        push: args.push,
        ..SubmitRequest::new(&args.run, &args.to)
    };
    let submitted = submit(&request, call.host)?;
    if call.json {
        call.console.json(&submitted);
    } else {
        for line in lines(&submitted) {
            call.console.line(&printable(&line));
        }
    }
    Ok(submitted.exit())
}

fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

fn lines(submitted: &Submitted) -> Vec<String> {
    let Submitted {
        run_id,
        target,
        old_sha,
        ..
    } = submitted;
    let old = short(old_sha);
    let stays = format!("{target} stays at {old}");
    match &submitted.ending {
        Ending::NothingToMove { push } => {
            let mut lines = vec![format!("{target} has everything of run {run_id}")];
            lines.extend(pushed(push, "but it was not pushed"));
            lines
        }
        Ending::Interrupted => vec![format!("Interrupted; {stays}")],
        Ending::Planned { new_sha } => {
            let new = short(new_sha);
            let mut lines = vec![format!("{target} would move from {old} to {new}")];
            lines.extend(commits(submitted));
            lines.push("a dry run: no check was run, nothing was moved".to_owned());
            lines
        }
        Ending::Moved {
            new_sha,
            verified,
            push,
        } => {
            let new = short(new_sha);
            let mut lines = vec![format!("{target} has moved from {old} to {new}")];
            lines.extend(commits(submitted));
            lines.push(checked(*verified).to_owned());
            let unpushed = format!("{target} has moved here, but it was not pushed");
            lines.extend(pushed(push, &unpushed));
            lines
        }
        Ending::Kept {
            new_sha,
            reference,
            why,
            verified,
            recipe,
        } => {
            let new = short(new_sha);
            let mut lines = vec![format!("{stays}: {why}")];
            lines.extend(commits(submitted));
            lines.push(checked(*verified).to_owned());
            lines.push(format!("{new} is kept as {reference}; to take it:"));
            lines.extend(indented(recipe));
            lines
        }
        Ending::ChecksFailed(check) => {
            let mut lines = failed(check);
            lines.push(stays);
            lines
        }
        Ending::Conflict {
            files,
            messages,
            recipe,
        } => {
            let mut lines = vec![format!("Conflict; {stays}")];
            lines.extend(indented(files));
            lines.extend(messages.iter().cloned());
            lines.push("by hand:".to_owned());
            lines.extend(indented(recipe));
            lines
        }
    }
}

fn indented(lines: &[String]) -> impl Iterator<Item = String> {
    lines.iter().map(|line| format!("  {line}"))
}

fn commits(submitted: &Submitted) -> impl Iterator<Item = String> {
    let line = |from: &str, to: &str| format!("  {} -> {}", short(from), short(to));
    submitted
        .commits
        .iter()
        .map(move |it| line(&it.from, &it.to))
}

fn checked(verified: bool) -> &'static str {
    if verified {
        "all checks passed on the result"
    } else {
        "no checks are configured, so none was run"
    }
}

fn pushed(push: &Push, unpushed: &str) -> Vec<String> {
    match push {
        Push::NotAsked => Vec::new(),
        Push::Done(remote) => vec![format!("pushed to {remote}")],
        Push::Failed { words, recipe } => {
            let mut lines = vec![format!("{unpushed}: {words}"), "to try again:".to_owned()];
            lines.extend(indented(recipe));
            lines
        }
    }
}

fn failed(check: &FailedCheck) -> Vec<String> {
    let FailedCheck {
        tier,
        command,
        exit_code,
        timed_out,
        log,
    } = check;
    let how = if *timed_out {
        "did not end in time".to_owned()
    } else {
        format!("exited with {exit_code}")
    };
    vec![
        format!("A check failed on the result: {tier} `{command}` {how}"),
        format!("  log: {log} in the directory of the run"),
    ]
}
