//! A branch that no tree has checked out, and that is still not free: a tree was cut off from it, is
//! switched away from it, or will come back to it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{finished, path_with_git, submit, submitted, tip};
use crate::support::{Sandbox, strings};

/// A tree that has the branch `release` checked out.
fn tree_of_release(sandbox: &Sandbox, tree: PathBuf) -> PathBuf {
    let at = tree.to_str().unwrap();
    sandbox.git(&["worktree", "add", "-q", at, "release"]);
    tree
}

/// The result is kept for this reason and no branch has moved.
#[track_caller]
fn assert_kept(sandbox: &Sandbox, result: &Value, why: &str, heads: &str) {
    assert_eq!(result["outcome"], "kept", "{result}");
    let kept = result["kept_as"].as_str().unwrap();
    assert_eq!(tip(sandbox, kept), result["new_sha"].as_str().unwrap());
    let messages = strings(&result["messages"]);
    assert!(messages[0].contains(why), "{messages:?}");
    assert_eq!(branches(sandbox), heads);
    assert!(!sandbox.exists("src/part1.txt"));
}

fn branches(sandbox: &Sandbox) -> String {
    sandbox.git(&["for-each-ref", "refs/heads"])
}

#[test]
fn a_tree_that_is_cut_off_from_its_branch_moves_no_other_one() {
    // Git would find the repository around the one, and none around the other.
    for inside in [true, false] {
        let (sandbox, id) = finished(1);
        let place = if inside {
            sandbox.worktree("release")
        } else {
            sandbox.scratch().join("release")
        };
        let tree = tree_of_release(&sandbox, place);
        fs::remove_file(tree.join(".git")).unwrap();
        let heads = branches(&sandbox);
        let result = submitted(&sandbox, &id, "release", &[], 3);
        assert_kept(&sandbox, &result, "no longer has it checked out", &heads);

        let recipe = strings(&result["recipe"]);
        assert_eq!(recipe.len(), 2, "{recipe:?}");
        let mended = sandbox.command("sh").args(&["-c", &recipe[0]]).output();
        mended.exits(0);
        assert_eq!(recipe[1], format!("runr submit {id} --to release"));
        let result = submitted(&sandbox, &id, "release", &[], 0);
        assert_eq!(result["outcome"], "moved");
        assert!(tree.join("src/part1.txt").exists());
    }
}

#[test]
fn a_tree_of_another_repository_is_not_touched() {
    let (sandbox, id) = finished(1);
    let tree = tree_of_release(&sandbox, sandbox.scratch().join("release"));
    // A copy of the whole repository: it has the commits and a branch of this name.
    fs::remove_file(tree.join(".git")).unwrap();
    let from = sandbox.repo().join(".git");
    let copy = ["-R", from.to_str().unwrap(), tree.to_str().unwrap()];
    sandbox.command("cp").args(&copy).output().exits(0);
    sandbox.git_in(&tree, &["symbolic-ref", "HEAD", "refs/heads/release"]);
    sandbox.git_in(&tree, &["reset", "-q", "--hard"]);
    let heads = branches(&sandbox);
    let result = submitted(&sandbox, &id, "release", &[], 3);
    assert_kept(&sandbox, &result, "no longer has it checked out", &heads);
    assert_eq!(
        sandbox.git_in(&tree, &["for-each-ref", "refs/heads"]),
        heads
    );
}

#[test]
fn a_tree_that_is_switched_away_in_the_last_moment_moves_no_other_branch() {
    let (sandbox, id) = finished(1);
    let heads = branches(&sandbox);
    let repo = sandbox.repo();
    let first = format!(
        "[ \"$PWD\" = '{}' ] && for word; do [ \"$word\" = status ] && REAL \"$@\" \
         && exec REAL switch -q release; done",
        repo.display()
    );
    let path = path_with_git(&sandbox, &first);
    let submission = submit(&sandbox, &id, "main", &[]).env("PATH", path);
    let result = super::told(&submission.output().exits(3));
    let head = sandbox.git(&["symbolic-ref", "HEAD"]);
    assert_eq!(head, "refs/heads/release", "it was switched away");
    assert_kept(&sandbox, &result, "no longer has it checked out", &heads);
    submitted(&sandbox, &id, "main", &[], 0);
}

/// A file that `main`, `topic` and the branch below it do not agree about; all of them have commits of
/// their own. The run is finished.
fn with_topic() -> (Sandbox, String) {
    let (sandbox, id) = finished(1);
    let say = |text: &str| {
        sandbox.write("src/base.txt", text);
        sandbox.commit(text);
    };
    sandbox.git(&["switch", "-q", "-c", "below"]);
    sandbox.write("docs/below.txt", "below\n");
    sandbox.commit("below");
    sandbox.git(&["switch", "-q", "-c", "topic"]);
    say("topic\n");
    sandbox.git(&["switch", "-q", "main"]);
    say("main\n");
    (sandbox, id)
}

/// Git stops there in the middle of it.
fn stop_in(sandbox: &Sandbox, tree: &Path, words: &[&str]) {
    let stopped = sandbox.command("git").args(words).cwd(tree).output();
    assert_eq!(stopped.code, Some(1), "{stopped}");
}

#[test]
fn a_branch_that_a_rebase_or_a_bisect_will_come_back_to_is_left() {
    for (to, begin, end) in [
        ("main", &["rebase", "topic"][..], "rebase"),
        ("main", &["rebase", "--apply", "topic"], "rebase"),
        (
            "below",
            &["rebase", "--update-refs", "main", "topic"],
            "rebase",
        ),
        ("main", &["bisect", "start", "HEAD", "HEAD~2"], "bisect"),
    ] {
        let (sandbox, id) = with_topic();
        if end == "bisect" {
            sandbox.git(begin);
        } else {
            stop_in(&sandbox, &sandbox.repo(), begin);
        }
        let heads = branches(&sandbox);
        let result = submitted(&sandbox, &id, to, &[], 3);
        assert_kept(&sandbox, &result, "a rebase or a bisect", &heads);
        let recipe = strings(&result["recipe"]);
        let repo = sandbox.repo();
        assert!(recipe[0].starts_with("# ") && recipe[0].contains(repo.to_str().unwrap()));
        assert_eq!(recipe[1], format!("runr submit {id} --to {to}"));
        let verb = if end == "rebase" { "--abort" } else { "reset" };
        sandbox.git(&[end, verb]);
        sandbox.git(&["switch", "-q", "main"]);
        let result = submitted(&sandbox, &id, to, &["--squash"], 0);
        assert_eq!(result["outcome"], "moved");
    }
}

#[test]
fn a_rebase_in_any_tree_holds_its_branch() {
    let (sandbox, id) = with_topic();
    let tree = tree_of_release(&sandbox, sandbox.scratch().join("a tree"));
    fs::write(tree.join("src/base.txt"), "release\n").unwrap();
    sandbox.git_in(&tree, &["commit", "-q", "-a", "-m", "release"]);
    stop_in(&sandbox, &tree, &["rebase", "topic"]);
    let heads = branches(&sandbox);
    let result = submitted(&sandbox, &id, "release", &["--squash"], 3);
    assert_kept(&sandbox, &result, "a rebase or a bisect", &heads);
    let recipe = strings(&result["recipe"]);
    assert!(recipe[0].contains(tree.to_str().unwrap()), "{recipe:?}");
    let again = format!("runr submit {id} --to release --squash");
    assert_eq!(recipe[1], again);
    let result = submitted(&sandbox, &id, "main", &[], 0);
    assert_eq!(result["outcome"], "moved", "nobody holds this one");
}
