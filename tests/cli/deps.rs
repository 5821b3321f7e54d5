//! `--allow-deps` with a list: manifests may change in these packages only.

use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, TASK, Tree, ok, strings};

const MANIFEST: &str =
    r#"{"name": "app", "scripts": {"test": "x"}, "dependencies": {"left-pad": "1.0.0"}}"#;

/// A repository with a manifest and a lockfile, both in the scope, and a worker that changes files.
fn app(files: Value) -> Sandbox {
    let allowed = ["src/**", "package.json", "package-lock.json", "web/**"];
    let sandbox = Sandbox::with(&Config::new().allow(&allowed));
    sandbox.write("package.json", MANIFEST);
    sandbox.write("package-lock.json", "{}\n");
    sandbox.commit("a manifest");
    sandbox.script(&Script::one(ok(files)));
    sandbox
}

fn dependencies(text: &str) -> Value {
    json!({
        "package.json": format!(r#"{{"name": "app", "dependencies": {text}}}"#),
        "package-lock.json": "{\"changed\": true}\n",
    })
}

#[test]
fn a_listed_package_may_change_with_the_lockfile() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let sandbox = app(dependencies(r#"{"left-pad": "2.0.0"}"#));
        let base = sandbox.head();
        let place: &[&str] = if tree == Tree::Worktree {
            &["--worktree"]
        } else {
            &[]
        };
        let run = sandbox.run(&[place, &["--allow-deps=left-pad"]].concat(), 0);
        let changed = sandbox.changed(&base, &format!("runr/{}", run.id));
        assert_eq!(changed, ["package-lock.json", "package.json"]);
        assert_eq!(sandbox.status(&run.id)["allow_deps"], json!(["left-pad"]));
    }
}

#[test]
fn a_package_that_is_not_listed_stops_the_run_and_is_named() {
    let sandbox = app(dependencies(r#"{"left-pad": "2.0.0", "evil": "1"}"#));
    let run = sandbox.run(&["--worktree", "--allow-deps=left-pad,right-pad"], 1);
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], "guard_violation");
    assert_eq!(strings(&status["guard_violation_files"]), ["package.json"]);
    let event = &sandbox.payloads(&run.id, "guard_violation")[0];
    assert_eq!(strings(&event["lockfile_violations"]), ["package.json"]);
    assert_eq!(strings(&event["scope_violations"]), [""; 0]);
    let why = event["why"].as_str().unwrap();
    assert!(why.contains("package.json: evil"), "{why}");
    assert!(status["last_error"].as_str().unwrap().contains("evil"));
    assert_eq!(sandbox.checkpoints(&run.id), []);

    let again = sandbox.runr(&["resume", &run.id]).output().exits(1);
    assert!(
        again.stdout.contains("evil"),
        "a resume keeps the list: {again}"
    );
    let all = ["resume", run.id.as_str(), "--allow-deps=left-pad,evil"];
    sandbox.runr(&all).output().exits(0);
}

#[test]
fn a_new_a_nested_a_committed_and_an_unreadable_manifest_are_judged_too() {
    let sandbox = app(json!({"web/package.json": r#"{"devDependencies": {"evil": "1"}}"#}));
    let run = sandbox.run(&["--worktree", "--allow-deps=left-pad"], 1);
    assert_eq!(
        strings(&sandbox.status(&run.id)["guard_violation_files"]),
        ["web/package.json"]
    );

    let mut step = ok(json!({"web/package.json": r#"{"devDependencies": {"evil": "1"}}"#}));
    step["git"] = json!(["add -A", "commit -q -m mine"]);
    sandbox.script(&Script::one(step));
    let run = sandbox.run(&["--worktree", "--allow-deps=left-pad"], 1);
    assert_eq!(
        strings(&sandbox.status(&run.id)["guard_violation_files"]),
        ["web/package.json"]
    );

    sandbox.script(&Script::one(ok(json!({"package.json": "{"}))));
    let run = sandbox.run(&["--worktree", "--allow-deps=left-pad"], 1);
    assert_eq!(
        strings(&sandbox.status(&run.id)["guard_violation_files"]),
        ["package.json"]
    );

    let mut step = ok(json!({}));
    step["delete"] = json!(["package.json"]);
    sandbox.script(&Script::one(step));
    sandbox.run(&["--worktree", "--allow-deps=right-pad"], 1);
    sandbox.run(&["--worktree", "--allow-deps=left-pad"], 0);
}

#[test]
fn without_a_list_manifests_are_the_business_of_the_scope() {
    let evil = dependencies(r#"{"evil": "1"}"#);
    let sandbox = app(json!({"package.json": evil["package.json"]}));
    sandbox.run(&["--worktree"], 0);
    sandbox.script(&Script::one(ok(evil)));
    sandbox.run(&["--worktree", "--allow-deps"], 0);
    let run = sandbox.run(&["--worktree"], 1);
    assert_eq!(
        strings(&sandbox.status(&run.id)["guard_violation_files"]),
        ["package-lock.json"]
    );
}

#[test]
fn scripts_of_a_manifest_are_no_packages() {
    let text = MANIFEST.replace("\"x\"", "\"y\"");
    let sandbox = app(json!({"package.json": text}));
    sandbox.run(&["--worktree", "--allow-deps=other"], 0);
}

#[test]
fn a_pattern_makes_the_lockfiles_of_subprojects_need_permission() {
    let config = Config::new().allow(&["src/**", "web/**"]);
    let config = config.set("scope", "lockfiles", json!(["**/package-lock.json"]));
    let sandbox = Sandbox::with(&config);
    sandbox.script(&Script::one(ok(json!({"web/package-lock.json": "{}\n"}))));
    let run = sandbox.run(&["--worktree"], 1);
    let event = &sandbox.payloads(&run.id, "guard_violation")[0];
    assert_eq!(
        strings(&event["lockfile_violations"]),
        ["web/package-lock.json"]
    );
    sandbox.run(&["--worktree", "--allow-deps"], 0);
}

#[test]
fn the_settings_of_a_run_name_its_packages() {
    let sandbox = app(dependencies(r#"{"left-pad": "2.0.0"}"#));
    let words = [
        "run",
        "--task",
        TASK,
        "--worktree",
        "--allow-deps=left-pad, b",
    ];
    let output = sandbox.runr(&words).output().exits(0);
    assert!(output.stdout.contains("allow_deps=left-pad,b"), "{output}");
}
