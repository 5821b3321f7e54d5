//! Waiting that Ctrl-C can end.

use std::sync::mpsc::{RecvTimeoutError, SendError, sync_channel};
use std::time::Duration;

use pyo3::prelude::*;
use runr_core::{Error, Result};

use crate::error::{raise, shield};

/// How long a signal may wait for its handler.
const SLICE: Duration = Duration::from_millis(50);

/// Runs `work` on its own thread and waits for it without the GIL.
///
/// When a signal handler raises, `cancel` is called once and the work is given the time to end; a
/// second signal leaves at once. Either way the exception of the first signal is raised.
pub(crate) fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    cancel: impl Fn(),
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> PyResult<T> {
    interruptible_or(py, cancel, work, drop)
}

/// As [`interruptible`]; `discard` gets the result that an exception keeps from the caller.
pub(crate) fn interruptible_or<T: Send + 'static>(
    py: Python<'_>,
    cancel: impl Fn(),
    work: impl FnOnce() -> Result<T> + Send + 'static,
    discard: fn(T),
) -> PyResult<T> {
    // Without a place in it: what is sent has been received, or comes back.
    let (sender, receiver) = sync_channel(0);
    std::thread::Builder::new()
        .name("runr".into())
        .spawn(move || {
            // Nobody listens any more after a second signal.
            if let Err(SendError(Ok(unheard))) = sender.send(shield(work)) {
                discard(unheard);
            }
        })
        .map_err(|why| {
            raise(
                py,
                &Error::internal(format!("cannot start a thread: {why}")),
            )
        })?;
    let mut receiver = receiver;
    let mut signal: Option<PyErr> = None;
    let result = loop {
        // A receiver may not be shared with the part that runs without the GIL, only moved there.
        let (back, answer) = py.detach(move || {
            let answer = receiver.recv_timeout(SLICE);
            (receiver, answer)
        });
        receiver = back;
        match answer {
            Ok(result) => break result,
            Err(RecvTimeoutError::Disconnected) => {
                break Err(Error::internal("a thread of runr ended without an answer"));
            }
            Err(RecvTimeoutError::Timeout) => {
                let Err(raised) = py.check_signals() else {
                    continue;
                };
                if let Some(first) = signal {
                    return Err(first);
                }
                cancel();
                signal = Some(raised);
            }
        }
    };
    // One that came with the result is raised here, where the result is not lost yet.
    match signal.or_else(|| py.check_signals().err()) {
        None => result.map_err(|error| raise(py, &error)),
        Some(raised) => {
            if let Ok(unheard) = result {
                py.detach(|| discard(unheard));
            }
            Err(raised)
        }
    }
}
