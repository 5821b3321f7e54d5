//! No secret that a worker or a check prints, writes or answers reaches anything that is kept or
//! shown. Each kind has a canary.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Config, Output, Sandbox, Script, TASK, milestone, plan};

/// What a line is printed with, and the part of it that nobody may see.
const CANARIES: [(&str, &str); 12] = [
    ("key id AKIAQWERTYUIOPASDFGH", "QWERTYUIOPASDFGH"),
    (
        "aws_secret_access_key=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",
        "K7MDENG",
    ),
    (
        "using ghp_CaNaRy02x16C7e42F292c6912E7710c8383 now",
        "CaNaRy02x16",
    ),
    ("glpat-CaNaRy03xefGHIjklMNO", "CaNaRy03x"),
    ("sk-ant-api03-CaNaRy04xDEF1234567890", "CaNaRy04x"),
    ("Authorization: Bearer canary05.abc.def", "canary05"),
    (
        "git clone https://me:canary06@example.com/a.git",
        "canary06",
    ),
    ("DB_PASSWORD=canary07", "canary07"),
    ("token: 'canary08 with blanks'", "canary08"),
    (
        "blob Q2FOYVJ5MDl4MTZDN2U0MkYyOTJjNjkxMkU3NzEwYzgzOFo=",
        "Q2FOYVJ5MDl4",
    ),
    (
        "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOiIxMCJ9.dozjgNryP4J3",
        "eyJjYW5hcnki",
    ),
    ("xoxb-123456789012-cAnArY11x", "cAnArY11x"),
];
const BLOCK: [&str; 4] = [
    "-----BEGIN RSA PRIVATE KEY-----",
    "MIIEcanary12",
    "shortcanary13=",
    "-----END RSA PRIVATE KEY-----",
];
/// The value of a variable whose name tells that it is secret.
const BY_NAME: &str = "plain words canary14";
/// Printed in two writes with a pause between them.
const SPLIT: (&str, &str) = ("glpat-CaNaRy15x", "efGHIjklMNO");

/// All that nobody may see.
fn needles() -> Vec<&'static str> {
    let hidden = CANARIES.iter().map(|(_, hidden)| *hidden);
    hidden
        .chain(["canary12", "canary13", "canary14", "CaNaRy15x"])
        .collect()
}

fn all_lines() -> String {
    let lines = CANARIES.iter().map(|(line, _)| *line).chain(BLOCK);
    lines.map(|line| format!("{line}\n")).collect()
}

#[track_caller]
fn expect_clean(place: &str, text: &str) {
    for needle in needles() {
        assert!(
            !text.contains(needle),
            "{needle} stands in {place}:\n{text}"
        );
    }
}

/// Looks at every file below a directory.
fn expect_clean_below(dir: &Path, seen: &mut usize) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            expect_clean_below(&path, seen);
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            expect_clean(&path.display().to_string(), &text);
            *seen += 1;
        }
    }
}

fn expect_clean_output(output: &Output) {
    expect_clean("what is printed", &output.text());
}

/// Everything a run leaves behind, and everything runr says of it.
fn expect_clean_run(sandbox: &Sandbox, id: &str) {
    let mut seen = 0;
    expect_clean_below(&sandbox.repo().join(".runr"), &mut seen);
    assert!(seen > 5, "only {seen} files");
    for words in [
        &["status", id][..],
        &["status", "--all"],
        &["status", "--all", "--json"],
        &["report", id],
        &["report", id, "--json"],
        &["report", id, "--tail", "500"],
        &["resume", id, "--plan"],
        &["resume", id, "--plan", "--json"],
        &["doctor"],
    ] {
        expect_clean_output(&sandbox.runr(words).output());
    }
    let branch = format!("runr/{id}");
    expect_clean(
        "the commit messages",
        &sandbox.git(&["log", "--format=%B", &branch]),
    );
}

/// A script in the scratch directory.
fn program(sandbox: &Sandbox, name: &str, text: &str) -> String {
    let path = sandbox.scratch().join(name);
    fs::write(&path, format!("#!/bin/sh\ncd \"$PWD\"\n{text}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Prints every canary: as lines on both streams, out of an argument and a variable, in two writes,
/// and as one line of JSON.
fn leak(sandbox: &Sandbox) -> String {
    let dir = sandbox.scratch();
    fs::write(dir.join("lines"), all_lines()).unwrap();
    fs::write(dir.join("json"), json!({"out": all_lines()}).to_string()).unwrap();
    let dir = dir.display();
    format!(
        "cat '{dir}/lines'; cat '{dir}/lines' >&2
sh -c 'echo \"$0 $*\"' {} {}
env | grep DEPLOY; echo \"$DEPLOY_PASSPHRASE_TOKEN\" >&2
printf '%s' '{}'; sleep 0.1; echo '{}'
cat '{dir}/json'; echo; cat '{dir}/json' | base64 -w 0; echo\n",
        "glpat-CaNaRy03xefGHIjklMNO", "--password=canary07", SPLIT.0, SPLIT.1
    )
}

fn reply(reply: &Value) -> String {
    format!("cat > /dev/null\ncat <<'END'\nBEGIN_JSON\n{reply}\nEND_JSON\nEND\n")
}

/// Workers and a check that leak whatever they can. The check fails once.
fn leaking(config: Config) -> Sandbox {
    let sandbox = Sandbox::untrusted(&Config::new());
    let (leak, lines) = (leak(&sandbox), all_lines());
    let dir = sandbox.scratch();
    let dir = dir.display();
    let goal = format!("part 1, with {}", CANARIES[2].0);
    let plan = json!({"milestones": [
        {"goal": goal, "done_checks": [lines], "risk_level": "low", "files_expected": ["src/part.txt"]}
    ]});
    let done = json!({"status": "ok", "handoff_memo": format!("{lines} {BY_NAME}")});
    let wants = json!({"status": "request_changes", "changes": [lines, {"file": lines}]});
    let fine = json!({"status": "approve", "changes": []});
    let planner = program(&sandbox, "plan", &format!("{leak}{}", reply(&plan)));
    let doer = program(
        &sandbox,
        "implement",
        &format!(
            "cat >> '{dir}/prompts'; cat '{dir}/lines' > src/part.txt; git add -N src/part.txt
{leak}{}",
            reply(&done)
        ),
    );
    let critic = program(
        &sandbox,
        "review",
        &format!(
            "cat >> '{dir}/prompts'
{leak}if [ -e '{dir}/asked' ]; then {} else touch '{dir}/asked'; {} fi",
            reply(&fine),
            reply(&wants)
        ),
    );
    let check = program(
        &sandbox,
        "check",
        &format!(
            "{leak}if [ -e '{dir}/checked' ]; then exit 0; fi; touch '{dir}/checked'; exit 1\n"
        ),
    );
    let config = config
        .tier("tier0", &[&check])
        .worker("planner", "sh", &[&planner])
        .worker("doer", "sh", &[&doer])
        .worker("critic", "sh", &[&critic])
        .phases("planner", "doer", "critic");
    sandbox.configure(&config);
    sandbox.commit("leaking workers");
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox
}

fn run(sandbox: &Sandbox, flags: &[&str]) -> Output {
    let command = sandbox.runr(&["run", "--task", TASK]).args(flags);
    let command = command.env("DEPLOY_PASSPHRASE_TOKEN", BY_NAME);
    command.env("RUNR_SKIP_DOCTOR", "1").output()
}

#[test]
fn what_processes_leak_is_kept_nowhere() {
    let sandbox = leaking(Config::new());
    let output = run(&sandbox, &["--worktree", "--verbose"]).exits(0);
    expect_clean_output(&output);
    let id = sandbox.run_ids().pop().unwrap();
    expect_clean_run(&sandbox, &id);
    let prompts = fs::read_to_string(sandbox.scratch().join("prompts")).unwrap();
    expect_clean("the prompts", &prompts);
    for shown in [
        "## Change",
        "src/part.txt",
        "[REDACTED]",
        "The reviewer asked for",
    ] {
        assert!(prompts.contains(shown), "no {shown}: {prompts}");
    }
    // The leak was one: without the redactor all of it would be here.
    let call = &sandbox.payloads(&id, "worker_call_finished")[0];
    let log = fs::read_to_string(sandbox.run_dir(&id).join(call["log"].as_str().unwrap())).unwrap();
    assert!(log.matches("[REDACTED]").count() > 20, "{log}");
    assert!(
        log.contains("git clone https://me:[REDACTED]@example.com/a.git"),
        "{log}"
    );
}

#[test]
fn what_a_stopped_run_leaks_is_kept_nowhere() {
    let sandbox = leaking(Config::new());
    let failing = program(&sandbox, "failing", &format!("{}exit 3\n", leak(&sandbox)));
    for (worker, check) in [("failing", None), ("doer", Some("failing"))] {
        let mut config = Config::new()
            .worker("failing", "sh", &[&failing])
            .worker(
                "doer",
                "sh",
                &[sandbox.scratch().join("implement").to_str().unwrap()],
            )
            .phases("doer", worker, "doer");
        config = match check {
            Some(_) => config.tier("tier0", &[&failing]),
            None => config,
        };
        sandbox.configure(&config);
        sandbox.commit("failing");
        sandbox.runr(&["trust"]).output().exits(0);
        let output = run(&sandbox, &["--worktree", "--fast"]);
        // Behind a worker that fails there is another one; behind a check there is none.
        assert_eq!(output.code, Some(i32::from(check.is_some())), "{output}");
        expect_clean_output(&output);
        let id = sandbox.run_ids().pop().unwrap();
        expect_clean_run(&sandbox, &id);
    }
}

#[test]
fn what_an_answer_leaks_is_kept_nowhere() {
    let lines = all_lines();
    let memo = format!("{lines} {BY_NAME}");
    let goal = milestone(&format!("goal {lines}"));
    let written = json!({"src/part1.txt": "part\n"});
    for implement in [
        json!({"reply": {"status": "ok", "handoff_memo": memo}, "files": written}),
        json!({"reply": {"status": "blocked", "handoff_memo": memo}}),
        json!({"reply": {"status": "failed", "handoff_memo": memo}}),
        // No answer at all, whose beginning and end are kept for people.
        json!({"reply": format!("{}{lines}", "x".repeat(105))}),
        json!({"reply": {"status": memo, "handoff_memo": ""}}),
    ] {
        let review = json!({"reply": {"status": "reject", "changes": [memo]}});
        let script = Script::new(plan(&[goal.clone()]), &[implement], &[review]);
        let sandbox = Sandbox::scripted(&script);
        let output = run(&sandbox, &["--worktree"]).exits(1);
        expect_clean_output(&output);
        let id = sandbox.run_ids().pop().unwrap();
        expect_clean_run(&sandbox, &id);
        let calls = fs::read_to_string(sandbox.scratch().join("calls.jsonl")).unwrap();
        expect_clean("the log of the script", &calls);
    }
}

#[test]
fn commit_ids_survive_in_full() {
    let sandbox = leaking(Config::new());
    run(&sandbox, &["--worktree"]).exits(0);
    let id = sandbox.run_ids().pop().unwrap();
    let tip = sandbox.git(&["rev-parse", &format!("runr/{id}")]);
    assert_eq!(tip.len(), 40);
    let base = sandbox.head();
    let status = sandbox.status(&id).to_string();
    assert!(status.contains(&tip), "{status}");
    let timeline = sandbox.timeline_text(&id);
    assert!(
        timeline.contains(&tip) && timeline.contains(&base),
        "{timeline}"
    );
    let report = sandbox.runr(&["report", &id, "--json"]).output().exits(0);
    assert!(!report.stdout.contains("\"[REDACTED]\""), "{report}");
}

#[test]
fn the_tasks_own_words_reach_the_worker_as_they_are() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let task = "# A task\n\n## Goal\nLog in with password=canary07 and write the parts.\n";
    fs::write(sandbox.repo().join(".runr/tasks/task.md"), task).unwrap();
    let sandbox = {
        sandbox.commit("a task with a secret");
        sandbox
    };
    sandbox.run(&["--worktree"], 0);
    let id = sandbox.run_ids().pop().unwrap();
    let kept = fs::read_to_string(sandbox.run_dir(&id).join("artifacts/task.md")).unwrap();
    assert_eq!(kept, task, "the copy of the task is the user's");
    let timeline = sandbox.timeline_text(&id);
    assert!(!timeline.contains("canary07"), "{timeline}");
}

#[test]
fn a_secret_in_a_command_or_in_the_name_of_a_task_is_in_no_event() {
    let sandbox = Sandbox::with(
        &Config::new()
            .tier(
                "tier0",
                &["test -f src/base.txt || login --password=canary07"],
            )
            .worker("codex", "sh", &["--token=canary08x"]),
    );
    sandbox.script(&Script::happy(1));
    let task = "# Use password=canary09x\n\n## Goal\nWrite the parts.\n";
    fs::write(sandbox.repo().join(TASK), task).unwrap();
    sandbox.commit("a task");
    let run = sandbox.run(&["--worktree"], 0);
    for name in ["timeline.jsonl", "state.json", "meta.json"] {
        let text = fs::read_to_string(sandbox.run_dir(&run.id).join(name)).unwrap();
        for secret in ["canary07", "canary08x", "canary09x"] {
            assert!(!text.contains(secret), "{secret} stands in {name}: {text}");
        }
        assert!(text.contains("[REDACTED]"), "{name}: {text}");
    }
}

#[test]
fn only_the_configuration_turns_redaction_off() {
    for (config, redacts) in [
        (Config::new(), true),
        (Config::new().set("receipts", "redact", json!(true)), true),
        (Config::new().set("receipts", "redact", json!(false)), false),
    ] {
        let sandbox = Sandbox::with(&config.tier("tier0", &["echo DB_PASSWORD=can''ary07"]));
        sandbox.script(&Script::happy(1));
        sandbox.run(&["--worktree"], 0);
        let id = sandbox.run_ids().pop().unwrap();
        let result = &sandbox.payloads(&id, "verification")[0]["command_results"][0];
        let log = sandbox.run_dir(&id).join(result["log"].as_str().unwrap());
        let text = fs::read_to_string(log).unwrap();
        let expected = if redacts {
            "DB_PASSWORD=[REDACTED]\n"
        } else {
            "DB_PASSWORD=canary07\n"
        };
        assert_eq!(text, expected);
    }
}

#[test]
fn a_run_with_secrets_goes_on_after_a_stop() {
    let sandbox = leaking(Config::new());
    run(&sandbox, &["--worktree", "--max-ticks", "2"]).exits(1);
    let id = sandbox.run_ids().pop().unwrap();
    let resumed = sandbox.runr(&["resume", &id]);
    let resumed = resumed.env("DEPLOY_PASSPHRASE_TOKEN", BY_NAME);
    let output = resumed.env("RUNR_SKIP_DOCTOR", "1").output().exits(0);
    expect_clean_output(&output);
    expect_clean_run(&sandbox, &id);
}

#[test]
fn an_error_shows_no_secret() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    for json in [&["--json"][..], &[]] {
        for words in [
            &["status", "glpat-CaNaRy03xefGHIjklMNO"][..],
            &["status", "plain words canary14"],
            &[
                "run",
                "--task-text",
                "# x",
                "--worker",
                "glpat-CaNaRy03xefGHIjklMNO",
            ],
            &["--password=canary07"],
        ] {
            let command = sandbox.runr(words).args(json);
            let output = command.env("DEPLOY_PASSPHRASE_TOKEN", BY_NAME).output();
            assert_ne!(output.code, Some(0));
            expect_clean_output(&output);
        }
    }
}
