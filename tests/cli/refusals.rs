//! Bad input: one clear sentence, the right exit status, nothing left behind.

use serde_json::json;

use crate::support::{Config, Sandbox, Script, TASK, strings};

#[test]
fn a_dirty_tree_is_refused_and_recorded() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write("src/base.txt", "changed by the user\n");
    let base = sandbox.head();

    let human = sandbox.runr(&["run", "--task", TASK]).output().exits(3);
    human.says("Error: Worktree is dirty");
    assert!(human.stderr.contains("src/base.txt"), "{human}");
    assert!(human.stderr.contains("--allow-dirty"), "{human}");

    let run = sandbox.run(&[], 3);
    assert_eq!(run.line["status"], "guard_failed");
    assert_eq!(run.line["code"], "E_WORKTREE_DIRTY");
    assert_eq!(run.line["error"], "worktree_dirty");
    assert_eq!(run.line["guard"]["reasons"], json!(["dirty_worktree"]));
    assert_eq!(run.line["guard"]["dirty_files"], json!(["src/base.txt"]));

    let status = sandbox.status(&run.id);
    assert_eq!(
        (&status["phase"], &status["stop_reason"]),
        (&json!("STOPPED"), &json!("guard_violation"))
    );
    assert_eq!(sandbox.payloads(&run.id, "stop").len(), 1);
    assert_eq!(sandbox.payloads(&run.id, "phase_start").len(), 0);
    assert_eq!(sandbox.run_ids().len(), 2);
    assert_eq!(sandbox.head(), base);
    assert_eq!(
        sandbox.git(&["branch", "--format=%(refname:short)"]),
        "main"
    );
    assert_eq!(sandbox.calls("plan").len(), 0, "no worker is called");
}

#[test]
fn a_dirty_tree_allowed_is_never_committed() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let base = sandbox.head();
    sandbox.write("src/users.txt", "the user's own work\n");
    let run = sandbox.run(&["--allow-dirty"], 0);
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{}", run.id)),
        ["src/part1.txt"]
    );
    assert_eq!(sandbox.read("src/users.txt"), "the user's own work\n");
}

#[test]
fn allowing_a_dirty_tree_does_not_widen_the_scope() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write("docs/guide.txt", "changed outside the scope\n");
    let run = sandbox.run(&["--allow-dirty"], 3);
    assert_eq!(run.line["guard"]["reasons"], json!(["scope_violation"]));
    assert_eq!(
        run.line["guard"]["scope_violations"],
        json!(["docs/guide.txt"])
    );
    assert_eq!(run.line["code"], "E_GUARD_VIOLATION");
}

#[test]
fn a_repository_without_checks_is_refused_unless_said_otherwise() {
    let sandbox = Sandbox::with(&Config::new().unverified());
    sandbox.script(&Script::happy(1));
    sandbox
        .runr(&["run", "--task", TASK])
        .output()
        .exits(3)
        .says("Error: No verification commands configured");
    let run = sandbox.run(&[], 3);
    assert_eq!(
        (&run.line["code"], &run.line["error"]),
        (&json!("E_UNVERIFIED"), &json!("unverified"))
    );
    assert!(
        run.line["hint"]
            .as_str()
            .unwrap()
            .contains("--allow-unverified")
    );
    assert_eq!(sandbox.status(&run.id)["stop_reason"], "guard_violation");
    assert_eq!(sandbox.calls("plan").len(), 0);

    let run = sandbox.run(&["--allow-unverified", "--fast"], 0);
    assert_eq!(sandbox.status(&run.id)["stop_reason"], "complete");
    let run = sandbox.run(&["--verify", "test -f src/base.txt", "--fast"], 0);
    assert_eq!(
        sandbox.payloads(&run.id, "verification").len(),
        1,
        "checks of the caller are checks"
    );
}

#[test]
fn a_missing_worker_leaves_no_trace() {
    let sandbox = Sandbox::with(&Config::new().phases("claude", "claude", "claude"));
    let before = sandbox.snapshot();
    let human = sandbox.runr(&["run", "--task", TASK]).output().exits(4);
    human.says("Error: claude-code not found");
    assert!(human.stderr.contains("runr doctor"), "{human}");
    let output = sandbox.run_command(&["--worktree"]).output().exits(4);
    output.error_json("E_WORKER_NOT_FOUND", "worker_not_found");
    assert_eq!(sandbox.snapshot(), before);
    assert_eq!(
        sandbox.git(&["branch", "--format=%(refname:short)"]),
        "main"
    );
    assert_eq!(
        sandbox
            .git(&["worktree", "list", "--porcelain"])
            .matches("worktree ")
            .count(),
        1
    );
}

#[test]
fn a_missing_worker_is_called_by_its_own_name() {
    let sandbox = Sandbox::with(&Config::new().phases("codex", "codex", "codex"));
    sandbox
        .runr(&["run", "--task", TASK])
        .output()
        .exits(4)
        .says("Error: codex not found");
}

/// The first line of the error, for a configuration that breaks one rule.
fn config_error(section: &str, key: &str, value: serde_json::Value) -> String {
    let sandbox = Sandbox::untrusted(&Config::new().set(section, key, value));
    sandbox.script(&Script::happy(1));
    let before = sandbox.snapshot();
    let human = sandbox.runr(&["run", "--task", TASK]).output().exits(2);
    sandbox
        .run_command(&[])
        .output()
        .exits(2)
        .error_json("E_CONFIG_INVALID", "config_invalid");
    assert_eq!(sandbox.snapshot(), before);
    human
        .stderr
        .lines()
        .find(|line| line.starts_with("Error: "))
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_broken_config_is_located_by_its_json_pointer() {
    for (section, key, value, pointer) in [
        ("scope", "allowlist", json!("src/**"), "/scope/allowlist"),
        (
            "verification",
            "tier0",
            json!(["true", 5]),
            "/verification/tier0/1",
        ),
        (
            "verification",
            "max_verify_time_per_milestone",
            json!(0),
            "/verification/max_verify_time_per_milestone",
        ),
        (
            "resilience",
            "auto_resume",
            json!("yes"),
            "/resilience/auto_resume",
        ),
    ] {
        let error = config_error(section, key, value);
        let problem = error.strip_prefix(&format!("Error: Invalid config: {pointer}: "));
        assert!(
            problem.is_some_and(|text| !text.is_empty()),
            "{pointer} is not named: {error}"
        );
    }
}

#[test]
fn a_config_that_is_not_json_is_invalid() {
    let sandbox = Sandbox::untrusted(&Config::new());
    sandbox.write(".runr/runr.config.json", "{\"agent\": \n");
    sandbox.commit("broken");
    let human = sandbox.runr(&["run", "--task", TASK]).output().exits(2);
    assert!(
        human
            .stderr
            .lines()
            .any(|line| line.starts_with("Error: Invalid config: ")),
        "{human}"
    );
}

#[test]
fn a_missing_config_is_not_found() {
    let sandbox = Sandbox::bare();
    sandbox.write(TASK, "# A task\n");
    let before = sandbox.snapshot();
    let human = sandbox.runr(&["run", "--task", TASK]).output().exits(4);
    human.says("Error: Config not found: .runr/runr.config.json");
    assert!(human.stderr.contains("hint: runr init"), "{human}");
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn a_missing_task_is_not_found() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let before = sandbox.snapshot();
    let human = sandbox
        .runr(&["run", "--task", "absent.md"])
        .output()
        .exits(4);
    let named = |line: &str| {
        line.starts_with("Error: Task file not found: ") && line.ends_with("absent.md")
    };
    assert!(human.stderr.lines().any(named), "{human}");
    let output = sandbox
        .runr(&["run", "--task", "absent.md", "--json"])
        .output()
        .exits(4);
    output.error_json("E_TASK_NOT_FOUND", "task_not_found");
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn broken_front_matter_is_invalid() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    for front in ["owns: {a: 1}", "owns: ../outside", "type: [unclosed"] {
        sandbox.write(TASK, &format!("---\n{front}\n---\n# A task\n"));
        let before = sandbox.snapshot();
        let human = sandbox.runr(&["run", "--task", TASK]).output().exits(2);
        let named = |line: &str| {
            line.starts_with("Error: Invalid task front matter in ") && line.contains("task.md: ")
        };
        assert!(human.stderr.lines().any(named), "{front}: {human}");
        sandbox
            .run_command(&[])
            .output()
            .exits(2)
            .error_json("E_TASK_INVALID", "task_invalid");
        assert_eq!(sandbox.snapshot(), before);
    }
}

#[test]
fn a_directory_outside_every_repository_is_refused() {
    let sandbox = Sandbox::bare();
    let outside = sandbox.scratch();
    std::fs::write(outside.join("task.md"), "# A task\n").unwrap();
    for args in [
        ["run", "--task", "task.md"].as_slice(),
        &["status"],
        &["init"],
    ] {
        let human = sandbox.runr(args).cwd(&outside).output().exits(4);
        assert!(
            human
                .stderr
                .lines()
                .any(|line| line.starts_with("Error: Not a git repository: ")),
            "{human}"
        );
    }
    let output = sandbox
        .runr(&["status", "--json"])
        .cwd(&outside)
        .output()
        .exits(4);
    output.error_json("E_NOT_A_REPO", "not_a_git_repo");
    assert!(!outside.join(".runr").exists());
}

#[test]
fn a_manual_task_makes_no_run() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write(
        TASK,
        "---\ntype: manual\n---\n# Rotate the key\n\nAsk the provider.\n",
    );
    let before = sandbox.snapshot();
    let human = sandbox.runr(&["run", "--task", TASK]).output().exits(0);
    assert!(human.stdout.contains("Ask the provider."), "{human}");
    assert!(human.stdout.contains("runr task done"), "{human}");
    let line = sandbox.run_command(&[]).output().exits(0).json_line();
    assert_eq!(
        (&line["run_id"], &line["status"]),
        (&json!(null), &json!("manual_task"))
    );
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn a_dry_run_creates_nothing() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let before = sandbox.snapshot();
    let line = sandbox
        .run_command(&["--dry-run", "--worktree"])
        .output()
        .exits(0)
        .json_line();
    assert_eq!(
        (&line["run_id"], &line["run_dir"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(line["status"], "dry_run");
    assert_eq!(sandbox.snapshot(), before);
    assert_eq!(
        sandbox.git(&["branch", "--format=%(refname:short)"]),
        "main"
    );
    assert!(strings(&json!(sandbox.prompts("plan"))).is_empty());
}
