//! `runr report`: every number is computed from the timeline.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Config, Sandbox, Script, assert_leading_fields, blocked, milestone, names, ok, plan,
};

const FIELDS: [&str; 18] = [
    "version",
    "run_id",
    "phase",
    "checkpoint_sha",
    "total_duration_ms",
    "unattributed_ms",
    "idle_ms",
    "started_at",
    "ended_at",
    "phases",
    "workers",
    "verify",
    "milestones",
    "reliability",
    "usage",
    "outcome",
    "stop_reason",
    "next_action",
];

/// The parts of the total add up, and none is negative.
#[track_caller]
fn assert_times_add_up(report: &Value) {
    let phases = report["phases"].as_object().unwrap();
    let spent: u64 = phases
        .values()
        .map(|phase| phase["duration_ms"].as_u64().unwrap())
        .sum();
    let rest = report["unattributed_ms"].as_u64().unwrap() + report["idle_ms"].as_u64().unwrap();
    assert_eq!(
        report["total_duration_ms"].as_u64().unwrap(),
        spent + rest,
        "{report}"
    );
}

#[test]
fn a_complete_run_is_reported_as_complete() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree"], 0);
    let report = sandbox.report(&run.id);
    let mut fields = FIELDS.to_vec();
    fields.push("suggested_command");
    assert_leading_fields(&report, &fields);

    assert_eq!(
        (&report["version"], &report["run_id"]),
        (&json!(1), &json!(run.id))
    );
    assert_eq!(
        (&report["outcome"], &report["stop_reason"]),
        (&json!("complete"), &json!(null))
    );
    assert_eq!(
        (&report["next_action"], &report["suggested_command"]),
        (&json!("none"), &json!(null))
    );
    assert_eq!(report["milestones"], json!({"completed": 2, "total": 2}));
    assert_eq!(
        report["checkpoint_sha"],
        sandbox
            .git(&["rev-parse", &format!("runr/{}", run.id)])
            .as_str()
    );
    assert_eq!(
        names(&report["phases"]),
        [
            "PLAN",
            "IMPLEMENT",
            "VERIFY",
            "REVIEW",
            "CHECKPOINT",
            "FINALIZE"
        ]
    );
    let counts: Vec<&Value> = report["phases"]
        .as_object()
        .unwrap()
        .values()
        .map(|phase| &phase["count"])
        .collect();
    assert_eq!(json!(counts), json!([1, 2, 2, 2, 2, 1]));
    assert_leading_fields(
        &report["verify"],
        &["attempts", "retries", "total_duration_ms"],
    );
    assert_eq!(
        (&report["verify"]["attempts"], &report["verify"]["retries"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(report["workers"], json!({"claude": 3, "codex": 2}));
    assert_eq!(
        report["reliability"],
        json!({"infra_retries": 0, "fallback_used": false, "fallback_count": 0, "stalls_triggered": 0, "late_results_ignored": 0})
    );
    assert_leading_fields(
        &report["usage"],
        &[
            "input_tokens",
            "output_tokens",
            "cost_usd",
            "unknown_calls",
            "by_worker",
        ],
    );
    assert!(
        report["started_at"].is_string() && report["ended_at"].is_string(),
        "{report}"
    );
    assert_times_add_up(&report);
}

#[test]
fn a_stopped_run_is_reported_with_the_command_that_helps() {
    let sandbox =
        Sandbox::with(&Config::new().tier("tier0", &["echo the reason it failed; exit 7"]));
    sandbox.script(&Script::happy(1));
    let run = sandbox.run(&["--worktree"], 1);
    let report = sandbox.report(&run.id);
    assert_eq!(report["outcome"], "stopped");
    assert_eq!(report["stop_reason"], "verification_failed_max_retries");
    assert_eq!(report["next_action"], "resume");
    assert_eq!(
        report["suggested_command"],
        format!("runr resume {}", run.id)
    );
    assert_eq!(
        (&report["verify"]["attempts"], &report["verify"]["retries"]),
        (&json!(4), &json!(3))
    );
    assert_eq!(report["milestones"], json!({"completed": 0, "total": 1}));
    assert_eq!(report["checkpoint_sha"], json!(null));
    assert_times_add_up(&report);

    let human = sandbox.runr(&["report", &run.id]).output().exits(0);
    for words in [
        "outcome: stopped (verification_failed_max_retries)",
        "milestones_completed: 0/1",
        "the reason it failed",
        "repeated failure: ",
    ] {
        assert!(
            human.stdout.contains(words),
            "`{words}` is missing: {human}"
        );
    }
}

#[test]
fn a_run_out_of_ticks_has_a_stop_event_and_an_end() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree", "--max-ticks", "2"], 1);
    let report = sandbox.report(&run.id);
    assert_eq!(
        (&report["outcome"], &report["stop_reason"]),
        (&json!("stopped"), &json!("max_ticks_reached"))
    );
    assert!(report["ended_at"].is_string());
    assert_eq!(sandbox.payloads(&run.id, "stop").len(), 1);
    assert_times_add_up(&report);
}

#[test]
fn a_pause_is_idle_time_and_charged_to_no_phase() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree", "--max-ticks", "2"], 1);
    let pause = Duration::from_millis(2500);
    std::thread::sleep(pause);
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    let report = sandbox.report(&run.id);
    assert_eq!(report["outcome"], "complete");
    assert!(report["idle_ms"].as_u64().unwrap() >= 2500, "{report}");
    assert_times_add_up(&report);
}

#[test]
fn a_running_run_has_no_end_yet() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 1500));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    let report = sandbox.report(&id);
    assert_eq!(
        (&report["outcome"], &report["stop_reason"]),
        (&json!("running"), &json!(null))
    );
    assert_eq!(
        (&report["total_duration_ms"], &report["ended_at"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(
        (&report["next_action"], &report["suggested_command"]),
        (&json!("inspect_logs"), &json!(format!("runr status {id}")))
    );
    running.wait().exits(0);
}

#[test]
fn the_indicators_alone_are_a_part_of_the_report() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree"], 0);
    let short = sandbox
        .runr(&["report", &run.id, "--kpi-only"])
        .output()
        .exits(0)
        .stdout;
    for words in [
        "total_duration: ",
        "outcome: complete",
        "milestones_completed: 2/2",
        "CHECKPOINT=",
        "verify: attempts=2 retries=0",
        &run.id,
    ] {
        assert!(short.contains(words), "`{words}` is missing: {short}");
    }
    let full = sandbox.runr(&["report", &run.id]).output().exits(0).stdout;
    assert!(
        full.contains("Last events") && full.contains("checkpoint_complete"),
        "{full}"
    );
    assert!(
        !short.contains("Last events") && short.lines().count() < full.lines().count(),
        "{short}"
    );
}

#[test]
fn a_guard_stop_is_found_by_its_name_in_the_report() {
    let sandbox = Sandbox::scripted(&Script::one(ok(
        json!({"other/x.txt": "x\n", "other/y.txt": "y\n"}),
    )));
    let run = sandbox.run(&["--worktree"], 1);
    let human = sandbox.runr(&["report", &run.id]).output().exits(0);
    let lines: Vec<&str> = human
        .stdout
        .lines()
        .filter(|line| line.trim_start().starts_with("guard_violation"))
        .collect();
    assert!(!lines.is_empty(), "{human}");
    let lines = lines.join("\n");
    assert!(
        lines.contains("other/x.txt") && lines.contains("other/y.txt"),
        "{lines}"
    );
}

#[test]
fn retries_and_fallbacks_are_counted() {
    let answers = [
        json!({"reply": "no"}),
        json!({"reply": "no"}),
        json!({"reply": "no"}),
        plan(&[milestone("goal 1")]),
    ];
    let script = json!({"plan": answers, "implement": [blocked("enough")], "review": []});
    let sandbox = Sandbox::scripted(&Script::from_value(script));
    let run = sandbox.run(&["--worktree"], 1);
    let report = sandbox.report(&run.id);
    assert_eq!(report["reliability"]["fallback_count"], 1);
    assert_eq!(report["reliability"]["fallback_used"], true);
    assert!(
        report["reliability"]["infra_retries"].as_u64().unwrap() >= 1,
        "{report}"
    );
    assert_eq!(
        (&report["outcome"], &report["stop_reason"]),
        (&json!("stopped"), &json!("implement_blocked"))
    );
}
