//! Steps under the lock of the store.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use super::stage::{LONG, Stage, eventually, lasting, silence};
use crate::error::Code;
use crate::ownership::ClaimStore;
use crate::ownership::guard::OwnOptions;

#[test]
fn a_step_runs_under_the_lock_and_its_value_comes_back() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let word = String::from("done");
    let inside = guard.act(|| {
        let again = stage.store.update(&stage.target, &mut |_| Ok(None));
        (word, again.unwrap_err().code())
    });
    assert_eq!(inside.unwrap(), ("done".to_owned(), Code::LockTimeout));
    stage
        .store
        .update(&stage.target, &mut |_| Ok(None))
        .unwrap();
}

#[test]
fn a_step_writes_nothing() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let before = stage.snapshot();
    guard.act(|| ()).unwrap();
    assert_eq!(stage.snapshot(), before);
}

#[test]
fn a_step_without_a_claim_does_not_run() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    stage.take_over("run-2");
    let error = guard.act(|| panic!("acts without a claim")).unwrap_err();
    assert_eq!(error.code(), Code::OwnershipLost);
    assert!(guard.is_lost());
}

#[test]
fn a_step_does_not_run_if_the_store_fails() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    stage.store.fail(1);
    let error = guard.act(|| panic!("acts without a lock")).unwrap_err();
    assert_eq!(error.code(), Code::Io);
    assert_eq!(guard.act(|| 1).unwrap(), 1);
}

#[test]
fn a_step_that_waited_too_long_for_the_lock_does_not_run() {
    let stage = Stage::new();
    let guard = stage.still("run-1", OwnOptions::ttl(60)).unwrap();
    let before = stage.store.updates();
    thread::scope(|scope| {
        let mut waiting = None;
        let held = stage.store.update(&stage.target, &mut |_| {
            let act = || guard.act(|| panic!("acts after its lease")).unwrap_err();
            waiting = Some(scope.spawn(act));
            eventually("the wait", || stage.store.updates() == before + 2);
            silence(&guard, Duration::from_secs(40));
            Ok(None)
        });
        held.unwrap();
        let error = waiting.unwrap().join().unwrap();
        assert_eq!(error.to_json()["reason"], "no_heartbeat");
    });
}

#[test]
fn a_step_that_panics_leaves_the_lock_and_the_guard_as_they_were() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| guard.act(|| panic!("a bug")))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"a bug"));
    assert_eq!(guard.act(|| 1).unwrap(), 1);
    assert!(guard.release(None).unwrap().ok());
}

#[test]
fn a_step_within_a_step_and_a_check_within_it_work() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let value = guard.act(|| {
        guard.check().unwrap();
        let inner = guard.act(|| guard.act(|| 3)).unwrap();
        guard.check().unwrap();
        inner.unwrap()
    });
    assert_eq!(value.unwrap(), 3);
}

#[test]
fn a_step_within_a_step_asks_for_the_claim_as_well() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let inner = guard.act(|| {
        // A store without locks lets somebody in between.
        stage.store.claims.write_foreign(&stage.target, None);
        guard.act(|| panic!("acts without a claim"))
    });
    assert_eq!(inner.unwrap().unwrap_err().code(), Code::OwnershipLost);
}

#[test]
fn a_step_may_use_another_guard_but_not_of_the_same_target() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let carrying = OwnOptions {
        token: Some(guard.token()),
        ..lasting(LONG)
    };
    let other = stage.still("run-1", carrying).unwrap();
    let refused = guard.act(|| other.act(|| ()).unwrap_err()).unwrap();
    assert_eq!(refused.code(), Code::LockTimeout);
    assert_eq!(other.act(|| 1).unwrap(), 1);
}

#[test]
fn releasing_within_a_step_is_refused() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let refused = guard
        .act(|| [guard.release(None), guard.fail("x")])
        .unwrap();
    for result in refused {
        assert_eq!(result.unwrap_err().code(), Code::Usage);
    }
    guard.check().unwrap();
    assert_eq!(stage.exit_reasons(), [""; 0]);
    assert!(guard.release(None).unwrap().ok());
}
