//! `runr doctor` and the worktrees on which git and the disk do not agree.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, TASK};

const LONELY: &str = "20260101000000";

fn prepared() -> Sandbox {
    let config = Config::new()
        .worker("claude", "git", &[])
        .worker("codex", "git", &[]);
    let sandbox = Sandbox::with(&config);
    sandbox.script(&Script::happy(2));
    sandbox
}

fn doctor(sandbox: &Sandbox, repo: &Path, flags: &[&str]) -> Value {
    let words = [&["doctor", "--json"], flags].concat();
    let output = sandbox.runr(&words).cwd(repo).output();
    output.exits(0).pretty_json()
}

/// Path, diagnosis, remedy and whether it was done; the line of the check agrees.
#[track_caller]
fn strays(result: &Value) -> Vec<(PathBuf, [Value; 3])> {
    let rows = result["repairs"].as_array().unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|it| {
            let path = it["path"].as_str().unwrap().into();
            (
                path,
                ["diagnosis", "remedy", "done"].map(|key| it[key].clone()),
            )
        })
        .collect();
    let checks = result["checks"].as_array().unwrap();
    let check = checks.iter().find(|it| it["id"] == "worktrees").unwrap();
    let all_done = rows.iter().all(|(_, [.., done])| done == true);
    assert_eq!(
        check["status"],
        if all_done { "ok" } else { "warn" },
        "{check}"
    );
    rows
}

fn stray(path: &Path, diagnosis: &str, remedy: &str, done: bool) -> (PathBuf, [Value; 3]) {
    (
        path.to_owned(),
        [json!(diagnosis), json!(remedy), json!(done)],
    )
}

/// The worktrees that git has on record.
fn recorded(sandbox: &Sandbox, repo: &Path) -> Vec<PathBuf> {
    let text = sandbox.git_in(repo, &["worktree", "list", "--porcelain"]);
    let paths = text
        .lines()
        .filter_map(|line| line.strip_prefix("worktree "));
    paths.skip(1).map(PathBuf::from).collect()
}

#[test]
fn the_record_of_a_worktree_that_is_gone_is_removed_and_its_run_goes_on() {
    let sandbox = prepared();
    let (repo, id) = (
        sandbox.repo(),
        sandbox.run(&["--worktree", "--max-ticks", "5"], 1).id,
    );
    let tree = sandbox.worktree(&id);
    assert_eq!(strays(&doctor(&sandbox, &repo, &[])), []);
    fs::remove_dir_all(&tree).unwrap();
    let gone = |done| stray(&tree, "worktree_gone", "remove", done);
    assert_eq!(strays(&doctor(&sandbox, &repo, &[])), [gone(false)]);
    assert_eq!(recorded(&sandbox, &repo), [tree.as_path()]);
    assert_eq!(strays(&doctor(&sandbox, &repo, &["--fix"])), [gone(true)]);
    assert_eq!(recorded(&sandbox, &repo), [""; 0].map(PathBuf::from));
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.checkpoints(&id).len(), 2);
}

#[test]
fn a_record_with_commits_that_are_nowhere_else_stays() {
    let sandbox = prepared();
    let flags = ["--worktree", "--no-branch", "--max-ticks", "5"];
    let (repo, id) = (sandbox.repo(), sandbox.run(&flags, 1).id);
    let tree = sandbox.worktree(&id);
    assert_eq!(sandbox.checkpoints(&id).len(), 1);
    fs::remove_dir_all(&tree).unwrap();
    let result = doctor(&sandbox, &repo, &["--fix"]);
    let kept = stray(&tree, "worktree_gone", "inspect", false);
    assert_eq!(strays(&result), [kept]);
    let reason = result["repairs"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("a commit that is nowhere else"), "{reason}");
    assert_eq!(recorded(&sandbox, &repo), [tree.as_path()]);

    let sha = sandbox.status(&id)["checkpoint_sha"].clone();
    sandbox.git(&["branch", "kept", sha.as_str().unwrap()]);
    let gone = stray(&tree, "worktree_gone", "remove", true);
    assert_eq!(strays(&doctor(&sandbox, &repo, &["--fix"])), [gone]);
}

#[test]
fn a_record_with_staged_work_stays() {
    let sandbox = prepared();
    let (repo, id) = (sandbox.repo(), sandbox.run(&["--worktree"], 0).id);
    let tree = sandbox.worktree(&id);
    fs::write(tree.join("src/mine.txt"), "mine\n").unwrap();
    sandbox.git_in(&tree, &["add", "src/mine.txt"]);
    fs::remove_dir_all(&tree).unwrap();
    let result = doctor(&sandbox, &repo, &["--fix"]);
    let kept = stray(&tree, "worktree_gone", "inspect", false);
    assert_eq!(strays(&result), [kept]);
    let reason = result["repairs"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("src/mine.txt"), "{reason}");
    assert_eq!(recorded(&sandbox, &repo), [tree]);
}

#[test]
fn a_record_that_somebody_locked_or_made_elsewhere_is_left() {
    let sandbox = prepared();
    let (repo, id) = (sandbox.repo(), sandbox.run(&["--worktree"], 0).id);
    let tree = sandbox.worktree(&id);
    let theirs = sandbox.scratch().join("theirs");
    sandbox.git(&["worktree", "add", "-q", theirs.to_str().unwrap()]);
    sandbox.git(&["worktree", "lock", tree.to_str().unwrap()]);
    fs::remove_dir_all(&tree).unwrap();
    fs::remove_dir_all(&theirs).unwrap();
    assert_eq!(strays(&doctor(&sandbox, &repo, &["--fix"])), []);
    assert_eq!(recorded(&sandbox, &repo).len(), 2);
}

#[test]
fn an_empty_directory_without_a_record_is_removed_and_any_other_stays() {
    let sandbox = prepared();
    let repo = sandbox.repo();
    let place = |name: &str| repo.join(".runr-worktrees").join(name);
    let (empty, begun) = (place(LONELY), place("20260101000001"));
    let (full, other) = (place("20260101000002"), place("submit-20260101000003"));
    for dir in [&empty, &begun, &full, &other] {
        fs::create_dir_all(dir).unwrap();
    }
    fs::write(begun.join(".git"), "").unwrap();
    fs::write(full.join("work.txt"), "work\n").unwrap();
    sandbox.git_in(&other, &["init", "-q"]);
    fs::create_dir(place("notes")).unwrap();
    let expected = |done| {
        [
            stray(&empty, "worktree_unknown", "remove", done),
            stray(&begun, "worktree_unknown", "remove", done),
            stray(&full, "worktree_unknown", "inspect", false),
            stray(&other, "worktree_unknown", "inspect", false),
        ]
    };
    assert_eq!(strays(&doctor(&sandbox, &repo, &[])), expected(false));
    assert!(empty.exists() && begun.join(".git").exists());
    assert_eq!(strays(&doctor(&sandbox, &repo, &["--fix"])), expected(true));
    assert!(!empty.exists() && !begun.exists());
    assert_eq!(fs::read_to_string(full.join("work.txt")).unwrap(), "work\n");
    assert!(other.join(".git/HEAD").exists() && place("notes").exists());
}

#[test]
fn a_worktree_that_lost_its_link_is_named_and_left() {
    let sandbox = prepared();
    let (repo, id) = (sandbox.repo(), sandbox.run(&["--worktree"], 0).id);
    let tree = sandbox.worktree(&id);
    fs::remove_file(tree.join(".git")).unwrap();
    let cut = stray(&tree, "worktree_cut", "inspect", false);
    assert_eq!(strays(&doctor(&sandbox, &repo, &["--fix"])), [cut]);
    assert!(tree.join("src/part1.txt").exists());
    assert_eq!(recorded(&sandbox, &repo), [tree]);
}

#[test]
fn a_repository_that_was_moved_keeps_its_worktrees_and_is_told_what_helps() {
    let sandbox = prepared();
    let id = sandbox.run(&["--worktree"], 0).id;
    let moved = sandbox.scratch().join("moved");
    fs::rename(sandbox.repo(), &moved).unwrap();
    fs::create_dir(sandbox.repo()).unwrap();
    let tree = moved.join(".runr-worktrees").join(&id);
    let result = doctor(&sandbox, &moved, &["--fix"]);
    let expected = stray(&tree, "worktree_moved", "inspect", false);
    assert_eq!(strays(&result), [expected]);
    let reason = result["repairs"][0]["reason"].as_str().unwrap().to_owned();
    let command = reason.split('`').nth(1).unwrap();
    let repaired = sandbox.command("sh").args(&["-c", command]).cwd(&moved);
    repaired.output().exits(0);
    assert_eq!(strays(&doctor(&sandbox, &moved, &[])), []);
    assert_eq!(sandbox.git_in(&tree, &["status", "--porcelain"]), "");
}

#[test]
fn a_copy_of_a_repository_leaves_the_worktrees_of_the_original_alone() {
    let sandbox = prepared();
    let (repo, id) = (sandbox.repo(), sandbox.run(&["--worktree"], 0).id);
    let copy = sandbox.scratch().join("copy");
    let words = ["-a", repo.to_str().unwrap(), copy.to_str().unwrap()];
    sandbox.command("cp").args(&words).output().exits(0);
    let tree = copy.join(".runr-worktrees").join(&id);
    let expected = stray(&tree, "worktree_unknown", "inspect", false);
    assert_eq!(strays(&doctor(&sandbox, &copy, &["--fix"])), [expected]);
    assert!(tree.join("src/part1.txt").exists());
    assert_eq!(strays(&doctor(&sandbox, &repo, &[])), []);
    let status = sandbox.git_in(&sandbox.worktree(&id), &["status", "--porcelain"]);
    assert_eq!(status, "");
}

#[test]
fn the_worktree_of_a_live_run_is_left() {
    let sandbox = prepared();
    sandbox.script(&Script::happy(1).sleeping("implement", 30_000));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    let tree = sandbox.worktree(&id);
    fs::remove_dir_all(&tree).unwrap();
    let repo = sandbox.repo();
    let kept = stray(&tree, "worktree_gone", "inspect", false);
    assert_eq!(strays(&doctor(&sandbox, &repo, &["--fix"])), [kept]);
    assert_eq!(recorded(&sandbox, &repo), [tree.as_path()]);
    running.signal(Signal::INT);
    running.wait();
    let gone = stray(&tree, "worktree_gone", "remove", true);
    assert_eq!(strays(&doctor(&sandbox, &repo, &["--fix"])), [gone]);
}

#[test]
fn worktrees_on_a_disk_that_is_away_keep_their_records() {
    let sandbox = prepared();
    let disk = sandbox.scratch().join("disk");
    fs::create_dir(&disk).unwrap();
    let trees = disk.join("trees");
    let on_disk = |words: &[&str]| sandbox.runr(words).env("RUNR_WORKTREES_DIR", &trees);
    let run = on_disk(&["run", "--task", TASK, "--worktree", "--json"]);
    let id = sandbox.started(run.output().exits(0)).id;
    let look = || {
        let output = on_disk(&["doctor", "--fix", "--json"]).output();
        strays(&output.exits(0).pretty_json())
    };
    fs::rename(&trees, disk.join("away")).unwrap();
    assert_eq!(look(), []);
    fs::rename(disk.join("away"), &trees).unwrap();
    assert_eq!(look(), []);
    let status = sandbox.git_in(&trees.join(&id), &["status", "--porcelain"]);
    assert_eq!(status, "");
    fs::remove_dir_all(trees.join(&id)).unwrap();
    let gone = stray(&trees.join(&id), "worktree_gone", "remove", true);
    assert_eq!(look(), [gone]);
}
