use super::*;
use crate::phase::event::{
    Preflight, PreflightGuard, RunResumed, TierResult, VerificationEvidence,
};
use crate::phase::options::RunOptions;
use crate::phase::stop::StopReason;

fn story(events: &[Event]) -> Story {
    let at = Timestamp::from_millis(0);
    let record = |(seq, event)| Record::new(seq, at, "supervisor", event);
    let records: Vec<Record> = (1..).zip(events).map(record).collect();
    Story::of(&records)
}

fn verification(ok: bool) -> Event {
    Event::Verification(Verification {
        tier: Tier::Tier1,
        ok,
        commands: vec!["test".into()],
        command_results: Vec::new(),
        duration_ms: 0,
    })
}

fn passed() -> [Event; 2] {
    let complete = Event::VerifyComplete {
        results: vec![TierResult {
            tier: Tier::Tier1,
            ok: true,
        }],
        tier_reasons: Vec::new(),
        verification_evidence: VerificationEvidence {
            tiers_run: vec![Tier::Tier1],
            ..VerificationEvidence::default()
        },
    };
    [verification(true), complete]
}

fn checkpoint(milestone_index: usize) -> Event {
    Event::CheckpointComplete {
        commit: format!("commit {milestone_index}"),
        milestone_index,
        tree: "tree".into(),
        sidecar_written: true,
    }
}

fn phase(phase: Phase) -> Event {
    Event::PhaseStart { phase }
}

#[test]
fn a_check_that_was_passed_later_is_no_failure_any_more() {
    let mut events = vec![verification(false)];
    let failure = story(&events).failure.unwrap();
    assert_eq!((failure.command.as_str(), failure.result), ("test", None));
    events.extend(passed());
    assert_eq!(story(&events).failure, None);
}

#[test]
fn what_passed_before_the_last_change_does_not_count_for_a_checkpoint() {
    let mut events = passed().to_vec();
    events.push(checkpoint(0));
    assert_eq!(story(&events).verified(), [Tier::Tier1]);

    let mut events = passed().to_vec();
    events.extend([phase(Phase::Implement), checkpoint(0)]);
    assert_eq!(story(&events).verified(), []);
}

#[test]
fn a_resumed_run_keeps_its_milestones_apart() {
    let resumed = Event::RunResumed(Box::new(RunResumed {
        resume_phase: Phase::Implement,
        checkpoint_sha: None,
        resume_from_milestone_index: 1,
        remaining_milestones: 1,
        options: RunOptions::default(),
        claim: None,
        limits: None,
        snapshot_sha256: None,
        automatic: false,
        moved: None,
        overrides: Vec::new(),
        delta: None,
    }));
    let stop = Event::Stop(Box::new(Stop {
        reason: StopReason::Interrupted,
        error: None,
        ticks_used: 0,
        cause: None,
        retry_at: None,
        other_run: None,
        log: None,
        overdue: None,
    }));
    let mut events = vec![checkpoint(0), stop, resumed];
    let before = story(&events);
    assert!(before.resumed && before.end.is_some());
    events.extend(passed());
    events.push(checkpoint(1));
    let story = story(&events);
    assert_eq!(story.chapters.len(), 2);
    assert!(story.chapters[0].checks.is_empty());
    assert_eq!(story.chapters[1].checks.len(), 1);
}

#[test]
fn a_refusal_names_the_dirty_files_once() {
    let guard = PreflightGuard {
        ok: false,
        reasons: vec!["dirty_worktree".into(), "scope_violation".into()],
        scope_violations: vec!["a".into()],
        dirty_files: vec!["a".into(), "b".into()],
        ..PreflightGuard::default()
    };
    let refused = Event::Preflight(Box::new(Preflight {
        guard,
        ..Preflight::default()
    }));
    let violation = story(&[refused]).violation.unwrap();
    assert_eq!(violation.scope_violations, ["a", "b"]);
}

#[test]
fn an_absurd_milestone_does_not_cost_memory() {
    assert_eq!(
        story(&[checkpoint(usize::MAX)]).chapters.len(),
        MAX_CHAPTERS + 1
    );
}
