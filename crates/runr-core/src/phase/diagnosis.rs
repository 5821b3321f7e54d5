//! Why a run stopped, in one screen: what is to be shown of it, and which commands help.

use super::model::Stage;
use super::shell::quoted;
use super::state::State;
use super::stop::{Family, StopReason, next_action};
use super::story::{FailedCheck, Story};

/// What explains a stop best.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause<'a> {
    /// Files that must not have changed, or must not be planned.
    Files {
        /// Outside the scope, or never to be touched.
        scope: &'a [String],
        /// Lockfiles without permission.
        lockfiles: &'a [String],
    },
    /// A check that failed.
    Check(&'a FailedCheck),
    /// What the reviewer asks for.
    Requests(&'a [String]),
    /// The words that were recorded with the stop, if any.
    Words,
}

/// What explains the last stop of a run best.
#[must_use]
pub fn cause<'a>(reason: &StopReason, story: &'a Story) -> Cause<'a> {
    let violation = story.violation.as_ref();
    let files = violation.filter(|violation| !violation.files().is_empty());
    match (reason.row().family, files, &story.failure) {
        (Family::Guard, Some(files), _) => Cause::Files {
            scope: &files.scope_violations,
            lockfiles: &files.lockfile_violations,
        },
        (Family::Verification, _, Some(failure)) => Cause::Check(failure),
        (Family::Review, ..) if !story.requests.is_empty() => Cause::Requests(&story.requests),
        // Stopped between a failure and its repair: that is what is still to do.
        (Family::Budget | Family::Stall, _, Some(failure)) => Cause::Check(failure),
        _ => Cause::Words,
    }
}

/// Up to three commands that help after the stop of a run, the best first.
#[must_use]
pub fn next_commands(state: &State, story: &Story) -> Vec<String> {
    let id = state.run_id.as_str();
    let Some(reason) = &state.stop_reason else {
        return vec![format!("runr status {id}")];
    };
    let suggested = next_action(Some(reason), id, state.other_run.as_deref()).suggested_command;
    let mut commands: Vec<String> = suggested.into_iter().collect();
    commands.extend(further(state, story, reason));
    let report = format!("runr report {id}");
    if commands.len() < 3 && !commands.contains(&report) {
        commands.push(report);
    }
    commands.truncate(3);
    commands
}

fn further(state: &State, story: &Story, reason: &StopReason) -> Vec<String> {
    let resume = format!("runr resume {}", state.run_id);
    match reason {
        StopReason::Complete => submit(state).into_iter().collect(),
        StopReason::TimeBudgetExceeded => {
            let minutes = (state.options.time_minutes * 1.5).ceil();
            vec![format!("{resume} --time {minutes}")]
        }
        StopReason::MaxTicksReached => {
            let ticks = (u64::from(state.options.max_ticks) * 3).div_ceil(2);
            vec![format!("{resume} --max-ticks {ticks}")]
        }
        StopReason::GuardViolation if state.open_phase.is_none() => {
            vec!["git status".to_owned(), again(state)]
        }
        StopReason::GuardViolation | StopReason::OwnershipViolation => {
            let lockfiles = story.violation.as_ref().map(|v| &v.lockfile_violations);
            let permit = match lockfiles.is_some_and(|files| !files.is_empty()) {
                true => " --allow-deps",
                false => "",
            };
            vec![
                format!("git -C {} status", quoted(&state.repo_path)),
                format!("{resume}{permit}"),
            ]
        }
        StopReason::PlanScopeViolation => {
            vec![format!("{resume} --config .runr/runr.config.json")]
        }
        StopReason::WorktreeBranchMismatch => {
            let tree = quoted(&state.repo_path);
            let branch = state.branch.iter();
            let back = branch.map(|branch| format!("git -C {tree} switch {}", quoted(branch)));
            back.chain([resume]).collect()
        }
        StopReason::OwnershipLost => {
            let target = state.claim.as_ref().map(|claim| claim.target.to_string());
            let show = target.map(|target| format!("runr owner status {}", quoted(&target)));
            show.into_iter().chain([resume]).collect()
        }
        StopReason::ReviewLoopDetected => vec![
            format!("cat .runr/runs/{}/handoffs/review_digest.md", state.run_id),
            resume,
        ],
        StopReason::PlanRejection => vec![again(state)],
        StopReason::ApprovalRequired
        | StopReason::PlanParseFailed
        | StopReason::ImplementParseFailed
        | StopReason::ReviewParseFailed
        | StopReason::WorkerUnavailable
        | StopReason::AuthExpired
        | StopReason::InsufficientEvidence
        | StopReason::MilestoneMissing
        | StopReason::InternalError => vec![resume],
        _ => Vec::new(),
    }
}

/// The worker log that tells most about a stop: the last one of the stage that failed.
#[must_use]
pub fn worker_log<'a>(reason: &StopReason, story: &'a Story) -> Option<&'a str> {
    let stage = match reason {
        StopReason::PlanParseFailed | StopReason::PlanRejection => Some(Stage::Plan),
        StopReason::ImplementParseFailed | StopReason::ImplementBlocked => Some(Stage::Implement),
        StopReason::ReviewParseFailed => Some(Stage::Review),
        StopReason::WorkerUnavailable
        | StopReason::AuthExpired
        | StopReason::RateLimited
        | StopReason::WorkerCallTimeout
        | StopReason::StalledTimeout => None,
        _ => return None,
    };
    let mut calls = story.calls.iter().rev().map(|call| &call.started);
    let last = calls.find(|call| stage.is_none_or(|stage| call.stage == stage))?;
    last.log.as_deref()
}

/// How the work gets to the branch the run was started from.
fn submit(state: &State) -> Option<String> {
    let to = state.current_branch.as_ref()?;
    let elsewhere = state.branch.as_ref() != Some(to);
    elsewhere.then(|| format!("runr submit {} --to {}", state.run_id, quoted(to)))
}

/// How the task is started again.
fn again(state: &State) -> String {
    match &state.task_path {
        Some(path) => format!("runr run --task {}", quoted(path)),
        None => "runr run --task <file>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_command_that_helps() {
        for reason in StopReason::ALL {
            let state = State {
                run_id: "20260101000000".into(),
                stop_reason: Some(reason.clone()),
                ..State::default()
            };
            let commands = next_commands(&state, &Story::default());
            assert!((1..=3).contains(&commands.len()), "{reason}: {commands:?}");
            let unique: std::collections::BTreeSet<&String> = commands.iter().collect();
            assert_eq!(unique.len(), commands.len(), "{reason}: {commands:?}");
        }
    }

    #[test]
    fn half_as_much_again_is_proposed_for_a_spent_budget() {
        let mut state = State {
            run_id: "R".into(),
            stop_reason: Some(StopReason::MaxTicksReached),
            ..State::default()
        };
        state.options.max_ticks = 5;
        let commands = next_commands(&state, &Story::default());
        assert_eq!(
            commands[..2],
            ["runr resume R", "runr resume R --max-ticks 8"]
        );
        state.options.time_minutes = 0.5;
        state.stop_reason = Some(StopReason::TimeBudgetExceeded);
        let commands = next_commands(&state, &Story::default());
        assert_eq!(commands[1], "runr resume R --time 1");
    }

    #[test]
    fn a_word_is_quoted_for_the_shell_where_it_must_be() {
        assert_eq!(quoted("/a/b-c.txt"), "/a/b-c.txt");
        assert_eq!(quoted("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(quoted(""), "''");
    }
}
