//! The one shape in which answers reach JavaScript.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use runr_core::{Error, Result};
use serde_json::json;

/// Runs `work`, whose answer is JSON text, and wraps it. A panic becomes `E_INTERNAL`.
pub(crate) fn json(work: impl FnOnce() -> Result<String>) -> String {
    match shield(work) {
        Ok(value) => format!("{{\"value\":{value}}}"),
        Err(error) => failure(&error),
    }
}

/// Runs `work`, which has nothing to tell but that it is done.
pub(crate) fn done(work: impl FnOnce() -> Result<()>) -> String {
    json(|| work().map(|()| "null".to_owned()))
}

/// The envelope of an error.
pub(crate) fn failure(error: &Error) -> String {
    json!({"class": error.code().class().as_str(), "error": error.to_json()}).to_string()
}

/// Calls `callback` on the event loop with the envelope of an error, from whichever thread. Waiting
/// for that keeps no program alive.
pub(crate) fn teller(
    callback: Function<'_, String, ()>,
) -> napi::Result<impl FnOnce(&Error) + Send + 'static> {
    let tell = callback
        .build_threadsafe_function::<String>()
        .weak::<true>()
        .build()?;
    Ok(move |error: &Error| {
        // An event loop that has ended wants to know nothing.
        let _told = tell.call(failure(error), ThreadsafeFunctionCallMode::NonBlocking);
    })
}

/// Runs `work`; a panic becomes `E_INTERNAL`, for a promise must settle whatever happens.
pub(crate) fn shield<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::internal("runr panicked; please report it")))
}
