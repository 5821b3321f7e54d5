//! Errors of the core become the exception classes of `runr.errors`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use runr_core::{Error, Result};

/// The exception of an error. The classes are written in Python, so they are typed there.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let class = error.code().class().as_str();
    let document = error.to_json().to_string();
    let made = py
        .import("runr.errors")
        .and_then(|module| module.getattr("_from_core"))
        .and_then(|make| make.call1((class, document)));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}

/// Runs `work`; a panic becomes `E_INTERNAL`, which a host program can catch like any other error.
pub(crate) fn shield<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::internal("runr panicked; please report it")))
}
