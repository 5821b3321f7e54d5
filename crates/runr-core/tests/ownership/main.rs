//! Claims in files from outside: what stands on the disk, what it costs, and what becomes of it when
//! calls fail, processes die, and others write there, too.
//!
//! What power cuts leave is in the test program `crash_replay`.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

mod archive;
mod costs;
mod crowd;
#[path = "../every_call/mod.rs"]
mod every_call;
mod faults;
mod files;
mod hostile;
mod lock_directory;
mod repair;
mod world;
