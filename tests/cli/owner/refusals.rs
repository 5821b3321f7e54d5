//! What stands in the way of an operation, and how that is told.

use std::fs;

use serde_json::{Value, json};

use super::{Claims, OLD, PR, record};
use crate::support::{Config, assert_ordered_fields};

#[test]
fn another_owner_is_a_conflict() {
    let claims = Claims::new();
    claims.owner(&["claim", "--run-id", "run-1"], 0);
    let before = claims.sandbox.snapshot();
    for (words, error) in [
        (["claim", "--run-id", "run-2"], "active_run_exists"),
        (["assert", "--run-id", "run-2"], "ownership_lost"),
        (["release", "--run-id", "run-2"], "ownership_lost"),
        (["signal", "--run-id", "run-2"], "ownership_lost"),
    ] {
        let conflict = claims.json(&words, 3);
        assert_ordered_fields(
            &conflict,
            &[
                "ok",
                "error",
                "repo",
                "pr",
                "runId",
                "activeRun",
                "filePath",
                "message",
                "exitSignals",
            ],
        );
        assert_eq!(
            (&conflict["ok"], &conflict["error"]),
            (&json!(false), &json!(error))
        );
        let told = claims.owner(&words, 3);
        assert_eq!(told.stdout, "", "{words:?}");
        let first = told.stderr.lines().next().unwrap();
        let message = conflict["message"].as_str().unwrap();
        assert_eq!(first, format!("Error: {message}"), "{words:?}");
        assert!(told.stderr.contains("\n  owner: run-1\n"), "{told}");
    }
    assert_eq!(claims.sandbox.snapshot(), before);
}

#[test]
fn names_do_not_drive_the_terminal() {
    let claims = Claims::new();
    claims.owner(&["claim", "--run-id", "a\u{1b}[31m"], 0);
    for output in [
        claims.owner(&["claim", "--run-id", "b"], 3),
        claims.owner(&["status"], 0),
        claims.owner(&["stale", "--run-id", "b\u{7}"], 1),
    ] {
        let text = output.text();
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
        assert!(text.contains("a\\u{1b}[31m"), "{text:?}");
    }
}

#[test]
fn bad_arguments_are_usage_errors_and_touch_nothing() {
    let claims = Claims::new();
    let before = claims.sandbox.snapshot();
    let run = ["--run-id", "a"];
    for (words, code) in [
        (vec!["claim", "--repo", "a/b"], "E_USAGE"),
        (
            vec!["claim", "--repo", "a/b", "--pr", "1", "--issue", "1"],
            "E_USAGE",
        ),
        (vec!["claim", "--pr", "1", "--ttl", "0"], "E_USAGE"),
        (vec!["claim", "--pr", "1", "--ttl", "soon"], "E_USAGE"),
        (
            vec!["claim", "--pr", "1", "--single-host", "maybe"],
            "E_USAGE",
        ),
        (vec!["claim", "--pr", "1", "--no-such-flag"], "E_USAGE"),
        (
            vec!["claim", "--pr", "1", "--root", "/no/such/directory"],
            "E_USAGE",
        ),
        (vec!["stale", "--pr", "1", "--max-age-ms", "-1"], "E_USAGE"),
        (vec!["exec", "--pr", "1"], "E_USAGE"),
        (vec!["takeover", "--pr", "1", "--expect", " "], "E_USAGE"),
        (
            vec!["claim", "--repo", "a/b", "--pr", "0"],
            "E_TARGET_INVALID",
        ),
        (
            vec!["claim", "--repo", "a/b", "--pr", "1x"],
            "E_TARGET_INVALID",
        ),
        (
            vec!["claim", "--repo", "a/b", "--issue", "1.5"],
            "E_TARGET_INVALID",
        ),
        (
            vec!["claim", "--repo", "a/b", "--branch", "a..b"],
            "E_TARGET_INVALID",
        ),
        (
            vec!["claim", "--repo", "shop", "--pr", "1"],
            "E_TARGET_INVALID",
        ),
        (
            vec!["claim", "--repo", "../shop", "--pr", "1"],
            "E_TARGET_INVALID",
        ),
        (
            vec!["status", "--repo", "a/b/c", "--pr", "1"],
            "E_TARGET_INVALID",
        ),
    ] {
        let told = claims
            .sandbox
            .runr(&["owner"])
            .args(&words)
            .args(&run)
            .output();
        let told = told.exits(2);
        let expected = if code == "E_USAGE" {
            "Error: "
        } else {
            "Error: Invalid target: "
        };
        assert!(
            told.stderr.starts_with(expected) && told.stdout.is_empty(),
            "{told}"
        );
        let words = [words.as_slice(), &run, &["--json"]].concat();
        let output = claims
            .sandbox
            .runr(&["owner"])
            .args(&words)
            .output()
            .exits(2);
        assert_eq!(output.json()["code"], code, "{output}");
    }
    assert_eq!(claims.sandbox.snapshot(), before);
}

#[test]
fn a_run_id_is_required() {
    let claims = Claims::new();
    for word in ["claim", "takeover", "assert", "release", "signal"] {
        let output = claims.command(&[word, "--json"]).output().exits(2);
        output.error_json("E_USAGE", "usage");
        claims.owner(&[word, "--run-id", " "], 2);
    }
    let exec = claims.command(&["exec"]).args(&["--", "true"]).output();
    assert!(exec.exits(2).stderr.contains("--run-id"));
    assert!(!claims.sandbox.exists(".pi"));
    claims.owner(&["status"], 0);
    claims.owner(&["stale"], 0);
}

#[test]
fn a_record_that_cannot_be_used_is_named_and_left() {
    let other = record("run-1", OLD).replace("17", "18");
    for (text, code, error) in [
        ("{\"schemaVersion\": 2,", "E_STORE_CORRUPT", "store_corrupt"),
        ("", "E_STORE_CORRUPT", "store_corrupt"),
        ("{\"schemaVersion\": 3}", "E_RECORD_SCHEMA", "record_schema"),
        (&other, "E_RECORD_TARGET_MISMATCH", "record_target_mismatch"),
    ] {
        let claims = Claims::new();
        claims.write_record(text);
        for word in [
            "claim", "takeover", "assert", "release", "signal", "status", "stale",
        ] {
            let command = claims.command(&[word, "--run-id", "run-1", "--json"]);
            let form = command.output().exits(1).error_json(code, error);
            assert_eq!(
                form["path"],
                claims.file("json").to_str().unwrap(),
                "{word}"
            );
            assert_eq!(
                fs::read_to_string(claims.file("json")).unwrap(),
                text,
                "{word}"
            );
        }
        let told = claims.owner(&["claim", "--run-id", "run-1"], 1);
        let hint = if code == "E_RECORD_SCHEMA" {
            "version"
        } else {
            "runr owner repair"
        };
        assert!(told.stderr.contains(hint), "{told}");
        let exec = claims.command(&["exec", "--run-id", "run-1"]);
        let never = claims.sandbox.scratch().join("never");
        exec.args(&["--", "touch", never.to_str().unwrap()])
            .output()
            .exits(1);
        assert!(!never.exists());
        assert_eq!(fs::read_to_string(claims.file("json")).unwrap(), text);
    }
}

#[test]
fn a_repair_moves_the_record_aside_and_claims_work_again() {
    let claims = Claims::new();
    claims.owner(&["claim", "--run-id", "run-1"], 0);
    let token = claims.token();
    fs::write(claims.file("json"), "junk").unwrap();
    let before = claims.sandbox.snapshot();
    let planned = claims.json(&["repair", "--dry-run"], 0);
    let told = claims.owner(&["repair", "--dry-run"], 0).stdout;
    assert!(
        told.starts_with("acme/shop#17: to repair\n  record kept: "),
        "{told}"
    );
    assert_eq!(claims.sandbox.snapshot(), before);
    let repaired = claims.json(&["repair"], 0);
    assert_eq!(repaired["ok"], true, "{repaired}");
    let deeds = |answer: &Value| {
        let actions = answer["actions"].as_array().unwrap().clone();
        actions
            .iter()
            .map(|it| it["action"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        deeds(&repaired),
        ["record_kept", "record_rebuilt"].map(Value::from)
    );
    assert_eq!(deeds(&planned), deeds(&repaired));
    assert_eq!(
        fs::read_to_string(claims.file("json.broken-1")).unwrap(),
        "junk"
    );
    assert_eq!(claims.document("json")["activeRun"]["runId"], "run-1");
    let claim = claims.json(&["takeover", "--run-id", "run-2"], 0);
    assert!(claim["token"].as_u64().unwrap() > token, "{claim}");
    let nothing = claims.owner(&["repair"], 0);
    assert_eq!(nothing.stdout, "acme/shop#17: nothing to repair\n");
}

#[test]
fn nothing_is_repaired_while_a_holder_lives() {
    let claims = Claims::new();
    lock(&claims, std::process::id());
    let before = claims.sandbox.snapshot();
    let refused = claims.json(&["repair"], 3);
    assert_eq!(refused["ok"], false, "{refused}");
    let told = claims.owner(&["repair"], 3);
    let living = format!("process {}", std::process::id());
    assert!(
        told.stderr.starts_with("Error: ") && told.stderr.contains(&living),
        "{told}"
    );
    assert_eq!(told.stdout, "");
    let after = claims.sandbox.snapshot();
    let is_own = |name: &&String| !name.ends_with(".oslock");
    assert!(after.keys().filter(is_own).eq(before.keys().filter(is_own)));
    fs::remove_dir_all(claims.file("json.lock")).unwrap();
    lock(&claims, dead());
    let repaired = claims.owner(&["repair"], 0).stdout;
    assert!(repaired.contains("\n  lock removed: "), "{repaired}");
    claims.owner(&["claim", "--run-id", "a"], 0);
}

/// A lock directory of another program, held by a process.
fn lock(claims: &Claims, pid: u32) {
    let dir = claims.file("json.lock");
    fs::create_dir_all(&dir).unwrap();
    let owner = json!({"pid": pid, "acquiredAt": OLD});
    fs::write(dir.join("owner.json"), owner.to_string()).unwrap();
}

/// The number of a process that has ended.
fn dead() -> u32 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn a_lock_is_removed_only_when_its_holder_is_dead_on_the_only_host() {
    let removed = Claims::new();
    lock(&removed, dead());
    removed.owner(&["claim", "--run-id", "a"], 0);
    assert!(!removed.file("json.lock").exists());

    let by_flag = Claims::new();
    by_flag
        .sandbox
        .configure(&Config::new().set("coordination", "single_host", json!(false)));
    lock(&by_flag, dead());
    by_flag.owner(&["claim", "--run-id", "a", "--single-host", "true"], 0);

    // These wait for five seconds, all at once.
    let (alive, shared, configured) = (Claims::new(), Claims::new(), Claims::new());
    lock(&alive, std::process::id());
    lock(&shared, dead());
    lock(&configured, dead());
    let config = Config::new().set("coordination", "single_host", json!(false));
    configured.sandbox.configure(&config);
    let waiting = [
        (&alive, vec![]),
        (&shared, vec!["--single-host", "false"]),
        (&configured, vec![]),
    ]
    .map(|(claims, flags)| {
        let command = claims.command(&["claim", "--run-id", "a", "--json"]);
        (claims, command.args(&flags).spawn())
    });
    for (claims, waiting) in waiting {
        let form = waiting
            .wait()
            .exits(1)
            .error_json("E_LOCK_TIMEOUT", "lock_timeout");
        assert!(
            form["hint"].as_str().unwrap().contains("runr owner repair"),
            "{form}"
        );
        assert!(claims.file("json.lock").exists());
        assert!(!claims.file("json").exists());
    }
}

#[test]
fn a_configuration_that_cannot_be_read_decides_nothing() {
    let claims = Claims::new();
    claims.sandbox.write(".runr/runr.config.json", "{");
    let output = claims
        .command(&["claim", "--run-id", "a", "--json"])
        .output()
        .exits(2);
    let form = output.error_json("E_CONFIG_INVALID", "config_invalid");
    assert!(
        form["hint"].as_str().unwrap().contains("--single-host"),
        "{form}"
    );
    assert!(!claims.sandbox.exists(".pi"));
    claims.owner(&["claim", "--run-id", "a", "--single-host", "false"], 0);
    claims.owner(&["status"], 0);
    // The rest of it may need mending.
    claims
        .sandbox
        .write(".runr/runr.config.json", "{\"coordination\": {}}");
    claims.owner(&["claim", "--run-id", "a"], 0);
}

#[test]
fn an_older_claim_of_the_same_run_is_refused() {
    let claims = Claims::new();
    claims.owner(&["claim", "--run-id", "a"], 0);
    let old = claims.token();
    claims.owner(&["release", "--run-id", "a"], 0);
    claims.owner(&["claim", "--run-id", "a"], 0);
    let with = |word: &str, token: u64, target: &str| {
        let command = claims.command(&[word, "--run-id", "a", "--json"]);
        command
            .env("RUNR_TOKEN", token.to_string())
            .env("RUNR_TARGET", target)
            .output()
    };
    for word in ["claim", "assert", "signal", "release"] {
        let output = with(word, old, "acme/shop#17").exits(3);
        assert_eq!(output.json_line()["error"], "ownership_lost", "{word}");
    }
    with("claim", claims.token(), "acme/shop#17").exits(0);
    // The number means nothing for another target.
    with("assert", old, "acme/shop#18").exits(0);
    let unnamed = claims
        .command(&["assert", "--run-id", "a"])
        .env("RUNR_TOKEN", old.to_string());
    unnamed.output().exits(3);
    let words = [&["owner", "claim", "--run-id", "b"], &PR[..]].concat();
    let foreign = claims.sandbox.runr(&words).env("RUNR_TOKEN", "x");
    assert_eq!(foreign.output().exits(3).stdout, "");
}
