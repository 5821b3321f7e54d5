//! Looks at the timeline that fail once, around an append: nobody has tampered with it then.

use std::fs;

use serde_json::Value;

use super::harness::prepare;
use crate::runs::runnable;
use crate::strace::{Effect, Fault};
use crate::support::Sandbox;

/// The records around which a look fails: from the plan on, the driver is in its loop.
const APPENDS: std::ops::Range<usize> = 5..8;

/// The numbers of the looks at the timeline that follow these appends, the one right behind each
/// first.
fn looks(sandbox: &Sandbox) -> Vec<Vec<usize>> {
    let log = sandbox.scratch().join("trace");
    let words = ["strace", "-qq", "-o", log.to_str().unwrap()];
    let traced = ["-e", "trace=newfstatat,openat"];
    let run = sandbox.run_command(&["--worktree"]);
    run.under(&[&words[..], &traced].concat()).output().exits(0);
    let (mut looks, mut count) = (Vec::new(), 0);
    for line in fs::read_to_string(log).unwrap().lines() {
        let is_timeline = line.contains("\"timeline.jsonl\"");
        if line.starts_with("newfstatat(") {
            count += 1;
            if let Some(last) = looks.last_mut().filter(|_| is_timeline) {
                Vec::push(last, count);
            }
        } else if is_timeline && line.contains("O_APPEND") {
            looks.push(Vec::new());
        }
    }
    looks[APPENDS].to_vec()
}

/// A run of which one look fails, with how it stands; nothing if another file was looked at, since
/// how often git is waited for differs.
fn struck(at: usize) -> Option<(Sandbox, String, Value)> {
    let sandbox = runnable(1);
    let fault = Fault {
        call: "newfstatat",
        effect: Effect::Error("EIO"),
        at,
        lasting: false,
    };
    let log = sandbox.scratch().join("trace");
    let run = sandbox.run_command(&["--worktree"]);
    drop(fault.strike(run, &log).output());
    let text = fs::read_to_string(&log).unwrap();
    let hit = text.lines().find(|line| line.contains("(INJECTED)"))?;
    let id = sandbox.run_ids().pop()?;
    let status = sandbox.status(&id);
    hit.contains("\"timeline.jsonl\"")
        .then_some((sandbox, id, status))
}

#[test]
fn what_was_recorded_counts_although_it_cannot_be_looked_at() {
    if prepare("failing looks behind an append").is_none() {
        return;
    }
    let behind = looks(&runnable(1)).into_iter().map(|looks| looks[0]);
    let struck: Vec<_> = behind.filter_map(struck).collect();
    assert!(!struck.is_empty());
    for (sandbox, id, status) in struck {
        assert_eq!(status["stop_reason"], "complete", "{status}");
        assert_eq!(sandbox.checkpoints(&id).len(), 1);
    }
}

#[test]
fn a_look_at_the_timeline_that_fails_is_no_tampering() {
    if prepare("failing looks at the timeline").is_none() {
        return;
    }
    let later = looks(&runnable(1))
        .into_iter()
        .flat_map(|looks| looks[1..].to_vec());
    let struck: Vec<_> = later.filter_map(struck).collect();
    assert!(!struck.is_empty());
    for (sandbox, id, status) in struck {
        assert_eq!(status["stop_reason"], "internal_error", "{status}");
        sandbox.runr(&["resume", &id]).output().exits(0);
        assert_eq!(sandbox.checkpoints(&id).len(), 1);
    }
}
