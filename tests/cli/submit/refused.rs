//! What refuses a submission before anything is done.

use std::fs;

use serde_json::json;

use super::{everything, finish, finished, path_with_git, submit, submitted, tip};
use crate::support::{Output, Sandbox, Script, blocked};

/// Refused with this code; nothing changed.
#[track_caller]
fn assert_refused(sandbox: &Sandbox, id: &str, to: &str, exit: i32, code: &str) -> Output {
    let before = everything(sandbox);
    let output = submit(sandbox, id, to, &[]).output().exits(exit);
    assert_eq!(output.json()["code"], code, "{output}");
    assert!(everything(sandbox) == before, "{output}");
    output
}

#[test]
fn a_live_run_is_refused() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 60_000));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    let output = submit(&sandbox, &id, "main", &[]).output().exits(3);
    let error = output.error_json("E_RUN_ACTIVE", "run_active");
    assert_eq!(error["pid"], running.pid().as_raw_nonzero().get());
}

#[test]
fn a_run_without_a_checkpoint_is_refused() {
    let sandbox = Sandbox::scripted(&Script::one(blocked("no")));
    let id = sandbox.run(&["--worktree"], 1).id;
    let output = assert_refused(&sandbox, &id, "main", 3, "E_GUARD_VIOLATION");
    assert_eq!(output.json()["reasons"], json!(["no_checkpoint"]));
    assert_refused(&sandbox, "20200101000000", "main", 4, "E_RUN_NOT_FOUND");
}

#[test]
fn a_branch_that_does_not_exist_is_not_made() {
    let (sandbox, id) = finished(1);
    let output = assert_refused(&sandbox, &id, "relaese", 2, "E_USAGE");
    assert_eq!(output.json()["hint"], "git branch relaese <commit>");
}

#[test]
fn what_is_no_plain_name_of_a_branch_never_reaches_git() {
    let (sandbox, id) = finished(1);
    sandbox.git(&["checkout", "-q", "release"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/release"]);
    // Below the level at which git refuses such names.
    for name in ["HEAD", "--delete"] {
        sandbox.git(&["update-ref", &format!("refs/heads/{name}"), "main"]);
    }
    for name in [
        "main:main",
        "+main",
        "@{-1}",
        "HEAD",
        "refs/heads/main",
        "main~1",
        "main^",
        "a..b",
        "a b",
        "*",
        "../main",
        "main.lock",
        "",
        "/",
        "alias",
        "main\nrelease",
    ] {
        assert_refused(&sandbox, &id, name, 2, "E_USAGE");
    }
    let before = everything(&sandbox);
    let words = ["submit", &id, "--to=--delete", "--json"];
    sandbox
        .runr(&words)
        .output()
        .exits(2)
        .error_json("E_USAGE", "usage");
    sandbox.runr(&["submit", &id, "--json"]).output().exits(2);
    assert!(everything(&sandbox) == before);
}

#[test]
fn a_commit_that_the_timeline_does_not_prove_is_refused() {
    let (sandbox, id) = finished(1);
    let path = sandbox.run_dir(&id).join("timeline.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let sha = tip(&sandbox, &format!("runr/{id}"));
    let base = tip(&sandbox, "main");
    fs::remove_file(sandbox.run_dir(&id).join("state.json")).unwrap();
    for (real, planted) in [
        (&sha, "--output=/tmp/planted"),
        (&sha, "main"),
        (&sha, "0000000000000000000000000000000000000001"),
        (&base, "--all"),
        (&base, "refs/heads/main"),
    ] {
        fs::write(&path, text.replace(real.as_str(), planted)).unwrap();
        assert_refused(&sandbox, &id, "release", 1, "E_STORE_CORRUPT");
    }
    fs::write(&path, &text).unwrap();
    submitted(&sandbox, &id, "release", &[], 0);
}

/// `runr owner` on the target of these tests.
fn owner(sandbox: &Sandbox, verb: &str, run: &str) {
    let words = [
        "owner",
        verb,
        "--repo",
        "acme/shop",
        "--pr",
        "17",
        "--run-id",
        run,
    ];
    sandbox.runr(&words).output().exits(0);
}

#[test]
fn a_run_whose_target_is_owned_by_another_one_is_refused() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let id = sandbox.run(&["--worktree", "--own", "acme/shop#17"], 0).id;
    sandbox.git(&["branch", "release"]);
    owner(&sandbox, "claim", "run-b");
    let output = assert_refused(&sandbox, &id, "release", 3, "E_OWNERSHIP_LOST");
    assert_eq!(output.json()["owner"], "run-b");
    owner(&sandbox, "release", "run-b");
    submitted(&sandbox, &id, "release", &["--dry-run"], 0);
    owner(&sandbox, "claim", &id);
    submitted(&sandbox, &id, "release", &[], 0);
}

#[test]
fn a_takeover_during_the_checks_keeps_the_branch() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let runr = env!("CARGO_BIN_EXE_runr");
    let claim = format!("'{runr}' owner claim --repo acme/shop --pr 17 --run-id run-b");
    let check = format!("case $(pwd) in */submit-*) {claim} ;; esac");
    sandbox.configure(&crate::support::Config::new().tier("tier0", &[&check]));
    sandbox.commit("a check");
    sandbox.runr(&["trust"]).output().exits(0);
    let id = sandbox.run(&["--worktree", "--own", "acme/shop#17"], 0).id;
    sandbox.git(&["branch", "release"]);
    let old = tip(&sandbox, "release");
    let output = submit(&sandbox, &id, "release", &[]).output().exits(3);
    output.error_json("E_OWNERSHIP_LOST", "ownership_lost");
    assert_eq!(tip(&sandbox, "release"), old);
    super::assert_no_scratch(&sandbox, &id);
}

#[test]
fn a_git_that_cannot_merge_without_a_tree_is_refused() {
    let (sandbox, id) = finished(1);
    let first = "for word; do [ \"$word\" = --version ] && exec echo git version 2.39.5; done";
    let path = path_with_git(&sandbox, first);
    let old = submit(&sandbox, &id, "release", &[]).env("PATH", path);
    let error = old
        .output()
        .exits(3)
        .error_json("E_GIT_TOO_OLD", "git_too_old");
    assert_eq!(error["message"], "git 2.39.5 is too old, 2.40 needed");
    submitted(&sandbox, &id, "release", &[], 0);
}

#[test]
fn commits_that_are_no_line_from_the_base_need_to_become_one() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write("src/late.txt", "late\n");
    sandbox.commit("the base");
    // The base is only the second parent of what the worker left.
    let step = json!({
        "reply": {"status": "ok", "handoff_memo": "done"},
        "files": {"src/a.txt": "a\n"},
        "git": [
            "add src/a.txt", "commit -q -m a", "tag mine", "checkout -q --detach HEAD~2",
            "merge -q --no-ff -m crossed mine", "tag crossed", "checkout -q runr/{run_id}",
            "reset -q --hard crossed", "tag -d mine", "tag -d crossed",
        ],
    });
    sandbox.script(&Script::one(step));
    let id = finish(&sandbox);
    let output = assert_refused(&sandbox, &id, "release", 2, "E_USAGE");
    assert_eq!(output.json()["hint"], "--squash makes one commit of them");
    let old = tip(&sandbox, "release");
    submitted(&sandbox, &id, "release", &["--squash"], 0);
    assert_eq!(sandbox.changed(&old, "release"), ["src/a.txt"]);
}

#[test]
fn a_git_that_fails_has_not_said_no() {
    let (sandbox, id) = finished(1);
    let before = everything(&sandbox);
    for verb in ["check-ref-format", "show-ref", "symbolic-ref", "cat-file"] {
        let first = format!("for word; do [ \"$word\" = {verb} ] && exit 128; done");
        let path = path_with_git(&sandbox, &first);
        let failing = submit(&sandbox, &id, "release", &[]).env("PATH", path);
        let output = failing.output();
        assert_eq!(output.json()["code"], "E_IO", "{verb}: {output}");
        assert!(everything(&sandbox) == before, "{output}");
    }
    submitted(&sandbox, &id, "release", &[], 0);
}
