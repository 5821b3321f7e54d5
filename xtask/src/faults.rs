//! The fault-injection suites.

use crate::Failure;

/// Fails: nothing is built here yet.
pub(crate) fn run(_words: &[&str]) -> Result<(), Failure> {
    Err("`faults` is not built yet".into())
}
