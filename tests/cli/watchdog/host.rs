//! A program that drives a run and hangs: the run ends on disk all the same.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use runr_cli::Host;
use runr_cli::harness::{ConfigSource, Driver, Listener, Reply, RunRequest};
use runr_core::Code;

use super::*;
use crate::support::wait_until;

fn host(sandbox: &Sandbox, name: &str, value: &str) -> Host {
    let mut host = Host::of_process(Vec::new());
    host.env.retain(|name, _| name == "PATH");
    let home = sandbox.scratch().to_str().unwrap().to_owned();
    host.env.insert("HOME".into(), home);
    host.env.insert(name.into(), value.into());
    host.cwd = sandbox.repo().to_str().unwrap().into();
    host
}

fn request(sandbox: &Sandbox, resilience: Value) -> RunRequest {
    let told = sandbox.scratch().join("told");
    let mut resilience = resilience;
    resilience["notify"] = format!("echo $RUNR_STOP_REASON >> '{}'", told.display()).into();
    let config = json!({
        "agent": {"name": "t"}, "scope": {"allowlist": ["src/**"]},
        "verification": {"tier0": ["true"]}, "resilience": resilience,
    });
    RunRequest {
        task_text: Some("# Write a part".into()),
        fast: true,
        host_answers: true,
        config: Some(ConfigSource::Value(config.as_object().unwrap().clone())),
        ..RunRequest::default()
    }
    .worktree()
}

/// Hears the types of all records.
fn ear() -> (Arc<Mutex<Vec<String>>>, Listener) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&heard);
    (
        heard,
        Box::new(move |record, _| list.lock().unwrap().push(record.kind.clone())),
    )
}

/// Waits until the run has stopped on disk, and for what.
fn stopped_on_disk(sandbox: &Sandbox, id: &str) -> Value {
    let dir = sandbox.run_dir(id);
    wait_until("the run stops on disk", Duration::from_secs(20), || {
        dir.join("state.json").exists()
    });
    let state = sandbox.state(id);
    assert_eq!(state["phase"], "STOPPED");
    state["stop_reason"].clone()
}

fn late(driver: &mut Driver, call: &str) {
    let reply = json!({"status": "ok", "handoff_memo": "done"});
    let late = driver.reply(call, Reply::Reply(reply)).unwrap_err();
    assert_eq!(late.code(), Code::CallLate);
}

fn told(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.scratch().join("told")).unwrap_or_default()
}

#[test]
fn a_program_that_never_answers_does_not_keep_the_run_open() {
    let sandbox = Sandbox::bare();
    let host = host(&sandbox, "RUNR_WORKER_CALL_TIMEOUT_MS", "400");
    let (heard, listener) = ear();
    let request = request(&sandbox, json!({}));
    let mut driver = Driver::start_on(request, &host, Some(listener)).unwrap();
    let id = driver.run_id().to_string();
    let call = driver.next_call().unwrap().unwrap();
    assert_eq!(stopped_on_disk(&sandbox, &id), "stalled_timeout");
    late(&mut driver, &call.id);
    late(&mut driver, &call.id);
    assert!(driver.next_call().unwrap().is_none());
    assert_eq!(
        driver.state().stop_reason.as_ref().unwrap().as_str(),
        "stalled_timeout"
    );
    drop(driver);
    let stops = sandbox.payloads(&id, "stop");
    assert_eq!(stops.len(), 1);
    assert_eq!(
        (&stops[0]["phase"], &stops[0]["timeout_ms"]),
        (&json!("IMPLEMENT"), &json!(400))
    );
    assert_eq!(stops[0]["worker_in_flight"], true);
    assert_eq!(sandbox.payloads(&id, "late_worker_result_ignored").len(), 1);
    assert_eq!(told(&sandbox), "stalled_timeout\n", "once");
    let kinds: Vec<String> = sandbox
        .timeline(&id)
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(
        *heard.lock().unwrap(),
        kinds,
        "the listener heard everything"
    );
}

#[test]
fn a_program_that_asks_for_nothing_does_not_keep_the_run_open() {
    let sandbox = Sandbox::bare();
    let host = host(&sandbox, "RUNR_STALL_TIMEOUT_MS", "400");
    let mut driver = Driver::start_on(request(&sandbox, json!({})), &host, None).unwrap();
    let id = driver.run_id().to_string();
    assert_eq!(stopped_on_disk(&sandbox, &id), "stalled_timeout");
    assert_eq!(sandbox.payloads(&id, "stop")[0]["worker_in_flight"], false);
    assert!(driver.next_call().unwrap().is_none());
}

#[test]
fn a_call_of_a_program_has_its_hard_limit_and_the_time_budget() {
    for (resilience, time, reason) in [
        (
            json!({"max_worker_call_minutes": 0.008}),
            None,
            "worker_call_timeout",
        ),
        (json!({}), Some(0.008), "time_budget_exceeded"),
    ] {
        let sandbox = Sandbox::bare();
        let host = host(&sandbox, "UNUSED", "x");
        let request = RunRequest {
            time_minutes: time,
            ..request(&sandbox, resilience)
        };
        let mut driver = Driver::start_on(request, &host, None).unwrap();
        let id = driver.run_id().to_string();
        let call = driver.next_call().unwrap().unwrap();
        assert_eq!(stopped_on_disk(&sandbox, &id), reason);
        late(&mut driver, &call.id);
    }
}

#[test]
fn a_program_that_makes_progress_is_left_alone() {
    let sandbox = Sandbox::bare();
    let host = host(&sandbox, "RUNR_STALL_TIMEOUT_MS", "2000");
    let mut driver = Driver::start_on(request(&sandbox, json!({})), &host, None).unwrap();
    let call = driver.next_call().unwrap().unwrap();
    // Longer than a stall: a worker is at work, and has its own limit.
    std::thread::sleep(Duration::from_millis(2500));
    let tree = std::path::Path::new(&call.cwd);
    std::fs::write(tree.join("src/part.txt"), "part\n").unwrap();
    let reply = json!({"status": "ok", "handoff_memo": "done"});
    driver.reply(&call.id, Reply::Reply(reply)).unwrap();
    assert!(driver.next_call().unwrap().is_none());
    assert!(driver.state().is_complete(), "{:?}", driver.outcome());
    assert_eq!(told(&sandbox), "complete\n");
}

#[test]
fn a_program_that_ends_its_run_is_told_of_it() {
    let sandbox = Sandbox::bare();
    let host = host(&sandbox, "UNUSED", "x");
    let mut driver = Driver::start_on(request(&sandbox, json!({})), &host, None).unwrap();
    let cause = runr_core::phase::stop::StopCause::StopRequest;
    driver.interrupt(cause).unwrap();
    driver.interrupt(cause).unwrap();
    assert_eq!(told(&sandbox), "interrupted\n");
}
