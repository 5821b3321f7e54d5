//! A data directory of its own, and `runr store` on it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{Command, Sandbox};

/// A sandbox whose runs are kept in `scratch/data`.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) sandbox: Sandbox,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self {
            sandbox: Sandbox::bare(),
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.sandbox.scratch().join("data")
    }

    /// A `runr store` command.
    pub(crate) fn store(&self, args: &[&str]) -> Command {
        let words: Vec<_> = ["store"].iter().chain(args).copied().collect();
        self.runr(&words)
    }

    /// Any command with this data directory.
    pub(crate) fn runr(&self, args: &[&str]) -> Command {
        self.sandbox.runr(args).env("RUNR_DATA_DIR", self.data())
    }

    /// A library function on the runs of all repositories.
    pub(crate) fn call(&self, function: &str, mut arguments: Value) -> Command {
        arguments["data_store"] = serde_json::json!({});
        self.runr(&["call", function]).stdin(&arguments.to_string())
    }

    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let words: Vec<_> = args.iter().chain(&["--json"]).copied().collect();
        self.store(&words).output().exits(0).json()
    }

    #[track_caller]
    pub(crate) fn create(&self, title: &str) -> String {
        let created = self.json(&["new", "--title", title, "--runner", "claude"]);
        created["run_id"].as_str().unwrap().to_owned()
    }

    /// A run of this id.
    #[track_caller]
    pub(crate) fn create_as(&self, id: &str) -> PathBuf {
        let created = self.json(&["new", "--title", "t", "--run-id", id]);
        PathBuf::from(created["run_dir"].as_str().unwrap())
    }

    /// A run of this id whose document is this text.
    #[track_caller]
    pub(crate) fn write(&self, id: &str, text: &[u8]) -> PathBuf {
        let dir = self.create_as(id);
        fs::write(dir.join("meta.json"), text).unwrap();
        dir
    }
}

/// The least that a document must say.
pub(crate) fn least(rest: &str) -> String {
    format!(r#"{{"schema_version":"1.0","created_at":"2026-01-10T12:00:00Z"{rest}}}"#)
}
