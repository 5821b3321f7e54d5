//! What once went wrong, and must not again: each test is named after the promise that was broken.

mod claimed;
mod deleted;
mod dirty;
mod failing;
mod hidden;
mod judged;
mod kinds;
mod planted;
mod reopened;
mod settings;
mod shapes;
mod unread;
mod workers;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, approve, milestone, ok, plan};

/// A repository with `src/old.txt` as well, and one milestone that is implemented by `step`.
fn one(step: Value) -> Sandbox {
    let sandbox = Sandbox::scripted(&Script::one(step));
    sandbox.write("src/old.txt", "an old file\n");
    sandbox.commit("an old file");
    sandbox
}

/// Runs in a worktree and checks why the run stopped, and that it committed nothing; the run's id.
#[track_caller]
fn stops(sandbox: &Sandbox, flags: &[&str], reason: &str) -> String {
    let run = sandbox.run(flags, 1);
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], reason, "{status}");
    assert_eq!(sandbox.checkpoints(&run.id), []);
    run.id
}

/// The files a guard stop names.
#[track_caller]
fn violations(sandbox: &Sandbox, id: &str) -> Vec<String> {
    let mut files = crate::support::strings(&sandbox.status(id)["guard_violation_files"]);
    files.sort();
    files
}

/// What the tip of the run's branch holds.
fn tip_names(sandbox: &Sandbox, id: &str) -> Vec<String> {
    let tip = format!("runr/{id}");
    let args = ["--no-replace-objects", "ls-tree", "-r", "--name-only", &tip];
    sandbox.git(&args).lines().map(str::to_owned).collect()
}

fn milestones(sandbox: &Sandbox, id: &str) -> Vec<u64> {
    sandbox.checkpoints(id).iter().map(|(n, _)| *n).collect()
}

const PLAN: &str =
    r#"{"milestones":[{"goal":"goal 1","done_checks":["the check passes"],"risk_level":"low"}]}"#;
const OK: &str = r#"{"status":"ok","handoff_memo":"done"}"#;
const APPROVE: &str = r#"{"status":"approve","changes":[]}"#;

/// The end of a worker's script: it reads its prompt and answers.
fn answer(reply: &str) -> String {
    format!("\ncat > \"$SCRATCH/prompt\"\ncat <<'END'\nBEGIN_JSON\n{reply}\nEND_JSON\nEND\n")
}

/// A repository whose stages are played by shell scripts: what each does before it answers.
fn processes(config: Config, before_plan: &str, implement: &str) -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    let script = |name: &str, text: &str| {
        let scratch = sandbox.scratch();
        let path = scratch.join(name);
        let text = format!("#!/bin/sh\nSCRATCH='{}'\n{text}", scratch.display());
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let planner = script("plan", &format!("{before_plan}{}", answer(PLAN)));
    let doer = script("implement", implement);
    let critic = script("review", &answer(APPROVE));
    let config = config
        .worker("planner", "sh", &[&planner])
        .worker("doer", "sh", &[&doer])
        .worker("critic", "sh", &[&critic])
        .phases("planner", "doer", "critic");
    sandbox.configure(&config);
    sandbox.commit("real workers");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox
}

/// Implements with a shell script that answers `ok`.
fn process(implement: &str) -> Sandbox {
    processes(Config::new(), "", &format!("{implement}{}", answer(OK)))
}

/// Runs processes to the end, whatever that is.
fn run_processes(sandbox: &Sandbox, flags: &[&str]) -> crate::support::Output {
    let command = sandbox.run_command(flags);
    command.env("RUNR_SKIP_DOCTOR", "1").output()
}
