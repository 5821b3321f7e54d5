//! A run from task to last checkpoint.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Config, Sandbox, Script, TASK, Tree, approve, assert_leading_fields, assert_ordered_fields,
    blocked, milestone, ok, plan, wait_until,
};

const LINE: [&str; 13] = [
    "run_id",
    "run_dir",
    "repo_root",
    "status",
    "guard_ok",
    "tiers",
    "branch",
    "worktree_path",
    "guard",
    "error",
    "code",
    "message",
    "hint",
];

#[test]
fn two_milestones_become_two_checkpoints() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let sandbox = Sandbox::scripted(&Script::happy(2));
        let base = sandbox.head();
        let run = sandbox.run_in(tree, 0);
        let branch = format!("runr/{}", run.id);

        let expected: Vec<String> = (0..2)
            .map(|n| format!("chore(runr): checkpoint {} milestone {n}", run.id))
            .collect();
        assert_eq!(sandbox.subjects(&base, &branch), expected);
        assert_eq!(
            sandbox.changed(&base, &branch),
            ["src/part1.txt", "src/part2.txt"]
        );
        assert_eq!(
            sandbox.changed(&base, &format!("{branch}~1")),
            ["src/part1.txt"]
        );
        assert_eq!(
            sandbox
                .checkpoints(&run.id)
                .iter()
                .map(|(index, _)| *index)
                .collect::<Vec<_>>(),
            [0, 1]
        );

        let status = sandbox.status(&run.id);
        assert_eq!(status["stop_reason"], "complete", "{tree:?}");
        assert_eq!(status["milestone_index"], 2);
        assert_eq!(
            status["checkpoint_sha"],
            sandbox.git(&["rev-parse", &branch]).as_str()
        );
        assert_eq!(sandbox.payloads(&run.id, "stop").len(), 1);
        assert_eq!(
            (
                sandbox.calls("plan").len(),
                sandbox.calls("implement").len(),
                sandbox.calls("review").len()
            ),
            (1, 2, 2)
        );
        assert_eq!(
            sandbox.git_in(&sandbox.tree(tree, &run.id), &["status", "--porcelain"]),
            "",
            "{tree:?}"
        );
    }
}

#[test]
fn the_json_line_is_one_compact_line_with_the_stated_fields() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree"], 0);
    assert_leading_fields(&run.line, &LINE[..4]);
    assert_ordered_fields(&run.line, &LINE);
    assert_eq!(run.line["status"], "started");
    assert_eq!(
        run.line["run_dir"],
        sandbox.run_dir(&run.id).to_str().unwrap()
    );
    assert_eq!(run.line["repo_root"], sandbox.repo().to_str().unwrap());
    assert!(
        run.id.len() == 14 && run.id.bytes().all(|byte| byte.is_ascii_digit()),
        "{}",
        run.id
    );
    assert!(run.id.starts_with("20"), "{}", run.id);
}

#[test]
fn the_line_comes_as_soon_as_the_run_exists() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("plan", 1500));
    let running = sandbox.run_command(&["--worktree"]).spawn();
    wait_until("the line is printed", Duration::from_secs(20), || {
        running.stdout_so_far().ends_with('\n')
    });
    let line: Value = serde_json::from_str(&running.stdout_so_far()).unwrap();
    let events = sandbox.events_so_far(line["run_id"].as_str().unwrap());
    assert!(
        !events.is_empty() && !events.iter().any(|event| event.kind == "plan_generated"),
        "{events:?}"
    );
    sandbox.started(running.wait().exits(0));
}

#[test]
fn a_stopped_run_exits_1_and_still_prints_its_line() {
    let sandbox = Sandbox::scripted(&Script::one(blocked("the door is locked")));
    let run = sandbox.run(&[], 1);
    assert_eq!(run.line["status"], "started");
    let status = sandbox.status(&run.id);
    assert_eq!(
        (&status["phase"], &status["stop_reason"]),
        (&json!("STOPPED"), &json!("implement_blocked"))
    );
}

#[test]
fn a_worktree_run_leaves_the_users_checkout_alone() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    sandbox.write("src/base.txt", "half-finished work of the user\n");
    sandbox.write("notes.txt", "not tracked\n");
    let before = (
        sandbox.head(),
        sandbox.git(&["branch", "--show-current"]),
        sandbox.git(&["status", "--porcelain"]),
    );
    let files = |sandbox: &Sandbox| {
        let mut files = sandbox.snapshot();
        files.retain(|path, _| !path.starts_with(".runr"));
        files
    };
    let tree = files(&sandbox);
    let run = sandbox.run(&["--worktree"], 0);
    let after = (
        sandbox.head(),
        sandbox.git(&["branch", "--show-current"]),
        sandbox.git(&["status", "--porcelain"]),
    );
    assert_eq!(after, before);
    assert_eq!(files(&sandbox), tree);
    assert_eq!(
        run.line["worktree_path"],
        sandbox.worktree(&run.id).to_str().unwrap()
    );
    assert_eq!(
        sandbox.git_in(&sandbox.worktree(&run.id), &["branch", "--show-current"]),
        format!("runr/{}", run.id)
    );
    assert_eq!(
        sandbox.calls("implement")[0]["cwd"],
        sandbox.worktree(&run.id).to_str().unwrap()
    );
    let exclude = std::fs::read_to_string(sandbox.repo().join(".git/info/exclude")).unwrap();
    assert!(exclude.contains(".runr-worktrees"), "{exclude}");
}

#[test]
fn a_worktree_starts_from_the_commit_and_not_from_dirty_files() {
    let sandbox = Sandbox::with(&Config::new().tier("tier0", &["grep -qx base src/base.txt"]));
    sandbox.script(&Script::happy(1));
    sandbox.write("src/base.txt", "half-finished work of the user\n");
    sandbox.run(&["--worktree"], 0);
}

#[test]
fn a_checkpoint_carries_trailers_and_a_record() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree"], 0);
    for (index, revision) in ["~1", ""].iter().enumerate() {
        let commit = format!("runr/{}{revision}", run.id);
        let trailer = |name: &str| {
            sandbox
                .git(&[
                    "log",
                    "-1",
                    &format!("--format=%(trailers:key={name},valueonly)"),
                    &commit,
                ])
                .trim()
                .to_owned()
        };
        assert_eq!(trailer("Runr-Run-Id"), run.id);
        assert_eq!(trailer("Runr-Checkpoint"), "true");
        assert_eq!(trailer("Runr-Milestone"), index.to_string());

        let sha = sandbox.git(&["rev-parse", &commit]);
        let record: Value =
            serde_json::from_str(&sandbox.read(&format!(".runr/checkpoints/{sha}.json"))).unwrap();
        assert_eq!(
            (&record["schema_version"], &record["sha"]),
            (&json!(1), &json!(sha))
        );
        assert_eq!(
            (&record["run_id"], &record["milestone_index"]),
            (&json!(run.id), &json!(index))
        );
        assert_eq!(record["milestone_title"], format!("goal {}", index + 1));
    }
    assert!(
        !sandbox.worktree(&run.id).join(".runr/checkpoints").exists(),
        "the record never lies in the guarded tree"
    );
}

#[test]
fn a_commit_hook_of_the_repository_is_not_run() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let hook = sandbox.repo().join(".git/hooks/pre-commit");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    sandbox.run(&[], 0);
}

#[test]
fn fast_mode_skips_plan_and_review_and_nothing_else() {
    let sandbox = Sandbox::scripted(&Script::one(ok(json!({"src/part.txt": "x\n"}))));
    let run = sandbox.run(&["--fast"], 0);
    let phases: Vec<Value> = sandbox
        .payloads(&run.id, "phase_start")
        .iter()
        .map(|p| p["phase"].clone())
        .collect();
    assert_eq!(
        json!(phases),
        json!(["IMPLEMENT", "VERIFY", "CHECKPOINT", "FINALIZE"])
    );
    assert_eq!(
        (sandbox.calls("plan").len(), sandbox.calls("review").len()),
        (0, 0)
    );
    assert_eq!(
        sandbox.status(&run.id)["milestones"][0]["goal"],
        "# A small task"
    );
}

#[test]
fn a_bare_task_name_is_found_among_the_tasks() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let output = sandbox
        .runr(&["run", "--task", "task.md", "--json"])
        .output()
        .exits(0);
    let run = sandbox.started(output);
    assert_eq!(sandbox.status(&run.id)["task_path"], TASK);
}

#[test]
fn the_human_form_tells_how_a_run_ended() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let output = sandbox
        .runr(&["run", "--task", TASK, "--worktree"])
        .output()
        .exits(0);
    let id = sandbox.run_ids().pop().unwrap();
    let sha = sandbox.git(&["rev-parse", &format!("runr/{id}")]);
    assert!(
        output
            .text()
            .lines()
            .any(|line| line.trim() == format!("Run {id} complete")),
        "{output}"
    );
    assert!(
        output
            .text()
            .contains(&format!("Checkpoint: {}", &sha[..7])),
        "{output}"
    );

    sandbox.script(&Script::one(ok(json!({"other/x.txt": "x\n"}))));
    let output = sandbox
        .runr(&["run", "--task", TASK, "--worktree"])
        .output()
        .exits(1);
    assert!(
        output.text().contains("STOPPED: guard_violation"),
        "{output}"
    );
    assert!(
        output.text().contains("No checkpoint (milestone 1/1)"),
        "{output}"
    );
    assert!(output.text().contains("other/x.txt"), "{output}");
}

#[test]
fn the_files_a_run_promises_are_there() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree"], 0);
    let dir = sandbox.run_dir(&run.id);
    for path in [
        "meta.json",
        "timeline.jsonl",
        "state.json",
        "config.snapshot.json",
        "artifacts/task.md",
        "logs",
    ] {
        assert!(dir.join(path).exists(), "{path}");
    }
    let meta: Value =
        serde_json::from_str(&std::fs::read_to_string(dir.join("meta.json")).unwrap()).unwrap();
    assert_eq!(
        (&meta["schema_version"], &meta["run_id"]),
        (&json!("1.0"), &json!(run.id))
    );
    assert_eq!(meta["branch"], format!("runr/{}", run.id));
    assert_eq!(
        meta["worktree_path"],
        sandbox.worktree(&run.id).to_str().unwrap()
    );
    let state = sandbox.state(&run.id);
    let last = sandbox.timeline(&run.id).len();
    assert_eq!(
        (&state["stop_reason"], &state["seq"]),
        (&json!("complete"), &json!(last)),
        "{state}"
    );
}

#[test]
fn every_tier_of_the_last_milestone_is_run_with_ci_set() {
    let sandbox = Sandbox::with(
        &Config::new()
            .tier("tier0", &["test \"$CI\" = 1"])
            .tier("tier1", &["test -n \"$RUNR_RUN_ID\""])
            .tier("tier2", &["true"]),
    );
    sandbox.script(&Script::new(
        plan(&[milestone("goal 1"), milestone("goal 2")]),
        &[
            ok(json!({"src/part1.txt": "1\n"})),
            ok(json!({"src/part2.txt": "2\n"})),
        ],
        &[approve()],
    ));
    let run = sandbox.run(&[], 0);
    let tiers: Vec<Value> = sandbox
        .payloads(&run.id, "verification")
        .iter()
        .map(|v| v["tier"].clone())
        .collect();
    assert_eq!(json!(tiers), json!(["tier0", "tier0", "tier1", "tier2"]));
}

#[test]
fn a_held_index_lock_ends_the_run_with_a_reason() {
    let step = json!({"files": {".git/index.lock": "a git is working\n"}, "writes": {"src/a.txt": "a\n"}, "reply": {"status": "ok", "handoff_memo": "done"}});
    let steps = [step, ok(json!({"src/a.txt": "b\n"}))];
    let script = Script::new(plan(&[milestone("goal 1")]), &steps, &[approve()]);
    let sandbox = Sandbox::scripted(&script);
    let run = sandbox.run(&[], 1);
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], "internal_error", "{status}");
    assert!(
        status["last_error"]
            .as_str()
            .unwrap()
            .contains("index.lock"),
        "{status}"
    );
    assert_eq!(sandbox.payloads(&run.id, "stop").len(), 1);
    std::fs::remove_file(sandbox.repo().join(".git/index.lock")).unwrap();
    sandbox.runr(&["resume", &run.id]).output().exits(0);
}

#[test]
fn the_exit_status_of_a_stopped_run_is_not_0() {
    let sandbox = Sandbox::scripted(&Script::one(blocked("no key")));
    sandbox.run_command(&[]).output().exits(1);
    sandbox.run_command(&["--max-ticks", "1"]).output().exits(1);
}
