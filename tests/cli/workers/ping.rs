//! What is asked before a run.

use super::*;
use crate::support::TASK;

fn run(these: &StandIns, flags: &[&str]) -> crate::support::Output {
    let args = [&["run", "--task", TASK, "--json", "--worktree"][..], flags].concat();
    these.runr(&args).output()
}

#[test]
fn every_worker_is_asked_for_a_word_side_by_side() {
    let these = StandIns::new();
    for (name, other, answer) in [
        ("claude", "codex", claude(&json!("pong"))),
        ("codex", "claude", codex(&json!("pong"))),
    ] {
        // Each answers once the other one is asked, too.
        let meet = format!(
            "n=0; while [ ! -e \"$SCRATCH/{other}/ping.count\" ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n + 1)); done
[ $n -lt 200 ] || exit 1\n{answer}"
        );
        these.on(name, "ping", &[meet]);
    }
    let id = these.run_with(&[], 0);
    let preflight = &these.sandbox.payloads(&id, "preflight")[0];
    let version =
        |name: &str| json!({"ok": true, "worker": name, "version": format!("{name} 1.2.3")});
    let binary = json!({"ok": true, "results": [version("claude"), version("codex")]});
    assert_eq!(preflight["binary"], binary);
    let ping = &preflight["ping"];
    assert_eq!(
        (&ping["ok"], &ping["skipped"]),
        (&json!(true), &json!(false))
    );
    let results = ping["results"].as_array().unwrap();
    let workers: Vec<&Value> = results.iter().map(|result| &result["worker"]).collect();
    assert_eq!(workers, [&json!("claude"), &json!("codex")]);
    assert!(
        results
            .iter()
            .all(|result| result["ms"].is_u64() && result["category"].is_null())
    );
    let claude = these.call("claude", "ping", 1);
    assert_eq!(claude.argv, CLAUDE_ARGS, "headless, as configured");
    assert!(claude.prompt.contains("single word") && !claude.terminal);
    assert_eq!(claude.cwd, these.sandbox.repo().to_str().unwrap());
    let usage = these.sandbox.report(&id)["usage"]["cost_usd"].clone();
    assert_eq!(usage, 0.5, "the ping belongs to no run");
}

#[test]
fn a_worker_that_does_not_answer_refuses_the_run_before_anything_is_made() {
    let slow = "sleep 100\n".to_owned();
    for (step, category, words) in [
        (claude_fails("Please run /login", 0), "auth", "/login"),
        (
            claude_fails("usage limit reached", 1),
            "rate_limit",
            "usage limit",
        ),
        (
            "echo 'connect ECONNREFUSED' >&2; exit 1\n".into(),
            "network",
            "ECONNREFUSED",
        ),
        ("kill -SEGV $$\n".into(), "unknown", "exit code 139"),
        ("exit 0\n".into(), "unknown", "without a word"),
        (slow, "unknown", "within 15 s"),
    ] {
        let these = StandIns::new();
        these.on("claude", "ping", &[step]);
        let output = run(&these, &[]).exits(3);
        let line = output.json_line();
        assert_eq!(
            (&line["status"], &line["code"]),
            (&json!("guard_failed"), &json!("E_GUARD_VIOLATION"))
        );
        assert_eq!(line["hint"], "runr doctor");
        let reason = format!("ping_failed:claude:{category}");
        assert_eq!(strings(&line["guard"]["reasons"]), [reason.as_str()]);
        let id = these.sandbox.started(output).id;
        assert_eq!(these.stop_reason(&id), "guard_violation");
        let ping = these.sandbox.payloads(&id, "preflight")[0]["ping"].clone();
        let claude = &ping["results"][0];
        assert_eq!((&ping["ok"], &claude["ok"]), (&json!(false), &json!(false)));
        assert_eq!(claude["category"], category);
        let message = claude["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        assert_eq!(
            ping["results"][1]["ok"], true,
            "the other one was asked all the same"
        );
        assert!(!these.sandbox.worktree(&id).exists(), "no worktree is made");
        assert_eq!(these.count("claude", "plan"), 0);
    }
}

#[test]
fn a_person_reads_which_worker_fails_of_what() {
    let these = StandIns::new();
    these.on(
        "codex",
        "ping",
        &[codex_fails("unexpected status 401 Unauthorized")],
    );
    let output = these
        .runr(&["run", "--task", TASK, "--worktree"])
        .output()
        .exits(3);
    output.says("Error: Guard failed: ping_failed:codex:auth");
    assert!(output.stderr.contains("401 Unauthorized"), "{output}");
    assert!(output.stderr.contains("runr doctor"), "{output}");
}

#[test]
fn the_doctor_can_be_skipped() {
    for (flags, variable) in [(&["--skip-doctor"][..], "0"), (&[], "1")] {
        let these = StandIns::new();
        for name in ["claude", "codex"] {
            these.on(name, "ping", &["exit 1\n"]);
            these.on(name, "version", &["exit 1\n"]);
        }
        let args = [&["run", "--task", TASK, "--json", "--worktree"][..], flags].concat();
        let command = these.runr(&args).env("RUNR_SKIP_DOCTOR", variable);
        let id = these.sandbox.started(command.output().exits(0)).id;
        assert_eq!(
            (
                these.count("claude", "version"),
                these.count("claude", "ping")
            ),
            (0, 0)
        );
        let preflight = &these.sandbox.payloads(&id, "preflight")[0];
        let skipped = json!({"ok": true, "skipped": true, "results": []});
        assert_eq!(preflight["ping"], skipped);
    }
}

#[test]
fn scripts_are_not_asked() {
    let sandbox = crate::support::Sandbox::scripted(&Script::happy(1));
    let id = sandbox.run(&[], 0).id;
    let preflight = &sandbox.payloads(&id, "preflight")[0];
    assert_eq!(preflight["ping"]["skipped"], true);
    assert_eq!(preflight["binary"], json!({"ok": true, "results": []}));
}

#[test]
fn a_run_that_is_refused_anyway_asks_nobody() {
    let these = StandIns::new();
    these.sandbox.write("src/base.txt", "changed\n");
    let output = these
        .runr(&["run", "--task", TASK, "--json"])
        .output()
        .exits(3);
    assert_eq!(output.json_line()["code"], "E_WORKTREE_DIRTY");
    assert_eq!(these.count("claude", "ping"), 0);
}

#[test]
fn what_a_worker_does_when_it_is_asked_is_judged() {
    let these = StandIns::new();
    these.on(
        "claude",
        "ping",
        &[writes("src/sly.txt") + &claude(&json!("pong"))],
    );
    let output = these
        .runr(&["run", "--task", TASK, "--json"])
        .output()
        .exits(3);
    assert_eq!(output.json_line()["code"], "E_WORKTREE_DIRTY");
}

#[test]
fn what_is_committed_before_the_tree_is_locked_is_not_the_runs() {
    let these = StandIns::new();
    let commit = "mkdir -p docs; echo x >> docs/x; git add docs; git commit -q -m x; ";
    // The version is asked before the tree is locked, a word after that.
    these.on("claude", "version", &[format!("{commit} echo claude 1")]);
    let in_checkout = ["run", "--task", TASK, "--json"];
    these.runr(&in_checkout).output().exits(0);
    these.on("claude", "version", &["echo claude 1".to_owned()]);
    these.on(
        "claude",
        "ping",
        &[commit.to_owned() + &claude(&json!("pong"))],
    );
    let output = these.runr(&in_checkout).output();
    let refused = output.exits(3).json_line();
    assert_eq!(refused["guard"]["reasons"], json!(["head_moved"]));
}

#[test]
fn a_dry_run_asks_and_makes_nothing() {
    let these = StandIns::new();
    run(&these, &["--dry-run"]).exits(0);
    assert_eq!(these.count("claude", "ping"), 1);
    these.on("claude", "ping", &[claude_fails("not logged in", 1)]);
    run(&these, &["--dry-run"])
        .exits(3)
        .error_json("E_GUARD_VIOLATION", "guard_violation");
    assert!(these.sandbox.run_ids().is_empty());
}

#[test]
fn a_missing_worker_makes_nothing() {
    let config = Config::new()
        .set(
            "workers",
            "claude",
            worker("claude-that-is-not-there", &[], "json"),
        )
        .set("workers", "codex", worker("codex", CODEX_ARGS, "jsonl"));
    let these = StandIns::exactly(config);
    run(&these, &[])
        .exits(4)
        .error_json("E_WORKER_NOT_FOUND", "worker_not_found");
    assert!(these.sandbox.run_ids().is_empty());
    assert_eq!(these.count("codex", "ping"), 0);
}

#[test]
fn what_a_question_started_does_not_outlive_it() {
    for stage in ["ping", "version"] {
        let these = StandIns::new();
        let child = "setsid sh -c 'echo $$ > \"$1/pid.new\"; mv \"$1/pid.new\" \"$1/pid\"
while [ -d \"$1\" ]; do sleep 0.05; done' sh \"$SCRATCH\" > /dev/null 2>&1 &
while [ ! -e \"$SCRATCH/pid\" ]; do sleep 0.02; done\n";
        these.on(
            "claude",
            stage,
            &[format!("{child}{}", claude(&json!("pong")))],
        );
        these.run_with(&[], 0);
        let pid = std::fs::read_to_string(these.sandbox.scratch().join("pid")).unwrap();
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        assert!(!is_alive(pid), "{stage}");
    }
}
