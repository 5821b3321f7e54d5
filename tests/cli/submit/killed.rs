//! A submission that dies leaves nothing that matters, and whatever comes next clears it away.

use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::Value;

use super::{assert_no_scratch, finish, finished_with, submit, submitted, tip};
use crate::support::{Config, Running, Sandbox, Script, is_alive, wait_until};

/// A run whose check hangs for a submission as long as `hold` is there.
fn hanging() -> (Sandbox, String) {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let hold = sandbox.scratch().join("hold");
    let check = format!(
        "case $(pwd) in */submit-*) test ! -f '{}' || {} ;; esac",
        hold.display(),
        sandbox.hanging_command()
    );
    sandbox.configure(&Config::new().tier("tier0", &[&check]));
    sandbox.commit("a check");
    sandbox.runr(&["trust"]).output().exits(0);
    let id = finish(&sandbox);
    std::fs::write(hold, "").unwrap();
    (sandbox, id)
}

fn until_the_check_hangs(sandbox: &Sandbox, id: &str) -> Running {
    let running = submit(sandbox, id, "release", &[]).spawn();
    wait_until("the check hangs", Duration::from_secs(20), || {
        sandbox.hanging_pid().is_some()
    });
    running
}

#[test]
fn a_submission_that_is_killed_leaves_nothing_wrong_and_the_next_one_works() {
    let (sandbox, id) = hanging();
    let old = tip(&sandbox, "release");
    let running = until_the_check_hangs(&sandbox, &id);
    // The lock of the repository is not held meanwhile.
    let other = sandbox.run(&["--worktree"], 0).id;
    running.kill();
    let orphan = sandbox.hanging_pid().unwrap();
    assert_eq!(tip(&sandbox, "release"), old);
    assert!(sandbox.worktree(&format!("submit-{id}")).exists());

    std::fs::remove_file(sandbox.scratch().join("hold")).unwrap();
    // Whichever run is submitted next.
    submitted(&sandbox, &other, "main", &[], 0);
    assert_no_scratch(&sandbox, &id);
    wait_until("the orphan ends", Duration::from_secs(10), || {
        !is_alive(orphan)
    });
    let result = submitted(&sandbox, &id, "release", &[], 0);
    assert_eq!(result["outcome"], "moved");
    assert!(sandbox.run_dir(&id).join("logs/submit-02").exists());
}

/// A submission that was killed while its check hangs: its run, and the check.
fn killed() -> (Sandbox, String, Pid) {
    let (sandbox, id) = hanging();
    until_the_check_hangs(&sandbox, &id).kill();
    let orphan = sandbox.hanging_pid().unwrap();
    assert!(is_alive(orphan));
    (sandbox, id, orphan)
}

#[track_caller]
fn assert_cleared(sandbox: &Sandbox, id: &str, orphan: Pid) {
    wait_until("the orphan ends", Duration::from_secs(10), || {
        !is_alive(orphan)
    });
    assert_no_scratch(sandbox, id);
}

#[test]
fn the_next_run_ends_the_check_of_a_killed_submission() {
    let (sandbox, id, orphan) = killed();
    sandbox.run(&["--worktree"], 0);
    assert_cleared(&sandbox, &id, orphan);
}

#[test]
fn the_next_resume_ends_the_check_of_a_killed_submission() {
    let (sandbox, id) = hanging();
    let stopped = sandbox.run(&["--worktree", "--max-ticks", "1"], 1).id;
    until_the_check_hangs(&sandbox, &id).kill();
    let orphan = sandbox.hanging_pid().unwrap();
    sandbox.runr(&["resume", &stopped]).output().exits(0);
    assert_cleared(&sandbox, &id, orphan);
}

/// What the doctor says of submissions.
#[track_caller]
fn diagnosis(sandbox: &Sandbox, flags: &[&str]) -> Value {
    let output = sandbox.runr(&["doctor", "--json"]).args(flags).output();
    let result = output.pretty_json();
    let checks = result["checks"].as_array().unwrap();
    let found = checks.iter().find(|it| it["id"] == "submissions");
    found.unwrap().clone()
}

#[test]
fn the_doctor_reports_a_killed_submission_and_ends_its_check_when_told_to() {
    let (sandbox, id, orphan) = killed();
    let found = diagnosis(&sandbox, &[]);
    assert_eq!(found["status"], "warn");
    assert!(found["detail"].as_str().unwrap().contains(&id));
    assert_eq!(found["fix"], "runr doctor --fix");
    assert!(is_alive(orphan) && sandbox.worktree(&format!("submit-{id}")).exists());
    assert_eq!(diagnosis(&sandbox, &["--fix"])["status"], "ok");
    assert_cleared(&sandbox, &id, orphan);
}

#[test]
fn a_killed_submission_of_a_run_that_is_gone_is_cleared_away_too() {
    let (sandbox, id, orphan) = killed();
    std::fs::remove_dir_all(sandbox.run_dir(&id)).unwrap();
    assert_eq!(diagnosis(&sandbox, &["--fix"])["status"], "ok");
    assert_cleared(&sandbox, &id, orphan);
}

#[test]
fn a_submission_that_goes_on_is_left_alone() {
    let (sandbox, id) = hanging();
    let running = until_the_check_hangs(&sandbox, &id);
    let check = sandbox.hanging_pid().unwrap();
    for flags in [&[][..], &["--fix"]] {
        assert_eq!(diagnosis(&sandbox, flags)["status"], "ok");
    }
    sandbox.run(&["--worktree"], 0);
    assert!(is_alive(check) && sandbox.worktree(&format!("submit-{id}")).exists());
    running.signal(Signal::INT);
    running.wait().exits(130);
}

#[test]
fn a_link_that_is_named_like_a_submission_leads_nowhere() {
    let (sandbox, id, orphan) = killed();
    let (scratch, tree) = (sandbox.worktree(&format!("submit-{id}")), sandbox.scratch());
    let mine = tree.join("mine");
    std::fs::rename(&scratch, &mine).unwrap();
    std::os::unix::fs::symlink(&mine, &scratch).unwrap();
    assert_eq!(diagnosis(&sandbox, &["--fix"])["status"], "ok");
    assert!(mine.join(".git").exists());
    std::fs::remove_file(scratch).unwrap();
    assert!(is_alive(orphan));
}

#[test]
fn an_interrupt_that_comes_with_the_end_of_the_last_check_moves_nothing() {
    let check = "case $(pwd) in */submit-*) kill -INT $PPID ;; esac";
    let (sandbox, id) = finished_with(&Config::new().tier("tier0", &[check]));
    let old = tip(&sandbox, "release");
    let output = submit(&sandbox, &id, "release", &[]).output().exits(130);
    assert_eq!(output.json()["outcome"], "interrupted");
    assert_eq!(tip(&sandbox, "release"), old);
    assert_no_scratch(&sandbox, &id);
}

#[test]
fn an_interrupted_submission_moves_nothing_and_clears_up() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (sandbox, id) = hanging();
        let old = tip(&sandbox, "release");
        let running = until_the_check_hangs(&sandbox, &id);
        running.signal(signal);
        let output = running.wait().exits(code);
        assert_eq!(output.json()["outcome"], "interrupted");
        assert_eq!(tip(&sandbox, "release"), old);
        assert_no_scratch(&sandbox, &id);
    }
}

#[test]
fn a_run_is_submitted_once_at_a_time() {
    let (sandbox, id) = hanging();
    let running = until_the_check_hangs(&sandbox, &id);
    let second = submit(&sandbox, &id, "main", &[]).output().exits(1);
    second.error_json("E_LOCK_TIMEOUT", "lock_timeout");
    running.signal(Signal::INT);
    running.wait().exits(130);
}
