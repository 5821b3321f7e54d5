//! The machine, decision by decision; whole runs are replayed from recordings elsewhere.

use proptest::prelude::*;

use super::*;
use crate::ownership::{Target, Token};
use crate::phase::claim::RunClaim;
use crate::phase::event::{
    CommandResult, FailureKind, Record, RunResumed, RunStarted, Verification, VerificationEvidence,
};
use crate::phase::evidence::evidence_gate;
use crate::phase::model::{Milestone, Plan, PlanReply, ReviewReply, RiskLevel, Tier, Verdict};
use crate::phase::options::RunOptions;
use crate::phase::owned::Collision;
use crate::phase::scope::{ScopePolicy, ScopeRules};
use crate::phase::state::fold;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
}

fn milestone(goal: &str) -> Milestone {
    Milestone {
        goal: goal.into(),
        files_expected: None,
        done_checks: vec!["done".into()],
        risk_level: RiskLevel::Low,
    }
}

pub(super) fn started(options: RunOptions) -> Event {
    Event::RunStarted(Box::new(RunStarted {
        options,
        base_sha: "base".into(),
        milestones: vec![milestone("the task")],
        ..RunStarted::default()
    }))
}

pub(super) fn planned(count: usize) -> Event {
    Event::PlanGenerated(Plan {
        milestones: (0..count)
            .map(|n| milestone(&format!("goal {n}")))
            .collect(),
        risk_map: None,
        do_not_touch: None,
    })
}

pub(super) fn enter_event(phase: Phase) -> Event {
    Event::PhaseStart { phase }
}

pub(super) fn checkpoint(index: usize) -> Event {
    Event::CheckpointComplete {
        commit: format!("sha{index}"),
        milestone_index: index,
        tree: String::new(),
        sidecar_written: true,
    }
}

/// The state after these events, one second apart.
pub(super) fn after(events: &[Event]) -> State {
    let records: Vec<Record> = (1..)
        .zip(events)
        .map(|(seq, event)| Record::new(seq, at(i64::try_from(seq).unwrap()), "claude", event))
        .collect();
    fold(&records)
}

fn policy() -> Policy {
    Policy {
        plan_worker: "claude".into(),
        implement_worker: "codex".into(),
        review_worker: "claude".into(),
        workers: vec!["claude".into(), "codex".into()],
        max_review_rounds: 2,
    }
}

fn reason_of(events: &[Event]) -> Option<StopReason> {
    events.iter().find_map(|event| match event {
        Event::Stop(stop) => Some(stop.reason.clone()),
        _ => None,
    })
}

pub(super) fn stop_with(reason: StopReason) -> Event {
    Event::Stop(Box::new(stop_of(&State::default(), reason, None)))
}

#[test]
fn a_run_begins_with_the_plan_and_a_fast_run_with_the_work() {
    let normal = after(&[started(RunOptions::default())]);
    assert_eq!(
        next(&normal, &policy(), at(2)),
        Action::Enter {
            phase: Phase::Plan,
            skipped: None
        }
    );
    let fast = after(&[started(RunOptions {
        fast: true,
        ..RunOptions::default()
    })]);
    assert_eq!(
        next(&fast, &policy(), at(2)),
        Action::Enter {
            phase: Phase::Implement,
            skipped: Some(Phase::Plan)
        }
    );
}

#[test]
fn a_stage_asks_its_own_worker_and_counts_the_attempts() {
    let state = after(&[started(RunOptions::default()), enter_event(Phase::Plan)]);
    let call = Action::Call {
        stage: Stage::Plan,
        worker: "claude".into(),
        attempt: 1,
    };
    assert_eq!(next(&state, &policy(), at(3)), call);
}

#[test]
fn budgets_are_checked_before_a_phase_and_never_inside_one() {
    let options = RunOptions {
        time_minutes: 1.0,
        max_ticks: 1,
        ..RunOptions::default()
    };
    let state = after(&[
        started(options.clone()),
        enter_event(Phase::Plan),
        planned(1),
    ]);
    let stop = |now| match next(&state, &policy(), now) {
        Action::Stop(stop) => stop.reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(stop(at(4)), StopReason::MaxTicksReached);
    assert_eq!(stop(at(62)), StopReason::TimeBudgetExceeded);
    let inside = after(&[started(options), enter_event(Phase::Plan)]);
    assert!(matches!(
        next(&inside, &policy(), at(1000)),
        Action::Call { .. }
    ));
}

#[test]
fn a_request_to_stop_comes_before_everything_else() {
    let request = Event::StopRequested {
        by: "cli".into(),
        reason: None,
    };
    let state = after(&[
        started(RunOptions::default()),
        enter_event(Phase::Plan),
        request,
    ]);
    match next(&state, &policy(), at(4)) {
        Action::Stop(stop) => {
            assert_eq!(stop.reason, StopReason::Interrupted);
            assert_eq!(stop.cause, Some(StopCause::StopRequest));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stopped_run_does_nothing() {
    let state = after(&[
        started(RunOptions::default()),
        stop_with(StopReason::Complete),
    ]);
    assert_eq!(next(&state, &policy(), at(9)), Action::Done);
}

#[test]
fn the_fallback_is_the_next_worker_of_the_file() {
    let mut policy = policy();
    policy.workers.push("third".into());
    assert_eq!(policy.fallback_of("claude"), Some("codex"));
    assert_eq!(policy.fallback_of("third"), Some("claude"));
    policy.workers.truncate(1);
    assert_eq!(policy.fallback_of("claude"), None);
    assert_eq!(policy.fallback_of("unknown"), None);
}

#[test]
fn three_unreadable_answers_move_on_to_the_other_worker_and_six_end_the_run() {
    let mut state = after(&[started(RunOptions::default()), enter_event(Phase::Plan)]);
    state.asking.tries = 1;
    let again = after_parse_failure(&state, &policy(), Stage::Plan, "claude", "no JSON", "hm");
    assert_eq!(again.len(), 1);
    state.asking.tries = 3;
    let moved = after_parse_failure(&state, &policy(), Stage::Plan, "claude", "no JSON", "hm");
    assert!(matches!(&moved[1], Event::WorkerFallback { to, .. } if to == "codex"));
    state.asking.worker = Some("codex".into());
    let ended = after_parse_failure(&state, &policy(), Stage::Plan, "codex", "no JSON", "hm");
    assert_eq!(reason_of(&ended), Some(StopReason::PlanParseFailed));
}

fn failed(kind: FailureKind) -> WorkerFailure {
    WorkerFailure {
        kind,
        message: "x".into(),
        retry_at: None,
    }
}

#[test]
fn login_and_limits_are_not_retried() {
    let state = after(&[started(RunOptions::default()), enter_event(Phase::Plan)]);
    let ends = |kind| {
        after_worker_failure(
            &state,
            &policy(),
            Stage::Plan,
            "claude",
            &failed(kind),
            at(3),
        )
    };
    assert_eq!(
        reason_of(&ends(FailureKind::Auth)),
        Some(StopReason::AuthExpired)
    );
    assert_eq!(
        reason_of(&ends(FailureKind::RateLimit)),
        Some(StopReason::RateLimited)
    );
    assert_eq!(
        reason_of(&ends(FailureKind::Timeout)),
        Some(StopReason::WorkerCallTimeout)
    );
    assert_eq!(ends(FailureKind::Crash), []);
}

#[test]
fn a_timeout_at_the_end_of_the_budget_is_the_budgets() {
    let options = RunOptions {
        time_minutes: 1.0,
        ..RunOptions::default()
    };
    let state = after(&[started(options), enter_event(Phase::Plan)]);
    let failure = failed(FailureKind::Timeout);
    let events = after_worker_failure(&state, &policy(), Stage::Plan, "claude", &failure, at(62));
    assert_eq!(reason_of(&events), Some(StopReason::TimeBudgetExceeded));
}

#[test]
fn a_plan_outside_the_scope_and_a_collision_end_the_run() {
    let state = after(&[started(RunOptions::default()), enter_event(Phase::Plan)]);
    let scope = ScopeRules::new(&ScopePolicy {
        allowlist: vec!["src/**".into()],
        ..ScopePolicy::default()
    })
    .unwrap();
    let reply = |file: &str| {
        PlanReply::Plan(Plan {
            milestones: vec![Milestone {
                files_expected: Some(vec![file.into()]),
                ..milestone("g")
            }],
            risk_map: None,
            do_not_touch: None,
        })
    };
    let outside = after_plan(&state, reply("docs/a.md"), &scope, &[], true);
    assert_eq!(reason_of(&outside), Some(StopReason::PlanScopeViolation));
    let other = Collision {
        run_id: "20260101000000".into(),
        colliding_files: vec!["src/a".into()],
    };
    let met = after_plan(
        &state,
        reply("src/a"),
        &scope,
        std::slice::from_ref(&other),
        true,
    );
    assert_eq!(reason_of(&met), Some(StopReason::ParallelFileCollision));
    let recorded = after_plan(&state, reply("src/a"), &scope, &[other], false);
    assert_eq!(reason_of(&recorded), None);
    assert_eq!(recorded.len(), 2);
}

#[test]
fn a_preset_is_suggested_for_a_plan_that_it_would_allow() {
    let state = after(&[started(RunOptions::default()), enter_event(Phase::Plan)]);
    let scope = ScopeRules::new(&ScopePolicy {
        allowlist: vec!["src/**".into()],
        denylist: vec!["prisma/**".into()],
        ..ScopePolicy::default()
    })
    .unwrap();
    let suggested = |files: &[&str]| {
        let plan = Plan {
            milestones: vec![Milestone {
                files_expected: Some(files.iter().map(|file| (*file).to_owned()).collect()),
                ..milestone("g")
            }],
            risk_map: None,
            do_not_touch: None,
        };
        let events = after_plan(&state, PlanReply::Plan(plan), &scope, &[], true);
        let found = events.iter().find_map(|event| match event {
            Event::PlanScopeViolation {
                suggested_presets,
                hint,
                ..
            } => Some((suggested_presets.clone(), hint.clone())),
            _ => None,
        });
        let error = events.iter().find_map(|event| match event {
            Event::Stop(stop) => stop.error.clone(),
            _ => None,
        });
        let (presets, hint) = found.unwrap();
        (presets, hint, error.unwrap())
    };
    let (presets, hint, error) = suggested(&["src/a", "Cargo.toml"]);
    assert_eq!(presets, ["rust"]);
    assert!(hint.starts_with("add preset rust to scope.presets, or "));
    assert!(error.ends_with("Cargo.toml; add preset rust to scope.presets"));
    for nothing_helps in ["prisma/schema.prisma", "../Cargo.toml", "docs/a.md"] {
        let (presets, hint, error) = suggested(&[nothing_helps]);
        assert_eq!(presets, [""; 0], "{nothing_helps}");
        assert!(!hint.contains("preset") && !error.contains("preset"));
    }
}

fn pass(ok: bool, timed_out: bool) -> VerifyPass {
    let result = CommandResult {
        command: "check".into(),
        exit_code: i32::from(!ok),
        timed_out,
        duration_ms: 1,
        log: "logs/verify/x.log".into(),
        sha256: String::new(),
    };
    VerifyPass {
        tiers: vec![Verification {
            tier: Tier::Tier0,
            ok,
            commands: vec!["check".into()],
            command_results: vec![result],
            duration_ms: 1,
        }],
        reasons: vec!["tier0_always".into()],
        evidence: VerificationEvidence::default(),
        error_output: "boom".into(),
    }
}

#[test]
fn the_fourth_failing_pass_ends_the_run_and_says_the_same_failure_came_again() {
    let mut events = vec![
        started(RunOptions::default()),
        planned(1),
        enter_event(Phase::Verify),
    ];
    for attempt in 1..=3 {
        let state = after(&events);
        let judged = after_verify(&state, pass(false, false), at(10));
        match &judged[..] {
            [Event::VerifyFailedRetry(retry)] => {
                assert_eq!(
                    (retry.retry_count, retry.same_as_previous),
                    (attempt, attempt > 1)
                );
            }
            other => panic!("{other:?}"),
        }
        events.extend(judged);
    }
    let last = after_verify(&after(&events), pass(false, false), at(10));
    assert_eq!(
        reason_of(&last),
        Some(StopReason::VerificationFailedMaxRetries)
    );
    assert_eq!(after(&events).verification_failures, 3);
}

#[test]
fn an_approval_over_a_false_gate_counts_as_requested_changes() {
    let state = after(&[
        started(RunOptions::default()),
        planned(1),
        enter_event(Phase::Review),
    ]);
    let approve = ReviewReply {
        status: Verdict::Approve,
        changes: vec![],
    };
    let nothing_ran = evidence_gate(&[], &[], &[], false);
    match &after_review(&state, &policy(), approve.clone(), &nothing_ran)[..] {
        [Event::ReviewComplete { verdict, changes }] => {
            assert_eq!(*verdict, Verdict::RequestChanges);
            assert!(!changes.is_empty());
        }
        other => panic!("{other:?}"),
    }
    let waived = evidence_gate(&[], &[], &[], true);
    let believed = after_review(&state, &policy(), approve, &waived);
    assert!(matches!(
        &believed[..],
        [Event::ReviewComplete {
            verdict: Verdict::Approve,
            ..
        }]
    ));
}

#[test]
fn an_interrupted_phase_is_opened_again_but_what_is_recorded_is_not_done_twice() {
    let begun = [started(RunOptions::default()), enter_event(Phase::Plan)];
    let stop = stop_with(StopReason::Interrupted);
    let phase =
        |events: &[Event]| reentry(&after(&[&begun[..], events].concat()), Since::default());
    assert_eq!(phase(std::slice::from_ref(&stop)), Phase::Plan);
    let in_review = [planned(2), enter_event(Phase::Review)];
    assert_eq!(
        phase(&[&in_review[..], std::slice::from_ref(&stop)].concat()),
        Phase::Review
    );
    let reviewed = after(&[&begun[..], &in_review, std::slice::from_ref(&stop)].concat());
    let by_others = Since {
        other_checks: true,
        ..Since::default()
    };
    // Without evidence there is nothing that a check could confirm.
    assert_eq!(reentry(&reviewed, by_others), Phase::Implement);
    let committed = [planned(2), enter_event(Phase::Checkpoint), checkpoint(0)];
    assert_eq!(
        phase(&[&committed[..], std::slice::from_ref(&stop)].concat()),
        Phase::Implement
    );
    let done = [planned(1), enter_event(Phase::Checkpoint), checkpoint(0)];
    assert_eq!(phase(&[&done[..], &[stop]].concat()), Phase::Finalize);
    let blocked = [
        planned(2),
        enter_event(Phase::Review),
        stop_with(StopReason::ReviewLoopDetected),
    ];
    assert_eq!(phase(&blocked), Phase::Implement);
}

#[test]
fn a_commit_can_lack_its_record_until_a_phase_follows_or_the_tree_was_found_fault_with() {
    let begun = [
        started(RunOptions::default()),
        planned(2),
        enter_event(Phase::Checkpoint),
    ];
    let fault = Event::OwnershipViolation {
        owned_paths: Vec::new(),
        semantic_changed: Vec::new(),
        violating_files: Vec::new(),
    };
    let stop = stop_with(StopReason::GuardViolation);
    let is_open = |more: &[Event]| after(&[&begun[..], more].concat()).committing;
    assert!(is_open(&[]));
    assert!(is_open(&[stop.clone(), resumed(None)]));
    let found_by_a_resume = [stop.clone(), resumed(None), fault.clone(), stop.clone()];
    assert!(is_open(&found_by_a_resume));
    assert!(!is_open(&[fault, stop.clone(), resumed(None)]));
    assert!(!is_open(&[checkpoint(0), stop.clone()]));
    assert!(!is_open(&[
        stop,
        resumed(None),
        enter_event(Phase::Implement)
    ]));
}

#[test]
fn a_resume_gives_full_attempts_and_keeps_the_feedback() {
    let mut events = vec![
        started(RunOptions::default()),
        planned(1),
        enter_event(Phase::Verify),
    ];
    for _ in 0..3 {
        let judged = after_verify(&after(&events), pass(false, false), at(10));
        events.extend(judged);
    }
    events.push(stop_with(StopReason::VerificationFailedMaxRetries));
    events.push(resumed(None));
    let state = after(&events);
    assert_eq!((state.milestone_retries, state.session.ticks), (0, 0));
    assert!(state.last_verify_failure.is_some());
    assert_eq!(state.stop_reason, None);
    assert!(state.has_earlier_work());
}

fn claim(token: u64) -> RunClaim {
    RunClaim {
        target: Target::issue("acme/shop", 17).unwrap(),
        run_id: "gh-17".into(),
        token: Token(token),
        shared: false,
    }
}

fn claimed(token: u64) -> Event {
    Event::RunStarted(Box::new(RunStarted {
        options: RunOptions {
            own: Some(claim(token).target),
            ..RunOptions::default()
        },
        claim: Some(claim(token)),
        ..RunStarted::default()
    }))
}

pub(super) fn resumed(claim: Option<RunClaim>) -> Event {
    Event::RunResumed(Box::new(RunResumed {
        resume_phase: Phase::Implement,
        checkpoint_sha: None,
        resume_from_milestone_index: 0,
        remaining_milestones: 1,
        options: RunOptions::default(),
        claim,
        limits: None,
        snapshot_sha256: None,
        automatic: false,
        moved: None,
        overrides: Vec::new(),
        delta: None,
    }))
}

#[test]
fn a_state_knows_the_claim_of_its_last_session() {
    let events = [claimed(5), stop_with(StopReason::Interrupted)];
    let state = after(&events);
    assert_eq!(state.claim, Some(claim(5)));
    assert_eq!(state.options.own, Some(claim(5).target));
    let state = after(&[events.as_slice(), &[resumed(Some(claim(6)))]].concat());
    assert_eq!(state.claim, Some(claim(6)));
    assert_eq!(after(&[claimed(5), resumed(None)]).claim, None);
}

#[test]
fn a_timeline_of_a_run_without_claims_reads_as_before() {
    let mut record = Record::new(1, at(0), "supervisor", &started(RunOptions::default()));
    record.payload.remove("claim");
    let options = record.payload["options"].as_object().unwrap();
    assert_eq!(options.get("own"), None);
    assert_eq!(record.event(), Some(started(RunOptions::default())));
    let mut record = Record::new(2, at(0), "resume", &resumed(None));
    record.payload.remove("claim");
    assert_eq!(record.event(), Some(resumed(None)));
    let mut state = serde_json::to_value(State::default()).unwrap();
    state.as_object_mut().unwrap().remove("claim");
    assert_eq!(
        serde_json::from_value::<State>(state).unwrap(),
        State::default()
    );
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(started(RunOptions::default())),
        (1_u64..1 << 40).prop_map(claimed),
        (1_u64..1 << 40).prop_map(|token| resumed(Some(claim(token)))),
        (1_usize..4).prop_map(planned),
        proptest::sample::select(Phase::ALL).prop_map(enter_event),
        (0_usize..4).prop_map(checkpoint),
        Just(stop_with(StopReason::ImplementBlocked)),
        Just(Event::ReviewComplete {
            verdict: Verdict::Reject,
            changes: vec!["x".into()]
        }),
        Just(Event::Note {
            by: "a".into(),
            text: "b".into(),
            command: None,
            commit: None,
        }),
        Just(Event::PlanApproved { by: "a".into() }),
    ]
}

proptest! {
    #[test]
    fn folding_in_two_steps_is_folding_at_once(
        events in proptest::collection::vec(any_event(), 0..20),
        cut in 0_usize..20,
    ) {
        let records: Vec<Record> = (1..)
            .zip(&events)
            .map(|(seq, event)| Record::new(seq, at(i64::try_from(seq).unwrap()), "claude", event))
            .collect();
        let cut = cut.min(records.len());
        let mut stepwise = fold(&records[..cut]);
        for record in &records[cut..] {
            stepwise = stepwise.apply(record);
        }
        let whole = fold(&records);
        prop_assert_eq!(&stepwise, &whole);
        // The cache of the fold reads back as the fold.
        let text = serde_json::to_string(&whole).unwrap();
        prop_assert_eq!(serde_json::from_str::<State>(&text).unwrap(), whole);
    }

    #[test]
    fn every_event_survives_the_file(event in any_event()) {
        let record = Record::new(7, at(0), "claude", &event);
        let line = serde_json::to_string(&record).unwrap();
        let read: Record = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(read.event(), Some(event));
    }
}
