//! A run that owns its target: it claims, shows its token, and gives the claim back.

mod environment;
mod loss;
mod resumed;
mod shared;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Command, Config, Sandbox, Script, TASK, Tree, blocked, wait_until};

const TARGET: &str = "acme/shop#17";
const RECORD: &str = ".pi/runner-coordination/acme/shop/pr-17.json";
const FENCE: &str = ".pi/runner-coordination/acme/shop/pr-17.fence.json";

/// The flags of a run that owns the target, with these as well.
fn own<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    [&["--own", TARGET], flags].concat()
}

fn document(sandbox: &Sandbox, path: &str) -> Value {
    serde_json::from_str(&sandbox.read(path)).unwrap()
}

/// `runr owner` on the target.
fn owner(sandbox: &Sandbox, verb: &str, args: &[&str]) -> Command {
    let words = ["owner", verb, "--repo", "acme/shop", "--pr", "17"];
    sandbox.runr(&words).args(args)
}

/// The same as a line of shell, for what a run starts.
fn owner_line(verb: &str, rest: &str) -> String {
    let runr = env!("CARGO_BIN_EXE_runr");
    format!("'{runr}' owner {verb} --repo acme/shop --pr 17 {rest}")
}

/// Who owns the target now.
fn active(sandbox: &Sandbox) -> Value {
    document(sandbox, RECORD)["activeRun"]["runId"].clone()
}

/// A sandbox whose check keeps copies of the record and of the fence, as they are while it runs.
fn watched(script: &Script) -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    let line = |file: &str, name: &str| {
        let (from, to) = (sandbox.repo().join(file), sandbox.scratch().join(name));
        format!("cp '{}' '{}'", from.display(), to.display())
    };
    let check = format!("{} && {}", line(RECORD, "record"), line(FENCE, "fence"));
    checking(&sandbox, &check);
    sandbox.script(script);
    sandbox
}

/// Makes this the one check of the sandbox.
fn checking(sandbox: &Sandbox, check: &str) {
    sandbox.configure(&Config::new().tier("tier0", &[check]));
    sandbox.commit("a check");
    sandbox.runr(&["trust"]).output().exits(0);
}

fn kept(sandbox: &Sandbox, name: &str) -> Value {
    let path: PathBuf = sandbox.scratch().join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn trailers(sandbox: &Sandbox, tip: &str) -> Vec<String> {
    let text = sandbox.git(&["log", "-1", "--format=%(trailers)", tip]);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_run_owns_its_target_while_it_works_and_gives_it_back() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let flags: &[&str] = match tree {
            Tree::Checkout => &[],
            Tree::Worktree => &["--worktree"],
        };
        let sandbox = watched(&Script::happy(2));
        let run = sandbox.run(&own(flags), 0);
        let (record, fence) = (kept(&sandbox, "record"), kept(&sandbox, "fence"));
        assert_eq!(record["activeRun"]["runId"], run.id.as_str(), "{tree:?}");
        assert_eq!(fence["holder"]["kind"], "harness");
        assert_eq!(fence["holder"]["ttlMs"], 60_000);

        let claim =
            json!({"target": TARGET, "run_id": run.id, "token": fence["token"], "shared": false});
        assert_eq!(run.line["claim"], claim);
        assert_eq!(sandbox.payloads(&run.id, "run_started")[0]["claim"], claim);
        assert_eq!(sandbox.state(&run.id)["claim"], claim);
        assert_eq!(sandbox.status(&run.id)["claim"], claim);
        assert_eq!(sandbox.report(&run.id)["claim"], claim);
        let shown = sandbox.runr(&["report", &run.id]).output().exits(0);
        let line = format!("claim: {TARGET} by {}, token {}\n", run.id, fence["token"]);
        assert!(shown.stdout.contains(&line), "{shown}");

        assert_eq!(active(&sandbox), Value::Null, "{tree:?}");
        let record = document(&sandbox, RECORD);
        assert_eq!(record["previousRun"]["runId"], run.id.as_str());
        assert_eq!(record["exitSignals"], json!([]), "an end is no exit signal");
        assert_eq!(sandbox.checkpoints(&run.id).len(), 2);
    }
}

#[test]
fn a_checkpoint_names_the_claim_it_was_made_under() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&own(&["--worktree"]), 0);
    let token = &sandbox.status(&run.id)["claim"]["token"];
    assert_eq!(
        trailers(&sandbox, &format!("runr/{}", run.id)),
        [
            format!("Runr-Run-Id: {}", run.id),
            "Runr-Checkpoint: true".to_owned(),
            "Runr-Milestone: 0".to_owned(),
            format!("Runr-Target: {TARGET}"),
            format!("Runr-Token: {token}"),
        ]
    );
    sandbox.script(&Script::happy(1));
    let free = sandbox.run(&["--worktree"], 0);
    let lines = trailers(&sandbox, &format!("runr/{}", free.id));
    assert_eq!(lines.len(), 3, "{lines:?}");
    for place in [
        sandbox.status(&free.id),
        sandbox.report(&free.id),
        free.line,
    ] {
        assert_eq!(place.get("claim"), None);
    }
}

#[test]
fn a_branch_is_owned_as_well() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree", "--own", "Acme/Shop@fix/login"], 0);
    let target = "acme/shop@fix/login";
    assert_eq!(sandbox.status(&run.id)["claim"]["target"], target);
    let lines = trailers(&sandbox, &format!("runr/{}", run.id));
    assert!(
        lines.contains(&format!("Runr-Target: {target}")),
        "{lines:?}"
    );
    let record = ".pi/runner-coordination/acme/shop/branch-fix%2Flogin.json";
    assert_eq!(
        document(&sandbox, record)["previousRun"]["runId"],
        run.id.as_str()
    );
}

#[test]
fn a_target_of_another_run_refuses_the_run_before_anything_is_made() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    owner(&sandbox, "claim", &["--run-id", "run-b"])
        .output()
        .exits(0);
    let before = sandbox.snapshot();
    for more in [
        &["--worktree"][..],
        &[],
        &["--dry-run"],
        &["--ref", "#17"],
        &["--detach"],
    ] {
        let refused = sandbox.run_command(&own(more)).output().exits(3);
        let error = refused.error_json("E_OWNERSHIP_LOST", "ownership_lost");
        let words = error["message"].as_str().unwrap();
        assert!(
            words.contains(TARGET) && words.contains("run-b"),
            "{more:?}: {words}"
        );
        if !more.contains(&"--detach") {
            assert_eq!(error["owner"], "run-b", "{more:?}");
            assert_eq!(sandbox.snapshot(), before, "{more:?}");
        }
        assert!(sandbox.run_ids().is_empty(), "{more:?}");
    }
    let human = sandbox
        .runr(&["run", "--task", TASK, "--own", TARGET])
        .output();
    human.exits(3).says(&format!(
        "Error: Ownership lost: {TARGET} is owned by run-b"
    ));
    assert_eq!(active(&sandbox), "run-b");
}

#[test]
fn what_is_no_target_is_refused_as_bad_usage() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let before = sandbox.snapshot();
    for bad in ["acme/shop", "acme#17", "acme/shop#0", "acme/../x#1", ""] {
        let refused = sandbox.run_command(&["--own", bad]).output().exits(2);
        refused.error_json("E_TARGET_INVALID", "target_invalid");
    }
    assert_eq!(sandbox.snapshot(), before);
}

#[test]
fn a_run_that_ends_otherwise_gives_its_target_back_too() {
    let sandbox = Sandbox::scripted(&Script::one(blocked("no idea")));
    let run = sandbox.run(&own(&["--worktree"]), 1);
    assert_eq!(sandbox.status(&run.id)["stop_reason"], "implement_blocked");
    assert_eq!(active(&sandbox), Value::Null);

    // The preflight comes first: a run that is refused claims nothing.
    let claims = document(&sandbox, RECORD)["history"].clone();
    sandbox.write("src/dirty.txt", "mine\n");
    sandbox.run_command(&own(&[])).output().exits(3);
    assert_eq!(document(&sandbox, RECORD)["history"], claims);
    sandbox.git(&["stash", "-q", "-u"]);

    // Nothing is left of a run that came to nothing after it had claimed.
    let runs = sandbox.run_ids();
    sandbox.write(".runs/index.json", "{");
    let failed = sandbox
        .run_command(&own(&["--worktree", "--ref", "#17"]))
        .output();
    assert_eq!(failed.exits(1).json()["code"], "E_STORE_CORRUPT");
    assert_eq!(active(&sandbox), Value::Null);
    assert_eq!(sandbox.run_ids(), runs);
    let left = fs::read_dir(sandbox.repo().join(".runr/runs")).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let half_made: Vec<String> = names.filter(|name| name.ends_with(".tmp")).collect();
    assert!(half_made.is_empty(), "{half_made:?}");
}

#[test]
fn a_detached_run_is_the_holder_itself() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 1500));
    let run = sandbox.started(
        sandbox
            .run_command(&own(&["--worktree", "--detach"]))
            .output()
            .exits(0),
    );
    assert_eq!(run.line["claim"]["run_id"], run.id.as_str());
    let driver = sandbox.status(&run.id)["owner"]["pid"].clone();
    assert_eq!(document(&sandbox, FENCE)["holder"]["pid"], driver);
    wait_until("the run ends", std::time::Duration::from_secs(30), || {
        active(&sandbox) == Value::Null
    });
    assert_eq!(sandbox.status(&run.id)["stop_reason"], "complete");
}
