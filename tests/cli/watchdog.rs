//! Nothing hangs silently: stalls, hard limits, budgets, for workers, checks and host programs.

mod host;

use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, TASK, is_alive};

/// A sandbox whose workers hang.
fn hanging_worker() -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    let command = sandbox.hanging_command();
    let config = Config::new()
        .worker("doer", "sh", &["-c", &command])
        .phases("doer", "doer", "doer");
    sandbox.configure(&config);
    sandbox.commit("a worker");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox
}

/// A sandbox whose check hangs.
fn hanging_check() -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    sandbox.configure(&Config::new().tier("tier0", &[&sandbox.hanging_command()]));
    sandbox.commit("a check");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(1));
    sandbox
}

/// Runs the task with a variable set; the run must stop, with nothing left behind.
fn stopped(sandbox: &Sandbox, flags: &[&str], name: &str, value: &str) -> (String, Value) {
    let command = sandbox.run_command(&["--skip-doctor"]).args(flags);
    let run = sandbox.started(command.env(name, value).output().exits(1));
    assert!(!is_alive(sandbox.hanging_pid().unwrap()), "{name}");
    let stops = sandbox.payloads(&run.id, "stop");
    assert_eq!(stops.len(), 1);
    (run.id, stops[0].clone())
}

#[test]
fn a_worker_that_stalls_is_ended_and_the_stop_tells_where() {
    for name in [
        "RUNR_WORKER_CALL_TIMEOUT_MS",
        "AGENT_WORKER_CALL_TIMEOUT_MS",
    ] {
        let sandbox = hanging_worker();
        let (id, stop) = stopped(&sandbox, &["--worktree"], name, "700");
        assert_eq!(stop["reason"], "stalled_timeout");
        assert_eq!(stop["phase"], "PLAN");
        assert_eq!(stop["last_event_type"], "worker_call_started");
        assert_eq!(
            (&stop["timeout_ms"], &stop["worker_in_flight"]),
            (&json!(700), &json!(true))
        );
        assert!(stop["elapsed_ms"].as_u64().unwrap() >= 700);
        assert!(sandbox.payloads(&id, "worker_call_finished").is_empty());
    }
}

#[test]
fn a_check_that_stalls_is_ended() {
    let sandbox = hanging_check();
    let (id, stop) = stopped(&sandbox, &["--worktree"], "RUNR_STALL_TIMEOUT_MS", "1500");
    assert_eq!(stop["reason"], "stalled_timeout");
    assert_eq!(
        (&stop["phase"], &stop["worker_in_flight"]),
        (&json!("VERIFY"), &json!(false))
    );
    assert_eq!(sandbox.status(&id)["stop_reason"], "stalled_timeout");
    let suggested = sandbox.report(&id);
    assert_eq!(suggested["suggested_command"], format!("runr resume {id}"));
}

#[test]
fn the_end_of_the_time_budget_ends_what_runs() {
    for sandbox in [hanging_worker(), hanging_check()] {
        let flags = ["--worktree", "--time", "0.04"];
        let (_, stop) = stopped(&sandbox, &flags, "UNUSED", "");
        assert_eq!(stop["reason"], "time_budget_exceeded");
    }
}

#[test]
fn a_call_past_its_hard_limit_is_not_a_stall() {
    let sandbox = hanging_worker();
    let config = std::fs::read_to_string(sandbox.repo().join(".runr/runr.config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["resilience"] = json!({"max_worker_call_minutes": 0.01});
    sandbox.write(".runr/runr.config.json", &config.to_string());
    sandbox.commit("a limit");
    let (_, stop) = stopped(&sandbox, &["--worktree"], "UNUSED", "");
    assert_eq!(stop["reason"], "worker_call_timeout");
}

#[test]
fn a_limit_that_is_none_refuses_the_run() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox
        .run_command(&["--worktree"])
        .env("STALL_TIMEOUT_MINUTES", "soon");
    let refused = run.output().exits(2).error_json("E_USAGE", "usage");
    assert_eq!(refused["variable"], "STALL_TIMEOUT_MINUTES");
    assert!(sandbox.run_ids().is_empty());
}

#[test]
fn a_happy_milestone_takes_six_ticks_and_a_stop_before_suggests_more() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.run(&["--worktree", "--max-ticks", "6"], 0);
    let run = ["run", "--task", TASK, "--worktree", "--max-ticks", "5"];
    let output = sandbox.runr(&run).output().exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    let next = format!("Next: runr resume {id}\n      runr resume {id} --max-ticks 8");
    assert!(output.stdout.contains(&next), "{output}");
    assert_eq!(
        sandbox.report(&id)["suggested_command"],
        format!("runr resume {id}")
    );
}

#[test]
fn the_limits_in_effect_are_shown_and_kept() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.runr(&["run", "--task", TASK, "--worktree"]);
    let output = run
        .env("RUNR_STALL_TIMEOUT_MINUTES", "20")
        .output()
        .exits(0);
    let limits = "stall=20m0s worker_stall=45m0s worker_call=45m0s verify=10m0s review_rounds=2";
    assert!(output.stdout.contains(limits), "{output}");
    let id = sandbox.run_ids().pop().unwrap();
    let started = &sandbox.payloads(&id, "run_started")[0];
    assert_eq!(started["limits"]["stall_ms"], 1_200_000);
    assert_eq!(sandbox.state(&id)["limits"], started["limits"]);
}
