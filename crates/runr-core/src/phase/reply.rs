//! From what a worker printed to a reply that can be trusted to have its shape.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::evidence::MAX_GREP_OUTPUT;
use super::field::{Field, Problem};
use super::model::{
    ClaimedCommand, Evidence, ImplementReply, ImplementStatus, Milestone, Plan, PlanReply,
    Rejected, ReviewReply, RiskLevel, Stage, Verdict,
};

/// How a worker wraps its answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputMode {
    /// Not at all.
    #[default]
    Text,
    /// In one JSON object.
    Json,
    /// In a stream of JSON objects, one per line.
    Jsonl,
}

/// The answer inside a worker's output; the output itself where nothing can be taken out.
#[must_use]
pub fn unwrap_output(mode: OutputMode, stdout: &str) -> String {
    let found = match mode {
        OutputMode::Text => None,
        OutputMode::Json => objects(mode, stdout)
            .filter_map(|object| first_text(&object, &["result", "content", "message"]))
            .last(),
        OutputMode::Jsonl => {
            let texts: Vec<_> = objects(mode, stdout)
                .filter_map(|object| spoken(&object))
                .collect();
            (!texts.is_empty()).then(|| texts.join("\n"))
        }
    };
    found.unwrap_or_else(|| stdout.to_owned())
}

/// The JSON objects of a worker's output, in the form in which it is configured to answer: one
/// object or a list of them, or one in each line. Where one object was expected and there are
/// lines, those that say of themselves that they are results.
pub(super) fn objects(mode: OutputMode, stdout: &str) -> Box<dyn Iterator<Item = Value> + '_> {
    let in_lines = || stdout.lines().filter_map(|line| value_of(line).ok());
    match mode {
        OutputMode::Text => Box::new(std::iter::empty()),
        OutputMode::Jsonl => Box::new(in_lines().filter(Value::is_object)),
        OutputMode::Json => match value_of(stdout) {
            Ok(Value::Array(items)) => Box::new(items.into_iter().filter(Value::is_object)),
            Ok(value) => Box::new(std::iter::once(value).filter(Value::is_object)),
            Err(_) => Box::new(in_lines().filter(|value| value["type"] == "result")),
        },
    }
}

/// What a line of a stream adds to the answer.
fn spoken(object: &Value) -> Option<String> {
    match object["type"].as_str()? {
        "item.completed" => first_text(&object["item"], &["text"]),
        "response" | "turn.completed" => first_text(object, &["content", "message", "text"]),
        "result" => first_text(object, &["result"]),
        _ => None,
    }
}

fn first_text(object: &Value, keys: &[&str]) -> Option<String> {
    let texts = keys.iter().filter_map(|key| object[*key].as_str());
    texts.map(str::to_owned).find(|text| !text.is_empty())
}

/// A valid reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// Of the planner.
    Plan(PlanReply),
    /// Of the implementer.
    Implement(ImplementReply),
    /// Of the reviewer.
    Review(ReviewReply),
}

/// A plan is one record of the timeline, whose lines have a limit.
const MAX_PLAN: usize = 512 * 1024;

const MAX_VALUES: usize = 100_000;

/// Reads the reply of a stage: what stands between `BEGIN_JSON` and `END_JSON`, else the whole
/// text. Defaults are filled in, unknown keys dropped; nothing is rescued out of prose.
///
/// # Errors
/// A sentence for the next prompt, which names the field that is wrong.
pub fn parse_reply(stage: Stage, text: &str) -> Result<Reply, String> {
    let json = marked(text).unwrap_or(text);
    if stage == Stage::Plan && json.trim().len() > MAX_PLAN {
        return Err(format!("the plan is longer than {MAX_PLAN} bytes"));
    }
    let value = value_of(json)?;
    let root = Field::root(&value);
    match stage {
        Stage::Plan => plan_reply(&root).map(Reply::Plan),
        Stage::Implement => implement_reply(&root).map(Reply::Implement),
        Stage::Review => review_reply(&root).map(Reply::Review),
    }
    .map_err(|problem| problem.to_string())
}

/// The JSON form: `{"ok": true, "value": ..}` or `{"ok": false, "error": ..}`.
#[must_use]
pub fn reply_json(parsed: &Result<Reply, String>) -> Value {
    match parsed {
        Ok(reply) => json!({"ok": true, "value": reply}),
        Err(error) => json!({"ok": false, "error": error}),
    }
}

/// The value of a JSON text. It costs many times the memory of the text, so how many values a text
/// may hold has a limit.
fn value_of(json: &str) -> Result<Value, String> {
    if values_in(json) > MAX_VALUES {
        return Err(format!("it holds more than {MAX_VALUES} values"));
    }
    serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"))
}

/// About how many values stand in a JSON text.
fn values_in(json: &str) -> usize {
    let (mut count, mut quoted, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b'[' | b'{' if !quoted => count += 1,
            _ => {}
        }
    }
    count
}

fn marked(text: &str) -> Option<&str> {
    let (_, behind) = text.split_once("BEGIN_JSON")?;
    behind.split_once("END_JSON").map(|(json, _)| json)
}

fn plan_reply(root: &Field<'_>) -> Result<PlanReply, Problem> {
    if root
        .object()?
        .get("status")
        .is_some_and(|status| status == "rejected")
    {
        return Ok(PlanReply::Rejected {
            status: Rejected::Rejected,
            reason: root.required("reason")?.filled_text()?,
        });
    }
    let list = root.required("milestones")?;
    let milestones: Vec<_> = list
        .items()?
        .iter()
        .map(milestone)
        .collect::<Result<_, _>>()?;
    if milestones.is_empty() {
        return Err(list.problem("must hold at least one milestone"));
    }
    Ok(PlanReply::Plan(Plan {
        milestones,
        risk_map: optional_texts(root, "risk_map")?,
        do_not_touch: optional_texts(root, "do_not_touch")?,
    }))
}

fn milestone(field: &Field<'_>) -> Result<Milestone, Problem> {
    let goal = field.required("goal")?.filled_text()?;
    let files_expected = optional_texts(field, "files_expected")?;
    let checks = field.required("done_checks")?;
    let done_checks = checks.texts()?;
    if done_checks.is_empty() {
        return Err(checks.problem("must hold at least one check"));
    }
    Ok(Milestone {
        goal,
        files_expected,
        done_checks,
        risk_level: field
            .required("risk_level")?
            .word(RiskLevel::parse, "low, medium, high")?,
    })
}

fn implement_reply(root: &Field<'_>) -> Result<ImplementReply, Problem> {
    Ok(ImplementReply {
        status: root.required("status")?.word(
            ImplementStatus::parse,
            "ok, blocked, failed, no_changes_needed",
        )?,
        handoff_memo: root.required("handoff_memo")?.filled_text()?,
        commands_run: optional_texts(root, "commands_run")?.unwrap_or_default(),
        observations: optional_texts(root, "observations")?.unwrap_or_default(),
        evidence: root
            .optional("evidence")?
            .map(|field| evidence(&field))
            .transpose()?,
    })
}

fn evidence(field: &Field<'_>) -> Result<Evidence, Problem> {
    let grep = field.optional("grep_output")?;
    let grep_output = grep.as_ref().map(Field::text).transpose()?;
    if let (Some(grep), Some(output)) = (&grep, &grep_output)
        && output.chars().count() > MAX_GREP_OUTPUT
    {
        return Err(grep.problem(format!(
            "must not be longer than {MAX_GREP_OUTPUT} characters"
        )));
    }
    let commands = field.optional("commands_run")?;
    let claimed = |command: &Field<'_>| {
        Ok(ClaimedCommand {
            command: command.required("command")?.text()?,
            exit_code: command.required("exit_code")?.integer()?,
        })
    };
    Ok(Evidence {
        files_checked: optional_texts(field, "files_checked")?,
        grep_output,
        commands_run: commands
            .map(|list| list.items()?.iter().map(claimed).collect())
            .transpose()?,
    })
}

fn review_reply(root: &Field<'_>) -> Result<ReviewReply, Problem> {
    let status = root
        .required("status")?
        .word(Verdict::parse, "approve, request_changes, reject")?;
    let changes = root.optional("changes")?;
    let change = |item: &Field<'_>| match item.value {
        Value::Object(_) => Ok(item.value.to_string()),
        _ => item.text(),
    };
    let changes = changes
        .map(|list| list.items()?.iter().map(change).collect())
        .transpose()?;
    Ok(ReviewReply {
        status,
        changes: changes.unwrap_or_default(),
    })
}

fn optional_texts(field: &Field<'_>, key: &str) -> Result<Option<Vec<String>>, Problem> {
    field.optional(key)?.as_ref().map(Field::texts).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::replay;

    #[test]
    fn every_recorded_output_is_unwrapped() {
        replay("phase-worker-replies.json", "unwrap", 7, |case| {
            let mode = serde_json::from_value(case["output_mode"].clone()).unwrap();
            let text = unwrap_output(mode, case["stdout"].as_str().unwrap());
            (case["expect_text"].clone(), text.into())
        });
    }

    #[test]
    fn every_recorded_reply_is_read_or_refused() {
        replay("phase-worker-replies.json", "replies", 21, |case| {
            let stage = Stage::parse(case["stage"].as_str().unwrap()).unwrap();
            let mut actual = reply_json(&parse_reply(stage, case["output"].as_str().unwrap()));
            actual.as_object_mut().unwrap().shift_remove("error");
            (case["expect"].clone(), actual)
        });
    }

    fn error(stage: Stage, value: &Value) -> String {
        parse_reply(stage, &value.to_string()).unwrap_err()
    }

    #[test]
    fn a_complaint_names_the_field() {
        let no_goal = json!({"milestones": [{"goal": "g", "done_checks": ["d"], "risk_level": "low"},
            {"goal": " ", "done_checks": ["d"], "risk_level": "low"}]});
        assert_eq!(
            error(Stage::Plan, &no_goal),
            "/milestones/1/goal: must not be empty"
        );
        assert_eq!(
            error(
                Stage::Implement,
                &json!({"status": "done", "handoff_memo": "m"})
            ),
            "/status: must be one of ok, blocked, failed, no_changes_needed, not `done`"
        );
        assert_eq!(
            error(Stage::Implement, &json!({"status": "ok"})),
            "/handoff_memo: is missing"
        );
        assert_eq!(
            error(
                Stage::Review,
                &json!({"status": "approve", "changes": [null]})
            ),
            "/changes/0: must be a string, not null"
        );
        assert_eq!(
            error(Stage::Review, &json!([])),
            "/: must be an object, not a list"
        );
    }

    #[test]
    fn values_are_counted_outside_of_strings() {
        assert_eq!(values_in(r#"{"a": [1, 2], "b,": "[\",{"}"#), 4);
        let many = format!("[{}1]", "1,".repeat(MAX_VALUES));
        assert!(error(Stage::Review, &Value::String(many.clone())).contains("must be an object"));
        assert!(
            parse_reply(Stage::Review, &many)
                .unwrap_err()
                .contains("more than")
        );
    }

    #[test]
    fn a_planner_may_refuse_with_a_reason() {
        let refusal = json!({"status": "rejected", "reason": "no such module"});
        let Ok(Reply::Plan(PlanReply::Rejected { reason, .. })) =
            parse_reply(Stage::Plan, &refusal.to_string())
        else {
            panic!("a refusal is a valid reply");
        };
        assert_eq!(reason, "no such module");
        assert_eq!(
            error(Stage::Plan, &json!({"status": "rejected"})),
            "/reason: is missing"
        );
    }

    #[test]
    fn an_object_among_the_changes_becomes_its_compact_text() {
        let reply = r#"{"status":"reject","changes":[{ "file": "a", "why": [1] }]}"#;
        let Ok(Reply::Review(review)) = parse_reply(Stage::Review, reply) else {
            panic!("valid");
        };
        assert_eq!(review.changes, [r#"{"file":"a","why":[1]}"#]);
    }

    #[test]
    fn a_stream_is_joined_and_json_falls_through_empty_texts() {
        let stream = "{\"type\":\"item.completed\",\"item\":{\"type\":\"message\",\"text\":\"a\"}}\n\nnoise\n\
                      {\"type\":\"turn.completed\",\"message\":\"b\"}\n";
        assert_eq!(unwrap_output(OutputMode::Jsonl, stream), "a\nb");
        assert_eq!(
            unwrap_output(OutputMode::Json, r#"{"result":"","message":"m"}"#),
            "m"
        );
        assert_eq!(
            unwrap_output(OutputMode::Text, r#"{"result":"x"}"#),
            r#"{"result":"x"}"#
        );
        let results = "starting\n{\"type\":\"system\",\"message\":\"m\"}\n{\"type\":\"result\",\"result\":\"r\"}\n";
        assert_eq!(unwrap_output(OutputMode::Jsonl, results), "r");
        assert_eq!(unwrap_output(OutputMode::Json, results), "r");
        let list = r#"[{"type":"system"},{"type":"result","result":"r"}]"#;
        assert_eq!(unwrap_output(OutputMode::Json, list), "r");
    }
}
