//! The recorded behaviour of the module whose files these are, replayed on the operations over
//! files in memory.

mod calls;
mod folder;

use serde_json::{Value, json};

use calls::call;
use folder::{Files, Folder};

use crate::json::{Written, compact};
use crate::vectors::replay;

#[test]
fn every_recorded_sequence_gives_the_same_results_and_the_same_bytes() {
    replay("coordination.json", "cases", 300, |case| {
        let folder = Folder::default();
        if let Some(path) = case["pre"]["path"].as_str() {
            folder.write(path, case["pre"]["text"].as_str().unwrap());
        }
        let steps = case["steps"].as_array().unwrap();
        let (expected, actual): (Vec<_>, Vec<_>) =
            steps.iter().map(|step| replayed(&folder, step)).unzip();
        (expected.into(), actual.into())
    });
}

/// What a step should give, and what it gives.
fn replayed(folder: &Folder, step: &Value) -> (Value, Value) {
    let before = folder.files();
    let answer = call(folder, step);
    let after = folder.files();
    let expected_files = step.get("files").cloned().unwrap_or_else(|| json!({}));
    let actual_files = changes(&before, &after);
    let (expected, actual) = match step["throws"]["code"].as_str() {
        Some(code) => (code.to_owned(), answer.unwrap_or_else(code_of)),
        None => {
            let expected = expected_text(step);
            let actual = answer.map_or_else(code_of, |text| facts_of(&text, &expected));
            (without_facts(&expected), actual)
        }
    };
    (
        json!([expected, expected_files]),
        json!([actual, actual_files]),
    )
}

fn code_of(error: crate::Error) -> String {
    error.code().to_string()
}

/// The recorded result as JSON text on one line.
fn expected_text(step: &Value) -> String {
    let text = match step["resultJson"].as_str() {
        Some(text) => Written::parse(text).unwrap(),
        None => step["result"].clone().into(),
    };
    compact(&text).to_string()
}

/// What the records have in place of the message.
fn without_facts(expected: &str) -> String {
    members(expected).map_or_else(
        || expected.to_owned(),
        |members| object(&members, "message_facts"),
    )
}

/// The result without its message, or what that lacks.
fn facts_of(actual: &str, expected: &str) -> String {
    let Some(found) = members(actual) else {
        return actual.to_owned();
    };
    let message = found.iter().find(|(key, _)| key == "message");
    let wanted = members(expected).unwrap_or_default();
    let facts = wanted.iter().find(|(key, _)| key == "message_facts");
    let Some((_, facts)) = facts else {
        return object(&found, "");
    };
    let message: String = message.map_or_else(String::new, |(_, text)| value(text));
    for fact in value::<Vec<String>>(facts) {
        if !message.contains(&fact) {
            return format!("{message:?} does not name {fact:?}");
        }
    }
    object(&found, "message")
}

fn value<T: serde::de::DeserializeOwned>(text: &Written) -> T {
    serde_json::from_str(text.text()).unwrap()
}

/// The members of an object, in their order.
fn members(text: &str) -> Option<Vec<(String, Written)>> {
    let tree = crate::json::scan(text, &crate::json::Rules::default()).ok()?;
    let members = tree.root().members();
    let members = members.map(|member| (member.key_lossy(), member.value.written()));
    (tree.root().kind() == crate::json::Kind::Object).then(|| members.collect())
}

fn object(members: &[(String, Written)], without: &str) -> String {
    let members = members.iter().filter(|(key, _)| key != without);
    let members = members.map(|(key, value)| (key.as_str(), value.clone()));
    Written::object(members).to_string()
}

/// The files that differ, with `null` for those that are gone.
fn changes(before: &Files, after: &Files) -> Value {
    let paths = before.keys().chain(after.keys());
    let differ = paths.filter(|path| before.get(*path) != after.get(*path));
    differ
        .map(|path| (path.clone(), json!(after.get(path))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
