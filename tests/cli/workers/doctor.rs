//! What `runr doctor` asks of workers.

use std::time::{Duration, Instant};

use super::*;
use crate::support::Output;

fn doctor(these: &StandIns, flags: &[&str]) -> Output {
    these.runr(&[&["doctor"], flags].concat()).output()
}

fn result(these: &StandIns, flags: &[&str], code: i32) -> Value {
    doctor(these, &[flags, &["--json"]].concat())
        .exits(code)
        .pretty_json()
}

#[track_caller]
fn check(result: &Value, id: &str) -> (Value, String) {
    let checks = result["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id).unwrap();
    let detail = check["detail"].as_str().unwrap().to_owned();
    (check["status"].clone(), detail)
}

fn row(name: &str, headless: &Value) -> Value {
    json!({
        "name": name, "bin": name, "version": format!("{name} 1.2.3"), "headless": headless,
        "error": null, "category": null,
    })
}

#[test]
fn nobody_is_asked_for_a_word_unless_that_is_wished() {
    let these = StandIns::new();
    let before = result(&these, &[], 0);
    let rows = json!([row("claude", &Value::Null), row("codex", &Value::Null)]);
    assert_eq!(before["workers"], rows);
    let versions = "claude-code claude 1.2.3, codex codex 1.2.3".to_owned();
    assert_eq!(check(&before, "workers"), (json!("ok"), versions));
    assert_eq!(check(&before, "headless").0, "ok");
    for name in ["claude", "codex"] {
        let counts = ["version", "help", "ping"].map(|stage| these.count(name, stage));
        assert_eq!(counts, [1, 1, 0], "{name}");
        assert_eq!(these.call(name, "help", 1).prompt, "");
    }
    let deep = result(&these, &["--deep"], 0);
    let rows = json!([row("claude", &json!(true)), row("codex", &json!(true))]);
    assert_eq!(deep["workers"], rows);
    let answer = "claude-code, codex answer".to_owned();
    assert_eq!(check(&deep, "headless"), (json!("ok"), answer));
    let claude = these.call("claude", "ping", 1);
    assert_eq!(claude.argv, CLAUDE_ARGS, "headless, as configured");
    assert!(claude.prompt.contains("single word") && !claude.terminal);
    assert_eq!(these.count("claude", "ping"), 1);
    assert!(
        these.sandbox.run_ids().is_empty(),
        "the word belongs to no run"
    );
}

#[test]
fn a_worker_that_does_not_answer_fails_with_what_is_wrong() {
    let secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    for (step, category, words) in [
        (
            claude_fails(&format!("Please run /login: {secret}"), 0),
            "auth",
            "/login: [REDACTED]",
        ),
        (
            claude_fails("usage limit reached", 1),
            "rate_limit",
            "usage limit",
        ),
        (
            "echo 'connect ECONNREFUSED' >&2; exit 1\n".into(),
            "network",
            "ECONNREFUSED",
        ),
        ("exit 0\n".into(), "unknown", "without a word"),
    ] {
        let these = StandIns::new();
        these.on("claude", "ping", &[step]);
        let result = result(&these, &["--deep"], 1);
        let (status, detail) = check(&result, "headless");
        assert_eq!(status, "fail");
        assert!(
            detail.starts_with(&format!("claude-code: {category}: ")) && detail.contains(words),
            "{detail}"
        );
        let [claude, codex] = &result["workers"].as_array().unwrap()[..] else {
            panic!("{result}");
        };
        let told = (&claude["headless"], &claude["category"]);
        assert_eq!(told, (&json!(false), &json!(category)));
        assert_eq!(codex, &row("codex", &json!(true)), "asked all the same");
        assert_eq!(check(&result, "workers").0, "ok", "it could be started");
        assert!(!result.to_string().contains(secret));
        let human = doctor(&these, &["--deep"]).exits(1);
        let line = format!("headless: FAIL - claude-code: {category}: ");
        assert!(human.stdout.contains(&line), "{human}");
    }
}

#[test]
fn a_word_may_take_longer_than_before_a_run_and_not_for_ever() {
    let these = StandIns::new();
    let late = format!("sleep 17\n{}", claude(&json!("pong")));
    these.on("claude", "ping", &[late]);
    these.on("codex", "ping", &["sleep 100\n"]);
    let began = Instant::now();
    let result = result(&these, &["--deep"], 1);
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(result["workers"][0], row("claude", &json!(true)));
    let codex = &result["workers"][1];
    assert_eq!(codex["error"], "no answer within 30 s");
    assert_eq!(codex["category"], "unknown");
}

#[test]
fn arguments_that_a_worker_does_not_know_are_found_without_a_call() {
    let these = StandIns::new();
    let refusal = "error: unexpected argument '--full-auto' found";
    these.on(
        "codex",
        "help",
        &[format!("echo \"{refusal}\" >&2; exit 2\n")],
    );
    for flags in [&[][..], &["--deep"]] {
        let result = result(&these, flags, 1);
        let detail = format!("codex: {refusal}");
        assert_eq!(check(&result, "headless"), (json!("fail"), detail));
        let codex = &result["workers"][1];
        assert_eq!(codex["headless"], false);
        assert_eq!(codex["category"], Value::Null);
        assert_eq!(check(&result, "workers").0, "ok");
    }
    assert_eq!(these.count("codex", "ping"), 0);
    assert_eq!(these.count("claude", "ping"), 1);
    let mut asked: Vec<&str> = CODEX_ARGS.to_vec();
    let tree = these.sandbox.repo();
    asked.extend(["-C", tree.to_str().unwrap(), "--help"]);
    assert_eq!(these.call("codex", "help", 1).argv, asked);
}

#[test]
fn of_a_program_that_nobody_knows_only_the_version_is_asked() {
    // So is one that is known, where a word behind its arguments would be a prompt.
    let config = Config::new()
        .set("workers", "agent", worker("agent", &["-x"], "text"))
        .set(
            "workers",
            "codex",
            worker("codex", &["exec", "--"], "jsonl"),
        )
        .phases("agent", "codex", "agent");
    let these = StandIns::exactly(config);
    these.install("agent");
    these.on("agent", "version", &["echo agent 7"]);
    let result = result(&these, &[], 0);
    assert_eq!(result["workers"][0]["version"], "agent 7");
    for name in ["agent", "codex"] {
        let counts = ["version", "help", "ping"].map(|stage| these.count(name, stage));
        assert_eq!(counts, [1, 0, 0], "{name}");
    }
}

#[test]
fn a_worker_that_cannot_be_started_fails_and_is_asked_nothing_else() {
    let gone = worker("claude-that-is-not-there", &[], "json");
    let these = StandIns::with(Config::new());
    these.on("codex", "version", &["exit 3\n"]);
    let broken = result(&these, &["--deep"], 1);
    let (status, detail) = check(&broken, "workers");
    assert_eq!(status, "fail");
    assert!(detail.starts_with("codex not found: "), "{detail}");
    assert_eq!(these.count("codex", "ping"), 0);
    assert_eq!(broken["workers"][1]["headless"], Value::Null);

    let config = Config::new().set("workers", "claude", gone);
    let these = StandIns::exactly(config.set("workers", "codex", worker("codex", &[], "jsonl")));
    let missing = result(&these, &["--deep"], 1);
    let (status, detail) = check(&missing, "workers");
    assert_eq!(status, "fail");
    assert_eq!(detail, "claude-code not found: not on PATH");
}

#[test]
fn a_script_is_asked_nothing() {
    let sandbox = crate::support::Sandbox::scripted(&Script::happy(1));
    let output = sandbox.runr(&["doctor", "--deep", "--json"]).output();
    let result = output.exits(0).pretty_json();
    assert_eq!(check(&result, "headless").0, "skip");
    assert_eq!(result["workers"], json!([]));
    assert!(sandbox.calls("plan").is_empty());
}
