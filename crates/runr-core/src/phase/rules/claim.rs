//! What the end of its claim means for a run.

use super::stop_of;
use crate::phase::claim::ClaimEnd;
use crate::phase::event::Stop;
use crate::phase::state::State;
use crate::phase::stop::{StopCause, StopReason};

/// The stop of a run whose claim does not let it go on.
#[must_use]
pub fn after_claim(state: &State, end: &ClaimEnd) -> Stop {
    let words = Some(end.words());
    match end {
        ClaimEnd::Lost(_) => stop_of(state, StopReason::OwnershipLost, words),
        ClaimEnd::Signalled { .. } => Stop {
            cause: Some(StopCause::Signal),
            ..stop_of(state, StopReason::Interrupted, words)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(end: ClaimEnd) -> Stop {
        after_claim(&State::default(), &end)
    }

    #[test]
    fn a_lost_claim_stops_the_run_for_that() {
        let stop = stop(ClaimEnd::Lost("acme/shop#17 is owned by run-b".into()));
        assert_eq!(stop.reason, StopReason::OwnershipLost);
        assert_eq!(
            stop.error.as_deref(),
            Some("acme/shop#17 is owned by run-b")
        );
        assert_eq!(stop.cause, None);
        assert!(!stop.reason.watch_resumable(stop.cause));
    }

    #[test]
    fn an_exit_signal_interrupts_the_run_as_a_signal_does() {
        let reason = Some("the PR was closed".to_owned());
        let stop = stop(ClaimEnd::Signalled { reason });
        assert_eq!(stop.reason, StopReason::Interrupted);
        assert_eq!(stop.cause, Some(StopCause::Signal));
        assert!(stop.error.unwrap().contains("the PR was closed"));
        assert!(!stop.reason.watch_resumable(stop.cause));
        let silent = super::after_claim(&State::default(), &ClaimEnd::Signalled { reason: None });
        assert!(silent.error.unwrap().contains("exit signal"));
    }
}
