//! What a VERIFY pass means.

use super::{MAX_VERIFY_RETRIES, stopped, time_left};
use crate::mutant::without;
use crate::phase::event::{
    Event, TierResult, Verification, VerificationEvidence, VerifyFailedRetry,
};
use crate::phase::fingerprint::failure_fingerprint;
use crate::phase::state::State;
use crate::phase::stop::StopReason;
use crate::time::Timestamp;

/// One VERIFY pass as the harness ran it; its `verification` events are recorded already.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyPass {
    /// The tiers that ran, in order; the last one is the failing one, if any failed.
    pub tiers: Vec<Verification>,
    /// Why these tiers.
    pub reasons: Vec<String>,
    /// What was required and what ran.
    pub evidence: VerificationEvidence,
    /// The beginning of the failing command's output; only its fingerprint is recorded.
    pub error_output: String,
}

/// What a VERIFY pass means: on to REVIEW, back to IMPLEMENT, or the end.
#[must_use]
pub fn after_verify(state: &State, pass: VerifyPass, now: Timestamp) -> Vec<Event> {
    let Some(failed) = pass.tiers.iter().find(|tier| !tier.ok) else {
        let results = pass
            .tiers
            .iter()
            .map(|t| TierResult {
                tier: t.tier,
                ok: t.ok,
            })
            .collect();
        return vec![Event::VerifyComplete {
            results,
            tier_reasons: pass.reasons,
            verification_evidence: pass.evidence,
        }];
    };
    let timed_out = failed
        .command_results
        .last()
        .is_some_and(|result| result.timed_out);
    if timed_out && time_left(state, now).is_zero() {
        return vec![stopped(state, StopReason::TimeBudgetExceeded, None)];
    }
    let retries = state.milestone_retries;
    let result = failed.command_results.last();
    let log = result.map(|result| result.log.clone());
    if retries >= MAX_VERIFY_RETRIES {
        let what = result.map_or_else(
            || format!("{} was not run", failed.tier),
            |result| {
                format!(
                    "`{}` exited with {}, see {}",
                    result.command, result.exit_code, result.log
                )
            },
        );
        return vec![
            Event::VerifyFailedMaxRetries {
                tier: failed.tier,
                retries,
                max_retries: MAX_VERIFY_RETRIES,
                log,
            },
            stopped(
                state,
                StopReason::VerificationFailedMaxRetries,
                Some(format!("{}: {what}", failed.tier)),
            ),
        ];
    }
    let mut failed_command = failed.commands.join(" && ");
    if without("output-apart") {
        failed_command.push_str(&pass.error_output);
    }
    let fingerprint = failure_fingerprint(&failed_command, &pass.error_output);
    let same_as_previous = state
        .last_verify_failure
        .as_ref()
        .is_some_and(|last| last.fingerprint == fingerprint);
    vec![Event::VerifyFailedRetry(VerifyFailedRetry {
        tier: failed.tier,
        failed_command,
        log,
        retry_count: retries + 1,
        max_retries: MAX_VERIFY_RETRIES,
        fingerprint,
        same_as_previous,
    })]
}
