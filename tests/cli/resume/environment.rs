//! A resume in another environment than the run began in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, TASK, Tree, approve, blocked, milestone, ok, plan};

/// Writes an executable script.
fn program(sandbox: &Sandbox, path: &str, text: &str) -> String {
    let path = sandbox.scratch().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn print(sandbox: &Sandbox, id: &str) -> Value {
    let text = fs::read_to_string(sandbox.run_dir(id).join("env.fingerprint.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A run that stopped for a reason of its own, with a lockfile in the repository.
fn with_lockfile(tree: Tree, first: Value) -> (Sandbox, String) {
    let config = Config::new().allow(&["src/**", "Cargo.lock"]);
    let sandbox = Sandbox::with(&config);
    sandbox.write("Cargo.lock", "# one\n");
    sandbox.commit("a lockfile");
    let goals = [milestone("goal 1"), milestone("goal 2")];
    let second = ok(json!({"src/part2.txt": "part\n"}));
    sandbox.script(&Script::new(plan(&goals), &[first, second], &[approve()]));
    let mut flags = vec!["--max-ticks", "5", "--allow-deps"];
    flags.extend((tree == Tree::Worktree).then_some("--worktree"));
    let id = sandbox.run(&flags, 1).id;
    (sandbox, id)
}

#[test]
fn the_environment_is_taken_at_the_start() {
    let first = ok(json!({"src/part1.txt": "part\n"}));
    let (sandbox, id) = with_lockfile(Tree::Worktree, first);
    let print = print(&sandbox, &id);
    assert_eq!(
        print,
        json!({
            "node_version": null, "package_manager": "cargo",
            "lockfile_hash": "54c592ac3a26758b", "worker_versions": {},
        })
    );
}

#[test]
fn what_is_no_file_is_no_lockfile_and_is_not_waited_for() {
    let first = ok(json!({"src/part1.txt": "part\n"}));
    let (sandbox, id) = with_lockfile(Tree::Checkout, first);
    fs::remove_file(sandbox.repo().join("Cargo.lock")).unwrap();
    let fifo = sandbox.repo().join("go.sum");
    let made = sandbox.command("mkfifo").args(&[fifo.to_str().unwrap()]);
    made.output().exits(0);
    let resume = sandbox
        .runr(&["resume", &id])
        .limit(Duration::from_secs(20));
    let refused = resume.output().exits(3);
    assert!(refused.stderr.contains("lockfile_hash"), "{refused}");
}

#[test]
fn another_lockfile_refuses_the_resume_unless_it_is_forced() {
    let first = ok(json!({"src/part1.txt": "part\n"}));
    let (sandbox, id) = with_lockfile(Tree::Checkout, first);
    sandbox.write("Cargo.lock", "# two\n");
    sandbox.commit("another lockfile");
    let before = sandbox.timeline_text(&id);
    let refused = sandbox.runr(&["resume", &id]).output().exits(3);
    refused.says("Error: Environment has changed: lockfile_hash");
    assert_eq!(sandbox.timeline_text(&id), before);
    let plan = sandbox
        .runr(&["resume", &id, "--json"])
        .output()
        .exits(0)
        .json();
    let warned = plan["warnings"].to_string();
    assert!(warned.contains("lockfile_hash was"), "{warned}");
    let detached = sandbox
        .runr(&["resume", &id, "--detach", "--json"])
        .output()
        .exits(3);
    let error = detached.error_json("E_FINGERPRINT", "fingerprint_mismatch");
    let difference = &error["context"]["differences"];
    let difference = if difference.is_null() {
        &error["differences"]
    } else {
        difference
    };
    assert_eq!(difference[0]["field"], "lockfile_hash", "{error}");

    sandbox.runr(&["resume", &id, "--force"]).output().exits(0);
    let resumed = sandbox.payloads(&id, "run_resumed").remove(0);
    let forced = resumed["overrides"].as_array().unwrap().iter();
    let forced: Vec<&Value> = forced.filter(|it| it["option"] == "fingerprint").collect();
    assert_eq!(forced.len(), 1, "{resumed}");
    assert_eq!(
        forced[0]["to"]["lockfile_hash"],
        print(&sandbox, &id)["lockfile_hash"],
        "from here on this is the run's environment"
    );
}

#[test]
fn a_lockfile_the_run_changed_itself_is_no_difference() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let mine = json!({"src/part1.txt": "part\n", "Cargo.lock": "# mine\n"});
        // Committed with a checkpoint, and left in the tree.
        let mut left = blocked("later");
        left["files"] = mine.clone();
        for first in [ok(mine), left] {
            let (sandbox, id) = with_lockfile(tree, first);
            let plan = sandbox
                .runr(&["resume", &id, "--json"])
                .output()
                .exits(0)
                .json();
            assert_eq!(plan["warnings"], json!([]));
            sandbox.runr(&["resume", &id]).output().exits(0);
        }
    }
}

#[test]
fn another_version_of_a_worker_or_of_node_refuses_the_resume() {
    let sandbox = Sandbox::untrusted(&Config::new());
    let blocked = "cat > /dev/null; echo '{\"status\": \"blocked\", \"handoff_memo\": \"no\"}'";
    let says = |version: &str| {
        format!("[ \"$1\" = --version ] && {{ echo '{version}'; exit; }}\n{blocked}\n")
    };
    let doer = program(&sandbox, "doer", &says("doer 1.0"));
    program(&sandbox, "bin/node", "echo v20.0.0\n");
    let config = Config::new()
        .worker("doer", &doer, &[])
        .phases("doer", "doer", "doer");
    sandbox.configure(&config);
    sandbox.write("package.json", "{}\n");
    sandbox.commit("a worker of one's own");
    sandbox.runr(&["trust"]).output().exits(0);
    let path = format!(
        "{}:{}",
        sandbox.scratch().join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let runr = |args: &[&str]| sandbox.runr(args).env("PATH", &path).output();
    let run = runr(&["run", "--task", TASK, "--json", "--worktree", "--fast"]);
    let id = sandbox.started(run.exits(1)).id;
    let taken = print(&sandbox, &id);
    assert_eq!(taken["node_version"], "v20.0.0");
    assert_eq!(taken["worker_versions"], json!({"doer": "doer 1.0"}));
    runr(&["resume", &id]).exits(1);

    program(&sandbox, "doer", &says("doer 2.0"));
    program(&sandbox, "bin/node", "echo v22.0.0\n");
    let refused = runr(&["resume", &id]).exits(3);
    refused.says("Error: Environment has changed: node_version, worker:doer");
    runr(&["resume", &id, "--force"]).exits(1);
    runr(&["resume", &id]).exits(1);
    assert_eq!(sandbox.payloads(&id, "run_resumed").len(), 3);
}
