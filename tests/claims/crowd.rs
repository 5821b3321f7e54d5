//! Many processes want one target: one has it at a time, and everybody gets it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::child::play;
use crate::long;
use crate::support::Sandbox;

pub(crate) const PROCESSES: usize = 16;

#[test]
fn sixteen_processes_own_one_target_in_turns() {
    let wanted = if long() { 1_000 } else { 150 };
    let sandbox = Sandbox::bare();
    let role = format!("contend {wanted}");
    let started = Instant::now();
    let children: Vec<_> = (0..PROCESSES)
        .map(|nth| play(&sandbox, &role, &format!("run-{nth}")).spawn())
        .collect();
    for child in children {
        child.wait().exits(0);
    }
    let turns = fs::read_to_string(sandbox.scratch().join("turns")).unwrap();
    let served: BTreeSet<&str> = turns.lines().collect();
    assert_eq!(served.len(), PROCESSES, "some never owned it: {served:?}");
    let mut waits = waits(&sandbox.scratch());
    waits.sort_unstable();
    let at = |percent: usize| waits[(waits.len() * percent / 100).min(waits.len() - 1)];
    println!(
        "{} turns, {} operations in {:?}; others before an operation: median {}, 99th percentile {}, most {}",
        turns.lines().count(),
        waits.len(),
        started.elapsed(),
        at(50),
        at(99),
        at(100)
    );
    let fair = PROCESSES;
    assert!(
        at(99) < 4 * fair,
        "{} operations of others came first where {fair} are fair",
        at(99)
    );
}

/// For every operation, how many operations of others ended while it waited and worked.
fn waits(dir: &Path) -> Vec<usize> {
    let (mut spans, mut ends) = (Vec::new(), Vec::new());
    for nth in 0..PROCESSES {
        let text = fs::read_to_string(dir.join(format!("operations-run-{nth}"))).unwrap();
        for line in text.lines() {
            let (began, ended) = line.split_once(' ').unwrap();
            let time = |text: &str| text.parse::<u128>().unwrap();
            spans.push((time(began), time(ended)));
            ends.push(time(ended));
        }
    }
    ends.sort_unstable();
    let until = |time| ends.partition_point(|end| *end < time);
    spans
        .iter()
        .map(|(began, ended)| until(*ended) - until(*began))
        .collect()
}

/// Processes that claim targets of their own do not disturb each other's records.
#[test]
fn a_claim_of_another_target_is_not_in_the_way() {
    let sandbox = Sandbox::bare();
    let claim = |pr: &str| {
        let words = [
            "owner",
            "claim",
            "--repo",
            "acme/shop",
            "--pr",
            pr,
            "--run-id",
            "run",
        ];
        sandbox.runr(&words).limit(Duration::from_secs(30)).spawn()
    };
    let numbers: Vec<String> = (1..=32).map(|pr| pr.to_string()).collect();
    let children: Vec<_> = numbers.iter().map(|pr| claim(pr)).collect();
    for child in children {
        child.wait().exits(0);
    }
    for pr in &numbers {
        let path = format!(".pi/runner-coordination/acme/shop/pr-{pr}.json");
        assert!(sandbox.read(&path).contains("\"runId\": \"run\""));
    }
}
