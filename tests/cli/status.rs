//! `runr status` tells the truth and changes nothing.

use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, assert_leading_fields, ok};

const FIELDS: [&str; 31] = [
    "run_id",
    "phase",
    "milestone_index",
    "milestones",
    "stop_reason",
    "verification_failures",
    "guard_violation_files",
    "checkpoint_sha",
    "branch",
    "worktree_path",
    "repo_path",
    "task_path",
    "fast",
    "allow_deps",
    "work_item",
    "liveness",
    "owner",
    "in_flight",
    "last_error",
    "cause",
    "retry_at",
    "auto_resume_count",
    "review_rounds",
    "phase_attempt",
    "started_at",
    "updated_at",
    "phase_started_at",
    "last_progress_at",
    "scope",
    "worker_stats",
    "usage",
];

#[track_caller]
fn assert_time(value: &Value) {
    // 2026-11-21T09:37:00.123Z
    let text = value.as_str().unwrap();
    assert!(
        text.len() == 24 && text.ends_with('Z') && text.as_bytes()[19] == b'.',
        "{text}"
    );
}

#[test]
fn every_field_of_a_status_is_there_in_order() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree"], 0);
    let status = sandbox.status(&run.id);
    let mut fields = FIELDS.to_vec();
    fields.push("schema_version");
    assert_leading_fields(&status, &fields);

    assert_eq!(status["run_id"], run.id.as_str());
    assert_eq!(
        (&status["phase"], &status["stop_reason"]),
        (&json!("STOPPED"), &json!("complete"))
    );
    assert_eq!(status["milestone_index"], 2);
    assert_eq!(
        (
            &status["verification_failures"],
            &status["guard_violation_files"]
        ),
        (&json!(0), &json!([]))
    );
    assert_eq!(status["branch"], format!("runr/{}", run.id));
    assert_eq!(
        status["worktree_path"],
        sandbox.worktree(&run.id).to_str().unwrap()
    );
    assert_eq!(
        (&status["fast"], &status["allow_deps"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        (&status["liveness"], &status["in_flight"]),
        (&json!("stopped"), &json!(null))
    );
    for field in ["work_item", "last_error", "cause", "retry_at"] {
        assert_eq!(status[field], json!(null), "{field}");
    }
    assert_eq!(
        status["scope"],
        json!({"allowlist": ["src/**"], "denylist": []})
    );
    assert_eq!(
        status["worker_stats"]["by_phase"]["implement"],
        json!({"codex": 2})
    );
    assert_eq!(
        (
            &status["worker_stats"]["claude"],
            &status["worker_stats"]["codex"]
        ),
        (&json!(3), &json!(2))
    );
    assert_eq!(status["schema_version"], 1);
    for field in [
        "started_at",
        "updated_at",
        "phase_started_at",
        "last_progress_at",
    ] {
        assert_time(&status[field]);
    }
}

#[test]
fn milestones_are_numbered_and_say_where_they_stand() {
    let sandbox = Sandbox::scripted(&Script::happy(3));
    // PLAN and one whole milestone, then the second has just begun.
    let run = sandbox.run(&["--worktree", "--max-ticks", "6"], 1);
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], "max_ticks_reached");
    let milestones = status["milestones"].as_array().unwrap();
    let fields = [
        "id",
        "status",
        "goal",
        "files_expected",
        "done_checks",
        "risk_level",
        "checkpoint_sha",
    ];
    milestones
        .iter()
        .for_each(|milestone| assert_leading_fields(milestone, &fields));
    let column = |name: &str| {
        json!(
            milestones
                .iter()
                .map(|m| m[name].clone())
                .collect::<Vec<_>>()
        )
    };
    assert_eq!(column("id"), json!(["m1", "m2", "m3"]));
    assert_eq!(
        column("status"),
        json!(["complete", "in_progress", "pending"])
    );
    assert_eq!(column("goal"), json!(["goal 1", "goal 2", "goal 3"]));
    assert_eq!(
        column("checkpoint_sha"),
        json!([status["checkpoint_sha"], null, null])
    );
}

#[test]
fn an_unknown_run_is_not_found_and_nothing_is_created() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.run(&[], 0);
    let before = sandbox.snapshot();
    for command in ["status", "report", "resume"] {
        for run in ["20990101000000", "no-such-run", "2099"] {
            let human = sandbox.runr(&[command, run]).output().exits(4);
            human.says("Error: Run not found");
            let output = sandbox.runr(&[command, run, "--json"]).output().exits(4);
            output.error_json("E_RUN_NOT_FOUND", "run_not_found");
            assert_eq!(
                output.stdout.lines().last(),
                Some("}"),
                "pretty, and nothing after it: {output}"
            );
        }
    }
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn looking_into_a_repository_without_runs_creates_nothing() {
    let sandbox = Sandbox::bare();
    let before = sandbox.snapshot();
    sandbox
        .runr(&["status"])
        .output()
        .exits(4)
        .says("Error: No runs found");
    sandbox
        .runr(&["status", "--json"])
        .output()
        .exits(4)
        .error_json("E_NO_RUNS", "no_runs");
    let human = sandbox
        .runr(&["status", "20990101000000"])
        .output()
        .exits(4);
    human.says("Error: Run not found");
    assert!(human.stderr.contains("runr status --all"), "{human}");
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn a_run_is_found_by_id_prefix_and_latest() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let first = sandbox.run(&["--worktree"], 0).id;
    let second = sandbox.run(&["--worktree"], 0).id;
    assert!(first < second);
    let found = |args: &[&str]| sandbox.runr(args).output().exits(0).json()["run_id"].clone();
    assert_eq!(found(&["status"]), second.as_str());
    assert_eq!(found(&["status", "latest"]), second.as_str());
    assert_eq!(found(&["status", &first]), first.as_str());
    let ambiguous = sandbox
        .runr(&["status", &first[..4], "--json"])
        .output()
        .exits(2);
    ambiguous.error_json("E_RUN_ID_AMBIGUOUS", "run_id_ambiguous");
}

#[test]
fn reading_a_status_changes_no_byte() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&[], 0);
    let before = sandbox.snapshot();
    assert_eq!(sandbox.status(&run.id), sandbox.status(&run.id));
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn a_running_run_shows_its_owner_and_the_call_in_flight() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 1500));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    let pid = running.pid().as_raw_nonzero().get();
    let status = sandbox.status(&id);
    assert_eq!(
        (&status["phase"], &status["stop_reason"]),
        (&json!("IMPLEMENT"), &json!(null))
    );
    assert_eq!(status["liveness"], "running");
    assert_eq!(status["owner"]["pid"], pid);
    assert_eq!(
        (
            &status["in_flight"]["worker"],
            &status["in_flight"]["stage"]
        ),
        (&json!("codex"), &json!("implement"))
    );
    running.wait().exits(0);
    assert_eq!(sandbox.status(&id)["liveness"], "stopped");
}

#[test]
fn a_status_needs_no_state_file() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&[], 0);
    let before = sandbox.status(&run.id);
    std::fs::remove_file(sandbox.run_dir(&run.id).join("state.json")).unwrap();
    assert_eq!(
        sandbox.status(&run.id),
        before,
        "the state is a fold of the timeline"
    );
}

#[test]
fn the_scope_of_a_run_is_the_one_it_started_with() {
    let sandbox = Sandbox::with(&Config::new());
    sandbox.write(
        crate::support::TASK,
        "---\nallowlist_add: [other/**]\n---\n# A task\n",
    );
    sandbox.commit("a wider task");
    sandbox.script(&Script::one(ok(json!({"other/a.txt": "x\n"}))));
    let run = sandbox.run(&["--worktree"], 0);
    assert_eq!(
        sandbox.status(&run.id)["scope"]["allowlist"],
        json!(["src/**", "other/**"])
    );
}
