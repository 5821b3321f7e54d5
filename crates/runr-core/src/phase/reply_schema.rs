//! The form of each answer as a JSON Schema, for agents that are held to one.
//!
//! [`super::reply`] decides what is valid; a schema here only promises that what follows it is.

use serde_json::{Value, json};

use super::evidence::MAX_GREP_OUTPUT;
use super::model::{ImplementStatus, RiskLevel, Stage, Verdict};

/// The JSON Schema (draft 2020-12) of the answer to a stage.
#[must_use]
pub fn reply_schema(stage: Stage) -> Value {
    match stage {
        Stage::Plan => json!({"type": "object", "anyOf": [plan(), rejection()]}),
        Stage::Implement => implement(),
        Stage::Review => object(
            json!({"status": {"enum": Verdict::ALL}, "changes": texts()}),
            &["status"],
        ),
    }
}

fn plan() -> Value {
    let milestone = object(
        json!({
            "goal": filled(),
            "files_expected": texts(),
            "done_checks": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "risk_level": {"enum": RiskLevel::ALL},
        }),
        &["goal", "done_checks", "risk_level"],
    );
    object(
        json!({
            "milestones": {"type": "array", "items": milestone, "minItems": 1},
            "risk_map": texts(),
            "do_not_touch": texts(),
        }),
        &["milestones"],
    )
}

fn rejection() -> Value {
    object(
        json!({"status": {"const": "rejected"}, "reason": filled()}),
        &["status", "reason"],
    )
}

fn implement() -> Value {
    let command = object(
        json!({"command": {"type": "string"}, "exit_code": {"type": "integer"}}),
        &["command", "exit_code"],
    );
    let evidence = object(
        json!({
            "files_checked": texts(),
            "grep_output": {"type": "string", "maxLength": MAX_GREP_OUTPUT},
            "commands_run": {"type": "array", "items": command},
        }),
        &[],
    );
    object(
        json!({
            "status": {"enum": ImplementStatus::ALL},
            "handoff_memo": filled(),
            "commands_run": texts(),
            "observations": texts(),
            "evidence": evidence,
        }),
        &["status", "handoff_memo"],
    )
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

/// Text with something in it.
fn filled() -> Value {
    json!({"type": "string", "pattern": "\\S"})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::reply::parse_reply;

    /// Enough of JSON Schema for the words used here; an unknown word fails the test.
    fn fits(schema: &Value, value: &Value) -> bool {
        schema.as_object().unwrap().iter().all(|(word, rule)| {
            let items = || value.as_array().map(Vec::as_slice).unwrap_or_default();
            match word.as_str() {
                "type" => match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64(),
                    other => panic!("type {other}"),
                },
                "properties" => rule
                    .as_object()
                    .unwrap()
                    .iter()
                    .all(|(key, rule)| value.get(key).is_none_or(|member| fits(rule, member))),
                "required" => {
                    let mut keys = rule.as_array().unwrap().iter();
                    keys.all(|key| value.get(key.as_str().unwrap()).is_some())
                }
                "items" => items().iter().all(|item| fits(rule, item)),
                "minItems" => items().len() as u64 >= rule.as_u64().unwrap(),
                "maxLength" => {
                    value.as_str().unwrap().chars().count() as u64 <= rule.as_u64().unwrap()
                }
                "pattern" => !value.as_str().unwrap_or("x").trim().is_empty(),
                "enum" => rule.as_array().unwrap().contains(value),
                "const" => rule == value,
                "anyOf" => rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|rule| fits(rule, value)),
                other => panic!("word {other}"),
            }
        })
    }

    /// Each value beside its stage: what follows the schema is a valid answer, and only that.
    #[test]
    fn what_follows_the_schema_is_a_valid_answer_and_what_does_not_is_none() {
        let step = json!({"goal": "g", "done_checks": ["d"], "risk_level": "low"});
        let cases = [
            (Stage::Plan, json!({"milestones": [step]})),
            (
                Stage::Plan,
                json!({"milestones": [step], "do_not_touch": ["x"], "risk_map": []}),
            ),
            (Stage::Plan, json!({"milestones": []})),
            (
                Stage::Plan,
                json!({"milestones": [{"goal": "g", "done_checks": [], "risk_level": "low"}]}),
            ),
            (
                Stage::Plan,
                json!({"milestones": [{"goal": " ", "done_checks": ["d"], "risk_level": "low"}]}),
            ),
            (
                Stage::Plan,
                json!({"milestones": [{"goal": "g", "done_checks": ["d"], "risk_level": "some"}]}),
            ),
            (Stage::Plan, json!({"status": "rejected", "reason": "r"})),
            (Stage::Plan, json!({"status": "rejected"})),
            (Stage::Plan, json!([step])),
            (
                Stage::Implement,
                json!({"status": "ok", "handoff_memo": "m"}),
            ),
            (
                Stage::Implement,
                json!({"status": "ok", "handoff_memo": ""}),
            ),
            (
                Stage::Implement,
                json!({"status": "done", "handoff_memo": "m"}),
            ),
            (
                Stage::Implement,
                json!({"status": "no_changes_needed", "handoff_memo": "m",
                       "evidence": {"commands_run": [{"command": "c", "exit_code": 0}]}}),
            ),
            (
                Stage::Implement,
                json!({"status": "no_changes_needed", "handoff_memo": "m",
                       "evidence": {"commands_run": [{"command": "c"}]}}),
            ),
            (
                Stage::Implement,
                json!({"status": "ok", "handoff_memo": "m", "observations": "o"}),
            ),
            (Stage::Review, json!({"status": "approve"})),
            (
                Stage::Review,
                json!({"status": "request_changes", "changes": ["c"]}),
            ),
            (
                Stage::Review,
                json!({"status": "request_changes", "changes": "c"}),
            ),
            (Stage::Review, json!({"status": "approved", "changes": []})),
        ];
        for (stage, value) in cases {
            let valid = parse_reply(stage, &value.to_string()).is_ok();
            assert_eq!(
                fits(&reply_schema(stage), &value),
                valid,
                "{stage}: {value}"
            );
        }
    }
}
