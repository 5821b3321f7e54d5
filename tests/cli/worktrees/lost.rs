//! Worktrees that are made, or prepared, a second time.

use super::*;

/// A sandbox whose set-up succeeds, but hangs in the passes of which a file says so.
fn hanging_in(passes: &[usize], config: Config) -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    let dir = sandbox.scratch();
    for pass in passes {
        fs::write(dir.join(format!("hang.{pass}")), "").unwrap();
    }
    let dir = dir.display();
    let command = format!(
        "n=$(($(cat '{dir}/passes' 2>/dev/null || echo 0) + 1)); echo $n > '{dir}/passes'; \
         if [ -e '{dir}/hang.'$n ]; then {}; fi",
        sandbox.hanging_command()
    );
    sandbox.configure(&config.set("worktree", "setup", json!([command])));
    sandbox.write(".gitignore", ".env\n");
    sandbox.write(".worktreeinclude", ".env\n");
    sandbox.commit("a set-up");
    sandbox.write(".env", "secret\n");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox
}

fn passes(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.scratch().join("passes")).unwrap()
}

/// Starts a command, and kills it when its set-up hangs.
fn killed_in_set_up(sandbox: &Sandbox, command: crate::support::Command) {
    drop(fs::remove_file(sandbox.scratch().join("hanging")));
    let running = command.spawn();
    wait_until("the set-up hangs", Duration::from_secs(20), || {
        sandbox.hanging_pid().is_some()
    });
    running.signal(rustix::process::Signal::KILL);
    drop(running.wait());
}

#[test]
fn a_run_killed_in_its_set_up_is_prepared_again() {
    let sandbox = hanging_in(&[1], Config::new());
    sandbox.script(&Script::happy(1));
    killed_in_set_up(&sandbox, sandbox.run_command(&["--worktree"]));
    let hanging = sandbox.hanging_pid().unwrap();
    let id = sandbox.run_ids().pop().unwrap();
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert!(!is_alive(hanging), "what the set-up started was ended");
    assert_eq!(passes(&sandbox), "2\n");
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
}

#[test]
fn a_lost_worktree_is_prepared_again_even_if_the_first_try_is_killed() {
    let check = Config::new().tier("tier0", &["grep -q secret .env"]);
    let sandbox = hanging_in(&[2], check.deny(&[".env"]));
    sandbox.script(&Script::happy(2));
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    assert_eq!(passes(&sandbox), "1\n");
    fs::remove_dir_all(sandbox.worktree(&run.id)).unwrap();
    killed_in_set_up(&sandbox, sandbox.runr(&["resume", &run.id]));
    let hanging = sandbox.hanging_pid().unwrap();
    sandbox.write(".env", "another secret\n");
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    assert!(!is_alive(hanging), "what the set-up started was ended");
    assert_eq!(passes(&sandbox), "3\n");
    assert_eq!(sandbox.status(&run.id)["stop_reason"], "complete");
    let copied = sandbox.worktree(&run.id).join(".env");
    assert_eq!(fs::read_to_string(copied).unwrap(), "another secret\n");
    assert_eq!(
        committed(&sandbox, &run.id),
        ["src/part1.txt", "src/part2.txt"]
    );
}

#[test]
fn a_set_up_that_stalls_is_done_again_by_the_retry_of_its_driver() {
    let config = Config::new()
        .set("resilience", "auto_resume", json!(true))
        .set("resilience", "auto_resume_delays_ms", json!([50]));
    let sandbox = hanging_in(&[1], config);
    sandbox.script(&Script::happy(1));
    let run = sandbox.run_command(&["--worktree"]);
    let run = run.env("RUNR_STALL_TIMEOUT_MS", "1500").output().exits(0);
    assert_eq!(passes(&sandbox), "2\n");
    let id = sandbox.started(run).id;
    assert_eq!(sandbox.payloads(&id, "auto_resume_started").len(), 1);
    let kinds: Vec<String> = sandbox
        .timeline(&id)
        .into_iter()
        .map(|it| it.kind)
        .collect();
    let first = |kind: &str| kinds.iter().position(|it| it == kind).unwrap();
    let prepared = kinds.iter().rposition(|it| it == "run_resumed").unwrap();
    assert!(prepared < first("phase_start"), "{kinds:?}");
    assert_eq!(committed(&sandbox, &id), ["src/part1.txt"]);
}

#[test]
fn a_worktree_that_was_not_made_to_its_end_is_kept_if_somebody_works_in_it() {
    let sandbox = sandbox(&Config::new(), "nothing\n", "");
    // Nothing can be made where a file stands.
    sandbox.write(".runr-worktrees", "in the way\n");
    sandbox.run_command(&["--worktree"]).output().exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    assert_eq!(sandbox.status(&id)["worktree_path"], Value::Null);
    fs::remove_file(sandbox.repo().join(".runr-worktrees")).unwrap();
    let (tree, branch) = (sandbox.worktree(&id), format!("runr/{id}"));
    // Git had made the branch before it failed.
    sandbox.git(&["worktree", "add", "-q", tree.to_str().unwrap(), &branch]);
    fs::write(tree.join("work.txt"), "hours of work\n").unwrap();
    let refused = sandbox.runr(&["resume", &id]).output().exits(1);
    assert!(
        refused.stderr.contains("uncommitted changes: work.txt"),
        "{refused}"
    );
    assert_eq!(
        fs::read_to_string(tree.join("work.txt")).unwrap(),
        "hours of work\n"
    );
    sandbox.git_in(&tree, &["add", "-A"]);
    sandbox.git_in(&tree, &["commit", "-q", "-m", "work"]);
    let refused = sandbox.runr(&["resume", &id]).output().exits(1);
    assert!(
        refused.stderr.contains("a commit that is nowhere else"),
        "{refused}"
    );
    sandbox.git_in(&tree, &["reset", "-q", "--hard", "main"]);
    sandbox.runr(&["resume", &id]).output().exits(0);
}
