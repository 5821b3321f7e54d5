//! `runr doctor`: what is wrong, before a run finds out.

use serde_json::{Value, json};

use crate::support::{Config, Output, Sandbox, Script, assert_leading_fields};

/// The checks that every version has.
const EVER: [&str; 12] = [
    "version",
    "git",
    "tree",
    "ignore",
    "config",
    "storage",
    "workers",
    "headless",
    "verification",
    "worktrees",
    "runs",
    "disk",
];

/// A configuration whose workers are installed everywhere the tests run.
fn healthy() -> Config {
    Config::new()
        .worker("claude", "git", &[])
        .worker("codex", "git", &[])
}

#[track_caller]
fn check(result: &Value, id: &str) -> Value {
    let checks = result["checks"].as_array().unwrap();
    let found: Vec<&Value> = checks.iter().filter(|check| check["id"] == id).collect();
    assert_eq!(found.len(), 1, "check {id} in {result}");
    found[0].clone()
}

/// Checks what holds for every result: its shape, and that `ok` and the exit status follow from the checks.
#[track_caller]
fn result(output: &Output) -> Value {
    let result = output.pretty_json();
    assert_leading_fields(&result, &["ok", "checks", "workers", "paths"]);
    let checks = result["checks"].as_array().unwrap();
    for check in checks {
        assert_leading_fields(check, &["id", "status", "detail", "fix"]);
        assert!(
            ["ok", "warn", "fail", "skip"].contains(&check["status"].as_str().unwrap()),
            "{check}"
        );
    }
    let ids: Vec<&str> = checks
        .iter()
        .map(|check| check["id"].as_str().unwrap())
        .collect();
    let missing: Vec<_> = EVER.iter().filter(|id| !ids.contains(id)).collect();
    assert!(
        missing.is_empty(),
        "checks that are missing: {missing:?} in {ids:?}"
    );
    let failed = checks.iter().any(|check| check["status"] == "fail");
    assert_eq!(result["ok"], !failed, "{result}");
    assert_eq!(output.code, Some(i32::from(failed)), "{output}");
    result
}

#[test]
fn a_healthy_repository_passes() {
    let sandbox = Sandbox::with(&healthy());
    let output = sandbox.runr(&["doctor", "--json"]).output().exits(0);
    let result = result(&output);
    for id in ["version", "git", "tree", "config", "worktrees", "disk"] {
        assert_eq!(check(&result, id)["status"], "ok", "{id}");
    }
    let paths = &result["paths"];
    assert_eq!(paths["root"], sandbox.repo().to_str().unwrap());
    let worktrees = sandbox.repo().join(".runr-worktrees");
    assert_eq!(paths["worktrees"], worktrees.to_str().unwrap());
    assert!(result["disk"]["free_bytes"].as_u64().unwrap() > 0);
    let human = sandbox.runr(&["doctor"]).output().exits(0);
    assert_eq!(
        human.stdout.lines().last(),
        Some("Result: All checks passed"),
        "{human}"
    );
    assert!(
        human
            .stdout
            .lines()
            .any(|line| line.starts_with("git: OK - ")),
        "{human}"
    );
}

#[test]
fn a_dirty_tree_is_a_warning() {
    let sandbox = Sandbox::with(&healthy());
    sandbox.write("src/base.txt", "dirty\n");
    let result = result(&sandbox.runr(&["doctor", "--json"]).output().exits(0));
    assert_eq!(check(&result, "tree")["status"], "warn");
}

#[test]
fn files_of_tools_do_not_make_a_tree_dirty() {
    let sandbox = Sandbox::with(&healthy());
    sandbox.write("node_modules/tool.js", "tool\n");
    let look = || {
        let result = result(&sandbox.runr(&["doctor", "--json"]).output().exits(0));
        let tree = check(&result, "tree");
        (tree["status"].clone(), tree["detail"].clone())
    };
    let besides = "files of tools, which do not count: 1";
    assert_eq!(look(), (json!("ok"), json!(format!("clean; {besides}"))));
    sandbox.write("src/base.txt", "dirty\n");
    let both = format!("1 uncommitted changes; {besides}");
    assert_eq!(look(), (json!("warn"), json!(both)));
}

#[test]
fn checks_that_cannot_be_run_are_a_warning() {
    let sandbox = Sandbox::with(&healthy());
    let look = |config: &Config| {
        sandbox.configure(config);
        let result = result(&sandbox.runr(&["doctor", "--json"]).output());
        let checks = check(&result, "verification");
        (checks["status"].clone(), checks["detail"].clone())
    };
    let config = healthy().unverified();
    let none = look(&config);
    assert_eq!(none, (json!("warn"), json!("no command is configured")));
    let config = config
        .tier("tier0", &["CI=1 no-such-tool -x", "test -f src/base.txt"])
        .tier("tier1", &["./no-such-script", "git --version"])
        .tier("tier2", &["no-such-tool", "$TOOL"]);
    let missing = "not found: ./no-such-script, no-such-tool";
    assert_eq!(look(&config), (json!("warn"), json!(missing)));
    sandbox.write("web/readme", "\n");
    let config = config.tier("tier1", &[]).tier("tier2", &[]);
    let config = config.tier("tier0", &["git --version"]);
    let there = config.clone().set("verification", "cwd", json!("web"));
    assert_eq!(look(&there), (json!("ok"), json!("1 commands")));
    let away = config.set("verification", "cwd", json!("no-such-place"));
    let detail = "verification.cwd is no directory: no-such-place";
    assert_eq!(look(&away), (json!("warn"), json!(detail)));
}

#[test]
fn runs_and_worktrees_are_measured() {
    let sandbox = Sandbox::with(&healthy());
    sandbox.script(&Script::happy(1));
    let measure = || {
        let result = result(&sandbox.runr(&["doctor", "--json"]).output());
        ["runs_bytes", "worktrees_bytes"].map(|key| result["disk"][key].as_u64().unwrap())
    };
    assert_eq!(measure(), [0, 0]);
    let id = sandbox.run(&["--worktree"], 0).id;
    assert!(measure().iter().all(|bytes| *bytes > 0));
    std::fs::write(sandbox.worktree(&id).join("large"), vec![b'x'; 3 << 20]).unwrap();
    assert!(measure()[1] > 1 << 20);
}

#[test]
fn an_invalid_config_fails_and_an_absent_or_untrusted_one_warns() {
    let sandbox = Sandbox::with(&healthy());
    sandbox.configure(&healthy().set("scope", "allowlist", json!(5)));
    let invalid = result(&sandbox.runr(&["doctor", "--json"]).output().exits(1));
    let config = check(&invalid, "config");
    assert_eq!(config["status"], "fail");
    assert!(
        config["detail"]
            .as_str()
            .unwrap()
            .contains("/scope/allowlist"),
        "{config}"
    );
    let human = sandbox.runr(&["doctor"]).output().exits(1);
    assert_eq!(
        human.stdout.lines().last(),
        Some("Result: Some checks failed"),
        "{human}"
    );

    std::fs::remove_file(sandbox.repo().join(".runr/runr.config.json")).unwrap();
    let absent = result(&sandbox.runr(&["doctor", "--json"]).output());
    assert_eq!(check(&absent, "config")["status"], "warn");

    let untrusted = Sandbox::untrusted(&healthy());
    let untrusted = result(&untrusted.runr(&["doctor", "--json"]).output());
    assert_eq!(check(&untrusted, "config")["status"], "warn");
}

#[test]
fn a_runtime_directory_in_plain_sight_is_a_fixable_warning() {
    let sandbox = Sandbox::with(&healthy());
    let before = result(&sandbox.runr(&["doctor", "--json"]).output());
    let ignore = check(&before, "ignore");
    assert_eq!(
        ignore["status"], "warn",
        "nothing ignores the runtime directories yet"
    );
    assert!(ignore["fix"].is_string(), "{ignore}");
    sandbox.runr(&["doctor", "--fix"]).output().exits(0);
    let after = result(&sandbox.runr(&["doctor", "--json"]).output());
    assert_eq!(check(&after, "ignore")["status"], "ok");
}

#[test]
fn doctor_without_fix_changes_nothing() {
    let sandbox = Sandbox::with(&healthy());
    let before = sandbox.snapshot();
    result(&sandbox.runr(&["doctor", "--json"]).output());
    assert_eq!(sandbox.snapshot(), before);
}
