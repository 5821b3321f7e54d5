//! A submission that dies leaves nothing that matters, and the next one clears it away.

use std::time::Duration;

use rustix::process::Signal;

use super::{assert_no_scratch, finish, submit, submitted, tip};
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
