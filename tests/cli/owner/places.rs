//! Which record a command means.

use std::fs;

use serde_json::{Value, json};

use super::Claims;
use crate::support::Sandbox;

#[track_caller]
fn file_path(sandbox: &Sandbox, words: &[&str]) -> String {
    let output = sandbox
        .runr(&["owner", "status", "--json"])
        .args(words)
        .output()
        .exits(0);
    output.json_line()["filePath"].as_str().unwrap().to_owned()
}

#[test]
fn worktrees_share_the_records_of_their_checkout() {
    let claims = Claims::new();
    let sandbox = &claims.sandbox;
    let tree = sandbox.scratch().join("tree");
    sandbox.git(&["worktree", "add", "-q", tree.to_str().unwrap()]);
    fs::create_dir(tree.join("deep")).unwrap();
    let link = sandbox.scratch().join("link");
    std::os::unix::fs::symlink(tree.join("deep"), &link).unwrap();
    for dir in [
        &tree,
        &tree.join("deep"),
        &link,
        &sandbox.repo().join("src"),
    ] {
        let run = dir.file_name().unwrap().to_str().unwrap();
        let taken = claims
            .command(&["takeover", "--run-id", run, "--json"])
            .cwd(dir)
            .output();
        let taken = taken.exits(0).json_line();
        assert_eq!(
            taken["filePath"],
            claims.file("json").to_str().unwrap(),
            "{run}"
        );
    }
    assert_eq!(claims.document("json")["activeRun"]["runId"], "src");
    assert!(!tree.join(".pi").exists() && !sandbox.exists("src/.pi"));
    let root = tree.join("deep");
    let from_elsewhere = [
        "assert",
        "--run-id",
        "src",
        "--root",
        root.to_str().unwrap(),
    ];
    claims.command(&from_elsewhere).cwd("/").output().exits(0);
}

#[test]
fn outside_of_git_the_directory_itself_is_the_root() {
    let claims = Claims::new();
    let dir = claims.sandbox.scratch().join("plain");
    fs::create_dir(&dir).unwrap();
    claims
        .command(&["claim", "--run-id", "a"])
        .cwd(&dir)
        .output()
        .exits(0);
    assert!(
        dir.join(".pi/runner-coordination/acme/shop/pr-17.json")
            .exists()
    );
    assert!(!claims.file("json").exists());
}

#[test]
fn the_repository_is_that_of_origin() {
    let sandbox = Sandbox::bare();
    sandbox.git(&["remote", "add", "origin", "git@github.com:Acme/Shop.git"]);
    let claimed = sandbox.runr(&["owner", "claim", "--pr", "17", "--run-id", "a", "--json"]);
    assert_eq!(claimed.output().exits(0).json_line()["repo"], "acme/shop");
    let tree = sandbox.scratch().join("tree");
    sandbox.git(&["worktree", "add", "-q", tree.to_str().unwrap()]);
    let same = sandbox
        .runr(&["owner", "assert", "--pr", "17", "--run-id", "a"])
        .cwd(&tree);
    same.output().exits(0);
    sandbox.git(&["remote", "set-url", "origin", "../elsewhere.git"]);
    let path = file_path(&sandbox, &["--pr", "17"]);
    assert!(path.contains("/local/"), "a path names nobody: {path}");
}

#[test]
fn without_origin_the_repository_is_called_by_its_id() {
    let sandbox = Sandbox::bare();
    let arguments = json!({"origin_url": "", "repo_root": sandbox.repo()});
    let id = sandbox
        .runr(&["call", "repo_id"])
        .stdin(&arguments.to_string());
    let id = id.output().exits(0).json_line();
    let claim = sandbox.runr(&["owner", "claim", "--pr", "1", "--run-id", "a", "--json"]);
    let claim = claim.output().exits(0).json_line();
    assert_eq!(claim["repo"], format!("local/{}", id.as_str().unwrap()));
}

#[test]
fn issues_and_branches_have_records_of_their_own() {
    let sandbox = Sandbox::bare();
    let claim = |flag: &str, name: &str, run: &str| -> Value {
        let words = [
            "owner",
            "claim",
            "--repo",
            "acme/shop",
            flag,
            name,
            "--run-id",
            run,
            "--json",
        ];
        sandbox.runr(&words).output().exits(0).json_line()
    };
    claim("--pr", "17", "a");
    let issue = claim("--issue", "17", "b");
    let branch = claim("--branch", "fix/v1.0", "c");
    assert_eq!(
        (&issue["kind"], &issue["issue"]),
        (&json!("issue"), &json!(17))
    );
    assert_eq!(
        (&branch["kind"], &branch["branch"]),
        (&json!("branch"), &json!("fix/v1.0"))
    );
    let dir = ".pi/runner-coordination/acme/shop";
    for name in ["pr-17.json", "issue-17.json", "branch-fix%2Fv1%2E0.json"] {
        assert!(sandbox.exists(&format!("{dir}/{name}")), "{name}");
    }
    let told = sandbox.runr(&[
        "owner",
        "status",
        "--repo",
        "acme/shop",
        "--branch",
        "fix/v1.0",
    ]);
    let told = told.output().exits(0).stdout;
    assert!(
        told.starts_with("acme/shop@fix/v1.0: owned by c\n"),
        "{told}"
    );
}

#[test]
fn the_slug_may_stand_before_the_command_and_is_no_directory() {
    let sandbox = Sandbox::bare();
    for words in [
        ["--repo", "acme/shop", "owner", "status", "--pr", "1"],
        ["owner", "--repo", "acme/shop", "status", "--pr", "1"],
        ["owner", "status", "--pr", "1", "--repo", "acme/shop"],
    ] {
        let status = sandbox
            .runr(&words)
            .args(&["--json"])
            .output()
            .exits(0)
            .json_line();
        assert_eq!(status["repo"], "acme/shop", "{words:?}");
        let root = sandbox.repo();
        assert!(
            status["filePath"]
                .as_str()
                .unwrap()
                .starts_with(root.to_str().unwrap())
        );
    }
}
