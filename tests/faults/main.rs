//! Faults that need a real Linux: failing system calls, full disks, power cuts, signals, clocks.
//!
//! Each suite has a short form that always runs, and a long form: `RUNR_TEST_LONG=1`. Choices made
//! at random have a seed that is printed; `RUNR_TEST_SEED` repeats them. What the machine cannot
//! do (root, `strace`, loop devices) is skipped with a line on standard error that says so.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod clock;
mod disk_full;
mod form;
mod kept;
mod mount;
mod power_cut;
mod runs;
mod signals;
mod strace;
mod syscall_faults;
