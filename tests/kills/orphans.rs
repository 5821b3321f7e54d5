//! Children that outlive a killed harness: the next one ends them before it does anything else.

use std::fs;
use std::time::Duration;

use rustix::process::Pid;

use crate::support::{Config, Sandbox, TASK, is_alive, wait_until};

/// Edits the tree for ever on its first call. Later calls note whether the first one still lives,
/// and do what they were called for. The editing is done by a grandchild, so that ending the child
/// alone would not be enough.
const EDITOR: &str = r#"dir=$(dirname "$0")
tree=$(pwd)
if [ -e "$dir/first" ]; then
    if "$dir/works" "$(cat "$dir/pid")"; then echo alive > "$dir/overlap"; else echo dead > "$dir/overlap"; fi
    exec "$dir/answer"
fi
touch "$dir/first"
( while [ -d "$dir" ]; do echo tick >> "$tree/src/orphan.txt"; sleep 0.02; done ) &
echo $! > "$dir/pid.tmp"
mv "$dir/pid.tmp" "$dir/pid"
wait
"#;

/// Succeeds while the process does anything; one that has ended and was not asked for does not.
const WORKS: &str = r#"kill -0 "$1" 2>/dev/null || exit 1
! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null
"#;

/// Kills the harness while the editor is at work, resumes, and checks that it was ended first.
fn ends_the_editor(sandbox: &Sandbox) {
    script(sandbox, "works", WORKS);
    let scratch = sandbox.scratch();
    let run = || {
        sandbox
            .runr(&["run", "--task", TASK, "--worktree", "--json"])
            .env("RUNR_SKIP_DOCTOR", "1")
    };
    let running = run().spawn();
    let pid = || {
        fs::read_to_string(scratch.join("pid"))
            .ok()
            .and_then(|text| text.trim().parse::<i32>().ok())
    };
    wait_until("the editor is at work", Duration::from_secs(20), || {
        pid().is_some()
    });
    let editor = Pid::from_raw(pid().unwrap()).unwrap();
    let id = sandbox.run_ids().pop().unwrap();
    let file = sandbox.worktree(&id).join("src/orphan.txt");
    wait_until("the tree is edited", Duration::from_secs(5), || {
        file.exists()
    });
    running.kill();
    // Says whether the resume below has anything to end; both answers are sound.
    println!("the editor outlived the harness: {}", is_alive(editor));

    let resume = sandbox
        .runr(&["resume", &id])
        .env("RUNR_SKIP_DOCTOR", "1")
        .output();
    let resumed = resume.exits(0);
    assert!(!is_alive(editor), "the editor lives on: {resumed}");
    assert_eq!(
        fs::read_to_string(scratch.join("overlap")).unwrap().trim(),
        "dead",
        "it was ended too late"
    );
    assert_eq!(sandbox.status(&id)["stop_reason"], "complete");
    let committed = sandbox.git(&["show", &format!("runr/{id}:src/orphan.txt")]);
    assert_eq!(
        fs::read_to_string(&file).unwrap().trim_end(),
        committed,
        "nobody edits after the checkpoint"
    );
    assert_eq!(
        sandbox.git_in(&sandbox.worktree(&id), &["status", "--porcelain"]),
        ""
    );
    assert_eq!(sandbox.checkpoints(&id).len(), 1);
}

fn script(sandbox: &Sandbox, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = sandbox.scratch().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn answer(json: &str) -> String {
    format!("cat > /dev/null\ncat <<'END'\nBEGIN_JSON\n{json}\nEND_JSON\nEND\n")
}

const PLAN: &str =
    r#"{"milestones":[{"goal":"goal 1","done_checks":["the check passes"],"risk_level":"low"}]}"#;
const OK: &str = r#"{"status":"ok","handoff_memo":"done"}"#;
const APPROVE: &str = r#"{"status":"approve","changes":[]}"#;

/// A repository whose stages are played by real processes, one script for each.
fn with_workers(implement: &str, check: impl Fn(&Sandbox) -> String) -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    let planner = script(&sandbox, "plan", &answer(PLAN));
    let doer = script(&sandbox, "implement", implement);
    let critic = script(&sandbox, "review", &answer(APPROVE));
    let config = Config::new()
        .tier("tier0", &[&check(&sandbox)])
        .worker("planner", "sh", &[&planner])
        .worker("doer", "sh", &[&doer])
        .worker("critic", "sh", &[&critic])
        .phases("planner", "doer", "critic");
    sandbox.configure(&config);
    sandbox.commit("real workers");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox
}

#[test]
fn real_processes_can_play_every_stage() {
    let sandbox = with_workers(&format!("echo made > src/made.txt\n{}", answer(OK)), |_| {
        "test -f src/made.txt".to_owned()
    });
    let base = sandbox.head();
    let run = sandbox
        .run_command(&["--worktree"])
        .env("RUNR_SKIP_DOCTOR", "1")
        .output()
        .exits(0);
    let id = sandbox.started(run).id;
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{id}")),
        ["src/made.txt"]
    );
}

#[test]
fn a_worker_that_outlives_the_harness_is_ended_before_the_run_goes_on() {
    let sandbox = with_workers(EDITOR, |_| "test -f src/orphan.txt".to_owned());
    script(&sandbox, "answer", &answer(OK));
    ends_the_editor(&sandbox);
}

#[test]
fn a_check_that_outlives_the_harness_is_ended_before_the_run_goes_on() {
    let implement = format!("echo made > src/made.txt\n{}", answer(OK));
    let sandbox = with_workers(&implement, |sandbox| {
        format!("sh '{}'", script(sandbox, "editor", EDITOR))
    });
    script(&sandbox, "answer", "exit 0\n");
    ends_the_editor(&sandbox);
}
