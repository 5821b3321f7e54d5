//! `resilience.notify`: somebody hears of every stop, once, and nothing depends on it.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, TASK, assert_leading_fields, is_alive};

/// A sandbox whose stops are told to this command.
fn notifying(config: Config, command: &str) -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    let dir = sandbox.scratch();
    let command = command.replace("SCRATCH", dir.to_str().unwrap());
    sandbox.configure(&config.set("resilience", "notify", json!(command)));
    sandbox.commit("a notification");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(2));
    sandbox
}

const LINE: &str = "echo $RUNR_STOP_REASON $RUNR_RUN_ID >> 'SCRATCH/told'";

fn told(sandbox: &Sandbox) -> Vec<String> {
    let text = fs::read_to_string(sandbox.scratch().join("told")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_stop_is_told_once_the_last_one_included() {
    let sandbox = notifying(Config::new(), LINE);
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    let first = format!("max_ticks_reached {}", run.id);
    assert_eq!(told(&sandbox), [first.as_str()]);
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    let last = format!("complete {}", run.id);
    assert_eq!(told(&sandbox), [first, last.clone()]);
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    assert_eq!(told(&sandbox).last(), Some(&last));
    assert_eq!(told(&sandbox).len(), 2, "a complete run stops no more");
    // What it is told after the receipt was made is no change of it.
    let verify = sandbox.runr(&["report", &run.id, "--verify"]);
    verify.output().exits(0);
}

#[test]
fn a_receipt_is_right_although_its_stop_was_told_after_others() {
    let sandbox = notifying(Config::new(), "echo told");
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    let args = ["report", &run.id, "--verify"];
    sandbox.runr(&args).output().exits(0);
}

#[test]
fn the_command_reads_where_the_run_stands_when_that_is_on_disk() {
    let command = "cat > 'SCRATCH/stdin'; cp .runr/runs/$RUNR_RUN_ID/state.json 'SCRATCH/state'";
    let sandbox = notifying(Config::new(), command);
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    let read = |name: &str| fs::read_to_string(sandbox.scratch().join(name)).unwrap();
    let state: Value = serde_json::from_str(&read("state")).unwrap();
    assert_eq!(state["phase"], "STOPPED");
    let document: Value = serde_json::from_str(&read("stdin")).unwrap();
    let fields = [
        "run_id",
        "phase",
        "stop_reason",
        "milestones_completed",
        "status",
        "condition_met",
        "progress",
        "resume_command",
        "run_dir",
        "repo_root",
        "elapsed_ms",
        "ts",
        "schema_version",
    ];
    assert_leading_fields(&document, &fields);
    assert_eq!(document["run_id"], run.id);
    assert_eq!(document["stop_reason"], "max_ticks_reached");
    assert_eq!(document["milestones_completed"], 1);
    assert_eq!(
        (&document["status"], &document["condition_met"]),
        (&json!("stopped"), &json!(true))
    );
    assert_eq!(document["progress"], json!({"milestone": 2, "of": 2}));
    assert_eq!(
        document["resume_command"],
        format!("runr resume {}", run.id)
    );
    let started = sandbox.payloads(&run.id, "command_started").pop().unwrap();
    assert_eq!(
        (&started["kind"], &started["log"]),
        (&json!("notify"), &json!("logs/notify.log"))
    );
}

#[test]
fn a_notification_that_fails_only_warns() {
    let sandbox = notifying(Config::new(), "echo no mail today; exit 3");
    let run = sandbox.run(&["--worktree"], 0);
    assert!(
        run.output
            .stderr
            .contains("warning: the command of resilience.notify exited with 3")
    );
    let log = sandbox.run_dir(&run.id).join("logs/notify.log");
    assert_eq!(fs::read_to_string(log).unwrap(), "no mail today\n");
    assert_eq!(sandbox.status(&run.id)["stop_reason"], "complete");
    assert_eq!(sandbox.status(&run.id)["liveness"], "stopped");
    sandbox.report(&run.id);
}

#[test]
fn a_notification_that_hangs_is_ended_with_what_it_started() {
    if std::env::var_os("RUNR_TEST_LONG").is_none() {
        return; // It takes the half minute that a notification may take.
    }
    let sandbox = Sandbox::bare();
    let hanging = sandbox.hanging_command();
    let sandbox = notifying(
        Config::new(),
        &hanging.replace(sandbox.scratch().to_str().unwrap(), "SCRATCH"),
    );
    let run = sandbox.run(&["--worktree"], 0);
    assert!(
        run.output.stderr.contains("did not end within 30 s"),
        "{}",
        run.output
    );
    assert!(!is_alive(sandbox.hanging_pid().unwrap()));
}

#[test]
fn a_refusal_before_the_run_is_not_told() {
    let sandbox = notifying(Config::new().unverified(), LINE);
    sandbox.run_command(&["--worktree"]).output().exits(3);
    assert_eq!(sandbox.run_ids().len(), 1, "the refusal is recorded");
    assert!(told(&sandbox).is_empty());
}

#[test]
fn a_run_that_cannot_begin_is_told() {
    let sandbox = notifying(Config::new(), LINE);
    sandbox.write(".runr-worktrees", "in the way\n");
    sandbox.run_command(&["--worktree"]).output().exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(told(&sandbox), [format!("internal_error {id}")]);
}

#[test]
fn a_dead_driver_that_a_resume_records_is_not_told() {
    let sandbox = notifying(Config::new(), LINE);
    sandbox.script(&Script::happy(1).sleeping("implement", 60_000));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    running.signal(Signal::KILL);
    drop(running.wait());
    sandbox.script(&Script::happy(1));
    sandbox.runr(&["resume", &id]).output().exits(0);
    let stops = sandbox.payloads(&id, "stop");
    assert_eq!(stops[0]["cause"], "owner_lost");
    assert_eq!(told(&sandbox), [format!("complete {id}")]);
}

#[test]
fn the_command_must_be_trusted() {
    let sandbox = Sandbox::with(&Config::new());
    sandbox.configure(&Config::new().set("resilience", "notify", json!("true")));
    let run = sandbox.runr(&["run", "--task", TASK, "--json"]).output();
    run.exits(3).error_json("E_UNTRUSTED", "untrusted");
}
