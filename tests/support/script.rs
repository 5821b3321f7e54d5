//! Scripts for the built-in worker: what it writes and what it answers, call by call.

use serde_json::{Value, json};

/// The steps of every stage. A stage's last step repeats.
#[derive(Debug, Clone)]
pub(crate) struct Script(Value);

impl Script {
    /// One call per stage, in the order plan, implement, review.
    pub(crate) fn new(plan: Value, implement: &[Value], review: &[Value]) -> Self {
        Self(json!({"plan": [plan], "implement": implement, "review": review}))
    }

    /// A script as it stands in a vector file.
    pub(crate) fn from_value(value: Value) -> Self {
        Self(value)
    }

    /// Plans `milestones` milestones; each writes a file of its own and is approved.
    pub(crate) fn happy(milestones: usize) -> Self {
        let goals: Vec<Value> = (1..=milestones)
            .map(|n| milestone(&format!("goal {n}")))
            .collect();
        let steps: Vec<Value> = (1..=milestones)
            .map(|n| ok(json!({format!("src/part{n}.txt"): format!("part {n}\n")})))
            .collect();
        Self::new(plan(&goals), &steps, &[approve()])
    }

    /// One milestone whose implementer answers `step`; the reviewer would approve anything.
    pub(crate) fn one(step: Value) -> Self {
        Self::new(plan(&[milestone("goal 1")]), &[step], &[approve()])
    }

    /// Lets every step of a stage take its time.
    pub(crate) fn sleeping(mut self, stage: &str, ms: u64) -> Self {
        for step in self.0[stage].as_array_mut().unwrap() {
            step["sleep_ms"] = json!(ms);
        }
        self
    }

    /// The file's text, with the log of calls at `log`.
    pub(crate) fn text(&self, log: &str) -> String {
        let mut value = self.0.clone();
        value["log"] = json!(log);
        serde_json::to_string_pretty(&value).unwrap()
    }
}

/// A plan step.
pub(crate) fn plan(milestones: &[Value]) -> Value {
    json!({"reply": {"milestones": milestones}})
}

/// A milestone of low risk that names no files.
pub(crate) fn milestone(goal: &str) -> Value {
    json!({"goal": goal, "done_checks": ["the check passes"], "risk_level": "low"})
}

/// An implement step that writes `files` (whole texts) and reports success.
pub(crate) fn ok(files: Value) -> Value {
    json!({"reply": {"status": "ok", "handoff_memo": "done as asked"}, "files": files})
}

/// An implement step that cannot go on.
pub(crate) fn blocked(memo: &str) -> Value {
    json!({"reply": {"status": "blocked", "handoff_memo": memo}})
}

/// A review step that approves.
pub(crate) fn approve() -> Value {
    json!({"reply": {"status": "approve", "changes": []}})
}

/// A review step that asks for changes.
pub(crate) fn request_changes(changes: &[&str]) -> Value {
    json!({"reply": {"status": "request_changes", "changes": changes}})
}
