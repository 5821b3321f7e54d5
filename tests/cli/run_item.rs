//! A run and the work item it belongs to.

use serde_json::Value;

use crate::support::{Sandbox, Script, Tree};

fn flags(tree: Tree, more: &[&'static str]) -> Vec<&'static str> {
    let tree: &[&str] = match tree {
        Tree::Checkout => &[],
        Tree::Worktree => &["--worktree"],
    };
    [tree, more].concat()
}

fn meta(sandbox: &Sandbox, id: &str) -> Value {
    serde_json::from_str(&sandbox.read(&format!(".runs/{id}/run_meta.json"))).unwrap()
}

#[test]
fn a_run_with_a_reference_is_linked_to_its_work_item() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let sandbox = Sandbox::scripted(&Script::happy(1));
        let base = sandbox.head();
        let run = sandbox.run(&flags(tree, &["--ref", "#17"]), 0);
        let status = sandbox.status(&run.id);
        assert_eq!(status["work_item"], "gh-17", "{tree:?}");
        assert_eq!(status["stop_reason"], "complete");
        let item = meta(&sandbox, "gh-17");
        assert_eq!(item["harness_runs"], serde_json::json!([run.id]));
        assert_eq!(item["flows_started"], serde_json::json!(["build"]));
        // What prep wrote is the user's to commit.
        let branch = format!("runr/{}", run.id);
        assert_eq!(sandbox.changed(&base, &branch), ["src/part1.txt"]);
        // The newest run of the work item, by any of its names.
        for name in ["gh-17", "#17", "17"] {
            assert_eq!(sandbox.status(name)["run_id"], run.id.as_str());
            let resolved = sandbox.runr(&["store", "--runs", ".runr/runs", "resolve", name]);
            assert_eq!(resolved.output().stdout.trim(), run.id);
        }
    }
}

#[test]
fn a_flow_alone_takes_the_work_item_of_the_branch() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.git(&["switch", "-q", "-c", "feat/login"]);
    let run = sandbox.run(&["--worktree", "--flow", "gate"], 0);
    assert_eq!(sandbox.status(&run.id)["work_item"], "feat-login");
    assert_eq!(meta(&sandbox, "feat-login")["flows_started"][0], "gate");
}

#[test]
fn a_work_item_that_cannot_be_prepared_refuses_the_run_before_it_exists() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write(".runs/index.json", "{");
    let run = sandbox
        .run_command(&["--worktree", "--ref", "#17"])
        .output();
    let error = run.json();
    assert_eq!(
        (run.code, &error["code"]),
        (Some(1), &"E_STORE_CORRUPT".into())
    );
    assert!(sandbox.run_ids().is_empty());
    assert_eq!(sandbox.read(".runs/index.json"), "{");
}

#[test]
fn a_refused_run_prepares_nothing() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write("src/dirty.txt", "mine\n");
    let refused = sandbox.run_command(&["--ref", "#17"]).output();
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(!sandbox.exists(".runs"));
}
