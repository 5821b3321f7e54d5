//! The duties of each prompt, and that a template is a template.

use proptest::prelude::*;

use super::*;
use crate::phase::event::{ScopeLock, TaskPaths};
use crate::phase::evidence::{CommandRun, evidence_gate};
use crate::phase::model::{RiskLevel, Tier};
use crate::phase::state::VerifyFailure;

const TASK: &str = "# Task\n\nWrite the parts.\n";

fn prompts() -> Prompts {
    Prompts::new(&PromptTexts::default()).unwrap()
}

fn texts(stage: Stage, text: &str) -> PromptTexts {
    let mut texts = PromptTexts::default();
    *texts.of_mut(stage) = Some(text.to_owned());
    texts
}

fn milestone() -> Milestone {
    Milestone {
        goal: "the goal".into(),
        files_expected: Some(vec!["src/a.rs".into()]),
        done_checks: vec!["it compiles".into()],
        risk_level: RiskLevel::Low,
    }
}

fn state() -> State {
    State {
        milestones: vec![milestone(), milestone()],
        scope_lock: ScopeLock {
            allowlist: vec!["src/**".into()],
            denylist: vec!["src/keys/**".into()],
        },
        owned_paths: TaskPaths {
            raw: vec![],
            normalized: vec!["src/a.rs".into()],
        },
        ..State::default()
    }
}

fn gate(passed: bool) -> EvidenceGate {
    let ran = CommandRun {
        command: "make check".into(),
        exit_code: i64::from(!passed),
    };
    let files = [("src/a.rs".to_owned(), passed)];
    evidence_gate(&["make check".into()], &[ran], &files, false)
}

/// Checks that the words stand in the text, in this order.
#[track_caller]
fn says(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let Some((_, behind)) = rest.split_once(word) else {
            panic!("`{word}` is not where it should be in:\n{text}");
        };
        rest = behind;
    }
}

#[test]
fn a_planner_learns_how_to_split_where_and_what() {
    let text = prompts().plan(&state(), TASK, 1);
    says(
        &text,
        &[
            "3 to 7 milestones",
            "verifiable on its own",
            "relative to the repository and inside the allowed paths",
            "You may change:\n- src/**",
            "You must not change:\n- src/keys/**",
            "Write the parts.",
            "BEGIN_JSON and END_JSON",
            "\"milestones\"",
        ],
    );
    assert!(!text.contains("JSON object only"), "{text}");
}

#[test]
fn an_implementer_learns_goal_files_checks_and_scope() {
    let text = prompts().implement(&state(), &milestone(), TASK, "", 1);
    says(
        &text,
        &[
            "milestone 1 of 2",
            "smallest change",
            "`blocked` with a memo",
            "the goal",
            "- src/a.rs",
            "- it compiles",
            "- src/**",
            "- src/keys/**",
            "owns only:\n- src/a.rs",
            "dependencies is not allowed.",
            "Write the parts.",
            "\"handoff_memo\"",
        ],
    );
    assert!(
        !text.contains("Fix attempt") && !text.contains("reviewer"),
        "{text}"
    );
    assert!(!text.contains("\n\n\n"), "no gaps: {text}");
}

#[test]
fn permission_for_dependencies_is_told() {
    let told = |allow_deps| {
        let mut state = state();
        state.options.allow_deps = allow_deps;
        prompts().implement(&state, &milestone(), TASK, "", 1)
    };
    says(&told(AllowDeps::All), &["dependencies is allowed."]);
    let some = AllowDeps::Only(vec!["left-pad".into()]);
    says(&told(some), &["dependencies is allowed for left-pad only."]);
}

#[test]
fn a_fix_carries_command_output_files_and_number() {
    let mut state = state();
    state.milestone_retries = 1;
    state.last_verify_failure = Some(VerifyFailure {
        failed_command: "make check".into(),
        log: None,
        changed_files: vec!["src/a.rs".into()],
        tier: Tier::Tier0,
        fingerprint: String::new(),
    });
    let text = prompts().implement(&state, &milestone(), TASK, "boom in line 3", 1);
    says(
        &text,
        &[
            "Fix attempt 2",
            "make check",
            "boom in line 3",
            "Changed so far:\n- src/a.rs",
        ],
    );
}

#[test]
fn the_reviewers_requests_reach_the_implementer_word_for_word() {
    let mut state = state();
    let wish = "src/a.rs: handle {{task}} and `\"quotes\"`\nover two lines";
    state.review_changes = vec![wish.into(), "second".into()];
    let text = prompts().implement(&state, &milestone(), TASK, "", 1);
    says(
        &text,
        &[
            "The reviewer asked for these changes:\n- ",
            wish,
            "\n- second\n",
        ],
    );
}

#[test]
fn a_reviewer_sees_the_gate_first_then_goal_change_and_log() {
    let change = Change {
        diff: "1 file changed\n+line".into(),
        check_log: "all green".into(),
    };
    let text = prompts().review(&state(), &milestone(), TASK, &gate(true), &change, 1);
    says(
        &text,
        &[
            "Evidence gate: passed.",
            "`make check` exited 0",
            "must request changes",
            "concrete changes",
            "the goal",
            "- src/a.rs",
            "- it compiles",
            "1 file changed\n+line",
            "all green",
            "approve|request_changes",
        ],
    );
    assert!(!text.contains("\n\n\n"), "no gaps: {text}");
}

#[test]
fn a_reviewer_is_told_of_a_gate_that_did_not_pass() {
    let none = Change::default();
    let text = prompts().review(&state(), &milestone(), TASK, &gate(false), &none, 1);
    says(
        &text,
        &[
            "NOT passed: you must request changes",
            "exited 1",
            "do not exist:\n- src/a.rs",
        ],
    );
    assert!(!text.contains("Log of the checks"), "{text}");
}

#[test]
fn a_second_call_demands_json_only_and_says_what_was_wrong() {
    let mut state = state();
    state.asking.problem = Some("/status: is missing".into());
    for text in [
        prompts().plan(&state, TASK, 2),
        prompts().implement(&state, &milestone(), TASK, "", 2),
        prompts().review(
            &state,
            &milestone(),
            TASK,
            &gate(true),
            &Change::default(),
            2,
        ),
    ] {
        says(
            &text,
            &["BEGIN_JSON", "(/status: is missing)", "JSON object only"],
        );
    }
}

#[test]
fn a_value_is_put_in_once_and_never_read_again() {
    let own = "{{task}} | {{goal}}\n{{contract}}";
    let prompts = Prompts::new(&texts(Stage::Implement, own)).unwrap();
    let mut milestone = milestone();
    milestone.goal = "{{contract}}{{task}}".into();
    let text = prompts.implement(&state(), &milestone, "do {{goal}}", "", 1);
    says(&text, &["do {{goal}} | {{contract}}{{task}}\n## Answer"]);
}

#[test]
fn a_line_without_a_value_goes_and_the_rest_stays() {
    let own = "before\n  {{fix}}  \n- {{fix}} -\n{{ contract }}\nafter";
    let prompts = Prompts::new(&texts(Stage::Implement, own)).unwrap();
    let text = prompts.implement(&state(), &milestone(), TASK, "", 1);
    assert!(text.starts_with("before\n-  -\n## Answer\n"), "{text}");
    assert!(text.ends_with("\nafter"), "{text}");
}

#[test]
fn a_placeholder_that_a_stage_does_not_have_is_refused_with_its_line() {
    for (stage, text, problem) in [
        (
            Stage::Plan,
            "a\n{{tusk}} {{contract}}",
            "line 2: unknown placeholder {{tusk}}",
        ),
        (
            Stage::Plan,
            "{{diff}}{{contract}}",
            "line 1: unknown placeholder {{diff}}",
        ),
        (
            Stage::Review,
            "{{fix}}{{contract}}",
            "line 1: unknown placeholder {{fix}}",
        ),
        (
            Stage::Implement,
            "{{}}{{contract}}",
            "line 1: unknown placeholder {{}}",
        ),
        (
            Stage::Review,
            "{{task}}",
            "the placeholder {{contract}} is missing",
        ),
        (Stage::Review, "", "the placeholder {{contract}} is missing"),
    ] {
        let refused = Prompts::new(&texts(stage, text)).unwrap_err();
        assert_eq!((refused.stage, refused.problem.as_str()), (stage, problem));
    }
}

#[test]
fn braces_that_name_nothing_are_text() {
    let own = "fn main() { {{contract}} } {{ open";
    let prompts = Prompts::new(&texts(Stage::Plan, own)).unwrap();
    let text = prompts.plan(&state(), TASK, 1);
    assert!(text.starts_with("fn main() { ## Answer"), "{text}");
    assert!(text.ends_with(" } {{ open"), "{text}");
}

#[test]
fn a_reviewer_sees_the_summary_and_8000_characters_of_the_patch() {
    let stat = " src/a.rs | 2 +-\n 1 file changed\n\n".repeat(300);
    let patch = format!("diff --git a/src/a.rs b/src/a.rs\n{}", "+é\n".repeat(9000));
    let printed = format!("{stat}{patch}");
    assert_eq!(parts_of_diff(&printed), (stat.as_str(), patch.as_str()));
    let shown = shown_diff(&stat, &patch);
    let (_, rest) = parts_of_diff(&shown);
    assert_eq!(rest.chars().count(), SHOWN_DIFF);
    assert_eq!(parts_of_diff(&patch), ("", patch.as_str()));
    assert_eq!(parts_of_diff(" diff --git "), (" diff --git ", ""));
}

proptest! {
    #[test]
    fn any_text_is_a_template_or_refused(text in r"(\{\{(task|contract|x)?\}\}|[{}a-z\n ]|é){0,40}") {
        for stage in Stage::ALL {
            if let Ok(template) = Template::parse(*stage, &text) {
                prop_assert_eq!(template.text(), text.as_str());
            }
        }
    }
}
