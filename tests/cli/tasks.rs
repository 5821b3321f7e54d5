//! How tasks stand: what runs note of them, and what a person says.

use serde_json::{Value, json};

use crate::support::{Sandbox, Script, TASK, blocked, milestone, ok, plan};

const FILE: &str = ".runr/task-status.json";

fn noted(sandbox: &Sandbox) -> Value {
    let text = sandbox.read(FILE);
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["schema_version"], 1);
    file["tasks"].clone()
}

fn rows(sandbox: &Sandbox) -> Vec<Value> {
    let output = sandbox.runr(&["status", "--tasks", "--json"]).output();
    output.exits(0).pretty_json().as_array().unwrap().clone()
}

#[test]
fn a_run_notes_its_task_from_start_to_end() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 1500));
    let (id, running) = sandbox.run_until_implement(&[]);
    let entry = noted(&sandbox)[TASK].clone();
    assert_eq!(
        (&entry["status"], &entry["last_run_id"]),
        (&json!("in_progress"), &json!(id))
    );
    assert_eq!(rows(&sandbox)[0]["status"], "in_progress");
    running.wait().exits(0);
    let entry = noted(&sandbox)[TASK].clone();
    let keys: Vec<&String> = entry.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "status",
            "first_seen_at",
            "last_updated_at",
            "last_run_id",
            "last_checkpoint_sha",
            "last_error_summary",
            "last_stop_reason"
        ]
    );
    assert_eq!(entry["status"], "completed");
    assert_eq!(entry["last_stop_reason"], "complete");
    assert_eq!(
        entry["last_checkpoint_sha"],
        sandbox.status(&id)["checkpoint_sha"]
    );
    assert_eq!(entry["last_error_summary"], Value::Null);
    assert_eq!(
        sandbox.git(&["status", "--porcelain"]),
        "",
        "git does not see the note"
    );
}

#[test]
fn a_stop_says_whether_the_run_could_go_on() {
    let plan = || plan(&[milestone("goal 1")]);
    let sandbox = Sandbox::scripted(&Script::new(plan(), &[blocked("no leave\nat all")], &[]));
    let run = sandbox.run(&["--worktree"], 1);
    let entry = noted(&sandbox)[TASK].clone();
    assert_eq!(entry["status"], "stopped");
    assert_eq!(entry["last_error_summary"], "no leave");
    assert_eq!(entry["last_stop_reason"], "implement_blocked");

    sandbox.script(&Script::one(ok(json!({"docs/x.txt": "x\n"}))));
    sandbox.runr(&["resume", &run.id]).output().exits(1);
    let entry = noted(&sandbox)[TASK].clone();
    assert_eq!(entry["status"], "failed", "a broken guard is a failure");
    assert_eq!(entry["last_run_id"], run.id);

    sandbox.script(&Script::happy(1));
    let next = sandbox.run(&["--worktree"], 0);
    let entry = noted(&sandbox)[TASK].clone();
    assert_eq!(
        (&entry["status"], &entry["last_run_id"]),
        (&json!("completed"), &json!(next.id))
    );
}

#[test]
fn a_refused_run_is_a_failed_one_and_a_text_is_no_task_file() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let words = ["run", "--task-text", "# Do it", "--fast"];
    sandbox.runr(&words).output().exits(0);
    assert!(!sandbox.exists(FILE), "there is nothing to note");
    sandbox.git(&["switch", "-q", "main"]);
    sandbox.write("src/base.txt", "dirty\n");
    sandbox.run(&[], 3);
    assert_eq!(noted(&sandbox)[TASK]["status"], "failed");
}

#[test]
fn the_name_of_a_task_does_not_depend_on_where_the_caller_stands() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let src = sandbox.repo().join("src");
    let ways = [
        ("../.runr/tasks/task.md", &src),
        ("task", &sandbox.repo()),
        (".runr/./tasks//task.md", &sandbox.repo()),
    ];
    for (path, cwd) in ways {
        let command = sandbox
            .runr(&["run", "--task", path, "--worktree"])
            .cwd(cwd);
        command.output().exits(0);
        let names: Vec<String> = noted(&sandbox)
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(names, [TASK], "{path}");
    }
}

#[test]
fn a_corrupt_status_file_is_reported_and_never_replaced() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let broken = "{\"schema_version\": 1,\n \"tasks\": {";
    sandbox.write(FILE, broken);
    let run = sandbox.run(&["--worktree"], 0);
    assert!(
        run.output
            .stderr
            .contains("warning: how the task stands was not noted"),
        "{}",
        run.output
    );
    assert!(run.output.stderr.contains("line 2"), "{}", run.output);
    assert_eq!(
        sandbox.status(&run.id)["stop_reason"],
        "complete",
        "the run does not mind"
    );
    for words in [
        &["status", "--tasks", "--json"][..],
        &["task", "done", TASK, "--json"],
    ] {
        let error = sandbox.runr(words).output().exits(1);
        let form = error.error_json("E_STORE_CORRUPT", "store_corrupt");
        assert_eq!(form["line"], 2, "{form}");
    }
    assert_eq!(sandbox.read(FILE), broken);
}

#[test]
fn what_others_wrote_into_the_status_file_stays() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let theirs = "\"docs/b.md\": {\"status\":\"pending\",\"n\":1e3}";
    sandbox.write(
        FILE,
        &format!("{{\"schema_version\":1,\"by\":\"x\",\"tasks\":{{{theirs}}}}}"),
    );
    sandbox.run(&["--worktree"], 0);
    let text = sandbox.read(FILE);
    assert!(
        text.contains(theirs) && text.contains("\"by\":\"x\""),
        "{text}"
    );
    assert_eq!(noted(&sandbox)[TASK]["status"], "completed");
}

#[test]
fn eight_processes_at_once_lose_no_task() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let names: Vec<String> = (0..8).map(|n| format!(".runr/tasks/t{n}.md")).collect();
    for name in &names {
        sandbox.write(name, "---\ntype: manual\n---\n# By hand\n");
    }
    sandbox.commit("tasks");
    for round in 0..5 {
        drop(std::fs::remove_file(sandbox.repo().join(FILE)));
        let all: Vec<_> = names
            .iter()
            .map(|name| sandbox.runr(&["task", "done", name]).spawn())
            .collect();
        for one in all {
            one.wait().exits(0);
        }
        let tasks = noted(&sandbox);
        for name in &names {
            assert_eq!(tasks[name]["status"], "completed", "round {round}: {name}");
        }
    }
    let sandbox = Sandbox::scripted(&Script::happy(1));
    for n in 0..8 {
        sandbox.write(&format!(".runr/tasks/t{n}.md"), &format!("# Task {n}\n"));
    }
    sandbox.commit("tasks");
    let runs: Vec<_> = (0..8)
        .map(|n| {
            let task = format!("t{n}");
            sandbox
                .runr(&[
                    "run",
                    "--task",
                    &task,
                    "--worktree",
                    "--fast",
                    "--force-parallel",
                ])
                .spawn()
        })
        .collect();
    for run in runs {
        run.wait().exits(0);
    }
    let tasks = noted(&sandbox);
    assert_eq!(tasks.as_object().unwrap().len(), 8);
    for (name, entry) in tasks.as_object().unwrap() {
        assert_eq!(entry["status"], "completed", "{name}");
    }
}

#[test]
fn a_run_that_died_is_shown_as_stopped() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 30_000));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    running.kill();
    assert_eq!(
        noted(&sandbox)[TASK]["status"],
        "in_progress",
        "it could not say so"
    );
    let row = rows(&sandbox)[0].clone();
    assert_eq!(
        (&row["status"], &row["last_run_id"]),
        (&json!("stopped"), &json!(id))
    );
    sandbox.script(&Script::happy(1));
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(noted(&sandbox)[TASK]["status"], "completed");
}

#[test]
fn a_person_completes_manual_and_hybrid_tasks_and_no_others() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write(
        ".runr/tasks/key.md",
        "---\ntype: manual\n---\n# Rotate the key\n",
    );
    sandbox.write(
        ".runr/tasks/half.md",
        "---\ntype: hybrid\n---\n# Half and half\n",
    );
    sandbox.commit("tasks");
    let done = sandbox
        .runr(&["task", "done", "key", "--json"])
        .output()
        .exits(0)
        .pretty_json();
    assert_eq!(
        done,
        json!({"path": ".runr/tasks/key.md", "status": "completed", "changed": true})
    );
    let again = sandbox.runr(&["task", "done", "key"]).output().exits(0);
    assert_eq!(again.stdout.trim(), ".runr/tasks/key.md is already done");
    sandbox.runr(&["task", "done", "half"]).output().exits(0);

    let refused = sandbox
        .runr(&["task", "done", TASK, "--json"])
        .output()
        .exits(2);
    refused.error_json("E_USAGE", "usage");
    let missing = sandbox
        .runr(&["task", "done", "nothing.md", "--json"])
        .output()
        .exits(4);
    missing.error_json("E_TASK_NOT_FOUND", "task_not_found");
    let tasks = noted(&sandbox);
    assert_eq!(tasks.as_object().unwrap().len(), 2, "{tasks}");

    sandbox.run(&["--worktree"], 0);
    std::fs::remove_file(sandbox.repo().join(FILE)).unwrap();
    sandbox.runr(&["task", "done", TASK]).output().exits(0);
    assert_eq!(
        noted(&sandbox)[TASK]["status"],
        "completed",
        "its run is complete"
    );
}

#[test]
fn unmet_tasks_warn_until_they_are_done() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write(".runr/tasks/first.md", "---\ntype: manual\n---\n# First\n");
    sandbox.write(
        TASK,
        "---\ndepends_on: [.runr/tasks/first.md, ./docs/none.md]\n---\n# Second\n",
    );
    sandbox.commit("tasks");
    let run = sandbox.run(&["--worktree"], 0);
    let warned = |task: &str| format!("warning: the task depends on {task}, which is not done");
    assert!(
        run.output.stderr.contains(&warned(".runr/tasks/first.md")),
        "{}",
        run.output
    );
    sandbox.runr(&["task", "done", "first"]).output().exits(0);
    let run = sandbox.run(&["--worktree"], 0);
    assert!(!run.output.stderr.contains("first.md"), "{}", run.output);
    assert!(
        run.output.stderr.contains(&warned("./docs/none.md")),
        "{}",
        run.output
    );
}

#[test]
fn what_is_odd_about_a_task_file_is_told_and_does_not_stop_it() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write(
        TASK,
        "---\ntype: magic\ntier: tier9\n---\n# A task\n\n## Goal\nx\n",
    );
    sandbox.commit("a task");
    let run = sandbox.run(&["--worktree"], 0);
    for words in [
        "warning: unknown task type \"magic\"",
        "warning: unknown verification tier `tier9`",
        "warning: the task has no heading `## Requirements`, `## Success Criteria`, `## Notes`",
    ] {
        assert!(run.output.stderr.contains(words), "{words}: {}", run.output);
    }
    let text = ["run", "--task-text", "# Do it", "--fast", "--worktree"];
    let output = sandbox.runr(&text).output().exits(0);
    assert!(!output.stderr.contains("heading"), "{output}");
}

#[test]
fn the_list_of_tasks_begins_with_what_wants_a_person() {
    let plan = plan(&[milestone("goal 1")]);
    let sandbox = Sandbox::scripted(&Script::new(plan, &[blocked("no leave")], &[]));
    let none = Sandbox::bare();
    let empty = none.runr(&["status", "--tasks"]).output().exits(0);
    assert_eq!(empty.stdout.trim(), "No tasks found.");

    sandbox.write(".runr/tasks/deep/ready.md", "# Ready\n");
    sandbox.write(
        ".runr/tasks/key.md",
        "---\ntype: manual\n---\n# Rotate the key\n",
    );
    sandbox.write(
        ".runr/tasks/late.md",
        "---\ndepends_on: .runr/tasks/deep/ready.md\n---\n# Late\n",
    );
    sandbox.write(".runr/tasks/bad.md", "---\nowns: [\n---\n");
    sandbox.write(".runr/tasks/note.txt", "no task\n");
    sandbox.commit("tasks");
    let run = sandbox.run(&["--worktree"], 1);
    sandbox.runr(&["task", "done", "key"]).output().exits(0);
    let rows = rows(&sandbox);
    let shown: Vec<(&str, &str)> = (rows.iter())
        .map(|row| {
            (
                row["path"].as_str().unwrap(),
                row["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (TASK, "stopped"),
            (".runr/tasks/bad.md", "pending"),
            (".runr/tasks/deep/ready.md", "pending"),
            (".runr/tasks/late.md", "pending"),
            (".runr/tasks/key.md", "completed"),
        ]
    );
    let late = &rows[3];
    assert_eq!(late["unmet"], json!([".runr/tasks/deep/ready.md"]));
    assert_eq!(late["title"], "Late");
    assert!(
        rows[1]["error"].as_str().unwrap().contains("line"),
        "{}",
        rows[1]
    );
    let human = sandbox.runr(&["status", "--tasks"]).output().exits(0);
    for words in [
        &format!("runr resume {}", run.id),
        "deps:0/1",
        "[manual]",
        "blocked",
        "unreadable",
        "runr run --task .runr/tasks/deep/ready.md",
        "Total: 5 tasks (1 completed)",
    ] {
        assert!(human.stdout.contains(words), "{words}: {human}");
    }
}
