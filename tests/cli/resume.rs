//! `runr resume` continues from the last checkpoint, with the original configuration.

mod branch;
mod environment;
mod index;
mod plan;
mod planned;
mod refused;
mod retry;
mod stash;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    Config, Sandbox, Script, Tree, assert_leading_fields, blocked, milestone, ok, strings,
};

/// A run in a worktree that used up its ticks after the first of two milestones.
fn stopped_after_one_milestone() -> (Sandbox, String) {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    assert_eq!(sandbox.checkpoints(&run.id).len(), 1);
    (sandbox, run.id)
}

#[test]
fn a_stopped_run_goes_on_where_it_was() {
    let (sandbox, id) = stopped_after_one_milestone();
    let main = sandbox.head();
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
    let pairs = sandbox.checkpoints(&id);
    assert_eq!(
        pairs.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
        [0, 1]
    );
    assert_eq!(
        sandbox.changed(&main, &format!("runr/{id}")),
        ["src/part1.txt", "src/part2.txt"]
    );
    assert_eq!(sandbox.calls("plan").len(), 1, "a plan is made once");
    assert_eq!(
        sandbox.calls("implement").len(),
        2,
        "a finished milestone is not done again"
    );
    assert_eq!(sandbox.head(), main);
    assert_eq!(sandbox.payloads(&id, "run_resumed").len(), 1);
    assert_eq!(sandbox.payloads(&id, "stop").len(), 2, "one per stop");
}

#[test]
fn a_run_knows_its_repository_by_its_origin_and_an_older_one_goes_on() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    sandbox.git(&["remote", "add", "origin", "git@github.com:acme/shop.git"]);
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    let path = sandbox.run_dir(&run.id).join("meta.json");
    let meta: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let known = sandbox
        .runr(&["call", "repo_id"])
        .stdin(r#"{"origin_url": "https://github.com/acme/shop", "repo_root": "/"}"#)
        .output();
    assert_eq!(meta["repo_id"], known.exits(0).json_line());
    // The id that a run got by its path alone.
    let older = std::fs::read_to_string(&path).unwrap();
    let older = older.replace(meta["repo_id"].as_str().unwrap(), "0123456789abcdef");
    std::fs::write(&path, older).unwrap();
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    assert_eq!(sandbox.status(&run.id)["stop_reason"], "complete");
}

#[test]
fn without_an_argument_the_newest_unfinished_run_goes_on() {
    let (sandbox, id) = stopped_after_one_milestone();
    sandbox.script(&Script::happy(1));
    let finished = sandbox.run(&["--worktree"], 0);
    assert!(finished.id > id);
    sandbox.script(&Script::happy(2));
    sandbox.runr(&["resume"]).output().exits(0);
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
}

#[test]
fn a_complete_run_is_left_alone() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree"], 0);
    let before = sandbox.timeline_text(&run.id);
    let output = sandbox.runr(&["resume", &run.id]).output().exits(0);
    assert!(
        output
            .text()
            .contains(&format!("Run {} is already complete", run.id)),
        "{output}"
    );
    assert_eq!(sandbox.timeline_text(&run.id), before);
}

#[test]
fn a_plan_of_a_resume_changes_nothing() {
    let (sandbox, id) = stopped_after_one_milestone();
    let files = |sandbox: &Sandbox| -> BTreeMap<_, _> {
        sandbox
            .snapshot()
            .into_iter()
            .filter(|(path, _)| !path.ends_with(".lock"))
            .collect()
    };
    let before = (
        files(&sandbox),
        sandbox.git(&["for-each-ref"]),
        sandbox.calls("implement").len(),
    );
    for flag in ["--plan", "--json"] {
        let output = sandbox.runr(&["resume", &id, flag]).output().exits(0);
        if flag == "--plan" {
            assert!(!output.stdout.is_empty(), "{output}");
            continue;
        }
        let plan = output.pretty_json();
        assert_leading_fields(
            &plan,
            &[
                "schema_version",
                "run_id",
                "repo_path",
                "effective_repo_path",
                "checkpoint",
                "resume",
                "repo_state",
                "delta",
                "warnings",
            ],
        );
        assert_eq!(
            (&plan["schema_version"], &plan["run_id"]),
            (&json!(1), &json!(id))
        );
        assert_eq!(plan["repo_path"], sandbox.repo().to_str().unwrap());
        assert_eq!(
            plan["effective_repo_path"],
            sandbox.worktree(&id).to_str().unwrap()
        );
        let sha = sandbox.git(&["rev-parse", &format!("runr/{id}")]);
        assert_eq!(
            plan["checkpoint"],
            json!({"sha": sha, "milestone_index": 0, "source": "record"})
        );
        assert_eq!(
            plan["resume"],
            json!({"from_milestone_index": 1, "phase": "IMPLEMENT", "remaining_milestones": 1})
        );
        assert_eq!(plan["repo_state"]["working_tree_clean"], true);
    }
    let after = (
        files(&sandbox),
        sandbox.git(&["for-each-ref"]),
        sandbox.calls("implement").len(),
    );
    assert_eq!(after, before);
}

#[test]
fn a_lost_checkpoint_record_is_found_again_in_the_commits() {
    let (sandbox, id) = stopped_after_one_milestone();
    std::fs::remove_dir_all(sandbox.repo().join(".runr/checkpoints")).unwrap();
    let plan = sandbox
        .runr(&["resume", &id, "--json"])
        .output()
        .exits(0)
        .json();
    assert_eq!(
        (
            &plan["checkpoint"]["source"],
            &plan["checkpoint"]["milestone_index"]
        ),
        (&json!("commit"), &json!(0))
    );
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.checkpoints(&id).len(), 2);
}

#[test]
fn a_live_run_is_refused() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 1500));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    let human = sandbox.runr(&["resume", &id]).output().exits(3);
    human.says("Error: Run is still running");
    assert!(
        human
            .stderr
            .contains(&running.pid().as_raw_nonzero().to_string()),
        "the owner is named: {human}"
    );
    assert_eq!(
        sandbox.status(&id)["liveness"],
        "running",
        "the refusal does no harm"
    );
    running.wait().exits(0);
    assert_eq!(sandbox.payloads(&id, "run_resumed").len(), 0);
    assert_eq!(sandbox.checkpoints(&id).len(), 1);
}

#[test]
fn the_refusal_of_a_live_run_has_its_code() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 1500));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    // `--json` asks for the plan only; with `--detach` nothing is asked but the run itself.
    let refused = sandbox.runr(&["resume", &id, "--detach"]).output().exits(3);
    refused.says("Error: Run is still running");
    running.wait().exits(0);
}

#[test]
fn a_guard_stop_stops_again_until_its_cause_is_gone() {
    for tree in [Tree::Worktree, Tree::Checkout] {
        let step = ok(json!({"other/x.txt": "x\n", "src/y.txt": "y\n"}));
        let good = ok(json!({"src/y.txt": "y\n"}));
        let sandbox = Sandbox::scripted(&Script::new(
            crate::support::plan(&[milestone("goal 1")]),
            &[step, good],
            &[crate::support::approve()],
        ));
        let id = sandbox.run_in(tree, 1).id;
        assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
        if tree == Tree::Checkout {
            // The user's own checkout: dirty, hence refused, or guarded again and stopped.
            let output = sandbox.runr(&["resume", &id]).output();
            assert!(matches!(output.code, Some(1 | 3)), "{output}");
            assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
            assert_eq!(sandbox.calls("implement").len(), 1, "no worker is called");
            assert_eq!(sandbox.checkpoints(&id), []);
            continue;
        }
        sandbox.runr(&["resume", &id]).output().exits(1);
        let status = sandbox.status(&id);
        assert_eq!(status["stop_reason"], "guard_violation");
        assert_eq!(strings(&status["guard_violation_files"]), ["other/x.txt"]);
        assert_eq!(
            sandbox.calls("implement").len(),
            1,
            "the guard comes before any worker"
        );

        std::fs::remove_dir_all(sandbox.worktree(&id).join("other")).unwrap();
        sandbox.runr(&["resume", &id]).output().exits(0);
        assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
        assert_eq!(sandbox.status(&id)["guard_violation_files"], json!([]));
    }
}

#[test]
fn a_resume_gets_full_attempts_and_keeps_the_partial_work() {
    let sandbox = Sandbox::untrusted(&Config::new());
    let check = sandbox.scripted_command("check", &[1, 1, 1, 1, 1, 1, 0]);
    sandbox.configure(&Config::new().tier("tier0", &[&check]));
    sandbox.commit("a scripted check");
    sandbox.runr(&["trust"]).output().exits(0);
    let parts: Vec<Value> = (1..=7)
        .map(|n| ok(json!({format!("src/try{n}.txt"): "x\n"})))
        .collect();
    sandbox.script(&Script::new(
        crate::support::plan(&[milestone("goal 1")]),
        &parts,
        &[crate::support::approve()],
    ));
    let base = sandbox.head();
    let id = sandbox.run(&["--worktree"], 1).id;
    assert_eq!(sandbox.status(&id)["verification_failures"], 3);

    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(
        sandbox.count("check"),
        7,
        "two more failures fit into a resumed run"
    );
    let expected: Vec<String> = (1..=7).map(|n| format!("src/try{n}.txt")).collect();
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{id}")),
        expected,
        "nothing is hidden away"
    );
}

#[test]
fn a_run_without_a_plan_is_planned_first() {
    let sandbox = Sandbox::scripted(&Script::new(
        json!({"reply": "no json"}),
        &[ok(json!({"src/a.txt": "x\n"}))],
        &[crate::support::approve()],
    ));
    let id = sandbox.run(&["--worktree"], 1).id;
    assert_eq!(sandbox.status(&id)["stop_reason"], "plan_parse_failed");
    let mut repaired = vec![json!({"reply": "no json"}); 6];
    repaired.push(crate::support::plan(&[milestone("planned at last")]));
    sandbox.script(&Script::from_value(json!({
        "plan": repaired, "implement": [ok(json!({"src/a.txt": "x\n"}))], "review": [crate::support::approve()],
    })));
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(
        sandbox.status(&id)["milestones"][0]["goal"],
        "planned at last"
    );
}

#[test]
fn fast_mode_and_owned_paths_survive_a_resume() {
    let sandbox = Sandbox::with(&Config::new());
    sandbox.write(crate::support::TASK, "---\nowns: src/mine\n---\n# A task\n");
    sandbox.commit("the task owns a directory");
    sandbox.script(&Script::one(blocked("not yet")));
    let id = sandbox.run(&["--worktree", "--fast"], 1).id;
    sandbox.script(&Script::from_value(json!({
        "plan": [], "implement": [blocked("not yet"), ok(json!({"src/yours.txt": "x\n"}))], "review": [],
    })));
    sandbox.runr(&["resume", &id]).output().exits(1);
    let status = sandbox.status(&id);
    assert_eq!(
        (&status["fast"], &status["stop_reason"]),
        (&json!(true), &json!("ownership_violation"))
    );
    assert_eq!(
        (sandbox.calls("plan").len(), sandbox.calls("review").len()),
        (0, 0)
    );
}

#[test]
fn an_edited_config_counts_only_when_it_is_named() {
    let sandbox = Sandbox::scripted(&Script::one(ok(json!({"other/x.txt": "x\n"}))));
    let id = sandbox.run(&["--worktree"], 1).id;
    let wider = Config::new().allow(&["src/**", "other/**"]);
    sandbox.configure(&wider);
    sandbox.commit("a wider scope");
    sandbox.runr(&["resume", &id]).output().exits(1);
    assert_eq!(sandbox.status(&id)["scope"]["allowlist"], json!(["src/**"]));

    sandbox
        .runr(&["resume", &id, "--config", ".runr/runr.config.json"])
        .output()
        .exits(0);
    assert_eq!(
        sandbox.status(&id)["scope"]["allowlist"],
        json!(["src/**", "other/**"])
    );
    assert_eq!(sandbox.payloads(&id, "scope_changed").len(), 1);
}

#[test]
fn a_lost_worktree_is_made_again_at_the_last_checkpoint() {
    let (sandbox, id) = stopped_after_one_milestone();
    let base = sandbox.head();
    std::fs::remove_dir_all(sandbox.worktree(&id)).unwrap();
    // Work that has nothing to do with the run must not slip into it.
    sandbox.write("src/later.txt", "later\n");
    sandbox.commit("later work on main");
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{id}")),
        ["src/part1.txt", "src/part2.txt"]
    );
    assert_eq!(sandbox.checkpoints(&id).len(), 2);
}

#[test]
fn a_lost_detached_worktree_is_made_again_at_the_last_checkpoint() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree", "--no-branch", "--max-ticks", "5"], 1);
    let first = sandbox.status(&run.id)["checkpoint_sha"].clone();
    let place = sandbox.worktree(&run.id);
    std::fs::remove_dir_all(&place).unwrap();
    sandbox.write("src/later.txt", "later\n");
    sandbox.commit("later work on main");
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    let head = sandbox.git_in(&place, &["rev-parse", "HEAD"]);
    assert_eq!(
        json!(sandbox.git(&["rev-parse", &format!("{head}^")])),
        first,
        "the second milestone stands on the first"
    );
    assert!(!place.join("src/later.txt").exists());
}
