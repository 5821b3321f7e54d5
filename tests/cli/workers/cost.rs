//! A run stops before the call that it cannot pay.

use super::*;
use crate::support::TASK;

#[test]
fn a_run_stops_before_the_call_that_passes_its_cost_and_a_higher_limit_goes_on() {
    let these = StandIns::new();
    let id = these.run_with(&["--skip-doctor", "--max-cost", "0.25"], 1);
    assert_eq!(these.stop_reason(&id), "cost_budget_exceeded");
    assert_eq!(
        (
            these.count("claude", "plan"),
            these.count("codex", "implement")
        ),
        (1, 0)
    );
    let expected = format!("# Raise the limit: runr resume {id} --max-cost <usd>");
    assert_eq!(these.sandbox.report(&id)["suggested_command"], expected);

    these.runr(&["resume", &id]).output().exits(1);
    assert_eq!(
        these.stop_reason(&id),
        "cost_budget_exceeded",
        "the limit stays"
    );
    assert_eq!(these.count("codex", "implement"), 0);

    these
        .runr(&["resume", &id, "--max-cost", "0.3"])
        .output()
        .exits(0);
    let usage = these.sandbox.report(&id)["usage"].clone();
    assert_eq!(
        usage["cost_usd"], 0.5,
        "what was spent before counts: {usage}"
    );
}

#[test]
fn calls_of_unknown_cost_are_counted_and_their_worker_is_named() {
    let these = StandIns::new();
    these.on("claude", "plan", &[says(&marked(&a_plan()))]);
    let args = [
        "run",
        "--task",
        TASK,
        "--worktree",
        "--skip-doctor",
        "--max-cost",
        "0.2",
    ];
    let output = these.runr(&args).output().exits(0);
    let line = "Usage: 1170 tokens, $0.25 (calls of unknown cost: 2)";
    assert!(output.stdout.lines().any(|text| text == line), "{output}");
    let id = these.sandbox.run_ids().pop().unwrap();
    let usage = these.sandbox.report(&id)["usage"].clone();
    let by_worker = |name: &str| usage["by_worker"][name]["unknown_calls"].clone();
    assert_eq!(
        (by_worker("claude"), by_worker("codex")),
        (json!(1), json!(1))
    );
    assert_eq!(usage["unknown_calls"], 2);
}

#[test]
fn a_failed_call_costs_what_it_says() {
    let these = StandIns::new();
    let mut result = claude_result(&a_plan());
    result["is_error"] = json!(true);
    result["result"] = json!("overloaded");
    these.on("claude", "plan", &[says(&result.to_string())]);
    let id = these.run_with(&["--skip-doctor", "--max-cost", "0.5"], 1);
    assert_eq!(these.stop_reason(&id), "cost_budget_exceeded");
    assert_eq!(these.count("claude", "plan"), 2, "tries are calls, too");
}
