//! What every stop leaves behind: a receipt that holds, and pages that say why and what to do.

mod contents;
mod output;
mod verify;

use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Config, Output, Sandbox, Script, TASK, approve, blocked, milestone, ok, plan, request_changes,
};

impl Sandbox {
    fn file(&self, id: &str, path: &str) -> PathBuf {
        self.run_dir(id).join(path)
    }

    #[track_caller]
    fn text(&self, id: &str, path: &str) -> String {
        let path = self.file(id, path);
        std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    }

    #[track_caller]
    fn receipt(&self, id: &str) -> Value {
        serde_json::from_str(&self.text(id, "receipt.json")).unwrap()
    }

    fn check_receipt(&self, id: &str) -> Output {
        self.runr(&["report", id, "--verify", "--json"]).output()
    }
}

/// The run has stopped for `reason`, and everything about it can be read in what it left.
#[track_caller]
fn assert_left(sandbox: &Sandbox, id: &str, reason: &str, state: &str, words: &[&str]) {
    let receipt = sandbox.receipt(id);
    assert_eq!(
        (&receipt["stop_reason"], &receipt["terminal_state"]),
        (&json!(reason), &json!(state))
    );
    assert_eq!(receipt["stop_seq"], json!(last_stop(sandbox, id)));
    assert_eq!(
        receipt["base_sha"],
        sandbox.payloads(id, "run_started")[0]["base_sha"]
    );

    let verdict = sandbox.check_receipt(id).exits(0).pretty_json();
    assert_eq!(verdict["ok"], true, "{verdict:#}");
    if reason == "complete" {
        assert!(!sandbox.file(id, "handoffs/stop.md").exists());
        return;
    }
    let page = sandbox.text(id, "handoffs/stop.md");
    assert!(
        page.starts_with(&format!("# Run {id} stopped: {reason}\n")),
        "{page}"
    );
    for words in words {
        assert!(page.contains(words), "`{words}` is missing: {page}");
    }
    let (_, next) = page.split_once("\n## Next\n").unwrap();
    let report = sandbox
        .runr(&["report", id, "--json"])
        .output()
        .exits(0)
        .pretty_json();
    if let Some(command) = report["suggested_command"].as_str() {
        assert!(next.contains(&format!("    {command}\n")), "{next}");
    }
}

/// A run of this script stops for this reason.
#[track_caller]
fn stops(script: &Script, flags: &[&str], reason: &str, state: &str, words: &[&str]) -> Sandbox {
    let sandbox = Sandbox::scripted(script);
    let run = sandbox.run(flags, 1);
    assert_left(&sandbox, &run.id, reason, state, words);
    sandbox
}

#[test]
fn a_complete_run_leaves_a_receipt_that_holds() {
    for flags in [&["--worktree"][..], &[], &["--fast"]] {
        let sandbox = Sandbox::scripted(&Script::happy(2));
        let run = sandbox.run(flags, 0);
        assert_left(&sandbox, &run.id, "complete", "complete", &[]);
    }
}

#[test]
fn failed_checks_leave_their_output() {
    let sandbox = Sandbox::with(&Config::new().tier("tier0", &["echo the very reason; exit 7"]));
    sandbox.script(&Script::happy(1));
    let run = sandbox.run(&["--worktree"], 1);
    let words = [
        "exit 7",
        "    the very reason\n",
        "echo the very reason; exit 7",
    ];
    let reason = "verification_failed_max_retries";
    assert_left(&sandbox, &run.id, reason, "failed", &words);
}

#[test]
fn spent_budgets_leave_a_receipt() {
    let half_more = ["--max-ticks 3"];
    let script = Script::happy(1);
    stops(
        &script,
        &["--max-ticks", "2"],
        "max_ticks_reached",
        "stopped",
        &half_more,
    );
    let slow = Script::happy(1).sleeping("plan", 30_000);
    let words = ["The budget was 0.01 minutes.", "--time 1"];
    stops(
        &slow,
        &["--time", "0.01"],
        "time_budget_exceeded",
        "stopped",
        &words,
    );
}

#[test]
fn a_call_past_the_cap_leaves_a_receipt() {
    let config = Config::new().set("resilience", "max_worker_call_minutes", json!(0.005));
    let sandbox = Sandbox::with(&config);
    sandbox.script(&Script::happy(1).sleeping("implement", 30_000));
    let run = sandbox.run(&["--worktree"], 1);
    let words = ["max_worker_call_minutes", "deadline"];
    assert_left(&sandbox, &run.id, "worker_call_timeout", "stopped", &words);
}

#[test]
fn a_worker_that_cannot_go_on_leaves_its_words() {
    let script = Script::one(blocked("the key of the service is missing"));
    let words = ["> the key of the service is missing\n"];
    stops(
        &script,
        &["--worktree"],
        "implement_blocked",
        "stopped",
        &words,
    );

    let rejected = json!({"reply": {"status": "rejected", "reason": "too vague to plan"}});
    let script = Script::new(rejected, &[ok(json!({}))], &[approve()]);
    let words = ["> too vague to plan", "runr run --task .runr/tasks/task.md"];
    stops(&script, &[], "plan_rejection", "stopped", &words);

    let nothing = json!({"reply": {"status": "no_changes_needed", "handoff_memo": "all there"}});
    let words = ["did not prove it"];
    stops(
        &Script::one(nothing),
        &[],
        "insufficient_evidence",
        "stopped",
        &words,
    );
}

#[test]
fn answers_that_cannot_be_read_leave_a_receipt() {
    let no = json!({"reply": "no"});
    let goals = plan(&[milestone("goal 1")]);
    let good = ok(json!({"src/part1.txt": "1\n"}));
    for (script, reason) in [
        (Script::new(no.clone(), &[], &[]), "plan_parse_failed"),
        (
            Script::new(goals.clone(), std::slice::from_ref(&no), &[]),
            "implement_parse_failed",
        ),
        (Script::new(goals, &[good], &[no]), "review_parse_failed"),
    ] {
        let words = ["    runr doctor\n", "    runr resume "];
        stops(&script, &["--worktree"], reason, "stopped", &words);
    }
}

#[test]
fn a_worker_that_fails_itself_leaves_a_receipt() {
    let broken = json!({"reply": "", "exit_code": 3});
    let script = Script::new(broken, &[], &[]);
    stops(
        &script,
        &[],
        "worker_unavailable",
        "stopped",
        &["runr doctor"],
    );

    for (said, reason) in [
        ("Please log in first", "auth_expired"),
        ("429 Too Many Requests", "rate_limited"),
    ] {
        let complaint = format!("echo '{said}' >&2; exit 1");
        let worker = |config: Config, name| config.worker(name, "sh", &["-c", &complaint]);
        let config = worker(worker(Config::new(), "claude"), "codex");
        let sandbox = Sandbox::with(&config);
        let run = sandbox.run(&["--skip-doctor"], 1);
        let words = [said, "logs/worker/m01-a1-plan-1.log"];
        assert_left(&sandbox, &run.id, reason, "stopped", &words);
        let logs = sandbox.receipt(&run.id)["logs"].clone();
        let paths: Vec<&str> = logs
            .as_array()
            .unwrap()
            .iter()
            .map(|log| log["path"].as_str().unwrap())
            .collect();
        let log = "logs/worker/m01-a1-plan-1.log";
        assert_eq!(paths, [log.to_owned(), format!("{log}.err")]);
    }
}

#[test]
fn a_plan_that_waits_for_approval_leaves_itself() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--approve-plan"], 1);
    assert_left(
        &sandbox,
        &run.id,
        "approval_required",
        "stopped",
        &["plan.md"],
    );
    let text: Value = serde_json::from_str(&sandbox.text(&run.id, "plan.md")).unwrap();
    assert_eq!(text["milestones"][1]["goal"], "goal 2");
}

#[test]
fn broken_rules_about_files_leave_their_names() {
    let many: Value = (1..=12)
        .map(|n| (format!("other/f{n:02}.txt"), json!("x\n")))
        .collect();
    let words = [
        "- other/f10.txt\n- ... and 2 more\n",
        "not committed",
        "--config",
    ];
    stops(
        &Script::one(ok(many)),
        &["--worktree"],
        "guard_violation",
        "failed",
        &words,
    );

    let config = Config::new().allow(&["**"]);
    let sandbox = Sandbox::with(&config);
    sandbox.script(&Script::one(ok(json!({"package-lock.json": "{}\n"}))));
    let run = sandbox.run(&["--worktree"], 1);
    let words = ["- package-lock.json (lockfile)\n", "--allow-deps\n"];
    assert_left(&sandbox, &run.id, "guard_violation", "failed", &words);

    let mut goal = milestone("goal 1");
    goal["files_expected"] = json!(["docs/new.txt"]);
    let script = Script::new(plan(&[goal]), &[ok(json!({}))], &[approve()]);
    let words = ["- docs/new.txt\n", "--config .runr/runr.config.json\n"];
    stops(&script, &[], "plan_scope_violation", "failed", &words);
}

#[test]
fn a_plan_that_a_preset_would_allow_names_the_preset() {
    let mut goal = milestone("goal 1");
    goal["files_expected"] = json!(["Cargo.toml", "web/app.test.ts"]);
    let script = Script::new(plan(&[goal]), &[ok(json!({}))], &[approve()]);
    let sandbox = Sandbox::scripted(&script);
    let output = sandbox.runr(&["run", "--task", TASK]).output().exits(1);
    let advice = "add the presets that fit to scope.presets: jest, rust, vitest";
    assert!(output.stdout.contains(&format!("  {advice}\n")), "{output}");
    let id = sandbox.run_ids().pop().unwrap();
    let event = &sandbox.payloads(&id, "plan_scope_violation")[0];
    assert_eq!(
        event["suggested_presets"],
        json!(["jest", "rust", "vitest"])
    );
    assert!(event["hint"].as_str().unwrap().starts_with(advice));
    let words = [advice];
    assert_left(&sandbox, &id, "plan_scope_violation", "failed", &words);

    let config = Config::new().set("scope", "presets", json!(["rust", "jest"]));
    let sandbox = Sandbox::with(&config);
    let mut goal = milestone("goal 1");
    goal["files_expected"] = json!(["Cargo.toml", "docs/new.txt"]);
    sandbox.script(&Script::new(plan(&[goal]), &[ok(json!({}))], &[approve()]));
    let id = sandbox.run(&[], 1).id;
    let event = &sandbox.payloads(&id, "plan_scope_violation")[0];
    assert_eq!(event["violations"], json!(["docs/new.txt"]));
    assert_eq!(event["suggested_presets"], json!([]));
}

#[test]
fn a_change_outside_of_the_tasks_own_paths_leaves_its_name() {
    let sandbox = Sandbox::with(&Config::new());
    sandbox.write(TASK, "---\nowns: src/mine/\n---\n# A task\n");
    sandbox.commit("the task owns a directory");
    sandbox.script(&Script::one(ok(json!({"src/yours.txt": "2\n"}))));
    let run = sandbox.run(&[], 1);
    let words = ["- src/yours.txt\n"];
    assert_left(&sandbox, &run.id, "ownership_violation", "failed", &words);
    let meta: Value =
        serde_json::from_str(&sandbox.text(&run.id, "artifacts/task.meta.json")).unwrap();
    assert_eq!(
        meta,
        json!({"task_path": TASK, "owns_raw": ["src/mine/"], "owns_normalized": ["src/mine/**"]})
    );
}

#[test]
fn a_refused_run_leaves_a_receipt() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.write("src/half.txt", "half done\n");
    let output = sandbox.run_command(&[]).output().exits(3);
    let id = sandbox.started(output).id;
    let words = [
        "- src/half.txt\n",
        "Nothing was done.",
        "runr run --task .runr/tasks/task.md",
    ];
    assert_left(&sandbox, &id, "guard_violation", "failed", &words);
    assert_eq!(sandbox.receipt(&id)["milestones"], json!([]));
}

#[test]
fn a_review_loop_leaves_what_was_asked_for() {
    let step = ok(json!({"src/part1.txt": "1\n"}));
    let wish = request_changes(&["name it differently"]);
    let script = Script::new(plan(&[milestone("goal 1")]), &[step], &[wish]);
    let words = ["> name it differently\n", "handoffs/review_digest.md"];
    let sandbox = stops(&script, &[], "review_loop_detected", "stopped", &words);
    let id = sandbox.run_ids().pop().unwrap();
    let digest = sandbox.text(&id, "handoffs/review_digest.md");
    assert_eq!(
        digest.matches("> name it differently").count(),
        2,
        "{digest}"
    );
}

#[test]
fn a_tree_on_another_branch_leaves_the_way_back() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--max-ticks", "5"], 1);
    sandbox.git(&["switch", "-q", "main"]);
    sandbox.runr(&["resume", &run.id]).output().exits(1);
    let words = [format!("switch runr/{}\n", run.id)];
    let words = [words[0].as_str()];
    assert_left(
        &sandbox,
        &run.id,
        "worktree_branch_mismatch",
        "stopped",
        &words,
    );
}

#[test]
fn a_collision_leaves_the_name_of_the_other_run() {
    let mut goal = milestone("goal 1");
    goal["files_expected"] = json!(["src/part.txt"]);
    let script = Script::new(
        plan(&[goal]),
        &[ok(json!({"src/part.txt": "1\n"}))],
        &[approve()],
    );
    let sandbox = Sandbox::scripted(&script.clone().sleeping("implement", 4000));
    let (first, running) = sandbox.run_until_implement(&["--worktree"]);
    sandbox.script(&script);
    let run = sandbox.run(&[], 1);
    assert_left(
        &sandbox,
        &run.id,
        "parallel_file_collision",
        "stopped",
        &[&first],
    );
    running.wait().exits(0);
}

#[test]
fn a_failing_git_leaves_its_words() {
    let config = Config::new().tier(
        "tier0",
        &["touch \"$(git rev-parse --git-path HEAD.lock)\""],
    );
    let sandbox = Sandbox::with(&config);
    sandbox.script(&Script::happy(1));
    let run = sandbox.run(&["--worktree"], 1);
    assert_left(
        &sandbox,
        &run.id,
        "internal_error",
        "stopped",
        &["HEAD.lock"],
    );
}

#[test]
fn an_interrupted_run_leaves_a_receipt() {
    let sandbox = Sandbox::scripted(&Script::happy(2).sleeping("implement", 30_000));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    running.signal(Signal::INT);
    running.wait().exits(130);
    assert_left(
        &sandbox,
        &id,
        "interrupted",
        "stopped",
        &["A signal ended it."],
    );
    assert_eq!(sandbox.receipt(&id)["cause"], "signal");
}

#[test]
fn a_dead_driver_is_in_the_receipt_that_is_written_for_it() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 5000));
    let (id, running) = sandbox.run_until_implement(&[]);
    running.kill();
    let missing = sandbox.check_receipt(&id).exits(1).pretty_json();
    assert_eq!(missing["entries"][0]["status"], "MISSING");
    assert_eq!(
        missing["entries"][0]["detail"],
        "the run has not stopped yet"
    );
    // It records the death, and nothing else.
    sandbox.runr(&["doctor", "--fix"]).output();
    let words = ["Its driver died"];
    assert_left(&sandbox, &id, "interrupted", "stopped", &words);
    assert_eq!(sandbox.receipt(&id)["cause"], "owner_lost");
}

/// Records are numbered from 1 without gaps.
fn last_stop(sandbox: &Sandbox, id: &str) -> u64 {
    let timeline = sandbox.timeline(id);
    let last = timeline.iter().rposition(|event| event.kind == "stop");
    last.unwrap() as u64 + 1
}

#[test]
fn a_resume_writes_a_new_receipt_and_forgets_the_old_stop() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--worktree", "--max-ticks", "5"], 1);
    let words = ["Last checkpoint: "];
    assert_left(&sandbox, &run.id, "max_ticks_reached", "stopped", &words);
    let first = sandbox.receipt(&run.id);
    assert_eq!(first["milestones"].as_array().unwrap().len(), 1);
    assert_eq!(first["files_changed"], 1);
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    assert_left(&sandbox, &run.id, "complete", "complete", &[]);
    let second = sandbox.receipt(&run.id);
    assert_eq!(second["files_changed"], 2);
    assert_ne!(first["checkpoint_sha"], second["checkpoint_sha"]);
}

#[test]
fn a_receipt_that_was_never_written_is_made_by_a_resume_of_the_complete_run() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree"], 0);
    let before = sandbox.text(&run.id, "receipt.json");
    std::fs::remove_file(sandbox.file(&run.id, "receipt.json")).unwrap();
    std::fs::remove_file(sandbox.file(&run.id, "diff.patch")).unwrap();
    let verdict = sandbox.check_receipt(&run.id).exits(1).pretty_json();
    assert_eq!(verdict["entries"][0]["status"], "MISSING");
    sandbox.runr(&["resume", &run.id]).output().exits(0);
    assert_eq!(
        sandbox.text(&run.id, "receipt.json"),
        before,
        "it is derived"
    );
    sandbox.check_receipt(&run.id).exits(0);
}

#[test]
fn a_receipt_that_cannot_be_written_changes_nothing_but_says_so() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let block = "mkdir \"$RUNR_RUN_DIR/.diff.patch.tmp\" 2>/dev/null || true";
    sandbox.configure(&Config::new().tier("tier0", &[block]));
    sandbox.commit("something is in the way");
    sandbox.runr(&["trust"]).output().exits(0);
    let run = sandbox.run(&["--worktree"], 0);
    assert!(
        run.output.stderr.contains("warning: there is no receipt: "),
        "{}",
        run.output
    );
    assert!(!sandbox.file(&run.id, "receipt.json").exists());
    assert_eq!(sandbox.status(&run.id)["stop_reason"], "complete");
    let verdict = sandbox.check_receipt(&run.id).exits(1).pretty_json();
    assert_eq!(verdict["entries"][0]["status"], "MISSING");
}

#[test]
fn what_may_hold_secrets_is_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::with(&Config::new().tier("tier0", &["exit 1"]));
    let secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let unreadable = json!({"reply": format!("no plan, but {secret}")});
    sandbox.script(&Script::from_value(json!({
        "plan": [unreadable, plan(&[milestone("goal 1")])],
        "implement": [ok(json!({"src/part1.txt": "part 1\n"}))],
        "review": [approve()],
    })));
    let run = sandbox.run(&["--worktree"], 1);
    let raw = sandbox.text(&run.id, "artifacts/raw-outputs-plan-claude.md");
    assert!(raw.contains("no plan, but [REDACTED]"), "{raw}");
    for dir in ["handoffs", "artifacts", "logs"] {
        let path = sandbox.file(&run.id, dir);
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700, "{dir}");
        for entry in std::fs::read_dir(&path).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let named = path.file_name().unwrap().to_str().unwrap().to_owned();
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            // Runr's own working files are no output.
            if named != "staged-paths" && named != "verify" {
                assert_eq!(mode(&path), expected, "{}", path.display());
            }
        }
    }
}
