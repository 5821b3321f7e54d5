//! The rows of `tests/parity/operations.json`, run by Rust and by the command line.
//!
//! Python and Node run the same rows; a rule that answers differently in one language fails there.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const TABLE: &str = include_str!("../../../tests/parity/operations.json");

fn table() -> Value {
    serde_json::from_str(TABLE).unwrap()
}

fn rows() -> Vec<Value> {
    table()["rows"].as_array().unwrap().clone()
}

/// What a row expects, against what came back: a result or the JSON form of an error.
fn difference(row: &Value, found: &Result<Value, Value>) -> Option<String> {
    let fits = match (
        row.get("result"),
        row.get("includes"),
        row.get("error"),
        found,
    ) {
        (Some(result), _, _, Ok(value)) => result == value,
        (_, Some(part), _, Ok(value)) => includes(value, part),
        (_, _, Some(error), Err(form)) => includes(form, error),
        _ => false,
    };
    (!fits).then(|| format!("{} / {}: {found:?}", row["operation"], row["name"]))
}

fn includes(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|found| includes(found, value))),
        (Value::Array(whole), Value::Array(part)) => part
            .iter()
            .all(|value| whole.iter().any(|found| includes(found, value))),
        _ => whole == part,
    }
}

/// The row with the path of its fresh directory in it.
fn placed(row: &Value, directory: &Path) -> Value {
    let text = serde_json::to_string(directory.to_str().unwrap()).unwrap();
    let inside_quotes = text.trim_matches('"');
    serde_json::from_str(&row.to_string().replace("{tmp}", inside_quotes)).unwrap()
}

fn set_up(row: &Value, directory: &Path) {
    let setup = &row["setup"];
    if setup["git"] == json!(true) {
        let made = Command::new("git")
            .args(["init", "--quiet", "--initial-branch=main"])
            .current_dir(directory)
            .status();
        assert!(made.unwrap().success());
    }
    for dir in setup["dirs"].as_array().into_iter().flatten() {
        std::fs::create_dir_all(directory.join(dir.as_str().unwrap())).unwrap();
    }
    for (path, text) in setup["files"].as_object().into_iter().flatten() {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.as_str().unwrap()).unwrap();
    }
}

/// Runs every row in its own directory and reports all rows that differ at once.
fn run_all(call: impl Fn(&Value) -> Result<Value, Value>) {
    let rows = rows();
    let mut wrong = Vec::new();
    for row in &rows {
        let directory = tempfile::tempdir().unwrap();
        // The real path: results name it, whatever links lead to the temporary directory.
        let directory = directory.path().canonicalize().unwrap();
        let row = placed(row, &directory);
        set_up(&row, &directory);
        wrong.extend(difference(&row, &call(&row)));
    }
    assert!(
        wrong.is_empty(),
        "{} of {} rows differ:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_operation_has_a_row_and_every_row_an_operation() {
    let known: BTreeSet<_> = runr_cli::embed::operations().iter().copied().collect();
    let table = table();
    let listed: BTreeSet<_> = table["operations"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let rows = rows();
    let tried: BTreeSet<_> = rows
        .iter()
        .map(|row| row["operation"].as_str().unwrap())
        .collect();
    assert_eq!(known, listed);
    assert_eq!(known, tried);
}

#[test]
fn the_core_answers_every_row() {
    run_all(|row| {
        let args = row["args"].to_string();
        match runr_cli::embed::call(row["operation"].as_str().unwrap(), &args) {
            Ok(text) => Ok(serde_json::from_str(&text).unwrap()),
            Err(error) => {
                let mut form = error.to_json();
                form["class"] = json!(error.code().class().as_str());
                form["exit"] = json!(error.code().exit());
                Err(form)
            }
        }
    });
}

#[test]
fn the_command_line_answers_every_row_in_one_compact_line() {
    run_all(|row| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_runr"))
            .args(["call", row["operation"].as_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(row["args"].to_string().as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "{line}");
        let mut value: Value = serde_json::from_str(line).unwrap();
        if output.status.success() {
            return Ok(value);
        }
        value["exit"] = json!(output.status.code());
        // A class is a thing of programs; the command line has only the exit status.
        value["class"] = row["error"]["class"].clone();
        Err(value)
    });
}
