//! Signals and terminals: a run ends cleanly, or outlives them on purpose.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Config, Sandbox, Script, TASK, is_alive, signal_group, wait_until};

#[test]
fn a_signal_stops_a_run_cleanly_and_resumably() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let sandbox = Sandbox::scripted(&Script::happy(2).sleeping("implement", 30_000));
        let base = sandbox.head();
        let (id, running) = sandbox.run_until_implement(&["--worktree"]);
        let sent = Instant::now();
        running.signal(signal);
        let output = running.wait().exits(code);
        assert!(
            sent.elapsed() < Duration::from_secs(10),
            "{:?}",
            sent.elapsed()
        );
        sandbox.started(output);

        let status = sandbox.status(&id);
        assert_eq!(
            (&status["phase"], &status["stop_reason"]),
            (&json!("STOPPED"), &json!("interrupted"))
        );
        assert_eq!(
            (&status["cause"], &status["liveness"]),
            (&json!("signal"), &json!("stopped"))
        );
        assert_eq!(status["in_flight"], json!(null));
        let stops = sandbox.payloads(&id, "stop");
        assert_eq!(stops.len(), 1);
        assert_eq!(stops[0]["cause"], "signal");
        assert_eq!(
            sandbox.report(&id)["suggested_command"],
            format!("runr resume {id}")
        );

        sandbox.script(&Script::happy(2));
        sandbox.runr(&["resume", &id]).output().exits(0);
        assert_eq!(sandbox.checkpoints(&id).len(), 2);
        assert_eq!(
            sandbox.changed(&base, &format!("runr/{id}")),
            ["src/part1.txt", "src/part2.txt"]
        );
    }
}

#[test]
fn a_signal_during_a_check_ends_the_check_too() {
    let sandbox = Sandbox::untrusted(&Config::new());
    sandbox.configure(&Config::new().tier("tier0", &[&sandbox.hanging_command()]));
    sandbox.commit("a check that hangs");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(1));
    let running = sandbox.run_command(&["--worktree"]).spawn();
    wait_until("the check runs", Duration::from_secs(20), || {
        sandbox.hanging_pid().is_some()
    });
    running.signal(Signal::INT);
    running.wait().exits(130);
    let check = sandbox.hanging_pid().unwrap();
    wait_until("the check is gone", Duration::from_secs(2), || {
        !is_alive(check)
    });
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(sandbox.status(&id)["stop_reason"], "interrupted");
    assert_eq!(
        sandbox.payloads(&id, "verify_failed_retry").len(),
        0,
        "an ended check is no failed one"
    );
}

#[test]
fn a_detached_run_survives_its_terminal() {
    let sandbox = Sandbox::scripted(&Script::happy(2).sleeping("implement", 700));
    let caller = sandbox.run_command(&["--worktree", "--detach"]).spawn();
    let group = caller.pid();
    let run = sandbox.started(caller.wait().exits(0));
    assert_eq!(run.line["status"], "started");
    assert_eq!(
        sandbox.status(&run.id)["stop_reason"],
        json!(null),
        "the caller did not wait for the end"
    );

    // What a closing terminal does to every process of the job.
    let anybody = signal_group(group, Signal::HUP) | signal_group(group, Signal::KILL);
    assert!(
        !anybody,
        "the run is still in the process group of its caller"
    );
    wait_until("the detached run ends", Duration::from_secs(30), || {
        sandbox.status(&run.id)["phase"] == "STOPPED"
    });
    assert_eq!(sandbox.status(&run.id)["stop_reason"], "complete");
    assert_eq!(sandbox.checkpoints(&run.id).len(), 2);
    assert!(sandbox.run_dir(&run.id).join("logs/driver.log").exists());
}

#[test]
fn a_detached_run_that_is_refused_says_so_to_its_caller() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write("src/base.txt", "dirty\n");
    let human = sandbox
        .runr(&["run", "--task", TASK, "--detach"])
        .output()
        .exits(3);
    human.says("Error: Worktree is dirty");
    sandbox
        .runr(&["run", "--task", "absent.md", "--detach"])
        .output()
        .exits(4);
}

#[test]
fn what_has_nothing_to_run_in_the_background_is_told_as_ever() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write(".runr/tasks/hand.md", "---\ntype: manual\n---\n# By hand\n");
    for args in [
        &["run", "--task", "hand.md"][..],
        &["run", "--task", TASK, "--dry-run"],
    ] {
        let plain = sandbox.runr(args).output().exits(0);
        let detached = sandbox.runr(args).args(&["--detach"]).output().exits(0);
        assert_eq!(detached.stdout, plain.stdout);
    }
    let run = sandbox.run(&["--worktree"], 0);
    let again = sandbox.runr(&["resume", "--detach", "--", "latest"]);
    let again = again.output().exits(0);
    let words = format!("Run {} is already complete\n", run.id);
    assert_eq!(again.stdout, words);
    let left = sandbox.run_ids();
    assert_eq!(left, [run.id]);
    let runs = std::fs::read_dir(sandbox.repo().join(".runr/runs")).unwrap();
    let names = runs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let logs: Vec<String> = names.filter(|name| name.starts_with(".driver")).collect();
    assert_eq!(logs, [""; 0]);
}

#[test]
fn a_detached_resume_completes_on_its_own() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    sandbox
        .runr(&["resume", &run.id, "--detach"])
        .output()
        .exits(0);
    wait_until("the detached resume ends", Duration::from_secs(30), || {
        sandbox.status(&run.id)["stop_reason"] == "complete"
    });
    assert_eq!(sandbox.checkpoints(&run.id).len(), 2);
}

#[test]
fn a_killed_run_is_reported_as_stale_and_nothing_is_written() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 30_000));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    running.kill();
    let before = sandbox.snapshot();
    let status = sandbox.status(&id);
    assert_eq!(
        (&status["liveness"], &status["phase"]),
        (&json!("stale"), &json!("IMPLEMENT"))
    );
    assert_eq!(
        sandbox.snapshot(),
        before,
        "a reader reports a dead owner, it does not record it"
    );

    sandbox.script(&Script::happy(1));
    sandbox.runr(&["resume", &id]).output().exits(0);
    let stops = sandbox.payloads(&id, "stop");
    assert_eq!(
        (&stops[0]["reason"], &stops[0]["cause"]),
        (&json!("interrupted"), &json!("owner_lost"))
    );
    assert_eq!(stops[1]["reason"], "complete");
    assert_eq!(stops.len(), 2);
}
