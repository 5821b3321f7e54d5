//! A driver takes up its own run again after a call that hung.

use std::fs;
use std::time::Duration;

use runr_cli::Host;
use runr_cli::harness::{ConfigSource, Driver, Reply, RunRequest};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Config, Event, Running, Sandbox, Script, approve, milestone, ok, plan, wait_until,
};

/// Calls end after 0.6 seconds; pauses take as long as is said.
fn impatient(delay_ms: u64, max: u32) -> Config {
    Config::new()
        .set("resilience", "max_worker_call_minutes", json!(0.01))
        .set("resilience", "auto_resume_delays_ms", json!([delay_ms]))
        .set("resilience", "max_auto_resumes", json!(max))
}

fn hangs(mut step: Value) -> Value {
    step["sleep_ms"] = json!(20_000);
    step
}

fn sandbox(config: &Config, milestones: usize, implement: &[Value]) -> Sandbox {
    let sandbox = Sandbox::with(config);
    let goals = vec![milestone("a goal"); milestones];
    sandbox.script(&Script::new(plan(&goals), implement, &[approve()]));
    sandbox
}

fn part(n: usize) -> Value {
    ok(json!({format!("src/part{n}.txt"): "part\n"}))
}

/// The records of retries, stops and resumes, in order.
fn turns(sandbox: &Sandbox, id: &str) -> Vec<String> {
    let kinds = sandbox.timeline(id).into_iter().map(|event| event.kind);
    let is_turn =
        |kind: &String| kind.starts_with("auto_resume") || kind == "stop" || kind == "run_resumed";
    kinds.filter(is_turn).collect()
}

#[test]
fn a_call_that_hangs_is_tried_again_and_the_run_completes() {
    let sandbox = sandbox(&impatient(50, 1), 1, &[hangs(part(1)), part(1)]);
    let run = sandbox.run(&["--worktree", "--auto-resume"], 0);
    assert_eq!(
        turns(&sandbox, &run.id),
        [
            "stop",
            "auto_resume_scheduled",
            "auto_resume_started",
            "run_resumed",
            "auto_resume_result",
            "stop"
        ]
    );
    let of = |kind| sandbox.payloads(&run.id, kind).remove(0);
    assert_eq!(
        of("auto_resume_scheduled"),
        json!({
            "attempt": 1, "max": 1, "delay_ms": 50,
            "previous_stop_reason": "worker_call_timeout", "resume_phase": "IMPLEMENT",
        })
    );
    assert_eq!(
        of("auto_resume_result"),
        json!({
            "attempt": 1, "max": 1, "previous_stop_reason": "worker_call_timeout",
            "outcome": "complete", "stop_reason": "complete",
        })
    );
    assert_eq!(of("run_resumed")["automatic"], true);
    assert_eq!(sandbox.status(&run.id)["auto_resume_count"], 1);
    assert_eq!(sandbox.checkpoints(&run.id).len(), 1);
}

#[test]
fn the_configuration_asks_for_retries_too() {
    let config = impatient(50, 1).set("resilience", "auto_resume", json!(true));
    let sandbox = sandbox(&config, 1, &[hangs(part(1)), part(1)]);
    sandbox.run(&["--worktree"], 0);
}

#[test]
fn without_being_asked_a_driver_does_not_try_again() {
    let sandbox = sandbox(&impatient(50, 1), 1, &[hangs(part(1)), part(1)]);
    let run = sandbox.run(&["--worktree"], 1);
    assert_eq!(turns(&sandbox, &run.id), ["stop"]);
}

#[test]
fn retries_are_counted_over_the_whole_run() {
    let steps = [hangs(part(1)), hangs(part(1)), hangs(part(1)), part(1)];
    let sandbox = sandbox(&impatient(50, 1), 1, &steps);
    let run = sandbox.run(&["--worktree", "--auto-resume"], 1);
    assert_eq!(
        turns(&sandbox, &run.id)[4..],
        ["auto_resume_result", "stop", "auto_resume_exhausted"]
    );
    // A resume by hand keeps the wish, and the count.
    sandbox.runr(&["resume", &run.id]).output().exits(1);
    let turns = turns(&sandbox, &run.id);
    assert_eq!(turns[7..], ["run_resumed", "stop", "auto_resume_exhausted"]);
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    assert_eq!(sandbox.checkpoints(&run.id).len(), 1);
}

#[test]
fn the_same_reason_twice_in_a_row_ends_the_retries() {
    let sandbox = sandbox(&impatient(50, 9), 1, &[hangs(part(1))]);
    let run = sandbox.run(&["--worktree", "--auto-resume"], 1);
    let turns = turns(&sandbox, &run.id);
    assert_eq!(turns.last().unwrap(), "auto_resume_loop_detected");
    assert_eq!(turns.iter().filter(|turn| *turn == "stop").count(), 2);
}

#[test]
fn a_violation_is_never_tried_again_and_one_of_a_hung_worker_is_seen() {
    let outside = ok(json!({"other/x.txt": "x\n"}));
    let sandbox = sandbox(&impatient(50, 3), 1, &[outside]);
    let run = sandbox.run(&["--worktree", "--auto-resume"], 1);
    assert_eq!(turns(&sandbox, &run.id), ["stop", "auto_resume_skipped"]);
    let skipped = sandbox.payloads(&run.id, "auto_resume_skipped").remove(0);
    assert_eq!(skipped["reason"], "not_retryable");

    // What it wrote before it hung is judged before anybody is asked again.
    let doer = sandbox.scratch().join("doer");
    fs::write(
        &doer,
        "#!/bin/sh\nmkdir -p other; echo x > other/y.txt; sleep 20\n",
    )
    .unwrap();
    let config = impatient(50, 3)
        .worker("doer", "sh", &[doer.to_str().unwrap()])
        .phases("doer", "doer", "doer");
    sandbox.configure(&config);
    sandbox.commit("a worker that hangs");
    let run = sandbox
        .command(env!("CARGO_BIN_EXE_runr"))
        .args(&[
            "run",
            "--task",
            crate::support::TASK,
            "--json",
            "--worktree",
        ])
        .args(&["--fast", "--auto-resume"])
        .env("RUNR_SKIP_DOCTOR", "1");
    sandbox.runr(&["trust"]).output().exits(0);
    let run = sandbox.started(run.output().exits(1));
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], "guard_violation");
    assert_eq!(status["guard_violation_files"], json!(["other/y.txt"]));
    let calls = sandbox.payloads(&run.id, "worker_call_started");
    assert_eq!(calls.len(), 1, "nobody was asked again");
}

#[test]
fn a_retry_leaves_no_milestone_out() {
    let steps = [part(1), hangs(part(2)), part(2)];
    let sandbox = sandbox(&impatient(50, 1), 2, &steps);
    let base = sandbox.head();
    let run = sandbox.run(&["--worktree", "--auto-resume"], 0);
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{}", run.id)),
        ["src/part1.txt", "src/part2.txt"]
    );
}

/// A run that waits a minute for its retry.
fn waiting(flags: &[&str]) -> (Sandbox, String, Running) {
    let sandbox = sandbox(&impatient(60_000, 1), 1, &[hangs(part(1)), part(1)]);
    let running = sandbox.run_command(flags).spawn();
    let is_due = |event: &Event| event.kind == "auto_resume_scheduled";
    let mut id = None;
    wait_until("the retry is due", Duration::from_secs(20), || {
        id = sandbox.run_ids().pop();
        id.as_ref()
            .is_some_and(|id| sandbox.events_so_far(id).iter().any(is_due))
    });
    (sandbox, id.unwrap(), running)
}

#[test]
fn a_signal_ends_the_wait_and_the_run_can_be_resumed() {
    let (sandbox, id, running) = waiting(&["--worktree", "--auto-resume"]);
    assert_eq!(sandbox.status(&id)["liveness"], "running");
    sandbox.runr(&["resume", &id]).output().exits(3);
    running.signal(Signal::INT);
    let output = running.wait();
    assert!(output.took < Duration::from_secs(30), "{output}");
    assert_eq!(
        turns(&sandbox, &id),
        ["stop", "auto_resume_scheduled", "auto_resume_skipped"]
    );
    let skipped = sandbox.payloads(&id, "auto_resume_skipped").remove(0);
    assert_eq!(skipped["reason"], "interrupted");
    sandbox.runr(&["resume", &id]).output().exits(0);
}

#[test]
fn a_request_to_stop_ends_the_wait() {
    let (sandbox, id, running) = waiting(&["--worktree", "--auto-resume"]);
    let seq = sandbox.events_so_far(&id).len() + 1;
    let request = json!({
        "seq": seq, "timestamp": "2099-01-01T00:00:00.000Z", "type": "stop_requested", "source": "cli",
        "payload": {"by": "me", "reason": "enough"},
    });
    let path = sandbox.run_dir(&id).join("timeline.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}{request}\n")).unwrap();
    running.wait().exits(1);
    let skipped = sandbox.payloads(&id, "auto_resume_skipped").remove(0);
    assert_eq!(skipped["reason"], "stop_requested");
    assert_eq!(sandbox.payloads(&id, "stop").len(), 1);
}

#[test]
fn a_driver_that_is_killed_while_it_waits_leaves_a_run_that_goes_on() {
    let (sandbox, id, running) = waiting(&["--auto-resume"]);
    running.kill();
    assert_eq!(sandbox.status(&id)["stop_reason"], "worker_call_timeout");
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.payloads(&id, "stop").len(), 2);
    assert_eq!(sandbox.checkpoints(&id).len(), 1);
}

#[test]
fn a_program_that_answers_too_late_is_asked_again() {
    let sandbox = Sandbox::bare();
    let mut host = Host::of_process(Vec::new());
    host.env.retain(|name, _| name == "PATH");
    let home = sandbox.scratch().to_str().unwrap().to_owned();
    host.env.insert("HOME".into(), home);
    host.cwd = sandbox.repo().to_str().unwrap().into();
    let config: Value = serde_json::from_str(&impatient(50, 1).text()).unwrap();
    let request = RunRequest {
        task_text: Some("# Write a part".into()),
        fast: true,
        auto_resume: Some(true),
        config: Some(ConfigSource::Value(config.as_object().unwrap().clone())),
        host_answers: true,
        ..RunRequest::default()
    };
    let mut driver = Driver::start_on(request.worktree(), &host, None).unwrap();
    let call = driver.next_call().unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let done = || Reply::Reply(json!({"status": "ok", "handoff_memo": "done"}));
    driver.reply(&call.id, done()).unwrap_err();
    let again = driver.next_call().unwrap().unwrap();
    assert_ne!(again.id, call.id);
    fs::write(format!("{}/src/part.txt", again.cwd), "part\n").unwrap();
    driver.reply(&again.id, done()).unwrap();
    assert!(driver.next_call().unwrap().is_none());
    assert!(driver.state().is_complete(), "{:?}", driver.outcome());
    assert_eq!(driver.state().auto_resume_count, 1);
}

#[test]
fn a_check_that_stalls_is_run_again_and_the_run_completes() {
    let sandbox = Sandbox::untrusted(&Config::new());
    let once = sandbox.scratch().join("once");
    let check = format!(
        "test -e '{0}' || {{ touch '{0}'; sleep 20; }}",
        once.display()
    );
    sandbox.configure(&impatient(50, 1).tier("tier0", &[&check]));
    sandbox.commit("a check that hangs the first time");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(1));
    let command = sandbox.run_command(&["--worktree", "--auto-resume"]);
    let output = command.env("RUNR_STALL_TIMEOUT_MS", "700").output();
    let run = sandbox.started(output.exits(0));
    let stops = sandbox.payloads(&run.id, "stop");
    let reasons: Vec<&Value> = stops.iter().map(|stop| &stop["reason"]).collect();
    assert_eq!(reasons, ["stalled_timeout", "complete"]);
    assert_eq!(
        sandbox.calls("implement").len(),
        1,
        "only the check is done again"
    );
    assert_eq!(
        sandbox.report(&run.id)["reliability"]["stalls_triggered"],
        1
    );
}
