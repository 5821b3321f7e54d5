//! `runr call`: the library's functions for programs that only have a shell.

use serde_json::{Value, json};

use crate::support::{Sandbox, assert_leading_fields};

fn call(function: &str, arguments: &Value) -> Value {
    let sandbox = Sandbox::bare();
    sandbox
        .runr(&["call", function])
        .stdin(&arguments.to_string())
        .output()
        .exits(0)
        .json_line()
}

#[test]
fn the_registry_of_stop_reasons_is_data() {
    let rows = call("stop_reasons", &json!({}));
    let rows = rows.as_array().unwrap();
    for row in rows {
        assert_leading_fields(
            row,
            &[
                "stop_reason",
                "family",
                "watch_resumable",
                "supervisor_auto_resumable",
                "next_action",
                "suggested_command",
                "terminal_state",
            ],
        );
    }
    let find = |reason: &str| {
        rows.iter()
            .find(|row| row["stop_reason"] == reason)
            .unwrap_or_else(|| panic!("{reason}"))
    };
    assert_eq!(find("complete")["terminal_state"], "complete");
    let guard = find("guard_violation");
    assert_eq!(
        (&guard["family"], &guard["watch_resumable"]),
        (&json!("guard"), &json!(false))
    );
    assert_eq!(guard["next_action"], "resolve_scope_violation");
    assert_eq!(find("stalled_timeout")["supervisor_auto_resumable"], true);
    assert_eq!(
        find("verification_failed_max_retries")["terminal_state"],
        "failed"
    );
    for reason in [
        "interrupted",
        "cost_budget_exceeded",
        "approval_required",
        "internal_error",
        "ownership_lost",
    ] {
        find(reason);
    }
}

#[test]
fn globs_match_as_the_guard_matches() {
    for (pattern, path, expected) in [
        ("src/**", "src/a/b.ts", true),
        ("src/**", "src", true),
        ("src/*", "src/a/b.ts", false),
        ("**/*.ts", "a.ts", true),
        ("src/[ab].ts", "src/c.ts", false),
        ("src/{a,b}.ts", "src/b.ts", true),
    ] {
        assert_eq!(
            call("glob_match", &json!({"pattern": pattern, "path": path})),
            json!(expected),
            "{pattern} {path}"
        );
    }
}

#[test]
fn the_next_action_names_the_real_run() {
    let running = call(
        "next_action",
        &json!({"stop_reason": null, "run_id": "20261121093700"}),
    );
    assert_eq!(
        running,
        json!({"outcome": "running", "next_action": "inspect_logs", "suggested_command": "runr status 20261121093700"})
    );
    let stopped = call(
        "next_action",
        &json!({"stop_reason": "max_ticks_reached", "run_id": "20261121093700"}),
    );
    assert_eq!(
        stopped,
        json!({"outcome": "stopped", "next_action": "resume", "suggested_command": "runr resume 20261121093700"})
    );
}

#[test]
fn an_unknown_function_and_unusable_arguments_are_usage_errors() {
    let sandbox = Sandbox::bare();
    let unknown = sandbox
        .runr(&["call", "no_such_function"])
        .stdin("{}")
        .output()
        .exits(2);
    unknown.error_json("E_USAGE", "usage");
    let broken = sandbox
        .runr(&["call", "glob_match"])
        .stdin("{\"pattern\": ")
        .output()
        .exits(2);
    broken.error_json("E_USAGE", "usage");
    let missing = sandbox
        .runr(&["call", "glob_match"])
        .stdin("{\"pattern\": \"a\"}")
        .output()
        .exits(2);
    missing.error_json("E_USAGE", "usage");
}
