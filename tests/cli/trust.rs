//! Nothing of a repository is executed before its commands are approved.

use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, TASK};

/// A repository whose check leaves a canary outside of it, not yet trusted.
fn with_canary() -> (Sandbox, std::path::PathBuf, Config) {
    let sandbox = Sandbox::untrusted(&Config::new());
    let canary = sandbox.scratch().join("executed");
    let config = Config::new().tier("tier0", &[&format!("touch '{}'", canary.display())]);
    sandbox.configure(&config);
    sandbox.commit("a check with an effect");
    sandbox.script(&Script::happy(1));
    (sandbox, canary, config)
}

#[test]
fn an_untrusted_config_is_refused_before_anything_runs() {
    let (sandbox, canary, _) = with_canary();
    let before = sandbox.snapshot();
    let human = sandbox.runr(&["run", "--task", TASK]).output().exits(3);
    human.says("Error: Commands of this repository are not trusted");
    let output = sandbox.run_command(&[]).output().exits(3);
    let error = output.error_json("E_UNTRUSTED", "untrusted");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.starts_with("runr trust --root "), "{hint}");
    assert!(
        human.stderr.contains(hint),
        "both forms name the same command: {human}"
    );
    assert_eq!(sandbox.snapshot(), before);
    assert!(!canary.exists());
    assert_eq!(sandbox.calls("plan").len(), 0);
}

#[test]
fn the_named_command_approves_the_file_that_was_named() {
    let (sandbox, canary, config) = with_canary();
    let other = config.tier("tier1", &["true"]);
    sandbox.write("other dir/my config.json", &other.text());
    sandbox.commit("another configuration");
    let named = ["--config", "other dir/my config.json", "--worktree"];
    let error = sandbox.run_command(&named).output().exits(3).json();
    let hint = error["hint"].as_str().unwrap();
    let typed = hint.replacen("runr", env!("CARGO_BIN_EXE_runr"), 1);
    let approved = sandbox.command("sh").args(&["-c", &typed]).output();
    approved.exits(0);
    sandbox.run_command(&named).output().exits(0);
    assert!(canary.exists());
}

#[test]
fn the_named_command_is_exact() {
    let (sandbox, canary, _) = with_canary();
    let error = sandbox.run_command(&[]).output().exits(3).json();
    let hint = error["hint"].as_str().unwrap().to_owned();
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_runr"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    // From somewhere else: the command must name the repository itself.
    sandbox
        .command("sh")
        .args(&["-c", &hint])
        .env("PATH", path)
        .cwd("/")
        .output()
        .exits(0);
    sandbox.run(&[], 0);
    assert!(canary.exists());
}

#[test]
fn a_changed_command_needs_a_new_approval_and_a_changed_scope_does_not() {
    let (sandbox, _, config) = with_canary();
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.configure(&config.clone().deny(&["secrets/**"]));
    sandbox.commit("a narrower scope");
    sandbox.run(&["--worktree"], 0);

    let changed = "sh -c 'echo changed command'";
    sandbox.configure(&config.tier("tier1", &[changed]));
    sandbox.commit("another command");
    let human = sandbox
        .runr(&["run", "--task", TASK, "--worktree"])
        .output()
        .exits(3);
    human.says("Error: Commands of this repository are not trusted");
    assert!(
        human.stderr.contains("echo changed command"),
        "the changed command is shown: {human}"
    );
}

#[test]
fn a_changed_worker_needs_a_new_approval() {
    let sandbox = Sandbox::with(&Config::new());
    sandbox.script(&Script::happy(1));
    sandbox.configure(&Config::new().worker("claude", "sh", &["-c", "true"]));
    sandbox.commit("another worker");
    sandbox
        .run_command(&["--worktree"])
        .output()
        .exits(3)
        .error_json("E_UNTRUSTED", "untrusted");
}

#[test]
fn the_hash_in_the_environment_serves_for_one_command() {
    let (sandbox, canary, _) = with_canary();
    let hash = sandbox
        .runr(&["trust", "--print-hash"])
        .output()
        .exits(0)
        .stdout;
    let hash = hash.trim_end();
    assert!(
        hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()),
        "{hash}"
    );
    sandbox.runr(&["trust", "--print"]).output().exits(0);
    sandbox
        .run_command(&[])
        .output()
        .exits(3)
        .error_json("E_UNTRUSTED", "untrusted");

    let wrong = format!(
        "{}{}",
        &hash[1..],
        if hash.starts_with('0') { "1" } else { "0" }
    );
    let refused = sandbox
        .run_command(&[])
        .env("RUNR_TRUST_CONFIG", wrong)
        .output()
        .exits(3);
    refused.error_json("E_UNTRUSTED", "untrusted");
    assert!(!canary.exists());

    sandbox
        .run_command(&["--worktree"])
        .env("RUNR_TRUST_CONFIG", hash)
        .output()
        .exits(0);
    assert!(canary.exists());
    let refused = sandbox.run_command(&["--worktree"]).output().exits(3);
    refused.error_json("E_UNTRUSTED", "untrusted");
}

#[test]
fn trust_shows_the_commands_it_approves() {
    let (sandbox, canary, _) = with_canary();
    let before = sandbox.snapshot();
    let output = sandbox.runr(&["trust"]).output().exits(0);
    assert!(output.stdout.contains(canary.to_str().unwrap()), "{output}");
    assert!(!canary.exists(), "showing is not running");
    assert_eq!(
        sandbox.snapshot(),
        before,
        "approval is kept outside the repository"
    );
    sandbox.run(&[], 0);
}

#[test]
fn resume_needs_trust_too() {
    let (sandbox, canary, _) = with_canary();
    let hash = sandbox
        .runr(&["trust", "--print-hash"])
        .output()
        .exits(0)
        .stdout;
    let stopped = sandbox
        .run_command(&["--worktree", "--max-ticks", "1"])
        .env("RUNR_TRUST_CONFIG", hash.trim_end());
    let run = sandbox.started(stopped.output().exits(1));
    let refused = sandbox.runr(&["resume", &run.id]).output().exits(3);
    refused.says("Error: Commands of this repository are not trusted");
    assert!(!canary.exists());
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    assert_eq!(
        sandbox.status(&run.id)["stop_reason"],
        Value::from("complete")
    );
}

#[test]
fn commands_that_only_read_need_no_trust_and_run_nothing() {
    let (sandbox, canary, _) = with_canary();
    let attack = format!("touch '{}'", canary.display());
    sandbox.git(&["config", "core.fsmonitor", &attack]);
    sandbox.runr(&["status"]).output().exits(4);
    sandbox
        .runr(&["report", "20990101000000"])
        .output()
        .exits(4);
    sandbox.runr(&["init", "--print"]).output().exits(0);
    sandbox.runr(&["doctor", "--json"]).output().json();
    assert!(
        !canary.exists(),
        "a repository's own git configuration was executed"
    );
    assert_ne!(
        json!(sandbox.git(&["config", "core.fsmonitor"])),
        json!(""),
        "the trap was set"
    );
}

#[test]
fn doctor_starts_no_worker_of_an_untrusted_repository() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::untrusted(&Config::new());
    let canary = sandbox.scratch().join("executed");
    sandbox.write(
        "worker.sh",
        &format!("#!/bin/sh\necho \"$@\" >> '{}'\n", canary.display()),
    );
    let worker = sandbox.repo().join("worker.sh");
    std::fs::set_permissions(&worker, PermissionsExt::from_mode(0o755)).unwrap();
    let config = Config::new().worker("claude", "./worker.sh", &[]);
    sandbox.configure(&config.worker("codex", "./worker.sh", &[]));
    sandbox.commit("a worker of its own");
    let look = |hash: &str| {
        for flags in [&[][..], &["--deep"], &["--deep", "--fix"]] {
            let words = [&["doctor", "--json"], flags].concat();
            let command = sandbox.runr(&words).env("RUNR_TRUST_CONFIG", hash);
            let result = command.output().json();
            let checks = result["checks"].as_array().unwrap().clone();
            let skipped = checks.iter().filter(|check| check["status"] == "skip");
            let ids: Vec<&str> = skipped.map(|it| it["id"].as_str().unwrap()).collect();
            assert!(
                ["tree", "workers", "headless"]
                    .iter()
                    .all(|id| ids.contains(id)),
                "{ids:?}"
            );
        }
        assert!(
            !canary.exists(),
            "a worker of an untrusted repository was started"
        );
    };
    look("");
    sandbox.runr(&["trust"]).output().exits(0);
    let file = sandbox.repo().join(".runr/runr.config.json");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    let hash = sandbox.runr(&["trust", "--print-hash"]).output().stdout;
    look(hash.trim_end());

    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    sandbox.runr(&["doctor"]).output();
    assert!(canary.exists(), "the trap works");
}
