//! Worktrees people can work in: what is copied into them, the commands that prepare them, and that
//! nobody is sent to the wrong one.

mod again;
mod lost;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, is_alive, ok, wait_until};

/// A sandbox with this configuration, and these lines in `.gitignore` and `.worktreeinclude`.
fn sandbox(config: &Config, ignore: &str, include: &str) -> Sandbox {
    let sandbox = Sandbox::untrusted(config);
    sandbox.write(".gitignore", ignore);
    if !include.is_empty() {
        sandbox.write(".worktreeinclude", include);
    }
    sandbox.commit("ignored files");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(1));
    sandbox
}

fn setup(commands: &[&str]) -> Config {
    Config::new().set("worktree", "setup", json!(commands))
}

fn copying(globs: &[&str]) -> Config {
    Config::new().set("worktree", "copy", json!(globs))
}

/// What a run committed.
fn committed(sandbox: &Sandbox, id: &str) -> Vec<String> {
    sandbox.changed("main", &format!("runr/{id}"))
}

#[test]
fn what_worktreeinclude_names_comes_into_a_fresh_worktree() {
    let config = Config::new().deny(&[".env"]).tier(
        "tier0",
        &["grep -q secret .env && test -L node_modules/.bin/tool"],
    );
    let sandbox = sandbox(
        &config,
        ".env\nnode_modules/\n*.log\n",
        ".env\nnode_modules/\n",
    );
    sandbox.write(".env", "secret\n");
    sandbox.write("node_modules/tool.js", "tool\n");
    sandbox.write("node_modules/.bin/.keep", "");
    sandbox.write("noise.log", "not named\n");
    let repo = sandbox.repo();
    symlink("../tool.js", repo.join("node_modules/.bin/tool")).unwrap();
    fs::set_permissions(repo.join(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    let run = sandbox.run(&["--worktree"], 0);
    let tree = sandbox.worktree(&run.id);
    let mode = tree.join(".env").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let link = fs::read_link(tree.join("node_modules/.bin/tool")).unwrap();
    assert_eq!(link.to_str(), Some("../tool.js"), "a link stays a link");
    assert!(!tree.join("node_modules").is_symlink());
    assert!(!tree.join("noise.log").exists());
    assert_eq!(committed(&sandbox, &run.id), ["src/part1.txt"]);
}

#[test]
fn a_copied_file_that_is_denied_must_not_be_changed() {
    let config = Config::new()
        .deny(&[".env"])
        .tier("tier0", &["echo x >> .env"]);
    let sandbox = sandbox(&config, ".env\n", ".env\n");
    sandbox.write(".env", "secret\n");
    let run = sandbox.run(&["--worktree"], 1);
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], "guard_violation");
    assert_eq!(status["guard_violation_files"], json!([".env"]));
    assert_eq!(sandbox.read(".env"), "secret\n");
}

#[test]
fn tracked_files_are_never_copied_and_untracked_ones_are_never_committed() {
    let sandbox = sandbox(&copying(&["src/**"]), "nothing\n", "");
    sandbox.write("src/base.txt", "half-finished work of the user\n");
    sandbox.write("src/notes.txt", "notes\n");
    let run = sandbox.run(&["--worktree"], 0);
    let tree = sandbox.worktree(&run.id);
    let read = |path: &str| fs::read_to_string(tree.join(path)).unwrap();
    assert_eq!(read("src/base.txt"), "base\n");
    assert_eq!(read("src/notes.txt"), "notes\n");
    assert_eq!(committed(&sandbox, &run.id), ["src/part1.txt"]);
}

#[test]
fn a_copy_that_git_ignored_is_not_committed_when_it_is_ignored_no_more() {
    let config = || copying(&["src/*.own"]).allow(&["src/**", ".gitignore"]);
    let shown = json!({".gitignore": "\n", "src/part1.txt": "part\n"});
    for (git, code) in [
        (json!([]), 0),
        (json!(["add -f src/key.own", "commit -q -m mine"]), 1),
    ] {
        let sandbox = sandbox(&config(), "*.own\n", "");
        sandbox.write("src/key.own", "a secret\n");
        let mut step = ok(shown.clone());
        step["git"] = git;
        sandbox.script(&Script::one(step));
        let run = sandbox.run(&["--worktree", "--fast"], code);
        let tree = sandbox.worktree(&run.id);
        assert!(tree.join("src/key.own").exists());
        if code == 0 {
            let files = committed(&sandbox, &run.id);
            assert_eq!(files, [".gitignore", "src/part1.txt"]);
        } else {
            let status = sandbox.status(&run.id);
            assert_eq!(status["stop_reason"], "guard_violation");
            assert_eq!(sandbox.checkpoints(&run.id), []);
        }
    }
}

#[test]
fn files_of_git_and_of_runr_are_never_copied() {
    let sandbox = sandbox(&copying(&["**", ".git/**", ".runr/**"]), "*.own\n", "");
    sandbox.write("a.own", "a\n");
    sandbox.write(".runr/prompts/b.own", "b\n");
    sandbox.write("nested/.git/c.own", "c\n");
    let run = sandbox.run(&["--worktree"], 0);
    let tree = sandbox.worktree(&run.id);
    assert!(tree.join("a.own").exists());
    assert!(!tree.join(".runr/prompts").exists() && !tree.join(".runr/runs").exists());
    assert!(!tree.join("nested").exists() && !tree.join(".runr-worktrees").exists());
}

#[test]
fn nothing_is_copied_through_a_link_of_the_worktree() {
    let sandbox = sandbox(&copying(&["data/**"]), "*.own\n", "");
    let outside = sandbox.scratch().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, sandbox.repo().join("data")).unwrap();
    sandbox.commit("a link");
    fs::remove_file(sandbox.repo().join("data")).unwrap();
    sandbox.write("data/x.own", "x\n");
    let run = sandbox.run(&["--worktree"], 1);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], "internal_error");
    let error = status["last_error"].as_str().unwrap();
    assert!(error.contains("no directory"), "{error}");
}

#[test]
fn set_up_commands_know_where_they_work_and_come_before_any_worker() {
    let elsewhere = Sandbox::bare();
    let vars = elsewhere.scratch().join("vars");
    let line = format!(
        "test -f .env && printf '%s\\n' \"$RUNR_MAIN_REPO\" \"$RUNR_WORKTREE\" \"$RUNR_BRANCH\" \
         \"$RUNR_RUN_ID\" \"$CI\" \"$PWD\" >> '{}'",
        vars.display()
    );
    let sandbox = sandbox(&setup(&[&line]).tier("tier0", &[&line]), ".env\n", ".env\n");
    sandbox.write(".env", "secret\n");
    let run = sandbox.run(&["--worktree"], 0);
    let tree = sandbox.worktree(&run.id);
    let (main, tree) = (sandbox.repo(), tree.to_str().unwrap());
    let branch = format!("runr/{}", run.id);
    let expected = [main.to_str().unwrap(), tree, &branch, &run.id, "1", tree];
    let text = fs::read_to_string(&vars).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [expected, expected].concat(),
        "set-up, then the check"
    );
    let events = sandbox.timeline(&run.id);
    let at = |kind: &str| events.iter().position(|event| event.kind == kind).unwrap();
    assert!(at("command_started") < at("phase_start"));
    let started = &sandbox.payloads(&run.id, "command_started")[0];
    assert_eq!(started["kind"], "setup");
    assert_eq!(started["log"], "logs/setup.log");
    assert!(sandbox.run_dir(&run.id).join("logs/setup.log").exists());
}

#[test]
fn the_users_own_checkout_is_not_prepared() {
    let elsewhere = Sandbox::bare();
    let command = elsewhere.scripted_command("setup", &[1]);
    let sandbox = sandbox(&setup(&[&command]), "nothing\n", "");
    sandbox.run(&[], 0);
    assert_eq!(elsewhere.count("setup"), 0);
}

#[test]
fn a_failed_set_up_stops_the_run_with_its_output_and_a_resume_does_it_again() {
    let sandbox = Sandbox::untrusted(&Config::new());
    let command = sandbox.scripted_command("setup", &[3, 0]);
    sandbox.configure(&setup(&[&command]));
    sandbox.commit("a set-up");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(1));
    let output = sandbox
        .runr(&["run", "--task", crate::support::TASK, "--worktree"])
        .output()
        .exits(1);
    assert!(
        output.stdout.contains("STOPPED: internal_error"),
        "{output}"
    );
    assert!(
        output.stdout.contains("exited with 3, see logs/setup.log"),
        "{output}"
    );
    assert!(
        output.stdout.contains("output of setup, pass 1, code 3"),
        "{output}"
    );
    assert!(sandbox.calls("plan").is_empty(), "nobody was asked");
    let id = sandbox.run_ids().pop().unwrap();
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.count("setup"), 2);
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
    // A prepared worktree is not prepared again.
    assert_eq!(sandbox.payloads(&id, "stop").len(), 2);
}

#[test]
fn a_set_up_that_hangs_is_ended_with_everything_it_started() {
    for (flags, seconds, reason) in [
        (&["--worktree"][..], 1, "internal_error"),
        (
            &["--worktree", "--time", "0.02"][..],
            60,
            "time_budget_exceeded",
        ),
    ] {
        let sandbox = Sandbox::untrusted(&Config::new());
        let config = setup(&[&sandbox.hanging_command()]);
        let limit = "max_verify_time_per_milestone";
        sandbox.configure(&config.set("verification", limit, json!(seconds)));
        sandbox.commit("a set-up");
        sandbox.runr(&["trust"]).output().exits(0);
        sandbox.script(&Script::happy(1));
        let run = sandbox.run(flags, 1);
        assert_eq!(sandbox.status(&run.id)["stop_reason"], reason);
        assert!(!is_alive(sandbox.hanging_pid().unwrap()));
    }
}

#[test]
fn a_set_up_that_changes_tracked_files_is_a_violation() {
    for command in [
        "echo x >> src/base.txt",
        "echo x > src/new.txt; git add src/new.txt",
    ] {
        let sandbox = sandbox(&setup(&[command]), "nothing\n", "");
        let run = sandbox.run(&["--worktree"], 1);
        let status = sandbox.status(&run.id);
        assert_eq!(status["stop_reason"], "guard_violation");
        let files = status["guard_violation_files"].as_array().unwrap();
        assert_eq!(files.len(), 1, "{files:?}");
        assert!(sandbox.calls("plan").is_empty(), "nobody was asked");
    }
}

#[test]
fn what_a_set_up_leaves_that_git_ignores_is_fine() {
    let config = setup(&["mkdir -p node_modules && echo x > node_modules/x; echo y > secret.key"]);
    let sandbox = sandbox(&config.deny(&["*.key"]), "node_modules/\n*.key\n", "");
    let run = sandbox.run(&["--worktree"], 0);
    assert_eq!(committed(&sandbox, &run.id), ["src/part1.txt"]);
}

#[test]
fn no_worker_is_sent_to_a_tree_that_has_left_its_branch() {
    let check = "git switch -q -c elsewhere 2>/dev/null || true";
    let sandbox = sandbox(&Config::new().tier("tier0", &[check]), "nothing\n", "");
    let run = sandbox.run(&["--worktree"], 1);
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], "worktree_branch_mismatch");
    assert!(
        sandbox.calls("review").is_empty(),
        "the reviewer was not asked"
    );
    let branch = format!("runr/{}", run.id);
    let expected = json!({"expected_branch": branch, "actual": "elsewhere"});
    assert_eq!(
        sandbox.payloads(&run.id, "worktree_branch_mismatch"),
        [expected]
    );
    sandbox.git_in(&sandbox.worktree(&run.id), &["switch", "-q", &branch]);
    sandbox.runr(&["resume", &run.id]).output().exits(0);
}

#[test]
fn a_worker_knows_where_it_works() {
    let elsewhere = Sandbox::bare();
    let vars = elsewhere.scratch().join("vars");
    let worker = format!(
        "printf '%s\\n' \"$RUNR_MAIN_REPO\" \"$RUNR_WORKTREE\" \"$RUNR_BRANCH\" > '{}'; \
         echo part > src/part.txt; echo '{{\"status\": \"ok\", \"handoff_memo\": \"done\"}}'",
        vars.display()
    );
    let config = Config::new()
        .worker("doer", "sh", &["-c", &worker])
        .phases("doer", "doer", "doer");
    let sandbox = Sandbox::with(&config);
    let run = sandbox
        .run_command(&["--worktree", "--fast", "--skip-doctor"])
        .output()
        .exits(0);
    let id = sandbox.started(run).id;
    let (main, tree) = (sandbox.repo(), sandbox.worktree(&id));
    let expected = format!("{}\n{}\nrunr/{id}\n", main.display(), tree.display());
    assert_eq!(fs::read_to_string(&vars).unwrap(), expected);
}
