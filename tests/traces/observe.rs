//! What a run left behind, under the names the vectors use.

use serde_json::{Value, json};

use crate::support::{Sandbox, strings};

/// Everything that is observed, hence everything a trace may expect.
pub(crate) const KEYS: [&str; 14] = [
    "phases",
    "stop_reason",
    "milestone_index",
    "milestones_total",
    "milestone_retries",
    "verifications",
    "checkpoint_commits",
    "worker_calls",
    "fix_attempts",
    "worker_fallbacks",
    "scope_violations",
    "lockfile_violations",
    "ownership_violations",
    "plan_violations",
];

/// The line by which a prompt says that it is a retry after failed checks.
const FIX: &str = "Fix attempt ";

const STAGES: [&str; 3] = ["plan", "implement", "review"];

/// Reads timeline, state, git log and the worker's own log of its calls.
pub(crate) fn everything(sandbox: &Sandbox, id: &str, base: &str) -> Value {
    let state = sandbox.state(id);
    let column = |kind: &str, field: &str| -> Vec<Value> {
        sandbox
            .payloads(id, kind)
            .iter()
            .map(|payload| payload[field].clone())
            .collect()
    };
    // A list that several events of one type would name; none of them names it twice.
    let named = |kind: &str, field: &str| -> Vec<String> {
        column(kind, field).iter().flat_map(strings).collect()
    };
    let verifications: Vec<Value> = sandbox
        .payloads(id, "verification")
        .iter()
        .map(|event| json!([event["tier"], event["ok"]]))
        .collect();
    let fix_attempts: Vec<Value> = sandbox
        .prompts("implement")
        .iter()
        .map(|prompt| fix_attempt(prompt))
        .collect();
    json!({
        "phases": column("phase_start", "phase"),
        "stop_reason": state["stop_reason"],
        "milestone_index": state["milestone_index"],
        "milestones_total": state["milestones"].as_array().map(Vec::len),
        "milestone_retries": state["milestone_retries"],
        "verifications": verifications,
        "checkpoint_commits": sandbox.subjects(base, &tip(sandbox, id)),
        "worker_calls": STAGES.map(|stage| (stage, sandbox.calls(stage).len())).into_iter()
            .map(|(stage, calls)| (stage.to_owned(), json!(calls))).collect::<serde_json::Map<_, _>>(),
        "fix_attempts": fix_attempts,
        "worker_fallbacks": column("worker_fallback", "stage").len(),
        "scope_violations": named("guard_violation", "scope_violations"),
        "lockfile_violations": named("guard_violation", "lockfile_violations"),
        "ownership_violations": named("ownership_violation", "violating_files"),
        "plan_violations": named("plan_scope_violation", "violations"),
    })
}

/// The attempt an implement prompt names, or null for a prompt without a fix section.
///
/// The number after the first `Fix attempt` decides; none of the traces' own texts holds those words.
fn fix_attempt(prompt: &str) -> Value {
    let Some((_, rest)) = prompt.split_once(FIX) else {
        return Value::Null;
    };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits
        .parse::<u64>()
        .map_or(json!("not a number"), |number| json!(number))
}

/// The run's branch; a run that stopped before it had one leaves the checkout where it was.
fn tip(sandbox: &Sandbox, id: &str) -> String {
    let branch = format!("refs/heads/runr/{id}");
    let found = sandbox.git(&["for-each-ref", "--format=%(refname)", &branch]);
    if found.is_empty() {
        "HEAD".to_owned()
    } else {
        branch
    }
}

/// Places where two records of the same thing disagree.
pub(crate) fn contradictions(sandbox: &Sandbox, id: &str, observed: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, left: Value, right: Value| {
        if left != right {
            found.push(format!("{what}: {left} and {right} disagree"));
        }
    };
    let state = sandbox.state(id);
    compare(
        "both names of the retry counter",
        state["verification_failures"].clone(),
        state["milestone_retries"].clone(),
    );
    compare(
        "the phase of a stopped run",
        state["phase"].clone(),
        json!("STOPPED"),
    );
    let stops: Vec<Value> = sandbox
        .payloads(id, "stop")
        .iter()
        .map(|stop| stop["reason"].clone())
        .collect();
    compare(
        "the stop events and the stop reason",
        json!(stops),
        json!([observed["stop_reason"]]),
    );
    for tier in ["tier0", "tier1", "tier2"] {
        let events = sandbox
            .payloads(id, "verification")
            .iter()
            .filter(|event| event["tier"] == tier)
            .count();
        compare(
            &format!("{tier}: commands run and events"),
            json!(sandbox.count(tier)),
            json!(events),
        );
    }
    for stage in STAGES {
        for kind in ["worker_call_started", "worker_call_finished"] {
            let events = sandbox
                .payloads(id, kind)
                .iter()
                .filter(|event| event["stage"] == stage)
                .count();
            compare(
                &format!("{stage}: calls and {kind} events"),
                observed["worker_calls"][stage].clone(),
                json!(events),
            );
        }
    }
    let checkpoints = sandbox.checkpoints(id).len();
    compare(
        "checkpoint events and milestones done",
        json!(checkpoints),
        observed["milestone_index"].clone(),
    );
    let status = sandbox.status(id);
    for key in ["stop_reason", "milestone_index"] {
        compare(
            &format!("{key} of status and state"),
            status[key].clone(),
            observed[key].clone(),
        );
    }
    found
}
