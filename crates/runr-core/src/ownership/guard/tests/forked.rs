//! A copy of the process that claimed.

use std::sync::atomic::{AtomicBool, Ordering};

use super::stage::{LONG, Stage, lasting};
use crate::error::Code;

#[test]
fn a_forked_copy_has_lost_the_claim_and_leaves_it_alone() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let before = stage.snapshot();
    let updates = stage.store.updates();
    stage.machine.become_pid(8);
    let errors = [
        guard.check().unwrap_err(),
        guard.act(|| panic!("acts in a copy")).unwrap_err(),
        guard.release(None).unwrap_err(),
        guard.fail("x").unwrap_err(),
        guard.loss().unwrap(),
    ];
    for error in errors {
        assert_eq!(error.code(), Code::OwnershipLost);
        assert_eq!(error.to_json()["reason"], "forked");
    }
    assert!(guard.is_lost());
    drop(guard);
    assert_eq!(stage.store.updates(), updates);
    assert_eq!(stage.snapshot(), before);
}

#[test]
fn the_process_that_was_copied_keeps_its_claim() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    stage.machine.become_pid(8);
    guard.check().unwrap_err();
    stage.machine.become_pid(7);
    guard.check().unwrap();
    assert!(guard.release(None).unwrap().ok());
}

#[test]
fn another_process_of_the_same_number_is_a_copy_but_not_one_of_unknown_age() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    stage.machine.start.store(0, Ordering::SeqCst);
    guard.check().unwrap();
    stage.machine.start.store(2, Ordering::SeqCst);
    guard.check().unwrap_err();
}

#[test]
fn a_copy_touches_no_lock_that_a_lost_thread_may_have_held() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    // These are never unlocked in a copy that was made in this moment.
    let held = (
        guard.kept.life(),
        guard.inside.lock().unwrap(),
        guard.released.lock().unwrap(),
    );
    stage.machine.become_pid(8);
    guard.check().unwrap_err();
    guard.act(|| ()).unwrap_err();
    guard.release(None).unwrap_err();
    guard.fail("x").unwrap_err();
    assert!(guard.is_lost());
    assert_eq!(guard.exit_signalled(), None);
    static TOLD: AtomicBool = AtomicBool::new(false);
    guard.on_loss(Box::new(|error| {
        TOLD.store(error.to_json()["reason"] == "forked", Ordering::SeqCst);
    }));
    assert!(TOLD.load(Ordering::SeqCst));
    let _described = format!("{guard:?}");
    drop(held);
    drop(guard);
}
