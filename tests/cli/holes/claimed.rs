//! Checks that a worker claims to have run, when the harness runs them again.

use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::*;
use crate::support::{Command, is_alive, wait_until};

/// A worker that claims these checks, and has done nothing.
fn claims(commands: &[&str]) -> Script {
    let ran = commands
        .iter()
        .map(|it| json!({"command": it, "exit_code": 0}));
    let reply = json!({
        "status": "no_changes_needed", "handoff_memo": "all there",
        "evidence": {"commands_run": ran.collect::<Vec<_>>()},
    });
    Script::one(json!({"reply": reply}))
}

/// A repository with one check, which its worker claims so many times.
fn claimed(times: usize, check: impl FnOnce(&Sandbox) -> String) -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    let check = check(&sandbox);
    sandbox.configure(&Config::new().tier("tier0", &[&check]));
    sandbox.commit("a check");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&claims(&vec![check.as_str(); times]));
    sandbox
}

#[test]
fn a_signal_while_a_claim_is_checked_interrupts_the_run() {
    let sandbox = claimed(1, Sandbox::hanging_command);
    let running = sandbox.run_command(&["--worktree"]).spawn();
    wait_until("the claimed check runs", Duration::from_secs(20), || {
        sandbox.hanging_pid().is_some()
    });
    running.signal(Signal::TERM);
    running.wait().exits(143);
    let id = sandbox.run_ids().pop().unwrap();
    let status = sandbox.status(&id);
    assert_eq!(
        (&status["stop_reason"], &status["cause"]),
        (&json!("interrupted"), &json!("signal"))
    );
    let failed = sandbox.payloads(&id, "no_changes_evidence_failed");
    assert!(failed.is_empty(), "nobody has failed: {failed:?}");
    sandbox.script(&Script::happy(1));
    let resumed = sandbox.runr(&["resume", &id, "--max-ticks", "1"]).output();
    assert_eq!(sandbox.calls("implement").len(), 2, "{resumed}");
}

#[test]
fn a_stall_while_a_claim_is_checked_is_a_stall() {
    let sandbox = claimed(1, Sandbox::hanging_command);
    let run = sandbox.run_command(&["--worktree"]);
    run.env("RUNR_STALL_TIMEOUT_MS", "1500").output().exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(sandbox.status(&id)["stop_reason"], "stalled_timeout");
}

#[test]
fn a_check_that_is_claimed_often_runs_once() {
    let sandbox = claimed(20, |sandbox| sandbox.scripted_command("check", &[0]));
    let run = sandbox.run(&["--worktree"], 0);
    assert_eq!(sandbox.count("check"), 1);
    assert_eq!(sandbox.payloads(&run.id, "no_changes_evidence_ok").len(), 1);
}

#[test]
fn claimed_checks_share_the_time_for_checks() {
    let checks = ["sleep 0.7", "sleep 0.8"];
    let config = Config::new().tier("tier0", &checks);
    let config = config.set("verification", "max_verify_time_per_milestone", json!(1));
    let sandbox = Sandbox::with(&config);
    sandbox.script(&claims(&checks));
    stops(&sandbox, &["--worktree"], "insufficient_evidence");
}

/// Starts a child in a session of its own, which says that it lives.
fn orphan(sandbox: &Sandbox) -> String {
    let dir = sandbox.scratch();
    let dir = dir.display();
    format!(
        "setsid sh -c 'echo $$ > \"{dir}/pid.new\"; mv \"{dir}/pid.new\" \"{dir}/pid\"
while [ -d \"{dir}\" ]; do sleep 0.05; done' > /dev/null 2>&1 &
while [ ! -e \"{dir}/pid\" ]; do sleep 0.02; done"
    )
}

#[track_caller]
fn expect_no_orphan(sandbox: &Sandbox) {
    let pid = fs::read_to_string(sandbox.scratch().join("pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    assert!(!is_alive(pid), "the child is still at work");
}

#[test]
fn a_claimed_check_leaves_nobody_behind() {
    let sandbox = claimed(1, orphan);
    sandbox.run(&["--worktree"], 0);
    expect_no_orphan(&sandbox);
}

/// Lets no file grow beyond 256 KiB.
fn limited(command: Command) -> Command {
    command.under(&["sh", "-c", "ulimit -f 512; exec \"$@\"", "sh"])
}

const NOISE: &str = "head -c 1000000 /dev/zero | tr '\\0' x";

#[test]
fn a_check_whose_log_cannot_be_kept_leaves_nobody_behind() {
    for times in [0, 1] {
        let sandbox = claimed(times, |it| format!("{}\n{NOISE}", orphan(it)));
        if times == 0 {
            sandbox.script(&Script::happy(1));
        }
        let run = limited(sandbox.run_command(&["--worktree"]));
        run.output().exits(1);
        let id = sandbox.run_ids().pop().unwrap();
        assert_eq!(sandbox.status(&id)["stop_reason"], "internal_error");
        expect_no_orphan(&sandbox);
    }
}

#[test]
fn a_worker_whose_log_cannot_be_kept_leaves_nobody_behind() {
    let place = Sandbox::bare();
    let sandbox = process(&format!("{}\n{NOISE}", orphan(&place)));
    let run = sandbox.run_command(&["--worktree"]);
    limited(run.env("RUNR_SKIP_DOCTOR", "1")).output().exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(sandbox.status(&id)["stop_reason"], "internal_error");
    expect_no_orphan(&place);
}
