//! Replays recorded runs through the real binary and compares everything they left behind.
//!
//! A trace is a repository, a configuration and a scripted worker; what is expected of it stands
//! beside it. Each tier is one command whose exit codes are scripted, so nothing but the machine
//! decides the course of the run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod observe;
mod vectors;

use std::sync::Mutex;

use serde_json::{Value, json};

use support::{Config, Sandbox, Script, TASK, Tree};
use vectors::Trace;

/// Traces replayed at the same time.
const PARALLEL: usize = 4;

#[test]
fn every_trace_leaves_what_it_must() {
    let excepted = vectors::exceptions("phase-transitions.json");
    let traces = vectors::traces();
    for case in &excepted {
        assert!(
            traces.iter().any(|trace| trace.id == *case),
            "an exception names the unknown case {case}"
        );
    }
    let mut modes = vec![Tree::Checkout];
    if std::env::var_os("RUNR_TEST_LONG").is_some() {
        modes.push(Tree::Worktree);
    }
    let jobs: Vec<(&Trace, Tree)> = traces
        .iter()
        .filter(|trace| !excepted.contains(&trace.id))
        .flat_map(|trace| modes.iter().map(move |mode| (trace, *mode)))
        .collect();
    let failures = replay_all(&jobs);
    assert!(
        failures.is_empty(),
        "{} of {} replays differ:\n{}",
        failures.len(),
        jobs.len(),
        failures.join("\n")
    );
}

/// A guard for the test itself: the file is whole, and what is compared is all that is expected.
#[test]
fn the_vectors_are_complete() {
    let traces = vectors::traces();
    assert_eq!(traces.len(), 33);
    for trace in &traces {
        let mut expected: Vec<&str> = support::names(&trace.expect);
        let mut observed = observe::KEYS.to_vec();
        expected.sort_unstable();
        observed.sort_unstable();
        assert_eq!(expected, observed, "{}", trace.id);
    }
}

fn replay_all(jobs: &[(&Trace, Tree)]) -> Vec<String> {
    let queue = Mutex::new(jobs.iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let Some((trace, tree)) = queue.lock().unwrap().next() else {
                        return;
                    };
                    // A panic inside one replay is a finding about that trace, not the end of all.
                    let outcome = std::panic::catch_unwind(|| replay(trace, *tree));
                    let differences = outcome.unwrap_or_else(|panic| vec![text_of(panic.as_ref())]);
                    if !differences.is_empty() {
                        let report = format!(
                            "{} ({}, {tree:?}):\n  {}",
                            trace.id,
                            trace.title,
                            differences.join("\n  ")
                        );
                        failures.lock().unwrap().push(report);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    failures
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

/// Runs one trace; returns each difference from what is expected.
fn replay(trace: &Trace, tree: Tree) -> Vec<String> {
    let sandbox = repository(trace);
    let base = sandbox.head();
    let flags = flags(trace, tree);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let run = sandbox.started(sandbox.run_command(&flags).output());

    let observed = observe::everything(&sandbox, &run.id, &base);
    let mut differences = Vec::new();
    for (key, expected) in trace.expect.as_object().unwrap() {
        let expected = with_run_id(expected, &run.id);
        if observed[key] != expected {
            differences.push(format!(
                "{key}: expected {expected}, found {}",
                observed[key]
            ));
        }
    }
    let code = if trace.expect["stop_reason"] == "complete" {
        0
    } else {
        1
    };
    if run.output.code != Some(code) {
        differences.push(format!(
            "exit status: expected {code}, found {:?}",
            run.output.code
        ));
    }
    differences.extend(observe::contradictions(&sandbox, &run.id, &observed));
    differences
}

/// The repository of a trace: one commit, the configuration in it.
fn repository(trace: &Trace) -> Sandbox {
    let input = &trace.input;
    let sandbox = Sandbox::bare();
    std::fs::remove_dir_all(sandbox.repo().join("docs")).unwrap();
    std::fs::remove_file(sandbox.repo().join("src/base.txt")).unwrap();
    sandbox.write("src/base.ts", "export const base = 1;\n");

    // One worker for every stage and one more to fall back to; both play the same script.
    let mut config = Config::new()
        .set("scope", "allowlist", input["allowlist"].clone())
        .set("scope", "denylist", input["denylist"].clone())
        .set(
            "verification",
            "risk_triggers",
            input["risk_triggers"].clone(),
        )
        .set(
            "resilience",
            "max_review_rounds",
            input["max_review_rounds"].clone(),
        )
        .phases("claude", "claude", "claude");
    for (tier, codes) in input["verify_exit_codes"].as_object().unwrap() {
        let codes: Vec<i64> = codes
            .as_array()
            .unwrap()
            .iter()
            .map(|code| code.as_i64().unwrap())
            .collect();
        config = config.tier(tier, &[&sandbox.scripted_command(tier, &codes)]);
    }
    sandbox.configure(&config);
    let owns = &input["owns"];
    let front = if owns == &json!([]) {
        String::new()
    } else {
        format!("---\nowns: {owns}\n---\n")
    };
    sandbox.write(
        TASK,
        &format!("{front}# Trace {}\n\n## Goal\n{}\n", trace.id, trace.title),
    );
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "--amend", "-m", "base"]);
    sandbox.runr(&["trust"]).output().exits(0);
    sandbox.script(&Script::from_value(input["worker"].clone()));
    sandbox
}

fn flags(trace: &Trace, tree: Tree) -> Vec<String> {
    let input = &trace.input;
    let mut flags = vec![
        format!("--time={}", input["time_minutes"]),
        format!("--max-ticks={}", input["max_ticks"]),
    ];
    for (wanted, flag) in [
        (input["fast"] == true, "--fast"),
        (tree == Tree::Worktree, "--worktree"),
        (input["allow_deps"] == true, "--allow-deps"),
    ] {
        if wanted {
            flags.push(flag.to_owned());
        }
    }
    flags
}

/// The same value with the placeholder of the run id filled in.
fn with_run_id(value: &Value, id: &str) -> Value {
    serde_json::from_str(&value.to_string().replace("{run_id}", id)).unwrap()
}
