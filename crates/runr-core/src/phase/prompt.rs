//! The prompts: what a worker is told, and in which form it must answer.
//!
//! The texts are templates. The built-in ones stand in `prompts/`; a repository may bring its own.

mod template;

use std::fmt::Write;

use super::evidence::EvidenceGate;
use super::model::{Milestone, Stage};
use super::options::AllowDeps;
use super::state::State;
use crate::mutant::without;
use template::Slot;

pub use template::{InvalidTemplate, PromptTexts, Template};

/// The built-in text for a stage.
#[must_use]
pub const fn built_in(stage: Stage) -> &'static str {
    match stage {
        Stage::Plan => include_str!("prompts/plan.md"),
        Stage::Implement => include_str!("prompts/implement.md"),
        Stage::Review => include_str!("prompts/review.md"),
    }
}

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

/// How many characters of a patch a reviewer is shown.
pub const SHOWN_DIFF: usize = 8000;

/// Summary and patch of what `git diff --stat -p` printed.
#[must_use]
pub fn parts_of_diff(printed: &str) -> (&str, &str) {
    const PATCH: &str = "diff --git ";
    let at = if printed.starts_with(PATCH) {
        Some(0)
    } else {
        printed.find(&format!("\n{PATCH}")).map(|at| at + 1)
    };
    printed.split_at(at.unwrap_or(printed.len()))
}

/// The summary, and the first part of the patch: a change of many files must not push the patch
/// out.
#[must_use]
pub fn shown_diff(stat: &str, patch: &str) -> String {
    let first = |text: &str| -> String { text.chars().take(SHOWN_DIFF).collect() };
    let mut shown = first(stat);
    if !shown.is_empty() && !shown.ends_with('\n') {
        shown.push('\n');
    }
    shown + &first(patch)
}

/// The prompts of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompts {
    plan: Template,
    implement: Template,
    review: Template,
}

/// What a reviewer is shown of the change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Summary and patch, cut to what a prompt can hold.
    pub diff: String,
    /// The log of the fast checks.
    pub check_log: String,
}

impl Prompts {
    /// The built-in prompts, but for these texts.
    ///
    /// # Errors
    /// The first text that is no template of its stage.
    pub fn new(texts: &PromptTexts) -> Result<Self, InvalidTemplate> {
        let of = |stage| {
            let text = texts.of(stage).as_deref().unwrap_or(built_in(stage));
            Template::parse(stage, text).map_err(|problem| InvalidTemplate { stage, problem })
        };
        Ok(Self {
            plan: of(Stage::Plan)?,
            implement: of(Stage::Implement)?,
            review: of(Stage::Review)?,
        })
    }

    /// Asks for a plan.
    #[must_use]
    pub fn plan(&self, state: &State, task: &str, attempt: u32) -> String {
        self.plan.fill(|slot| match slot {
            Slot::Task => task.trim_end().to_owned(),
            Slot::Scope => scope(state),
            Slot::Contract => closing(state, Stage::Plan, attempt),
            _ => String::new(), // No template of this stage has another one.
        })
    }

    /// Asks for the change of one milestone; carries the failure to fix and the reviewer's requests.
    #[must_use]
    pub fn implement(
        &self,
        state: &State,
        milestone: &Milestone,
        task: &str,
        failing_output: &str,
        attempt: u32,
    ) -> String {
        self.implement.fill(|slot| match slot {
            Slot::Fix => fix(state, failing_output),
            Slot::Review => requested(state),
            Slot::Contract => closing(state, Stage::Implement, attempt),
            slot => about(slot, state, milestone, task),
        })
    }

    /// Asks for a verdict; the evidence gate comes first.
    #[must_use]
    pub fn review(
        &self,
        state: &State,
        milestone: &Milestone,
        task: &str,
        gate: &EvidenceGate,
        change: &Change,
        attempt: u32,
    ) -> String {
        self.review.fill(|slot| match slot {
            Slot::Gate => gate_text(gate),
            Slot::Diff => change.diff.trim_end().to_owned(),
            Slot::Log => check_log(change),
            Slot::Contract => closing(state, Stage::Review, attempt),
            slot => about(slot, state, milestone, task),
        })
    }
}

/// What is the same for everybody who works on a milestone.
fn about(slot: Slot, state: &State, milestone: &Milestone, task: &str) -> String {
    match slot {
        Slot::Task => task.trim_end().to_owned(),
        Slot::Scope => scope(state),
        Slot::Goal => milestone.goal.clone(),
        Slot::Milestone => {
            let of = state.milestones.len();
            format!("{} of {of}", state.milestone_index + 1)
        }
        Slot::Files => {
            let files = milestone.files_expected.as_deref().unwrap_or_default();
            list(files, "(none named)")
        }
        Slot::Checks => list(&milestone.done_checks, "the goal is reached"),
        _ => String::new(), // Values of single stages.
    }
}

/// The form of the answer; after one that was none, with what was wrong about it.
fn closing(state: &State, stage: Stage, attempt: u32) -> String {
    let mut text = format!(
        "## Answer\nEnd with one JSON object between the lines BEGIN_JSON and END_JSON:\n{}\n",
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

fn list(items: &[String], empty: &str) -> String {
    if items.is_empty() {
        return format!("- {empty}\n");
    }
    items.iter().map(|item| format!("- {item}\n")).collect()
}

fn titled(title: &str, items: &[String], empty: &str) -> String {
    format!("{title}:\n{}", list(items, empty))
}

fn scope(state: &State) -> String {
    let lock = &state.scope_lock;
    let mut text = titled("You may change", &lock.allowlist, "any file");
    text += &titled("You must not change", &lock.denylist, "(nothing further)");
    let owned = &state.owned_paths.normalized;
    if !owned.is_empty() {
        text += &titled("This task owns only", owned, "");
    }
    let deps = match &state.options.allow_deps {
        AllowDeps::All => "allowed".to_owned(),
        AllowDeps::No => "not allowed".to_owned(),
        AllowDeps::Only(packages) => format!("allowed for {} only", packages.join(", ")),
    };
    text + &format!("Changing lockfiles and dependencies is {deps}.\n")
}

/// The failed check, for an implementer who is asked again.
fn fix(state: &State, output: &str) -> String {
    let Some(failure) = &state.last_verify_failure else {
        return String::new();
    };
    format!(
        "## Fix attempt {}\nThe checks failed after your last change.\nCommand: {}\nOutput:\n{}\n{}\n",
        state.milestone_retries + 1,
        failure.failed_command,
        output.trim_end(),
        titled("Changed so far", &failure.changed_files, "(nothing)"),
    )
}

fn requested(state: &State) -> String {
    if state.review_changes.is_empty() || without("review-feedback") {
        return String::new();
    }
    let title = "## The reviewer asked for these changes";
    titled(title, &state.review_changes, "") + "\n"
}

fn gate_text(gate: &EvidenceGate) -> String {
    let passed = if gate.evidence_gates_passed {
        "passed"
    } else {
        "NOT passed: you must request changes"
    };
    let ran = gate.commands_run.iter();
    let ran: Vec<String> = ran
        .map(|ran| format!("`{}` exited {}", ran.command, ran.exit_code))
        .collect();
    let mut text = format!("Evidence gate: {passed}.\n");
    text += &titled("Checks that ran", &ran, "(none)");
    if !gate.evidence_gates_passed {
        let absent = gate.files_exist.iter().filter(|file| !file.exists);
        let absent: Vec<String> = absent.map(|file| file.path.clone()).collect();
        text += &titled("Checks that did not run", &gate.commands_missing, "(none)");
        text += &titled("Planned files that do not exist", &absent, "(none)");
    }
    text
}

fn check_log(change: &Change) -> String {
    if change.check_log.is_empty() {
        return String::new();
    }
    let log = change.check_log.trim_end();
    format!("## Log of the checks\n{log}\n\n")
}

#[cfg(test)]
mod tests;
