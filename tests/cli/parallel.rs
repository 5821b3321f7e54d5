//! Several runs at once: own directories, and one tree for one run.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::support::{Output, Sandbox, Script, TASK, Tree, approve, milestone, ok, plan};

#[test]
fn a_tree_in_use_is_refused() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 3000));
    let (id, running) = sandbox.run_until_implement(&[]);
    let human = sandbox.runr(&["run", "--task", TASK]).output().exits(3);
    human.says(&format!("Error: Working tree is in use by run {id}"));
    assert!(human.stderr.contains("--worktree"), "{human}");
    let refused = sandbox.run_command(&[]).output().exits(3);
    refused.error_json("E_TREE_BUSY", "tree_busy");
    assert_eq!(
        sandbox.run_ids(),
        std::slice::from_ref(&id),
        "a refusal before the lock creates nothing"
    );
    assert!(
        sandbox.status(&id)["stop_reason"].is_null(),
        "the first run is still at work"
    );
    running.wait().exits(0);
    assert_eq!(sandbox.checkpoints(&id).len(), 1);
}

#[test]
fn a_run_in_a_worktree_does_not_ask_for_the_users_tree() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 3000));
    let (first, running) = sandbox.run_until_implement(&[]);
    sandbox.script(&Script::happy(1));
    let second = sandbox.run_in(Tree::Worktree, 0);
    assert_ne!(first, second.id);
    running.wait().exits(0);
    assert_eq!(
        (
            sandbox.checkpoints(&first).len(),
            sandbox.checkpoints(&second.id).len()
        ),
        (1, 1)
    );
}

#[test]
fn a_dead_run_does_not_keep_its_tree() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 30_000));
    let (dead, running) = sandbox.run_until_implement(&[]);
    running.kill();
    sandbox.script(&Script::happy(1));
    let next = sandbox.run_in(Tree::Checkout, 0);
    assert_ne!(next.id, dead);
}

#[test]
fn runs_started_together_get_directories_of_their_own() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let started: Vec<_> = (0..4)
        .map(|_| sandbox.run_command(&["--worktree"]).spawn())
        .collect();
    let mut ids: Vec<String> = started
        .into_iter()
        .map(|run| sandbox.started(run.wait().exits(0)).id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert_eq!(sandbox.run_ids(), ids);
    for id in &ids {
        assert_eq!(sandbox.checkpoints(id).len(), 1);
    }
}

#[test]
fn a_taken_name_is_never_shared() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    // Every second in which the run can start is taken.
    let taken: Vec<String> = (now..now + 30).map(run_id).collect();
    for id in &taken {
        std::fs::create_dir_all(sandbox.run_dir(id)).unwrap();
    }
    let run = sandbox
        .run_command(&["--worktree"])
        .limit(Duration::from_secs(25))
        .output()
        .exits(0);
    let id = sandbox.started(run).id;
    assert_eq!(id, run_id(now + 30), "the next free second");
    for id in &taken {
        assert_eq!(
            std::fs::read_dir(sandbox.run_dir(id)).unwrap().count(),
            0,
            "{id} was not ours"
        );
    }
}

/// The warnings a command printed.
fn warnings(output: &Output) -> Vec<&str> {
    let lines = output.stderr.lines();
    lines.filter_map(|l| l.strip_prefix("warning: ")).collect()
}

/// One milestone that expects to change `src/part.txt`.
fn expecting() -> Script {
    let mut goal = milestone("goal 1");
    goal["files_expected"] = json!(["src/part.txt"]);
    let step = ok(json!({"src/part.txt": "a part\n"}));
    Script::new(plan(&[goal]), &[step], &[approve()])
}

#[test]
fn a_live_run_that_may_change_the_same_files_is_named_in_a_warning() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 4000));
    let (first, running) = sandbox.run_until_implement(&["--worktree", "--allow", "src/**/*.txt"]);
    sandbox.script(&Script::happy(1));
    let second = sandbox.run(&["--worktree", "--allow", "src/part1.*"], 0);
    let warned = warnings(&second.output);
    assert_eq!(warned.len(), 1, "{}", second.output);
    assert!(warned[0].contains(&first), "{warned:?}");
    assert!(warned[0].contains("src/**/*.txt"), "{warned:?}");
    let everything = sandbox.run_command(&["--dry-run", "--allow-dirty"]);
    assert_eq!(warnings(&everything.output()).len(), 1);
    let apart = sandbox.run_command(&["--dry-run", "--allow", "docs/**"]);
    assert_eq!(warnings(&apart.output()), [""; 0]);
    running.wait().exits(0);
    let alone = sandbox.run_command(&["--dry-run"]).output();
    assert_eq!(warnings(&alone), [""; 0], "a run that ended is no danger");
}

#[test]
fn the_same_planned_file_is_shown_in_a_worktree_and_stops_elsewhere() {
    let sandbox = Sandbox::scripted(&expecting().sleeping("implement", 4000));
    let (first, running) = sandbox.run_until_implement(&["--worktree"]);
    sandbox.script(&expecting());
    let second = sandbox.run(&["--worktree"], 0);
    let line = format!("parallel_file_collision - {first}: src/part.txt");
    assert!(second.output.stderr.contains(&line), "{}", second.output);
    let third = sandbox.run(&[], 1);
    assert_eq!(
        sandbox.status(&third.id)["stop_reason"],
        "parallel_file_collision"
    );
    assert!(third.output.stderr.contains(&line), "{}", third.output);
    running.wait().exits(0);
}

#[test]
fn the_plan_of_a_dead_run_stops_nobody() {
    let sandbox = Sandbox::scripted(&expecting().sleeping("implement", 20_000));
    let (dead, running) = sandbox.run_until_implement(&["--worktree"]);
    running.kill();
    assert_eq!(sandbox.status(&dead)["liveness"], "stale");
    sandbox.script(&expecting());
    let next = sandbox.run(&[], 0);
    assert_eq!(warnings(&next.output), [""; 0], "{}", next.output);
}

#[test]
fn a_task_that_comes_first_and_is_not_done_is_named_in_a_warning() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let late = ".runr/tasks/late.md";
    let text = format!("---\ndepends_on: [./{TASK}, .runr/tasks/absent.md]\n---\n# Later\n");
    sandbox.write(late, &text);
    sandbox.commit("a task that comes second");
    let run = || sandbox.runr(&["run", "--task", late, "--json", "--worktree"]);
    let output = run().output().exits(0);
    let warned = warnings(&output);
    assert_eq!(warned.len(), 2, "{output}");
    assert!(warned[0].contains(TASK) && warned[1].contains("absent.md"));
    sandbox.run(&["--worktree"], 0);
    let output = run().output().exits(0);
    assert_eq!(warnings(&output).len(), 1, "{output}");
}

/// The 14 digits of a second, in UTC.
fn run_id(seconds: u64) -> String {
    let (mut days, time) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    format!(
        "{year}{:02}{:02}{:02}{:02}{:02}",
        month + 1,
        days + 1,
        time / 3600,
        time / 60 % 60,
        time % 60
    )
}

#[test]
fn the_clock_of_this_file_is_right() {
    assert_eq!(run_id(0), "19700101000000");
    assert_eq!(run_id(951_782_400), "20000229000000");
    assert_eq!(run_id(1_795_253_825), "20261121093705");
}
