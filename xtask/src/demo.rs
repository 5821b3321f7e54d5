//! The demo: a whole run with the script worker, without an account.

use crate::Failure;

/// Fails: nothing is built here yet.
pub(crate) fn run(_words: &[&str]) -> Result<(), Failure> {
    Err("`demo` is not built yet".into())
}
