//! Claims under real processes: killed, suspended, many at once, beside programs that know no
//! tokens, and in namespaces of their own.
//!
//! `RUNR_TEST_LONG=1` runs the full counts; the seed is printed, and `RUNR_TEST_SEED` repeats it
//! (the moments of the kills, not the scheduling of the machine).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod child;
mod crowd;
mod kills;
mod legacy;
mod namespaces;
mod suspended;

use std::path::PathBuf;

use serde_json::Value;
use support::{Command, Output, Sandbox};

/// The target that all tests claim.
const TARGET: [&str; 4] = ["--repo", "acme/shop", "--pr", "17"];

/// Whether the full counts are wanted.
fn long() -> bool {
    std::env::var_os("RUNR_TEST_LONG").is_some()
}

/// Claims below a repository, looked at without runr where that matters.
struct Claims<'a>(&'a Sandbox);

impl Claims<'_> {
    fn command(&self, operation: &str, run: &str, flags: &[&str]) -> Command {
        let command = self
            .0
            .runr(&["owner", operation, "--json", "--run-id", run]);
        command.args(&TARGET).args(flags)
    }

    fn owner(&self, operation: &str, run: &str, flags: &[&str]) -> Output {
        self.command(operation, run, flags).output()
    }

    fn file(&self, extension: &str) -> PathBuf {
        let folder = ".pi/runner-coordination/acme/shop";
        self.0
            .repo()
            .join(folder)
            .join(format!("pr-17.{extension}"))
    }

    /// A document beside the record, or the record itself; it must be whole.
    fn document(&self, extension: &str) -> Option<Value> {
        let text = std::fs::read_to_string(self.file(extension)).ok()?;
        Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    fn token(&self) -> u64 {
        let fence = self.document("fence.json");
        fence.map_or(0, |fence| fence["token"].as_u64().unwrap())
    }

    /// The lines of the archive.
    fn archive(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file("history.jsonl")).unwrap_or_default();
        let line = |line: &str| serde_json::from_str(line).unwrap();
        text.lines().map(line).collect()
    }
}
