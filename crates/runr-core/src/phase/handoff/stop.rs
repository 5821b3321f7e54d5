//! Why a run stopped, on one page: what happened, what to look at, what to do.

use super::{Told, line, points, set_off, short};
use crate::phase::diagnosis::{Cause, cause, next_commands, worker_log};
use crate::phase::event::CommandResult;
use crate::phase::stop::{StopCause, StopReason};
use crate::phase::story::FailedCheck;

/// Files outside of the scope that are named; lockfiles are named all.
const FILES: usize = 10;
/// Lines of a failing check.
const LINES: usize = 40;

/// What to do about a run that was refused before it began.
const REFUSED: &str = "Nothing was done. Commit, stash or undo what is named above, or permit it in the configuration; then start the task again.";

/// The text of `stop.md`.
pub(super) fn text(told: Told<'_>) -> String {
    let reason = &told.end.stop.reason;
    let mut page = format!("# Run {} stopped: {reason}\n\n", told.state.run_id);
    if !reason.meaning().is_empty() {
        page.push_str(&format!("{}\n\n", reason.meaning()));
    }
    page.push_str(&place(told));
    page.push_str(&happened(told));
    page.push_str(&evidence(told));
    page.push_str("\n## Next\n\n");
    let refused = told.state.open_phase.is_none() && *reason == StopReason::GuardViolation;
    page.push_str(if refused { REFUSED } else { advice(reason) });
    page.push_str("\n\n");
    for command in next_commands(told.state, told.story) {
        page.push_str(&format!("    {}\n", line(&command)));
    }
    page
}

fn place(told: Told<'_>) -> String {
    let state = told.state;
    let of = state.milestones.len();
    let at = (state.milestone_index + 1).min(of);
    let checkpoint = match &state.checkpoint_commit_sha {
        Some(sha) => format!(
            "{} ({} of {of} milestones)",
            short(sha),
            state.milestone_index
        ),
        None => "none".to_owned(),
    };
    let phase = state
        .open_phase
        .map_or("before the first phase", |phase| phase.as_str());
    let mut lines = vec![
        (
            "Task",
            line(state.task_path.as_ref().unwrap_or(&state.task)),
        ),
        ("Stopped", told.end.at.to_string()),
        ("Phase", phase.to_owned()),
    ];
    if let Some(milestone) = state.milestone() {
        lines.push((
            "Milestone",
            format!("{at} of {of}: {}", line(&milestone.goal)),
        ));
    }
    lines.push(("Last checkpoint", checkpoint));
    lines.push(("Branch", line(state.branch.as_deref().unwrap_or("none"))));
    // A run that was refused made no tree of its own.
    if state.open_phase.is_some() || state.worktree_path.is_some() {
        lines.push(("Tree", line(&state.repo_path)));
    }
    lines
        .iter()
        .map(|(name, value)| format!("- {name}: {value}\n"))
        .collect()
}

fn happened(told: Told<'_>) -> String {
    let (state, stop) = (told.state, &told.end.stop);
    let mut text = String::new();
    let error = stop.error.as_ref().or(state.last_error.as_ref());
    if let Some(error) = error {
        text.push_str(&set_off(error, "> "));
    }
    let mut sentences = Vec::new();
    match stop.cause {
        Some(StopCause::Signal) => sentences.push("A signal ended it.".to_owned()),
        Some(StopCause::StopRequest) => {
            let why = state.stop_requested.as_deref().unwrap_or("no reason given");
            sentences.push(format!("Somebody asked for it: {}.", line(why)));
        }
        Some(StopCause::OwnerLost) => {
            sentences.push("Its driver died; a later command found that out.".to_owned());
        }
        None => {}
    }
    if let Some(at) = &stop.retry_at {
        sentences.push(format!("It can go on from {} on.", line(at)));
    }
    if let Some(other) = &stop.other_run {
        sentences.push(format!("The other run is {}.", line(other)));
    }
    if let Some(log) = worker_log(&stop.reason, told.story) {
        sentences.push(format!("What the worker printed last is in {}.", line(log)));
    }
    match stop.reason {
        StopReason::MaxTicksReached => sentences.push(format!(
            "{} of {} phases were used.",
            stop.ticks_used, state.options.max_ticks
        )),
        StopReason::TimeBudgetExceeded => sentences.push(format!(
            "The budget was {} minutes.",
            state.options.time_minutes
        )),
        StopReason::CostBudgetExceeded => {
            let spent = state.usage.cost_usd.unwrap_or(0.0);
            let limit = state.options.max_cost.unwrap_or(0.0);
            sentences.push(format!("${spent:.2} of ${limit:.2} are spent."));
        }
        _ => {}
    }
    if !sentences.is_empty() && !text.is_empty() {
        text.push('\n');
    }
    text.extend(sentences.iter().map(|sentence| format!("{sentence}\n")));
    if text.is_empty() {
        return text;
    }
    format!("\n## What happened\n\n{text}")
}

fn evidence(told: Told<'_>) -> String {
    match cause(&told.end.stop.reason, told.story) {
        Cause::Files { scope, lockfiles } => {
            let mut text = "\n## Files\n\n".to_owned();
            text.push_str(&points(scope, FILES));
            let lockfiles = lockfiles
                .iter()
                .map(|file| format!("- {} (lockfile)\n", line(file)));
            text.extend(lockfiles);
            if told.state.open_phase.is_some() {
                text.push_str("\nChanged files are left as they are, and are not committed.\n");
            }
            text
        }
        Cause::Check(failure) => check(failure, told.output),
        Cause::Requests(requests) => {
            let text: String = requests.iter().map(|r| set_off(r, "> ") + "\n").collect();
            format!("\n## What the reviewer asks for\n\n{text}")
        }
        Cause::Words => match &told.end.stop.log {
            Some(log) => {
                let text = format!("\n## The command that failed\n\n- Log: {}\n", line(log));
                text + &last_lines(told.output)
            }
            None => String::new(),
        },
    }
}

fn check(failure: &FailedCheck, output: &str) -> String {
    let how = |result: &CommandResult| match result.timed_out {
        true => "it was ended, as the time for checks was over".to_owned(),
        false => format!("exit {}", result.exit_code),
    };
    let mut text = format!("\n## The check that failed\n\n- Tier: {}\n", failure.tier);
    text.push_str(&format!("- Command: {}\n", line(&failure.command)));
    match &failure.result {
        Some(result) => {
            text.push_str(&format!(
                "- Result: {}\n- Log: {}\n",
                how(result),
                result.log
            ));
        }
        None => text.push_str("- Result: not run, as the time for checks was over\n"),
    }
    if let Some(fingerprint) = &failure.repeated {
        text.push_str(&format!(
            "- It failed in the same way twice running: {fingerprint}\n"
        ));
    }
    text + &last_lines(output)
}

fn last_lines(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    if last.is_empty() {
        return String::new();
    }
    format!("\n{}", set_off(&last.join("\n"), "    "))
}

fn advice(reason: &StopReason) -> &'static str {
    match reason {
        StopReason::Complete => "Nothing is left to do.",
        StopReason::VerificationFailedMaxRetries => {
            "Repair the cause, or the check if it is wrong. A resume gives the milestone its full attempts again, with the work in the tree."
        }
        StopReason::StalledTimeout => {
            "Look for a program that waits for input or for the network. A resume starts the open step again."
        }
        StopReason::WorkerCallTimeout => {
            "Make the milestone smaller, or raise `resilience.max_worker_call_minutes`. A resume asks again."
        }
        StopReason::MaxTicksReached | StopReason::TimeBudgetExceeded => {
            "A resume has a fresh budget and keeps the work in the tree; the second command gives it half as much again."
        }
        StopReason::CostBudgetExceeded => {
            "The limit counts for the whole run, so a resume needs a higher one."
        }
        StopReason::ImplementBlocked => {
            "Give the implementer what it lacks: make the task or the repository say it. Then resume."
        }
        StopReason::RateLimited => "Wait until the worker answers again, then resume.",
        StopReason::Interrupted => "A resume goes on with the step that was open.",
        StopReason::ApprovalRequired => {
            "Read the plan in plan.md. Approve it, then resume; or start the task again with more to go by."
        }
        StopReason::GuardViolation | StopReason::OwnershipViolation => {
            "Undo the change, or permit it: in the configuration, which a resume takes from `--config <file>`, or for lockfiles with `--allow-deps`. The guard looks again before anything else."
        }
        StopReason::PlanScopeViolation => {
            "Widen the scope in the configuration, which a resume takes from `--config <file>`, or let the task ask for less."
        }
        StopReason::ParallelFileCollision => {
            "Let the other run finish first, or start with `--force-parallel`."
        }
        StopReason::WorktreeBranchMismatch => {
            "Put the tree back on its branch, or resume with `--force-branch`."
        }
        StopReason::OwnershipLost => {
            "Somebody else owns the target now. A resume claims it again once it is free."
        }
        StopReason::ReviewLoopDetected => {
            "Decide what the reviewer and the implementer cannot: do it in the tree, or say it in the task. Then resume."
        }
        StopReason::PlanRejection => {
            "The planner will not do this task as it stands. Change the task and start it again."
        }
        StopReason::PlanParseFailed
        | StopReason::ImplementParseFailed
        | StopReason::ReviewParseFailed => {
            "No worker gave an answer that could be read. See whether it runs at all, and what it printed; then resume."
        }
        StopReason::WorkerUnavailable => {
            "See whether the worker runs and its service can be reached; then resume."
        }
        StopReason::AuthExpired => "Log in to the worker again, then resume.",
        StopReason::InsufficientEvidence => {
            "The implementer says that nothing has to be changed and did not prove it. Make the done checks of the task say how that shows, then resume."
        }
        StopReason::MilestoneMissing => "A resume takes the plan up where the last checkpoint is.",
        StopReason::InternalError => {
            "Git or the disk refused something; the words above say what. Repair it, then resume."
        }
        StopReason::Other(_) => {
            "This version of runr does not know the reason. Look at the report."
        }
    }
}
