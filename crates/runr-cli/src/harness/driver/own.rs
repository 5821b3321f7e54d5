//! The claim of a run, as its loop sees it.

use runr_core::phase::rules;
use runr_core::phase::stop::StopReason;
use runr_core::{Code, Error, Result};

use super::Driver;

impl Driver {
    /// Calls `listener` once when the claim of the run does not let it go on, on whichever thread
    /// finds out. The run itself stops with its next step.
    pub(crate) fn on_claim_end(&self, listener: impl FnOnce(&Error) + Send + 'static) {
        if let Some(claim) = &self.context.claim {
            claim.on_end(Box::new(move |end| listener(&end.error())));
        }
    }

    /// Ends the run if its claim does not let it go on, and says whether it did.
    pub(super) fn ended_by_claim(&mut self) -> Result<bool> {
        let Some(claim) = &self.context.claim else {
            return Ok(false);
        };
        match claim.end() {
            Ok(None) => return Ok(false),
            Ok(Some(end)) => self.stop(rules::after_claim(&self.recorder.state, &end))?,
            Err(error) => self.end_after(&error)?,
        }
        Ok(true)
    }
}

/// Why a run stops that failed inside of a phase.
pub(crate) fn reason_of(error: &Error) -> StopReason {
    match error.code() {
        Code::OwnershipLost => StopReason::OwnershipLost,
        _ => StopReason::InternalError,
    }
}
