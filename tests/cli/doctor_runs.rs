//! `runr doctor --fix`: runs that cannot be used become usable, and nothing of worth goes away.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Config, Output, Sandbox, Script, Tree, is_alive, wait_until};

const DATED: &str = "20260101000000";
const TORN: &str = "{\"schema_version\": \"1.0\", \"title\": \"to";

fn healthy() -> Config {
    Config::new()
        .worker("claude", "git", &[])
        .worker("codex", "git", &[])
}

fn doctor(sandbox: &Sandbox, args: &[&str]) -> Output {
    let words: Vec<_> = ["doctor"].iter().chain(args).copied().collect();
    sandbox.runr(&words).output()
}

fn json(sandbox: &Sandbox, args: &[&str], code: i32) -> Value {
    let words: Vec<_> = args.iter().chain(&["--json"]).copied().collect();
    doctor(sandbox, &words).exits(code).pretty_json()
}

fn check<'a>(result: &'a Value, id: &str) -> &'a Value {
    let checks = result["checks"].as_array().unwrap();
    checks.iter().find(|check| check["id"] == id).unwrap()
}

/// Run, diagnosis, remedy and whether it was done.
fn repairs(result: &Value) -> Vec<[Value; 4]> {
    let repairs = result["repairs"].as_array().unwrap();
    let row = |it: &Value| ["run_id", "diagnosis", "remedy", "done"].map(|key| it[key].clone());
    repairs.iter().map(row).collect()
}

/// A row of [`repairs`].
fn row(run: &str, diagnosis: &str, remedy: &str, done: bool) -> [Value; 4] {
    [json!(run), json!(diagnosis), json!(remedy), json!(done)]
}

/// All files with their content, without the locks that a look may make.
fn snapshot(sandbox: &Sandbox) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut all = sandbox.snapshot();
    all.retain(|path, _| !path.contains(".lock"));
    all
}

/// One run of each kind that is broken.
fn break_some(sandbox: &Sandbox) {
    let file = |run: &str, name: &str, text: &str| {
        sandbox.write(&format!(".runr/runs/{run}/{name}"), text);
    };
    fs::create_dir_all(sandbox.run_dir("20250101000000").join("logs")).unwrap();
    file("20250102000000", "timeline.jsonl", "");
    file(DATED, "meta.json", TORN);
    file(
        "20260102000000",
        "meta.json",
        "{\"schema_version\": \"9.0\"}",
    );
    file("gh-17", "meta.json", TORN);
    file("gh-17", "logs/setup.log", "log");
}

#[test]
fn broken_runs_are_reported_and_no_byte_is_changed() {
    let sandbox = Sandbox::with(&healthy());
    break_some(&sandbox);
    let before = sandbox.snapshot();
    let result = json(&sandbox, &[], 0);
    let human = doctor(&sandbox, &[]).exits(0);
    assert_eq!(sandbox.snapshot(), before);
    let expected = [
        row("20250101000000", "abandoned", "remove", false),
        row("20250102000000", "meta_missing", "rebuild", false),
        row(DATED, "meta_broken", "rebuild", false),
        row("20260102000000", "meta_newer", "update", false),
        row("gh-17", "meta_broken", "quarantine", false),
    ];
    assert_eq!(repairs(&result), expected);
    let runs = check(&result, "runs");
    assert_eq!(
        (&runs["status"], &runs["fix"]),
        (&json!("warn"), &json!("runr doctor --fix"))
    );
    assert_eq!(check(&result, "store")["status"], "skip");
    for line in [
        "runs: WARN - 5 found, 0 repaired",
        "  fix: runr doctor --fix",
        "store: SKIP - no data directory",
    ] {
        assert!(
            human.stdout.lines().any(|found| found == line),
            "{line} in {human}"
        );
    }
}

#[test]
fn a_fix_repairs_each_and_a_second_one_does_nothing() {
    let sandbox = Sandbox::with(&healthy());
    break_some(&sandbox);
    let result = json(&sandbox, &["--fix"], 0);
    let expected = [
        row("20250101000000", "abandoned", "remove", true),
        row("20250102000000", "meta_missing", "rebuild", true),
        row(DATED, "meta_broken", "rebuild", true),
        row("20260102000000", "meta_newer", "update", false),
        row("gh-17", "meta_broken", "quarantine", true),
    ];
    assert_eq!(repairs(&result), expected);
    let kept = |index: usize| Path::new(result["repairs"][index]["kept"].as_str().unwrap());
    assert_eq!(fs::read_to_string(kept(2)).unwrap(), TORN);
    let quarantine = sandbox.repo().join(".runr/quarantine");
    assert_eq!(kept(4).parent(), Some(&*quarantine));
    assert_eq!(fs::read_to_string(kept(4).join("meta.json")).unwrap(), TORN);
    assert_eq!(
        fs::read_to_string(kept(4).join("logs/setup.log")).unwrap(),
        "log"
    );
    let runs = [".runr/runs/20250101000000", ".runr/runs/gh-17"];
    assert!(runs.iter().all(|run| !sandbox.exists(run)));
    let newer = sandbox.read(".runr/runs/20260102000000/meta.json");
    assert_eq!(newer, "{\"schema_version\": \"9.0\"}");
    let rebuilt: Value =
        serde_json::from_str(&sandbox.read(&format!(".runr/runs/{DATED}/meta.json"))).unwrap();
    assert_eq!(rebuilt["created_at"], "2026-01-01T00:00:00Z");

    let after = snapshot(&sandbox);
    let again = json(&sandbox, &["--fix"], 0);
    assert_eq!(
        repairs(&again),
        [row("20260102000000", "meta_newer", "update", false)]
    );
    assert_eq!(check(&again, "runs")["fix"], "update runr");
    assert_eq!(snapshot(&sandbox), after);
    fs::remove_dir_all(sandbox.run_dir("20260102000000")).unwrap();
    let clean = json(&sandbox, &["--fix"], 0);
    assert_eq!(
        (repairs(&clean).len(), &check(&clean, "runs")["status"]),
        (0, &json!("ok"))
    );
}

#[test]
fn a_run_gets_back_what_its_timeline_knows() {
    for tree in [Tree::Checkout, Tree::Worktree] {
        let sandbox = Sandbox::scripted(&Script::happy(1));
        let id = sandbox.run_in(tree, 0).id;
        let path = format!(".runr/runs/{id}/meta.json");
        let before: Value = serde_json::from_str(&sandbox.read(&path)).unwrap();
        sandbox.write(&path, &sandbox.read(&path)[..40]);
        doctor(&sandbox, &["--fix"]);
        let mut after: Value = serde_json::from_str(&sandbox.read(&path)).unwrap();
        // A timeline does not tell commands, and the time of its first event is a little later.
        for field in ["runner_cmd", "created_at"] {
            after[field] = before[field].clone();
        }
        assert_eq!(after, before, "{tree:?}");
        assert_eq!(sandbox.status(&id)["phase"], "STOPPED");
    }
}

#[test]
fn what_is_moved_away_is_invisible_to_git_and_to_the_guard() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.run_in(Tree::Worktree, 0);
    sandbox.write(".runr/runs/gh-17/meta.json", TORN);
    doctor(&sandbox, &["--fix"]);
    assert!(sandbox.exists(".runr/quarantine"));
    let status = sandbox.git(&["status", "--porcelain", "--untracked-files=all"]);
    assert!(
        !status.contains("quarantine") && !status.contains(".lock"),
        "{status}"
    );
    sandbox.run_in(Tree::Checkout, 0);
}

#[test]
fn a_live_run_is_not_touched_until_it_ends() {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 30_000));
    let (id, running) = sandbox.run_until_implement(&["--worktree"]);
    let path = format!(".runr/runs/{id}/meta.json");
    sandbox.write(&path, TORN);
    let result = json(&sandbox, &["--fix"], 0);
    assert_eq!(repairs(&result), [row(&id, "meta_broken", "wait", false)]);
    assert_eq!(check(&result, "runs")["status"], "warn");
    assert_eq!(check(&result, "runs")["fix"], Value::Null);
    assert_eq!(sandbox.read(&path), TORN);
    running.signal(Signal::INT);
    running.wait().exits(130);
    let result = json(&sandbox, &["--fix"], 0);
    assert_eq!(repairs(&result), [row(&id, "meta_broken", "rebuild", true)]);
}

#[test]
fn runs_of_every_repository_in_the_data_directory_are_repaired() {
    let sandbox = Sandbox::with(&healthy());
    let data = sandbox.scratch().join("kept");
    let meta = |repo: &str| data.join(format!("repos/{repo}/runs/{DATED}-aaaa/meta.json"));
    for repo in ["1111111111111111", "2222222222222222"] {
        fs::create_dir_all(meta(repo).parent().unwrap()).unwrap();
        fs::write(meta(repo), TORN).unwrap();
    }
    let store = |args: &[&str]| {
        let words: Vec<_> = ["store"].iter().chain(args).copied().collect();
        sandbox.runr(&words).env("RUNR_DATA_DIR", &data).output()
    };
    let refused = store(&["show", DATED, "--repo-id", "1111111111111111", "--json"]).exits(1);
    let error = refused.error_json("E_RUN_BROKEN", "run_broken");
    assert_eq!(error["hint"], "runr doctor --fix");

    let place = ["--data-dir", data.to_str().unwrap()];
    let reported = json(&sandbox, &place, 0);
    let fix = format!("runr doctor --fix --data-dir {}", data.display());
    assert_eq!(check(&reported, "store")["fix"], fix);
    let words: Vec<_> = ["doctor", "--fix", "--json"].to_vec();
    let output = sandbox.runr(&words).env("RUNR_DATA_DIR", &data).output();
    let result = output.exits(0).pretty_json();
    let rows = result["repairs"].as_array().unwrap();
    let repos: Vec<_> = rows
        .iter()
        .map(|it| it["repo_id"].as_str().unwrap())
        .collect();
    assert_eq!(repos, ["1111111111111111", "2222222222222222"]);
    for repo in repos {
        let text = fs::read_to_string(meta(repo)).unwrap();
        assert!(text.contains(repo), "{text}");
        store(&["show", DATED, "--repo-id", repo]).exits(0);
    }
    assert_eq!(check(&json(&sandbox, &place, 0), "store")["status"], "ok");
}

#[test]
fn a_data_directory_that_is_not_there_is_not_made() {
    let sandbox = Sandbox::with(&healthy());
    let data = sandbox.scratch().join("kept");
    let place = ["--fix", "--data-dir", data.to_str().unwrap()];
    assert_eq!(check(&json(&sandbox, &place, 0), "store")["status"], "skip");
    assert!(!data.exists());
    let output = sandbox
        .runr(&["doctor", "--json"])
        .env("RUNR_DATA_DIR", "relative")
        .output();
    assert_eq!(
        check(&output.exits(1).pretty_json(), "store")["status"],
        "fail"
    );
}

#[test]
fn what_could_not_be_repaired_fails_with_its_reason() {
    let sandbox = Sandbox::with(&healthy());
    let unfinished = sandbox.run_dir(".gh-17-0123.tmp");
    fs::create_dir_all(&unfinished).unwrap();
    fs::write(unfinished.join("of-worth"), "1").unwrap();
    let hours = Duration::from_secs(2 * 3600);
    let dir = fs::File::open(&unfinished).unwrap();
    dir.set_modified(SystemTime::now() - hours).unwrap();
    let result = json(&sandbox, &["--fix"], 1);
    assert_eq!(check(&result, "runs")["status"], "fail");
    assert_eq!(
        repairs(&result),
        [[
            Value::Null,
            json!("leftover"),
            json!("remove"),
            json!(false)
        ]]
    );
    assert_eq!(result["repairs"][0]["error"]["code"], "E_IO");
    assert_eq!(
        fs::read_to_string(unfinished.join("of-worth")).unwrap(),
        "1"
    );
}

/// At ever later moments, until the repair ends by itself.
#[test]
fn a_repair_that_is_killed_at_any_moment_is_finished_by_the_next_one() {
    let sandbox = Sandbox::bare();
    let long = std::env::var_os("RUNR_TEST_LONG").is_some();
    let step = Duration::from_micros(if long { 100 } else { 1000 });
    let mut whole = 0;
    for round in 0..4000 {
        break_some(&sandbox);
        let arguments = json!({"root": sandbox.repo().join(".runr/runs"), "fix": true}).to_string();
        let repair = || sandbox.runr(&["call", "store_repair"]).stdin(&arguments);
        let mut running = repair().spawn();
        std::thread::sleep(step * round);
        whole += u32::from(running.has_ended());
        running.kill();
        let kept = |text: &str| {
            let all = sandbox.snapshot();
            let same = |bytes: &&Vec<u8>| bytes.as_slice() == text.as_bytes();
            all.values().flatten().filter(same).count()
        };
        // Two were damaged, and of one there may be a copy by now.
        assert!((2..=3).contains(&kept(TORN)), "round {round}");
        assert_eq!(kept("log"), 1, "round {round}");
        let rest = repair().output().exits(0).json();
        let left = rest
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["done"] == false);
        let left: Vec<_> = left.map(|it| &it["remedy"]).collect();
        assert_eq!(left, ["update"], "round {round}: {rest}");
        assert_eq!(
            kept(TORN),
            2,
            "round {round}: kept once, however often it began"
        );
        fs::remove_dir_all(sandbox.repo().join(".runr")).unwrap();
        if whole == 3 {
            return;
        }
    }
    panic!("the repair never ended by itself");
}

/// A run whose driver was killed while its check hangs.
fn killed_run(sandbox: &Sandbox) -> String {
    let running = sandbox.run_command(&["--worktree"]).spawn();
    wait_until("the check hangs", Duration::from_secs(20), || {
        sandbox.hanging_pid().is_some()
    });
    running.signal(Signal::KILL);
    drop(running.wait());
    sandbox.run_ids().pop().unwrap()
}

#[test]
fn a_dead_driver_is_reported_then_recorded_and_its_children_are_ended() {
    let sandbox = Sandbox::untrusted(&Config::new());
    let hang = sandbox.hanging_command();
    sandbox.configure(&healthy().tier("tier0", &[&hang]));
    sandbox.commit("a check that hangs");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::happy(1));
    let id = killed_run(&sandbox);
    let child = sandbox.hanging_pid().unwrap();
    assert!(is_alive(child));
    let before = snapshot(&sandbox);
    let result = json(&sandbox, &[], 0);
    let lost = |done| row(&id, "owner_lost", "record", done);
    assert_eq!(repairs(&result), [lost(false)]);
    let runs = check(&result, "runs");
    assert_eq!(
        (&runs["status"], &runs["fix"]),
        (&json!("warn"), &json!("runr doctor --fix"))
    );
    assert_eq!(snapshot(&sandbox), before);
    assert!(is_alive(child));

    assert_eq!(repairs(&json(&sandbox, &["--fix"], 0)), [lost(true)]);
    assert!(!is_alive(child), "what the dead driver left still works");
    let last = sandbox.timeline(&id).pop().unwrap();
    assert_eq!(last.kind, "stop");
    let text = sandbox.timeline_text(&id);
    assert!(text.lines().last().unwrap().contains("\"source\":\"cli\""));
    let told = (&last.payload["reason"], &last.payload["cause"]);
    assert_eq!(told, (&json!("interrupted"), &json!("owner_lost")));
    let status = sandbox.status(&id);
    assert_eq!(status["liveness"], "stopped");
    assert!(sandbox.run_dir(&id).join("handoffs/stop.md").exists());
    let after = snapshot(&sandbox);
    assert_eq!(repairs(&json(&sandbox, &["--fix"], 0)).len(), 0);
    assert_eq!(snapshot(&sandbox), after);
}

#[test]
fn a_state_that_cannot_be_used_is_named_and_left() {
    let sandbox = Sandbox::with(&healthy());
    sandbox.script(&Script::happy(1));
    let id = sandbox.run(&["--worktree"], 0).id;
    let path = format!(".runr/runs/{id}/state.json");
    sandbox.write(&path, TORN);
    for flags in [&[][..], &["--fix"]] {
        let result = json(&sandbox, flags, 0);
        let expected = row(&id, "state_broken", "inspect", false);
        assert_eq!(repairs(&result), [expected]);
        assert_eq!(check(&result, "runs")["status"], "warn");
    }
    assert_eq!(sandbox.read(&path), TORN);
    fs::remove_file(sandbox.repo().join(&path)).unwrap();
    assert_eq!(repairs(&json(&sandbox, &[], 0)).len(), 0);
}
