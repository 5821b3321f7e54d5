//! What `runr init` says, to people and to programs.

use serde_json::json;

use super::CONFIG;
use crate::support::{Sandbox, assert_ordered_fields, strings};

/// A package and a crate, with tools of both.
fn mixed() -> Sandbox {
    let sandbox = Sandbox::bare();
    let manifest = json!({"scripts": {"lint": "x", "test": "y"}, "dependencies": {"react": "1"}});
    sandbox.write("package.json", &manifest.to_string());
    sandbox.write("tsconfig.json", "{}");
    sandbox.write("Cargo.toml", "[workspace]\n");
    sandbox
}

#[test]
fn people_see_every_file_every_tier_and_the_manifests_they_came_from() {
    let sandbox = mixed();
    sandbox.write(".gitignore", "*.log\n");
    sandbox.write(".runr/tasks/example-docs.md", "# Ours\n");
    let output = sandbox.runr(&["init"]).output().exits(0);
    let expected = "\
created .runr/runr.config.json
created .runr/tasks/example-bugfix.md
created .runr/tasks/example-feature.md
kept .runr/tasks/example-docs.md
updated .gitignore
Detected:
  tier0: npm run lint && cargo fmt --check && cargo clippy --workspace --all-targets (package.json, Cargo.toml)
  tier1: cargo build --workspace (Cargo.toml)
  tier2: npm test && cargo test --workspace (package.json, Cargo.toml)
  presets: react, typescript, rust (package.json, tsconfig.json, Cargo.toml)
Next:
  edit .runr/runr.config.json
  write a task in .runr/tasks/
  runr run --task <file> --worktree
";
    assert_eq!(output.stdout, expected);

    let again = sandbox.runr(&["init", "--force"]).output().exits(0);
    let lines: Vec<&str> = again.stdout.lines().take(2).collect();
    let expected = [
        "updated .runr/runr.config.json",
        "created .runr/runr.config.json.bak",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn programs_get_one_document_with_the_fields_in_order() {
    let result = mixed()
        .runr(&["init", "--json"])
        .output()
        .exits(0)
        .pretty_json();
    assert_ordered_fields(
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
    assert_eq!(
        result["created"],
        json!([
            CONFIG,
            ".runr/tasks/example-bugfix.md",
            ".runr/tasks/example-feature.md",
            ".runr/tasks/example-docs.md",
            ".gitignore"
        ])
    );
    assert_eq!(result["kept"], json!([]));
    assert_eq!(result["sources"], json!(["package.json", "Cargo.toml"]));
    assert_eq!(result["presets"], json!(["react", "typescript", "rust"]));
    assert_eq!(
        result["verification"],
        json!({
            "tier0": ["npm run lint", "cargo fmt --check", "cargo clippy --workspace --all-targets"],
            "tier1": ["cargo build --workspace"],
            "tier2": ["npm test", "cargo test --workspace"],
        })
    );
}

#[test]
fn a_repository_without_checks_is_told_why_and_what_to_do() {
    for (files, code) in [
        (&[][..], "no-manifest"),
        (&[("package.json", "{}")], "empty-scripts"),
        (
            &[("package.json", r#"{"scripts": {"start": "x"}}"#)],
            "no-matching-scripts",
        ),
        (&[("package.json", "{")], "invalid-manifest: package.json: "),
    ] {
        let sandbox = Sandbox::bare();
        for (name, text) in files {
            sandbox.write(name, text);
        }
        let output = sandbox.runr(&["init", "--print"]).output().exits(0);
        let wanted = format!("warning: {code}");
        let mut lines = output.stderr.lines();
        let line = lines.find(|line| line.starts_with(&wanted));
        assert!(
            line.is_some_and(|line| line.contains("`verification`")),
            "{output}"
        );
        let result = sandbox.runr(&["init", "--json"]).output().exits(0).json();
        let warnings = strings(&result["warnings"]);
        assert!(
            warnings.iter().any(|it| it.starts_with(code)),
            "{warnings:?}"
        );
    }
}

#[test]
fn a_machine_without_workers_is_warned_of() {
    let sandbox = Sandbox::bare();
    let warned = |bin: &std::path::Path| {
        let command = sandbox.runr(&["init", "--print"]).env("PATH", bin);
        command
            .output()
            .exits(0)
            .stderr
            .contains("warning: no-worker: ")
    };
    let bin = super::path_with(&sandbox, &[]);
    assert!(warned(&bin));
    assert!(!warned(&super::path_with(&sandbox, &["codex"])));
}

#[test]
fn the_wizard_to_come_answers_programs_in_json() {
    let sandbox = mixed();
    let before = sandbox.snapshot();
    let output = sandbox.runr(&["init", "--interactive", "--json"]).output();
    let result = output.exits(0).pretty_json();
    assert_eq!(result["written"], false);
    assert_eq!(result["created"], json!([]));
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn the_old_configuration_is_kept_in_its_very_bytes() {
    let sandbox = Sandbox::bare();
    let old = b"{ \"caf\xe9\" }\r\n";
    sandbox.write(CONFIG, "");
    std::fs::write(sandbox.repo().join(CONFIG), old).unwrap();
    sandbox.runr(&["init", "--force"]).output().exits(0);
    let kept = std::fs::read(sandbox.repo().join(".runr/runr.config.json.bak")).unwrap();
    assert_eq!(kept, old);
}

#[test]
fn an_example_task_is_understood_without_a_warning() {
    let sandbox = Sandbox::bare();
    sandbox.write("Makefile", "test:\n\ttrue\n");
    super::init(&sandbox);
    sandbox.commit("init");
    for task in ["example-bugfix.md", "example-feature.md", "example-docs.md"] {
        sandbox.script(&crate::support::Script::happy(1));
        let command = sandbox.runr(&["run", "--task", task, "--worktree", "--json"]);
        let output = command.output().exits(0);
        assert!(!output.stderr.contains("warning"), "{output}");
    }
}
