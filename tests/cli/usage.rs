//! Wrong arguments, and output that nobody reads.

use std::process::Stdio;

use crate::support::{Sandbox, Script, TASK};

#[track_caller]
fn assert_usage_error(sandbox: &Sandbox, args: &[&str]) {
    let before = sandbox.snapshot();
    let human = sandbox.runr(args).output().exits(2);
    let first = human.stderr.lines().next().unwrap_or_default();
    assert!(first.starts_with("Error: "), "{human}");
    assert_eq!(human.stdout, "", "{human}");
    let mut with_json = args.to_vec();
    with_json.push("--json");
    sandbox
        .runr(&with_json)
        .output()
        .exits(2)
        .error_json("E_USAGE", "usage");
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn unknown_flags_and_bad_values_are_usage_errors() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    assert_usage_error(&sandbox, &["run", "--task", TASK, "--no-such-flag"]);
    assert_usage_error(&sandbox, &["run", "--task", TASK, "--max-ticks", "5x"]);
    assert_usage_error(&sandbox, &["run", "--task", TASK, "--max-ticks=-1"]);
    assert_usage_error(&sandbox, &["run", "--task", TASK, "--time", "soon"]);
    assert_usage_error(&sandbox, &["run"]);
    assert_usage_error(&sandbox, &["status", "latest", "--no-such-flag"]);
    assert_usage_error(&sandbox, &["no-such-command"]);
}

#[test]
fn version_and_help_are_answers() {
    let sandbox = Sandbox::bare();
    let version = sandbox.runr(&["--version"]).output().exits(0);
    assert_eq!(
        version.stdout,
        format!("runr {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = sandbox.runr(&["--help"]).output().exits(0);
    for command in [
        "init", "run", "status", "resume", "report", "trust", "doctor", "call",
    ] {
        assert!(
            help.stdout.contains(command),
            "{command} is not in the help: {help}"
        );
    }
}

#[test]
fn the_root_may_be_named_from_anywhere_before_and_after_the_command() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&[], 0);
    let repo = sandbox.repo();
    let repo = repo.to_str().unwrap();
    for args in [
        ["-C", repo, "status", "latest"],
        ["status", "latest", "--root", repo],
        ["--repo", repo, "status", "latest"],
    ] {
        let status = sandbox.runr(&args).cwd("/").output().exits(0).json();
        assert_eq!(status["run_id"], run.id.as_str(), "{args:?}");
    }
    let status = sandbox
        .runr(&["status", "latest"])
        .cwd(sandbox.repo().join("src"))
        .output()
        .exits(0)
        .json();
    assert_eq!(
        status["run_id"],
        run.id.as_str(),
        "from a directory below the toplevel"
    );
}

#[test]
fn a_closed_stdout_ends_a_command_quietly() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&[], 0);
    for args in [
        ["status", &run.id].as_slice(),
        &["report", &run.id, "--json"],
    ] {
        // The reader is gone before the command starts.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_runr"))
            .args(args)
            .current_dir(sandbox.repo())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", sandbox.scratch())
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), stderr.as_ref()),
            (Some(0), ""),
            "{args:?}"
        );
    }
}
