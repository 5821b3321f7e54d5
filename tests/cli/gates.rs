//! Verification, evidence and review decide; nobody's word does.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Config, Sandbox, Script, Tree, approve, is_alive, milestone, ok, plan, request_changes,
    strings, wait_until,
};

/// A sandbox whose one check exits with these codes, one after the other.
fn checked(codes: &[i64], script: &Script) -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    let check = sandbox.scripted_command("check", codes);
    sandbox.configure(&Config::new().tier("tier0", &[&check]));
    sandbox.commit("a scripted check");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(script);
    sandbox
}

#[test]
fn a_failed_check_goes_back_to_the_implementer_with_its_output() {
    let sandbox = checked(&[3, 0], &Script::happy(1));
    let run = sandbox.run(&[], 0);
    assert_eq!(sandbox.count("check"), 2);
    let prompts = sandbox.prompts("implement");
    assert_eq!(prompts.len(), 2);
    assert!(!prompts[0].contains("Fix attempt"), "{}", prompts[0]);
    for words in [
        "Fix attempt 2",
        "step.sh",
        "output of check, pass 1, code 3",
        "src/part1.txt",
    ] {
        assert!(
            prompts[1].contains(words),
            "`{words}` is missing from the fix prompt: {}",
            prompts[1]
        );
    }
    let verdicts: Vec<Value> = sandbox
        .payloads(&run.id, "verification")
        .iter()
        .map(|v| v["ok"].clone())
        .collect();
    assert_eq!(json!(verdicts), json!([false, true]));
    assert_eq!(sandbox.payloads(&run.id, "verify_failed_retry").len(), 1);
    assert_eq!(sandbox.checkpoints(&run.id).len(), 1);
    let status = sandbox.status(&run.id);
    assert_eq!(
        status["verification_failures"], 0,
        "reset at the checkpoint"
    );
}

#[test]
fn the_fourth_failure_stops_the_run() {
    let sandbox = checked(&[1], &Script::happy(1));
    let base = sandbox.head();
    let run = sandbox.run(&["--worktree"], 1);
    assert_eq!(
        (sandbox.count("check"), sandbox.calls("implement").len()),
        (4, 4)
    );
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], "verification_failed_max_retries");
    assert_eq!(status["verification_failures"], 3);
    assert_eq!(
        sandbox.subjects(&base, &format!("runr/{}", run.id)),
        [""; 0]
    );
    let stops = sandbox.payloads(&run.id, "stop");
    assert_eq!(stops.len(), 1);
    assert_eq!(stops[0]["reason"], "verification_failed_max_retries");
}

#[test]
fn the_output_of_a_check_is_in_a_log_and_never_in_the_timeline() {
    let sandbox = checked(&[3, 0], &Script::happy(1));
    let run = sandbox.run(&[], 0);
    assert!(
        !sandbox.timeline_text(&run.id).contains("output of check"),
        "only path and hash belong in an event"
    );
    let result = &sandbox.payloads(&run.id, "verification")[0]["command_results"][0];
    assert_eq!(
        (&result["exit_code"], &result["timed_out"]),
        (&json!(3), &json!(false))
    );
    let log = result["log"].as_str().unwrap();
    let path = std::path::Path::new(log);
    let path = if path.is_absolute() {
        path.to_owned()
    } else {
        sandbox.run_dir(&run.id).join(path)
    };
    assert!(
        path.ends_with("logs/verify/m01-a1-tier0-1.log"),
        "{}",
        path.display()
    );
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .contains("output of check, pass 1, code 3")
    );
    assert_eq!(result["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn a_check_past_its_deadline_fails_and_its_children_are_ended() {
    let sandbox = Sandbox::untrusted(&Config::new());
    let config = Config::new()
        .tier("tier0", &[&sandbox.hanging_command()])
        .set("verification", "max_verify_time_per_milestone", json!(1));
    sandbox.configure(&config);
    sandbox.commit("a check that hangs");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(1));
    let run = sandbox.run(&["--max-ticks", "3"], 1);
    let verification = &sandbox.payloads(&run.id, "verification")[0];
    assert_eq!(verification["ok"], false);
    assert_eq!(verification["command_results"][0]["timed_out"], true);
    let grandchild = sandbox.hanging_pid().unwrap();
    wait_until("the grandchild is gone", Duration::from_secs(2), || {
        !is_alive(grandchild)
    });
}

#[test]
fn the_time_for_checks_is_one_budget_and_what_was_not_run_has_failed() {
    let sandbox = Sandbox::untrusted(&Config::new());
    let late = sandbox.scripted_command("late", &[0]);
    // Each command alone would fit; together they do not.
    let config = Config::new()
        .tier("tier0", &["sleep 0.7", "sleep 0.7"])
        .tier("tier1", &[&late])
        .set("verification", "max_verify_time_per_milestone", json!(1));
    sandbox.configure(&config);
    sandbox.commit("no time left for the second tier");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(1));
    let run = sandbox.run(&["--fast", "--max-ticks", "2"], 1);
    assert_eq!(sandbox.payloads(&run.id, "verify_failed_retry").len(), 1);
    assert_eq!(sandbox.payloads(&run.id, "verify_complete").len(), 0);
    assert_eq!(sandbox.count("late"), 0);
    assert_eq!(sandbox.status(&run.id)["verification_failures"], 1);
}

#[test]
fn the_reviewers_changes_reach_the_implementer_word_for_word() {
    let asked = "Rename `part1` — and say \"why\" in one line.";
    let step = ok(json!({"src/part1.txt": "1\n"}));
    let script = Script::new(
        plan(&[milestone("goal 1")]),
        &[step],
        &[request_changes(&[asked]), approve()],
    );
    let sandbox = Sandbox::scripted(&script);
    let run = sandbox.run(&[], 0);
    let prompts = sandbox.prompts("implement");
    assert_eq!(prompts.len(), 2);
    assert!(!prompts[0].contains(asked));
    assert!(prompts[1].contains(asked), "{}", prompts[1]);
    assert!(
        !prompts[1].contains("Fix attempt"),
        "a review is no failed check"
    );
    assert_eq!(sandbox.checkpoints(&run.id).len(), 1);
}

#[test]
fn a_review_loop_stops_without_a_checkpoint() {
    let step = ok(json!({"src/part1.txt": "1\n"}));
    let script = Script::new(
        plan(&[milestone("goal 1")]),
        &[step],
        &[request_changes(&["the same again"])],
    );
    let sandbox = Sandbox::scripted(&script);
    let run = sandbox.run(&[], 1);
    assert_eq!(sandbox.calls("review").len(), 2);
    assert_eq!(
        sandbox.status(&run.id)["stop_reason"],
        "review_loop_detected"
    );
    let event = &sandbox.payloads(&run.id, "review_loop_detected")[0];
    assert_eq!(strings(&event["reviewer_requests"]), ["the same again"]);
}

#[test]
fn an_approval_without_evidence_is_not_obeyed() {
    let mut promised = milestone("goal 1");
    promised["files_expected"] = json!(["src/promised.txt"]);
    let step = ok(json!({"src/other.txt": "1\n"}));
    let sandbox = Sandbox::scripted(&Script::new(plan(&[promised]), &[step], &[approve()]));
    let run = sandbox.run(&[], 1);
    assert_eq!(
        sandbox.status(&run.id)["stop_reason"],
        "review_loop_detected"
    );
    assert_eq!(sandbox.checkpoints(&run.id), []);
    assert_eq!(
        sandbox.calls("review").len(),
        2,
        "the reviewer approved each time"
    );
}

#[test]
fn what_a_check_leaves_outside_the_scope_is_never_committed() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let sandbox = Sandbox::with(&Config::new().tier(
            "tier0",
            &["mkdir -p other && echo x > other/made-by-check.txt"],
        ));
        sandbox.script(&Script::happy(1));
        let base = sandbox.head();
        let output = sandbox
            .run_command(if tree == Tree::Worktree {
                &["--worktree"]
            } else {
                &[]
            })
            .output();
        let run = sandbox.started(output);
        let changed = sandbox.changed(&base, &format!("runr/{}", run.id));
        assert!(
            !changed.contains(&"other/made-by-check.txt".to_owned()),
            "{tree:?}: {changed:?}"
        );
        let status = sandbox.status(&run.id);
        let expected = if changed.is_empty() {
            (1, json!("guard_violation"))
        } else {
            (0, json!("complete"))
        };
        assert_eq!(
            (run.output.code.unwrap(), status["stop_reason"].clone()),
            expected,
            "{tree:?}"
        );
    }
}

#[test]
fn a_rejected_plan_stops_before_any_change() {
    let script = Script::new(
        json!({"reply": {"status": "rejected", "reason": "too vague"}}),
        &[ok(json!({}))],
        &[approve()],
    );
    let sandbox = Sandbox::scripted(&script);
    let run = sandbox.run(&[], 1);
    assert_eq!(sandbox.status(&run.id)["stop_reason"], "plan_rejection");
    assert_eq!(sandbox.calls("implement").len(), 0);
}
