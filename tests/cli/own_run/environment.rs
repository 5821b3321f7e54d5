//! What workers and checks learn about the claim.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

const PLAN: &str =
    r#"{"milestones":[{"goal":"goal 1","done_checks":["the check passes"],"risk_level":"low"}]}"#;
const OK: &str = r#"{"status":"ok","handoff_memo":"done"}"#;
const APPROVE: &str = r#"{"status":"approve","changes":[]}"#;

/// A repository whose implementer is a process: it does this, keeps its environment, and answers.
pub(super) fn with_process(implement: &str, check: &str) -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    let scratch = sandbox.scratch();
    let answer = |name: &str, before: &str, reply: &str| {
        let path = scratch.join(name);
        let text = format!(
            "#!/bin/sh\n{before}\ncat > /dev/null\ncat <<'END'\nBEGIN_JSON\n{reply}\nEND_JSON\nEND\n"
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let implement = format!(
        "env > '{}'\n{implement}",
        scratch.join("worker.env").display()
    );
    let config = Config::new()
        .tier(
            "tier0",
            &[
                check,
                &format!("env > '{}'", scratch.join("check.env").display()),
            ],
        )
        .worker("planner", "sh", &[&answer("plan", "", PLAN)])
        .worker("doer", "sh", &[&answer("implement", &implement, OK)])
        .worker("critic", "sh", &[&answer("review", "", APPROVE)])
        .phases("planner", "doer", "critic");
    sandbox.configure(&config);
    sandbox.commit("real workers");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox
}

pub(super) fn run_processes(sandbox: &Sandbox, flags: &[&str]) -> Command {
    sandbox.run_command(flags).env("RUNR_SKIP_DOCTOR", "1")
}

fn variables(sandbox: &Sandbox, file: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(sandbox.scratch().join(file)).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .filter(|(name, _)| {
            name.ends_with("RUN_ID") || ["RUNR_TOKEN", "RUNR_TARGET"].contains(name)
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn expected(run: &str, token: Option<&Value>) -> BTreeMap<String, String> {
    let names = ["RUNR_RUN_ID", "DEVLOOPS_RUN_ID", "PI_SUBAGENT_RUN_ID"];
    let mut all: BTreeMap<String, String> = names
        .iter()
        .map(|name| ((*name).to_owned(), run.to_owned()))
        .collect();
    if let Some(token) = token {
        all.insert("RUNR_TOKEN".to_owned(), token.to_string());
        all.insert("RUNR_TARGET".to_owned(), TARGET.to_owned());
    }
    all
}

#[test]
fn workers_and_checks_know_the_run_and_the_token() {
    // Inside of both, `runr owner` shares the claim, and so does what it starts.
    let line = owner_line("assert", "--require-existing");
    let share = owner_line("exec", "-- sh -c 'test -n \"$RUNR_TOKEN\"'");
    let check = format!("{line} && {share}");
    let sandbox = with_process(&format!("echo made > src/made.txt\n{check} >&2"), &check);
    let run = sandbox.started(
        run_processes(&sandbox, &own(&["--worktree"]))
            .output()
            .exits(0),
    );
    let token = sandbox.status(&run.id)["claim"]["token"].clone();
    for file in ["worker.env", "check.env"] {
        assert_eq!(
            variables(&sandbox, file),
            expected(&run.id, Some(&token)),
            "{file}"
        );
    }
    let lines = trailers(&sandbox, &format!("runr/{}", run.id));
    assert!(
        lines.contains(&format!("Runr-Token: {token}")),
        "nobody took it: {lines:?}"
    );
}

#[test]
fn a_run_without_a_claim_passes_no_token_on() {
    let sandbox = with_process("echo made > src/made.txt", "true");
    let run = run_processes(&sandbox, &["--worktree"])
        .env("RUNR_TOKEN", "17")
        .env("RUNR_TARGET", TARGET)
        .env("RUNR_RUN_ID", "outer");
    let run = sandbox.started(run.output().exits(0));
    for file in ["worker.env", "check.env"] {
        assert_eq!(variables(&sandbox, file), expected(&run.id, None), "{file}");
    }
}

#[test]
fn a_run_works_for_the_run_that_the_environment_names() {
    let sandbox = with_process("echo made > src/made.txt", "true");
    let run = run_processes(&sandbox, &own(&["--worktree"])).env("PI_SUBAGENT_RUN_ID", "async-1");
    let run = sandbox.started(run.output().exits(0));
    let claim = sandbox.status(&run.id)["claim"].clone();
    assert_eq!(
        (&claim["run_id"], &claim["shared"]),
        (&json!("async-1"), &json!(false))
    );
    let expected = expected("async-1", Some(&claim["token"]));
    assert_eq!(variables(&sandbox, "worker.env"), expected);
    assert_eq!(
        document(&sandbox, RECORD)["previousRun"]["runId"],
        "async-1"
    );
}
