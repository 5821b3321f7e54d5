//! Every moment in which two places disagree, hit on purpose.
//!
//! A `git` that stands before the real one kills the harness at a chosen command; a worker kills it
//! at its end. What no process marks is put on the disk as the crash leaves it.

mod again;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{
    Command, Config, Output, Sandbox, Script, Tree, approve, blocked, milestone, ok, plan,
};

/// Reads `strike` (when, and words that the command line must hold), which counts once.
const GIT: &str = r#"#!/bin/sh
dir=$(dirname "$0")
PATH=${PATH#*:}
export PATH
when=; words=
[ -e "$dir/strike" ] && read -r when words < "$dir/strike"
case " $* " in
*" ${words:-nothing} "*) rm "$dir/strike" ;;
*) when= ;;
esac
case $when in
before) ;;
after) git "$@" ;;
failing) git "$@"; exit 1 ;;
lingering) kill -9 $PPID; sleep 2; git "$@"; touch "$dir/over"; exit ;;
halfway)
    git "$@"
    eval "tree=\${$(($# - 1))}"
    touch "$(git -C "$tree" rev-parse --git-path index.lock)"
    rm -r "$tree/src"
    ;;
begun)
    # What git makes first: its own record, locked, and the empty directory.
    git "$@"
    eval "tree=\${$(($# - 1))}"
    echo initializing > "$(git -C "$tree" rev-parse --git-dir)/locked"
    find "$tree" -mindepth 1 -delete
    ;;
*) exec git "$@" ;;
esac
kill -9 $PPID
"#;

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The command, killed at the git command that holds these words.
fn struck(sandbox: &Sandbox, command: Command, strike: &str) -> Output {
    let output = under_strike(sandbox, command, strike);
    assert_eq!(output.code, None, "`{strike}` kills it: {output}");
    output
}

fn under_strike(sandbox: &Sandbox, command: Command, strike: &str) -> Output {
    let bin = sandbox.scratch().join("bin");
    executable(&bin.join("git"), GIT);
    fs::write(bin.join("strike"), format!("{strike}\n")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = command.env("PATH", path).output();
    assert!(!bin.join("strike").exists());
    output
}

/// Two milestones; a step that is repeated writes the same again.
fn sandbox() -> Sandbox {
    let part = ok(json!({"src/part{milestone}.txt": "a part of the whole\n"}));
    let goals = [milestone("goal 1"), milestone("goal 2")];
    Sandbox::scripted(&Script::new(plan(&goals), &[part], &[approve()]))
}

fn flags(tree: Tree) -> &'static [&'static str] {
    match tree {
        Tree::Worktree => &["--worktree"],
        Tree::Checkout => &[],
    }
}

/// What a run nobody kills leaves behind.
fn undisturbed() -> Vec<(u64, String)> {
    let sandbox = sandbox();
    let run = sandbox.run(&["--worktree"], 0);
    sandbox.checkpoints(&run.id)
}

/// Resumes the run; it must end as if nothing had happened.
fn ends_as_undisturbed(sandbox: &Sandbox, tree: Tree, id: &str, what: &str) {
    let resumed = sandbox.runr(&["resume", id]).output();
    assert_eq!(resumed.code, Some(0), "{what}: {resumed}");
    is_as_undisturbed(sandbox, tree, id, what);
}

fn is_as_undisturbed(sandbox: &Sandbox, tree: Tree, id: &str, what: &str) {
    // Reading the timeline checks that `seq` counts from 1 without gaps.
    assert_eq!(sandbox.checkpoints(id), undisturbed(), "{what}");
    let subject = |n: usize| format!("chore(runr): checkpoint {id} milestone {n}");
    let subjects = sandbox.subjects("main", &format!("runr/{id}"));
    assert_eq!(subjects, [subject(0), subject(1)], "{what}");
    let dir = sandbox.tree(tree, id);
    assert_eq!(
        sandbox.git_in(&dir, &["status", "--porcelain"]),
        "",
        "{what}"
    );
    assert_eq!(sandbox.status(id)["liveness"], "stopped", "{what}");
    assert!(!crate::has_children(&sandbox.run_dir(id)), "{what}");
    let records = fs::read_dir(sandbox.repo().join(".runr/checkpoints")).unwrap();
    let records = records.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let records = records.filter(|name| name.ends_with(".json") && !name.starts_with('.'));
    assert_eq!(records.count(), 2, "{what}: one record per checkpoint");
    let stops = sandbox.payloads(id, "stop").len();
    let resumes = sandbox.payloads(id, "run_resumed").len();
    assert_eq!(
        stops,
        resumes + 1,
        "{what}: one stop for each way into STOPPED"
    );
}

fn the_run(sandbox: &Sandbox) -> String {
    let ids = sandbox.run_ids();
    assert_eq!(ids.len(), 1);
    ids[0].clone()
}

#[test]
fn between_the_run_directory_and_the_worktree_and_in_its_making() {
    for strike in ["before", "begun", "halfway", "after"] {
        let strike = format!("{strike} worktree add");
        let sandbox = sandbox();
        struck(&sandbox, sandbox.run_command(&["--worktree"]), &strike);
        ends_as_undisturbed(&sandbox, Tree::Worktree, &the_run(&sandbox), &strike);
    }
}

#[test]
fn before_and_after_the_switch_of_the_users_checkout() {
    for strike in ["before switch", "after switch"] {
        let sandbox = sandbox();
        struck(&sandbox, sandbox.run_command(&[]), strike);
        ends_as_undisturbed(&sandbox, Tree::Checkout, &the_run(&sandbox), strike);
    }
}

#[test]
fn before_the_commit_between_commit_and_branch_and_between_branch_and_record() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        for strike in [
            "before write-tree",
            "before commit-tree",
            "after commit-tree",
            "before update-ref",
            "after update-ref",
        ] {
            let sandbox = sandbox();
            struck(&sandbox, sandbox.run_command(flags(tree)), strike);
            let what = format!("{tree:?}: {strike}");
            ends_as_undisturbed(&sandbox, tree, &the_run(&sandbox), &what);
        }
    }
}

#[test]
fn between_the_record_of_a_resume_and_its_look_for_a_commit() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let sandbox = sandbox();
        struck(
            &sandbox,
            sandbox.run_command(flags(tree)),
            "after update-ref",
        );
        let id = the_run(&sandbox);
        struck(&sandbox, sandbox.runr(&["resume", &id]), "before log -1");
        assert_eq!(sandbox.payloads(&id, "run_resumed").len(), 1);
        ends_as_undisturbed(&sandbox, tree, &id, "a resume that died, too");
    }
}

/// Cuts the timeline before the last record of a type.
fn cut_before(sandbox: &Sandbox, id: &str, kind: &str) {
    let path = sandbox.run_dir(id).join("timeline.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let at = text.rfind(&format!("\"{kind}\"")).unwrap();
    let begin = text[..at].rfind('\n').unwrap() + 1;
    fs::write(&path, &text[..begin]).unwrap();
    fs::remove_file(sandbox.run_dir(id).join("state.json")).unwrap();
}

#[test]
fn between_the_record_of_a_checkpoint_and_the_timeline() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let sandbox = sandbox();
        let id = sandbox.run(flags(tree), 0).id;
        cut_before(&sandbox, &id, "checkpoint_complete");
        ends_as_undisturbed(&sandbox, tree, &id, "after the record");
    }
}

#[test]
fn before_and_after_the_state_is_renamed_and_within_the_last_line() {
    for crash in ["before", "after", "old", "torn"] {
        let sandbox = sandbox();
        let id = sandbox.run(&["--worktree", "--max-ticks", "5"], 1).id;
        let dir = sandbox.run_dir(&id);
        let state = dir.join("state.json");
        let timeline = dir.join("timeline.jsonl");
        match crash {
            "before" => fs::rename(&state, dir.join(".state.json.1.tmp")).unwrap(),
            "after" => fs::write(dir.join(".state.json.1.tmp"), "{\"schema").unwrap(),
            "old" => {
                let text = fs::read_to_string(&state).unwrap();
                let mut old: Value = serde_json::from_str(&text).unwrap();
                old["seq"] = json!(3);
                fs::write(&state, old.to_string()).unwrap();
            }
            _ => {
                let text = fs::read_to_string(&timeline).unwrap();
                let torn = "{\"seq\":99,\"timestamp\":\"2026-";
                fs::write(&timeline, format!("{text}{torn}")).unwrap();
            }
        }
        ends_as_undisturbed(&sandbox, Tree::Worktree, &id, crash);
    }
}

/// The harness is killed by its worker, right after the answer.
const DEADLY: &str = r#"#!/bin/sh
dir=$(dirname "$0")
cat > /dev/null
case $1 in
plan) echo '{"milestones": [{"goal": "goal 1", "done_checks": ["c"], "risk_level": "low"}, {"goal": "goal 2", "done_checks": ["c"], "risk_level": "low"}]}' ;;
implement)
    done=$(git log --format=%s | grep -c 'chore(runr): checkpoint')
    echo "a part of the whole" > "src/part$done.txt"
    echo '{"status": "ok", "handoff_memo": "done"}' ;;
review) echo '{"status": "approve", "changes": []}' ;;
esac
if [ "$(cat "$dir/deadly")" = "$1" ]; then
    echo none > "$dir/deadly"
    kill -9 $PPID
fi
"#;

#[test]
fn between_the_end_of_a_worker_and_its_record() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        for stage in ["plan", "implement", "review"] {
            let sandbox = Sandbox::untrusted(&Config::new());
            let worker = sandbox.scratch().join("worker");
            executable(&worker, DEADLY);
            fs::write(sandbox.scratch().join("deadly"), stage).unwrap();
            let worker = worker.to_str().unwrap();
            let config = Config::new()
                .worker("p", worker, &["plan"])
                .worker("i", worker, &["implement"])
                .worker("r", worker, &["review"])
                .phases("p", "i", "r");
            // The bytes of the tree are compared with those of another sandbox.
            let outside = sandbox.scratch().join("config.json");
            fs::write(&outside, config.text()).unwrap();
            let outside = outside.to_str().unwrap();
            let hash = sandbox.runr(&["trust", "--print-hash", "--config", outside]);
            let hash = hash.output().exits(0).stdout.trim().to_owned();
            let trusted = |command: Command| {
                let command = command.env("RUNR_TRUST_CONFIG", &hash);
                command.env("RUNR_SKIP_DOCTOR", "1")
            };
            let run = sandbox
                .run_command(flags(tree))
                .args(&["--config", outside]);
            let killed = trusted(run).output();
            assert_eq!(killed.code, None, "{stage}: {killed}");
            let id = the_run(&sandbox);
            let resumed = trusted(sandbox.runr(&["resume", &id])).output();
            assert_eq!(resumed.code, Some(0), "{tree:?} {stage}: {resumed}");
            is_as_undisturbed(&sandbox, tree, &id, stage);
        }
    }
}

#[test]
fn while_the_users_changes_are_stashed() {
    for strike in ["before stash push", "after stash push"] {
        let mut half = blocked("not yet");
        half["files"] = json!({"src/half.txt": "half\n"});
        let rest = ok(json!({"src/rest.txt": "rest\n"}));
        let steps = [half, rest];
        let script = Script::new(plan(&[milestone("goal 1")]), &steps, &[approve()]);
        let sandbox = Sandbox::scripted(&script);
        let id = sandbox.run(&[], 1).id;
        sandbox.write("docs/guide.txt", "edited\n");
        sandbox.write("note.txt", "a note\n");
        let resume = || sandbox.runr(&["resume", &id, "--auto-stash"]);
        struck(&sandbox, resume(), strike);
        // Nothing is lost: it is where it was, or on the stash, under the name of the run.
        let stashed = sandbox.git(&["stash", "list"]);
        if strike.starts_with("before") {
            assert_eq!(stashed, "");
            assert_eq!(sandbox.read("note.txt"), "a note\n");
        } else {
            assert!(stashed.contains(&id), "{stashed}");
        }
        assert_eq!(sandbox.read("src/half.txt"), "half\n");
        resume().output().exits(0);
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
        assert_eq!(sandbox.git(&["stash", "list"]).lines().count(), 1);
        sandbox.git(&["stash", "apply"]);
        assert_eq!(sandbox.read("docs/guide.txt"), "edited\n");
        assert_eq!(sandbox.read("note.txt"), "a note\n");
        assert_eq!(
            sandbox.changed("main", &format!("runr/{id}")),
            ["src/half.txt", "src/rest.txt"]
        );
    }
}

#[test]
fn a_commit_that_a_lock_keeps_from_being_made_is_made_by_the_resume() {
    let sandbox = sandbox();
    let locked = sandbox.scratch().join("locked");
    let lock = format!(
        "test -f src/base.txt; [ -e '{0}' ] || {{ touch '{0}'; touch \"$(git rev-parse --git-path index.lock)\"; }}",
        locked.display()
    );
    let verify = ["--worktree", "--verify", &lock];
    let id = sandbox.run(&verify, 1).id;
    assert_eq!(sandbox.status(&id)["stop_reason"], "internal_error");
    assert_eq!(sandbox.checkpoints(&id), []);
    ends_as_undisturbed(&sandbox, Tree::Worktree, &id, "a held index.lock");
}
