//! The harness is killed at any moment, and the run ends as if it had not been.
//!
//! Short form: 10 runs, each killed up to four times. `RUNR_TEST_LONG=1`: 1,000. The seed is printed; `RUNR_TEST_SEED` repeats it
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
mod windows;

use std::path::Path;
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
        (1_000, Duration::from_secs(7_200))
    } else {
        (10, Duration::from_secs(40))
    };
    let seed = seed();
    println!("seed {seed}: repeat with RUNR_TEST_SEED={seed}");

    let reference = Reference::record();
    let started = Instant::now();
    let begun = AtomicUsize::new(0);
    let tallies = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for lane in 0..PARALLEL {
            let (reference, begun, tallies) = (&reference, &begun, &tallies);
            scope.spawn(move || {
                let mut random = Random::new(seed.wrapping_add(lane));
                while started.elapsed() < budget && begun.fetch_add(1, Ordering::Relaxed) < wanted {
                    let tally = life::live(reference, &mut random, seed);
                    let mut tallies = tallies.lock().unwrap();
                    tallies.push(tally);
                    if tallies.len() % 50 == 0 {
                        let total = tallies.iter().copied().fold(Tally::default(), Tally::add);
                        println!(
                            "{} runs: {total:?} in {:?}",
                            tallies.len(),
                            started.elapsed()
                        );
                    }
                }
            });
        }
    });

    let tallies = tallies.into_inner().unwrap();
    let runs = tallies.len();
    let total = tallies.into_iter().fold(Tally::default(), Tally::add);
    println!("{runs} runs: {total:?} in {:?}", started.elapsed());
    // A slow machine may end the short form early, and some runs before their first kill; a form that
    // kills nothing proves nothing.
    let enough = if long { wanted } else { wanted / 2 };
    assert!(
        runs >= enough && total.kills * 2 >= runs,
        "only {} kills in {runs} of {wanted} runs in {:?}, seed {seed}",
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

/// Whether a process lives that works for a run.
pub(crate) fn has_children(run_dir: &Path) -> bool {
    let mark = format!("RUNR_RUN_DIR={}", run_dir.display());
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return false;
    };
    processes.filter_map(Result::ok).any(|process| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
    })
}
