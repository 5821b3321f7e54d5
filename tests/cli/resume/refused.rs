//! A resume that is refused, or fails in the middle: the next one finds everything as it was.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, ok};

fn edit(path: &std::path::Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn what_a_killed_run_left_in_the_checkout_stays_its_own_after_a_refused_resume() {
    let sandbox = Sandbox::with(&Config::new().allow(&["src/**", "Cargo.lock"]));
    sandbox.write("Cargo.lock", "# one\n");
    sandbox.commit("a lockfile");
    sandbox.script(&Script::happy(1).sleeping("implement", 60_000));
    let (id, running) = sandbox.run_until_implement(&["--allow-deps"]);
    // The worker is at work.
    sandbox.write("src/half.txt", "half\n");
    sandbox.write("Cargo.lock", "# two\n");
    running.kill();
    sandbox.script(&Script::one(ok(json!({"src/rest.txt": "rest\n"}))));
    let print = sandbox.run_dir(&id).join("env.fingerprint.json");
    edit(&print, |print| print["node_version"] = json!("v0.0.1"));
    let refused = sandbox.runr(&["resume", &id]).output().exits(3);
    refused.says("Error: Environment has changed: node_version");
    assert!(!refused.stderr.contains("lockfile"), "{refused}");

    // From here on the tree is watched again.
    sandbox.write("docs/guide.txt", "mine\n");
    let forced = ["resume", &id, "--force"];
    let refused = sandbox.runr(&forced).output().exits(3);
    refused.says("Error: Worktree is dirty");
    assert!(!refused.stderr.contains("half.txt"), "{refused}");
    sandbox.git(&["restore", "docs/guide.txt"]);
    sandbox.runr(&forced).output().exits(0);
    assert_eq!(
        sandbox.changed("main", &format!("runr/{id}")),
        ["Cargo.lock", "src/half.txt", "src/rest.txt"]
    );
}

/// A run that the preflight refused for the user's changes.
fn never_begun() -> (Sandbox, String) {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write("docs/guide.txt", "half-finished\n");
    sandbox.run_command(&[]).output().exits(3);
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(sandbox.git(&["branch", "--list", "runr/*"]), "");
    (sandbox, id)
}

#[test]
fn a_refused_resume_leaves_the_user_on_their_branch() {
    let (sandbox, id) = never_begun();
    let base = sandbox.head();
    sandbox.git(&["switch", "-q", "-c", "feature"]);
    sandbox.write("feature.txt", "work of the user\n");
    sandbox.git(&["add", "feature.txt"]);
    sandbox.git(&["commit", "-q", "-m", "a feature"]);
    let is_refused = |with: &str| {
        let refused = sandbox.runr(&["resume", &id]).output().exits(3);
        assert!(refused.stderr.contains(with), "{refused}");
        assert_eq!(sandbox.git(&["branch", "--show-current"]), "feature");
        assert_eq!(sandbox.git(&["branch", "--list", "runr/*"]), "");
    };
    is_refused("Worktree is dirty");
    sandbox.git(&["restore", "docs/guide.txt"]);
    // The run began elsewhere: what was committed since is not its work.
    is_refused(&base[..7]);
    sandbox.git(&["switch", "-q", "main"]);
    sandbox.runr(&["resume", &id]).output().exits(0);
    let tip = format!("runr/{id}");
    assert_eq!(sandbox.changed("main", &tip), ["src/part1.txt"]);
}

#[test]
fn a_run_that_never_began_goes_on_when_the_changes_are_stashed() {
    let (sandbox, id) = never_begun();
    let stashing = ["resume", &id, "--auto-stash"];
    sandbox.runr(&stashing).output().exits(0);
    assert_eq!(sandbox.payloads(&id, "auto_stash_created").len(), 1);
    let tip = format!("runr/{id}");
    assert_eq!(sandbox.git(&["branch", "--show-current"]), tip);
    assert_eq!(sandbox.changed("main", &tip), ["src/part1.txt"]);
}

#[test]
fn a_configuration_that_could_not_be_recorded_is_taken_by_the_next_resume() {
    let step = ok(json!({"other/x.txt": "x\n"}));
    let sandbox = Sandbox::scripted(&Script::one(step));
    let id = sandbox.run(&["--worktree"], 1).id;
    sandbox.configure(&Config::new().allow(&["src/**", "other/**"]));
    let named = ["resume", &id, "--config", ".runr/runr.config.json"];
    sandbox.runr(&["trust"]).output().exits(0);
    // No record fits any more.
    let size = fs::metadata(sandbox.run_dir(&id).join("timeline.jsonl"))
        .unwrap()
        .len();
    let full = format!("--fsize={size}");
    let failed = sandbox.runr(&named).under(&["prlimit", &full]).output();
    assert_ne!(failed.code, Some(0), "{failed}");
    assert_eq!(sandbox.payloads(&id, "scope_changed"), [Value::Null; 0]);
    sandbox.runr(&named).output().exits(0);
    assert_eq!(sandbox.payloads(&id, "scope_changed").len(), 1);
}
