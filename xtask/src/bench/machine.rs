//! What the figures were measured on.

use std::process::Command;

use serde_json::{Map, Value};

use super::Bench;

/// Facts without which no figure means anything.
pub(crate) fn facts(bench: &Bench) -> Map<String, Value> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let folder = bench.folder.path().display().to_string();
    let facts = [
        ("cores", Value::from(cores)),
        ("kernel", said("uname", &["-sr"]).into()),
        ("git", said("git", &["--version"]).into()),
        ("disk", disk(&folder).into()),
    ];
    facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Type and source of the file system that holds the measured files.
fn disk(folder: &str) -> String {
    let text = said("df", &["-T", folder]);
    let line = text.lines().last().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().take(2).collect();
    words.join(" ")
}

fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
