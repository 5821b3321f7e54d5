//! What becomes of each way to fail.

use std::fs;
use std::time::Duration;

use rustix::process::Pid;

use super::*;
use crate::support::wait_until;

/// In an hour, as seconds of the epoch.
fn in_an_hour() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap() + 3600
}

#[test]
fn an_expired_login_ends_the_run_at_once_with_the_way_out() {
    let words = "Invalid API key · Please run /login";
    for (step, code) in [
        (claude_fails(words, 1), 1),
        (claude_fails(words, 0), 0),
        (format!("echo '{words}' >&2; exit 1\n"), 1),
    ] {
        let these = StandIns::new();
        these.on("claude", "plan", &[step]);
        let id = these.run(1);
        assert_eq!(these.stop_reason(&id), "auth_expired");
        assert_eq!(these.count("claude", "plan"), 1, "asking again burns time");
        assert_eq!(
            these.count("codex", "plan"),
            0,
            "nor is the other one asked"
        );
        let call = &these.sandbox.payloads(&id, "worker_call_finished")[0];
        assert_eq!(
            (&call["kind"], &call["exit_code"]),
            (&json!("auth"), &json!(code))
        );
        let error = these.sandbox.status(&id)["last_error"].clone();
        assert!(error.as_str().unwrap().contains(words), "{error}");
        assert_eq!(
            these.sandbox.report(&id)["suggested_command"],
            "runr doctor"
        );
    }
}

#[test]
fn a_usage_limit_ends_the_run_and_says_until_when() {
    let end = in_an_hour();
    let these = StandIns::new();
    let words = format!("Claude AI usage limit reached|{end}");
    these.on(
        "claude",
        "plan",
        &[claude_fails(&words, 1), claude(&a_plan())],
    );
    let id = these.run(1);
    let status = these.sandbox.status(&id);
    assert_eq!(status["stop_reason"], "rate_limited");
    let date = these.sandbox.command("date");
    let format = "+%Y-%m-%dT%H:%M:%S.000Z";
    let expected = date
        .args(&["-u", "-d", &format!("@{end}"), format])
        .output()
        .stdout;
    assert_eq!(status["retry_at"], expected.trim_end());
    assert_eq!(these.count("claude", "plan"), 1);
    these.runr(&["resume", &id]).output().exits(0);
    assert_eq!(these.sandbox.status(&id)["retry_at"], Value::Null);
}

#[test]
fn a_limit_whose_end_could_be_any_day_has_none() {
    let these = StandIns::new();
    let words = "You've hit your session limit · resets 3pm (Europe/Berlin)";
    these.on("claude", "plan", &[claude_fails(words, 0)]);
    let id = these.run(1);
    let status = these.sandbox.status(&id);
    assert_eq!(status["stop_reason"], "rate_limited");
    assert_eq!(status["retry_at"], Value::Null);
}

#[test]
fn a_failed_turn_of_codex_is_read_from_its_own_words() {
    let these = StandIns::new();
    let words = "You've hit your usage limit. Try again in 2h 5m.";
    these.on("codex", "implement", &[codex_fails(words)]);
    let id = these.run(1);
    let status = these.sandbox.status(&id);
    assert_eq!(status["stop_reason"], "rate_limited");
    assert!(status["retry_at"].is_string(), "{status}");
}

#[test]
fn what_an_overloaded_worker_cannot_do_the_next_one_does() {
    let these = StandIns::new();
    these.on(
        "claude",
        "plan",
        &[claude_fails("API Error: 529 overloaded_error", 1)],
    );
    let id = these.run(0);
    assert_eq!(
        (these.count("claude", "plan"), these.count("codex", "plan")),
        (3, 1)
    );
    let network = ("claude".to_owned(), json!("network"));
    assert_eq!(
        these.ends(&id)[..3],
        [network.clone(), network.clone(), network]
    );
    let fallback = &these.sandbox.payloads(&id, "worker_fallback")[0];
    let expected =
        json!({"stage": "plan", "from": "claude", "to": "codex", "reason": "worker_failed"});
    assert_eq!(fallback, &expected);
    assert_eq!(
        these.sandbox.report(&id)["reliability"]["fallback_count"],
        1
    );
    assert_eq!(
        these.count("claude", "review"),
        1,
        "for other stages it is asked still"
    );
}

#[test]
fn workers_that_all_fail_end_the_run() {
    let these = StandIns::new();
    these.on("claude", "plan", &["exec 1>&-; kill -SEGV $$\n"]);
    these.on("codex", "plan", &["echo boom >&2; exit 7\n"]);
    let id = these.run(1);
    assert_eq!(these.stop_reason(&id), "worker_unavailable");
    assert_eq!(
        (these.count("claude", "plan"), these.count("codex", "plan")),
        (3, 3)
    );
    let calls = these.sandbox.payloads(&id, "worker_call_finished");
    assert_eq!(
        (&calls[0]["exit_code"], &calls[0]["kind"]),
        (&json!(139), &json!("crash"))
    );
    assert_eq!(
        (&calls[5]["exit_code"], &calls[5]["kind"]),
        (&json!(7), &json!("crash"))
    );
    let error = these.sandbox.status(&id)["last_error"].clone();
    assert_eq!(error, "codex: exit code 7: boom");
}

#[test]
fn a_crash_is_forgiven_once_it_is_over() {
    let these = StandIns::new();
    these.on(
        "claude",
        "plan",
        &["kill -KILL $$\n".to_owned(), claude(&a_plan())],
    );
    let id = these.run(0);
    assert_eq!(these.ends(&id)[0], ("claude".to_owned(), json!("crash")));
    assert_eq!(these.sandbox.payloads(&id, "worker_fallback").len(), 0);
}

#[test]
fn answers_that_cannot_be_read_are_asked_for_again_then_of_the_next_worker() {
    let these = StandIns::new();
    let endless = format!("yes garbage | head -c 5000; {}", says("the end"));
    let steps = [
        says(&claude_result(&json!({"milestones": []})).to_string()),
        String::new(),
        endless,
    ];
    these.on("claude", "plan", &steps);
    let id = these.run(0);
    assert_eq!(
        (these.count("claude", "plan"), these.count("codex", "plan")),
        (3, 1)
    );
    let failed = these.sandbox.payloads(&id, "parse_failed");
    let again: Vec<&Value> = failed.iter().map(|event| &event["retry_count"]).collect();
    assert_eq!(again, [&json!(1), &json!(1), &json!(0)]);
    let snippet = failed[2]["output_snippet"].as_str().unwrap();
    assert_eq!(snippet.chars().count(), 120);
    let demand = "Answer with the JSON object only";
    assert!(!these.call("claude", "plan", 1).prompt.contains(demand));
    let second = these.call("claude", "plan", 2).prompt;
    assert!(
        second.contains(demand) && second.contains("/milestones"),
        "{second}"
    );
    assert!(these.call("codex", "plan", 1).prompt.contains(demand));
    let raw = these
        .sandbox
        .run_dir(&id)
        .join("artifacts/raw-outputs-plan-claude.md");
    let raw = fs::read_to_string(raw).unwrap();
    let tries: Vec<&str> = raw.split("## c").skip(1).collect();
    assert_eq!(tries.len(), 3, "{raw}");
    assert!(
        tries[2].len() < 2200 && tries[2].contains("the end"),
        "{raw}"
    );
    let reason = these.sandbox.payloads(&id, "worker_fallback")[0]["reason"].clone();
    assert_eq!(reason, "parse_failed");
}

#[test]
fn a_second_and_a_third_call_wait_for_a_moment() {
    let these = StandIns::new();
    these.on("claude", "plan", &["echo garbage\n"]);
    let id = these.run(0);
    let text = these.sandbox.timeline_text(&id);
    let at = |kind: &str, n: usize| -> runr_core::Timestamp {
        let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let record = records
            .filter(|record: &Value| record["type"] == kind)
            .nth(n);
        record.unwrap()["timestamp"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    for (n, least, most) in [(1, 250, 700), (2, 1000, 2500)] {
        let began = at("worker_call_started", n);
        let pause = began.since(at("worker_call_finished", n - 1));
        let expected = Duration::from_millis(least)..Duration::from_millis(most);
        assert!(expected.contains(&pause), "{pause:?} before call {}", n + 1);
    }
}

#[test]
fn six_unreadable_answers_end_the_run() {
    let these = StandIns::new();
    these.on("claude", "review", &["echo garbage\n"]);
    these.on("codex", "review", &["\n"]);
    let id = these.run(1);
    assert_eq!(these.stop_reason(&id), "review_parse_failed");
    assert_eq!(
        (
            these.count("claude", "review"),
            these.count("codex", "review")
        ),
        (3, 3)
    );
}

#[test]
fn a_call_past_its_limit_is_ended_with_everything_it_started() {
    let config = Config::new().set("resilience", "max_worker_call_minutes", json!(0.02));
    let these = StandIns::with(config);
    let hang = "sh -c 'trap \"\" TERM; echo $$ > \"$1/grandchild\"; while [ -d \"$1\" ]; do sleep 0.1; done' sh \"$SCRATCH\" &
trap '' TERM
wait\nsleep 100\n";
    these.on("claude", "plan", &[hang]);
    let id = these.run(1);
    assert_eq!(these.stop_reason(&id), "worker_call_timeout");
    assert_eq!(
        these.count("claude", "plan"),
        1,
        "a timeout is not tried again"
    );
    let call = &these.sandbox.payloads(&id, "worker_call_finished")[0];
    assert_eq!(
        (&call["kind"], &call["exit_code"]),
        (&json!("timeout"), &Value::Null)
    );
    let took = call["duration_ms"].as_u64().unwrap();
    assert!((1200..6000).contains(&took), "{took} ms");
    let pid = fs::read_to_string(these.sandbox.scratch().join("grandchild")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    wait_until("the grandchild ends", Duration::from_secs(5), || {
        !is_alive(pid)
    });
    assert_eq!(
        these.sandbox.report(&id)["suggested_command"],
        format!("runr resume {id}")
    );
}

#[test]
fn a_good_answer_counts_whatever_went_wrong_before() {
    let lines = worker("claude", CLAUDE_ARGS, "jsonl");
    let these = StandIns::with(Config::new());
    let config = Config::new().set("workers", "claude", lines).set(
        "workers",
        "codex",
        worker("codex", CODEX_ARGS, "jsonl"),
    );
    these.sandbox.configure(&config);
    these.sandbox.commit("lines");
    these.sandbox.runr(&["trust"]).output().exits(0);
    let hiccup = json!({"type": "error", "message": "stream disconnected, retrying"});
    let failed = json!({"type": "result", "is_error": true, "result": "overloaded"});
    let before = format!("{}{}", says(&hiccup.to_string()), says(&failed.to_string()));
    these.on(
        "claude",
        "plan",
        &[format!("{before}{}", claude(&a_plan()))],
    );
    let id = these.run(0);
    assert_eq!(these.count("claude", "plan"), 1);
    assert_eq!(these.ends(&id)[0], ("claude".to_owned(), Value::Null));
}
