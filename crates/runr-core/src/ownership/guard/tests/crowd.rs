//! Sixteen threads that want the same target, over claims in memory and in files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use camino::Utf8Path;

use super::stage::{LONG, Stage, lasting, run};
use crate::error::{Code, Result};
use crate::fs::{Durability, Wait, real};
use crate::ownership::guard::{Guard, OwnOptions};
use crate::ownership::{ClaimStore, FileClaims, load};

/// Each thread acts a few times; how often two acted together.
fn together(own: impl Fn(usize) -> Result<Guard> + Sync) -> usize {
    const THREADS: usize = 16;
    const ROUNDS: usize = 6;
    let [inside, together, through] = [const { AtomicUsize::new(0) }; 3];
    let step = || {
        let others = inside.fetch_add(1, Ordering::SeqCst);
        together.fetch_add(others, Ordering::SeqCst);
        thread::yield_now();
        inside.fetch_sub(1, Ordering::SeqCst);
        through.fetch_add(1, Ordering::SeqCst);
    };
    let one_round = |thread| {
        while let Err(error) = own(thread).and_then(|guard| guard.act(step)) {
            assert_eq!(error.code(), Code::OwnershipLost, "{error}");
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let one_round = &one_round;
            scope.spawn(move || (0..ROUNDS).for_each(|_| one_round(thread)));
        }
    });
    assert_eq!(through.into_inner(), THREADS * ROUNDS);
    together.into_inner()
}

fn takeover() -> OwnOptions {
    OwnOptions {
        takeover: true,
        ..lasting(LONG)
    }
}

#[test]
fn all_act_one_after_the_other_and_all_get_through() {
    let stage = Stage::new();
    let own = |thread| stage.own(&format!("run-{thread}"), lasting(LONG));
    assert_eq!(together(own), 0);
    assert_eq!(stage.owner(), None, "everybody has left");
}

#[test]
fn who_take_over_from_each_other_never_act_together() {
    let stage = Stage::new();
    // Every run has two of them, which fence each other.
    let own = |thread| stage.still(&format!("run-{}", thread % 8), takeover());
    assert_eq!(together(own), 0);
    assert_eq!(stage.owner(), None, "everybody has left");
}

fn files(stage: &Stage, root: &Utf8Path) -> FileClaims {
    let (machine, clock) = (Arc::clone(&stage.machine), Arc::clone(&stage.clock));
    FileClaims::at(real(), root, machine, clock).durability(Durability::None)
}

#[test]
fn who_act_in_files_never_act_together_with_one_who_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::new();
    let claims = files(&stage, folder.path().try_into().unwrap());
    // The locks of files are fair: if all took over, a claim would hardly ever last until its step.
    let own = |thread| {
        let options = if thread == 0 {
            takeover()
        } else {
            lasting(LONG)
        };
        let (store, run) = (Arc::new(claims.clone()), run(&format!("run-{thread}")));
        Guard::claim(store, stage.target.clone(), run, options, stage.world())
    };
    assert_eq!(together(own), 0);
    let record = load(&claims, &stage.target).unwrap().unwrap();
    assert_eq!(record.owner(), None, "everybody has left");
}

#[test]
fn a_step_is_under_the_locks_of_the_files_and_may_be_within_another() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::new();
    let claims = files(&stage, folder.path().try_into().unwrap());
    let impatient = claims.clone().wait(Wait::No);
    let own = |options| {
        let (store, world) = (Arc::new(claims.clone()), stage.world());
        Guard::acquire(store, stage.target.clone(), run("run-1"), options, world)
    };
    let guard = own(lasting(LONG)).unwrap();
    let sharing = OwnOptions {
        token: Some(guard.token()),
        ..lasting(LONG)
    };
    let other = own(sharing).unwrap();
    let look = || impatient.update(&stage.target, &mut |_| Ok(None));
    let (elsewhere, sharing, inner) = guard
        .act(|| {
            let elsewhere = thread::scope(|scope| scope.spawn(look).join().unwrap());
            guard.check().unwrap();
            (elsewhere, other.act(|| ()), guard.act(|| 3))
        })
        .unwrap();
    assert_eq!(elsewhere.unwrap_err().code(), Code::LockTimeout);
    assert_eq!(sharing.unwrap_err().code(), Code::LockTimeout);
    assert_eq!(inner.unwrap(), 3);
    look().unwrap();
    assert_eq!(other.act(|| 5).unwrap(), 5);
}
