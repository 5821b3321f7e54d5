//! Texts that a repository, its configuration, its task, its workers and the environment set.

use std::fs;

use serde_json::{Value, json};

use super::{CANARY, expect_harmless, texts};
use crate::support::{Config, Output, Sandbox, Script, TASK, approve, plan, request_changes};

/// What every command that only looks says afterwards.
fn look_at_everything(sandbox: &Sandbox) {
    for words in [
        &["status"][..],
        &["status", "--all", "--json"],
        &["report", "latest"],
        &["report", "latest", "--json"],
        &["resume", "--plan"],
        &["trust", "--print"],
        &["doctor"],
        &["store", "ls"],
        &["prep", "--flow", "plan"],
        &["init", "--print"],
    ] {
        expect_harmless(sandbox, &sandbox.runr(words).output());
    }
}

fn run(sandbox: &Sandbox, flags: &[&str]) -> Output {
    let output = sandbox
        .run_command(flags)
        .env("RUNR_SKIP_DOCTOR", "1")
        .output();
    expect_harmless(sandbox, &output);
    output
}

/// A text without what a name of a git reference cannot have.
fn as_reference(text: &str) -> String {
    let text = text.replace(' ', "${IFS}");
    text.replace(|c: char| c.is_control() || "~^:?*[\\".contains(c), "-")
}

/// A text without what a file name cannot have.
fn as_file_name(text: &str) -> String {
    text.replace('/', "-")
}

#[test]
fn no_text_of_a_worker_is_executed() {
    for text in texts(1, 2) {
        let file = format!("src/{}", as_file_name(text));
        let goal = json!({
            "goal": text, "done_checks": [text], "risk_level": "low", "files_expected": [file]
        });
        let mut first = plan(&[goal]);
        first["reply"]["risk_map"] = json!([text]);
        first["reply"]["do_not_touch"] = json!([text]);
        let step = json!({
            "reply": {
                "status": "ok", "handoff_memo": text, "commands_run": [text], "observations": [text]
            },
            "files": {file: text, as_file_name(text): text},
        });
        let none = json!({"reply": {
            "status": "no_changes_needed", "handoff_memo": text,
            "evidence": {"files_checked": [text], "grep_output": text,
                "commands_run": [{"command": format!("touch {CANARY}"), "exit_code": 0}, {"command": text, "exit_code": 0}]},
        }});
        for steps in [vec![step.clone(), step.clone()], vec![none]] {
            let review = [request_changes(&[text]), approve()];
            let sandbox = Sandbox::with(&Config::new().allow(&["**"]));
            sandbox.script(&Script::new(first.clone(), &steps, &review));
            let output = run(&sandbox, &["--worktree"]);
            assert!(output.json_line()["run_id"].is_string(), "{output}");
            look_at_everything(&sandbox);
        }
    }
}

#[test]
fn no_value_of_a_configuration_but_its_commands_is_executed() {
    for turn in 0..16 {
        for text in texts(turn, 1) {
            let (section, key, value) = setting(turn, text);
            let sandbox = Sandbox::untrusted(&Config::new());
            sandbox.script(&Script::happy(1));
            sandbox.configure(&Config::new().set(section, key, value));
            sandbox.commit("hostile");
            expect_harmless(&sandbox, &sandbox.runr(&["trust"]).output());
            run(&sandbox, &["--worktree"]);
            expect_harmless(&sandbox, &sandbox.runr(&["doctor"]).output());
        }
    }
}

/// One of the values that a configuration can set, set to this text.
fn setting(turn: usize, text: &str) -> (&str, &str, Value) {
    let worker = json!({"bin": text, "args": [text], "output": "text"});
    let trigger = json!([{"name": text, "patterns": [text], "tier": "tier1"}]);
    match turn {
        0 => ("agent", "name", json!(text)),
        1 => ("agent", "version", json!(text)),
        2 => ("repo", "default_branch", json!(text)),
        3 => ("scope", "allowlist", json!([text, "src/**"])),
        4 => ("scope", "denylist", json!([text])),
        5 => ("scope", "presets", json!([text])),
        6 => ("scope", "lockfiles", json!([text])),
        7 => ("scope", "env_allowlist", json!([text])),
        8 => ("verification", "cwd", json!(text)),
        9 => ("verification", text, json!(["true"])),
        10 => ("verification", "risk_triggers", trigger),
        11 => ("workers", "claude", worker),
        12 => ("workers", text, worker),
        13 => ("phases", "plan", json!(text)),
        14 => ("worktree", "copy", json!([text])),
        _ => (text, text, json!(text)),
    }
}

#[test]
fn no_text_of_a_task_is_executed_nor_its_name() {
    for text in texts(2, 2) {
        let sandbox = Sandbox::scripted(&Script::happy(1));
        let quoted = json!(text);
        let task = format!(
            "---\nowns: [{quoted}]\nallowlist_add: [{quoted}]\nverification:\n  tier: tier0\n---\n# {text}\n\n## Goal\n{text}\n"
        );
        let name = format!(".runr/tasks/{}.md", as_file_name(text));
        fs::write(sandbox.repo().join(&name), task).unwrap();
        fs::write(
            sandbox.repo().join(TASK),
            format!("# {text}\n\n## Goal\n{text}\n"),
        )
        .unwrap();
        sandbox.commit("hostile tasks");
        run(&sandbox, &["--worktree"]);
        let task = format!("--task={name}");
        let named = sandbox
            .runr(&["run", "--worktree", "--json", &task])
            .output();
        expect_harmless(&sandbox, &named);
        let words = format!("--task-text=# {text}\n\n## Goal\n{text}\n");
        let given = sandbox
            .runr(&["run", "--worktree", "--json", &words])
            .output();
        expect_harmless(&sandbox, &given);
        look_at_everything(&sandbox);
    }
}

#[test]
fn no_name_of_a_branch_or_a_file_is_executed() {
    for text in texts(3, 2) {
        let sandbox = Sandbox::scripted(&Script::happy(1));
        let branch = format!("refs/heads/{}", as_reference(text));
        sandbox.git(&["symbolic-ref", "HEAD", &branch]);
        fs::write(sandbox.repo().join(as_file_name(text)), text).unwrap();
        fs::write(sandbox.repo().join("src").join(as_file_name(text)), text).unwrap();
        sandbox.git(&["add", "-A"]);
        sandbox.git(&["commit", "-q", "-m", text]);
        run(&sandbox, &["--worktree"]);
        run(&sandbox, &[]);
        look_at_everything(&sandbox);
        // Dirty files are looked at as well.
        fs::write(sandbox.repo().join(as_file_name(text)), "changed").unwrap();
        run(&sandbox, &[]);
        run(&sandbox, &["--allow-dirty"]);
    }
}

#[test]
fn no_name_of_a_directory_is_executed() {
    for text in texts(4, 2) {
        let sandbox = Sandbox::scripted(&Script::happy(1));
        let dir = sandbox.scratch().join(as_file_name(text));
        fs::rename(sandbox.repo(), &dir).unwrap();
        fs::create_dir(sandbox.repo()).unwrap();
        let dir = dir.to_str().unwrap();
        for words in [
            &["trust"][..],
            &["run", "--task", TASK, "--worktree"],
            &["run", "--task", TASK],
            &["report", "latest"],
            &["doctor"],
            &["init", "--force"],
        ] {
            let inside = sandbox.runr(words).cwd(dir).output();
            expect_harmless(&sandbox, &inside);
            let root = format!("--root={dir}");
            let outside = sandbox.runr(words).args(&[&root]).output();
            expect_harmless(&sandbox, &outside);
        }
    }
}

#[test]
fn no_variable_of_the_environment_is_executed() {
    let attack = format!("touch {CANARY}");
    let names = [
        "RUNR_WORKTREES_DIR",
        "RUNR_WORKER_SCRIPT",
        "RUNR_CONFIG_DIR",
        "RUNR_DATA_DIR",
        "RUNR_TRUST_CONFIG",
        "RUNR_SKIP_DOCTOR",
        "RUNR_RUN_ID",
        "RUNR_TOKEN",
        "RUNR_RUN_DIR",
        "EDITOR",
        "VISUAL",
        "PAGER",
        "GIT_PAGER",
        "GIT_EDITOR",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_ASKPASS",
        "SSH_ASKPASS",
        "GIT_EXTERNAL_DIFF",
        "GIT_PROXY_COMMAND",
        "GIT_SEQUENCE_EDITOR",
        "GIT_EXEC_PATH",
        "GIT_TEMPLATE_DIR",
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_CONFIG_PARAMETERS",
        "XDG_STATE_HOME",
        "TMPDIR",
        "ENV",
        "BASH_ENV",
        "PS4",
        "IFS",
        "LC_ALL",
        "TERM",
        "COLUMNS",
        "NO_COLOR",
    ];
    let sandbox = Sandbox::scripted(&Script::happy(1));
    for (turn, name) in names.into_iter().enumerate() {
        for text in [attack.as_str(), texts(turn, 1)[0]] {
            for words in [
                &["run", "--task", TASK, "--worktree"][..],
                &["status"],
                &["doctor"],
            ] {
                let output = sandbox.runr(words).env(name, text).output();
                expect_harmless(&sandbox, &output);
            }
        }
    }
    // The form in which git takes options from variables.
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let command = sandbox.runr(&["run", "--task", TASK]);
    let command = command
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "core.fsmonitor");
    let output = command.env("GIT_CONFIG_VALUE_0", attack).output().exits(0);
    expect_harmless(&sandbox, &output);
}
