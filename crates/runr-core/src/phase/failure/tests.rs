//! The complaints of real programs, and what is made of them.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-03-04T10:00:00Z".parse().unwrap()
}

fn told(mode: OutputMode, stdout: &str) -> Option<(FailureKind, Option<String>)> {
    told_failure(mode, stdout, now()).map(|failure| (failure.kind, failure.retry_at))
}

fn by_words(stdout: &str, stderr: &str) -> FailureKind {
    failure_by_words(1, OutputMode::Text, stdout, stderr, now()).kind
}

#[test]
fn an_error_of_claude_is_told_by_its_status_then_by_its_words() {
    let result = |fields: Value| {
        let mut object = json!({"type": "result", "is_error": true, "subtype": "success"});
        let more = fields.as_object().unwrap().clone();
        object.as_object_mut().unwrap().extend(more);
        object.to_string()
    };
    for (fields, kind) in [
        (
            json!({"result": "Invalid API key · Please run /login"}),
            FailureKind::Auth,
        ),
        (
            json!({"result": "rate limit", "api_error_status": 401}),
            FailureKind::Auth,
        ),
        (
            json!({"result": "no", "api_error_status": 429}),
            FailureKind::RateLimit,
        ),
        (
            json!({"result": "You've hit your session limit · resets 3pm (Europe/Berlin)"}),
            FailureKind::RateLimit,
        ),
        (
            json!({"result": "Credit balance is too low"}),
            FailureKind::Auth,
        ),
        (
            json!({"result": "API Error: 529 {\"type\":\"overloaded_error\"}"}),
            FailureKind::Network,
        ),
        (
            json!({"result": "", "api_error_status": 503}),
            FailureKind::Network,
        ),
        (json!({"subtype": "error_max_turns"}), FailureKind::Crash),
        (
            json!({"errors": ["connect ECONNREFUSED 127.0.0.1:1"]}),
            FailureKind::Network,
        ),
    ] {
        let text = result(fields);
        for mode in [OutputMode::Json, OutputMode::Jsonl] {
            assert_eq!(told(mode, &text), Some((kind, None)), "{text}");
        }
    }
}

#[test]
fn the_end_of_a_limit_is_passed_on_and_of_nothing_else() {
    let end = now().as_millis() / 1000 + 3600;
    let limit = json!({"type": "result", "is_error": true, "result": format!("Claude AI usage limit reached|{end}")});
    let expected = Some((
        FailureKind::RateLimit,
        Some("2026-03-04T11:00:00.000Z".to_owned()),
    ));
    assert_eq!(told(OutputMode::Json, &limit.to_string()), expected);
    let login = json!({"type": "result", "is_error": true, "result": "not logged in, try again in 5 minutes"});
    assert_eq!(
        told(OutputMode::Json, &login.to_string()),
        Some((FailureKind::Auth, None))
    );
}

#[test]
fn a_failed_turn_is_a_failure_and_a_mended_one_is_not() {
    let error = r#"{"type":"error","message":"stream error: unexpected status 401 Unauthorized"}"#;
    let failed = r#"{"type":"turn.failed","error":{"message":"You've hit your usage limit. Try again in 2h 5m.","resets_in_seconds":90}}"#;
    let done = r#"{"type":"turn.completed","usage":{}}"#;
    assert_eq!(
        told(OutputMode::Jsonl, error),
        Some((FailureKind::Auth, None))
    );
    assert_eq!(
        told(OutputMode::Jsonl, &format!("{error}\n{failed}\n")),
        Some((
            FailureKind::RateLimit,
            Some("2026-03-04T12:05:00.000Z".to_owned())
        ))
    );
    assert_eq!(told(OutputMode::Jsonl, &format!("{error}\n{done}\n")), None);
    assert_eq!(told(OutputMode::Text, failed), None);
    let result = |is_error: bool| {
        format!(r#"{{"type":"result","is_error":{is_error},"result":"please log in"}}"#)
    };
    for before in [error, &result(true)] {
        let text = format!("{before}\n{}\n", result(false));
        assert_eq!(told(OutputMode::Jsonl, &text), None, "{before}");
    }
    let last = format!("{}\n{}\n", result(false), result(true));
    let auth = Some((FailureKind::Auth, None));
    assert_eq!(told(OutputMode::Jsonl, &last), auth);
}

#[test]
fn an_answer_that_is_none_of_this_is_no_failure() {
    for text in [
        r#"{"type":"result","is_error":false,"result":"429 Too Many Requests"}"#,
        r#"{"result":"unauthorized"}"#,
        r#"{"is_error":"true"}"#,
        "is_error",
        "",
    ] {
        assert_eq!(told(OutputMode::Json, text), None, "{text}");
    }
}

#[test]
fn a_failed_process_is_told_apart_by_its_words() {
    for (stderr, kind) in [
        ("Error: 429 Too Many Requests", FailureKind::RateLimit),
        ("Please log in first", FailureKind::Auth),
        ("OAuth token has expired", FailureKind::Auth),
        ("connect ECONNREFUSED", FailureKind::Network),
        ("error: 503", FailureKind::Network),
        ("Segmentation fault", FailureKind::Crash),
        ("at run (index.js:401:12)", FailureKind::Crash),
        ("wrote 429 lines", FailureKind::Crash),
        ("", FailureKind::Crash),
    ] {
        assert_eq!(by_words("", stderr), kind, "{stderr}");
        assert_eq!(by_words(stderr, ""), kind, "on stdout: {stderr}");
        assert_eq!(
            by_words(stderr, "warning"),
            kind,
            "beside a warning: {stderr}"
        );
    }
}

#[test]
fn what_a_worker_quotes_is_not_its_complaint() {
    let quoted = r#"{"type":"item.completed","item":{"type":"command_execution","aggregated_output":"HTTP 429 Too Many Requests"}}"#;
    let failure = failure_by_words(1, OutputMode::Jsonl, quoted, "panicked", now());
    assert_eq!(failure.kind, FailureKind::Crash);
    assert_eq!(failure.message, "exit code 1: panicked");
    let own = format!("{quoted}\nusage limit, retry-after: 60\n");
    let failure = failure_by_words(1, OutputMode::Jsonl, &own, "", now());
    assert_eq!(failure.kind, FailureKind::RateLimit);
    assert_eq!(
        failure.retry_at.as_deref(),
        Some("2026-03-04T10:01:00.000Z")
    );
}

proptest! {
    #[test]
    fn any_output_is_judged_without_a_panic(text in r#"[\[\]{}",:a-z0-9\n-]{0,200}|\PC{0,80}"#) {
        for mode in [OutputMode::Text, OutputMode::Json, OutputMode::Jsonl] {
            let _told = told_failure(mode, &text, now());
            let _words = failure_by_words(1, mode, &text, &text, now());
        }
    }
}
