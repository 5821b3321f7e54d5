//! `runr owner --compat`: output and exit status of the older tool with the same files.

use std::fs;

use serde_json::{Value, json};

use crate::owner::{Claims, record};
use crate::support::{Command, Output, assert_ordered_fields};

const PR: [&str; 4] = ["--repo", "Acme/Shop", "--pr", "17"];

fn compat(claims: &Claims, words: &[&str]) -> Command {
    claims.sandbox.runr(&["owner", "--compat"]).args(words)
}

fn on_pr(claims: &Claims, words: &[&str]) -> Output {
    compat(claims, words).args(&PR).output()
}

/// The one compact line of a success.
#[track_caller]
fn done(output: Output) -> Value {
    let output = output.exits(0);
    assert_eq!(output.stderr, "", "{output}");
    output.json_line()
}

/// The one line of standard error.
#[track_caller]
fn complaint(output: Output) -> Value {
    let output = output.exits(1);
    assert_eq!(output.stdout, "", "{output}");
    let line = output.stderr.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{output}");
    serde_json::from_str(line).unwrap()
}

/// The object of an error: JSON in a JSON string.
#[track_caller]
fn error(output: Output) -> Value {
    let line = complaint(output);
    let inner = line
        .as_str()
        .unwrap_or_else(|| panic!("encoded once: {line}"));
    let object: Value = serde_json::from_str(inner).unwrap();
    assert_eq!(object["ok"], false);
    assert!(
        object["error"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{object}"
    );
    object
}

#[test]
fn a_success_is_one_line_without_a_token() {
    let claims = Claims::new();
    let free = done(on_pr(&claims, &["status"]));
    assert_ordered_fields(&free, &["ok", "command", "repo", "pr", "filePath", "state"]);
    assert_eq!(
        (&free["command"], &free["state"]),
        (&json!("status"), &Value::Null)
    );
    assert_eq!(
        (&free["repo"], &free["pr"]),
        (&json!("acme/shop"), &json!(17))
    );

    let claim = done(on_pr(&claims, &["claim", "--run-id", " run-1 "]));
    assert_ordered_fields(
        &claim,
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
        ],
    );
    for (words, status) in [
        (["assert", "--run-id", "run-1"], "owner_confirmed"),
        (["takeover", "--run-id", "run-2"], "taken_over"),
        (["release", "--run-id", "run-2"], "released"),
        (["assert", "--run-id", "run-1"], "no_owner_record"),
    ] {
        let answer = done(on_pr(&claims, &words));
        assert_eq!(answer["status"], status);
        assert_eq!(answer.get("token"), None);
    }
    let state = &done(on_pr(&claims, &["status"]))["state"];
    assert_eq!(*state, claims.document("json"));
}

#[test]
fn the_flag_may_stand_anywhere_and_the_environment_names_the_run() {
    let claims = Claims::new();
    let words = [
        "owner",
        "claim",
        "--repo",
        "acme/shop",
        "--pr",
        "17",
        "--compat",
    ];
    let claim = claims
        .sandbox
        .runr(&words)
        .env("PI_SUBAGENT_RUN_ID", "env")
        .output();
    assert_eq!(done(claim)["runId"], "env");
    let root = claims.sandbox.repo();
    let words = ["-C", root.to_str().unwrap(), "owner", "--compat", "status"];
    let elsewhere = claims.sandbox.runr(&words).args(&PR).cwd("/").output();
    assert_eq!(
        done(elsewhere)["filePath"],
        claims.file("json").to_str().unwrap()
    );
}

#[test]
fn a_conflict_is_one_line_on_standard_error() {
    let claims = Claims::new();
    done(on_pr(&claims, &["claim", "--run-id", "run-1"]));
    for (words, error) in [
        (vec!["claim", "--run-id", "run-2"], "active_run_exists"),
        (vec!["assert", "--run-id", "run-2"], "ownership_lost"),
        (vec!["release", "--run-id", "run-2"], "ownership_lost"),
        (vec!["claim"], "run_id_required"),
    ] {
        let conflict = complaint(on_pr(&claims, &words));
        assert_eq!(
            (&conflict["ok"], &conflict["error"]),
            (&json!(false), &json!(error))
        );
        assert!(conflict["message"].is_string(), "encoded once: {conflict}");
    }
    done(on_pr(&claims, &["release", "--run-id", "run-1"]));
    let missing = on_pr(
        &claims,
        &["assert", "--require-existing", "--run-id", "run-1"],
    );
    assert_eq!(complaint(missing)["error"], "ownership_missing");
}

#[test]
fn bad_arguments_come_with_the_usage_encoded_twice() {
    let claims = Claims::new();
    for words in [
        vec!["claim", "--repo", "a/b"],
        vec!["claim", "--pr", "1"],
        vec!["claim", "--repo", "a/b", "--pr", "0"],
        vec!["claim", "--repo", "a/b", "--pr", "1.5"],
        vec!["claim", "--repo", "a/b", "--pr", "-1"],
        vec!["claim", "--repo", "--pr", "1"],
        vec!["claim", "--repo", " ", "--pr", "1"],
        vec!["claim", "--repo", "a/b", "--pr", "1", "--bad"],
        vec!["signal", "--repo", "a/b", "--pr", "1"],
        vec!["--repo", "a/b", "--pr", "1"],
        vec!["claim", "--bad", "--help"],
    ] {
        let object = error(compat(&claims, &words).output());
        assert_ordered_fields(&object, &["ok", "error", "usage"]);
        assert!(
            object["usage"]
                .as_str()
                .unwrap()
                .contains("--require-existing"),
            "{words:?}"
        );
    }
    assert!(!claims.sandbox.exists(".pi"));
    // The name of the command is looked at last.
    let last = error(compat(&claims, &["nonsense", "--bad"]).output());
    assert!(last["error"].as_str().unwrap().contains("--bad"), "{last}");
}

#[test]
fn a_raised_error_is_encoded_twice_without_the_usage() {
    let claims = Claims::new();
    let slug = ["claim", "--repo", "nobody", "--pr", "1", "--run-id", "a"];
    assert_ordered_fields(&error(compat(&claims, &slug).output()), &["ok", "error"]);
    for text in ["junk", &record("run-1", "x").replace("17", "18")] {
        claims.write_record(text);
        for word in ["status", "claim", "takeover", "assert", "release"] {
            let object = error(on_pr(&claims, &[word, "--run-id", "run-1"]));
            assert_ordered_fields(&object, &["ok", "error"]);
            assert_eq!(
                fs::read_to_string(claims.file("json")).unwrap(),
                text,
                "{word}"
            );
        }
    }
}

#[test]
fn help_is_an_answer_wherever_it_stands_before_an_error() {
    let claims = Claims::new();
    for words in [
        vec![],
        vec!["-h"],
        vec!["--help"],
        vec!["nonsense", "--pr", "0", "--help", "--bad"],
    ] {
        let help = compat(&claims, &words).output().exits(0);
        assert!(help.stdout.starts_with("Usage: "), "{help}");
        assert_eq!(help.stderr, "", "{help}");
    }
}
