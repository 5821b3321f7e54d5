//! The phase machine: what comes next, and what an outcome means. Pure.
//!
//! A driver asks [`next`], performs the [`Action`], hands the outcome to one of the `after_*`
//! functions and appends the events they return. Folding those events gives the next state.

mod auto_resume;
mod claim;
mod failure;
mod implement;
mod plan;
mod review;
mod setup;
mod verify;

use std::time::Duration;

use crate::mutant::without;
use crate::phase::event::{Event, Stop};
use crate::phase::model::{Phase, Stage};
use crate::phase::state::{State, Step};
use crate::phase::stop::{StopCause, StopReason};
use crate::time::Timestamp;

pub use auto_resume::{Retries, after_stop, result_of, retry_skipped};
pub use claim::after_claim;
pub use failure::{WorkerFailure, after_parse_failure, after_worker_failure};
pub use implement::{ForeignPackages, Inspection, after_implement, changed_after_verify, guard};
pub use plan::{after_plan, collided, is_plan_refused, is_unbegun, named_directory};
pub use review::after_review;
pub use setup::{after_setup, dirty_after};
pub use verify::{VerifyPass, after_verify};

/// Failed VERIFY passes that are sent back before the run stops.
pub const MAX_VERIFY_RETRIES: u32 = 3;

/// Calls of one worker before the fallback worker is asked.
pub const MAX_TRIES_PER_WORKER: u32 = 3;

/// What decides besides the state: configuration that does not change during a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The worker asked first, per stage.
    pub plan_worker: String,
    /// The worker asked first, per stage.
    pub implement_worker: String,
    /// The worker asked first, per stage.
    pub review_worker: String,
    /// All configured workers in the order of the file.
    pub workers: Vec<String>,
    /// Non-approving reviews of one milestone before the run stops.
    pub max_review_rounds: u32,
}

impl Policy {
    /// The worker a stage asks first.
    #[must_use]
    pub fn worker_of(&self, stage: Stage) -> &str {
        match stage {
            Stage::Plan => &self.plan_worker,
            Stage::Implement => &self.implement_worker,
            Stage::Review => &self.review_worker,
        }
    }

    /// The worker that is asked when `worker` fails: the next one in the file, then from the top.
    #[must_use]
    pub fn fallback_of(&self, worker: &str) -> Option<&str> {
        let at = self.workers.iter().position(|name| name == worker)?;
        let next = self.workers.get((at + 1) % self.workers.len())?;
        (next != worker).then_some(next)
    }
}

/// What the driver does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Begin a phase; `skipped` is the phase fast mode leaves out before it.
    Enter {
        /// The phase to begin.
        phase: Phase,
        /// PLAN or REVIEW in fast mode.
        skipped: Option<Phase>,
    },
    /// Ask a worker.
    Call {
        /// What for.
        stage: Stage,
        /// Whom.
        worker: String,
        /// 1 to 3.
        attempt: u32,
    },
    /// Run the verification tiers.
    Verify,
    /// Commit the milestone.
    Commit,
    /// End the run.
    Stop(Box<Stop>),
    /// Nothing: the run has ended.
    Done,
}

/// What comes next in `state` at `now`.
#[must_use]
pub fn next(state: &State, policy: &Policy, now: Timestamp) -> Action {
    if state.is_stopped() {
        return Action::Done;
    }
    if let Some(reason) = &state.stop_requested {
        return Action::Stop(Box::new(Stop {
            cause: Some(StopCause::StopRequest),
            ..stop_of(state, StopReason::Interrupted, Some(reason.clone()))
        }));
    }
    match state.step {
        Step::Due(phase) => enter(state, phase, now),
        Step::Entered => work(state, policy),
    }
}

/// What is left of the session's time budget.
#[must_use]
pub fn time_left(state: &State, now: Timestamp) -> Duration {
    let budget = Duration::from_secs_f64((state.options.time_minutes * 60.0).clamp(0.0, 1e9));
    let began = state.session.started_at;
    budget.saturating_sub(began.map_or(Duration::ZERO, |began| now.since(began)))
}

fn enter(state: &State, phase: Phase, now: Timestamp) -> Action {
    let options = &state.options;
    if time_left(state, now).is_zero() {
        return Action::Stop(Box::new(stop_of(
            state,
            StopReason::TimeBudgetExceeded,
            None,
        )));
    }
    if phase != Phase::Plan && options.approve_plan && !options.fast && !state.plan_approved {
        return Action::Stop(Box::new(stop_of(state, StopReason::ApprovalRequired, None)));
    }
    if state.session.ticks >= options.max_ticks {
        return Action::Stop(Box::new(stop_of(state, StopReason::MaxTicksReached, None)));
    }
    let skipped = match (options.fast, state.phase, phase) {
        (true, Phase::Init, Phase::Implement) => Some(Phase::Plan),
        (true, Phase::Verify, Phase::Checkpoint) => Some(Phase::Review),
        _ => None,
    };
    Action::Enter { phase, skipped }
}

fn work(state: &State, policy: &Policy) -> Action {
    let stage = match state.phase {
        Phase::Plan => Stage::Plan,
        Phase::Implement => Stage::Implement,
        Phase::Review => Stage::Review,
        Phase::Verify => return Action::Verify,
        Phase::Checkpoint => return Action::Commit,
        Phase::Finalize => {
            return Action::Stop(Box::new(stop_of(state, StopReason::Complete, None)));
        }
        Phase::Init | Phase::Stopped => return Action::Done,
    };
    if stage != Stage::Plan && state.milestone().is_none() {
        return Action::Stop(Box::new(stop_of(state, StopReason::MilestoneMissing, None)));
    }
    if is_spent(state) {
        return Action::Stop(Box::new(stop_of(
            state,
            StopReason::CostBudgetExceeded,
            None,
        )));
    }
    let worker = state
        .asking
        .worker
        .as_deref()
        .unwrap_or_else(|| policy.worker_of(stage));
    Action::Call {
        stage,
        worker: worker.to_owned(),
        attempt: state.asking.tries + 1,
    }
}

/// Whether the recorded cost of the run has reached what it may cost.
fn is_spent(state: &State) -> bool {
    let spent = state.usage.cost_usd.unwrap_or(0.0);
    let reached = |limit| spent >= limit && !without("cost-limit");
    state.options.max_cost.is_some_and(reached)
}

/// The stop record for a reason in this state.
#[must_use]
pub fn stop_of(state: &State, reason: StopReason, error: Option<String>) -> Stop {
    Stop {
        reason,
        error,
        ticks_used: state.session.ticks,
        cause: None,
        retry_at: None,
        other_run: None,
        log: None,
        overdue: None,
    }
}

fn stopped(state: &State, reason: StopReason, error: Option<String>) -> Event {
    Event::Stop(Box::new(stop_of(state, reason, error)))
}

/// What is not as it was when a run stopped, as far as it decides where the run goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Since {
    /// The plan is not one to begin with.
    pub plan_refused: bool,
    /// What was checked and reviewed was another tree.
    pub other_tree: bool,
    /// What was checked was checked as another configuration wants it.
    pub other_checks: bool,
}

/// The phase in which a stopped run goes on. An interrupted phase is done again; without a plan
/// there is nothing else to do than to plan; otherwise the next milestone is implemented.
#[must_use]
pub fn reentry(state: &State, since: Since) -> Phase {
    if since.plan_refused {
        return Phase::Plan;
    }
    let is_interrupted = state.stop_reason == Some(StopReason::Interrupted);
    match open_again(state) {
        phase @ (Phase::Plan | Phase::Finalize) => phase,
        _ if since.other_tree || !is_interrupted => Phase::Implement,
        Phase::Review | Phase::Checkpoint if since.other_checks && !without("other-checks") => {
            match state.last_verification_evidence {
                Some(_) => Phase::Verify,
                // Nothing was checked but the claims of a worker.
                None => Phase::Implement,
            }
        }
        phase => phase,
    }
}

/// The phase that was open when the run stopped, or was due.
fn open_again(state: &State) -> Phase {
    if !state.planned {
        return Phase::Plan;
    }
    if state.milestone_index >= state.milestones.len() {
        return Phase::Finalize;
    }
    match (state.step, state.open_phase) {
        // What is recorded as done is not done again, least of all a worker call.
        (Step::Due(phase), _) | (Step::Entered, Some(phase)) => phase,
        (Step::Entered, None) => Phase::Implement,
    }
}

fn shown(files: &[String]) -> String {
    let mut text = files.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    if files.len() > 5 {
        text.push_str(&format!(" (+{} more)", files.len() - 5));
    }
    text
}

/// Longest list of files in an event; the tree itself holds the rest.
const MAX_LISTED: usize = 1000;
/// Longest text of a worker in an event, in bytes.
const MAX_TEXT: usize = 16 * 1024;

fn listed(files: &[String]) -> Vec<String> {
    files.iter().take(MAX_LISTED).cloned().collect()
}

/// The first `bytes` bytes of a text, cut at a character boundary.
#[must_use]
pub fn head(text: &str, bytes: usize) -> &str {
    let mut to = text.len().min(bytes);
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    &text[..to]
}

/// The last `bytes` bytes of a text, cut at a character boundary.
#[must_use]
pub fn tail(text: &str, bytes: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

#[cfg(test)]
mod tests;
