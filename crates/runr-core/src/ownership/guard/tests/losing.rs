//! How a claim is lost, and who is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::stage::{LONG, OFTEN, SHORT, Stage, eventually, lasting, run, silence};
use crate::error::Code;
use crate::ownership::guard::Guard;
use crate::ownership::guard::loss::Loss;
use crate::ownership::{ActiveRun, ClaimStore};

/// What a guard tells of its loss, and how often.
fn listening(guard: &Guard) -> mpsc::Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    guard.on_loss(Box::new(move |error| {
        assert_eq!(error.code(), Code::OwnershipLost);
        sender.send(error.to_json()).unwrap();
    }));
    receiver
}

#[test]
fn a_takeover_is_noticed_within_one_heartbeat() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let told = listening(&guard);
    let token = stage.take_over("run-2");
    let before = stage.store.updates();
    guard.kept.start(OFTEN).unwrap();
    let loss = told.recv().unwrap();
    assert!(guard.is_lost());
    assert_eq!(stage.store.updates(), before + 1);
    assert_eq!(loss["owner"], "run-2");
    assert_eq!(loss["current_token"], token.0);
    assert_eq!(loss["reason"], "replaced");
    assert_eq!(guard.loss().unwrap().to_json(), loss);
    // Once, and nothing more is sent.
    guard.check().unwrap_err();
    told.recv().unwrap_err();
    assert_eq!(stage.store.updates(), before + 1);
}

#[test]
fn everybody_is_told_once_and_who_comes_late_at_once() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let early = [listening(&guard), listening(&guard)];
    stage.take_over("run-2");
    assert!(!guard.is_lost(), "nobody has looked");
    guard.check().unwrap_err();
    for told in early {
        assert_eq!(told.recv().unwrap()["owner"], "run-2");
        told.recv().unwrap_err();
    }
    let late = listening(&guard);
    assert_eq!(late.try_recv().unwrap()["owner"], "run-2");
}

#[test]
fn a_release_tells_nobody() {
    let stage = Stage::new();
    let guard = stage.beating("run-1");
    let told = listening(&guard);
    guard.release(None).unwrap();
    told.recv().unwrap_err();
    let late = listening(&guard);
    late.recv().unwrap_err();
    assert!(!guard.is_lost());
    assert!(guard.loss().is_none());
    let error = guard.check().unwrap_err();
    assert_eq!(error.to_json()["reason"], "released");
}

#[test]
fn who_is_told_may_ask_the_guard_and_the_store() {
    let stage = Stage::new();
    let guard = Arc::new(stage.still("run-1", lasting(LONG)).unwrap());
    let (sender, told) = mpsc::channel();
    let (asked, store) = (Arc::clone(&guard), Arc::clone(&stage.store));
    guard.on_loss(Box::new(move |_| {
        // Under the lock of the store this would be refused, under ours it would hang.
        let update = store.update(asked.target(), &mut |_| Ok(None));
        let outcome = asked.release(None).map(|outcome| outcome.ok());
        sender
            .send((asked.is_lost(), update.is_ok(), outcome))
            .unwrap();
    }));
    stage.take_over("run-2");
    guard.act(|| ()).unwrap_err();
    let (lost, update, released) = told.recv().unwrap();
    assert!(lost && update);
    assert!(!released.unwrap(), "it is another's by now");
    assert_eq!(stage.owner().as_deref(), Some("run-2"));
}

#[test]
fn a_listener_that_panics_keeps_nothing_from_the_others() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    guard.on_loss(Box::new(|_| panic!("a bug of the caller")));
    let told = listening(&guard);
    stage.take_over("run-2");
    assert_eq!(guard.check().unwrap_err().code(), Code::OwnershipLost);
    assert_eq!(told.recv().unwrap()["owner"], "run-2");
}

#[test]
fn two_thirds_of_the_lease_without_a_heartbeat_are_a_loss_for_good() {
    let stage = Stage::new();
    type Look = fn(&Guard) -> bool;
    let looks: [Look; 3] = [
        |guard| guard.check().is_err(),
        |guard| guard.act(|| ()).is_err(),
        Guard::is_lost,
    ];
    for looks_lost in looks {
        let guard = stage
            .still("run-1", lasting(Duration::from_secs(3)))
            .unwrap();
        silence(&guard, Duration::from_secs(1));
        assert!(!looks_lost(&guard));
        silence(&guard, Duration::from_secs(2));
        assert!(looks_lost(&guard));
        assert_eq!(guard.loss().unwrap().to_json()["reason"], "no_heartbeat");
        assert_eq!(stage.owner().as_deref(), Some("run-1"));
    }
    let guard = stage
        .still("run-1", lasting(Duration::from_secs(3)))
        .unwrap();
    silence(&guard, Duration::from_secs(2));
    guard.check().unwrap_err();
    silence(&guard, Duration::ZERO);
    guard.check().unwrap_err();
}

#[test]
fn a_store_that_goes_away_is_the_cause_that_is_named() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(SHORT)).unwrap();
    let told = listening(&guard);
    stage.store.fail(usize::MAX);
    // However slow the machine is, one heartbeat is tried.
    assert!(!guard.kept.beat());
    guard.kept.start(OFTEN).unwrap();
    let loss = told.recv().unwrap();
    assert!(guard.is_lost());
    assert_eq!(loss["reason"], "no_heartbeat");
    assert_eq!(loss["cause"]["code"], "E_IO");
    let message = loss["message"].as_str().unwrap();
    assert!(message.ends_with(": the disk is gone"), "{message}");
    // The store comes back, the claim does not; but it is still given back.
    stage.store.fail(0);
    guard.check().unwrap_err();
    drop(guard);
    assert_eq!(stage.owner(), None);
}

#[test]
fn a_heartbeat_that_hangs_declares_nothing_but_the_watch_does() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(SHORT)).unwrap();
    let (sender, told) = mpsc::channel();
    guard.on_loss(Box::new(move |_| {
        let name = thread::current().name().map(str::to_owned);
        sender.send(name).unwrap();
    }));
    stage.store.hang(true);
    guard.kept.start(Duration::ZERO).unwrap();
    assert_eq!(told.recv().unwrap().as_deref(), Some("runr-lease"));
    stage.store.hang(false);
    let kept = Arc::downgrade(&guard.kept);
    eventually("the end of both threads", || kept.strong_count() == 1);
    assert!(guard.is_lost(), "a late success mends nothing");
}

#[test]
fn whoever_slept_through_a_takeover_finds_out_at_the_first_step() {
    type Step = fn(&Guard) -> bool;
    let steps: [Step; 3] = [
        |guard| guard.check().is_err(),
        |guard| guard.act(|| panic!("acts without a claim")).is_err(),
        |guard| guard.kept.beat() && guard.is_lost(),
    ];
    for fails in steps {
        let stage = Stage::new();
        let guard = stage.still("run-1", lasting(LONG)).unwrap();
        stage.clock.advance(7 * 24 * 3600);
        stage.take_over("run-2");
        let after = stage.record();
        assert!(fails(&guard));
        assert!(guard.is_lost());
        assert_eq!(stage.record(), after);
    }
}

#[test]
fn another_program_that_takes_over_is_noticed_and_one_that_refreshes_is_not() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let mut record = stage.record();
    record.active_run.as_mut().unwrap().updated_at = Some("2026-02-02T03:00:00.000Z".into());
    let (claims, target) = (&stage.store.claims, &stage.target);
    claims.write_foreign(target, Some(record.clone()));
    guard.check().unwrap();
    let own = record.active_run.replace(ActiveRun {
        run_id: run("node"),
        claimed_at: Some("2026-02-02T03:00:00.000Z".into()),
        updated_at: None,
    });
    claims.write_foreign(target, Some(record.clone()));
    let error = guard.check().unwrap_err();
    assert_eq!(error.to_json()["owner"], "node");
    assert_eq!(error.to_json()["current_token"], Value::Null);
    // The very same owner again, but for good is for good.
    record.active_run = own;
    claims.write_foreign(target, Some(record));
    guard.check().unwrap_err();
}

#[test]
fn a_release_by_somebody_else_and_a_record_that_is_gone_are_losses() {
    let stage = Stage::new();
    let first = stage.still("run-1", lasting(LONG)).unwrap();
    let mut record = stage.record();
    record.active_run = None;
    stage
        .store
        .claims
        .write_foreign(&stage.target, Some(record));
    let error = first.check().unwrap_err();
    assert_eq!(
        error.to_string(),
        "Ownership lost: nobody owns acme/shop#17 any more"
    );
    let second = stage.still("run-2", lasting(LONG)).unwrap();
    stage.store.claims.write_foreign(&stage.target, None);
    second.check().unwrap_err();
    assert!(second.is_lost());
}

#[test]
fn a_claim_that_cannot_be_read_is_not_lost_but_not_confirmed_either() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    stage.store.unreadable.store(true, Ordering::SeqCst);
    assert_eq!(guard.check().unwrap_err().code(), Code::StoreCorrupt);
    assert!(!guard.is_lost());
    stage.store.unreadable.store(false, Ordering::SeqCst);
    guard.check().unwrap();
}

#[test]
fn a_loss_that_is_found_late_is_told_as_the_first_one() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    stage.take_over("run-2");
    let first = guard.check().unwrap_err();
    let late = Loss::Silent {
        silence: LONG,
        cause: None,
    };
    assert_eq!(guard.kept.lose(late).to_json(), first.to_json());
}

#[test]
fn one_loss_is_told_once_however_many_find_it() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    for _ in 0..8 {
        let told = Arc::clone(&told);
        guard.on_loss(Box::new(move |_| {
            told.fetch_add(1, Ordering::SeqCst);
        }));
    }
    stage.take_over("run-2");
    guard.kept.start(Duration::ZERO).unwrap();
    let reasons = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let error = guard.check().unwrap_err();
                reasons.lock().unwrap().push(error.to_string());
            });
        }
    });
    eventually("all are told", || told.load(Ordering::SeqCst) == 8);
    let mut reasons = reasons.into_inner().unwrap();
    reasons.dedup();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
}
