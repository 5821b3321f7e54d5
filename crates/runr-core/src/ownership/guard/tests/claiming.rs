//! Who gets a claim, and how it is made.

use std::time::Duration;

use super::stage::{LONG, Stage, lasting, run};
use crate::error::{Code, Error};
use crate::ownership::guard::{Guard, OwnOptions};
use crate::ownership::{Expect, HolderKind, Token};

fn refused(guard: Result<Guard, Error>) -> Error {
    let error = guard.unwrap_err();
    assert_eq!(error.code(), Code::OwnershipLost, "{error}");
    error
}

fn takeover() -> OwnOptions {
    OwnOptions {
        takeover: true,
        ..lasting(LONG)
    }
}

#[test]
fn a_guard_claims_under_its_process_with_its_lease() {
    let stage = Stage::new();
    let guard = stage.still("run-1", OwnOptions::ttl(60)).unwrap();
    let fence = stage.snapshot().fence.unwrap();
    assert_eq!(stage.owner().as_deref(), Some("run-1"));
    assert_eq!(
        (guard.token(), guard.run_id()),
        (fence.token, &run("run-1"))
    );
    assert_eq!(guard.target(), &stage.target);
    assert_eq!(fence.holder.kind, HolderKind::Guard);
    assert_eq!(fence.holder.ttl_ms, 60_000);
    assert_eq!(fence.holder.nonce, "0000000000000000");
    assert_eq!(fence.holder.process.unwrap().pid, 7);
    guard.check().unwrap();
    assert!(!guard.is_lost());
}

#[test]
fn a_run_of_the_harness_claims_as_one() {
    let stage = Stage::new();
    let options = OwnOptions {
        kind: HolderKind::Harness,
        ..OwnOptions::default()
    };
    let guard = stage.still("run-1", options).unwrap();
    let holder = stage.snapshot().fence.unwrap().holder;
    assert_eq!((holder.kind, holder.ttl_ms), (HolderKind::Harness, 60_000));
    drop(guard);
}

#[test]
fn a_lease_without_length_and_a_plain_claim_are_no_guards() {
    let stage = Stage::new();
    let plain = OwnOptions {
        kind: HolderKind::Plain,
        ..OwnOptions::default()
    };
    for options in [lasting(Duration::from_micros(999)), plain] {
        let error = stage.own("run-1", options).unwrap_err();
        assert_eq!(error.code(), Code::Usage);
    }
    assert_eq!(stage.store.updates(), 0);
}

#[test]
fn a_conflict_is_an_error_that_names_the_owner_and_the_way_out() {
    let stage = Stage::new();
    let _owner = stage.still("run-1", lasting(LONG)).unwrap();
    let error = refused(stage.own("run-2", lasting(LONG)));
    let json = error.to_json();
    assert_eq!(
        error.to_string(),
        "Ownership lost: acme/shop#17 is owned by run-1"
    );
    assert_eq!(json["owner"], "run-1");
    assert_eq!(json["target"], "acme/shop#17");
    assert_eq!(json["run_id"], "run-2");
    assert_eq!(json["reason"], "active_run_exists");
    assert!(json["hint"].as_str().unwrap().contains("takeover"));
    assert!(json["path"].as_str().unwrap().contains("acme/shop#17"));
    assert_eq!(stage.owner().as_deref(), Some("run-1"));
}

#[test]
fn a_takeover_fences_the_owner_out() {
    let stage = Stage::new();
    let old = stage.still("run-1", lasting(LONG)).unwrap();
    let new = stage.still("run-2", takeover()).unwrap();
    assert!(new.token() > old.token());
    new.check().unwrap();
    let error = old.check().unwrap_err();
    assert_eq!(error.code(), Code::OwnershipLost);
    assert_eq!(error.to_json()["owner"], "run-2");
    assert_eq!(error.to_json()["current_token"], new.token().0);
}

#[test]
fn a_takeover_with_an_expected_owner_takes_nobody_elses() {
    let stage = Stage::new();
    let old = stage.still("run-1", lasting(LONG)).unwrap();
    let expecting = |expect| OwnOptions {
        expect: Some(expect),
        ..lasting(LONG)
    };
    let wrong = [
        Expect::Run(run("run-9")),
        Expect::Token(Token(old.token().0 + 1)),
    ];
    for expect in wrong {
        drop(refused(stage.still("run-2", expecting(expect))));
    }
    let by_token = expecting(Expect::Token(old.token()));
    let second = stage.still("run-2", by_token).unwrap();
    let third = stage
        .still("run-3", expecting(Expect::Run(run("run-2"))))
        .unwrap();
    assert!(third.token() > second.token());
    assert_eq!(stage.owner().as_deref(), Some("run-3"));
}

#[test]
fn whoever_waits_for_the_lease_gets_the_claim_when_it_is_over() {
    let stage = Stage::new();
    let old = stage.still("run-1", OwnOptions::ttl(60)).unwrap();
    let patient = OwnOptions {
        only_if_expired: true,
        ..lasting(LONG)
    };
    stage.clock.advance(60);
    drop(refused(stage.still("run-2", patient.clone())));
    stage.clock.advance(6);
    let new = stage.still("run-2", patient).unwrap();
    new.check().unwrap();
    old.check().unwrap_err();
}

#[test]
fn a_guard_dies_with_its_process() {
    let stage = Stage::new();
    let old = stage.still("run-1", lasting(LONG)).unwrap();
    let patient = OwnOptions {
        only_if_expired: true,
        ..lasting(LONG)
    };
    drop(refused(stage.still("run-2", patient.clone())));
    stage.machine.end(7);
    stage.machine.become_pid(8);
    let new = stage.still("run-2", patient).unwrap();
    new.check().unwrap();
    drop(old);
    assert_eq!(stage.owner().as_deref(), Some("run-2"));
}

#[test]
fn a_run_that_is_resumed_has_the_claim_anew_and_its_older_process_has_lost_it() {
    let stage = Stage::new();
    let old = stage.still("run-1", lasting(LONG)).unwrap();
    let new = stage.still("run-1", lasting(LONG)).unwrap();
    assert!(new.token() > old.token());
    new.check().unwrap();
    let error = old.check().unwrap_err();
    assert_eq!(
        error.to_string(),
        "Ownership lost: run-1 has claimed acme/shop#17 anew"
    );
    // For good: not even a release of the new one brings it back.
    new.release(None).unwrap();
    old.check().unwrap_err();
    let error = old.act(|| ()).unwrap_err();
    assert_eq!(error.to_json()["owner"], "run-1", "the first loss is told");
}

#[test]
fn an_older_token_of_the_run_is_a_claim_that_was_lost() {
    let stage = Stage::new();
    let first = stage.still("run-1", lasting(LONG)).unwrap();
    let second = stage.still("run-1", lasting(LONG)).unwrap();
    let carrying = |token| OwnOptions {
        token: Some(token),
        ..lasting(LONG)
    };
    let error = refused(stage.still("run-1", carrying(first.token())));
    assert_eq!(error.to_json()["reason"], "ownership_lost");
    second.check().unwrap();
}

#[test]
fn whoever_carries_the_present_token_shares_the_claim_and_does_not_end_it() {
    let stage = Stage::new();
    let owner = stage.still("run-1", OwnOptions::ttl(60)).unwrap();
    let carrying = OwnOptions {
        token: Some(owner.token()),
        ..lasting(LONG)
    };
    let other = stage.still("run-1", carrying).unwrap();
    assert_eq!(other.token(), owner.token());
    assert_eq!(other.kept.held.ttl, Duration::from_secs(60), "the claim's");
    owner.check().unwrap();
    other.check().unwrap();
    assert!(other.kept.beat());
    assert_eq!(other.act(|| 5).unwrap(), 5);
    let outcome = other.fail("a helper failed").unwrap();
    assert!(outcome.ok());
    assert_eq!(outcome.token, Some(owner.token()));
    other.check().unwrap_err();
    drop(other);
    owner.check().unwrap();
    assert_eq!(stage.exit_reasons(), [""; 0]);
    assert_eq!(owner.release(None).unwrap().record.unwrap().owner(), None);
}

#[test]
fn whoever_shares_a_claim_keeps_a_stricter_lease_of_its_own() {
    let stage = Stage::new();
    let owner = stage.still("run-1", lasting(LONG)).unwrap();
    let carrying = OwnOptions {
        token: Some(owner.token()),
        ..OwnOptions::ttl(5)
    };
    let other = stage.still("run-1", carrying).unwrap();
    assert_eq!(other.kept.held.ttl, Duration::from_secs(5));
    let kept = stage.snapshot().fence.unwrap().holder.ttl_ms;
    assert_eq!(kept, 3_600_000);
}

#[test]
fn a_token_that_is_the_next_one_by_chance_shares_nothing() {
    let stage = Stage::new();
    let first = stage.still("run-1", lasting(LONG)).unwrap();
    let carrying = OwnOptions {
        token: Some(first.token().next()),
        ..lasting(LONG)
    };
    let second = stage.still("run-1", carrying).unwrap();
    assert_eq!(second.token(), first.token().next());
    drop(second);
    assert_eq!(stage.owner(), None);
}

#[test]
fn a_token_of_another_target_is_no_obstacle() {
    let stage = Stage::new();
    let carrying = OwnOptions {
        token: Some(Token(3)),
        ..lasting(LONG)
    };
    let guard = stage.still("run-1", carrying).unwrap();
    guard.check().unwrap();
    drop(guard);
    assert_eq!(stage.owner(), None);
}

#[test]
fn a_store_that_fails_gives_no_guard_and_its_own_error() {
    let stage = Stage::new();
    stage.store.fail(1);
    let error = stage.own("run-1", lasting(LONG)).unwrap_err();
    assert_eq!(error.code(), Code::Io);
}
