//! `runr init`: what it finds, what it writes, and that it never asks.

mod agents;
mod detection;
mod hostile;
mod output;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Sandbox, assert_leading_fields, assert_ordered_fields, strings};

const CONFIG: &str = ".runr/runr.config.json";
const IGNORED: [&str; 5] = [
    ".runr/runs/",
    ".runr/orchestrations/",
    ".runr/checkpoints/",
    ".runr/task-status.json",
    ".runr-worktrees/",
];

/// Runs init and returns the configuration it wrote.
fn init(sandbox: &Sandbox) -> Value {
    sandbox.runr(&["init"]).output().exits(0);
    serde_json::from_str(&sandbox.read(CONFIG)).unwrap()
}

#[track_caller]
fn assert_tiers(config: &Value, tier0: &[&str], tier1: &[&str], tier2: &[&str]) {
    let found = &config["verification"];
    assert_eq!(
        (&found["tier0"], &found["tier1"], &found["tier2"]),
        (&json!(tier0), &json!(tier1), &json!(tier2))
    );
}

#[track_caller]
fn assert_contains(list: &Value, items: &[&str]) {
    let found = strings(list);
    for item in items {
        assert!(
            found.iter().any(|entry| entry == item),
            "{item} is not in {found:?}"
        );
    }
}

#[test]
fn init_writes_the_config_the_example_tasks_and_the_ignore_lines() {
    let sandbox = Sandbox::bare();
    let result = sandbox
        .runr(&["init", "--json"])
        .output()
        .exits(0)
        .pretty_json();
    assert_leading_fields(
        &result,
        &[
            "config_path",
            "written",
            "created",
            "kept",
            "sources",
            "verification",
            "presets",
            "warnings",
        ],
    );
    assert_eq!(result["written"], true);
    assert!(Path::new(result["config_path"].as_str().unwrap()).ends_with(CONFIG));

    let config: Value = serde_json::from_str(&sandbox.read(CONFIG)).unwrap();
    assert_ordered_fields(
        &config,
        &[
            "agent",
            "scope",
            "verification",
            "workers",
            "phases",
            "resilience",
        ],
    );
    assert_eq!(config["agent"], json!({"name": "repo", "version": "1"}));
    assert_eq!(config["scope"]["allowlist"], json!(["src/**"]));
    assert_contains(
        &config["scope"]["denylist"],
        &[
            "node_modules/**",
            ".git/**",
            ".runr/**",
            ".env",
            ".env.local",
        ],
    );
    assert_eq!(
        config["scope"]["lockfiles"],
        json!(["package-lock.json", "pnpm-lock.yaml", "yarn.lock"])
    );
    assert_eq!(config["verification"]["max_verify_time_per_milestone"], 600);
    assert_eq!(config["workers"]["claude"]["bin"], "claude");
    assert_eq!(config["workers"]["codex"]["bin"], "codex");

    for task in ["example-bugfix.md", "example-feature.md", "example-docs.md"] {
        let text = sandbox.read(&format!(".runr/tasks/{task}"));
        assert!(text.starts_with("---\n"), "{task} has no front matter");
        for heading in ["## Goal", "## Requirements", "## Success Criteria"] {
            assert!(text.contains(heading), "{task} lacks {heading}");
        }
    }
    let ignore = sandbox.read(".gitignore");
    for line in IGNORED {
        assert_eq!(
            ignore.lines().filter(|found| *found == line).count(),
            1,
            "{line} in .gitignore"
        );
    }
    assert!(
        !ignore
            .lines()
            .any(|line| line.trim_end_matches('/') == ".runr"),
        "config and tasks belong in git"
    );
}

#[test]
fn init_keeps_what_a_gitignore_says_and_repeats_no_line() {
    let sandbox = Sandbox::bare();
    // Without a final newline: the first appended line must not melt into it.
    sandbox.write(".gitignore", "*.log\n.runr/runs/\nbuild");
    init(&sandbox);
    let ignore = sandbox.read(".gitignore");
    let lines: Vec<&str> = ignore.lines().collect();
    assert_eq!(lines[..3], ["*.log", ".runr/runs/", "build"]);
    for line in IGNORED {
        assert_eq!(
            lines.iter().filter(|found| **found == line).count(),
            1,
            "{line} in {ignore:?}"
        );
    }
}

#[test]
fn init_print_shows_the_config_and_touches_nothing() {
    let sandbox = Sandbox::bare();
    sandbox.write(
        "Cargo.toml",
        "[package]\nname = \"x\"\nversion = \"0.1.0\"\n",
    );
    let before = sandbox.snapshot();
    let printed = sandbox.runr(&["init", "--print"]).output().exits(0).json();
    assert_eq!(sandbox.snapshot(), before);
    assert_eq!(
        printed,
        init(&sandbox),
        "what is printed is what would be written"
    );

    let written = sandbox.snapshot();
    sandbox.runr(&["init", "--print"]).output().exits(0).json();
    assert_eq!(
        sandbox.snapshot(),
        written,
        "an existing config is no obstacle and no victim"
    );
}

#[test]
fn init_refuses_to_replace_a_config() {
    let sandbox = Sandbox::bare();
    init(&sandbox);
    sandbox.write(CONFIG, "{\"mine\": true}\n");
    let before = sandbox.snapshot();

    let human = sandbox.runr(&["init"]).output().exits(3);
    human.says("Error: .runr/runr.config.json already exists");
    assert!(human.stderr.contains("--force"), "{human}");
    let error = sandbox
        .runr(&["init", "--json"])
        .output()
        .exits(3)
        .error_json("E_CONFIG_EXISTS", "config_exists");
    assert!(error["hint"].as_str().unwrap().contains("--force"));
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn init_force_twice_loses_no_configuration() {
    let sandbox = Sandbox::bare();
    let force = || sandbox.runr(&["init", "--force"]).output().exits(0);
    for mine in ["{\"mine\": 1}\n", "{\"mine\": 2}\n"] {
        sandbox.write(CONFIG, mine);
        force();
    }
    // What init itself wrote is kept once.
    force();
    force();
    let kept = |name: &str| sandbox.read(&format!("{CONFIG}.{name}"));
    assert_eq!(kept("bak"), "{\"mine\": 1}\n");
    assert_eq!(kept("bak.2"), "{\"mine\": 2}\n");
    assert_eq!(kept("bak.3"), sandbox.read(CONFIG));
    assert!(!sandbox.exists(&format!("{CONFIG}.bak.4")));
}

#[test]
fn init_force_keeps_the_old_config_aside_and_never_replaces_a_task() {
    let sandbox = Sandbox::bare();
    sandbox.write(CONFIG, "{\"mine\": true}\n");
    sandbox.write(".runr/tasks/example-docs.md", "# Mine\n");
    let result = sandbox
        .runr(&["init", "--force", "--json"])
        .output()
        .exits(0)
        .json();
    assert_eq!(
        sandbox.read(".runr/runr.config.json.bak"),
        "{\"mine\": true}\n"
    );
    assert_eq!(sandbox.read(".runr/tasks/example-docs.md"), "# Mine\n");
    assert!(sandbox.read(CONFIG).contains("\"verification\""));
    assert!(
        strings(&result["kept"])
            .iter()
            .any(|path| path.ends_with("example-docs.md")),
        "{result}"
    );
    assert!(
        strings(&result["created"])
            .iter()
            .any(|path| path.ends_with("example-bugfix.md")),
        "{result}"
    );
}

#[test]
fn init_interactive_writes_nothing() {
    let sandbox = Sandbox::bare();
    let before = sandbox.snapshot();
    let output = sandbox.runr(&["init", "--interactive"]).output().exits(0);
    assert_eq!(output.text().lines().count(), 1, "{output}");
    assert!(output.text().contains("runr init"), "{output}");
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn no_command_waits_for_an_answer() {
    let sandbox = Sandbox::bare();
    let silent = |args: &[&str]| {
        sandbox
            .runr(args)
            .silent_stdin()
            .limit(Duration::from_secs(15))
            .output()
            .code
            .unwrap()
    };
    assert_eq!(silent(&["init"]), 0);
    assert_eq!(silent(&["init"]), 3);
    assert_eq!(silent(&["init", "--interactive"]), 0);
    assert_eq!(silent(&["trust"]), 0);
    assert_eq!(silent(&["status"]), 4);
    assert_eq!(silent(&["run", "--task", "absent.md"]), 4);
}

#[test]
fn finding_nothing_is_said_and_leaves_a_config_that_run_refuses() {
    let sandbox = Sandbox::bare();
    let result = sandbox.runr(&["init", "--json"]).output().exits(0).json();
    assert!(
        strings(&result["warnings"])
            .iter()
            .any(|text| text.contains("no-manifest")),
        "{result}"
    );
    assert_eq!(
        result["verification"],
        json!({"tier0": [], "tier1": [], "tier2": []})
    );
    sandbox.commit("init");
    sandbox.script(&crate::support::Script::happy(1));
    let output = sandbox
        .runr(&["run", "--task", "example-docs.md"])
        .output()
        .exits(3);
    output.says("Error: No verification commands configured");
}

/// A directory for `PATH` with git, a shell, and these programs.
fn path_with(sandbox: &Sandbox, installed: &[&str]) -> PathBuf {
    let bin = sandbox
        .scratch()
        .join(format!("bin-{}", installed.join("-")));
    std::fs::create_dir(&bin).unwrap();
    for tool in ["git", "sh"] {
        let find = format!("command -v {tool}");
        let found = sandbox.command("sh").args(&["-c", &find]).output().exits(0);
        std::os::unix::fs::symlink(found.stdout.trim(), bin.join(tool)).unwrap();
    }
    for name in installed {
        std::fs::write(bin.join(name), "#!/bin/sh\necho 1.0.0\n").unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}

#[test]
fn the_stages_go_to_the_workers_that_are_installed() {
    let sandbox = Sandbox::bare();
    let phases = |installed: &[&str]| {
        let bin = path_with(&sandbox, installed);
        let command = sandbox.runr(&["init", "--print"]).env("PATH", bin);
        command.output().exits(0).json()["phases"].clone()
    };
    let split = json!({"plan": "claude", "implement": "codex", "review": "claude"});
    let all = |name: &str| json!({"plan": name, "implement": name, "review": name});
    assert_eq!(phases(&["claude"]), all("claude"));
    assert_eq!(phases(&["codex"]), all("codex"));
    assert_eq!(phases(&["claude", "codex"]), split);
    assert_eq!(
        phases(&[]),
        json!({"plan": "claude", "implement": "codex", "review": "claude"})
    );
}

#[test]
fn a_run_right_after_init_needs_neither_trust_nor_a_commit() {
    let sandbox = Sandbox::bare();
    sandbox.write("Makefile", "test:\n\ttest -f src/part1.txt\n");
    sandbox.commit("a makefile");
    let base = sandbox.head();
    init(&sandbox);
    sandbox.script(&crate::support::Script::happy(1));
    let output = sandbox
        .runr(&[
            "run",
            "--task",
            "example-feature.md",
            "--worktree",
            "--json",
        ])
        .output()
        .exits(0);
    let run = sandbox.started(output);
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{}", run.id)),
        ["src/part1.txt"]
    );
}
