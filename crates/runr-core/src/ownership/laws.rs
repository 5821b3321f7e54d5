//! What holds for every record and every operation.

use proptest::prelude::*;

use super::model::{ActiveRun, ExitSignal, HistoryEvent, PreviousRun, Record, RunName};
use super::outcome::{Status, Verdict};
use super::rules::{Mode, Now, Op, transition};
use super::target::Target;
use super::text::Text;
use super::{read_record, record_text};
use crate::json::{Rules, Written, scan};
use crate::time::Timestamp;

/// Any UTF-16 units, with many of those that are special somewhere.
fn text() -> impl Strategy<Value = Text> {
    let special = vec![
        0x20, 0x85, 0xa0, 0xfeff, 0xd800, 0xdc00, 0x22, 0x5c, 0, 0x1f, 0x2028,
    ];
    let unit = prop_oneof![
        any::<u16>(),
        0x61_u16..0x64,
        proptest::sample::select(special)
    ];
    proptest::collection::vec(unit, 0..6).prop_map(|units| {
        let escapes = units.iter().map(|unit| format!("\\u{unit:04x}"));
        let token = format!("\"{}\"", escapes.collect::<String>());
        Text::of(scan(&token, &Rules::default()).unwrap().root()).unwrap()
    })
}

/// A few runs, so that they meet, and any others.
fn run() -> impl Strategy<Value = RunName> {
    let any = text().prop_filter_map("blank", RunName::new);
    prop_oneof![
        proptest::sample::select(vec!["a", "b"]).prop_map(|name| RunName::new(name).unwrap()),
        any
    ]
}

fn stamp() -> impl Strategy<Value = Option<Text>> {
    proptest::option::of(text())
}

/// Any JSON value in any spelling.
fn value() -> impl Strategy<Value = String> {
    let scalar = proptest::sample::select(vec![
        "null",
        "true",
        "1.0",
        "-0",
        "1e3",
        "1E400",
        "12345678901234567890",
        "\"\\ud800\\/\"",
        "\"\u{e9}\"",
        "[ ]",
        "{ }",
    ]);
    scalar
        .prop_map(str::to_owned)
        .prop_recursive(3, 12, 4, |inner| {
            let key = proptest::sample::select(vec![
                "a",
                "\\u0061",
                "2",
                "10",
                "01",
                "__proto__",
                "\\udc00",
            ]);
            let member =
                (key, inner.clone()).prop_map(|(key, value)| format!("\"{key}\" : {value}"));
            prop_oneof![
                proptest::collection::vec(inner, 0..4)
                    .prop_map(|all| format!("[{}]", all.join(" ,"))),
                proptest::collection::vec(member, 0..4)
                    .prop_map(|all| format!("{{\n{}}}", all.join(","))),
            ]
        })
}

fn event() -> impl Strategy<Value = HistoryEvent> {
    value().prop_map(|text| HistoryEvent(Written::parse(&text).unwrap()))
}

fn active() -> impl Strategy<Value = ActiveRun> {
    (run(), stamp(), stamp()).prop_map(|(run_id, claimed_at, updated_at)| ActiveRun {
        run_id,
        claimed_at,
        updated_at,
    })
}

fn previous() -> impl Strategy<Value = PreviousRun> {
    let by = proptest::option::of(run());
    (run(), stamp(), by).prop_map(|(run_id, replaced_at, replaced_by)| PreviousRun {
        run_id,
        replaced_at,
        replaced_by,
    })
}

fn signal() -> impl Strategy<Value = ExitSignal> {
    (run(), stamp(), text()).prop_map(|(run_id, at, reason)| ExitSignal {
        run_id,
        at,
        reason: ExitSignal::reason(&reason),
    })
}

fn target() -> impl Strategy<Value = Target> {
    proptest::sample::select(vec![
        Target::pr("acme/shop", 17).unwrap(),
        Target::pr("\u{e4}/b", u64::MAX).unwrap(),
        Target::issue("acme/shop", 17).unwrap(),
        Target::branch("acme/shop", "fix/\u{e9}").unwrap(),
    ])
}

fn record() -> impl Strategy<Value = Record> {
    (
        target(),
        proptest::option::of(active()),
        proptest::option::of(previous()),
        proptest::collection::vec(event(), 0..4),
        proptest::collection::vec(signal(), 0..3),
    )
        .prop_map(
            |(target, active_run, previous_run, history, exit_signals)| Record {
                target,
                active_run,
                previous_run,
                history,
                exit_signals,
            },
        )
}

fn op() -> impl Strategy<Value = Op> {
    let run_id = || proptest::option::weighted(0.9, run());
    let takeover = Mode::Takeover {
        expect: None,
        only_if_expired: false,
    };
    let mode = proptest::sample::select(vec![Mode::Claim, takeover]);
    prop_oneof![
        (run_id(), mode).prop_map(|(run_id, mode)| Op::Claim { run_id, mode }),
        (run_id(), any::<bool>()).prop_map(|(run_id, require_existing)| Op::Assert {
            run_id,
            require_existing
        }),
        run_id().prop_map(|run_id| Op::Release { run_id }),
        (run_id(), stamp(), any::<bool>()).prop_map(|(run_id, reason, require_active_owner)| {
            Op::ExitSignal {
                run_id,
                reason,
                require_active_owner,
            }
        }),
        run_id().prop_map(|run_id| Op::Heartbeat { run_id }),
    ]
}

fn now() -> Now {
    Now::from(Timestamp::from_millis(1_780_648_468_365))
}

/// The events as they were read.
fn spelled(record: Option<&Record>) -> Vec<&str> {
    let history = record.map_or(&[][..], |record| &record.history);
    history.iter().map(|event| event.0.text()).collect()
}

proptest! {
    #[test]
    fn a_record_that_was_printed_reads_as_itself(record in record()) {
        let text = record_text(&record);
        prop_assert_eq!(read_record(&text, &record.target).unwrap(), Some(record.clone()), "{}", text);
        let line = record.to_json();
        prop_assert!(!line.text().contains('\n'));
        prop_assert_eq!(read_record(line.text(), &record.target).unwrap(), Some(record));
    }

    #[test]
    fn printing_twice_gives_the_same_bytes(record in record()) {
        let text = record_text(&record);
        let again = read_record(&text, &record.target).unwrap().unwrap();
        prop_assert_eq!(record_text(&again), text);
    }

    #[test]
    fn no_operation_loses_or_changes_an_event(record in proptest::option::of(record()), op in op()) {
        let target = Target::pr("acme/shop", 17).unwrap();
        let next = transition(record.as_ref(), &target, &op, &now());
        let (before, after) = (spelled(record.as_ref()), spelled(next.record.as_ref()));
        prop_assert!(after.starts_with(&before), "{:?} {:?}", before, after);
        prop_assert!(after.len() <= before.len() + 1);
    }

    #[test]
    fn what_is_not_written_is_as_it_was(record in proptest::option::of(record()), op in op()) {
        let target = Target::pr("acme/shop", 17).unwrap();
        let next = transition(record.as_ref(), &target, &op, &now());
        prop_assert_eq!(next.writes, next.record != record);
        if matches!(next.verdict, Verdict::Refused(_)) {
            prop_assert!(!next.writes);
        }
    }

    #[test]
    fn the_owner_changes_only_by_a_claim_a_takeover_or_its_own_release(
        record in record(),
        op in op(),
    ) {
        let next = transition(Some(&record), &record.target, &op, &now());
        let after = next.record.unwrap();
        if after.owner() != record.owner() {
            let by = next.verdict;
            let status = [Status::ClaimedNew, Status::TakenOver, Status::Released];
            prop_assert!(status.iter().any(|status| by == Verdict::Done(*status)), "{:?}", by);
            let owner = if by == Verdict::Done(Status::Released) { record.owner() } else { after.owner() };
            prop_assert_eq!(owner, op.run_id());
        }
    }

    #[test]
    fn any_text_is_a_record_or_is_refused(
        text in prop_oneof![any::<String>(), value()],
        members in proptest::collection::vec((0_usize..6, value()), 0..7),
        target in target(),
    ) {
        let keys = ["schemaVersion", "target", "activeRun", "previousRun", "history", "exitSignals"];
        let members = members.iter().map(|(key, value)| format!("\"{}\":{value}", keys[*key]));
        let wild = members.collect::<Vec<_>>().join(",");
        let usual = Written::object([("schemaVersion", Written::trusted("2".to_owned())), ("target", Written::object(target.members()))]);
        let usual = usual.text().trim_end_matches('}');
        for text in [text, format!("{{{wild}}}"), format!("{usual}}},{wild}}}")] {
            if let Ok(Some(record)) = read_record(&text, &target) {
                prop_assert_eq!(record.target, target.clone());
            }
        }
    }
}
