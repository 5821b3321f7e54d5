//! What ends a run that has lost its claim, or was told to end through it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::Signal;

use super::environment::{run_processes, with_process};
use super::*;
use crate::support::{Output, is_alive};

fn take_over(sandbox: &Sandbox) {
    let takeover = owner(sandbox, "takeover", &["--run-id", "rescuer"]);
    takeover.output().exits(0);
}

/// A run that lost its claim to the rescuer.
#[track_caller]
fn assert_lost(sandbox: &Sandbox, id: &str) {
    let status = sandbox.status(id);
    assert_eq!(status["stop_reason"], "ownership_lost");
    assert_eq!(status["cause"], Value::Null);
    let words = status["last_error"].as_str().unwrap();
    assert!(
        words.contains(TARGET) && words.contains("rescuer"),
        "{words}"
    );
    assert_eq!(sandbox.payloads(id, "stop").len(), 1);
    assert_eq!(sandbox.report(id)["next_action"], "inspect_logs");
    assert_eq!(active(sandbox), "rescuer", "the release is the new owner's");
}

#[test]
fn a_takeover_ends_the_worker_and_the_run() {
    let hang = "(while :; do sleep 0.1; done) & echo $! > \"$0.pid\"; wait";
    let sandbox = with_process(hang, "true");
    let base = sandbox.head();
    let running = run_processes(&sandbox, &own(&["--worktree"])).spawn();
    let file = sandbox.scratch().join("implement.pid");
    let mut pid = None;
    wait_until("the worker is at work", Duration::from_secs(20), || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        pid = text
            .trim()
            .parse()
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        pid.is_some()
    });
    take_over(&sandbox);
    running.wait().exits(1);
    assert!(!is_alive(pid.unwrap()), "the worker lives on");
    let id = sandbox.run_ids().pop().unwrap();
    assert_lost(&sandbox, &id);
    assert_eq!(
        sandbox.payloads(&id, "worker_call_finished").len(),
        1,
        "only the planner's"
    );
    assert_eq!(sandbox.git(&["rev-parse", &format!("runr/{id}")]), base);
}

#[test]
fn a_takeover_during_a_check_leaves_nothing_committed() {
    for fast in [false, true] {
        let sandbox = Sandbox::scripted(&Script::happy(1));
        let takeover = owner_line("takeover", "--run-id rescuer");
        checking(&sandbox, &takeover);
        let base = sandbox.head();
        let flags: &[&str] = if fast {
            &["--worktree", "--fast"]
        } else {
            &["--worktree"]
        };
        let run = sandbox.run(&own(flags), 1);
        assert_lost(&sandbox, &run.id);
        assert_eq!(
            sandbox.git(&["rev-parse", &format!("runr/{}", run.id)]),
            base
        );
        assert!(sandbox.payloads(&run.id, "checkpoint_complete").is_empty());
    }
}

#[test]
fn no_check_begins_after_a_takeover() {
    let sandbox = Sandbox::untrusted(&Config::new());
    let second = sandbox.scratch().join("second");
    let takeover = owner_line("takeover", "--run-id rescuer");
    let touch = format!("touch '{}'", second.display());
    sandbox.configure(&Config::new().tier("tier0", &[&takeover, &touch]));
    sandbox.commit("two checks");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(1));
    let run = sandbox.run(&own(&["--worktree"]), 1);
    assert_lost(&sandbox, &run.id);
    assert!(!second.exists());
}

/// Runs with a git that lets the rescuer take over right after it has done `verb`.
fn trapped(sandbox: &Sandbox, verb: &str, flags: &[&str]) -> Output {
    let bin = sandbox.scratch().join("bin");
    fs::create_dir(&bin).unwrap();
    let path = std::env::var("PATH").unwrap();
    let (takeover, sprung) = (
        owner_line("takeover", "--run-id rescuer"),
        bin.join("sprung"),
    );
    let text = format!(
        "#!/bin/sh\nPATH='{path}'\ncase \" $* \" in *' {verb} '*)\n  git \"$@\" || exit\n  \
         cd '{}' && {takeover} >/dev/null && touch '{}'; exit;;\nesac\nexec git \"$@\"\n",
        sandbox.repo().display(),
        sprung.display(),
    );
    fs::write(bin.join("git"), text).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = sandbox.run_command(&own(flags));
    let output = run
        .env("PATH", format!("{}:{path}", bin.display()))
        .output();
    assert!(sprung.exists(), "the trap was not sprung: {output}");
    output
}

#[test]
fn a_takeover_before_the_worktree_leaves_none() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    // The branch is asked for by the preparation of the work item, which comes after the claim.
    let output = trapped(&sandbox, "--show-current", &["--worktree", "--ref", "#17"]);
    let error = output
        .exits(3)
        .error_json("E_OWNERSHIP_LOST", "ownership_lost");
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(error["run_id"], id.as_str(), "by then it was recorded");
    assert_lost(&sandbox, &id);
    assert!(!sandbox.worktree(&id).exists());
}

#[test]
fn a_takeover_between_the_commit_and_the_branch_leaves_nothing_committed() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let base = sandbox.head();
    let output = trapped(&sandbox, "commit-tree", &["--worktree"]);
    let run = sandbox.started(output.exits(1));
    assert_lost(&sandbox, &run.id);
    assert_eq!(
        sandbox.git(&["rev-parse", &format!("runr/{}", run.id)]),
        base
    );
    assert!(sandbox.payloads(&run.id, "checkpoint_complete").is_empty());
}

#[test]
fn an_exit_signal_interrupts_the_run_and_only_this_session() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 30_000));
    let (id, running) = sandbox.run_until_implement(&own(&["--worktree"]));
    let reason = ["--run-id", &id, "--reason", "the PR was closed"];
    owner(&sandbox, "signal", &reason).output().exits(0);
    running.wait().exits(1);
    let status = sandbox.status(&id);
    assert_eq!(
        (&status["stop_reason"], &status["cause"]),
        (&json!("interrupted"), &json!("signal"))
    );
    let words = status["last_error"].as_str().unwrap();
    assert!(words.contains("the PR was closed"), "{words}");
    assert_eq!(
        active(&sandbox),
        Value::Null,
        "it was its own claim to the end"
    );

    // The signal stays in the record, but it was meant for a life that is over.
    sandbox.script(&Script::happy(1));
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
    assert_eq!(
        document(&sandbox, RECORD)["exitSignals"][0]["runId"],
        id.as_str()
    );
}

#[test]
fn an_exit_signal_of_another_run_means_nothing() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 3000));
    let (id, running) = sandbox.run_until_implement(&own(&["--worktree"]));
    let signal = ["--run-id", "run-b", "--any-run", "--reason", "not yours"];
    owner(&sandbox, "signal", &signal).output().exits(0);
    running.wait().exits(0);
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
}

#[test]
fn a_signal_gives_the_target_back() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 30_000));
        let (id, running) = sandbox.run_until_implement(&own(&["--worktree"]));
        assert_eq!(active(&sandbox), id.as_str());
        running.signal(signal);
        running.wait().exits(code);
        assert_eq!(active(&sandbox), Value::Null);
        assert_eq!(sandbox.status(&id)["cause"], "signal");
    }
}

#[test]
fn a_record_that_nobody_can_use_proves_no_claim() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    checking(
        &sandbox,
        &format!("echo '{{' > '{}'", sandbox.repo().join(RECORD).display()),
    );
    let run = sandbox.run(&own(&["--worktree"]), 1);
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], "ownership_lost");
    assert!(sandbox.payloads(&run.id, "checkpoint_complete").is_empty());
    assert_eq!(
        sandbox.read(RECORD),
        "{\n",
        "a broken record is left for a person"
    );
}
