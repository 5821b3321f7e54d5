//! The scope guard judges what happened to the tree, not what the worker says.

use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, Tree, approve, milestone, ok, plan, strings};

const BOTH: [Tree; 2] = [Tree::Checkout, Tree::Worktree];

/// Runs a script and checks a guard stop in mid-run that names exactly these files.
#[track_caller]
fn assert_guard_stop(sandbox: &Sandbox, tree: Tree, files: &[&str]) -> String {
    let main = sandbox.git(&["rev-parse", "main"]);
    let run = sandbox.run_in(tree, 1);
    let status = sandbox.status(&run.id);
    assert_eq!(status["phase"], "STOPPED", "{tree:?}");
    assert_eq!(
        status["stop_reason"], "guard_violation",
        "{tree:?}: {status}"
    );
    assert_eq!(sorted(&status["guard_violation_files"]), files, "{tree:?}");
    let events = sandbox.payloads(&run.id, "guard_violation");
    assert_eq!(events.len(), 1);
    let mut named = sorted(&events[0]["scope_violations"]);
    named.extend(sorted(&events[0]["lockfile_violations"]));
    named.sort();
    named.dedup();
    assert_eq!(named, files, "{tree:?}: the event names the same files");
    assert_eq!(sandbox.payloads(&run.id, "stop").len(), 1);
    assert_eq!(
        sandbox.payloads(&run.id, "verification").len(),
        0,
        "nothing is executed after a violation"
    );
    assert_eq!(sandbox.checkpoints(&run.id), []);
    assert_eq!(sandbox.git(&["rev-parse", "main"]), main);
    let report = sandbox.report(&run.id);
    assert_eq!(report["next_action"], "resolve_scope_violation");
    assert_eq!(
        report["suggested_command"],
        "# Review .runr/runr.config.json scope settings"
    );
    run.id
}

fn sorted(value: &Value) -> Vec<String> {
    let mut list = strings(value);
    list.sort();
    list
}

fn step(value: Value) -> Script {
    let mut step = json!({"reply": {"status": "ok", "handoff_memo": "only what was asked"}});
    for (key, value) in value.as_object().unwrap() {
        step[key] = value.clone();
    }
    Script::one(step)
}

#[test]
fn a_file_outside_the_scope_stops_the_run_and_stays_where_it_is() {
    for tree in BOTH {
        let sandbox = Sandbox::scripted(&step(
            json!({"files": {"other/x.txt": "x\n", "src/y.txt": "y\n"}}),
        ));
        let id = assert_guard_stop(&sandbox, tree, &["other/x.txt"]);
        assert!(sandbox.tree(tree, &id).join("other/x.txt").exists());
    }
}

#[test]
fn a_worker_that_commits_an_out_of_scope_file_itself_is_stopped() {
    for tree in BOTH {
        let sandbox = Sandbox::scripted(&step(json!({
            "files": {"other/x.txt": "x\n", "src/y.txt": "y\n"},
            "git": ["add other/x.txt src/y.txt", "commit -q -m sneaky"],
        })));
        let id = assert_guard_stop(&sandbox, tree, &["other/x.txt"]);
        assert_eq!(
            sandbox.git(&["log", "-1", "--format=%s", &format!("runr/{id}")]),
            "sneaky",
            "the trap was set"
        );
    }
}

#[test]
fn a_worker_that_commits_inside_the_scope_passes() {
    let sandbox = Sandbox::scripted(&step(
        json!({"files": {"src/y.txt": "y\n"}, "git": ["add src/y.txt", "commit -q -m mine"]}),
    ));
    let base = sandbox.head();
    let run = sandbox.run(&["--worktree"], 0);
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{}", run.id)),
        ["src/y.txt"],
        "own commits inside the scope are fine"
    );
    assert_eq!(sandbox.checkpoints(&run.id).len(), 1);
}

#[test]
fn a_denied_file_in_a_new_directory_is_named_and_not_its_directory() {
    for tree in BOTH {
        let sandbox = Sandbox::with(&Config::new().deny(&["src/keys/*.key"]));
        sandbox.script(&step(
            json!({"files": {"src/keys/a.key": "secret\n", "src/keys/readme.txt": "fine\n"}}),
        ));
        assert_guard_stop(&sandbox, tree, &["src/keys/a.key"]);
    }
}

#[test]
fn an_allowed_file_in_a_new_directory_passes() {
    let sandbox = Sandbox::with(&Config::new().allow(&["src/**/*.txt"]));
    sandbox.script(&step(json!({"files": {"src/deep/er/a.txt": "fine\n"}})));
    let base = sandbox.head();
    let run = sandbox.run(&[], 0);
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{}", run.id)),
        ["src/deep/er/a.txt"]
    );
}

#[test]
fn a_word_on_the_command_line_denies_more_and_opens_nothing() {
    for path in ["src/secret.txt", "src/other.txt"] {
        let sandbox = Sandbox::with(&Config::new().deny(&["src/secret*"]));
        sandbox.script(&Script::one(ok(json!({path: "x\n"}))));
        let run = sandbox.run(&["--worktree", "--fast", "--deny", "src/other*"], 1);
        assert_eq!(sandbox.status(&run.id)["stop_reason"], "guard_violation");
    }
}

#[test]
fn a_denied_name_is_found_behind_a_leading_dot() {
    let sandbox = Sandbox::with(&Config::new().allow(&[]).deny(&["**/*.pem"]));
    sandbox.script(&step(json!({"files": {".ssh/k.pem": "secret\n"}})));
    assert_guard_stop(&sandbox, Tree::Worktree, &[".ssh/k.pem"]);
}

#[test]
fn a_rename_out_of_the_scope_is_stopped() {
    for tree in BOTH {
        let sandbox = Sandbox::scripted(&step(json!({"git": ["mv src/base.txt docs/base.txt"]})));
        assert_guard_stop(&sandbox, tree, &["docs/base.txt"]);
    }
}

#[test]
fn a_rename_into_the_scope_is_stopped_for_the_name_it_took_away() {
    for tree in BOTH {
        let sandbox = Sandbox::scripted(&step(json!({"git": ["mv docs/guide.txt src/guide.txt"]})));
        assert_guard_stop(&sandbox, tree, &["docs/guide.txt"]);
    }
}

#[test]
fn a_committed_rename_across_the_boundary_is_stopped() {
    for tree in BOTH {
        let sandbox = Sandbox::scripted(&step(
            json!({"git": ["mv docs/guide.txt src/guide.txt", "commit -q -m moved"]}),
        ));
        assert_guard_stop(&sandbox, tree, &["docs/guide.txt"]);
    }
}

#[test]
fn a_deleted_file_outside_the_scope_is_stopped() {
    let sandbox = Sandbox::scripted(&step(json!({"delete": ["docs/guide.txt"]})));
    assert_guard_stop(&sandbox, Tree::Worktree, &["docs/guide.txt"]);
}

/// A repository that ignores `.env` and `*.tmp`, and denies `.env`.
fn with_ignored_env() -> Sandbox {
    let config = Config::new().deny(&[".env"]);
    let sandbox = Sandbox::with(&config);
    sandbox.write(".gitignore", ".env\n*.tmp\n");
    sandbox.commit("ignore lines");
    sandbox.write(".env", "TOKEN=old\n");
    sandbox
}

#[test]
fn an_edited_ignored_file_of_the_denylist_is_stopped() {
    let sandbox = with_ignored_env();
    sandbox.script(&step(
        json!({"files": {"src/y.txt": "y\n"}, "writes": {".env": "TOKEN=new\n"}}),
    ));
    assert_guard_stop(&sandbox, Tree::Checkout, &[".env"]);
}

#[test]
fn a_created_ignored_file_of_the_denylist_is_stopped() {
    let sandbox = with_ignored_env();
    sandbox.script(&step(
        json!({"files": {"src/y.txt": "y\n", ".env": "TOKEN=new\n"}}),
    ));
    assert_guard_stop(&sandbox, Tree::Worktree, &[".env"]);
}

#[test]
fn a_deleted_ignored_file_of_the_denylist_is_stopped() {
    let sandbox = with_ignored_env();
    sandbox.script(&step(
        json!({"files": {"src/y.txt": "y\n"}, "delete": [".env"]}),
    ));
    assert_guard_stop(&sandbox, Tree::Checkout, &[".env"]);
}

#[test]
fn other_ignored_files_and_an_untouched_env_are_no_violation() {
    let sandbox = with_ignored_env();
    sandbox.script(&step(
        json!({"files": {"src/y.txt": "y\n", "cache.tmp": "noise\n"}}),
    ));
    let base = sandbox.head();
    let run = sandbox.run_in(Tree::Checkout, 0);
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{}", run.id)),
        ["src/y.txt"]
    );
}

#[test]
fn what_the_guard_leaves_out_is_recorded_once() {
    let sandbox = Sandbox::with(&Config::new());
    sandbox.write(".gitignore", "*.log\n");
    sandbox.commit("ignores");
    let files =
        |n: u32| ok(json!({"a.log": "x\n", "dist/b.js": "y\n", format!("src/{n}.txt"): "z\n"}));
    let goals = [milestone("one"), milestone("two")];
    sandbox.script(&Script::new(
        plan(&goals),
        &[files(1), files(2)],
        &[approve()],
    ));
    let run = sandbox.run(&["--worktree"], 0);
    let told = sandbox.payloads(&run.id, "ignored_changes");
    let expected = json!({"ignored_count": 2, "ignored_sample": ["dist/b.js", "a.log"], "ignore_check_status": "ok"});
    assert_eq!(told, [expected]);
}

#[test]
fn a_task_that_owns_nothing_that_can_be_named_may_change_nothing() {
    let sandbox = Sandbox::with(&Config::new());
    sandbox.write(crate::support::TASK, "---\nowns: ./\n---\n# A task\n");
    sandbox.commit("a task");
    sandbox.script(&Script::one(ok(json!({"src/a.txt": "1\n"}))));
    let run = sandbox.run(&["--worktree"], 1);
    assert_eq!(
        sandbox.status(&run.id)["stop_reason"],
        "ownership_violation"
    );
    assert!(
        run.output.stderr.contains("`owns` names no path"),
        "{}",
        run.output
    );
}

#[test]
fn a_worker_may_not_edit_its_own_rules() {
    for tree in BOTH {
        for path in [
            ".runr/runr.config.json",
            ".runr/tasks/task.md",
            ".runr/prompts/implement.md",
        ] {
            // Even an allowlist that names them does not help.
            let sandbox = Sandbox::with(&Config::new().allow(&["src/**", ".runr/**"]));
            sandbox.script(&step(json!({"writes": {path: "\n"}})));
            assert_guard_stop(&sandbox, tree, &[path]);
        }
    }
}

#[test]
fn a_worker_may_not_edit_an_untracked_config_either() {
    let sandbox = Sandbox::bare();
    sandbox.configure(&Config::new().allow(&["src/**", ".runr/**"]));
    sandbox.write(crate::support::TASK, "# A task\n");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&step(json!({"writes": {".runr/runr.config.json": "\n"}})));
    assert_guard_stop(&sandbox, Tree::Checkout, &[".runr/runr.config.json"]);
}

fn no_changes(files: Value) -> Script {
    let evidence = json!({"files_checked": ["src/base.txt"], "grep_output": "src/base.txt:1:base"});
    let reply =
        json!({"status": "no_changes_needed", "handoff_memo": "all there", "evidence": evidence});
    Script::one(json!({"reply": reply, "files": files}))
}

#[test]
fn no_changes_needed_with_a_file_out_of_scope_is_stopped() {
    for tree in BOTH {
        let sandbox = Sandbox::scripted(&no_changes(json!({"other/x.txt": "x\n"})));
        assert_guard_stop(&sandbox, tree, &["other/x.txt"]);
    }
}

#[test]
fn no_changes_needed_with_a_changed_tree_is_stopped_with_the_files_named() {
    for tree in BOTH {
        let sandbox = Sandbox::scripted(&no_changes(json!({"src/quiet.txt": "x\n"})));
        let run = sandbox.run_in(tree, 1);
        let status = sandbox.status(&run.id);
        let reason = status["stop_reason"].as_str().unwrap();
        assert!(
            ["insufficient_evidence", "guard_violation"].contains(&reason),
            "{reason}"
        );
        let named = format!(
            "{}{}",
            status["guard_violation_files"], status["last_error"]
        );
        assert!(named.contains("src/quiet.txt"), "{status}");
        assert_eq!(sandbox.checkpoints(&run.id), []);
    }
}

#[test]
fn no_changes_needed_with_an_unchanged_tree_and_evidence_is_accepted() {
    let sandbox = Sandbox::scripted(&no_changes(json!({})));
    let run = sandbox.run(&["--worktree"], 0);
    assert_eq!(sandbox.payloads(&run.id, "no_changes_evidence_ok").len(), 1);
    assert_eq!(sandbox.payloads(&run.id, "verification").len(), 0);
}

#[test]
fn a_claimed_command_is_run_again_before_it_counts() {
    let evidence = json!({"commands_run": [{"command": "test -f src/absent.txt", "exit_code": 0}]});
    let reply =
        json!({"status": "no_changes_needed", "handoff_memo": "all there", "evidence": evidence});
    let sandbox = Sandbox::scripted(&Script::one(json!({"reply": reply})));
    let run = sandbox.run(&["--worktree"], 1);
    assert_eq!(
        sandbox.status(&run.id)["stop_reason"],
        "insufficient_evidence"
    );
}

#[test]
fn a_lockfile_needs_permission() {
    let config = Config::new().allow(&["src/**", "Cargo.lock"]);
    let sandbox = Sandbox::with(&config);
    sandbox.script(&step(json!({"files": {"Cargo.lock": "# changed\n"}})));
    assert_guard_stop(&sandbox, Tree::Worktree, &["Cargo.lock"]);
    let run = sandbox.run(&["--worktree", "--allow-deps"], 0);
    assert_eq!(sandbox.status(&run.id)["allow_deps"], true);
}

#[test]
fn a_file_another_task_owns_stops_the_run() {
    let sandbox = Sandbox::with(&Config::new());
    sandbox.write(
        crate::support::TASK,
        "---\nowns: src/mine/\n---\n# A task\n",
    );
    sandbox.commit("the task owns a directory");
    sandbox.script(&Script::one(ok(
        json!({"src/mine/a.txt": "1\n", "src/yours.txt": "2\n"}),
    )));
    let run = sandbox.run(&[], 1);
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], "ownership_violation");
    assert_eq!(strings(&status["guard_violation_files"]), ["src/yours.txt"]);
}
