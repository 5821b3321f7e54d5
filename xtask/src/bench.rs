//! The benchmarks.

use crate::Failure;

/// Fails: nothing is built here yet.
pub(crate) fn run(_words: &[&str]) -> Result<(), Failure> {
    Err("`bench` is not built yet".into())
}
