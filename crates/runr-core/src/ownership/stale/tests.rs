//! When an owner counts as gone.

use super::*;
use crate::ownership::model::RunName;
use crate::ownership::rules::Now;
use crate::ownership::{Target, create};

const NOW: i64 = 1_780_648_468_365;

fn target() -> Target {
    Target::pr("acme/shop", 17).unwrap()
}

fn query() -> StaleQuery {
    StaleQuery {
        now: Timestamp::from_millis(NOW),
        max_age: MaxAge::choose(Some(1000.0), None),
        local: UtcOffset::default(),
    }
}

/// A record of run `a` with these times before now, in milliseconds.
fn aged(claimed: i64, updated: i64) -> Record {
    let stamp = |age: i64| Now::from(Timestamp::from_millis(NOW - age)).stamp;
    let mut record = create(&target(), RunName::new("a"), &Now::from(query().now));
    let active = record.active_run.as_mut().unwrap();
    (active.claimed_at, active.updated_at) = (Some(stamp(claimed)), Some(stamp(updated)));
    record
}

fn signalled(run: &str) -> Record {
    let mut record = aged(0, 0);
    record.exit_signals.push(ExitSignal {
        run_id: RunName::new(run).unwrap(),
        at: None,
        reason: Some("two\nlines".into()),
    });
    record
}

fn finding(record: &Record) -> &'static str {
    stale(Some(record), &query()).finding.as_str()
}

#[test]
fn the_threshold_is_the_first_usable_one() {
    let choose = |option, variable| MaxAge::choose(option, variable).as_millis();
    assert_eq!(choose(Some(1500.7), Some("5")), 1500);
    assert_eq!(choose(Some(0.5), None), 0);
    for unusable in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(choose(Some(unusable), Some(" 0x10 ")), 16);
    }
    for unusable in ["", "0", "-5", "x", "5ms", "Infinity"] {
        assert_eq!(choose(None, Some(unusable)), 1_800_000, "{unusable}");
    }
    assert_eq!(choose(None, None), 1_800_000);
    assert_eq!(choose(Some(1e300), None), 9_007_199_254_740_991);
}

#[test]
fn both_times_must_be_older_than_the_threshold() {
    assert_eq!(finding(&aged(1001, 1001)), "stale_runner");
    for (claimed, updated) in [(1000, 1001), (1001, 1000), (0, 0), (-5000, 9000)] {
        assert_eq!(
            finding(&aged(claimed, updated)),
            "fresh_runner",
            "{claimed} {updated}"
        );
    }
}

#[test]
fn a_time_that_is_none_makes_the_owner_stale() {
    let mut record = aged(0, 0);
    record.active_run.as_mut().unwrap().claimed_at = None;
    let answer = stale(Some(&record), &query());
    let json = answer
        .to_json(&"o/r".into(), &Written::trusted("17".to_owned()), "p")
        .to_string();
    let runner = r#""staleRunner":{"runId":"a","claimedAt":"(corrupt)","updatedAt":"2026-06-05T08:34:28.365Z","claimedAgeMs":-1,"updatedAgeMs":0,"maxAgeMs":1000,"corruptedTimestamp":true}"#;
    assert!(json.contains(runner), "{json}");
    record.active_run.as_mut().unwrap().updated_at = Some("not a date".into());
    assert_eq!(finding(&record), "stale_runner");
}

#[test]
fn only_the_owners_own_exit_signal_counts_and_before_its_age() {
    assert_eq!(finding(&signalled("b")), "fresh_runner");
    let mut record = signalled("a");
    record.active_run.as_mut().unwrap().claimed_at = None;
    assert_eq!(finding(&record), "exit_signal_recorded");
    record.active_run = None;
    assert_eq!(finding(&record), "fresh_runner");
}

#[test]
fn the_answer_shows_repo_and_pr_as_they_were_given() {
    let answer = stale(Some(&signalled("a")), &query());
    let json = answer
        .to_json(&" O/R ".into(), &"0x11".into(), "p")
        .to_string();
    assert!(json.starts_with(r#"{"ok":false,"error":"exit_signal_recorded","status":"exit_signal_recorded","repo":" O/R ","pr":"0x11","activeRun":{"#));
    assert!(json.contains(
        r#","staleRunner":null,"exitSignal":{"runId":"a","signals":[{"runId":"a","at":null,"#
    ));
    assert!(json.contains(r#"]},"filePath":"p","maxAgeMs":1000,"message":""#));
    assert!(json.contains("O/R #0x11"));
}

#[test]
fn a_run_that_asks_must_be_the_owner_first_of_all() {
    let check = |record: Option<&Record>, run: Option<&str>| {
        check_runner(record, &target(), run.and_then(RunName::new), &query())
    };
    let mut free = aged(0, 0);
    free.active_run = None;
    let (old, ended) = (aged(9000, 9000), signalled("a"));
    for (record, run, status, ok) in [
        (Some(&free), Some("a"), "ownership_lost", false),
        (None, Some("a"), "ownership_lost", false),
        (Some(&ended), Some("b"), "ownership_lost", false),
        (Some(&ended), Some("a"), "exit_signal_recorded", false),
        (Some(&old), None, "stale_runner", false),
        (Some(&free), None, "no_active_owner", true),
        (None, None, "no_owner_record", true),
        (Some(&aged(0, 0)), Some("a"), "fresh_runner", true),
    ] {
        let answer = check(record, run);
        assert_eq!(
            (answer.status.as_str(), answer.ok()),
            (status, ok),
            "{run:?}"
        );
        assert_eq!(answer.failures().is_empty(), ok);
        assert!(answer.failures().iter().all(|line| !line.contains('\n')));
    }
}

#[test]
fn a_check_answers_with_all_its_keys() {
    let json = check_runner(None, &target(), RunName::new("a"), &query()).to_json("p");
    let expected = r#"{"ok":false,"repo":"acme/shop","pr":17,"status":"ownership_lost","activeRun":null,"runId":"a","exitSignals":[],"filePath":"p","maxAgeMs":1000,"staleRunnerCheck":{"ok":false,"failures":["acme/shop#17 is owned by nobody, and not by run a"]}}"#;
    assert_eq!(json.text(), expected);
}
