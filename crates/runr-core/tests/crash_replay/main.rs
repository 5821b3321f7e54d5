//! Power cuts, replayed: what a program wrote is recorded, and every disk that a cut after any of
//! its operations may leave is read, and written on, by the real code.
//!
//! A program that was told "done" finds its work there; nothing is ever torn; the next program
//! works and clears away what the dead one left. `RUNR_TEST_LONG=1` cuts every write at every byte,
//! `RUNR_TEST_SEED` repeats a sample.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

mod claims;
mod disk;
mod documents;
mod journals;
mod judge;
mod protocols;
mod random;
mod record;
mod runs;

use std::cell::Cell;

use runr_core::fs::{Fault, FaultFs, Lasting, Storage};

use self::judge::Step;

fn long() -> bool {
    std::env::var_os("RUNR_TEST_LONG").is_some()
}

/// Judges programs that begin with a change whose process is killed at its first call, at its
/// second, and so on, until it lives to the end.
fn killed_at_each_call(change: impl Fn(&Storage), mut round: impl FnMut(Step<'_>)) {
    let mut calls = 0;
    for nth in 1.. {
        let reached = Cell::new(false);
        round(Box::new(|storage| {
            let dying = FaultFs::new(Storage::clone(storage));
            dying.fail(nth, Fault::Torn, Lasting::FromThenOn);
            change(&dying.storage());
            reached.set(dying.heal());
            false
        }));
        calls = nth;
        if !reached.get() {
            break;
        }
    }
    assert!(calls > 10, "only {calls} calls");
}

/// The unfinished files in a directory.
fn temporaries(storage: &Storage, dir: &str) -> Vec<String> {
    let entries = storage.open_dir(dir.into()).unwrap().list().unwrap();
    let names = entries.into_iter().map(|entry| entry.name);
    names.filter(|name| name.ends_with(".tmp")).collect()
}
