//! How a guard ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use super::stage::{LONG, Stage, lasting};
use crate::error::Code;
use crate::ownership::{Conflict, Status, Verdict};

#[test]
fn a_release_frees_the_target_once_and_answers_the_same_every_time() {
    let stage = Stage::new();
    let guard = stage.beating("run-1");
    let outcome = guard.release(None).unwrap();
    assert_eq!(outcome.verdict, Verdict::Done(Status::Released));
    assert!(outcome.token.unwrap() > guard.token());
    assert_eq!(stage.owner(), None);
    let other = stage.still("run-2", lasting(LONG)).unwrap();
    assert_eq!(guard.release(None).unwrap(), outcome);
    assert_eq!(guard.fail("too late").unwrap(), outcome);
    drop(guard);
    other.check().unwrap();
    assert_eq!(stage.exit_reasons(), [""; 0]);
}

#[test]
fn a_guard_that_was_released_never_acts_again() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    guard.release(None).unwrap();
    assert_eq!(guard.check().unwrap_err().code(), Code::OwnershipLost);
    let error = guard.act(|| panic!("acts without a claim")).unwrap_err();
    assert_eq!(error.to_json()["reason"], "released");
}

#[test]
fn a_failure_says_why_and_then_frees_the_target() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    let outcome = guard.fail("the tests are red").unwrap();
    assert_eq!(outcome.verdict, Verdict::Done(Status::Released));
    assert_eq!(stage.exit_reasons(), ["the tests are red"]);
    assert_eq!(stage.owner(), None);
    // The release saw the signal, so it came second.
    assert_eq!(outcome.record.unwrap().exit_signals.len(), 1);
}

#[test]
fn a_release_with_a_reason_records_it() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    guard.release(Some("merged")).unwrap();
    assert_eq!(stage.exit_reasons(), ["merged"]);
}

#[test]
fn a_release_that_fails_can_be_tried_again_but_the_guard_has_ended() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    stage.store.fail(1);
    assert_eq!(guard.release(None).unwrap_err().code(), Code::Io);
    guard.check().unwrap_err();
    assert_eq!(stage.owner().as_deref(), Some("run-1"));
    assert!(guard.release(None).unwrap().ok());
    assert_eq!(stage.owner(), None);
}

#[test]
fn a_reason_that_cannot_be_written_does_not_keep_the_target() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    stage.store.fail(1);
    assert_eq!(guard.fail("x").unwrap_err().code(), Code::Io);
    assert_eq!(stage.owner(), None);
    assert!(guard.release(None).unwrap().ok());
}

#[test]
fn a_guard_that_goes_out_of_sight_frees_the_target_and_says_nothing() {
    let stage = Stage::new();
    drop(stage.own("run-1", lasting(LONG)).unwrap());
    assert_eq!(stage.owner(), None);
    assert_eq!(stage.exit_reasons(), [""; 0]);
}

#[test]
fn a_panic_is_the_exit_signal_of_its_run() {
    let stage = Stage::new();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _guard = stage.own("run-1", lasting(LONG)).unwrap();
        panic!("a bug of the caller");
    }));
    panic.unwrap_err();
    assert_eq!(stage.exit_reasons(), ["panicked"]);
    assert_eq!(stage.owner(), None);
}

#[test]
fn a_panic_in_a_step_ends_the_guard_of_its_thread_in_order() {
    let stage = Stage::new();
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let guard = stage.own("run-1", lasting(LONG)).unwrap();
            guard.act(|| panic!("a bug of the step"))
        });
        thread.join().unwrap_err();
    });
    assert_eq!(stage.exit_reasons(), ["panicked"]);
    assert_eq!(stage.owner(), None);
}

#[test]
fn a_store_that_fails_while_a_guard_is_dropped_ends_nothing_else() {
    let stage = Stage::new();
    let guard = stage.own("run-1", lasting(LONG)).unwrap();
    stage.store.fail(usize::MAX);
    drop(guard);
    assert_eq!(stage.owner().as_deref(), Some("run-1"));
}

#[test]
fn a_guard_that_was_replaced_ends_quietly() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    stage.take_over("run-2");
    let outcome = guard.fail("too late").unwrap();
    assert_eq!(outcome.verdict, Verdict::Refused(Conflict::OwnershipLost));
    assert_eq!(stage.owner().as_deref(), Some("run-2"));
    assert_eq!(stage.exit_reasons(), [""; 0]);
}

#[test]
fn an_older_process_of_a_run_ends_nothing_of_the_newer_one() {
    let stage = Stage::new();
    let older = stage.still("run-1", lasting(LONG)).unwrap();
    let newer = stage.still("run-1", lasting(LONG)).unwrap();
    let outcome = older.fail("killed").unwrap();
    assert_eq!(outcome.verdict, Verdict::Refused(Conflict::OwnershipLost));
    newer.check().unwrap();
    assert_eq!(newer.exit_signalled(), None);
    assert_eq!(stage.exit_reasons(), [""; 0]);
}
