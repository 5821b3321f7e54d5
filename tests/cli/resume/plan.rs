//! What a resume would do, told without doing it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Config, Sandbox, Script, Tree, blocked};

/// Every file below `dir`, git's own included, with its bytes.
fn bytes(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.insert(path.clone(), Vec::new());
            found.extend(bytes(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap_or_default());
        }
    }
    found
}

#[test]
fn a_plan_leaves_every_byte_as_it_is() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let sandbox = Sandbox::scripted(&Script::happy(2));
        let mut flags = vec!["--max-ticks", "5"];
        flags.extend((tree == Tree::Worktree).then_some("--worktree"));
        let id = sandbox.run(&flags, 1).id;
        fs::write(sandbox.tree(tree, &id).join("src/base.txt"), "edited\n").unwrap();
        let before = bytes(&sandbox.repo());
        for flags in [
            &["--plan"][..],
            &["--json"],
            &["--json", "--force", "--force-branch"],
        ] {
            let plan = sandbox.runr(&["resume", &id]).args(flags);
            assert!(!plan.output().exits(0).stdout.is_empty());
        }
        assert!(
            bytes(&sandbox.repo()) == before,
            "{tree:?}: a plan changed something"
        );
    }
}

#[test]
fn a_plan_tells_what_differs_from_the_last_checkpoint() {
    let config = Config::new().allow(&["src/**", "Cargo.lock"]);
    let sandbox = Sandbox::with(&config);
    let mut half = blocked("not yet");
    half["files"] = json!({
        "src/base.txt": "base\nmore\n", "Cargo.lock": "# mine\n", "dist/out.js": "x\n",
    });
    sandbox.script(&Script::one(half));
    let id = sandbox.run(&["--worktree", "--allow-deps"], 1).id;
    let plan = sandbox
        .runr(&["resume", &id, "--plan"])
        .output()
        .exits(0)
        .json();
    assert_eq!(
        plan["delta"],
        json!({
            "diffstat": "1 file changed, 1 insertion(+)",
            "lockfiles_changed": true,
            "ignored_noise_count": 1,
            "ignored_noise_sample": ["dist/out.js"],
        })
    );
    assert_eq!(plan["repo_state"]["dirty_count"], 3);
    assert_eq!(plan["warnings"], json!([]));
}

#[test]
fn a_plan_warns_of_what_stands_in_the_way() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let id = sandbox.run(&["--worktree", "--approve-plan"], 1).id;
    let warned = || {
        let plan = sandbox.runr(&["resume", &id, "--json"]).output().exits(0);
        plan.json()["warnings"].to_string()
    };
    assert!(warned().contains(&format!("runr approve {id}")));
    fs::remove_dir_all(sandbox.worktree(&id)).unwrap();
    assert!(warned().contains("is missing and would be made again"));
    assert!(!sandbox.worktree(&id).exists());

    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 1500));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    let plan = sandbox.runr(&["resume", &id, "--json"]).output().exits(0);
    assert!(
        plan.json()["warnings"]
            .to_string()
            .contains("still running")
    );
    running.wait().exits(0);
    let plan = sandbox.runr(&["resume", &id, "--json"]).output().exits(0);
    assert!(
        plan.json()["warnings"]
            .to_string()
            .contains("already complete")
    );
}

#[test]
fn what_the_caller_changes_is_recorded_from_and_to() {
    let sandbox = Sandbox::scripted(&Script::one(blocked("not yet")));
    let id = sandbox.run(&["--worktree", "--allow-deps=left-pad"], 1).id;
    let wider = Config::new().allow(&["src/**", "other/**"]);
    sandbox.configure(&wider);
    sandbox.commit("a wider scope");
    let flags = [
        "--allow-deps=right-pad",
        "--max-cost",
        "5",
        "--time",
        "30",
        "--config",
        ".runr/runr.config.json",
    ];
    sandbox
        .runr(&["resume", &id])
        .args(&flags)
        .output()
        .exits(1);
    let resumed = sandbox.payloads(&id, "run_resumed").remove(0);
    let overrides = resumed["overrides"].as_array().unwrap();
    let of = |name: &str| overrides.iter().find(|it| it["option"] == name).unwrap();
    assert_eq!(
        of("allow_deps"),
        &json!({"option": "allow_deps", "from": ["left-pad"], "to": ["left-pad", "right-pad"]})
    );
    assert_eq!(
        (&of("max_cost")["from"], &of("max_cost")["to"]),
        (&json!(null), &json!(5.0))
    );
    assert_eq!(of("time_minutes")["to"], 30.0);
    let start = sandbox.payloads(&id, "run_started").remove(0);
    assert_eq!(of("config")["from"], start["config_sha256"]);
    let scope = sandbox.payloads(&id, "scope_changed").remove(0);
    assert_eq!(of("config")["to"], scope["config_sha256"]);
    assert_eq!(scope["from"]["allowlist"], json!(["src/**"]));
    // Nothing is said: nothing is recorded.
    sandbox
        .runr(&["resume", &id, "--time", "30"])
        .output()
        .exits(1);
    let resumed = sandbox.payloads(&id, "run_resumed").remove(1);
    assert_eq!(resumed.get("overrides"), None, "{resumed}");
}
