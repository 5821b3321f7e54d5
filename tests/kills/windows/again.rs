//! A commit whose record is missing, however many resumes it takes; and what must not be taken for one.

use super::*;

#[test]
fn a_commit_without_its_record_outlives_a_stop_for_another_reason() {
    let sandbox = sandbox();
    struck(
        &sandbox,
        sandbox.run_command(&["--worktree"]),
        "after update-ref",
    );
    let id = the_run(&sandbox);
    let stray = sandbox.worktree(&id).join("stray.txt");
    fs::write(&stray, "not in the scope\n").unwrap();
    for _ in 0..2 {
        sandbox.runr(&["resume", &id]).output().exits(1);
        assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
    }
    fs::remove_file(stray).unwrap();
    ends_as_undisturbed(&sandbox, Tree::Worktree, &id, "stopped in between");
}

#[test]
fn a_branch_that_was_moved_by_a_git_that_failed_is_not_moved_twice() {
    let sandbox = sandbox();
    let run = sandbox.run_command(&["--worktree"]);
    under_strike(&sandbox, run, "failing update-ref").exits(1);
    let id = the_run(&sandbox);
    assert_eq!(sandbox.status(&id)["stop_reason"], "internal_error");
    struck(&sandbox, sandbox.runr(&["resume", &id]), "before log -1");
    ends_as_undisturbed(&sandbox, Tree::Worktree, &id, "a git that failed");
}

#[test]
fn a_commit_without_its_record_outlives_its_worktree() {
    let sandbox = sandbox();
    struck(
        &sandbox,
        sandbox.run_command(&["--worktree"]),
        "after update-ref",
    );
    let id = the_run(&sandbox);
    fs::remove_dir_all(sandbox.worktree(&id)).unwrap();
    struck(&sandbox, sandbox.runr(&["resume", &id]), "before log -1");
    assert_eq!(sandbox.payloads(&id, "worktree_recreated").len(), 1);
    ends_as_undisturbed(&sandbox, Tree::Worktree, &id, "a worktree made again");
}

#[test]
fn a_commit_that_was_there_before_the_run_committed_is_not_its_checkpoint() {
    let sandbox = Sandbox::with(&Config::new());
    let message = sandbox.scratch().join("message");
    let message = message.to_str().unwrap();
    let forged = "chore(runr): checkpoint {run_id} milestone 0\n\n\
                  Runr-Run-Id: {run_id}\nRunr-Checkpoint: true\nRunr-Milestone: 0\n";
    let mut forging = approve();
    forging["files"] = json!({
        message: forged, "src/forged.txt": "forged\n", "docs/stray.txt": "out of scope\n",
    });
    forging["git"] = json!(["add src", format!("commit -q -F {message}")]);
    let part = ok(json!({"src/part.txt": "a part\n"}));
    let script = Script::new(plan(&[milestone("goal 1")]), &[part], &[forging, approve()]);
    sandbox.script(&script);
    let id = sandbox.run(&["--worktree"], 1).id;
    assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
    fs::remove_file(sandbox.worktree(&id).join("docs/stray.txt")).unwrap();
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.calls("implement").len(), 2, "nothing was adopted");
    assert_eq!(sandbox.payloads(&id, "verification").len(), 2);
}

#[test]
fn a_lock_that_a_killed_commit_left_is_in_nobodys_way() {
    let sandbox = sandbox();
    sandbox.write("src/user.txt", "the user's\n");
    sandbox.git(&["add", "src/user.txt"]);
    let run = sandbox.run_command(&["--allow-dirty"]);
    struck(&sandbox, run, "before write-tree");
    let id = the_run(&sandbox);
    let index = sandbox.run_dir(&id).join("artifacts/index");
    assert!(index.exists());
    fs::write(index.with_extension("lock"), "").unwrap();
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(
        sandbox.changed("main", &format!("runr/{id}")),
        ["src/part0.txt", "src/part1.txt"]
    );
    assert!(!index.exists() && !index.with_extension("lock").exists());
}

#[test]
fn nothing_is_committed_on_the_evidence_of_other_checks() {
    let sandbox = sandbox();
    let run = sandbox.run_command(&["--worktree"]);
    struck(&sandbox, run, "before commit-tree");
    let id = the_run(&sandbox);
    let check = sandbox.scripted_command("check", &[0]);
    sandbox.configure(&Config::new().tier("tier0", &[&check]));
    sandbox.commit("another check");
    sandbox.runr(&["trust"]).output().exits(0);
    let file = ".runr/runr.config.json";
    let resume = || sandbox.runr(&["resume", &id, "--config", file]);
    let planned = resume().args(&["--json"]).output().exits(0).json();
    assert_eq!(planned["resume"]["phase"], "VERIFY");
    struck(&sandbox, resume(), "before commit-tree");
    assert_eq!(sandbox.count("check"), 1);
    // The same configuration as before: what was verified with it counts.
    resume().output().exits(0);
    assert_eq!(sandbox.count("check"), 2, "once for each milestone");
    let subject = |n: usize| format!("chore(runr): checkpoint {id} milestone {n}");
    let subjects = sandbox.subjects("main~1", &format!("runr/{id}"));
    assert_eq!(subjects, [subject(0), subject(1)]);
}

#[test]
fn a_git_that_outlives_the_harness_is_waited_for() {
    for fed in ["lingering update-index", "lingering commit-tree"] {
        let sandbox = sandbox();
        struck(&sandbox, sandbox.run_command(&["--worktree"]), fed);
        ends_as_undisturbed(&sandbox, Tree::Worktree, &the_run(&sandbox), fed);
        assert!(sandbox.scratch().join("bin/over").exists(), "{fed}");
    }
}
