//! What the user had not committed, in a run that may start beside it.

use super::*;
use crate::support::{Output, blocked};

const FLAGS: [&str; 1] = ["--allow-dirty"];

fn resume(sandbox: &Sandbox, id: &str) -> Output {
    sandbox.runr(&["resume", id]).output()
}

/// A run beside `src/old.txt` with the user's words in it, which is stopped for what `step` does.
#[track_caller]
fn disturbed(step: Value) -> (Sandbox, String) {
    let sandbox = one(step);
    sandbox.write("src/old.txt", "mine\n");
    let id = stops(&sandbox, &FLAGS, "guard_violation");
    assert_eq!(violations(&sandbox, &id), ["src/old.txt"]);
    let error = sandbox.status(&id)["last_error"].to_string();
    assert!(error.contains("uncommitted"), "{error}");
    sandbox.script(&Script::happy(1));
    (sandbox, id)
}

/// The run stops again as long as nobody does something about it.
#[track_caller]
fn stops_again(sandbox: &Sandbox, id: &str) {
    resume(sandbox, id).exits(1);
    assert_eq!(violations(sandbox, id), ["src/old.txt"]);
}

/// The run ends well, and the user's file is in no commit of it.
#[track_caller]
fn ends_without_the_users_file(sandbox: &Sandbox, id: &str) {
    resume(sandbox, id).exits(0);
    assert_eq!(milestones(sandbox, id), [0]);
    let changed = sandbox.changed("main", &format!("runr/{id}"));
    assert!(!changed.contains(&"src/old.txt".to_owned()), "{changed:?}");
}

#[test]
fn a_worker_that_commits_the_users_work_is_stopped() {
    let mut step = ok(json!({"src/part.txt": "a part\n"}));
    step["git"] = json!(["add -A", "commit -q -m everything"]);
    let (sandbox, id) = disturbed(step);
    stops_again(&sandbox, &id);
    sandbox.git(&["reset", "-q", "HEAD~1"]);
    ends_without_the_users_file(&sandbox, &id);
    assert_eq!(sandbox.read("src/old.txt"), "mine\n");
}

#[test]
fn a_worker_that_throws_the_users_work_away_is_stopped() {
    for again in ["an old file\n", "mine once more\n"] {
        let (sandbox, id) = disturbed(ok(json!({"src/old.txt": "an old file\n"})));
        // What is gone cannot be put back; what is written anew is the user's as before.
        sandbox.write("src/old.txt", again);
        ends_without_the_users_file(&sandbox, &id);
        assert_eq!(sandbox.read("src/old.txt"), again);
    }
}

#[test]
fn a_worker_that_changes_the_users_work_is_stopped() {
    let files = json!({"src/old.txt": "theirs\n", "src/part.txt": "a part\n"});
    let (sandbox, id) = disturbed(ok(files));
    stops_again(&sandbox, &id);
    sandbox.write("src/old.txt", "mine\n");
    ends_without_the_users_file(&sandbox, &id);
}

#[test]
fn between_two_sessions_the_users_work_is_the_users_to_change() {
    for words in ["an old file\n", "mine, more of it\n"] {
        let sandbox = one(blocked("a question"));
        sandbox.write("src/old.txt", "mine\n");
        let id = stops(&sandbox, &FLAGS, "implement_blocked");
        sandbox.write("src/old.txt", words);
        sandbox.script(&Script::happy(1));
        ends_without_the_users_file(&sandbox, &id);
        assert_eq!(sandbox.read("src/old.txt"), words);
    }
}
