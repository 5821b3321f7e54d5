use super::*;
use crate::phase::event::{
    CommandResult, Event, GuardViolation, ImplementComplete, Record, Stop, Verification,
};
use crate::phase::model::{Milestone, RiskLevel, Tier, Verdict};
use crate::phase::state::fold;
use crate::time::Timestamp;

fn milestone(goal: &str) -> Milestone {
    Milestone {
        goal: goal.into(),
        files_expected: None,
        done_checks: vec!["it works".into()],
        risk_level: RiskLevel::Low,
    }
}

fn stop(reason: StopReason) -> Event {
    Event::Stop(Box::new(Stop {
        reason,
        error: Some("the words of the stop".into()),
        ticks_used: 3,
        cause: None,
        retry_at: None,
        other_run: None,
        log: None,
        overdue: None,
    }))
}

fn told(events: &[Event], output: &str) -> BTreeMap<String, String> {
    let at = Timestamp::from_millis(0);
    let record = |(seq, event)| Record::new(seq, at, "claude", event);
    let records: Vec<Record> = (1..).zip(events).map(record).collect();
    let mut state = fold(&records);
    state.run_id = "20260101000000".into();
    state.milestones = vec![milestone("one"), milestone("two")];
    let story = Story::of(&records);
    let end = story.end.clone().unwrap();
    let pages = pages(Told {
        state: &state,
        story: &story,
        end: &end,
        changes: None,
        figures: "",
        output,
        sizes: &BTreeMap::new(),
    });
    let pages = pages.unwrap().into_iter();
    pages.map(|page| (page.name, page.text)).collect()
}

fn failed_check() -> Event {
    Event::Verification(Verification {
        tier: Tier::Tier0,
        ok: false,
        commands: vec!["make test".into(), "make lint".into()],
        command_results: vec![CommandResult {
            command: "make test".into(),
            exit_code: 7,
            timed_out: false,
            duration_ms: 1,
            log: "logs/verify/m01-a1-tier0-1.log".into(),
            sha256: "ab".into(),
        }],
        duration_ms: 1,
    })
}

fn done(memo: &str) -> Event {
    Event::ImplementComplete(ImplementComplete {
        changed_files: vec!["src/a.txt".into()],
        handoff_memo: memo.into(),
        no_changes_needed: false,
        evidence_satisfied_by: None,
    })
}

#[test]
fn no_reason_leaves_an_empty_page() {
    for reason in StopReason::ALL
        .iter()
        .filter(|r| **r != StopReason::Complete)
    {
        let page = &told(&[stop(reason.clone())], "")["stop"];
        let text = reason.as_str();
        assert!(page.starts_with(&format!("# Run 20260101000000 stopped: {text}\n")));
        assert!(page.contains(reason.meaning()), "{page}");
        assert!(page.contains("> the words of the stop"), "{page}");
        let next = page.split("## Next").nth(1).unwrap();
        assert!(
            next.contains("    runr report 20260101000000\n") || next.matches("    ").count() == 3,
            "{page}"
        );
    }
}

#[test]
fn a_failed_check_is_shown_with_the_end_of_its_output() {
    let output: String = (1..=50).map(|n| format!("line {n}\n")).collect();
    let events = [
        failed_check(),
        stop(StopReason::VerificationFailedMaxRetries),
    ];
    let page = &told(&events, &output)["stop"];
    for words in [
        "- Command: make test\n",
        "- Result: exit 7\n",
        "- Log: logs/verify/m01-a1-tier0-1.log\n",
        "    line 11\n",
        "    line 50\n",
        "    runr resume 20260101000000\n",
    ] {
        assert!(page.contains(words), "`{words}` is missing: {page}");
    }
    assert!(!page.contains("    line 10\n"), "{page}");
}

#[test]
fn ten_files_outside_the_scope_are_named_and_all_lockfiles() {
    let named = |what: &str, n| (1..=n).map(|n| format!("{what}{n}")).collect();
    let violation = Event::GuardViolation(GuardViolation {
        scope_violations: named("other/f", 12),
        lockfile_violations: named("sub/Cargo.lock", 11),
        why: None,
    });
    let phase = Event::PhaseStart {
        phase: Phase::Implement,
    };
    let events = [phase, violation, stop(StopReason::GuardViolation)];
    let page = &told(&events, "")["stop"];
    assert!(page.contains("- other/f10\n- ... and 2 more\n"), "{page}");
    assert!(page.contains("- sub/Cargo.lock11 (lockfile)\n"), "{page}");
    assert!(
        page.contains("runr resume 20260101000000 --allow-deps"),
        "{page}"
    );
}

#[test]
fn a_violation_hides_an_older_failed_check() {
    let violation = Event::GuardViolation(GuardViolation {
        scope_violations: vec!["other/f".into()],
        ..GuardViolation::default()
    });
    let events = [failed_check(), violation, stop(StopReason::GuardViolation)];
    let page = &told(&events, "old output")["stop"];
    assert!(
        page.contains("- other/f\n") && !page.contains("old output"),
        "{page}"
    );
}

#[test]
fn what_reviewers_asked_for_is_on_the_page_of_the_stop_and_in_the_digest() {
    let review = |verdict, change: &str| Event::ReviewComplete {
        verdict,
        changes: vec![change.into()],
    };
    let events = [
        done("memo"),
        review(Verdict::RequestChanges, "first wish"),
        review(Verdict::Reject, "second wish\nin two lines"),
        stop(StopReason::ReviewLoopDetected),
    ];
    let pages = told(&events, "");
    let stop = &pages["stop"];
    assert!(stop.contains("> second wish\n> in two lines\n"), "{stop}");
    assert!(!stop.contains("first wish"), "{stop}");
    let digest = &pages["review_digest"];
    let place = |words| digest.find(words).unwrap();
    assert!(place("still open") < place("second wish"));
    assert!(
        place("second wish") < place("first wish"),
        "newest first: {digest}"
    );
    let review = &pages["milestone_01_review"];
    assert!(review.contains("## Round 2: reject"), "{review}");
    assert!(!pages.contains_key("milestone_02_review"));
}

#[test]
fn a_hand_off_has_the_implementers_word_and_what_the_checks_say() {
    let events = [
        done("careful:\n# not a heading\u{1b}[31m"),
        failed_check(),
        stop(StopReason::MaxTicksReached),
    ];
    let page = &told(&events, "")["milestone_01_handoff"];
    for words in [
        "# Hand-off of milestone 1 of 2: one\n",
        "Not committed.\n",
        "> careful:\n> # not a heading\\u{1b}[31m\n",
        "- src/a.txt\n",
        "- tier0: FAILED\n  - make test: exit 7, logs/verify/m01-a1-tier0-1.log\n  - make lint: not run\n",
    ] {
        assert!(page.contains(words), "`{words}` is missing: {page}");
    }
}

#[test]
fn a_complete_run_says_so_for_programs_and_leaves_no_page_of_a_stop() {
    let events = [
        done("memo"),
        Event::CheckpointComplete {
            commit: "1".repeat(40),
            milestone_index: 0,
            tree: "2".repeat(40),
            sidecar_written: true,
        },
        stop(StopReason::Complete),
    ];
    let pages = told(&events, "");
    assert!(!pages.contains_key("stop"));
    let complete: Value = serde_json::from_str(&pages["complete"]).unwrap();
    assert_eq!(complete["progress"], json!({"milestone": 1, "of": 2}));
    let keys: Vec<&String> = complete.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "run_id",
            "status",
            "phase",
            "progress",
            "worker_stats",
            "ts"
        ]
    );
    assert!(pages["summary"].contains("- [x] one: 1111111 (verified: none)\n- [ ] two\n"));
}
