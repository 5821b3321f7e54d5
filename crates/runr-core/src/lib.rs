//! The pure core of runr: the truth about coding-agent runs, kept in plain files.
//!
//! Everything that decides lives here and nothing that acts: the core spawns no process, reads
//! neither the environment nor the wall clock, and never prints. Time, randomness and process
//! liveness come in as values. What touches the disk goes through [`fs`].
//!
//! Dependencies between the parts point one way:
//! `phase -> ownership -> { identity, store } -> { fs, json, glob, redact } ->
//! { error, time, id, hash }`.

#![forbid(unsafe_code)]
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

pub mod error;
pub mod fs;
pub mod glob;
mod hash;
pub mod id;
pub mod identity;
pub mod json;
#[doc(hidden)]
pub mod mutant;
pub mod ownership;
pub mod phase;
mod printable;
pub mod redact;
pub mod store;
pub mod time;
#[cfg(test)]
mod vectors;

pub use error::{Class, Code, Error, Result};
pub use id::RunId;
pub use printable::printable;
pub use time::{Clock, Timestamp};

/// The version of runr, the same in all four languages.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
