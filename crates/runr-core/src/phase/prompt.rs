//! The prompts: what a worker is told, and in which form it must answer.

use std::fmt::Write;

use super::evidence::EvidenceGate;
use super::model::{Milestone, Stage};
use super::options::AllowDeps;
use super::state::State;
use crate::mutant::without;

/// The answer a stage must give, as a JSON example with its rules.
#[must_use]
pub fn contract(stage: Stage) -> &'static str {
    match stage {
        Stage::Plan => {
            r#"{"milestones": [{"goal": "...", "files_expected": ["path"], "done_checks": ["..."], "risk_level": "low|medium|high"}]}
or, when the task cannot be planned: {"status": "rejected", "reason": "..."}"#
        }
        Stage::Implement => {
            r#"{"status": "ok|blocked|failed|no_changes_needed", "handoff_memo": "...", "commands_run": [], "observations": []}
With "no_changes_needed" add "evidence": {"files_checked": ["path"]} or {"grep_output": "..."} or {"commands_run": [{"command": "...", "exit_code": 0}]}."#
        }
        Stage::Review => {
            r#"{"status": "approve|request_changes|reject", "changes": ["one concrete change", "..."]}"#
        }
    }
}

fn close(mut text: String, state: &State, stage: Stage, attempt: u32) -> String {
    let _ = write!(
        text,
        "\n## Answer\nEnd with one JSON object between the lines BEGIN_JSON and END_JSON:\n{}\n",
        contract(stage)
    );
    let problem = state.asking.problem.as_ref();
    if attempt > 1 || problem.is_some() {
        let problem = problem.map_or(String::new(), |problem| format!(" ({problem})"));
        let _ = writeln!(
            text,
            "\nThere was no answer that could be used{problem}. Answer with the JSON object only: no prose, no code fence."
        );
    }
    text
}

fn list(text: &mut String, title: &str, items: &[String], empty: &str) {
    let _ = writeln!(text, "{title}:");
    for item in items {
        let _ = writeln!(text, "- {item}");
    }
    if items.is_empty() {
        let _ = writeln!(text, "- {empty}");
    }
}

fn scope(text: &mut String, state: &State) {
    list(
        text,
        "\nYou may change",
        &state.scope_lock.allowlist,
        "any file",
    );
    list(
        text,
        "You must not change",
        &state.scope_lock.denylist,
        "(nothing further)",
    );
    if !state.owned_paths.normalized.is_empty() {
        list(
            text,
            "This task owns only",
            &state.owned_paths.normalized,
            "",
        );
    }
    let deps = match &state.options.allow_deps {
        AllowDeps::All => "allowed".to_owned(),
        AllowDeps::No => "not allowed".to_owned(),
        AllowDeps::Only(packages) => format!("allowed for {} only", packages.join(", ")),
    };
    let _ = writeln!(text, "Changing lockfiles and dependencies is {deps}.");
}

/// Asks for a plan.
#[must_use]
pub fn plan(state: &State, task: &str, attempt: u32) -> String {
    let mut text = String::from(
        "# Plan\n\nSplit the task into 3 to 7 milestones, fewer when it is small. Each must be verifiable on its own. \
         Name files, not directories, relative to the repository and inside the allowed paths.\n",
    );
    scope(&mut text, state);
    let _ = write!(text, "\n## Task\n{}\n", task.trim_end());
    close(text, state, Stage::Plan, attempt)
}

/// Asks for the change of one milestone; carries the failure to fix and the reviewer's requests.
#[must_use]
pub fn implement(
    state: &State,
    milestone: &Milestone,
    task: &str,
    failing_output: &str,
    attempt: u32,
) -> String {
    let mut text = format!(
        "# Implement milestone {} of {}\n\nMake the smallest change that reaches the goal. Work in the present directory. \
         Do not commit. If you cannot go on, answer `blocked` and say in the memo what is missing.\n",
        state.milestone_index + 1,
        state.milestones.len()
    );
    about(&mut text, milestone);
    scope(&mut text, state);
    if let Some(failure) = &state.last_verify_failure {
        let _ = write!(
            text,
            "\n## Fix attempt {}\nThe checks failed after your last change.\nCommand: {}\nOutput:\n{}\n",
            state.milestone_retries + 1,
            failure.failed_command,
            failing_output.trim_end()
        );
        list(
            &mut text,
            "Changed so far",
            &failure.changed_files,
            "(nothing)",
        );
    }
    if !state.review_changes.is_empty() && !without("review-feedback") {
        text.push('\n');
        list(
            &mut text,
            "## The reviewer asked for these changes",
            &state.review_changes,
            "",
        );
    }
    let _ = write!(text, "\n## Task\n{}\n", task.trim_end());
    close(text, state, Stage::Implement, attempt)
}

/// What a reviewer is shown of the change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Summary and patch, cut to what a prompt can hold.
    pub diff: String,
    /// The log of the fast checks.
    pub check_log: String,
}

/// Asks for a verdict; the evidence gate comes first.
#[must_use]
pub fn review(
    state: &State,
    milestone: &Milestone,
    task: &str,
    gate: &EvidenceGate,
    change: &Change,
    attempt: u32,
) -> String {
    let passed = if gate.evidence_gates_passed {
        "passed"
    } else {
        "NOT passed: you must request changes"
    };
    let mut text = format!(
        "# Review milestone {} of {}\n\nEvidence gate: {passed}.\n",
        state.milestone_index + 1,
        state.milestones.len()
    );
    let ran: Vec<String> = gate
        .commands_run
        .iter()
        .map(|c| format!("`{}` exited {}", c.command, c.exit_code))
        .collect();
    list(&mut text, "Checks that ran", &ran, "(none)");
    if !gate.evidence_gates_passed {
        let absent = gate.files_exist.iter().filter(|file| !file.exists);
        let absent: Vec<String> = absent.map(|file| file.path.clone()).collect();
        list(
            &mut text,
            "Checks that did not run",
            &gate.commands_missing,
            "(none)",
        );
        list(
            &mut text,
            "Planned files that do not exist",
            &absent,
            "(none)",
        );
    }
    text.push_str("\nApprove only what reaches the goal. Otherwise ask for concrete changes, one per entry.\n");
    about(&mut text, milestone);
    let _ = write!(text, "\n## Change\n{}\n", change.diff.trim_end());
    if !change.check_log.is_empty() {
        let _ = write!(
            text,
            "\n## Log of the checks\n{}\n",
            change.check_log.trim_end()
        );
    }
    let _ = write!(text, "\n## Task\n{}\n", task.trim_end());
    close(text, state, Stage::Review, attempt)
}

fn about(text: &mut String, milestone: &Milestone) {
    let _ = write!(text, "\n## Goal\n{}\n", milestone.goal);
    if let Some(files) = &milestone.files_expected {
        list(text, "Files expected", files, "(none named)");
    }
    list(
        text,
        "Done when",
        &milestone.done_checks,
        "the goal is reached",
    );
}
