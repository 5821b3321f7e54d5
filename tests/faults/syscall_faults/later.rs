//! Failing system calls of the commands that come after a run: its resume, and its submission.

use std::time::Duration;

use super::harness::{MOST, prepare};
use crate::form::{Budget, each, long};
use crate::runs::{brought_to_its_end, is_ours, runnable};
use crate::strace::Calls;
use crate::support::{Command, Sandbox};

/// A run of two milestones that waits for a word about its plan, which it has by now.
fn stopped() -> (Sandbox, String) {
    let sandbox = runnable(2);
    let id = sandbox.run(&["--worktree", "--approve-plan"], 1).id;
    sandbox.runr(&["approve", &id]).output().exits(0);
    (sandbox, id)
}

#[test]
fn a_resume_whose_system_calls_fail_is_brought_to_its_end_by_the_next() {
    let Some((seed, mut random)) = prepare("failing system calls of a resume") else {
        return;
    };
    let resume = |sandbox: &Sandbox, id: &str| sandbox.runr(&["resume", id]);
    let (sandbox, id) = stopped();
    let calls = Calls::count(resume(&sandbox, &id), &sandbox.scratch().join("trace"));
    let expected = sandbox.checkpoints(&id);
    assert_eq!(expected.len(), 2);
    let mut cases = calls.faults();
    random.shuffle(&mut cases);
    cases.truncate(MOST);
    let done = each(&cases, Budget::short(Duration::from_secs(8)), |_, fault| {
        let (sandbox, id) = stopped();
        let log = sandbox.scratch().join("trace");
        let output = fault.strike(resume(&sandbox, &id), &log).output();
        assert!(fault.kills() || is_ours(&output), "{fault}: {output}");
        let struck = fault.struck(&log);
        assert!(struck || output.code == Some(0), "{fault}: {output}");
        let same = brought_to_its_end(&sandbox, &output, fault);
        assert_eq!(same, id, "{fault}: {output}");
        assert_eq!(sandbox.checkpoints(&id), expected, "{fault}: {output}");
    });
    println!("{done} of {} faults of a resume, seed {seed}", cases.len());
    assert!(done >= if long() { cases.len() } else { 1 });
}

/// A finished run, and a branch that went on meanwhile.
fn finished() -> (Sandbox, String) {
    let sandbox = runnable(2);
    let id = sandbox.run(&["--worktree"], 0).id;
    sandbox.write("docs/new.txt", "new\n");
    sandbox.commit("meanwhile");
    (sandbox, id)
}

fn submit(sandbox: &Sandbox, id: &str) -> Command {
    sandbox.runr(&["submit", id, "--to", "main", "--json"])
}

/// What is checked out, which is all that is committed, and nothing else.
#[track_caller]
fn content(sandbox: &Sandbox) -> String {
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    sandbox.git(&["rev-parse", "main^{tree}"])
}

#[test]
fn a_submission_whose_system_calls_fail_moves_the_branch_or_leaves_it() {
    let Some((seed, mut random)) = prepare("failing system calls of a submission") else {
        return;
    };
    let (sandbox, id) = finished();
    let before = content(&sandbox);
    let calls = Calls::count(submit(&sandbox, &id), &sandbox.scratch().join("trace"));
    let after = content(&sandbox);
    assert_ne!(after, before);
    let mut cases = calls.faults();
    random.shuffle(&mut cases);
    cases.truncate(MOST);
    let done = each(&cases, Budget::short(Duration::from_secs(8)), |_, fault| {
        let (sandbox, id) = finished();
        let log = sandbox.scratch().join("trace");
        let output = fault.strike(submit(&sandbox, &id), &log).output();
        assert!(fault.kills() || is_ours(&output), "{fault}: {output}");
        let now = content(&sandbox);
        assert!(now == before || now == after, "{fault}: {output}");
        if output.code == Some(0) {
            assert_eq!(now, after, "{fault}: {output}");
        } else {
            let again = submit(&sandbox, &id).output();
            assert_eq!(again.code, Some(0), "{fault}: {output}\nthen: {again}");
            assert_eq!(content(&sandbox), after, "{fault}: {output}\nthen: {again}");
        }
        let trees = sandbox.git(&["worktree", "list", "--porcelain"]);
        let is_left = trees.contains("/submit-");
        assert!(!is_left || output.code == Some(0), "{fault}: {trees}");
    });
    println!(
        "{done} of {} faults of a submission, seed {seed}",
        cases.len()
    );
    assert!(done >= if long() { cases.len() } else { 1 });
}
