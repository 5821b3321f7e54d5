//! The checks are run on the result, and the branch moves only if they pass and it has not moved.

use std::fs;

use serde_json::{Value, json};

use super::{assert_no_scratch, everything, finish, finished_with, submit, submitted, tip};
use crate::support::{Config, Sandbox, Script};

#[test]
fn every_tier_is_run_on_the_result_in_a_tree_of_its_own() {
    let sandbox = Sandbox::bare();
    let seen = sandbox.scratch().join("seen");
    let note = |tier: &str| {
        format!(
            "echo {tier} $CI $RUNR_RUN_ID $(pwd) $(ls src) >> '{}'",
            seen.display()
        )
    };
    let (zero, one, two) = (note("tier0"), note("tier1"), note("tier2"));
    sandbox.configure(
        &Config::new()
            .tier("tier0", &[&zero])
            .tier("tier1", &[&one])
            .tier("tier2", &[&two]),
    );
    sandbox.write(crate::support::TASK, "# A task\n");
    sandbox.commit("configuration");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(1));
    let id = finish(&sandbox);
    super::move_on(&sandbox, "release", "src/theirs.txt", "theirs\n");
    fs::remove_file(&seen).unwrap();
    submitted(&sandbox, &id, "release", &[], 0);
    let tree = sandbox.worktree(&format!("submit-{id}"));
    let tree = tree.display();
    let expected: String = ["tier0", "tier1", "tier2"]
        .map(|tier| format!("{tier} 1 {id} {tree} base.txt part1.txt theirs.txt\n"))
        .concat();
    assert_eq!(fs::read_to_string(&seen).unwrap(), expected);
    for tier in ["tier0", "tier1", "tier2"] {
        let log = sandbox
            .run_dir(&id)
            .join(format!("logs/submit-01/{tier}-1.log"));
        assert!(log.exists(), "{}", log.display());
    }
    assert_no_scratch(&sandbox, &id);
}

#[test]
fn a_failing_check_leaves_the_branch() {
    let (sandbox, id) = finished_with(
        &Config::new()
            .tier("tier0", &["test ! -f src/theirs.txt"])
            .tier("tier1", &["echo broken together; test ! -f src/theirs.txt"]),
    );
    super::move_on(&sandbox, "release", "src/theirs.txt", "theirs\n");
    let timeline = sandbox.timeline_text(&id);
    let refs = sandbox.git(&["for-each-ref"]);
    let result = submitted(&sandbox, &id, "release", &[], 1);
    assert_eq!(result["outcome"], "checks_failed");
    assert_eq!(
        (&result["verified"], &result["new_sha"]),
        (&json!(false), &Value::Null)
    );
    let failed = &result["failed_check"];
    assert_eq!(
        (&failed["tier"], &failed["exit_code"]),
        (&json!("tier0"), &json!(1))
    );
    let log = sandbox.run_dir(&id).join(failed["log"].as_str().unwrap());
    assert!(log.exists());
    assert_eq!(sandbox.git(&["for-each-ref"]), refs);
    assert_eq!(
        sandbox.timeline_text(&id),
        timeline,
        "the run is what it was"
    );
    assert_no_scratch(&sandbox, &id);
    // The logs of each pass stay.
    let shown = sandbox
        .runr(&["submit", &id, "--to", "release"])
        .output()
        .exits(1);
    assert!(
        shown.stdout.contains("A check failed on the result: tier0"),
        "{shown}"
    );
    assert!(
        sandbox
            .run_dir(&id)
            .join("logs/submit-02/tier0-1.log")
            .exists()
    );
}

#[test]
fn all_checks_share_one_deadline() {
    let config = Config::new()
        .tier("tier0", &["test ! -f src/theirs.txt || exec sleep 30"])
        .set("verification", "max_verify_time_per_milestone", json!(2));
    let (sandbox, id) = finished_with(&config);
    super::move_on(&sandbox, "release", "src/theirs.txt", "theirs\n");
    let output = submit(&sandbox, &id, "release", &[]).output().exits(1);
    assert_eq!(output.json()["failed_check"]["timed_out"], true);
    assert!(output.took.as_secs() < 20, "{output}");
    assert_no_scratch(&sandbox, &id);
}

#[test]
fn a_run_without_checks_moves_unverified() {
    let sandbox = Sandbox::with(&Config::new().unverified());
    sandbox.script(&Script::happy(1));
    let id = sandbox.run(&["--worktree", "--allow-unverified"], 0).id;
    sandbox.git(&["branch", "release"]);
    let result = submitted(&sandbox, &id, "release", &[], 0);
    assert_eq!(
        (&result["verified"], &result["outcome"]),
        (&json!(false), &json!("moved"))
    );
}

/// A run whose check moves `release` when it is run for a submission, the first `times` times.
fn restless(times: usize) -> (Sandbox, String) {
    let sandbox = Sandbox::bare();
    let (dir, repo) = (sandbox.scratch(), sandbox.repo());
    let (dir, repo) = (dir.display(), repo.display());
    let script = format!(
        "case $(pwd) in */submit-*) ;; *) exit 0 ;; esac\n\
         echo pass >> '{dir}/passes'\n\
         [ $(wc -l < '{dir}/passes') -le {times} ] || exit 0\n\
         cd '{repo}'\n\
         tree=$(git rev-parse 'release^{{tree}}')\n\
         new=$(git commit-tree $tree -p release -m moved)\n\
         git update-ref refs/heads/release $new\n"
    );
    let file = sandbox.scratch().join("restless.sh");
    fs::write(&file, script).unwrap();
    let check = format!("sh '{}'", file.display());
    sandbox.configure(&Config::new().tier("tier0", &[&check]));
    sandbox.write(crate::support::TASK, "# A task\n");
    sandbox.commit("configuration");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(2));
    let id = finish(&sandbox);
    (sandbox, id)
}

fn passes(sandbox: &Sandbox) -> usize {
    let text = fs::read_to_string(sandbox.scratch().join("passes")).unwrap();
    text.lines().count()
}

#[test]
fn a_branch_that_moves_during_the_checks_is_begun_with_anew() {
    let (sandbox, id) = restless(2);
    let old = tip(&sandbox, "release");
    let result = submitted(&sandbox, &id, "release", &[], 0);
    assert_eq!(passes(&sandbox), 3);
    let subjects = sandbox.subjects(&old, "release");
    assert_eq!(subjects[..2], ["moved", "moved"], "nothing is lost");
    assert_eq!(subjects.len(), 4);
    assert_eq!(result["old_sha"], tip(&sandbox, "release~2").as_str());
}

#[test]
fn a_branch_that_always_moves_is_given_up() {
    let (sandbox, id) = restless(100);
    let old = tip(&sandbox, "release");
    let output = submit(&sandbox, &id, "release", &[]).output().exits(1);
    let error = output.error_json("E_LOCK_TIMEOUT", "lock_timeout");
    assert_eq!(error["retryable"], true);
    assert_eq!(passes(&sandbox), 4, "three times anew");
    assert!(
        sandbox
            .subjects(&old, "release")
            .iter()
            .all(|it| it == "moved")
    );
    assert_no_scratch(&sandbox, &id);
}

#[test]
fn a_configuration_that_is_not_approved_runs_nothing() {
    let (sandbox, id) = finished_with(&Config::new());
    fs::remove_dir_all(sandbox.scratch().join("../config/runr")).unwrap();
    let before = everything(&sandbox);
    let output = submit(&sandbox, &id, "release", &[]).output().exits(3);
    output.error_json("E_UNTRUSTED", "untrusted");
    assert!(everything(&sandbox) == before);
}

#[test]
fn the_tree_of_the_checks_is_prepared_as_that_of_a_run_is() {
    let sandbox = Sandbox::bare();
    sandbox.configure(
        &Config::new()
            .tier("tier0", &["test -f local/env && test -f local/made"])
            .set("worktree", "setup", json!(["cp local/env local/made"]))
            .set("worktree", "copy", json!(["local/env"])),
    );
    sandbox.write(crate::support::TASK, "# A task\n");
    sandbox.write(".gitignore", "local/\n");
    sandbox.commit("configuration");
    sandbox.write("local/env", "a key\n");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(1));
    let id = finish(&sandbox);
    super::move_on(&sandbox, "release", "src/theirs.txt", "theirs\n");
    submitted(&sandbox, &id, "release", &[], 0);
    assert!(
        sandbox
            .run_dir(&id)
            .join("logs/submit-01/setup.log")
            .exists()
    );
}

#[test]
fn a_set_up_that_fails_on_the_result_leaves_the_branch_and_names_its_log() {
    let setup = json!(["if test -f src/theirs.txt; then echo no network; exit 7; fi"]);
    let (sandbox, id) = finished_with(&Config::new().set("worktree", "setup", setup));
    super::move_on(&sandbox, "release", "src/theirs.txt", "theirs\n");
    let before = tip(&sandbox, "release");
    let refused = submit(&sandbox, &id, "release", &[]).output().exits(1);
    let error = refused.json();
    assert_eq!(error["code"], "E_INTERNAL", "{error}");
    assert_eq!(error["log"], "logs/submit-01/setup.log", "{error}");
    assert!(error["message"].as_str().unwrap().contains("exited with 7"));
    assert_eq!(tip(&sandbox, "release"), before);
    assert_no_scratch(&sandbox, &id);
}
