//! The table of errors of the store from the command line: exit status, code, details, hint.

use std::fs;
use std::path::Path;

use camino::Utf8Path;
use runr_core::fs::{Lock, Wait, real};
use serde_json::{Value, json};

use crate::support::{Output, Sandbox, Script, Shop, least};

/// Checks the error of a command, and that each of these details is there.
#[track_caller]
fn refused(output: Output, exit: i32, code: &str, details: &[&str]) -> Value {
    let output = output.exits(exit);
    let error = output.json();
    assert_eq!(error["code"], code, "{output}");
    for key in ["error", "message"].iter().chain(details) {
        assert!(!error[*key].is_null(), "no {key} in {output}");
    }
    error
}

const HINT: &str = "hint";

/// What is done before the command.
type SetUp = fn(&Shop);

/// What is done, what is asked, and the exit status, the code and the details of the answer.
type Row<'a> = (SetUp, &'a [&'a str], i32, &'a str, &'a [&'a str]);

fn nothing(_: &Shop) {}

fn one_run(shop: &Shop) {
    shop.create_as("gh-1777");
}

fn two_runs(shop: &Shop) {
    let named = least(r#","name":"fix""#);
    shop.write("gh-1777", named.as_bytes());
    shop.write("gh-1778", named.as_bytes());
}

fn broken(shop: &Shop) {
    shop.write("gh-1777", b"{\"schema_version\": ");
}

fn bad_events(shop: &Shop) {
    fs::write(shop.create_as("gh-1777").join("events.jsonl"), "{}\nno\n").unwrap();
}

fn temporary_in_the_way(shop: &Shop) {
    fs::create_dir(shop.create_as("gh-1777").join(".meta.json.tmp")).unwrap();
}

fn file_for_a_list(shop: &Shop) {
    fs::create_dir(shop.data()).unwrap();
    fs::write(shop.data().join("repos"), "").unwrap();
}

#[test]
#[rustfmt::skip]
fn every_error_of_the_store_has_its_exit_status_and_its_details() {
    let over = format!("x={}", "y".repeat(100));
    let rows: &[Row<'_>] = &[
        (one_run, &["new", "--title", "t", "--run-id", "gh-1777"], 3, "E_RUN_DIR_EXISTS", &["run_dir"]),
        (file_for_a_list, &["new", "--title", "t"], 1, "E_RUN_DIR_CREATE_FAILED", &["runs_dir", "cause"]),
        (temporary_in_the_way, &["set", "gh-1777", &over], 1, "E_META_WRITE_FAILED", &["meta_path", "stage", "committed", "cause"]),
        (nothing, &["new", "--title", "t", "--worktree", "/nowhere"], 1, "E_INTERNAL", &["step", "worktree_path"]),
        (nothing, &["new", "--title", "t", "--worktree", "/dev/null"], 1, "E_INTERNAL", &["step", "worktree_path"]),
        (one_run, &["show", "gh-2"], 4, "E_RUN_NOT_FOUND", &["input", HINT]),
        (one_run, &["set", "gh-2", "x=1"], 4, "E_RUN_NOT_FOUND", &["input", HINT]),
        (one_run, &["events", "gh-2"], 4, "E_RUN_NOT_FOUND", &["input", HINT]),
        (nothing, &["show", "latest"], 4, "E_NO_RUNS", &[HINT]),
        (bad_events, &["events", "gh-1777"], 1, "E_STORE_CORRUPT", &["path", "offset", "line", "cause", HINT]),
        (bad_events, &["events", "gh-1777", "--append", "x"], 1, "E_STORE_CORRUPT", &["path", "offset", "cause", HINT]),
        (broken, &["show", "gh-1777"], 1, "E_RUN_BROKEN", &["run_id", "repo_id", "meta_path", "cause", HINT]),
        (broken, &["set", "gh-1777", "x=1"], 1, "E_RUN_BROKEN", &["run_id", "repo_id", "meta_path", "cause", HINT]),
        (two_runs, &["show", "gh-177"], 2, "E_RUN_ID_AMBIGUOUS", &["input", "candidates", HINT]),
        (two_runs, &["show", "fix"], 2, "E_RUN_REF_AMBIGUOUS", &["input", "candidates", HINT]),
        (nothing, &["new", "--title", "t", "--run-id", "../x"], 2, "E_INVALID_ID", &["field", "value"]),
        (nothing, &["new", "--title", "t", "--repo-id", ".."], 2, "E_INVALID_ID", &["field", "value"]),
        (one_run, &["set", "gh-1777", "name=No Name"], 2, "E_INVALID_ID", &["field", "value"]),
        (file_for_a_list, &["ls"], 1, "E_IO", &["path", "operation", "cause"]),
        (nothing, &["show", " "], 2, "E_USAGE", &[HINT]),
        (one_run, &["set", "gh-1777", "run_id=x"], 2, "E_USAGE", &["field"]),
        (nothing, &["ls", "--sideways"], 2, "E_USAGE", &[]),
    ];
    for (set_up, args, exit, code, details) in rows {
        let shop = Shop::new();
        set_up(&shop);
        let words: Vec<_> = args.iter().chain(&["--json"]).copied().collect();
        refused(shop.store(&words).output(), *exit, code, details);
    }
}

#[test]
fn a_document_that_cannot_be_read_is_named_with_its_place() {
    let shop = Shop::new();
    broken(&shop);
    let read = |id: &str| shop.call("store_read", json!({"run_id": id})).output();
    let details = ["path", "offset", "line", "column", "cause", HINT];
    refused(read("gh-1777"), 1, "E_STORE_CORRUPT", &details);
    shop.write("gh-1778", b"");
    let lost = refused(read("gh-1778"), 1, "E_STORE_CORRUPT", &details);
    assert!(
        lost["hint"].as_str().unwrap().contains("power loss"),
        "{lost}"
    );
    shop.write("gh-1779", br#"{"schema_version":"2.0","created_at":"x"}"#);
    let later = refused(read("gh-1779"), 1, "E_STORE_CORRUPT", &["schema_version"]);
    assert_eq!(later["schema_version"], "2.0");
}

#[test]
fn a_run_that_several_repositories_have_is_ambiguous() {
    let shop = Shop::new();
    for repo in ["r1", "r2"] {
        shop.json(&[
            "new",
            "--title",
            "t",
            "--run-id",
            "gh-1777",
            "--repo-id",
            repo,
        ]);
    }
    let read = shop
        .call("store_read", json!({"run_id": "gh-1777"}))
        .output();
    let error = refused(
        read,
        2,
        "E_RUN_ID_AMBIGUOUS",
        &["input", "candidates", HINT],
    );
    assert_eq!(error["candidates"][1]["repo_id"], "r2");
    let shown = shop.store(&["show", "gh-1777", "--json"]).output();
    refused(
        shown,
        2,
        "E_RUN_ID_AMBIGUOUS",
        &["input", "candidates", HINT],
    );
}

#[test]
fn a_lock_that_is_held_for_long_ends_the_wait() {
    let shop = Shop::new();
    let dir = shop.create_as("gh-1777");
    let dir = Utf8Path::from_path(&dir).unwrap();
    let guard = Lock::acquire(&real(), dir, ".lock", Wait::No).unwrap();
    let waiting =
        ["x=1", "y=1"].map(|change| shop.store(&["set", "gh-1777", change, "--json"]).spawn());
    for output in waiting.map(crate::support::Running::wait) {
        let error = refused(
            output,
            1,
            "E_LOCK_TIMEOUT",
            &["lock_path", "waited_ms", HINT],
        );
        assert_eq!(error["retryable"], true);
        assert_eq!(error["lock_path"], dir.join(".lock").as_str());
    }
    drop(guard);
    shop.json(&["set", "gh-1777", "x=1"]);
}

#[test]
fn a_tree_in_use_is_named_with_its_run() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 30_000));
    let (id, _running) = sandbox.run_until_implement(&[]);
    let second = sandbox.run_command(&[]).output();
    let error = refused(second, 3, "E_TREE_BUSY", &["tree", "run_id"]);
    assert_eq!(error["run_id"], id);
}

#[test]
fn a_directory_that_took_the_place_of_a_worktree_is_named() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree", "--max-ticks", "3"], 1);
    let tree = sandbox.worktree(&run.id);
    fs::remove_dir_all(&tree).unwrap();
    fs::create_dir(&tree).unwrap();
    // With --json a resume only says what it would do.
    let resumed = sandbox.runr(&["resume", &run.id]).output().exits(4);
    for detail in [
        format!("  run_id: {}", run.id),
        format!("  worktree_path: {}", tree.display()),
    ] {
        resumed.says(&detail);
    }
}

#[test]
fn a_place_without_a_repository_is_named() {
    let sandbox = Sandbox::bare();
    let outside = sandbox.runr(&["status", "--json"]).cwd(sandbox.scratch());
    refused(outside.output(), 4, "E_NOT_A_REPO", &["path", HINT]);
    let root = Path::new("/nowhere/at/all");
    let gone = sandbox.runr(&["status", "--json", "--root", root.to_str().unwrap()]);
    refused(gone.output(), 4, "E_NOT_A_REPO", &["path", HINT]);
}
