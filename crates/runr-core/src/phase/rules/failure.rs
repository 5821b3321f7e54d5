//! What it means when there is no valid answer.

use super::{MAX_TRIES_PER_WORKER, Policy, head, stop_of, stopped, time_left};
use crate::phase::event::{Event, FailureKind, ParseFailed};
use crate::phase::model::Stage;
use crate::phase::state::State;
use crate::phase::stop::StopReason;
use crate::time::Timestamp;

/// A complaint may quote the answer, which may be long.
const MAX_PROBLEM: usize = 1024;

/// What an unreadable answer means: ask again, ask the other worker, or stop.
#[must_use]
pub fn after_parse_failure(
    state: &State,
    policy: &Policy,
    stage: Stage,
    worker: &str,
    error: &str,
    text: &str,
) -> Vec<Event> {
    let error = head(error, MAX_PROBLEM);
    let again = state.asking.tries < MAX_TRIES_PER_WORKER;
    let failed = Event::ParseFailed(ParseFailed {
        stage,
        parser_context: format!("{worker} call {}", state.asking.tries),
        retry_count: u32::from(again),
        error: error.to_owned(),
        output_snippet: text.chars().take(120).collect(),
    });
    if again {
        return vec![failed];
    }
    match fallback(state, policy, worker) {
        Some(to) => vec![failed, fall_back(stage, worker, to, "parse_failed")],
        None => {
            let reason = match stage {
                Stage::Plan => StopReason::PlanParseFailed,
                Stage::Implement => StopReason::ImplementParseFailed,
                Stage::Review => StopReason::ReviewParseFailed,
            };
            vec![failed, stopped(state, reason, Some(error.to_owned()))]
        }
    }
}

/// How a worker itself failed, as opposed to what it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerFailure {
    /// In which way.
    pub kind: FailureKind,
    /// In its words.
    pub message: String,
    /// When a usage limit ends, if told.
    pub retry_at: Option<String>,
}

/// What a failure of the worker itself means. Login and limits are not retried: asking again
/// would only burn time.
#[must_use]
pub fn after_worker_failure(
    state: &State,
    policy: &Policy,
    stage: Stage,
    worker: &str,
    failure: &WorkerFailure,
    now: Timestamp,
) -> Vec<Event> {
    let error = Some(format!("{worker}: {}", failure.message));
    match failure.kind {
        // The deadline of a call is never later than the end of the time budget.
        FailureKind::Timeout if time_left(state, now).is_zero() => {
            vec![stopped(state, StopReason::TimeBudgetExceeded, error)]
        }
        FailureKind::Timeout => vec![stopped(state, StopReason::WorkerCallTimeout, error)],
        FailureKind::Auth => vec![stopped(state, StopReason::AuthExpired, error)],
        FailureKind::RateLimit => {
            let mut stop = stop_of(state, StopReason::RateLimited, error);
            stop.retry_at.clone_from(&failure.retry_at);
            vec![Event::Stop(Box::new(stop))]
        }
        FailureKind::Network | FailureKind::Crash => {
            if state.asking.tries < MAX_TRIES_PER_WORKER {
                return Vec::new();
            }
            match fallback(state, policy, worker) {
                Some(to) => vec![fall_back(stage, worker, to, "worker_failed")],
                None => vec![stopped(state, StopReason::WorkerUnavailable, error)],
            }
        }
    }
}

fn fallback<'a>(state: &State, policy: &'a Policy, worker: &str) -> Option<&'a str> {
    if state.asking.worker.is_some() {
        None
    } else {
        policy.fallback_of(worker)
    }
}

fn fall_back(stage: Stage, from: &str, to: &str, reason: &str) -> Event {
    Event::WorkerFallback {
        stage,
        from: from.to_owned(),
        to: to.to_owned(),
        reason: reason.to_owned(),
    }
}
