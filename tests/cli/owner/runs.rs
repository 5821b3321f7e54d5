//! Which run a command speaks for.

use serde_json::json;

use super::Claims;

const VARIABLES: [&str; 3] = ["RUNR_RUN_ID", "DEVLOOPS_RUN_ID", "PI_SUBAGENT_RUN_ID"];

#[test]
fn each_variable_names_the_run_and_the_first_one_counts() {
    let claims = Claims::new();
    for count in 1..=VARIABLES.len() {
        let mut command = claims.command(&["takeover", "--json"]);
        // From the last to the first: whoever is named earlier counts.
        for name in &VARIABLES[VARIABLES.len() - count..] {
            command = command.env(name, format!("from-{name}"));
        }
        let expected = format!("from-{}", VARIABLES[VARIABLES.len() - count]);
        assert_eq!(command.output().exits(0).json_line()["runId"], expected);
    }
    let blank = claims.command(&["takeover", "--json"]);
    let blank = blank.env("RUNR_RUN_ID", " ").env("DEVLOOPS_RUN_ID", " b ");
    assert_eq!(blank.output().exits(0).json_line()["runId"], "b");
}

#[test]
fn an_option_names_the_run_before_any_variable() {
    let claims = Claims::new();
    let command = claims.command(&["claim", "--run-id", " given ", "--json"]);
    let claim = command
        .env("RUNR_RUN_ID", "environment")
        .output()
        .exits(0)
        .json_line();
    assert_eq!(claim["activeRun"]["runId"], "given");
    let stale = claims
        .command(&["stale", "--json"])
        .env("DEVLOOPS_RUN_ID", "other");
    let stale = stale.output().exits(1).json_line();
    assert_eq!(
        (&stale["status"], &stale["runId"]),
        (&json!("ownership_lost"), &json!("other"))
    );
    // A status asks for no run.
    claims
        .command(&["status"])
        .env("RUNR_RUN_ID", "other")
        .output()
        .exits(0);
}
