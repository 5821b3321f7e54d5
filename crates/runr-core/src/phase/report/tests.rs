use serde_json::{Value, json};

use super::*;

/// A timeline that is written second by second.
#[derive(Default)]
struct Tape {
    now: i64,
    records: Vec<Record>,
}

impl Tape {
    fn started() -> Self {
        let mut tape = Self::default();
        tape.add("run_started", json!({}));
        tape
    }

    fn wait(&mut self, ms: i64) -> &mut Self {
        self.now += ms;
        self
    }

    fn add(&mut self, kind: &str, payload: Value) -> &mut Self {
        self.records.push(Record {
            seq: self.records.len() as u64 + 1,
            timestamp: Timestamp::from_millis(self.now),
            kind: kind.to_owned(),
            source: "supervisor".to_owned(),
            payload: payload.as_object().unwrap().clone(),
        });
        self
    }

    fn phase(&mut self, phase: &str) -> &mut Self {
        self.add("phase_start", json!({"phase": phase}))
    }

    fn stop(&mut self, reason: &str) -> &mut Self {
        self.add("stop", json!({"reason": reason}))
    }

    fn report(&self) -> Report {
        let state = ReportState {
            phase: Phase::Stopped,
            checkpoint_sha: Some("c0ffee".into()),
            milestones_total: 4,
        };
        let next = NextStepText {
            next_action: "resume".into(),
            suggested_command: Some("runr resume 1".into()),
        };
        report(
            "1",
            &self.records,
            Some(&state),
            Timestamp::from_millis(self.now),
            next,
        )
    }
}

fn time(duration_ms: u64, count: u32) -> PhaseTime {
    PhaseTime { duration_ms, count }
}

/// Three milestones that pass and one that fails four times; 27 ms before the first phase.
fn worked_example() -> Tape {
    let mut tape = Tape::started();
    tape.wait(27).phase("PLAN").wait(34_574);
    let (mut tiers_left, mut tier_time_left) = (11, 41_562);
    for round in 0..7 {
        tape.phase("IMPLEMENT").wait(if round == 0 {
            745_861 - 6 * 100_000
        } else {
            100_000
        });
        tape.phase("VERIFY").wait(if round == 0 {
            41_705 - 6 * 6_000
        } else {
            6_000
        });
        for _ in 0..if round < 4 { 2 } else { 1 } {
            tiers_left -= 1;
            let duration = if tiers_left == 0 {
                tier_time_left
            } else {
                3_700
            };
            tier_time_left -= duration;
            tape.add("verification", json!({"duration_ms": duration}));
        }
        match round {
            0..=2 => {
                tape.phase("REVIEW").wait(if round == 0 {
                    22_024 - 2 * 7_000
                } else {
                    7_000
                });
                tape.phase("CHECKPOINT").wait(64);
                tape.add("checkpoint_complete", json!({"milestone_index": round}));
            }
            3..=5 => {
                tape.add("verify_failed_retry", json!({"retry_count": round - 2}));
            }
            _ => {
                tape.add(
                    "worker_stats",
                    json!({"stats": {"claude": 4, "codex": 7, "by_phase": {}}}),
                );
                tape.stop("verification_failed_max_retries");
            }
        }
    }
    assert_eq!((tiers_left, tier_time_left), (0, 0));
    tape
}

#[test]
fn the_worked_example_gives_the_documented_numbers() {
    let report = worked_example().report();
    let phases: Vec<(Phase, PhaseTime)> = report.phases.clone().into_iter().collect();
    let expected = [
        (Phase::Plan, time(34_574, 1)),
        (Phase::Implement, time(745_861, 7)),
        (Phase::Verify, time(41_705, 7)),
        (Phase::Review, time(22_024, 3)),
        (Phase::Checkpoint, time(192, 3)),
    ];
    assert_eq!(phases, expected);
    assert_eq!(report.total_duration_ms, Some(844_383));
    assert_eq!(
        (report.unattributed_ms, report.idle_ms),
        (Some(27), Some(0))
    );
    assert_eq!(
        report.verify,
        Verify {
            attempts: 11,
            retries: 3,
            total_duration_ms: 41_562
        }
    );
    assert_eq!(
        report.milestones,
        Milestones {
            completed: 3,
            total: 4
        }
    );
    assert_eq!(report.outcome, Outcome::Stopped);
    assert_eq!(
        report.stop_reason.as_deref(),
        Some("verification_failed_max_retries")
    );
    assert_eq!(report.next_action, "resume");
}

#[test]
fn the_fields_stand_in_the_documented_order() {
    let value = serde_json::to_value(worked_example().report()).unwrap();
    let keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = "version run_id phase checkpoint_sha total_duration_ms unattributed_ms idle_ms started_at ended_at \
         phases workers verify milestones reliability usage outcome stop_reason next_action suggested_command";
    assert_eq!(keys, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        value["phases"]["PLAN"].to_string(),
        r#"{"duration_ms":34574,"count":1}"#
    );
    assert_eq!(value["workers"], json!({"claude": 4, "codex": 7}));
    assert_eq!(
        value["usage"].to_string(),
        r#"{"input_tokens":null,"output_tokens":null,"cost_usd":null,"unknown_calls":0,"by_worker":{}}"#
    );
    assert_eq!(value["started_at"], "1970-01-01T00:00:00.000Z");
    assert_eq!(
        (&value["phase"], &value["outcome"]),
        (&json!("STOPPED"), &json!("stopped"))
    );
}

#[test]
fn the_open_phase_of_a_running_run_counts_up_to_now_and_the_total_stays_unknown() {
    let mut tape = Tape::started();
    tape.phase("PLAN").wait(10).phase("IMPLEMENT").wait(500);
    let report = tape.report();
    assert_eq!(report.phases[&Phase::Implement], time(500, 1));
    assert_eq!(
        (
            report.total_duration_ms,
            report.unattributed_ms,
            report.ended_at
        ),
        (None, None, None)
    );
    assert_eq!(
        (report.outcome, report.stop_reason),
        (Outcome::Running, None)
    );
}

#[test]
fn the_pause_between_stop_and_resume_is_idle_and_charged_to_no_phase() {
    let mut tape = Tape::started();
    tape.phase("VERIFY")
        .wait(100)
        .stop("interrupted")
        .wait(90_000);
    assert_eq!(
        tape.report().phases[&Phase::Verify],
        time(100, 1),
        "a stop leaves no phase open"
    );
    tape.add("run_resumed", json!({})).wait(5);
    let running = tape.report();
    assert_eq!(
        (running.outcome, running.stop_reason),
        (Outcome::Running, None)
    );
    assert_eq!(
        (running.idle_ms, running.total_duration_ms),
        (Some(90_000), None)
    );
    tape.phase("VERIFY").wait(50).stop("complete").wait(1_000);
    let report = tape.report();
    assert_eq!(report.phases[&Phase::Verify], time(150, 2));
    assert_eq!(
        (report.total_duration_ms, report.unattributed_ms),
        (Some(90_155), Some(5))
    );
    assert_eq!(
        report.idle_ms,
        Some(90_000),
        "the time after the last stop is not idle"
    );
}

#[test]
fn a_complete_run_has_no_stop_reason() {
    let mut tape = Tape::started();
    tape.phase("FINALIZE").wait(1).stop("complete");
    let report = tape.report();
    assert_eq!(
        (report.outcome, report.stop_reason),
        (Outcome::Complete, None)
    );
    assert_eq!(outcome_of(&tape.records), (Outcome::Complete, None));
}

#[test]
fn older_words_for_the_end_and_for_a_milestone_are_understood() {
    let mut tape = Tape::started();
    tape.add("milestone_complete", json!({"milestone_index": 0}))
        .add("checkpoint_complete", json!({"milestone_index": 0}))
        .add("milestone_complete", json!({"milestone_index": 1}))
        .wait(7)
        .add("run_complete", json!({}));
    let report = tape.report();
    assert_eq!(report.milestones.completed, 2, "each milestone counts once");
    assert_eq!(
        (report.outcome, report.total_duration_ms),
        (Outcome::Complete, Some(7))
    );
    let mut tape = Tape::started();
    tape.add("max_ticks_reached", json!({}));
    assert_eq!(
        outcome_of(&tape.records),
        (Outcome::Stopped, Some("max_ticks_reached".into()))
    );
}

#[test]
fn without_a_start_nothing_is_known() {
    assert_eq!(outcome_of(&[]), (Outcome::Unknown, None));
    let next = NextStepText {
        next_action: "inspect_logs".into(),
        suggested_command: None,
    };
    let report = report("1", &[], None, Timestamp::from_millis(5), next);
    let value = serde_json::to_value(report).unwrap();
    for key in [
        "phase",
        "checkpoint_sha",
        "total_duration_ms",
        "idle_ms",
        "started_at",
        "ended_at",
        "stop_reason",
    ] {
        assert_eq!(value[key], Value::Null, "{key}");
    }
    assert_eq!(
        (&value["outcome"], &value["workers"]),
        (&json!("unknown"), &json!("unknown"))
    );
}

#[test]
fn trouble_is_counted() {
    let mut tape = Tape::started();
    for retry_count in [1, 1, 0] {
        tape.add("parse_failed", json!({"retry_count": retry_count}));
    }
    tape.add("worker_fallback", json!({}))
        .add("late_worker_result_ignored", json!({}))
        .stop("stalled_timeout");
    let expected = Reliability {
        infra_retries: 2,
        fallback_used: true,
        fallback_count: 1,
        stalls_triggered: 1,
        late_results_ignored: 1,
    };
    assert_eq!(tape.report().reliability, expected);
}

#[test]
fn usage_is_summed_over_what_the_calls_told() {
    let mut tape = Tape::started();
    for (worker, usage) in [
        (
            "claude",
            json!({"input_tokens": 100, "output_tokens": 20, "cost_usd": 0.25}),
        ),
        (
            "claude",
            json!({"input_tokens": 1, "output_tokens": null, "cost_usd": 0.5}),
        ),
        ("codex", json!(null)),
    ] {
        tape.add(
            "worker_call_finished",
            json!({"worker": worker, "usage": usage}),
        );
    }
    let usage = serde_json::to_value(tape.report().usage).unwrap();
    let claude =
        json!({"input_tokens": 101, "output_tokens": 20, "cost_usd": 0.75, "unknown_calls": 0});
    let codex =
        json!({"input_tokens": null, "output_tokens": null, "cost_usd": null, "unknown_calls": 1});
    let expected = json!({
        "input_tokens": 101, "output_tokens": 20, "cost_usd": 0.75, "unknown_calls": 1,
        "by_worker": {"claude": claude, "codex": codex},
    });
    assert_eq!(usage, expected);
}

#[test]
fn the_key_figures_read_as_documented() {
    let expected = "Run: 1\nKPIs:\n  total_duration: 14m4s (unattributed: 27ms)\n  \
        outcome: stopped (verification_failed_max_retries)\n  milestones_completed: 3/4\n  \
        worker_calls: claude=4 codex=7\n  \
        phases: PLAN=34s(x1) IMPLEMENT=12m26s(x7) VERIFY=41s(x7) REVIEW=22s(x3) CHECKPOINT=192ms(x3)\n  \
        verify: attempts=11 retries=3 duration=41s\n  reliability: clean\n";
    assert_eq!(kpi_text(&worked_example().report()), expected);
}

#[test]
fn the_key_figures_name_trouble_usage_and_a_repeated_failure() {
    let mut tape = Tape::started();
    tape.add("worker_fallback", json!({}))
        .add(
            "worker_call_finished",
            json!({"worker": "claude", "usage": {"output_tokens": 7, "cost_usd": 1.5}}),
        )
        .add(
            "worker_call_finished",
            json!({"worker": "codex", "usage": null}),
        )
        .add(
            "verify_failed_retry",
            json!({"fingerprint": "aa", "same_as_previous": true}),
        )
        .add(
            "verify_failed_retry",
            json!({"fingerprint": "bb", "same_as_previous": false}),
        );
    let text = kpi_text(&tape.report());
    for line in [
        "  total_duration: unknown\n",
        "  outcome: running\n",
        "  worker_calls: unknown\n",
        "  phases: none\n",
        "  reliability: fallback_count=1\n",
        "  usage: 7 tokens, $1.50 (calls of unknown cost: codex=1)\n",
        "  repeated failure: aa\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
}

#[test]
fn durations_read_as_documented() {
    let cases = [
        (0, "0ms"),
        (532, "532ms"),
        (34_574, "34s"),
        (59_999, "59s"),
        (745_861, "12m26s"),
        (844_383, "14m4s"),
        (3_599_600, "1h0m"),
        (3_900_000, "1h5m"),
        (90_000_000, "25h0m"),
    ];
    for (ms, text) in cases {
        assert_eq!(human_duration(ms), text);
    }
    assert_eq!(human_duration(None), "unknown");
}

#[test]
fn the_claim_is_that_of_the_last_session() {
    let claim = |token: u64| json!({"claim": {"target": "acme/shop#17", "run_id": "gh-17", "token": token, "shared": false}});
    let mut tape = Tape::default();
    assert_eq!(json!(tape.report())["claim"], Value::Null);
    tape.add("run_started", claim(5)).stop("interrupted");
    tape.add("run_resumed", claim(6)).stop("complete");
    assert_eq!(
        json!(tape.report())["claim"],
        json!({"target": "acme/shop#17", "run_id": "gh-17", "token": 6, "shared": false})
    );
    tape.add("run_resumed", json!({}));
    assert_eq!(json!(tape.report())["claim"], Value::Null);
}
