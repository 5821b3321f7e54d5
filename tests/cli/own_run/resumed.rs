//! A resume claims again, as the same run.

use std::time::Duration;

use super::*;

#[test]
fn a_resume_claims_again_under_a_new_token() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let sandbox = Sandbox::scripted(&Script::happy(2));
        let flags: &[&str] = match tree {
            Tree::Checkout => &["--max-ticks", "5"],
            Tree::Worktree => &["--max-ticks", "5", "--worktree"],
        };
        let run = sandbox.run(&own(flags), 1);
        assert_eq!(active(&sandbox), Value::Null);
        let first = sandbox.status(&run.id)["claim"].clone();
        sandbox.runr(&["resume", &run.id]).output().exits(0);
        let second = sandbox.status(&run.id)["claim"].clone();
        assert_eq!(second["run_id"], run.id.as_str());
        assert!(
            second["token"].as_u64() > first["token"].as_u64(),
            "{first} {second}"
        );
        assert_eq!(sandbox.payloads(&run.id, "run_resumed")[0]["claim"], second);
        let token = |at: &str| {
            let lines = trailers(&sandbox, at);
            let mut tokens = lines
                .iter()
                .filter_map(|line| line.strip_prefix("Runr-Token: "));
            tokens.next().unwrap().parse::<u64>().unwrap()
        };
        let tip = format!("runr/{}", run.id);
        assert_eq!(Some(token(&tip)), second["token"].as_u64());
        assert_eq!(Some(token(&format!("{tip}~1"))), first["token"].as_u64());
        assert_eq!(active(&sandbox), Value::Null);
    }
}

/// A run that was killed at work, with its id.
fn killed() -> (Sandbox, String) {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 30_000));
    let (id, running) = sandbox.run_until_implement(&own(&["--worktree"]));
    running.kill();
    assert_eq!(
        active(&sandbox),
        id.as_str(),
        "a killed run gives nothing back"
    );
    sandbox.script(&Script::happy(1));
    (sandbox, id)
}

#[test]
fn a_killed_run_is_resumed_at_once() {
    let (sandbox, id) = killed();
    let first = document(&sandbox, FENCE)["token"].as_u64();
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
    assert!(sandbox.status(&id)["claim"]["token"].as_u64() > first);
    assert_eq!(active(&sandbox), Value::Null);
}

#[test]
fn a_killed_run_keeps_nobody_else_from_its_target() {
    let (sandbox, id) = killed();
    let next = sandbox.run(&own(&["--worktree"]), 0);
    let record = document(&sandbox, RECORD);
    assert!(
        record["history"]
            .as_array()
            .unwrap()
            .iter()
            .any(|event| { event["type"] == "takeover" && event["previousRunId"] == id.as_str() })
    );
    assert_eq!(record["previousRun"]["runId"], next.id.as_str());
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
}

#[test]
fn a_resume_is_refused_while_another_run_owns_the_target() {
    let (sandbox, id) = killed();
    owner(&sandbox, "takeover", &["--run-id", "run-b"])
        .output()
        .exits(0);
    let before = sandbox.snapshot();
    let refused = sandbox
        .runr(&["resume", &id, "--detach", "--json"])
        .output();
    refused
        .exits(3)
        .error_json("E_OWNERSHIP_LOST", "ownership_lost");
    let refused = sandbox.runr(&["resume", &id]).output().exits(3);
    refused.says(&format!(
        "Error: Ownership lost: {TARGET} is owned by run-b"
    ));
    assert_eq!(
        sandbox.snapshot(),
        before,
        "a refused resume changes nothing"
    );
    assert_eq!(sandbox.status(&id)["liveness"], "stale");

    owner(&sandbox, "release", &["--run-id", "run-b"])
        .output()
        .exits(0);
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
}

#[test]
fn a_run_that_lost_its_target_goes_on_after_a_new_claim() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 30_000));
    let (id, running) = sandbox.run_until_implement(&own(&["--worktree"]));
    owner(&sandbox, "takeover", &["--run-id", "run-b"])
        .output()
        .exits(0);
    running.wait().exits(1);
    assert_eq!(sandbox.status(&id)["stop_reason"], "ownership_lost");
    sandbox.script(&Script::happy(1));
    sandbox.runr(&["resume", &id]).output().exits(3);
    owner(&sandbox, "release", &["--run-id", "run-b"])
        .output()
        .exits(0);
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
}

#[test]
fn a_second_run_is_refused_while_the_first_one_lives() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 3000));
    let (id, running) = sandbox.run_until_implement(&own(&["--worktree"]));
    let refused = sandbox.run_command(&own(&["--worktree"])).output().exits(3);
    let error = refused.error_json("E_OWNERSHIP_LOST", "ownership_lost");
    assert_eq!(error["owner"], id.as_str());
    running.wait().exits(0);
    assert_eq!(sandbox.run_ids(), [id]);
}

#[test]
fn a_detached_resume_is_the_holder_itself() {
    let (sandbox, id) = killed();
    sandbox.script(&Script::happy(1).sleeping("implement", 1500));
    sandbox.runr(&["resume", &id, "--detach"]).output().exits(0);
    let driver = sandbox.status(&id)["owner"]["pid"].clone();
    assert_eq!(document(&sandbox, FENCE)["holder"]["pid"], driver);
    wait_until("the run ends", Duration::from_secs(30), || {
        active(&sandbox) == Value::Null
    });
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
}
