//! Many threads want the same target.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use runr_core::fs::{Durability, MemoryFs};
use runr_core::ownership::Token;

use crate::world::{World, real_world};

const THREADS: usize = 8;
const CLAIMS: usize = 50;

/// Tells the others that a thread has failed, so that they do not wait for it.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

/// Each thread owns the target so many times; nobody else does meanwhile.
fn crowd(world: &World, claims: usize) {
    let (owners, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let tokens = Mutex::new(Vec::<Token>::new());
    let own = |run: &str| {
        let claimed = world.claim(run).unwrap();
        let Some(token) = claimed.token.filter(|_| claimed.ok()) else {
            return false;
        };
        let others = owners.fetch_add(1, Ordering::SeqCst);
        assert_eq!(others, 0, "{run} is not alone");
        tokens.lock().unwrap().push(token);
        assert!(is_owner(world, run));
        assert_eq!(owners.fetch_sub(1, Ordering::SeqCst), 1);
        assert!(world.release(run).unwrap().ok());
        true
    };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (own, failed) = (&own, &failed);
            scope.spawn(move || {
                let _alarm = Alarm(failed);
                for nth in 0..claims {
                    let run = format!("run-{thread}-{nth}");
                    while !own(&run) {
                        assert!(!failed.load(Ordering::SeqCst), "another thread has failed");
                        thread::yield_now();
                    }
                }
            });
        }
    });
    let tokens = tokens.into_inner().unwrap();
    assert_eq!(tokens.len(), THREADS * claims);
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
    let changes = world
        .archived()
        .into_iter()
        .filter(|(kind, ..)| *kind == runr_core::ownership::ArchivedKind::Change);
    assert_eq!(changes.count(), 2 * THREADS * claims);
}

fn is_owner(world: &World, run: &str) -> bool {
    world.owner().as_deref() == Some(run)
}

#[test]
fn one_of_many_threads_owns_a_target_at_a_time() {
    crowd(&World::new(MemoryFs::new().into()), CLAIMS);
}

#[test]
fn one_of_many_threads_owns_a_target_at_a_time_on_a_disk() {
    let (_keep, world) = real_world();
    let world = world.with(|claims| claims.durability(Durability::None));
    let long = std::env::var_os("RUNR_TEST_LONG").is_some();
    crowd(&world, if long { CLAIMS } else { CLAIMS / 5 });
}
