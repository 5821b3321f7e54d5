//! `runr prep`: the work item of an issue, a PR or a branch; and runs that are found by it.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Output, Sandbox, Script, strings};

const NOW: &str = "2026-02-03T04:05:06Z";

/// The output of `prep --flow build --now …` with more arguments.
fn prep(sandbox: &Sandbox, args: &[&str]) -> Output {
    let command = sandbox.runr(&["prep", "--flow", "build", "--now", NOW]);
    command.args(args).output()
}

fn prep_json(sandbox: &Sandbox, args: &[&str]) -> Value {
    let output = prep(sandbox, args).exits(0);
    let args: Vec<_> = args
        .iter()
        .copied()
        .chain(["--dry-run", "--json"])
        .collect();
    // Asking again in JSON: the result of a dry run has the same names.
    let json = prep(sandbox, &args).exits(0).pretty_json();
    let id = json["run_id"].as_str().unwrap();
    assert!(output.stdout.starts_with(id), "{output}");
    json
}

fn meta(sandbox: &Sandbox, id: &str) -> Value {
    let text = sandbox.read(&format!(".runs/{id}/run_meta.json"));
    serde_json::from_str(&text).unwrap()
}

fn index_ids(sandbox: &Sandbox) -> Vec<String> {
    let index: Value = serde_json::from_str(&sandbox.read(".runs/index.json")).unwrap();
    let rows = index["runs"].as_array().unwrap().iter();
    rows.map(|row| row["run_id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn people_get_a_few_lines() {
    let sandbox = Sandbox::bare();
    let output = prep(&sandbox, &["--ref", "#17"]).exits(0);
    assert_eq!(
        output.stdout,
        "gh-17: VERIFIED, PROCEED, NEW\n  .runs/gh-17/build\n"
    );
    assert_eq!(output.stderr, "");
    let output = prep(&sandbox, &["--ref", "soon", "--run-id", "gh-17"]).exits(0);
    assert_eq!(
        output.stdout,
        "gh-17: UNVERIFIED, PROCEED, EXISTING\n  .runs/gh-17/build\n  note: not a reference to an issue or PR: \"soon\"\n"
    );
}

#[test]
fn agents_get_three_blocks() {
    let sandbox = Sandbox::bare();
    let output = prep(&sandbox, &["--ref", "#17", "--format", "markdown"]).exits(0);
    let human = "## Run Infrastructure Established\nrun_id: gh-17\nrun_dir: .runs/gh-17\nflow: build\nflow_dir: .runs/gh-17/build\nmode: NEW\n";
    let machine = "## Run Prep Result\nstatus: VERIFIED\nrecommended_action: PROCEED\nroute_to_agent: null\nroute_to_flow: null\n\nrun_id: gh-17\nflow: build\nsupersedes: null\nmissing_upstream_flows: [signal, plan, gate, deploy]\n\nblockers: []\nmissing_required: []\nnotes: []\n";
    let handoff = "## Handoff\n\n**What I did**: Prepared gh-17";
    assert!(
        output
            .stdout
            .starts_with(&format!("{human}\n{machine}\n{handoff}")),
        "{output}"
    );
}

#[test]
fn programs_get_one_document() {
    let sandbox = Sandbox::bare();
    let args = ["--ref", "#17", "--no-git"];
    let by_format = prep(&sandbox, &[&args[..], &["--format", "json"]].concat())
        .exits(0)
        .pretty_json();
    assert_eq!(by_format["schema"], "runr.prep/1");
    assert_eq!(by_format["mode"], "NEW");
    assert!(by_format["machine_block"].is_string() && by_format["handoff"].is_string());
    let again = prep(&sandbox, &[&args[..], &["--json"]].concat())
        .exits(0)
        .pretty_json();
    assert_eq!(
        (&again["mode"], &again["iterations"]),
        (&json!("EXISTING"), &json!(2))
    );
}

#[test]
fn doubts_fail_only_where_that_is_asked_for() {
    let sandbox = Sandbox::bare();
    let doubtful = ["--run-id", "w", "--ref", "soon"];
    prep(&sandbox, &doubtful).exits(0);
    let output = prep(&sandbox, &[&doubtful[..], &["--strict", "--json"]].concat()).exits(1);
    assert_eq!(output.json()["status"], "UNVERIFIED");
    assert_eq!(output.json()["iterations"], 2, "it is written all the same");
    prep(&sandbox, &["--run-id", "w", "--strict"]).exits(0);
}

#[test]
fn what_cannot_be_read_is_named_and_left_alone() {
    let sandbox = Sandbox::bare();
    sandbox.write(".runs/index.json", "{\"version\": 1, \"runs\": [");
    let output = prep(&sandbox, &["--ref", "#17", "--json"]).exits(1);
    let report = output.pretty_json();
    assert_eq!(report["status"], "CANNOT_PROCEED");
    assert_eq!(report["recommended_action"], "FIX_ENV");
    assert_eq!(report["error"], "E_STORE_CORRUPT");
    let path = sandbox.repo().join(".runs/index.json");
    assert_eq!(report["missing_required"], json!([path]));
    assert_eq!(
        sandbox.read(".runs/index.json"),
        "{\"version\": 1, \"runs\": ["
    );
    assert!(!sandbox.exists(".runs/gh-17"));
    let human = prep(&sandbox, &["--ref", "#17"]).exits(1);
    assert!(
        human
            .stdout
            .starts_with("no work item: CANNOT_PROCEED, FIX_ENV\n  note: cannot parse"),
        "{human}"
    );
}

#[test]
fn a_request_that_makes_no_sense_leaves_no_trace() {
    let sandbox = Sandbox::bare();
    let facts = sandbox.scratch().join("facts.json");
    fs::write(&facts, "{\"status\": \"VERIFIED\"}").unwrap();
    let facts = facts.to_str().unwrap();
    for args in [
        &["prep"][..],
        &["prep", "--flow", "signal"],
        &["prep", "--flow", "plan", "--now", "yesterday"],
        &["prep", "--flow", "plan", "--branch", "a", "--no-git"],
        &["prep", "--flow", "plan", "--facts", facts],
        &["prep", "--flow", "plan", "--facts", "missing.json"],
        &["prep", "--flow", "plan", "--format", "xml"],
    ] {
        let output = sandbox.runr(args).output().exits(2);
        assert_eq!(output.stdout, "", "{output}");
        assert!(!sandbox.exists(".runs"), "{output}");
    }
    let error = sandbox
        .runr(&["prep", "--flow", "plan", "--facts", facts, "--json"])
        .output()
        .exits(2)
        .error_json("E_USAGE", "usage");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("unknown field `status`")
    );
}

#[test]
fn facts_come_from_a_file_or_from_standard_input() {
    let sandbox = Sandbox::bare();
    sandbox.write(
        "facts.json",
        "{\"github_repo\": \"acme/shop\", \"issue_number\": 4}",
    );
    prep(&sandbox, &["--run-id", "a", "--facts", "facts.json"]).exits(0);
    assert_eq!(meta(&sandbox, "a")["github_repo"], "acme/shop");
    assert_eq!(meta(&sandbox, "a")["issue_number"], 4);
    let command = sandbox.runr(&["prep", "--flow", "plan", "--run-id", "b", "--facts", "-"]);
    let input = "{\"github_ops_allowed\": false}";
    command.stdin(input).output().exits(0);
    assert_eq!(meta(&sandbox, "b")["github_ops_allowed"], false);
}

#[test]
fn the_branch_is_observed_replaced_or_left_out() {
    let sandbox = Sandbox::bare();
    let on_main = prep_json(&sandbox, &[]);
    assert_eq!(
        (&on_main["run_id"], &on_main["status"]),
        (&json!("main"), &json!("UNVERIFIED"))
    );
    sandbox.git(&["switch", "-q", "-c", "feat/Login"]);
    sandbox.git(&["branch", "-q", "--set-upstream-to=main"]);
    let observed = prep_json(&sandbox, &[]);
    assert_eq!(
        (&observed["run_id"], &observed["source"]),
        (&json!("feat-login"), &json!("branch"))
    );
    assert_eq!(meta(&sandbox, "feat-login")["base_ref"], "main");
    assert_eq!(
        meta(&sandbox, "feat-login")["aliases"],
        json!(["feat-login", "feat/Login"])
    );
    let replaced = prep_json(&sandbox, &["--branch", "feat/cart"]);
    assert_eq!(replaced["run_id"], "feat-cart");
    assert_eq!(meta(&sandbox, "feat-cart")["base_ref"], Value::Null);
    let output = prep(&sandbox, &["--no-git", "--json"]).exits(0);
    assert_eq!(output.json()["run_id"], "run-build");
    sandbox.git(&["switch", "-q", "--detach"]);
    let detached = prep(&sandbox, &["--json"]).exits(0).json();
    assert_eq!(detached["run_id"], "run-build-v2");
    assert!(strings(&detached["notes"]).contains(&"no branch is checked out".to_owned()));
}

#[test]
fn a_branch_without_a_commit_has_a_name_too() {
    let sandbox = Sandbox::bare();
    sandbox.git(&["switch", "-q", "--orphan", "fresh"]);
    assert_eq!(prep_json(&sandbox, &[])["run_id"], "fresh");
}

#[test]
fn a_worktree_has_its_own_branch_and_shares_the_work_items() {
    let sandbox = Sandbox::bare();
    let linked = sandbox.scratch().join("linked");
    sandbox.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "feat-x",
        linked.to_str().unwrap(),
    ]);
    fs::create_dir(linked.join("deep")).unwrap();
    let command = sandbox.runr(&["prep", "--flow", "plan"]);
    command.cwd(linked.join("deep")).output().exits(0);
    assert!(sandbox.exists(".runs/feat-x/plan"));
    assert!(!linked.join(".runs").exists() && !linked.join("deep/.runs").exists());
    // A root that is given is taken as it is.
    let command = sandbox.runr(&["prep", "--flow", "plan", "-C", linked.to_str().unwrap()]);
    command.output().exits(0);
    assert!(linked.join(".runs/feat-x/plan").is_dir());
}

#[test]
fn outside_of_git_the_present_directory_is_the_root() {
    let sandbox = Sandbox::bare();
    let dir = sandbox.scratch().join("plain");
    fs::create_dir(&dir).unwrap();
    let command = sandbox.runr(&["prep", "--flow", "plan", "--json"]);
    let report = command.cwd(&dir).output().exits(0).pretty_json();
    assert_eq!(
        (&report["run_id"], &report["source"]),
        (&json!("run-plan"), &json!("fallback"))
    );
    let notes = strings(&report["notes"]);
    assert!(
        notes
            .iter()
            .any(|note| note.starts_with("the branch is not known: ")),
        "{notes:?}"
    );
    assert!(dir.join(".runs/run-plan/plan").is_dir());
}

#[test]
fn a_dry_run_shows_both_texts_and_writes_nothing() {
    let sandbox = Sandbox::bare();
    let before = sandbox.snapshot();
    let report = prep(&sandbox, &["--ref", "#17", "--dry-run", "--json"])
        .exits(0)
        .pretty_json();
    let human = prep(&sandbox, &["--ref", "#17", "--dry-run"]).exits(0);
    assert!(
        human.stdout.ends_with("  a dry run: nothing was written\n"),
        "{human}"
    );
    assert_eq!(sandbox.snapshot(), before);
    prep(&sandbox, &["--ref", "#17"]).exits(0);
    assert_eq!(
        report["run_meta_text"],
        sandbox.read(".runs/gh-17/run_meta.json")
    );
    assert_eq!(report["index_text"], sandbox.read(".runs/index.json"));
}

#[test]
fn a_diff_after_a_preparation_shows_the_intended_lines_only() {
    let sandbox = Sandbox::bare();
    for id in ["gh-16", "gh-17", "gh-18"] {
        prep(&sandbox, &["--run-id", id]).exits(0);
    }
    sandbox.write(".gitignore", ".runs/.lock\n.runs/**/.*.tmp\n");
    sandbox.commit("work items");
    let later = "2026-03-04T05:06:07Z";
    let args = [
        "prep", "--flow", "gate", "--ref", "pr-3", "--run-id", "gh-17", "--now", later,
    ];
    sandbox.runr(&args).output().exits(0);
    let status = sandbox.git(&["status", "--porcelain"]);
    assert_eq!(status, " M .runs/gh-17/run_meta.json\n M .runs/index.json");
    let diff = sandbox.git(&["diff", "-U0"]);
    let lines: Vec<_> = diff
        .lines()
        .filter(|line| {
            line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
        })
        .collect();
    assert_eq!(
        lines,
        [
            "-    \"gh-17\"",
            "+    \"gh-17\",",
            "+    \"pr-3\"",
            "-  \"updated_at\": \"2026-02-03T04:05:06Z\",",
            "-  \"iterations\": 1,",
            "+  \"updated_at\": \"2026-03-04T05:06:07Z\",",
            "+  \"iterations\": 2,",
            "-    \"build\"",
            "+    \"build\",",
            "+    \"gate\"",
            "-      \"updated_at\": \"2026-02-03T04:05:06Z\",",
            "+      \"updated_at\": \"2026-03-04T05:06:07Z\",",
            "-      \"last_flow\": \"build\"",
            "+      \"last_flow\": \"gate\"",
        ]
    );
}

#[test]
fn nothing_of_the_repository_is_executed() {
    let sandbox = Sandbox::bare();
    let canary = sandbox.scratch().join("canary");
    let script = sandbox.scratch().join("attack.sh");
    fs::write(
        &script,
        format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\n", canary.display()),
    )
    .unwrap();
    let attack = format!("sh '{}'", script.display());
    for key in [
        "core.fsmonitor",
        "core.pager",
        "pager.branch",
        "pager.for-each-ref",
    ] {
        sandbox.git(&["config", key, &attack]);
    }
    prep(&sandbox, &["--ref", "#17"]).exits(0);
    prep(&sandbox, &[]).exits(0);
    assert!(!canary.exists(), "{}", fs::read_to_string(&canary).unwrap());
    // The trap is a real one.
    sandbox.command("git").args(&["status"]).output();
    assert!(canary.exists());
}

#[test]
fn many_preparations_leave_one_sorted_index() {
    let sandbox = Sandbox::bare();
    for id in ["gh-5", "gh-10", "gh-1", "gh-5"] {
        prep(&sandbox, &["--run-id", id]).exits(0);
    }
    assert_eq!(index_ids(&sandbox), ["gh-1", "gh-10", "gh-5"]);
    assert_eq!(meta(&sandbox, "gh-5")["iterations"], 2);
}

/// Links a run to a work item as the harness does.
fn link(sandbox: &Sandbox, item: &str, run: &str) {
    let args = json!({"run_id": item, "harness_run_id": run});
    let command = sandbox.runr(&["call", "link_run"]);
    let output = command.stdin(&args.to_string()).output().exits(0);
    assert_eq!(output.json_line(), json!({"changed": true}));
}

#[test]
fn a_work_item_means_the_newest_of_its_runs() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    prep(&sandbox, &["--ref", "#17", "--ref", "pr-3"]).exits(0);
    sandbox.commit("work item");
    let first = sandbox.run(&["--worktree", "--max-ticks", "5"], 1).id;
    let second = sandbox.run(&["--worktree", "--max-ticks", "5"], 1).id;
    let other = sandbox.run(&["--worktree", "--max-ticks", "5"], 1).id;
    assert!(first < second && second < other);
    // The older one is linked last, as after a resume, and one is not there any more.
    for run in [&second, &first, "20990101000000"] {
        link(&sandbox, "gh-17", run);
    }
    for name in [
        "#17",
        "gh-17",
        "17",
        "pr-3",
        "https://github.com/acme/shop/issues/17",
    ] {
        assert_eq!(sandbox.status(name)["run_id"], *second, "{name}");
        assert_eq!(sandbox.report(name)["run_id"], *second, "{name}");
    }
    assert_eq!(sandbox.status("latest")["run_id"], *other);
    let linked = sandbox.scratch().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    let from_worktree = sandbox
        .runr(&["status", "#17"])
        .cwd(&linked)
        .output()
        .exits(0);
    assert_eq!(from_worktree.pretty_json()["run_id"], *second);

    sandbox.runr(&["resume", "gh-17"]).output().exits(0);
    assert_eq!(sandbox.status(&second)["stop_reason"], "complete");
    assert_ne!(sandbox.status(&first)["stop_reason"], "complete");
    assert_ne!(sandbox.status(&other)["stop_reason"], "complete");
}

#[test]
fn a_work_item_without_a_run_says_so() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    prep(&sandbox, &["--ref", "#17"]).exits(0);
    for args in [["status", "#17"], ["report", "gh-17"], ["resume", "17"]] {
        let human = sandbox.runr(&args).output().exits(4);
        human.says("Error: the work item gh-17 has no run");
        let error = sandbox.runr(&args).args(&["--json"]).output().exits(4);
        let error = error.error_json("E_RUN_NOT_FOUND", "run_not_found");
        assert!(error["hint"].as_str().unwrap().contains("gh-17"), "{error}");
    }
    let unknown = sandbox.runr(&["status", "#18"]).output().exits(4);
    unknown.says("Error: Run not found");
    sandbox.write(".runs/gh-17/run_meta.json", "{");
    let broken = sandbox
        .runr(&["status", "gh-17", "--json"])
        .output()
        .exits(1);
    broken.error_json("E_STORE_CORRUPT", "store_corrupt");
}
