//! What each operation does, condition by condition.

use super::*;

fn run(name: &str) -> RunName {
    RunName::new(name).unwrap()
}

fn target() -> Target {
    Target::pr("acme/shop", 17).unwrap()
}

fn at(second: i64) -> Now {
    Now::from(Timestamp::from_millis(1_770_000_000_000 + second * 1000))
}

fn claim_as(name: &str, mode: Mode) -> Op {
    Op::Claim {
        run_id: RunName::new(name),
        mode,
    }
}

fn takeover() -> Mode {
    Mode::Takeover {
        expect: None,
        only_if_expired: false,
    }
}

fn signal(name: &str, require_active_owner: bool) -> Op {
    Op::ExitSignal {
        run_id: RunName::new(name),
        reason: Some(" bye ".into()),
        require_active_owner,
    }
}

fn step(record: Option<&Record>, op: &Op, second: i64) -> Transition {
    transition(record, &target(), op, &at(second))
}

/// The record after operations that are all done.
fn after(ops: &[Op]) -> Record {
    let mut record = None;
    for (second, op) in (0..).zip(ops) {
        let next = step(record.as_ref(), op, second);
        assert!(matches!(next.verdict, Verdict::Done(_)), "{next:?}");
        record = next.record;
    }
    record.unwrap()
}

/// That an operation is refused and changes nothing.
fn refuses(record: Option<&Record>, op: &Op, conflict: Conflict) {
    let next = step(record, op, 99);
    assert_eq!(next.verdict, Verdict::Refused(conflict), "{op:?}");
    assert_eq!(next.record.as_ref(), record);
    assert!(!next.writes);
}

fn stamp(second: i64) -> Option<Text> {
    Some(at(second).stamp)
}

fn last_event(record: &Record) -> String {
    record.history.last().unwrap().to_json().to_string()
}

#[test]
fn whoever_has_no_run_id_is_refused() {
    let record = after(&[claim_as("a", Mode::Claim)]);
    for op in [
        claim_as(" ", takeover()),
        Op::Assert {
            run_id: None,
            require_existing: true,
        },
        Op::Release { run_id: None },
        signal("", false),
        Op::Heartbeat { run_id: None },
    ] {
        refuses(Some(&record), &op, Conflict::RunIdRequired);
        refuses(None, &op, Conflict::RunIdRequired);
    }
}

#[test]
fn a_claim_of_a_free_target_keeps_what_was_before() {
    let released = after(&[
        claim_as("a", Mode::Claim),
        signal("a", true),
        Op::Release {
            run_id: RunName::new("a"),
        },
    ]);
    for mode in [Mode::Claim, takeover()] {
        let next = step(Some(&released), &claim_as("b", mode), 7);
        assert_eq!(next.verdict, Verdict::Done(Status::ClaimedNew));
        let record = next.record.unwrap();
        let active = record.active_run.as_ref().unwrap();
        assert_eq!(
            (&active.claimed_at, &active.updated_at),
            (&stamp(7), &stamp(7))
        );
        assert_eq!(record.previous_run, released.previous_run);
        assert_eq!(record.exit_signals, released.exit_signals);
        assert_eq!(record.history.len(), 3);
        assert!(last_event(&record).starts_with(r#"{"type":"claim","runId":"b","at":"#));
    }
}

#[test]
fn the_owner_refreshes_in_either_mode_and_gets_a_lost_claim_time_back() {
    let mut record = after(&[claim_as("a", Mode::Claim)]);
    for (mode, claimed) in [(Mode::Claim, stamp(0)), (takeover(), stamp(5))] {
        let next = step(Some(&record), &claim_as(" a ", mode), 5);
        assert_eq!(next.verdict, Verdict::Done(Status::Refreshed));
        let next = next.record.unwrap();
        let active = next.active_run.as_ref().unwrap();
        assert_eq!(
            (&active.claimed_at, &active.updated_at),
            (&claimed, &stamp(5))
        );
        assert!(last_event(&next).starts_with(r#"{"type":"refresh","runId":"a","at":"#));
        assert_eq!(next.previous_run, None);
        record.active_run.as_mut().unwrap().claimed_at = None;
    }
}

#[test]
fn another_run_is_refused_or_takes_over() {
    let record = after(&[claim_as("a", Mode::Claim)]);
    refuses(
        Some(&record),
        &claim_as("b", Mode::Claim),
        Conflict::ActiveRunExists,
    );
    let next = step(Some(&record), &claim_as("b", takeover()), 3);
    assert_eq!(next.verdict, Verdict::Done(Status::TakenOver));
    let record = next.record.unwrap();
    assert_eq!(record.owner(), Some(&run("b")));
    let previous = record.previous_run.clone().unwrap();
    assert_eq!(
        (previous.run_id, previous.replaced_at),
        (run("a"), stamp(3))
    );
    assert_eq!(previous.replaced_by, Some(run("b")));
    assert!(
        last_event(&record)
            .starts_with(r#"{"type":"takeover","runId":"b","previousRunId":"a","at":"#)
    );
}

#[test]
fn an_assert_writes_nothing() {
    let assert = |name, require_existing| Op::Assert {
        run_id: RunName::new(name),
        require_existing,
    };
    let owned = after(&[claim_as("a", Mode::Claim)]);
    let free = after(&[
        claim_as("a", Mode::Claim),
        Op::Release {
            run_id: RunName::new("a"),
        },
    ]);
    for record in [None, Some(&free)] {
        let next = step(record, &assert("a", false), 9);
        assert_eq!(next.verdict, Verdict::Done(Status::NoOwnerRecord));
        assert!(!next.writes);
        refuses(record, &assert("a", true), Conflict::OwnershipMissing);
    }
    let next = step(Some(&owned), &assert("a", true), 9);
    assert_eq!(next.verdict, Verdict::Done(Status::OwnerConfirmed));
    assert_eq!((next.record, next.writes), (Some(owned.clone()), false));
    refuses(Some(&owned), &assert("b", false), Conflict::OwnershipLost);
}

#[test]
fn release_by_a_stranger_changes_nothing() {
    let release = |name| Op::Release {
        run_id: RunName::new(name),
    };
    let nothing = step(None, &release("a"), 9);
    assert_eq!(nothing.verdict, Verdict::Done(Status::ReleaseNoop));
    assert_eq!((nothing.record, nothing.writes), (None, false));
    let owned = after(&[claim_as("a", Mode::Claim)]);
    refuses(Some(&owned), &release("b"), Conflict::OwnershipLost);
    let free = after(&[claim_as("a", Mode::Claim), release("a")]);
    refuses(Some(&free), &release("a"), Conflict::OwnershipLost);
}

#[test]
fn a_release_overwrites_who_owned_the_target_before() {
    let record = after(&[
        claim_as("a", Mode::Claim),
        claim_as("b", takeover()),
        Op::Release {
            run_id: RunName::new("b"),
        },
    ]);
    let previous = record.previous_run.clone().unwrap();
    assert_eq!((previous.run_id, previous.replaced_by), (run("b"), None));
    assert_eq!(previous.replaced_at, stamp(2));
    assert_eq!(record.active_run, None);
    assert!(last_event(&record).starts_with(r#"{"type":"release","runId":"b","at":"#));
}

#[test]
fn an_exit_signal_touches_neither_the_times_nor_the_history() {
    let owned = after(&[claim_as("a", Mode::Claim)]);
    refuses(None, &signal("a", false), Conflict::OwnershipMissing);
    refuses(Some(&owned), &signal("b", true), Conflict::OwnershipLost);
    for (name, require) in [("a", true), ("b", false)] {
        let next = step(Some(&owned), &signal(name, require), 4);
        assert_eq!(next.verdict, Verdict::Done(Status::ExitSignalRecorded));
        let record = next.record.unwrap();
        let signal = record.exit_signals.last().unwrap();
        assert_eq!((&signal.run_id, &signal.at), (&run(name), &stamp(4)));
        assert_eq!(signal.reason, Some("bye".into()));
        let mut before = record.clone();
        before.exit_signals.clear();
        assert_eq!(before, owned);
    }
}

#[test]
fn a_reason_is_trimmed_first_and_cut_after_that() {
    let reason = |text: &str| ExitSignal::reason(&text.into());
    let long = format!("  {} {}", "x".repeat(499), "y".repeat(9));
    assert_eq!(
        reason(&long),
        Some(format!("{} ", "x".repeat(499)).as_str().into())
    );
    let split = format!("{}\u{1f680}", "x".repeat(499));
    let cut = reason(&split).unwrap().quoted();
    assert!(cut.ends_with("x\\ud83d\""), "{cut}");
    assert_eq!(reason("\u{feff} \n"), None);
}

#[test]
fn a_heartbeat_sets_the_time_and_nothing_else() {
    let beat = |name| Op::Heartbeat {
        run_id: RunName::new(name),
    };
    let owned = after(&[claim_as("a", Mode::Claim)]);
    let free = after(&[
        claim_as("a", Mode::Claim),
        Op::Release {
            run_id: RunName::new("a"),
        },
    ]);
    refuses(None, &beat("a"), Conflict::OwnershipMissing);
    refuses(Some(&free), &beat("a"), Conflict::OwnershipMissing);
    refuses(Some(&owned), &beat("b"), Conflict::OwnershipLost);
    let next = step(Some(&owned), &beat("a"), 6);
    assert_eq!(
        (next.verdict, next.writes),
        (Verdict::Done(Status::Refreshed), true)
    );
    let mut record = next.record.unwrap();
    let active = record.active_run.as_mut().unwrap();
    assert_eq!(
        std::mem::replace(&mut active.updated_at, stamp(0)),
        stamp(6)
    );
    assert_eq!(record, owned);
}
