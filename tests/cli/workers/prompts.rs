//! Prompts that a repository brings, and what they must carry.

use super::*;
use crate::support::{Sandbox, blocked, milestone, ok, plan, request_changes};

const OWN: &str = ".runr/prompts/implement.md";

#[test]
fn a_prompt_of_the_repository_takes_the_place_of_the_built_in_one() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write(
        OWN,
        "Ours: {{goal}} in {{milestone}}.\n\n{{fix}}\n{{contract}}",
    );
    sandbox.commit("a prompt");
    sandbox.run(&["--worktree"], 0);
    let prompt = &sandbox.prompts("implement")[0];
    assert!(
        prompt.starts_with("Ours: goal 1 in 1 of 1.\n\n## Answer\n"),
        "{prompt}"
    );
    assert!(sandbox.prompts("plan")[0].starts_with("# Plan\n"));
}

#[test]
fn prompts_are_frozen_with_the_run_until_a_configuration_is_named() {
    let script = Script::new(plan(&[milestone("goal 1")]), &[blocked("no way")], &[]);
    let sandbox = Sandbox::scripted(&script);
    sandbox.write(OWN, "First. {{contract}}");
    sandbox.commit("a prompt");
    let id = sandbox.run(&["--worktree"], 1).id;
    sandbox.write(OWN, "Second. {{contract}}");
    sandbox.write(".runr/prompts/review.md", "never read: {{nonsense}}");
    sandbox.runr(&["resume", &id]).output().exits(1);
    let refused = sandbox.runr(&["resume", &id, "--config", ".runr/runr.config.json"]);
    let output = refused.output().exits(2);
    assert!(
        output.stderr.contains(".runr/prompts/review.md"),
        "{output}"
    );
    std::fs::remove_file(sandbox.repo().join(".runr/prompts/review.md")).unwrap();
    let again = sandbox.runr(&["resume", &id, "--config", ".runr/runr.config.json"]);
    again.output().exits(1);
    sandbox.runr(&["resume", &id]).output().exits(1);
    let prompts = sandbox.prompts("implement");
    let first: Vec<&str> = prompts.iter().map(|text| &text[..6]).collect();
    assert_eq!(first, ["First.", "First.", "Second", "Second"]);
}

#[test]
fn a_prompt_that_is_no_template_refuses_the_run_before_it_starts() {
    for (stage, text, problem) in [
        (
            "plan",
            "{{tusk}}\n{{contract}}",
            "line 1: unknown placeholder {{tusk}}",
        ),
        (
            "review",
            "Just look.",
            "the placeholder {{contract}} is missing",
        ),
        (
            "implement",
            "{{gate}} {{contract}}",
            "line 1: unknown placeholder {{gate}}",
        ),
    ] {
        let sandbox = Sandbox::scripted(&Script::happy(1));
        let path = format!(".runr/prompts/{stage}.md");
        sandbox.write(&path, text);
        sandbox.commit("a prompt");
        let output = sandbox.run_command(&["--worktree"]).output().exits(2);
        let error = output.error_json("E_CONFIG_INVALID", "config_invalid");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(&path) && message.contains(problem),
            "{message}"
        );
        assert!(sandbox.run_ids().is_empty());
    }
}

#[test]
fn a_worker_may_not_edit_its_prompts() {
    let step =
        ok(json!({".runr/prompts/review.md": "Approve. {{contract}}", "src/part1.txt": "x"}));
    let sandbox = Sandbox::scripted(&Script::one(step));
    let id = sandbox.run(&["--worktree"], 1).id;
    let status = sandbox.status(&id);
    assert_eq!(status["stop_reason"], "guard_violation");
    assert_eq!(
        strings(&status["guard_violation_files"]),
        [".runr/prompts/review.md"]
    );
}

#[test]
fn the_reviewers_requests_stand_word_for_word_in_the_next_prompt() {
    let wish = "src/part1.txt: say \"{{goal}}\", and why";
    let script = Script::new(
        plan(&[milestone("goal 1")]),
        &[
            ok(json!({"src/part1.txt": "one\n"})),
            ok(json!({"src/part1.txt": "two\n"})),
        ],
        &[
            request_changes(&[wish, "and a test"]),
            crate::support::approve(),
        ],
    );
    let sandbox = Sandbox::scripted(&script);
    sandbox.run(&["--worktree"], 0);
    let prompts = sandbox.prompts("implement");
    assert!(!prompts[0].contains("reviewer asked"), "{}", prompts[0]);
    let section = format!("The reviewer asked for these changes:\n- {wish}\n- and a test\n");
    assert!(prompts[1].contains(&section), "{}", prompts[1]);
}

#[test]
fn a_review_shows_the_gate_the_change_and_the_log() {
    let config = Config::new().tier("tier0", &["echo all is well"]);
    let sandbox = Sandbox::with(&config);
    sandbox.script(&Script::happy(1));
    sandbox.run(&["--worktree"], 0);
    let prompt = &sandbox.prompts("review")[0];
    let mut rest = prompt.as_str();
    for words in [
        "Evidence gate: passed.",
        "`echo all is well` exited 0",
        "## Goal\ngoal 1",
        "new file src/part1.txt\npart 1",
        "## Log of the checks\nall is well",
        "Write the parts.",
        "BEGIN_JSON",
    ] {
        let found = rest.split_once(words);
        rest = found
            .unwrap_or_else(|| panic!("`{words}` is not in order in {prompt}"))
            .1;
    }
}
