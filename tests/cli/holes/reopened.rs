//! What a resume must not do.

use std::time::Duration;

use super::*;
use crate::support::{TASK, blocked, strings, wait_until};

fn resume(sandbox: &Sandbox, id: &str) -> crate::support::Output {
    sandbox.runr(&["resume", id]).output()
}

#[test]
fn a_resume_removes_no_directory_that_is_not_the_runs() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let shared = sandbox.scratch().join("worktrees");
    // Ids are seconds: whatever the next run is called, the place is taken.
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for second in since..since + 20 {
        let moment = format!("@{second}");
        let id = sandbox
            .command("date")
            .args(&["-u", "-d", &moment, "+%Y%m%d%H%M%S"]);
        let dir = shared.join(id.output().exits(0).stdout.trim());
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("precious"), "work of another repository\n").unwrap();
    }
    let run = sandbox.run_command(&["--worktree"]);
    let refused = run.env("RUNR_WORKTREES_DIR", &shared).output();
    assert_ne!(refused.code, Some(0), "{refused}");
    let id = sandbox.run_ids().pop().unwrap();
    let planted = shared.join(&id).join("precious");
    assert!(planted.exists());
    let resume = sandbox.runr(&["resume", &id]);
    let refused = resume.env("RUNR_WORKTREES_DIR", &shared).output();
    assert_ne!(refused.code, Some(0), "{refused}");
    assert!(planted.exists(), "{refused}");
}

#[test]
fn a_resume_leaves_the_worktree_of_another_repository_alone() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    let place = sandbox.worktree(&run.id);
    let (path, branch) = (place.to_str().unwrap(), format!("runr/{}", run.id));
    // Its own run of the same second, in a directory for worktrees that both use.
    let other = sandbox.scratch().join("other");
    sandbox.git(&["clone", "-q", "--no-local", ".", other.to_str().unwrap()]);
    sandbox.git(&["worktree", "remove", "--force", path]);
    sandbox.git_in(&other, &["worktree", "add", "-q", "-b", &branch, path]);
    fs::write(place.join("src/precious.txt"), "uncommitted\n").unwrap();
    let lock = other
        .join(".git/worktrees")
        .join(&run.id)
        .join("index.lock");
    fs::write(&lock, "a git is working\n").unwrap();
    let before = sandbox.git_in(&other, &["rev-parse", &branch]);
    let refused = resume(&sandbox, &run.id);
    assert_ne!(refused.code, Some(0), "{refused}");
    assert!(
        lock.exists(),
        "a lock that is not the run's was removed: {refused}"
    );
    assert!(place.join("src/precious.txt").exists());
    assert_eq!(sandbox.git_in(&other, &["rev-parse", &branch]), before);
    assert_eq!(
        sandbox.calls("implement").len(),
        1,
        "no worker was asked there"
    );
}

#[test]
fn a_resume_on_the_wrong_branch_keeps_the_progress() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--max-ticks", "5"], 1);
    assert_eq!(milestones(&sandbox, &run.id), [0]);
    sandbox.git(&["switch", "-q", "main"]);
    resume(&sandbox, &run.id).exits(1);
    assert_eq!(
        sandbox.status(&run.id)["stop_reason"],
        "worktree_branch_mismatch"
    );
    sandbox.git(&["switch", "-q", &format!("runr/{}", run.id)]);
    resume(&sandbox, &run.id).exits(0);
    assert_eq!(milestones(&sandbox, &run.id), [0, 1]);
    assert_eq!(sandbox.calls("implement").len(), 2, "nothing is done twice");
}

#[test]
fn a_run_killed_in_the_middle_of_an_edit_in_place_goes_on() {
    let first = "if [ ! -e \"$SCRATCH/first\" ]; then
    echo half > src/half.txt
    touch \"$SCRATCH/first\"
    while [ -d \"$SCRATCH\" ]; do sleep 0.05; done
fi
echo whole > src/half.txt";
    let sandbox = process(first);
    let base = sandbox.head();
    let run = sandbox
        .run_command(&[])
        .env("RUNR_SKIP_DOCTOR", "1")
        .spawn();
    let edited = sandbox.scratch().join("first");
    wait_until("the worker edits", Duration::from_secs(20), || {
        edited.exists()
    });
    run.kill();
    let id = sandbox.run_ids().pop().unwrap();
    let resume = sandbox.runr(&["resume", &id]).env("RUNR_SKIP_DOCTOR", "1");
    resume.output().exits(0);
    assert_eq!(milestones(&sandbox, &id), [0]);
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{id}")),
        ["src/half.txt"]
    );
}

#[test]
fn a_resume_without_its_worktree_leaves_the_users_index_lock_alone() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    fs::remove_file(sandbox.worktree(&run.id).join(".git")).unwrap();
    sandbox.write(".git/index.lock", "the user's git is working\n");
    let refused = resume(&sandbox, &run.id);
    assert_ne!(refused.code, Some(0), "{refused}");
    assert!(sandbox.exists(".git/index.lock"), "{refused}");
}

#[test]
fn a_resume_does_not_let_in_what_the_preflight_refused() {
    let unverified = Sandbox::with(&Config::new().unverified());
    let dirty = Sandbox::with(&Config::new());
    dirty.write("docs/guide.txt", "the user's words\n");
    for sandbox in [unverified, dirty] {
        sandbox.script(&Script::happy(1));
        let refused = sandbox.run_command(&["--allow-dirty"]).output();
        assert_ne!(refused.code, Some(0), "{refused}");
        let again = sandbox.runr(&["resume"]).output();
        assert_ne!(again.code, Some(0), "{again}");
        assert_eq!(sandbox.calls("plan").len(), 0, "{again}");
    }
}

#[test]
fn a_forged_checkpoint_is_not_adopted() {
    let forge = "echo forged >> src/base.txt
id=$RUNR_RUN_ID
git commit -q -a -m \"chore(runr): checkpoint $id milestone 0\" \\
    -m \"Runr-Run-Id: $id\nRunr-Checkpoint: true\nRunr-Milestone: 0\"";
    let forge = format!(
        "{forge}{}",
        answer(r#"{"status":"blocked","handoff_memo":"cannot"}"#)
    );
    let config = Config::new().tier("tier0", &["exit 1"]);
    let sandbox = processes(config, "", &forge);
    run_processes(&sandbox, &["--worktree"]).exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    let subjects = sandbox.subjects("main", &format!("runr/{id}"));
    assert_eq!(subjects.len(), 1, "the trap was set");
    let resume = sandbox.runr(&["resume", &id]).env("RUNR_SKIP_DOCTOR", "1");
    resume.output().exits(1);
    assert_eq!(milestones(&sandbox, &id), [0; 0]);
    assert_eq!(sandbox.status(&id)["stop_reason"], "implement_blocked");
}

#[test]
fn a_lost_configuration_is_not_replaced_by_a_weaker_one() {
    let sandbox = one(blocked("a question"));
    let run = sandbox.run(&["--worktree", "--fast"], 1);
    fs::remove_file(sandbox.run_dir(&run.id).join("config.snapshot.json")).unwrap();
    sandbox.script(&Script::happy(1));
    let refused = resume(&sandbox, &run.id).exits(1);
    assert!(refused.stderr.contains("corrupt"), "{refused}");
    let planned = sandbox.runr(&["resume", &run.id, "--json"]).output();
    planned.error_json("E_STORE_CORRUPT", "store_corrupt");
    assert_eq!(milestones(&sandbox, &run.id), [0; 0]);
}

/// Runs tier0, and what a worker put into the frozen configuration.
fn weakened(sandbox: &Sandbox, id: &str) {
    let file = sandbox.run_dir(id).join("config.snapshot.json");
    let text = fs::read_to_string(&file).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["verification"]["tier0"] = json!([]);
    config["scope"]["allowlist"] = json!([]);
    fs::write(&file, config.to_string()).unwrap();
}

#[test]
fn a_frozen_configuration_that_somebody_else_wrote_decides_nothing() {
    let sandbox = one(blocked("a question"));
    let run = sandbox.run(&["--worktree", "--fast"], 1);
    let file = sandbox.run_dir(&run.id).join("config.snapshot.json");
    let ours = fs::read(&file).unwrap();
    weakened(&sandbox, &run.id);
    sandbox.script(&Script::happy(1));
    for args in [&["resume", &run.id][..], &["resume", &run.id, "--plan"]] {
        let refused = sandbox.runr(args).args(&["--json"]).output().exits(1);
        refused.error_json("E_STORE_CORRUPT", "store_corrupt");
    }
    assert_eq!(milestones(&sandbox, &run.id), [0; 0]);

    fs::write(&file, ours).unwrap();
    resume(&sandbox, &run.id).exits(0);
    weakened(&sandbox, &run.id);
    sandbox.git(&["branch", "release"]);
    let submit = ["submit", &run.id, "--to", "release", "--json"];
    let refused = sandbox.runr(&submit).output().exits(1);
    refused.error_json("E_STORE_CORRUPT", "store_corrupt");
    assert_eq!(sandbox.git(&["rev-parse", "release"]), sandbox.head());
}

#[test]
fn a_configuration_whose_change_was_cut_off_is_the_one_the_timeline_names() {
    let sandbox = one(blocked("a question"));
    let run = sandbox.run(&["--worktree", "--fast"], 1);
    let dir = sandbox.run_dir(&run.id);
    let (file, next) = (
        dir.join("config.snapshot.json"),
        dir.join("config.snapshot.next.json"),
    );
    let old = fs::read_to_string(&file).unwrap();
    // Killed before the record: what was to come counts for nothing.
    fs::write(&next, "half").unwrap();
    let config = Config::new().tier("tier0", &["true", "true"]);
    sandbox.configure(&config);
    sandbox.runr(&["trust"]).output().exits(0);
    let named = ["resume", &run.id, "--config", ".runr/runr.config.json"];
    sandbox.runr(&named).output().exits(1);
    let new = fs::read_to_string(&file).unwrap();
    assert_ne!(new, old);
    assert_eq!(fs::read_to_string(&next).unwrap(), new);
    // Killed after the record: the old text is still there, and counts for nothing.
    fs::write(&file, &old).unwrap();
    sandbox.script(&Script::happy(1));
    resume(&sandbox, &run.id).exits(0);
    let verified = &sandbox.payloads(&run.id, "verification")[0];
    assert_eq!(strings(&verified["commands"]), ["true", "true"]);
}

#[test]
fn a_deleted_baseline_excuses_no_denied_file() {
    let sandbox = Sandbox::with(&Config::new().deny(&[".env"]));
    sandbox.write(".gitignore", ".env\n");
    sandbox.commit("ignore lines");
    sandbox.write(".env", "TOKEN=old\n");
    let runs = sandbox.repo().join(".runr/runs");
    let baseline = format!("{}/{{run_id}}/baseline.json", runs.display());
    let mut step = blocked("a question");
    step["files"] = json!({".env": "TOKEN=stolen\n"});
    step["delete"] = json!([baseline]);
    sandbox.script(&Script::one(step));
    let run = sandbox.runr(&["run", "--task", TASK]).output();
    run.exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    sandbox.script(&Script::happy(1));
    resume(&sandbox, &id).exits(1);
    assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
    assert_eq!(violations(&sandbox, &id), [".env"]);
}
