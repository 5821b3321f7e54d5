//! The harness is killed at any moment, and the run ends as if it had not been.
//!
//! Short form: 20 kills. `RUNR_TEST_LONG=1`: 200. The seed is printed; `RUNR_TEST_SEED` repeats it
//! (the moments of the kills, not the scheduling of the machine).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod life;
mod orphans;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use life::{Reference, Tally};
use support::{Random, seed};

/// Runs that are being killed at the same time.
const PARALLEL: u64 = 2;

#[test]
fn a_run_killed_at_any_moment_ends_with_the_same_checkpoints() {
    let long = std::env::var_os("RUNR_TEST_LONG").is_some();
    let (wanted, budget) = if long {
        (200, Duration::from_secs(1200))
    } else {
        (20, Duration::from_secs(40))
    };
    let seed = seed();
    println!("seed {seed}: repeat with RUNR_TEST_SEED={seed}");

    let reference = Reference::record();
    let started = Instant::now();
    let kills = AtomicUsize::new(0);
    let tallies = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for lane in 0..PARALLEL {
            let (reference, kills, tallies) = (&reference, &kills, &tallies);
            scope.spawn(move || {
                let mut random = Random::new(seed.wrapping_add(lane));
                while kills.load(Ordering::Relaxed) < wanted && started.elapsed() < budget {
                    let tally = life::live(reference, &mut random, seed);
                    kills.fetch_add(tally.kills, Ordering::Relaxed);
                    tallies.lock().unwrap().push(tally);
                }
            });
        }
    });

    let total = tallies
        .into_inner()
        .unwrap()
        .into_iter()
        .fold(Tally::default(), Tally::add);
    println!("{total:?} in {:?}", started.elapsed());
    // A slow machine may end the short form early; a form that kills nothing proves nothing.
    let enough = if long { wanted } else { wanted / 2 };
    assert!(
        total.kills >= enough,
        "only {} of {wanted} kills in {:?}, seed {seed}",
        total.kills,
        started.elapsed()
    );
    assert!(
        total.recorded * 2 >= total.kills,
        "most kills hit before the run was recorded: {total:?}, seed {seed}"
    );
    assert!(
        total.resumes_killed > 0,
        "no resume was killed: {total:?}, seed {seed}"
    );
}
