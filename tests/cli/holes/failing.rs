//! A git that fails has given no answer: neither about the history nor about a change.

use super::*;
use crate::support::{Output, blocked};

/// Fails once, when its command line holds the word in `strike`.
const GIT: &str = r#"#!/bin/sh
dir=$(dirname "$0")
PATH=${PATH#*:}
export PATH
word=nothing
[ -e "$dir/strike" ] && read -r word < "$dir/strike"
case " $* " in
*" $word "*) rm "$dir/strike"; echo 'fatal: cannot allocate memory' >&2; exit 128 ;;
esac
exec git "$@"
"#;

/// Runs the command with a git that fails at the first call with this word.
#[track_caller]
fn failing(sandbox: &Sandbox, word: &str, args: &[&str]) -> Output {
    let bin = sandbox.scratch().join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join("git"), GIT).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(bin.join("strike"), format!("{word}\n")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = sandbox.runr(args).env("PATH", path).output();
    assert!(!bin.join("strike").exists(), "git was not asked: {output}");
    assert_ne!(output.code, Some(0), "{output}");
    output
}

const RUN: [&str; 5] = [
    "run",
    "--task",
    crate::support::TASK,
    "--worktree",
    "--json",
];

/// A run with one checkpoint, whose worker has committed something after it and is blocked.
fn behind_a_checkpoint() -> (Sandbox, String) {
    let mut second = blocked("a question");
    second["files"] = json!({"src/own.txt": "own\n"});
    second["git"] = json!(["add -A", "commit -q -m own"]);
    let goals = plan(&[milestone("goal 1"), milestone("goal 2")]);
    let first = ok(json!({"src/part.txt": "a part\n"}));
    let last = ok(json!({"src/last.txt": "the last\n"}));
    let script = Script::new(goals, &[first, second, last], &[approve()]);
    let sandbox = Sandbox::scripted(&script);
    let run = sandbox.run(&["--worktree"], 1);
    assert_eq!(milestones(&sandbox, &run.id), [0]);
    (sandbox, run.id)
}

#[test]
fn a_git_that_fails_takes_no_checkpoint_off_the_branch() {
    let (sandbox, id) = behind_a_checkpoint();
    failing(&sandbox, "--is-ancestor", &["resume", &id]);
    let corrected = sandbox.payloads(&id, "milestone_index_corrected");
    assert!(corrected.is_empty(), "{corrected:?}");
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(milestones(&sandbox, &id), [0, 1]);
}

#[test]
fn a_git_that_fails_has_not_said_that_the_history_was_rewritten() {
    let mut step = ok(json!({"src/part.txt": "a part\n"}));
    step["git"] = json!(["add -A", "commit -q -m own"]);
    let sandbox = one(step);
    failing(&sandbox, "--is-ancestor", &RUN);
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(sandbox.status(&id)["stop_reason"], "internal_error");
    sandbox.script(&Script::happy(1));
    sandbox.runr(&["resume", &id]).output().exits(0);
}

#[test]
fn a_checkpoint_that_is_gone_for_good_is_done_again() {
    let (sandbox, id) = behind_a_checkpoint();
    let tree = sandbox.worktree(&id);
    let gone = sandbox.git_in(&tree, &["rev-parse", "HEAD~1"]);
    sandbox.git_in(&tree, &["reset", "-q", "--hard", "HEAD~2"]);
    let (dir, name) = gone.split_at(2);
    fs::remove_file(sandbox.repo().join(".git/objects").join(dir).join(name)).unwrap();
    sandbox.script(&Script::happy(2));
    sandbox.runr(&["resume", &id]).output().exits(0);
    let corrected = sandbox.payloads(&id, "milestone_index_corrected");
    assert_eq!(corrected[0]["corrected_to"], 0, "{corrected:?}");
}

#[test]
fn nobody_approves_a_change_that_could_not_be_shown() {
    let sandbox = one(ok(json!({"src/old.txt": "a new text\n"})));
    failing(&sandbox, "--no-textconv", &RUN);
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(sandbox.status(&id)["stop_reason"], "internal_error");
    assert_eq!(sandbox.calls("review").len(), 0);
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert!(sandbox.prompts("review")[0].contains("a new text"));
}
