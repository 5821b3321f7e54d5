//! How the branch takes the result: alone, with its tree, or not.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{assert_no_scratch, finish, finished, move_on, submit, submitted, tip};
use crate::support::{Sandbox, Script, strings};

#[test]
fn a_clean_checkout_is_brought_along() {
    let (sandbox, id) = finished(2);
    sandbox.write("docs/new.txt", "new\n");
    sandbox.commit("meanwhile");
    let old = sandbox.head();
    let result = submitted(&sandbox, &id, "main", &[], 0);
    assert_eq!(result["outcome"], "moved");
    assert_eq!(sandbox.head(), result["new_sha"].as_str().unwrap());
    assert_eq!(sandbox.git(&["symbolic-ref", "HEAD"]), "refs/heads/main");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    assert_eq!(sandbox.read("src/part2.txt"), "part 2\n");
    assert_eq!(
        sandbox.changed(&old, "main"),
        ["src/part1.txt", "src/part2.txt"]
    );
}

/// The result is kept, nothing else changed, and the printed command takes it once `mend` is done.
#[track_caller]
fn assert_kept(sandbox: &Sandbox, id: &str, why: &str, mend: impl FnOnce()) {
    let (old, status) = (sandbox.head(), sandbox.git(&["status", "--porcelain"]));
    let index = fs::read(sandbox.repo().join(".git/index")).unwrap();
    let result = submitted(sandbox, id, "main", &[], 3);
    let reference = format!("refs/runr/submit/{id}");
    assert_eq!(result["outcome"], "kept");
    assert_eq!(result["kept_as"], reference.as_str());
    assert_eq!(result["new_sha"], tip(sandbox, &reference).as_str());
    assert_eq!(result["verified"], true);
    let messages = strings(&result["messages"]);
    assert!(messages[0].contains(why), "{messages:?}");
    assert_eq!(sandbox.head(), old);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), status);
    assert_eq!(fs::read(sandbox.repo().join(".git/index")).unwrap(), index);
    assert_no_scratch(sandbox, id);

    mend();
    let recipe = strings(&result["recipe"]);
    assert_eq!(recipe.len(), 1);
    let taken = sandbox.command("sh").args(&["-c", &recipe[0]]).output();
    taken.exits(0);
    assert_eq!(sandbox.head(), result["new_sha"].as_str().unwrap());
}

#[test]
fn a_dirty_checkout_is_left_and_the_result_is_kept() {
    let (sandbox, id) = finished(2);
    sandbox.write("src/base.txt", "in the middle of something\n");
    assert_kept(&sandbox, &id, "uncommitted changes", || {
        sandbox.git(&["checkout", "-q", "src/base.txt"]);
    });
    let (sandbox, id) = finished(2);
    sandbox.write("untracked.txt", "mine\n");
    assert_kept(&sandbox, &id, "uncommitted changes", || {});
}

#[test]
fn what_git_does_not_bring_along_is_kept() {
    let (sandbox, id) = finished(1);
    let merging = sandbox.repo().join(".git/MERGE_HEAD");
    fs::write(&merging, sandbox.head()).unwrap();
    assert_kept(&sandbox, &id, "git did not fast-forward", || {
        fs::remove_file(merging).unwrap();
    });
}

#[test]
fn an_ignored_file_that_is_in_the_way_is_not_overwritten() {
    let (sandbox, id) = finished(1);
    let exclude = sandbox.repo().join(".git/info/exclude");
    fs::write(exclude, "/.runr*\n/src/part1.txt\n").unwrap();
    sandbox.write("src/part1.txt", "precious\n");
    assert_kept(&sandbox, &id, "would be overwritten", || {
        assert_eq!(sandbox.read("src/part1.txt"), "precious\n");
        fs::remove_file(sandbox.repo().join("src/part1.txt")).unwrap();
    });
}

#[test]
fn a_tree_with_a_live_run_is_left_and_the_result_is_kept() {
    let (sandbox, id) = finished(1);
    sandbox.script(&Script::happy(1).sleeping("implement", 60_000));
    let (_, running) = sandbox.run_until_implement(&["--no-branch"]);
    assert_kept(&sandbox, &id, "live run", || running.kill());
}

#[test]
fn a_branch_in_several_trees_is_left_and_the_result_is_kept() {
    let (sandbox, id) = finished(1);
    let other: PathBuf = sandbox.scratch().join("other");
    let at = other.to_str().unwrap().to_owned();
    sandbox.git(&["worktree", "add", "-q", "--force", &at, "main"]);
    assert_kept(&sandbox, &id, "several trees", || {});
}

/// A bare repository as `origin`, with everything that is here.
fn with_origin(sandbox: &Sandbox) -> PathBuf {
    let origin = sandbox.scratch().join("origin.git");
    sandbox.git(&["init", "-q", "--bare", origin.to_str().unwrap()]);
    sandbox.git(&["remote", "add", "origin", origin.to_str().unwrap()]);
    sandbox.git(&["push", "-q", "origin", "main", "release"]);
    origin
}

#[test]
fn a_pushed_branch_is_the_same_there() {
    let (sandbox, id) = finished(2);
    let origin = with_origin(&sandbox);
    let result = submitted(&sandbox, &id, "release", &["--push"], 0);
    assert_eq!(
        (&result["pushed"], &result["outcome"]),
        (&json!(true), &json!("moved"))
    );
    assert_eq!(
        sandbox.git_in(&origin, &["rev-parse", "release"]),
        tip(&sandbox, "release")
    );
    let heads = sandbox.git_in(&origin, &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(
        heads, "refs/heads/main\nrefs/heads/release",
        "and nothing else"
    );
}

#[test]
fn a_rejected_push_is_told_and_never_forced() {
    let (sandbox, id) = finished(2);
    let origin = with_origin(&sandbox);
    let theirs = move_on(&sandbox, "release", "docs/theirs.txt", "theirs\n");
    sandbox.git(&["push", "-q", "origin", "release"]);
    sandbox.git(&["update-ref", "refs/heads/release", "main"]);
    sandbox.git(&["config", "remote.origin.push", "+refs/heads/*:refs/heads/*"]);
    let result = submitted(&sandbox, &id, "release", &["--push"], 1);
    assert_eq!(
        (&result["pushed"], &result["outcome"]),
        (&json!(false), &json!("push_failed"))
    );
    let new = tip(&sandbox, "release");
    assert_eq!(result["new_sha"], new.as_str(), "here it has moved");
    assert_eq!(sandbox.git_in(&origin, &["rev-parse", "release"]), theirs);
    assert_eq!(
        result["recipe"],
        json!(["git push origin refs/heads/release:refs/heads/release"])
    );
}

#[test]
fn a_push_that_failed_is_tried_again_by_the_next_submission() {
    let (sandbox, id) = finished(1);
    let origin = with_origin(&sandbox);
    let away = sandbox.scratch().join("away.git");
    fs::rename(&origin, &away).unwrap();
    let result = submitted(&sandbox, &id, "release", &["--push"], 1);
    assert_eq!(result["outcome"], "push_failed");
    let new = tip(&sandbox, "release");
    assert_eq!(result["new_sha"], new.as_str());

    let result = submitted(&sandbox, &id, "release", &["--push"], 1);
    let told = (&result["outcome"], &result["pushed"]);
    assert_eq!(told, (&json!("push_failed"), &json!(false)));
    assert_eq!(strings(&result["recipe"]).len(), 1);
    fs::rename(&away, &origin).unwrap();
    let there = || sandbox.git_in(&origin, &["rev-parse", "release"]);
    let words = ["submit", &id, "--to", "release", "--push", "--dry-run"];
    let shown = sandbox.runr(&words).output().exits(0);
    assert!(!shown.stdout.contains("pushed"), "{shown}");
    assert_ne!(there(), new, "a dry run pushes nothing");

    let result = submitted(&sandbox, &id, "release", &["--push"], 0);
    let told = (&result["outcome"], &result["pushed"]);
    assert_eq!(told, (&json!("nothing_to_move"), &json!(true)));
    assert_eq!(there(), new);
    let shown = sandbox.runr(&words[..5]).output().exits(0);
    assert!(shown.stdout.contains("pushed to origin"), "{shown}");
}

#[test]
fn what_the_other_side_says_of_a_push_is_told_without_its_secrets() {
    use std::os::unix::fs::PermissionsExt;
    let (sandbox, id) = finished(1);
    let hook = with_origin(&sandbox).join("hooks/pre-receive");
    let secret = format!("ghp_{}", "a1B2".repeat(9));
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\necho no, {secret}\nexit 1\n")).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let words = ["submit", &id, "--to", "release", "--push"];
    let shown = sandbox.runr(&words).output().exits(1);
    assert!(shown.stdout.contains("remote: no, "), "{shown}");
    assert!(!shown.stdout.contains(&secret), "{shown}");
    let line = "release has moved here, but it was not pushed";
    assert!(shown.stdout.contains(line), "{shown}");
}

#[test]
fn a_push_to_nowhere_is_refused_before_anything_is_done() {
    let (sandbox, id) = finished(1);
    let old = tip(&sandbox, "release");
    let output = submit(&sandbox, &id, "release", &["--push"])
        .output()
        .exits(2);
    output.error_json("E_USAGE", "usage");
    assert_eq!(tip(&sandbox, "release"), old);
}

#[test]
fn no_hook_runs_and_nothing_is_signed() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let id = finish(&sandbox);
    let canary = sandbox.scratch().join("canary");
    for hook in [
        "post-merge",
        "pre-push",
        "reference-transaction",
        "post-checkout",
        "commit-msg",
    ] {
        let path = sandbox.repo().join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\ntouch '{}'\n", canary.display())).unwrap();
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let origin = sandbox.scratch().join("origin.git");
    sandbox.git(&["init", "-q", "--bare", origin.to_str().unwrap()]);
    sandbox.git(&["remote", "add", "origin", origin.to_str().unwrap()]);
    sandbox.git(&["config", "commit.gpgSign", "true"]);
    sandbox.git(&["config", "gpg.program", "/bin/false"]);
    fs::remove_file(&canary).ok();
    let result = submitted(&sandbox, &id, "main", &["--push"], 0);
    assert_eq!(result["pushed"], true);
    assert!(!canary.exists());
    assert_eq!(result["failed_check"], Value::Null);
}
