//! A tree that is on another branch than the run's.

use serde_json::{Value, json};

use crate::support::{Sandbox, Script};

fn stopped() -> (Sandbox, String) {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    assert_eq!(sandbox.checkpoints(&run.id).len(), 1);
    (sandbox, run.id)
}

#[test]
fn a_run_goes_on_on_another_branch_only_when_that_is_wanted() {
    let (sandbox, id) = stopped();
    let tree = sandbox.worktree(&id);
    let left = sandbox.git(&["rev-parse", &format!("runr/{id}")]);
    sandbox.git_in(&tree, &["switch", "-q", "-c", "elsewhere"]);
    let warnings = |flags: &[&str]| {
        let plan = sandbox.runr(&["resume", &id, "--json"]).args(flags);
        plan.output().exits(0).json()["warnings"].to_string()
    };
    assert!(warnings(&[]).contains("the run would stop"));
    sandbox.runr(&["resume", &id]).output().exits(1);
    assert_eq!(
        sandbox.status(&id)["stop_reason"],
        "worktree_branch_mismatch"
    );
    assert_eq!(sandbox.calls("implement").len(), 1);

    assert!(warnings(&["--force-branch"]).contains("would go on there"));
    sandbox
        .runr(&["resume", &id, "--force-branch"])
        .output()
        .exits(0);
    assert_eq!(sandbox.git(&["rev-parse", &format!("runr/{id}")]), left);
    assert_eq!(
        sandbox.subjects(&left, "elsewhere"),
        [format!("chore(runr): checkpoint {id} milestone 1")]
    );
    let resumed = sandbox.payloads(&id, "run_resumed").pop().unwrap();
    assert_eq!(
        resumed["moved"],
        json!({"branch": "elsewhere", "head": left})
    );
    let overrides = resumed["overrides"].as_array().unwrap();
    let branch = json!({"option": "branch", "from": format!("runr/{id}"), "to": "elsewhere"});
    assert!(overrides.contains(&branch), "{resumed}");
    assert_eq!(sandbox.status(&id)["branch"], "elsewhere");
}

#[test]
fn checkpoints_that_the_other_branch_does_not_have_are_not_used() {
    let (sandbox, id) = stopped();
    // Commits of the other branch are its own: they are neither judged nor in the way.
    sandbox.git(&["switch", "-q", "-c", "topic"]);
    sandbox.write("docs/later.txt", "not of the run\n");
    sandbox.commit("later work");
    let topic = sandbox.head();
    sandbox.git(&["switch", "-q", "main"]);
    sandbox.git_in(&sandbox.worktree(&id), &["switch", "-q", "topic"]);

    let plan = sandbox.runr(&["resume", &id, "--json", "--force-branch"]);
    let plan = plan.output().exits(0).json();
    assert_eq!(
        (
            &plan["checkpoint"]["source"],
            &plan["resume"]["from_milestone_index"]
        ),
        (&json!("none"), &json!(0))
    );
    assert!(plan["warnings"].to_string().contains("would not be used"));

    sandbox.script(&rewriting());
    sandbox
        .runr(&["resume", &id, "--force-branch"])
        .output()
        .exits(0);
    let corrected = sandbox.payloads(&id, "milestone_index_corrected").remove(0);
    assert_eq!(
        (&corrected["previous"], &corrected["corrected_to"]),
        (&json!(1), &json!(0))
    );
    let subject = |n: usize| format!("chore(runr): checkpoint {id} milestone {n}");
    assert_eq!(sandbox.subjects(&topic, "topic"), [subject(0), subject(1)]);
}

#[test]
fn work_on_no_branch_is_not_gone_on_with() {
    let (sandbox, id) = stopped();
    sandbox.git_in(&sandbox.worktree(&id), &["switch", "-q", "--detach"]);
    sandbox
        .runr(&["resume", &id, "--force-branch"])
        .output()
        .exits(1);
    assert_eq!(
        sandbox.status(&id)["stop_reason"],
        "worktree_branch_mismatch"
    );
}

/// Writes the file of its milestone, however often it is asked.
fn rewriting() -> Script {
    Script::from_value(json!({
        "plan": [crate::support::plan(&[
            crate::support::milestone("goal 1"), crate::support::milestone("goal 2"),
        ])],
        "review": [crate::support::approve()],
        "implement": [{
            "reply": {"status": "ok", "handoff_memo": "written"},
            "files": {"src/part{milestone}.txt": "part\n"},
        }],
    }))
}

#[test]
fn a_checkpoint_that_left_the_branch_is_done_again() {
    let sandbox = Sandbox::scripted(&rewriting());
    let id = sandbox.run(&["--worktree"], 0).id;
    // As if it had been killed between the last review and its commit. Then the user takes everything
    // back: the review was not one of what is to be done now.
    let path = sandbox.run_dir(&id).join("timeline.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let end = text.rfind("\"review_complete\"").unwrap();
    let end = end + text[end..].find('\n').unwrap() + 1;
    std::fs::write(&path, &text[..end]).unwrap();
    std::fs::remove_file(sandbox.run_dir(&id).join("state.json")).unwrap();
    let tree = sandbox.worktree(&id);
    sandbox.git_in(&tree, &["reset", "-q", "--hard", "main"]);
    sandbox.runr(&["resume", &id]).output().exits(0);
    let corrected: Vec<Value> = sandbox.payloads(&id, "milestone_index_corrected");
    assert_eq!(corrected.len(), 1);
    let reason = corrected[0]["reason"].as_str().unwrap();
    assert!(reason.contains("no longer part of the branch"), "{reason}");
    assert_eq!(
        sandbox.changed("main", &format!("runr/{id}")),
        ["src/part0.txt", "src/part1.txt"]
    );
    assert_eq!(sandbox.calls("implement").len(), 4);
}

#[test]
fn no_log_of_a_check_is_written_into_again() {
    let sandbox = Sandbox::scripted(&rewriting());
    let id = sandbox.run(&["--worktree", "--max-ticks", "9"], 1).id;
    assert_eq!(sandbox.payloads(&id, "verification").len(), 2);
    let tree = sandbox.worktree(&id);
    sandbox.git_in(&tree, &["reset", "-q", "--hard", "main"]);
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.payloads(&id, "milestone_index_corrected").len(), 1);
    let ran = sandbox.payloads(&id, "verification");
    let ran = ran.iter().map(|it| &it["command_results"][0]);
    let mut logs: Vec<&str> = ran.map(|it| it["log"].as_str().unwrap()).collect();
    assert_eq!(logs.len(), 4);
    logs.sort_unstable();
    logs.dedup();
    assert_eq!(logs.len(), 4, "{logs:?}");
}
