//! The hostile texts of this folder, for every test that wants them.
#![allow(
    dead_code,
    reason = "each test binary uses its own part of this module"
)]

use serde_json::Value;

/// The run and the repository that the documents of the folder know.
pub(crate) const RUN: &str = "gh-17";
pub(crate) const REPO: &str = "abcd1234ef567890";

/// A text of the folder.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Where the damage begins, if it does anywhere.
    pub(crate) here: Option<u64>,
    /// What must be in the file after a change of another field.
    pub(crate) keeps: String,
}

/// The `refused` or the `kept` texts of `documents` or `events`.
pub(crate) fn texts(file: &str, list: &str) -> Vec<Text> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/hostile");
    let text = std::fs::read_to_string(format!("{folder}/{file}.json")).unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    table[list].as_array().unwrap().iter().map(read).collect()
}

fn read(row: &Value) -> Text {
    let (mut bytes, mut here) = (Vec::new(), None);
    for part in row["parts"].as_array().unwrap() {
        match part {
            Value::Null => here = Some(bytes.len() as u64),
            Value::String(text) => bytes.extend_from_slice(text.as_bytes()),
            part => match part["hex"].as_str() {
                Some(hex) => bytes.extend(decode(hex)),
                None => {
                    let times = usize::try_from(part["times"].as_u64().unwrap()).unwrap();
                    bytes.extend(part["repeat"].as_str().unwrap().repeat(times).bytes());
                }
            },
        }
    }
    Text {
        name: row["name"].as_str().unwrap().to_owned(),
        bytes,
        here,
        keeps: row["keeps"].as_str().unwrap_or_default().to_owned(),
    }
}

fn decode(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex
        .chars()
        .map(|digit| digit.to_digit(16).unwrap())
        .collect();
    let byte = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).unwrap();
    digits.chunks(2).map(byte).collect()
}
