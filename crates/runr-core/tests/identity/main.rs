//! Work items from outside: recorded cases, laws, real trees, hostile ones, and crowds.
//!
//! `RUNR_TEST_LONG=1` runs the full counts, `RUNR_TEST_SEED` repeats a kill loop, `RUNR_REAL_RUNS`
//! names the recordings of real repositories.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

mod cases;
mod cost;
mod crowd;
mod edges;
mod hostile;
mod laws;
mod place;
mod real_trees;
mod rules;
