//! Failing system calls of `init` and of a whole run.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::form::{Budget, each, long, skip};
use crate::runs::{brought_to_its_end, is_ours, runnable};
use crate::strace::{Calls, Fault, is_usable};
use crate::support::{Output, Random, Sandbox, seed};

/// Paths and what they hold; directories hold nothing.
type Files = BTreeMap<String, Option<Vec<u8>>>;

/// All of them would take hours.
pub(super) const MOST: usize = 2_000;

/// What a person already had in their ignore file.
const IGNORED: &str = "target/\n";

/// A repository before `init`.
fn untouched() -> Sandbox {
    let sandbox = Sandbox::bare();
    sandbox.write(".gitignore", IGNORED);
    sandbox
}

fn restore(sandbox: &Sandbox) {
    fs::remove_dir_all(sandbox.repo().join(".runr")).ok();
    fs::remove_dir_all(sandbox.repo().join("../config/runr")).ok();
    sandbox.write(".gitignore", IGNORED);
}

pub(super) fn prepare(name: &str) -> Option<(u64, Random)> {
    if !is_usable() {
        skip(name, "needs `strace`, and leave to trace");
        return None;
    }
    let seed = seed();
    println!("{name}: seed {seed}: repeat with RUNR_TEST_SEED={seed}");
    Some((seed, Random::new(seed)))
}

/// Every file is as it was, or as it was to become.
fn judge_init(sandbox: &Sandbox, fault: &Fault, output: &Output, before: &Files, after: &Files) {
    assert!(fault.kills() || is_ours(output), "{fault}: {output}");
    let found = sandbox.snapshot();
    let is_temporary = |name: &str| name.rsplit('/').next().unwrap().starts_with('.');
    for (name, bytes) in &found {
        let known = before.get(name) == Some(bytes) || after.get(name) == Some(bytes);
        let left = !fault.leaves_a_way_out() && is_temporary(name) && name.ends_with(".tmp");
        let text = bytes.as_deref().map(String::from_utf8_lossy);
        assert!(known || left, "{fault}: {name}: {text:?}: {output}");
    }
    assert!(
        before.keys().all(|name| found.contains_key(name)),
        "{fault}"
    );
    if matches!(output.code, Some(0 | 5)) {
        assert_eq!(&found, after, "{fault}: {output}");
    }
}

#[test]
fn an_init_whose_system_calls_fail_leaves_every_file_old_or_new() {
    let Some((seed, mut random)) = prepare("failing system calls of init") else {
        return;
    };
    let sandboxes = [untouched(), untouched()];
    let log = |sandbox: &Sandbox| sandbox.scratch().join("trace");
    let init = |sandbox: &Sandbox| sandbox.runr(&["init", "--json"]);
    let before = sandboxes[0].snapshot();
    let calls = Calls::count(init(&sandboxes[0]), &log(&sandboxes[0]));
    let after = sandboxes[0].snapshot();
    let mut cases = calls.faults();
    random.shuffle(&mut cases);
    let done = each(
        &cases,
        Budget::short(Duration::from_secs(5)),
        |lane, fault| {
            let sandbox = &sandboxes[lane];
            restore(sandbox);
            let output = fault.strike(init(sandbox), &log(sandbox)).output();
            assert!(fault.struck(&log(sandbox)), "{fault} did not strike");
            judge_init(sandbox, fault, &output, &before, &after);
            sandbox.runr(&["init", "--force"]).output().exits(0);
            let found = sandbox.snapshot();
            for (name, bytes) in &after {
                assert_eq!(found.get(name), Some(bytes), "{name} after {fault}");
            }
            assert!(trusted(sandbox), "{fault}");
        },
    );
    println!("{done} of {} faults of init, seed {seed}", cases.len());
    assert!(done >= if long() { cases.len() } else { 10 });
}

fn trusted(sandbox: &Sandbox) -> bool {
    let path = sandbox.repo().join("../config/runr/trust.json");
    let text = fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&text).is_ok()
}

#[test]
fn a_run_whose_system_calls_fail_stops_and_is_brought_to_its_end() {
    let Some((seed, mut random)) = prepare("failing system calls of a run") else {
        return;
    };
    let sandbox = runnable(1);
    let log = |sandbox: &Sandbox| sandbox.scratch().join("trace");
    let calls = Calls::count(sandbox.run_command(&["--worktree"]), &log(&sandbox));
    let expected = sandbox.checkpoints(&sandbox.run_ids()[0]);
    assert_eq!(expected.len(), 1);
    let mut cases = calls.faults();
    random.shuffle(&mut cases);
    cases.truncate(MOST);
    let done = each(
        &cases,
        Budget::short(Duration::from_secs(10)),
        |_, fault| {
            let sandbox = runnable(1);
            let command = sandbox.run_command(&["--worktree"]);
            let output = fault.strike(command, &log(&sandbox)).output();
            assert!(fault.kills() || is_ours(&output), "{fault}: {output}");
            let struck = fault.struck(&log(&sandbox));
            assert!(struck || output.code == Some(0), "{fault}: {output}");
            let id = brought_to_its_end(&sandbox, &output, fault);
            assert_eq!(sandbox.checkpoints(&id), expected, "{fault}: {output}");
        },
    );
    println!("{done} of {} faults of a run, seed {seed}", cases.len());
    assert!(done >= if long() { cases.len() } else { 5 });
}
