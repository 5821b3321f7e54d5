//! A look at the claim of a run once a second, while a worker or a check is at work.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use runr_core::fs::CancelFlag;
use runr_core::ownership::Guard;
use runr_core::{Code, Error, Result};

use super::end_of;

/// How long a run may go on without knowing that its claim has ended. The guard's own heartbeat is
/// rarer, and a look takes no lock.
const EVERY: Duration = Duration::from_secs(1);

/// Raises a flag when the claim does not let the run go on; ends when it is dropped.
pub(super) struct Watch {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts to look.
    ///
    /// # Errors
    /// `E_IO` if there are no threads left.
    pub(super) fn start(guard: Arc<Guard>, cancel: CancelFlag) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let look = move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(EVERY) {
                // What cannot be read now is read by the next look, or the guard gives up.
                if let Ok(Some(_end)) = end_of(&guard) {
                    cancel.cancel();
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("runr-claim".to_owned());
        let thread = thread.spawn(look).map_err(|why| {
            let message = format!("cannot start the watch over a claim: {why}");
            Error::new(Code::Io, message).during("spawn").caused_by(why)
        })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // The thread has nothing to report.
            drop(thread.join());
        }
    }
}
