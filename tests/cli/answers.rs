//! What a program hands in that answers the calls of a run itself.

use runr_cli::Host;
use runr_cli::harness::{Answered, Driver, RunRequest};
use runr_core::Code;
use serde_json::{Value, from_value, json};

use crate::support::Sandbox;

fn host(sandbox: &Sandbox) -> Host {
    let mut host = Host::of_process(Vec::new());
    host.env.retain(|name, _| name == "PATH");
    let home = sandbox.scratch().to_str().unwrap().to_owned();
    host.env.insert("HOME".into(), home);
    host.cwd = sandbox.repo().to_str().unwrap().into();
    host
}

fn request(verify: &[&str]) -> RunRequest {
    RunRequest {
        task_text: Some("# Write a part".into()),
        host_answers: true,
        ..RunRequest::default()
    }
    .worktree()
    .allow(&["src/**"])
    .verify(verify)
}

#[test]
fn words_of_any_length_end_a_run_with_their_reason() {
    let sandbox = Sandbox::bare();
    let mut driver = Driver::start_on(request(&["true"]), &host(&sandbox), None).unwrap();
    let words = "no idea ".repeat(500_000);
    while let Some(call) = driver.next_call().unwrap() {
        let failed = json!({"fail": {"kind": "auth", "message": words}});
        let failed: Answered = from_value(failed).unwrap();
        driver.reply(&call.id, failed).unwrap();
    }
    let reason = driver.state().stop_reason.as_ref().unwrap().to_string();
    assert_eq!(reason, "auth_expired");
    let id = driver.run_id().to_string();
    drop(driver);
    let stop = sandbox.payloads(&id, "stop").remove(0);
    let error = stop["error"].as_str().unwrap();
    assert!(error.contains("no idea") && error.len() < 1000, "{error}");
}

#[test]
fn the_end_of_a_limit_is_a_time() {
    let failed = |at: Value| {
        let failed = json!({"fail": {"kind": "rate_limit", "message": "later", "retry_at": at}});
        from_value::<Answered>(failed)
    };
    assert!(failed(json!("soon")).is_err());
    let sandbox = Sandbox::bare();
    let mut driver = Driver::start_on(request(&["true"]), &host(&sandbox), None).unwrap();
    let call = driver.next_call().unwrap().unwrap();
    let later = failed(json!("2099-01-01T02:00:00+02:00")).unwrap();
    driver.reply(&call.id, later).unwrap();
    let at = driver.state().retry_at.as_deref();
    assert_eq!(at, Some("2099-01-01T00:00:00.000Z"));
}

#[test]
fn a_command_that_would_prove_nothing_is_refused_before_anything_is_made() {
    let sandbox = Sandbox::bare();
    for command in ["", " \n", "tr\0ue"] {
        let refused = Driver::start_on(request(&["true", command]), &host(&sandbox), None);
        let error = refused.err().unwrap();
        assert_eq!(error.code(), Code::Usage, "{error}");
        assert!(error.to_string().contains("verify"), "{error}");
    }
    assert_eq!(sandbox.run_ids().len(), 0);
}
