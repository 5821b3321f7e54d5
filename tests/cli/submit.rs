//! `runr submit` moves the work of a run to a branch, or says why not and changes nothing.

mod held;
mod killed;
mod landing;
mod moving;
mod refused;
mod verified;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Command, Config, Output, Sandbox, Script};

/// The promised fields, in order.
const FIELDS: [&str; 10] = [
    "run_id",
    "target",
    "old_sha",
    "new_sha",
    "commits",
    "verified",
    "pushed",
    "dry_run",
    "conflicts",
    "recipe",
];

/// A finished run of this many milestones, each a file of its own. `main` is checked out and where
/// the run began, and so is the branch `release`.
fn finished(milestones: usize) -> (Sandbox, String) {
    let sandbox = Sandbox::scripted(&Script::happy(milestones));
    let id = finish(&sandbox);
    (sandbox, id)
}

/// The same with these checks.
fn finished_with(config: &Config) -> (Sandbox, String) {
    let sandbox = Sandbox::with(config);
    sandbox.script(&Script::happy(2));
    let id = finish(&sandbox);
    (sandbox, id)
}

fn finish(sandbox: &Sandbox) -> String {
    let id = sandbox.run(&["--worktree"], 0).id;
    sandbox.git(&["branch", "release"]);
    id
}

/// Lets a branch that nobody has checked out move on by a file.
fn move_on(sandbox: &Sandbox, branch: &str, path: &str, text: &str) -> String {
    let tree = sandbox.scratch().join("elsewhere");
    let at = tree.to_str().unwrap();
    sandbox.git(&["worktree", "add", "-q", at, branch]);
    std::fs::write(tree.join(path), text).unwrap();
    sandbox.git_in(&tree, &["add", "-A"]);
    sandbox.git_in(&tree, &["commit", "-q", "-m", "meanwhile"]);
    sandbox.git(&["worktree", "remove", at]);
    tip(sandbox, branch)
}

fn submit(sandbox: &Sandbox, id: &str, to: &str, flags: &[&str]) -> Command {
    let words = ["submit", id, "--to", to, "--json"];
    sandbox.runr(&words).args(flags)
}

/// The result of a submission that ends with this exit status.
#[track_caller]
fn submitted(sandbox: &Sandbox, id: &str, to: &str, flags: &[&str], code: i32) -> Value {
    told(&submit(sandbox, id, to, flags).output().exits(code))
}

#[track_caller]
fn told(output: &Output) -> Value {
    let value = output.pretty_json();
    crate::support::assert_leading_fields(&value, &FIELDS);
    value
}

fn tip(sandbox: &Sandbox, reference: &str) -> String {
    sandbox.git(&["rev-parse", reference])
}

/// What a submission may change.
#[derive(PartialEq)]
struct Everything {
    references: String,
    trees: String,
    files: BTreeMap<String, Option<Vec<u8>>>,
    index: Vec<u8>,
}

fn everything(sandbox: &Sandbox) -> Everything {
    let mut files = sandbox.snapshot();
    files.retain(|path, _| !path.ends_with(".lock"));
    Everything {
        references: sandbox.git(&["for-each-ref"]),
        trees: sandbox.git(&["worktree", "list", "--porcelain"]),
        files,
        index: std::fs::read(sandbox.repo().join(".git/index")).unwrap(),
    }
}

/// Nothing that was made for the checks is left.
#[track_caller]
fn assert_no_scratch(sandbox: &Sandbox, id: &str) {
    let name = format!("submit-{id}");
    assert!(!sandbox.worktree(&name).exists());
    let trees = sandbox.git(&["worktree", "list", "--porcelain"]);
    assert!(!trees.contains("/submit-"), "{trees}");
}

/// A search path on which git first does what `first` says in the shell, and then what it was told.
fn path_with_git(sandbox: &Sandbox, first: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let bin = sandbox.scratch().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let words = ["-c", "command -v git"];
    let real = sandbox.command("sh").args(&words).output();
    let script = format!("#!/bin/sh\n{first}\nexec '{}' \"$@\"\n", real.stdout.trim());
    let git = bin.join("git");
    std::fs::write(&git, script.replace("REAL", real.stdout.trim())).unwrap();
    std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}
