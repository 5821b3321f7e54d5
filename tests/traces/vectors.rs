//! The recorded traces, and the cases that are excepted by name.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// One recorded run.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) input: Value,
    pub(crate) expect: Value,
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

/// Every trace of the vector file.
pub(crate) fn traces() -> Vec<Trace> {
    let text = fs::read_to_string(directory().join("phase-transitions.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let trace = |value: &Value| Trace {
        id: value["id"].as_str().unwrap().to_owned(),
        title: value["title"].as_str().unwrap().to_owned(),
        input: value["input"].clone(),
        expect: value["expect"].clone(),
    };
    file["traces"]
        .as_array()
        .unwrap()
        .iter()
        .map(trace)
        .collect()
}

/// The trace ids that `exceptions.toml` excepts from a file.
///
/// Only what that file contains is understood: tables `[[exception]]` of one-line strings. An entry
/// without a rule is a mistake, not an exception. Entries about other sections of the file, which
/// name no trace, are other tests' business.
pub(crate) fn exceptions(file: &str) -> Vec<String> {
    let text = fs::read_to_string(directory().join("exceptions.toml")).unwrap_or_default();
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut found = Vec::new();
    for table in text.split("[[exception]]").skip(1) {
        let field = |name: &str| {
            let line = table
                .lines()
                .map(str::trim)
                .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
            line.map(|value| value.trim().trim_matches('"').to_owned())
        };
        let case = field("case").unwrap_or_else(|| panic!("an exception without a case: {table}"));
        assert!(
            field("rule").is_some_and(|rule| !rule.is_empty()),
            "the exception {case} names no rule"
        );
        let is_trace = case.len() == 3 && case.starts_with('s');
        if field("file").as_deref() == Some(file) && is_trace {
            found.push(case);
        }
    }
    found
}
