//! What a worker or a check deletes under the harness's feet.

use super::hidden::flags_of;
use super::*;
use crate::support::{Output, Tree};

/// Checks that the run ended with an error that says what is gone and how to go on, and that nothing
/// of it was made again.
#[track_caller]
fn is_told(sandbox: &Sandbox, output: &Output, id: &str) {
    let (_, error) = output.stdout.split_once('\n').unwrap();
    let error: Value = serde_json::from_str(error).unwrap_or_else(|_| panic!("{output}"));
    assert_eq!(output.code, Some(1), "{output}");
    assert_eq!(error["code"], "E_STORE_CORRUPT", "{output}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("was deleted"), "{output}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("runr/{id}")), "{output}");
    assert!(hint.contains("runr run"), "{output}");
    let timeline = sandbox.run_dir(id).join("timeline.jsonl");
    assert!(!timeline.exists(), "half a run was made again");
}

/// The id of a run whose records may be gone.
fn id_of(output: &Output) -> String {
    let line: Value = serde_json::from_str(output.stdout.lines().next().unwrap()).unwrap();
    line["run_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_whose_records_are_deleted_says_so_and_makes_none_again() {
    for (tree, delete) in [
        (Tree::Checkout, "git clean -fdxq"),
        (Tree::Checkout, "rm -rf .runr"),
        (Tree::Checkout, "rm -rf \"$RUNR_RUN_DIR\""),
        (Tree::Worktree, "rm -rf \"$RUNR_RUN_DIR\""),
        (Tree::Worktree, "rm \"$RUNR_RUN_DIR/timeline.jsonl\""),
    ] {
        let sandbox = process(&format!("echo part > src/part.txt\n{delete}"));
        let output = run_processes(&sandbox, flags_of(tree));
        let id = id_of(&output);
        is_told(&sandbox, &output, &id);
        let whole = !delete.ends_with("timeline.jsonl\"");
        assert!(!whole || !sandbox.run_dir(&id).exists(), "{delete}");
        let part = sandbox.tree(tree, &id).join("src/part.txt");
        assert!(
            part.exists() || delete.contains("clean"),
            "the work is left"
        );
        let refused = sandbox.runr(&["resume", &id]).output();
        assert_ne!(refused.code, Some(0), "{refused}");
    }
}

#[test]
fn a_check_that_deletes_the_records_ends_the_run_as_clearly() {
    let checks: &[&[&str]] = &[&["git clean -fdxq"], &["git clean -fdxq", "true"]];
    for commands in checks {
        let implement = format!("echo part > src/part.txt{}", answer(OK));
        let sandbox = processes(Config::new().tier("tier0", commands), "", &implement);
        let output = run_processes(&sandbox, &[]);
        let id = id_of(&output);
        is_told(&sandbox, &output, &id);
        assert!(!sandbox.run_dir(&id).exists());
    }
}

#[test]
fn a_deleted_git_directory_stops_the_run_until_it_is_restored() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let sandbox = process(
            "echo part > src/part.txt
if [ ! -e \"$SCRATCH/git\" ]; then mv \"$(git rev-parse --path-format=absolute --git-common-dir)\" \"$SCRATCH/git\"; fi",
        );
        run_processes(&sandbox, flags_of(tree)).exits(1);
        let id = sandbox.run_ids().pop().unwrap();
        let state = sandbox.state(&id);
        assert_eq!(state["stop_reason"], "guard_violation", "{state}");
        let error = state["last_error"].as_str().unwrap();
        assert!(error.contains("gone"), "{error}");
        assert_eq!(
            crate::support::strings(&state["guard_violation_files"]),
            [".git"]
        );
        let resume = || {
            sandbox
                .runr(&["resume", &id])
                .env("RUNR_SKIP_DOCTOR", "1")
                .output()
        };
        let refused = resume().exits(4);
        assert!(refused.stderr.contains("restore"), "{refused}");
        fs::rename(sandbox.scratch().join("git"), sandbox.repo().join(".git")).unwrap();
        fs::create_dir(sandbox.scratch().join("git")).unwrap();
        if tree == Tree::Checkout {
            // The harness could not tell its own work from the user's.
            sandbox.git(&["clean", "-fdq", "src"]);
        }
        resume().exits(0);
        assert_eq!(milestones(&sandbox, &id), [0]);
    }
}

#[test]
fn a_deleted_worktree_stops_the_run_and_is_made_again() {
    let sandbox = process(
        "if [ ! -e \"$SCRATCH/first\" ]; then touch \"$SCRATCH/first\"; rm -rf \"$PWD\"; fi
mkdir -p src; echo part > src/part.txt",
    );
    run_processes(&sandbox, &["--worktree"]).exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    let status = sandbox.status(&id);
    assert_eq!(status["stop_reason"], "guard_violation", "{status}");
    let error = status["last_error"].as_str().unwrap();
    assert!(error.contains("gone"), "{error}");
    let resume = sandbox.runr(&["resume", &id]).env("RUNR_SKIP_DOCTOR", "1");
    resume.output().exits(0);
    assert_eq!(milestones(&sandbox, &id), [0]);
}
