//! A run under the claim of somebody else: it shows the token, and gives nothing back.

use runr_cli::Host;
use runr_cli::harness::{Driver, Own, Reply, ResumeRequest, RunRequest};
use runr_core::Code;

use super::*;

/// `runr owner exec` with a command in it.
fn exec(sandbox: &Sandbox, run: &str, command: &[&str]) -> Command {
    let runr = env!("CARGO_BIN_EXE_runr");
    let inner = [&["--run-id", run, "--", runr], command].concat();
    owner(sandbox, "exec", &inner)
}

#[test]
fn a_run_inside_of_owner_exec_shares_its_claim() {
    let sandbox = watched(&Script::happy(1));
    let run = [
        "run",
        "--task",
        TASK,
        "--json",
        "--worktree",
        "--own",
        TARGET,
    ];
    let run = sandbox.started(exec(&sandbox, "gh-17", &run).output().exits(0));
    let fence = kept(&sandbox, "fence");
    assert_eq!(fence["holder"]["kind"], "guard", "exec holds it");
    let claim =
        json!({"target": TARGET, "run_id": "gh-17", "token": fence["token"], "shared": true});
    assert_eq!(sandbox.status(&run.id)["claim"], claim);
    let lines = trailers(&sandbox, &format!("runr/{}", run.id));
    assert!(
        lines.contains(&format!("Runr-Token: {}", fence["token"])),
        "{lines:?}"
    );
    let events = document(&sandbox, RECORD)["history"].clone();
    let kinds: Vec<&str> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.first(), Some(&"claim"));
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "release").count(),
        1,
        "{kinds:?}"
    );
}

#[test]
fn a_resume_inside_of_owner_exec_shares_its_claim() {
    let sandbox = watched(&Script::happy(2));
    let run = sandbox.run(&own(&["--worktree", "--max-ticks", "5"]), 1);
    exec(&sandbox, "gh-17", &["resume", &run.id])
        .output()
        .exits(0);
    let claim = sandbox.status(&run.id)["claim"].clone();
    assert_eq!(
        (&claim["run_id"], &claim["shared"]),
        (&json!("gh-17"), &json!(true))
    );
    assert_eq!(kept(&sandbox, "record")["activeRun"]["runId"], "gh-17");
}

#[test]
fn a_token_that_counts_no_more_refuses_the_run() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    owner(&sandbox, "claim", &["--run-id", "gh-17"])
        .output()
        .exits(0);
    let old = document(&sandbox, FENCE)["token"].to_string();
    owner(&sandbox, "release", &["--run-id", "gh-17"])
        .output()
        .exits(0);
    owner(&sandbox, "claim", &["--run-id", "gh-17"])
        .output()
        .exits(0);
    let run = sandbox
        .run_command(&own(&["--worktree"]))
        .env("RUNR_RUN_ID", "gh-17")
        .env("RUNR_TOKEN", old);
    run.output()
        .exits(3)
        .error_json("E_OWNERSHIP_LOST", "ownership_lost");
    assert!(sandbox.run_ids().is_empty());
}

/// The sandbox's machine, for a run inside of this process.
fn host(sandbox: &Sandbox) -> Host {
    let mut host = Host::of_process(Vec::new());
    host.env.retain(|name, _| name == "PATH");
    let home = sandbox.scratch().to_str().unwrap().to_owned();
    host.env.insert("HOME".into(), home);
    host.cwd = sandbox.repo().to_str().unwrap().into();
    host
}

fn request(own: Own) -> RunRequest {
    RunRequest {
        task_text: Some("# Write a part".into()),
        fast: true,
        host_answers: true,
        ..RunRequest::default()
    }
    .worktree()
    .allow(&["src/**"])
    .verify(&["true"])
    .own(own)
}

fn guard(sandbox: &Sandbox, run: &str) -> Own {
    let claimed = owner(sandbox, "claim", &["--run-id", run, "--json"]).output();
    let token = claimed.exits(0).json()["token"].as_u64().unwrap();
    Own::Guard {
        target: json!({"kind": "pr", "repo": "acme/shop", "pr": 17}),
        run_id: run.to_owned(),
        token,
    }
}

fn implement(driver: &mut Driver) -> Result<(), runr_core::Error> {
    let call = driver.next_call()?.unwrap();
    let tree = std::path::Path::new(&call.cwd);
    fs::write(tree.join("src/part.txt"), "part\n").unwrap();
    let reply = json!({"status": "ok", "handoff_memo": "done"});
    driver.reply(&call.id, Reply::Reply(reply))
}

#[test]
fn a_program_hands_its_guard_to_a_run() {
    let sandbox = Sandbox::bare();
    let own = guard(&sandbox, "gh-17");
    let mut driver = Driver::start_on(request(own), &host(&sandbox), None).unwrap();
    assert!(driver.state().claim.as_ref().unwrap().shared);
    implement(&mut driver).unwrap();
    assert!(driver.next_call().unwrap().is_none());
    assert!(driver.state().is_complete(), "{:?}", driver.outcome());
    drop(driver);
    assert_eq!(active(&sandbox), "gh-17", "it is the guard's to release");
}

#[test]
fn a_target_is_free_as_soon_as_the_run_has_ended() {
    let sandbox = Sandbox::bare();
    let mut driver = Driver::start_on(request(TARGET.into()), &host(&sandbox), None).unwrap();
    implement(&mut driver).unwrap();
    assert!(driver.next_call().unwrap().is_none());
    assert!(driver.state().is_complete(), "{:?}", driver.outcome());
    assert_eq!(active(&sandbox), Value::Null);
}

#[test]
fn a_guard_that_has_lost_its_claim_starts_nothing() {
    let sandbox = Sandbox::bare();
    let own = guard(&sandbox, "gh-17");
    let refused = |own: &Own| {
        let before = (document(&sandbox, RECORD), document(&sandbox, FENCE));
        let refused = Driver::start_on(request(own.clone()), &host(&sandbox), None).unwrap_err();
        assert_eq!(refused.code(), Code::OwnershipLost);
        let after = (document(&sandbox, RECORD), document(&sandbox, FENCE));
        assert_eq!(before, after, "a guard's claim is the guard's to make");
        assert!(sandbox.run_ids().is_empty());
    };
    owner(&sandbox, "release", &["--run-id", "gh-17"])
        .output()
        .exits(0);
    refused(&own);
    owner(&sandbox, "claim", &["--run-id", "gh-17"])
        .output()
        .exits(0);
    refused(&own);
    refused(&Own::Guard {
        target: TARGET.into(),
        run_id: "gh-17".into(),
        token: u64::MAX >> 11,
    });
}

#[test]
fn an_answer_after_the_loss_comes_too_late() {
    let sandbox = Sandbox::bare();
    let host = host(&sandbox);
    let mut driver = Driver::start_on(request(TARGET.into()), &host, None).unwrap();
    let id = driver.run_id().to_string();
    let call = driver.next_call().unwrap().unwrap();
    owner(&sandbox, "takeover", &["--run-id", "rescuer"])
        .output()
        .exits(0);
    let reply = Reply::Reply(json!({"status": "ok", "handoff_memo": "done"}));
    let late = driver.reply(&call.id, reply).unwrap_err();
    assert_eq!(late.code(), Code::CallLate);
    assert!(driver.next_call().unwrap().is_none());
    drop(driver);
    assert_eq!(sandbox.status(&id)["stop_reason"], "ownership_lost");
    assert_eq!(sandbox.payloads(&id, "late_worker_result_ignored").len(), 1);
    assert_eq!(sandbox.payloads(&id, "stop").len(), 1);
    assert_eq!(active(&sandbox), "rescuer");

    // A resume under the guard of the new owner.
    let token = document(&sandbox, FENCE)["token"].as_u64().unwrap();
    let own = Own::Guard {
        target: TARGET.into(),
        run_id: "rescuer".into(),
        token,
    };
    let resume = |own| ResumeRequest {
        run_id: Some(id.clone()),
        root: ".".into(),
        own,
        host_answers: true,
        ..ResumeRequest::default()
    };
    let refused = Driver::resume_on(resume(None), &host, None).unwrap_err();
    assert_eq!(refused.code(), Code::OwnershipLost);
    let mut driver = Driver::resume_on(resume(Some(own)), &host, None).unwrap();
    implement(&mut driver).unwrap();
    assert!(driver.next_call().unwrap().is_none());
    assert!(driver.state().is_complete(), "{:?}", driver.outcome());
    let facts = driver.state().claim.clone().unwrap();
    assert_eq!((facts.run_id.as_str(), facts.shared), ("rescuer", true));
}

#[test]
fn a_resume_may_be_given_a_target_and_keeps_it() {
    let sandbox = Sandbox::bare();
    let host = host(&sandbox);
    let mut free = request(TARGET.into());
    free.own = None;
    let driver = Driver::start_on(free, &host, None).unwrap();
    let id = driver.run_id().to_string();
    drop(driver);
    for own in [Some(TARGET.into()), None] {
        let resume = ResumeRequest {
            run_id: Some(id.clone()),
            root: ".".into(),
            own,
            host_answers: true,
            ..ResumeRequest::default()
        };
        let driver = Driver::resume_on(resume, &host, None).unwrap();
        assert_eq!(active(&sandbox), id.as_str());
        drop(driver);
        assert_eq!(active(&sandbox), Value::Null);
    }
}

#[test]
fn a_driver_that_is_dropped_gives_its_target_back() {
    let sandbox = Sandbox::bare();
    let mut driver = Driver::start_on(request(TARGET.into()), &host(&sandbox), None).unwrap();
    let id = driver.run_id().to_string();
    let _call = driver.next_call().unwrap().unwrap();
    assert_eq!(active(&sandbox), id.as_str());
    drop(driver);
    assert_eq!(active(&sandbox), Value::Null);
}
