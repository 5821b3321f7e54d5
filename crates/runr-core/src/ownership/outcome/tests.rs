//! What answers look like.

use super::*;
use crate::ownership::rules::Now;
use crate::ownership::{create, fencing::Token};
use crate::time::Timestamp;

fn answer(verdict: Verdict, run: Option<&str>, record: Option<Record>) -> Outcome {
    Outcome {
        verdict,
        target: Target::pr("acme/shop", 17).unwrap(),
        run_id: run.and_then(RunName::new),
        record,
        file_path: "/r/pr-17.json".to_owned(),
        token: Some(Token(5)),
    }
}

fn owned_by(run: &str) -> Record {
    let now = Now::from(Timestamp::from_millis(1_780_648_468_365));
    create(
        &Target::pr("acme/shop", 17).unwrap(),
        RunName::new(run),
        &now,
    )
}

const A: &str = r#"{"runId":"a","claimedAt":"2026-06-05T08:34:28.365Z","updatedAt":"2026-06-05T08:34:28.365Z"}"#;

#[test]
fn a_success_has_its_keys_in_order_and_the_token_last() {
    let done = answer(
        Verdict::Done(Status::OwnerConfirmed),
        Some("a"),
        Some(owned_by("a")),
    );
    assert_eq!(
        done.to_json().text(),
        format!(
            r#"{{"ok":true,"status":"owner_confirmed","repo":"acme/shop","pr":17,"runId":"a","activeRun":{A},"previousRun":null,"exitSignals":[],"filePath":"/r/pr-17.json","token":5}}"#
        )
    );
    assert_eq!(done.message(), None);
}

#[test]
fn a_success_without_a_record_has_no_previous_run() {
    let mut noop = answer(Verdict::Done(Status::ReleaseNoop), Some("a"), None);
    noop.token = None;
    assert_eq!(
        noop.to_json().text(),
        r#"{"ok":true,"status":"release_noop","repo":"acme/shop","pr":17,"runId":"a","activeRun":null,"exitSignals":[],"filePath":"/r/pr-17.json"}"#
    );
}

#[test]
fn a_conflict_has_its_message_before_the_exit_signals_and_no_token() {
    let lost = answer(
        Verdict::Refused(Conflict::OwnershipLost),
        Some("b"),
        Some(owned_by("a")),
    );
    let message = lost.message().unwrap();
    assert_eq!(
        lost.to_json().text(),
        format!(
            r#"{{"ok":false,"error":"ownership_lost","repo":"acme/shop","pr":17,"runId":"b","activeRun":{A},"filePath":"/r/pr-17.json","message":"{message}","exitSignals":[]}}"#
        )
    );
    let nameless = answer(Verdict::Refused(Conflict::RunIdRequired), None, None);
    let keys = r#""runId":null,"activeRun":null,"filePath":"/r/pr-17.json","message":"#;
    assert!(nameless.to_json().text().contains(keys));
    assert!(!nameless.to_json().text().contains("exitSignals"));
}

#[test]
fn the_target_of_another_kind_names_it() {
    let mut done = answer(Verdict::Done(Status::ReleaseNoop), None, None);
    done.target = Target::branch("acme/shop", "x").unwrap();
    let members = r#""kind":"branch","repo":"acme/shop","branch":"x","#;
    assert!(done.to_json().text().contains(members));
}

#[test]
fn each_conflict_says_what_a_person_needs_to_know() {
    let free = Record::new(Target::pr("acme/shop", 17).unwrap());
    for (conflict, record, facts) in [
        (Conflict::RunIdRequired, None, &["run id"][..]),
        (
            Conflict::ActiveRunExists,
            Some(owned_by("x1")),
            &["acme/shop#17", "run x1", "failed closed"],
        ),
        (
            Conflict::OwnershipMissing,
            None,
            &["acme/shop#17", "run y2", "no ownership record"],
        ),
        (
            Conflict::OwnershipMissing,
            Some(free.clone()),
            &["acme/shop#17", "no active owner"],
        ),
        (
            Conflict::OwnershipLost,
            Some(owned_by("x1")),
            &["acme/shop#17", "x1", "y2", "must stop"],
        ),
        (
            Conflict::OwnershipLost,
            Some(free),
            &["acme/shop#17", "y2", "nobody", "must stop"],
        ),
        (
            Conflict::OwnershipLost,
            Some(owned_by("y2")),
            &["acme/shop#17", "y2", "newer claim", "must stop"],
        ),
    ] {
        let message = answer(Verdict::Refused(conflict), Some("y2"), record)
            .message()
            .unwrap();
        for fact in facts {
            assert!(message.contains(fact), "{message}: {fact}");
        }
    }
}
