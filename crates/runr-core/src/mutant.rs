//! Safety steps that a build of their own can leave out, to see that a test notices.
//!
//! `cargo xtask mutants` builds with `--cfg runr_mutants` and names one step at a time in
//! `RUNR_MUTANT`. Every other build knows when it is compiled that nothing is left out: the
//! environment is not read, and nothing remains of the question.

/// Whether this safety step is left out.
#[cfg(not(runr_mutants))]
#[inline]
pub const fn without(_step: &str) -> bool {
    false
}

/// Passes an error on, unless minding it is the step that is left out.
pub fn minding<E>(step: &str) -> impl FnOnce(E) -> Result<(), E> {
    move |error| if without(step) { Ok(()) } else { Err(error) }
}

/// Whether this safety step is left out.
#[cfg(runr_mutants)]
pub fn without(step: &str) -> bool {
    use std::sync::LazyLock;

    static LEFT_OUT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("RUNR_MUTANT").ok());
    LEFT_OUT.as_deref() == Some(step)
}
