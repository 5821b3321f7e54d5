//! The harness that drives runs, and the command line over it.
//!
//! [`harness::Driver`] performs what the core decides: git, worktrees, workers, verification,
//! checkpoints. [`main`] is the whole command line in process; [`embed`] is what the Python and
//! Node packages call. Everything with a decision in it lives in `runr-core`.
//!
//! # Features
//! `cli` (default): the command line. Without it the crate is the harness alone.

#![forbid(unsafe_code)]
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod approval;
#[cfg(feature = "cli")]
mod commands;
#[cfg(feature = "cli")]
mod detect;
#[cfg(feature = "cli")]
pub mod embed;
#[cfg(feature = "cli")]
mod entry;
pub mod harness;
mod host;
pub mod identity;
mod liveness;
mod merge;
pub mod operations;
#[cfg(feature = "cli")]
mod output;
pub mod ownership;
mod presence;
mod processes;
mod repair;
mod repository;
mod store_fields;
mod stores;
mod tasks;
mod views;
mod work_items;

#[cfg(feature = "cli")]
pub use commands::{main, run_command};
#[cfg(feature = "cli")]
pub use entry::entry;
pub use host::{Host, Signals, SystemClock};
#[cfg(feature = "cli")]
pub use output::Console;
