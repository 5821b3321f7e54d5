//! The store through its public face: what changes, what stays, and every error it can give.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

mod create;
mod errors;
mod events;
mod repo_lock;
mod scan;
mod update;
mod world;
