//! Heartbeats.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::stage::{LONG, OFTEN, SHORT, Stage, eventually, lasting};

#[test]
fn a_heartbeat_refreshes_the_claim_and_nothing_else() {
    let stage = Stage::new();
    let guard = stage.beating("run-1");
    let (before, token) = (stage.record(), stage.token());
    stage.clock.advance(5);
    eventually("a heartbeat", || {
        stage.updated_at() == "2026-02-02T02:40:05.000Z"
    });
    assert_eq!(stage.record().history, before.history);
    assert_eq!(stage.token(), token);
    assert!(!guard.is_lost());
}

#[test]
fn a_guard_keeps_itself_alive_beyond_its_lease() {
    let stage = Stage::new();
    let guard = stage
        .own("run-1", lasting(Duration::from_millis(1500)))
        .unwrap();
    // Two heartbeats are one more than fit into two thirds of the lease of the claim itself.
    for second in 1..=2 {
        stage.clock.advance(1);
        let stamp = format!("2026-02-02T02:40:0{second}.000Z");
        eventually("a heartbeat", || stage.updated_at() == stamp);
    }
    guard.check().unwrap();
}

#[test]
fn a_heartbeat_that_fails_is_tried_again_and_forgotten() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    // The pause after a failure is short whatever the interval is.
    stage.store.fail(3);
    let before = stage.store.updates();
    guard.kept.start(8 * OFTEN).unwrap();
    eventually("four heartbeats", || stage.store.updates() >= before + 4);
    stage.clock.advance(1);
    eventually("a success", || {
        stage.updated_at() == "2026-02-02T02:40:01.000Z"
    });
    guard.check().unwrap();
}

#[test]
fn heartbeats_end_with_the_guard_and_leave_nothing_behind() {
    let stage = Stage::new();
    let guard = stage.beating("run-1");
    let kept = Arc::downgrade(&guard.kept);
    eventually("a heartbeat", || stage.store.updates() > 1);
    guard.release(None).unwrap();
    let after = stage.store.updates();
    // The threads go although the guard is still there, and no heartbeat follows the release.
    eventually("the end of both threads", || kept.strong_count() == 1);
    assert_eq!(stage.store.updates(), after);
    drop(guard);
    assert_eq!(kept.strong_count(), 0);
    assert_eq!(stage.store.updates(), after);
    assert_eq!(Arc::strong_count(&stage.store), 1);
}

#[test]
fn a_release_waits_for_the_heartbeat_under_way() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    stage.store.hang(true);
    guard.kept.start(OFTEN).unwrap();
    let before = stage.store.updates();
    eventually("a heartbeat that hangs", || stage.store.updates() > before);
    thread::scope(|scope| {
        let (sender, released) = mpsc::channel();
        let guard = &guard;
        scope.spawn(move || sender.send(guard.release(None)).unwrap());
        let soon = released.recv_timeout(Duration::from_millis(100));
        soon.unwrap_err();
        stage.store.hang(false);
        assert!(released.recv().unwrap().unwrap().ok());
    });
    assert_eq!(stage.store.updates(), before + 2);
    assert_eq!(stage.owner(), None);
}

#[test]
fn a_release_does_not_wait_for_ever_for_a_heartbeat_that_hangs() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(LONG)).unwrap();
    stage.store.hang(true);
    guard.kept.start(OFTEN).unwrap();
    let before = stage.store.updates();
    eventually("a heartbeat that hangs", || stage.store.updates() > before);
    assert!(guard.release(None).unwrap().ok());
    assert!(guard.kept.life().beating);
    assert_eq!(stage.owner(), None);
    let after = stage.record();
    stage.store.hang(false);
    let kept = Arc::downgrade(&guard.kept);
    eventually("the end of both threads", || kept.strong_count() == 1);
    assert_eq!(stage.record(), after, "it comes too late to write");
}

#[test]
fn an_exit_signal_by_somebody_else_is_found_at_the_next_heartbeat() {
    let stage = Stage::new();
    let guard = stage.beating("run-1");
    assert_eq!(guard.exit_signalled(), None);
    assert!(stage.signal("run-1", "stop, please").ok());
    eventually("the signal", || guard.exit_signalled().is_some());
    let signal = guard.exit_signalled().unwrap();
    assert_eq!(signal.reason, Some("stop, please".into()));
    // The run is still the owner.
    guard.check().unwrap();
    assert!(!guard.is_lost());
}

#[test]
fn a_check_finds_exit_signals_but_not_those_of_an_earlier_life() {
    let stage = Stage::new();
    let first = stage.still("run-1", lasting(LONG)).unwrap();
    stage.signal("run-1", "an earlier life");
    drop(first);
    let second = stage.still("run-1", lasting(LONG)).unwrap();
    second.check().unwrap();
    assert_eq!(second.exit_signalled(), None);
    stage.signal("run-1", "this one");
    second.check().unwrap();
    let reason = second.exit_signalled().unwrap().reason;
    assert_eq!(reason, Some("this one".into()));
}

#[test]
fn nothing_begins_when_the_guard_may_not_act_any_more() {
    let stage = Stage::new();
    let guard = stage.still("run-1", lasting(SHORT)).unwrap();
    let before = stage.store.updates();
    eventually("silence", || guard.is_lost());
    guard.kept.start(Duration::ZERO).unwrap();
    let kept = Arc::downgrade(&guard.kept);
    eventually("the end of both threads", || kept.strong_count() == 1);
    assert_eq!(stage.store.updates(), before);
}
