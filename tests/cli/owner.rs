//! `runr owner`: claims from the command line.

mod places;
mod refusals;
mod runs;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Command, Output, Sandbox, assert_ordered_fields};

const PR: [&str; 4] = ["--repo", "acme/shop", "--pr", "17"];

/// A repository without claims, and the commands of one target.
pub(crate) struct Claims {
    pub(crate) sandbox: Sandbox,
}

impl Claims {
    pub(crate) fn new() -> Self {
        Self {
            sandbox: Sandbox::bare(),
        }
    }

    /// `runr owner <words> --repo acme/shop --pr 17`.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.sandbox.runr(&["owner"]).args(words).args(&PR)
    }

    /// The same, for people.
    #[track_caller]
    pub(crate) fn owner(&self, words: &[&str], code: i32) -> Output {
        self.command(words).output().exits(code)
    }

    /// The same, for programs: the one line of JSON.
    #[track_caller]
    pub(crate) fn json(&self, words: &[&str], code: i32) -> Value {
        let command = self.command(words).args(&["--json"]);
        command.output().exits(code).json_line()
    }

    pub(crate) fn file(&self, extension: &str) -> PathBuf {
        let dir = self
            .sandbox
            .repo()
            .join(".pi/runner-coordination/acme/shop");
        dir.join(format!("pr-17.{extension}"))
    }

    #[track_caller]
    pub(crate) fn document(&self, extension: &str) -> Value {
        let text = fs::read_to_string(self.file(extension)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn token(&self) -> u64 {
        self.document("fence.json")["token"].as_u64().unwrap()
    }

    pub(crate) fn write_record(&self, text: &str) {
        fs::create_dir_all(self.file("json").parent().unwrap()).unwrap();
        fs::write(self.file("json"), text).unwrap();
    }
}

/// A record as another program leaves it: owned by a run, with these times.
pub(crate) fn record(run: &str, at: &str) -> String {
    json!({
        "schemaVersion": 2,
        "target": {"repo": "acme/shop", "pr": 17},
        "activeRun": {"runId": run, "claimedAt": at, "updatedAt": at},
        "previousRun": null,
        "history": [],
        "exitSignals": [],
    })
    .to_string()
}

const OLD: &str = "2020-01-01T00:00:00.000Z";

#[test]
fn a_claim_is_told_to_people_and_to_programs() {
    let claims = Claims::new();
    let told = claims.owner(&["claim", "--run-id", "run-1"], 0);
    let token = claims.token();
    let path = claims.file("json");
    let expected = format!(
        "acme/shop#17: claimed_new\n  owner: run-1\n  token: {token}\n  file: {}\n",
        path.display()
    );
    assert_eq!(
        (told.stdout.as_str(), told.stderr.as_str()),
        (expected.as_str(), "")
    );

    let again = claims.json(&["claim", "--run-id", "run-1"], 0);
    assert_ordered_fields(
        &again,
        &[
            "ok",
            "status",
            "repo",
            "pr",
            "runId",
            "activeRun",
            "previousRun",
            "exitSignals",
            "filePath",
            "token",
        ],
    );
    assert_eq!(again["status"], "refreshed");
    assert_eq!(
        (&again["repo"], &again["pr"]),
        (&json!("acme/shop"), &json!(17))
    );
    assert_eq!(again["filePath"], path.to_str().unwrap());
    assert_eq!(again["token"], token, "a refresh changes no token");
    assert_eq!(claims.document("json")["activeRun"], again["activeRun"]);
}

#[test]
fn every_operation_has_both_forms() {
    let people = Claims::new();
    let programs = Claims::new();
    for (words, word) in [
        (vec!["assert", "--run-id", "run-1"], "no_owner_record"),
        (vec!["release", "--run-id", "run-1"], "release_noop"),
        (vec!["stale"], "no_owner_record"),
        (vec!["claim", "--run-id", "run-1"], "claimed_new"),
        (vec!["assert", "--run-id", "run-1"], "owner_confirmed"),
        (vec!["stale", "--run-id", "run-1"], "fresh_runner"),
        (vec!["takeover", "--run-id", "run-2"], "taken_over"),
        (
            vec!["signal", "--run-id", "run-2", "--reason", "done"],
            "exit_signal_recorded",
        ),
        (vec!["release", "--run-id", "run-2"], "released"),
        (vec!["stale"], "no_active_owner"),
    ] {
        let told = people.owner(&words, 0);
        let first = told.stdout.lines().next().unwrap();
        assert_eq!(first, format!("acme/shop#17: {word}"), "{words:?}");
        let line = programs.json(&words, 0);
        assert_eq!(
            (&line["ok"], &line["status"]),
            (&json!(true), &json!(word)),
            "{words:?}"
        );
    }
    let events = |claims: &Claims| -> Vec<Value> {
        let history = claims.document("json")["history"]
            .as_array()
            .unwrap()
            .clone();
        history.iter().map(|event| event["type"].clone()).collect()
    };
    assert_eq!(
        events(&programs),
        ["claim", "takeover", "release"].map(Value::from)
    );
    assert_eq!(events(&people), events(&programs));
}

#[test]
fn a_status_shows_everything_and_writes_nothing() {
    let claims = Claims::new();
    let before = claims.sandbox.snapshot();
    let free = claims.json(&["status"], 0);
    assert_eq!(
        free["lease"],
        json!({"state": "free", "until": null, "reason": null})
    );
    assert_eq!(
        (&free["state"], &free["token"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        claims
            .owner(&["status"], 0)
            .stdout
            .starts_with("acme/shop#17: owned by nobody\n")
    );
    assert_eq!(claims.sandbox.snapshot(), before, "not even a directory");

    claims.owner(&["claim", "--run-id", "run-1"], 0);
    claims.owner(&["takeover", "--run-id", "run-2", "--ttl", "90"], 0);
    claims.owner(
        &[
            "signal",
            "--run-id",
            "run-2",
            "--reason",
            "a\u{1b}[31mred\nend",
        ],
        0,
    );
    let before = claims.sandbox.snapshot();
    let status = claims.json(&["status"], 0);
    assert_ordered_fields(
        &status,
        &[
            "ok",
            "command",
            "repo",
            "pr",
            "filePath",
            "activeRun",
            "lease",
            "holder",
            "previousRun",
            "exitSignals",
            "state",
            "token",
        ],
    );
    assert_eq!(status["token"], claims.token());
    assert_eq!(status["activeRun"]["runId"], "run-2");
    assert_eq!(status["previousRun"]["runId"], "run-1");
    assert_eq!(status["exitSignals"][0]["reason"], "a\u{1b}[31mred\nend");
    assert_eq!(status["lease"]["state"], "live");
    assert_eq!(
        (&status["holder"]["kind"], &status["holder"]["ttlMs"]),
        (&json!("plain"), &json!(90_000))
    );
    assert_eq!(status["state"], claims.document("json"));

    let told = claims.owner(&["status"], 0).stdout;
    assert!(told.starts_with("acme/shop#17: owned by run-2\n"), "{told}");
    for part in [
        "\n  lease: live until 20",
        &format!("\n  token: {}\n", claims.token()),
        "\n  holder: calls, 90 s",
        "\n  previous: run-1, replaced by run-2 at 20",
        ": a\\u{1b}[31mred end\n",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    assert_eq!(claims.sandbox.snapshot(), before);
}

#[test]
fn an_expired_claim_says_why() {
    let claims = Claims::new();
    claims.write_record(&record("run-1", OLD));
    let status = claims.json(&["status"], 0);
    assert_eq!(
        status["lease"],
        json!({"state": "expired", "until": null, "reason": "time"})
    );
    assert_eq!(status["token"], Value::Null, "another program wrote it");
    let told = claims.owner(&["status"], 0).stdout;
    assert!(told.contains("\n  lease: expired (time)\n"), "{told}");
}

#[test]
fn a_takeover_can_be_conditional() {
    let claims = Claims::new();
    let take = |run: &str, flags: &[&str], code| {
        let words = [&["takeover", "--run-id", run], flags].concat();
        claims.json(&words, code)
    };
    claims.owner(&["claim", "--run-id", "20260203040506"], 0);
    let first = claims.token().to_string();
    assert_eq!(
        take("b", &["--expect", "someone"], 3)["error"],
        "active_run_exists"
    );
    take("b", &["--only-if-expired"], 3);
    take("b", &["--expect", "20260203040506", "--only-if-expired"], 3);
    // Digits may name a run,
    assert_eq!(
        take("b", &["--expect", "20260203040506"], 0)["status"],
        "taken_over"
    );
    // or a claim, as long as it is the present one.
    take("c", &["--expect", &first], 3);
    let second = claims.token().to_string();
    assert_eq!(
        take("c", &["--expect", &second], 0)["activeRun"]["runId"],
        "c"
    );
    // A free target is claimed as usual.
    claims.owner(&["release", "--run-id", "c"], 0);
    assert_eq!(take("d", &["--expect", "c"], 0)["status"], "claimed_new");
    // What has expired may be taken.
    claims.write_record(&record("e", OLD));
    assert_eq!(take("f", &["--only-if-expired"], 0)["status"], "taken_over");
}

#[test]
fn an_assert_takes_no_lock_and_writes_nothing() {
    let claims = Claims::new();
    let missing = claims.json(&["assert", "--run-id", "a", "--require-existing"], 3);
    assert_eq!(missing["error"], "ownership_missing");
    assert!(!claims.sandbox.exists(".pi"));
    claims.owner(&["claim", "--run-id", "a"], 0);
    fs::create_dir(claims.file("json.lock")).unwrap();
    let before = claims.sandbox.snapshot();
    assert_eq!(
        claims.json(&["assert", "--run-id", "a"], 0)["token"],
        claims.token()
    );
    assert_eq!(
        claims.json(&["assert", "--run-id", "b"], 3)["error"],
        "ownership_lost"
    );
    assert_eq!(claims.sandbox.snapshot(), before);
}

#[test]
fn a_signal_keeps_500_characters_and_asks_for_the_owner() {
    let claims = Claims::new();
    claims.owner(&["claim", "--run-id", "a"], 0);
    let long = "x".repeat(600);
    claims.owner(&["signal", "--run-id", "a", "--reason", &long], 0);
    assert_eq!(
        claims.document("json")["exitSignals"][0]["reason"],
        "x".repeat(500)
    );
    assert_eq!(
        claims.json(&["signal", "--run-id", "b"], 3)["error"],
        "ownership_lost"
    );
    claims.owner(&["signal", "--run-id", "b", "--any-run"], 0);
    let record = claims.document("json");
    assert_eq!(record["exitSignals"][1]["runId"], "b");
    assert_eq!(record["activeRun"]["runId"], "a", "it stays the owner");
}

#[test]
fn a_stale_runner_is_found_in_the_order_of_the_format() {
    let claims = Claims::new();
    let check = |words: &[&str], code: i32, status: &str| {
        let answer = claims.json(&[&["stale"], words].concat(), code);
        assert_eq!(answer["status"], status, "{answer}");
        let failures = answer["staleRunnerCheck"]["failures"]
            .as_array()
            .unwrap()
            .clone();
        assert_eq!(failures.is_empty(), code == 0, "{answer}");
        assert_eq!(answer["staleRunnerCheck"]["ok"], answer["ok"]);
        answer
    };
    check(&[], 0, "no_owner_record");
    check(&["--run-id", "run-1"], 1, "ownership_lost");
    claims.write_record(&record("run-1", OLD));
    let stale = check(&["--run-id", "run-1"], 1, "stale_runner");
    assert_eq!(stale["maxAgeMs"], 1_800_000);
    check(&["--run-id", "run-2"], 1, "ownership_lost");
    let century = check(&["--max-age-ms", "3155760000000.9"], 0, "fresh_runner");
    assert_eq!(century["maxAgeMs"], 3_155_760_000_000_u64);
    let variable = claims
        .command(&["stale", "--json"])
        .env("DEVLOOPS_STALE_RUNNER_MAX_AGE_MS", "3155760000000");
    assert_eq!(
        variable.output().exits(0).json_line()["status"],
        "fresh_runner"
    );
    claims.owner(&["signal", "--run-id", "run-1", "--reason", "killed"], 0);
    let ended = check(&["--run-id", "run-1"], 1, "exit_signal_recorded");
    assert_eq!(ended["exitSignals"][0]["reason"], "killed");
    let told = claims.owner(&["stale"], 1).stdout;
    assert!(
        told.starts_with("acme/shop#17: exit_signal_recorded\n  run run-1, "),
        "{told}"
    );
    claims.owner(&["release", "--run-id", "run-1"], 0);
    check(&[], 0, "no_active_owner");
    check(&["--run-id", "run-1"], 1, "ownership_lost");
}

#[test]
fn the_help_names_every_operation_and_its_options() {
    let claims = Claims::new();
    let help = |words: &[&str]| claims.sandbox.runr(words).output().exits(0).stdout;
    assert!(help(&["--help"]).contains("\n  owner "));
    let all = help(&["owner", "--help"]);
    for word in [
        "claim",
        "takeover",
        "assert",
        "release",
        "signal",
        "status",
        "stale",
        "exec",
        "repair",
        "--compat",
        "RUNR_RUN_ID",
    ] {
        assert!(all.contains(word), "{word} is not in {all}");
    }
    for (word, options) in [
        (
            "claim",
            ["--repo <OWNER/NAME>", "--issue <N>", "--ttl <SECONDS>"],
        ),
        (
            "takeover",
            [
                "--expect <RUN_OR_TOKEN>",
                "--only-if-expired",
                "--branch <NAME>",
            ],
        ),
        (
            "assert",
            ["--require-existing", "--run-id <ID>", "--pr <N>"],
        ),
        (
            "signal",
            ["--reason <TEXT>", "--any-run", "--single-host <BOOL>"],
        ),
        ("stale", ["--max-age-ms <MS>", "--json", "--root <PATH>"]),
        ("exec", ["--ttl <SECONDS>", "RUNR_TOKEN", "TERM"]),
    ] {
        let text = help(&["owner", word, "--help"]);
        for option in options {
            assert!(text.contains(option), "{option} is not in {text}");
        }
    }
}
