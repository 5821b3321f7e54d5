//! The user's own changes in the checkout a run works in.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Sandbox, Script, blocked, ok};

/// A run in the checkout that left work of its own there.
fn half_done() -> (Sandbox, String) {
    let mut half = blocked("not yet");
    half["files"] = json!({"src/half.txt": "half\n"});
    let rest = ok(json!({"src/rest.txt": "rest\n"}));
    let sandbox = Sandbox::scripted(&Script::from_value(json!({
        "plan": [crate::support::plan(&[crate::support::milestone("goal 1")])],
        "implement": [half, rest], "review": [crate::support::approve()],
    })));
    let id = sandbox.run(&[], 1).id;
    (sandbox, id)
}

#[test]
fn strange_changes_are_stashed_and_the_runs_own_work_stays() {
    let (sandbox, id) = half_done();
    let base = sandbox.git(&["rev-parse", "main"]);
    sandbox.write("docs/guide.txt", "edited\n");
    sandbox.write("a note.txt", "a note\n");
    sandbox.write("staged.txt", "staged\n");
    sandbox.git(&["add", "staged.txt"]);
    let refused = sandbox.runr(&["resume", &id]).output().exits(3);
    refused.says("Error: Worktree is dirty");
    assert!(refused.stderr.contains("--auto-stash"), "{refused}");

    let resumed = sandbox
        .runr(&["resume", &id, "--auto-stash"])
        .output()
        .exits(0);
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{id}")),
        ["src/half.txt", "src/rest.txt"]
    );
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    let stash = sandbox.payloads(&id, "auto_stash_created").remove(0);
    let sha = stash["stash_ref"].as_str().unwrap();
    assert_eq!(stash["file_count"], 3);
    assert!(stash["stash_message"].as_str().unwrap().contains(&id));
    assert!(
        sandbox.git(&["stash", "list"]).contains(&id),
        "the stash names the run"
    );
    let back = format!("git stash apply --index {sha}");
    assert!(resumed.text().contains(&back), "{resumed}");
    sandbox.git(&["stash", "apply", "--index", sha]);
    assert_eq!(sandbox.read("docs/guide.txt"), "edited\n");
    assert_eq!(sandbox.read("a note.txt"), "a note\n");
    assert_eq!(
        sandbox.git(&["diff", "--cached", "--name-only"]),
        "staged.txt"
    );
}

#[test]
fn a_file_that_both_changed_is_left_to_its_user() {
    let (sandbox, id) = half_done();
    sandbox.write("src/half.txt", "half, and a word of mine\n");
    sandbox.write("docs/guide.txt", "edited\n");
    let refused = sandbox
        .runr(&["resume", &id, "--auto-stash"])
        .output()
        .exits(3);
    assert!(refused.stderr.contains("src/half.txt"), "{refused}");
    assert_eq!(sandbox.git(&["stash", "list"]), "");
    assert_eq!(sandbox.read("docs/guide.txt"), "edited\n");
}

#[test]
fn nothing_is_stashed_where_the_run_would_stop_anyway() {
    let (sandbox, id) = half_done();
    sandbox.git(&["switch", "-q", "-c", "other"]);
    sandbox.write("docs/guide.txt", "edited\n");
    sandbox
        .runr(&["resume", &id, "--auto-stash"])
        .output()
        .exits(3);
    assert_eq!(sandbox.git(&["stash", "list"]), "");
    let plan = sandbox.runr(&["resume", &id, "--auto-stash", "--plan"]);
    plan.output().exits(2);
}

#[test]
fn a_stash_that_git_cannot_make_changes_nothing() {
    let (sandbox, id) = half_done();
    sandbox.write("docs/guide.txt", "edited\n");
    let lock = sandbox.repo().join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    let before = sandbox.timeline_text(&id);
    sandbox
        .runr(&["resume", &id, "--auto-stash"])
        .output()
        .exits(1);
    assert_eq!(sandbox.timeline_text(&id), before);
    assert_eq!(sandbox.read("docs/guide.txt"), "edited\n");
    fs::remove_file(lock).unwrap();
    sandbox
        .runr(&["resume", &id, "--auto-stash"])
        .output()
        .exits(0);
    let payloads: Vec<Value> = sandbox.payloads(&id, "auto_stash_created");
    assert_eq!(payloads.len(), 1);
}
