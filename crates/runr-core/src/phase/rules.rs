//! The phase machine: what comes next, and what an outcome means. Pure.
//!
//! A driver asks [`next`], performs the [`Action`], hands the outcome to one of the `after_*`
//! functions and appends the events they return. Folding those events gives the next state.

use std::time::Duration;

use super::event::{
    Event, FailureKind, GuardViolation, ImplementComplete, ParseFailed, ReviewLoop, Stop,
    TierResult, Verification, VerificationEvidence, VerifyFailedRetry,
};
use super::evidence::{EvidenceGate, check_no_changes_evidence};
use super::fingerprint::review_fingerprint;
use super::model::{
    ImplementReply, ImplementStatus, Phase, PlanReply, ReviewReply, Stage, Verdict,
};
use super::owned::{Collision, OwnedPaths};
use super::scope::{ScopeResult, ScopeRules};
use super::state::{State, Step};
use super::stop::{StopCause, StopReason};
use crate::time::Timestamp;

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

    /// The worker that is asked when `worker` fails: the next one in the file, once round.
    #[must_use]
    pub fn fallback_of(&self, worker: &str) -> Option<&str> {
        let others = self
            .workers
            .iter()
            .map(String::as_str)
            .filter(|name| *name != worker);
        let at = self
            .workers
            .iter()
            .position(|name| name == worker)
            .unwrap_or(0);
        let mut rotated: Vec<&str> = others.collect();
        if !rotated.is_empty() {
            let turn = at % rotated.len();
            rotated.rotate_left(turn);
        }
        rotated.first().copied()
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

fn enter(state: &State, phase: Phase, now: Timestamp) -> Action {
    let options = &state.options;
    let budget = Duration::from_secs_f64((options.time_minutes * 60.0).clamp(0.0, 1e9));
    let used = state
        .session
        .started_at
        .map_or(Duration::ZERO, |began| now.since(began));
    if used >= budget {
        return Action::Stop(Box::new(stop_of(
            state,
            StopReason::TimeBudgetExceeded,
            None,
        )));
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
    }
}

fn stopped(state: &State, reason: StopReason, error: Option<String>) -> Event {
    Event::Stop(Box::new(stop_of(state, reason, error)))
}

/// The phase in which a stopped run goes on. An interrupted phase is done again; without a plan
/// there is nothing else to do than to plan; otherwise the next milestone is implemented.
#[must_use]
pub fn reentry(state: &State) -> Phase {
    if !state.planned {
        return Phase::Plan;
    }
    if state.milestone_index >= state.milestones.len() {
        return Phase::Finalize;
    }
    if state.stop_reason != Some(StopReason::Interrupted) {
        return Phase::Implement;
    }
    match (state.step, state.open_phase) {
        // What is recorded as done is not done again, least of all a worker call.
        (Step::Due(phase), _) | (Step::Entered, Some(phase)) => phase,
        (Step::Entered, None) => Phase::Implement,
    }
}

/// What a valid plan reply means. `collisions` are live runs that expect the same files; with
/// `collisions_stop` unset they are recorded, but do not end the run.
#[must_use]
pub fn after_plan(
    state: &State,
    reply: PlanReply,
    scope: &ScopeRules,
    collisions: &[Collision],
    collisions_stop: bool,
) -> Vec<Event> {
    let plan = match reply {
        PlanReply::Rejected { reason, .. } => {
            return vec![stopped(state, StopReason::PlanRejection, Some(reason))];
        }
        PlanReply::Plan(plan) => plan,
    };
    let files: Vec<String> = plan
        .milestones
        .iter()
        .filter_map(|m| m.files_expected.clone())
        .flatten()
        .collect();
    let outside = scope.check(&files).scope_violations;
    let mut events = vec![Event::PlanGenerated(plan)];
    if !outside.is_empty() {
        let error = format!(
            "the plan names files outside the scope: {}",
            shown(&outside)
        );
        events.push(Event::PlanScopeViolation {
            violations: outside,
            allowlist: state.scope_lock.allowlist.clone(),
            hint: "widen scope.allowlist or ask for a plan inside it".into(),
        });
        events.push(stopped(state, StopReason::PlanScopeViolation, Some(error)));
    } else if let Some(first) = collisions.first() {
        events.push(Event::ParallelFileCollision {
            stage: Stage::Plan,
            predicted_files: files,
            collisions: collisions.to_vec(),
        });
        if collisions_stop {
            let error = format!(
                "run {} expects the same files: {}",
                first.run_id,
                shown(&first.colliding_files)
            );
            let mut stop = stop_of(state, StopReason::ParallelFileCollision, Some(error));
            stop.other_run = Some(first.run_id.clone());
            events.push(Event::Stop(Box::new(stop)));
        }
    }
    events
}

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

/// What a failure of the worker itself means. Login and limits are not retried: asking again
/// would only burn time.
#[must_use]
pub fn after_worker_failure(
    state: &State,
    policy: &Policy,
    stage: Stage,
    worker: &str,
    kind: FailureKind,
    message: &str,
    retry_at: Option<String>,
) -> Vec<Event> {
    let error = Some(format!("{worker}: {message}"));
    match kind {
        FailureKind::Timeout => vec![stopped(state, StopReason::WorkerCallTimeout, error)],
        FailureKind::Auth => vec![stopped(state, StopReason::AuthExpired, error)],
        FailureKind::RateLimit => {
            let mut stop = stop_of(state, StopReason::RateLimited, error);
            stop.retry_at = retry_at;
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

/// What the harness saw in the tree after an implementer's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Verdict on everything that differs from the last checkpoint.
    pub scope: ScopeResult,
    /// Files a worker must never touch: runr's own, and denied files git ignores.
    pub protected: Vec<String>,
    /// Verdict on the task's own paths; absent when it claims none.
    pub owned: Option<OwnedPaths>,
    /// Why the history itself is not acceptable, if it is not.
    pub history: Option<String>,
}

impl Inspection {
    /// The violation this inspection found, if any.
    #[must_use]
    pub fn violation(&self) -> Option<GuardViolation> {
        let mut scope_violations = self.scope.scope_violations.clone();
        for file in &self.protected {
            if !scope_violations.contains(file) {
                scope_violations.push(file.clone());
            }
        }
        let lockfile_violations = self.scope.lockfile_violations.clone();
        let clean =
            scope_violations.is_empty() && lockfile_violations.is_empty() && self.history.is_none();
        (!clean).then(|| GuardViolation {
            scope_violations,
            lockfile_violations,
            why: self.history.clone(),
        })
    }
}

/// The events of a violation, or nothing when the tree is as it may be.
#[must_use]
pub fn guard(state: &State, inspection: &Inspection) -> Vec<Event> {
    if let Some(violation) = inspection.violation() {
        return violated(state, violation);
    }
    match &inspection.owned {
        Some(owned) if !owned.ok => {
            let error = format!(
                "changes outside the task's own paths: {}",
                shown(&owned.violating_files)
            );
            vec![
                Event::OwnershipViolation {
                    owned_paths: owned.owned_paths.clone(),
                    semantic_changed: owned.semantic_changed.clone(),
                    violating_files: owned.violating_files.clone(),
                },
                stopped(state, StopReason::OwnershipViolation, Some(error)),
            ]
        }
        _ => Vec::new(),
    }
}

fn violated(state: &State, violation: GuardViolation) -> Vec<Event> {
    let files = violation.files();
    let why = violation
        .why
        .clone()
        .unwrap_or_else(|| "files outside the scope".to_owned());
    let error = if files.is_empty() {
        why
    } else {
        format!("{why}: {}", shown(&files))
    };
    vec![
        Event::GuardViolation(violation),
        stopped(state, StopReason::GuardViolation, Some(error)),
    ]
}

/// What an implementer's answer means, judged by what the tree shows and not by the answer.
#[must_use]
pub fn after_implement(
    state: &State,
    reply: &ImplementReply,
    inspection: &Inspection,
) -> Vec<Event> {
    if matches!(
        reply.status,
        ImplementStatus::Blocked | ImplementStatus::Failed
    ) {
        return vec![stopped(
            state,
            StopReason::ImplementBlocked,
            Some(reply.handoff_memo.clone()),
        )];
    }
    let guarded = guard(state, inspection);
    if !guarded.is_empty() {
        return guarded;
    }
    let changed = &inspection.scope.semantic_changed;
    if reply.status == ImplementStatus::NoChangesNeeded
        && (changed.is_empty() || !state.has_earlier_work())
    {
        return no_changes(state, reply, changed);
    }
    vec![implemented(reply, changed, None)]
}

fn no_changes(state: &State, reply: &ImplementReply, changed: &[String]) -> Vec<Event> {
    if !changed.is_empty() {
        return violated(
            state,
            GuardViolation {
                scope_violations: changed.to_vec(),
                lockfile_violations: Vec::new(),
                why: Some("the worker answered no_changes_needed but changed files".into()),
            },
        );
    }
    let verdict = check_no_changes_evidence(reply.evidence.as_ref(), &state.scope_lock.allowlist);
    match verdict.satisfied_by {
        Some(by) => vec![
            Event::NoChangesEvidenceOk {
                satisfied_by: by.clone(),
            },
            implemented(reply, changed, Some(by)),
        ],
        None => {
            let error = verdict.errors.join("; ");
            vec![
                Event::NoChangesEvidenceFailed {
                    errors: verdict.errors,
                    evidence_provided: reply.evidence.is_some(),
                },
                stopped(state, StopReason::InsufficientEvidence, Some(error)),
            ]
        }
    }
}

fn implemented(reply: &ImplementReply, changed: &[String], satisfied_by: Option<String>) -> Event {
    Event::ImplementComplete(ImplementComplete {
        changed_files: changed.iter().take(1000).cloned().collect(),
        handoff_memo: reply.handoff_memo.clone(),
        no_changes_needed: satisfied_by.is_some(),
        evidence_satisfied_by: satisfied_by,
    })
}

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
pub fn after_verify(state: &State, pass: VerifyPass) -> Vec<Event> {
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
    let failed_command = failed.commands.join(" && ");
    let fingerprint = super::fingerprint::failure_fingerprint(&failed_command, &pass.error_output);
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

/// What a review means. An approval over a false evidence gate is not believed.
#[must_use]
pub fn after_review(
    state: &State,
    policy: &Policy,
    reply: ReviewReply,
    gate: &EvidenceGate,
) -> Vec<Event> {
    let (verdict, changes) = match reply.status {
        Verdict::Approve if !gate.evidence_gates_passed => {
            (Verdict::RequestChanges, gate_demands(gate))
        }
        verdict => (verdict, reply.changes),
    };
    let reviewed = Event::ReviewComplete {
        verdict,
        changes: changes.clone(),
    };
    if verdict == Verdict::Approve {
        return vec![reviewed];
    }
    let rounds = state.review_rounds + 1;
    let same =
        state.last_review_fingerprint.as_deref() == Some(review_fingerprint(&changes).as_str());
    if rounds <= policy.max_review_rounds && !same {
        return vec![reviewed];
    }
    let error = format!(
        "review asked for: {}",
        changes
            .iter()
            .take(3)
            .cloned()
            .collect::<Vec<_>>()
            .join("; ")
    );
    vec![
        reviewed,
        Event::ReviewLoopDetected(ReviewLoop {
            milestone_index: state.milestone_index,
            review_rounds: rounds,
            max_review_rounds: policy.max_review_rounds,
            same_fingerprint: same,
            last_changes: state.review_changes.iter().take(2).cloned().collect(),
            reviewer_requests: changes.into_iter().take(5).collect(),
        }),
        stopped(state, StopReason::ReviewLoopDetected, Some(error)),
    ]
}

fn gate_demands(gate: &EvidenceGate) -> Vec<String> {
    let missing = gate
        .commands_missing
        .iter()
        .map(|c| format!("the command `{c}` was not run"));
    let failed = gate
        .commands_run
        .iter()
        .filter(|c| c.exit_code != 0)
        .map(|c| format!("the command `{}` failed", c.command));
    let absent = gate
        .files_exist
        .iter()
        .filter(|f| !f.exists)
        .map(|f| format!("the planned file `{}` does not exist", f.path));
    let mut demands: Vec<String> = missing.chain(failed).chain(absent).collect();
    if demands.is_empty() {
        demands.push("no verification command was run".to_owned());
    }
    demands
}

fn shown(files: &[String]) -> String {
    let mut text = files.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    if files.len() > 5 {
        text.push_str(&format!(" (+{} more)", files.len() - 5));
    }
    text
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
