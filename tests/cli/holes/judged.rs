//! What is judged, and what is committed.

use super::*;

#[test]
fn a_rename_or_a_removal_inside_the_scope_reaches_a_checkpoint() {
    let moved: &[&str] = &["src/new.txt", "src/old.txt"];
    for (git, changed) in [
        (json!(["mv src/old.txt src/new.txt"]), moved),
        (
            json!(["mv src/old.txt src/new.txt", "commit -q -m moved"]),
            moved,
        ),
        (json!(["rm -q src/old.txt"]), &["src/old.txt"]),
    ] {
        let sandbox = one(json!({"git": git, "reply": ok(json!({}))["reply"]}));
        let base = sandbox.head();
        let run = sandbox.run(&["--worktree"], 0);
        assert_eq!(milestones(&sandbox, &run.id), [0]);
        assert_eq!(sandbox.changed(&base, &format!("runr/{}", run.id)), changed);
    }
}

#[test]
fn what_the_user_staged_or_deleted_is_not_in_the_checkpoint() {
    let sandbox = one(ok(json!({"src/part.txt": "a part\n"})));
    let base = sandbox.head();
    sandbox.write("src/mine.txt", "half done\n");
    sandbox.git(&["add", "src/mine.txt"]);
    fs::remove_file(sandbox.repo().join("src/old.txt")).unwrap();
    let run = sandbox.run(&["--allow-dirty"], 0);
    let tip = format!("runr/{}", run.id);
    assert_eq!(sandbox.changed(&base, &tip), ["src/part.txt"]);
    assert_eq!(
        sandbox.git(&["status", "--porcelain", "--", "src"]),
        "A  src/mine.txt\n D src/old.txt",
        "the user's work is as it was"
    );
}

#[test]
fn forced_noise_in_the_index_is_not_committed() {
    let sandbox = one(json!({
        "files": {"dist/evil.js": "1\n", "src/part.txt": "a part\n"},
        "git": ["add -f dist/evil.js"],
        "reply": ok(json!({}))["reply"],
    }));
    let base = sandbox.head();
    let run = sandbox.run(&["--worktree"], 0);
    let tip = format!("runr/{}", run.id);
    assert_eq!(sandbox.changed(&base, &tip), ["src/part.txt"]);
}

#[test]
fn a_workers_commit_of_noise_or_of_runr_records_is_a_violation() {
    for path in ["dist/evil.js", ".runr/checkpoints/x"] {
        let sandbox = one(json!({
            "files": {path: "1\n", "src/part.txt": "a part\n"},
            "git": [format!("add -f {path}"), "commit -q -m sneaky"],
            "reply": ok(json!({}))["reply"],
        }));
        let id = stops(&sandbox, &["--worktree"], "guard_violation");
        assert_eq!(violations(&sandbox, &id), [path]);
    }
}

#[test]
fn a_repository_staged_inside_the_scope_is_a_violation() {
    for own_commit in [false, true] {
        let mut git = vec![
            "init -q src/sub",
            "-C src/sub commit -q --allow-empty -m inner",
            "add src/sub",
        ];
        git.extend(own_commit.then_some("commit -q -m outer"));
        let sandbox = one(json!({"git": git, "reply": ok(json!({}))["reply"]}));
        let id = stops(&sandbox, &["--worktree"], "guard_violation");
        let files = violations(&sandbox, &id);
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(files[0].trim_end_matches('/'), "src/sub");
    }
}

#[test]
fn a_reviewer_that_edits_and_approves_is_stopped() {
    let mut review = approve();
    review["files"] = json!({"src/part.txt": "slipped in\n"});
    let step = ok(json!({"src/part.txt": "a part\n"}));
    let script = Script::new(plan(&[milestone("goal 1")]), &[step], &[review]);
    let sandbox = Sandbox::scripted(&script);
    let base = sandbox.head();
    let id = stops(&sandbox, &["--worktree"], "guard_violation");
    assert_eq!(violations(&sandbox, &id), ["src/part.txt"]);
    assert_eq!(sandbox.git(&["rev-parse", &format!("runr/{id}")]), base);
}

#[test]
fn a_reviewer_that_leaves_a_file_outside_the_scope_is_stopped() {
    let mut review = approve();
    review["files"] = json!({"other/part.txt": "slipped in\n"});
    let step = ok(json!({"src/part.txt": "a part\n"}));
    let script = Script::new(plan(&[milestone("goal 1")]), &[step], &[review]);
    let sandbox = Sandbox::scripted(&script);
    let id = stops(&sandbox, &["--worktree"], "guard_violation");
    assert_eq!(violations(&sandbox, &id), ["other/part.txt"]);
}

/// An answer that nothing needs to be done, with proof enough for an unchanged tree.
fn no_changes() -> Value {
    let evidence = json!({"grep_output": "src/base.txt:1:base"});
    json!({"reply": {"status": "no_changes_needed", "handoff_memo": "all there", "evidence": evidence}})
}

/// A repository whose check always fails, and the check's name.
fn failing(steps: &[Value]) -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    let check = sandbox.scripted_command("check", &[1]);
    sandbox.configure(&Config::new().tier("tier0", &[&check]));
    sandbox.commit("a check that fails");
    sandbox.runr(&["trust"]).output().exits(0);
    let plan = plan(&[milestone("goal 1")]);
    sandbox.script(&Script::new(plan, steps, &[approve()]));
    sandbox
}

#[test]
fn a_failed_check_is_not_talked_away() {
    let sandbox = failing(&[ok(json!({})), no_changes()]);
    stops(&sandbox, &["--worktree"], "verification_failed_max_retries");
    assert!(sandbox.count("check") > 1, "asked again after the claim");
}

#[test]
fn a_fast_run_verifies_even_what_needs_no_changes() {
    let sandbox = failing(&[no_changes()]);
    stops(
        &sandbox,
        &["--worktree", "--fast"],
        "verification_failed_max_retries",
    );
    assert!(sandbox.count("check") > 0);
}

#[test]
fn a_plan_out_of_the_repository_is_a_scope_violation() {
    for path in ["/etc/passwd", "../x", "src/../../x"] {
        let sandbox = Sandbox::with(&Config::new().allow(&[]));
        let mut goal = milestone("goal 1");
        goal["files_expected"] = json!([path]);
        let script = Script::new(plan(&[goal]), &[ok(json!({}))], &[approve()]);
        sandbox.script(&script);
        stops(&sandbox, &["--worktree"], "plan_scope_violation");
        assert_eq!(sandbox.calls("implement").len(), 0);
    }
}

/// A plan of two megabytes of words.
fn long_plan() -> Value {
    let mut goal = milestone("goal 1");
    goal["goal"] = json!("words ".repeat(350_000));
    plan(&[goal])
}

#[test]
fn a_plan_that_is_too_long_is_asked_for_again() {
    let steps =
        json!({"implement": [ok(json!({"src/part.txt": "a part\n"}))], "review": [approve()]});
    for (plans, code) in [
        (vec![long_plan()], 1),
        (vec![long_plan(), plan(&[milestone("goal 1")])], 0),
    ] {
        let mut script = steps.clone();
        script["plan"] = json!(plans);
        let sandbox = Sandbox::scripted(&Script::from_value(script));
        let run = sandbox.run(&["--worktree"], code);
        let failed = sandbox.payloads(&run.id, "parse_failed");
        let error = failed[0]["error"].as_str().unwrap();
        assert!(error.contains("longer than"), "{error}");
        if code == 1 {
            assert_eq!(sandbox.status(&run.id)["stop_reason"], "plan_parse_failed");
            assert!(sandbox.calls("plan").len() > 1, "it was asked again");
        }
    }
}

#[test]
fn a_plan_of_half_a_megabyte_is_a_plan() {
    let mut goal = milestone("goal 1");
    let files: Vec<String> = (0..4000)
        .map(|n| format!("src/{}{n}.txt", "n".repeat(100)))
        .collect();
    goal["files_expected"] = json!(files);
    let files: serde_json::Map<String, Value> =
        files.into_iter().map(|name| (name, json!("1\n"))).collect();
    let script = Script::new(plan(&[goal]), &[ok(Value::Object(files))], &[approve()]);
    let sandbox = Sandbox::scripted(&script);
    let run = sandbox.run(&["--worktree"], 0);
    assert_eq!(milestones(&sandbox, &run.id), [0]);
}

#[test]
fn a_plan_that_names_a_directory_is_asked_for_again() {
    for directory in ["src", "src/", "./src", "src/new/"] {
        let mut goal = milestone("goal 1");
        goal["files_expected"] = json!(["src/part.txt", directory]);
        let mut script =
            json!({"implement": [ok(json!({"src/part.txt": "a part\n"}))], "review": [approve()]});
        script["plan"] = json!([plan(&[goal]), plan(&[milestone("goal 1")])]);
        let sandbox = Sandbox::scripted(&Script::from_value(script));
        let run = sandbox.run(&["--worktree"], 0);
        let failed = sandbox.payloads(&run.id, "parse_failed");
        assert_eq!(failed.len(), 1, "{directory}");
        let error = failed[0]["error"].as_str().unwrap();
        assert!(
            error.starts_with("/milestones/0/files_expected/1"),
            "{error}"
        );
        assert!(error.contains("a directory"), "{error}");
        assert!(
            sandbox.prompts("plan")[1].contains(error),
            "the planner is told"
        );
    }
}

#[test]
fn a_planned_directory_that_is_not_there_yet_is_there_with_its_first_file() {
    for (written, code) in [("src/new/part.txt", 0), ("src/part.txt", 1)] {
        let mut goal = milestone("goal 1");
        goal["files_expected"] = json!(["src/new"]);
        let step = ok(json!({written: "a part\n"}));
        let sandbox = Sandbox::scripted(&Script::new(plan(&[goal]), &[step], &[approve()]));
        let run = sandbox.run(&["--worktree"], code);
        assert_eq!(sandbox.payloads(&run.id, "parse_failed").len(), 0);
    }
}

#[test]
fn a_memo_of_two_megabytes_ends_with_a_recorded_stop() {
    let memo = "m".repeat(2_000_000);
    for (status, code) in [("ok", 0), ("blocked", 1)] {
        let sandbox = one(json!({
            "files": {"src/part.txt": "a part\n"},
            "reply": {"status": status, "handoff_memo": memo},
        }));
        let run = sandbox.run(&["--worktree"], code);
        assert_eq!(sandbox.payloads(&run.id, "stop").len(), 1);
    }
}

#[test]
fn thousands_of_violating_files_end_with_a_recorded_stop() {
    let name = format!("{}/{}", "d".repeat(200), "n".repeat(200));
    let files: serde_json::Map<String, Value> = (0..3000)
        .map(|n| (format!("out/{name}{n}"), json!("")))
        .collect();
    let sandbox = one(ok(Value::Object(files)));
    let id = stops(&sandbox, &["--worktree"], "guard_violation");
    assert_eq!(sandbox.payloads(&id, "stop").len(), 1);
    assert!(!violations(&sandbox, &id).is_empty());
}

#[test]
fn a_run_with_checks_in_tier2_alone_completes() {
    let config = Config::new()
        .tier("tier0", &[])
        .tier("tier2", &["test -f src/base.txt"]);
    let sandbox = Sandbox::with(&config);
    sandbox.script(&Script::happy(3));
    let run = sandbox.run(&["--worktree"], 0);
    assert_eq!(milestones(&sandbox, &run.id), [0, 1, 2]);
    assert_eq!(
        sandbox.payloads(&run.id, "verification").len(),
        3,
        "every milestone is checked"
    );
}
