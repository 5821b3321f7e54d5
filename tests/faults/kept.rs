//! A data directory with runs that `runr store` keeps, looked at without runr.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Command, Output, Sandbox};

/// The run that the suites change.
pub(crate) const RUN: &str = "gh-17";

/// A data directory, and who asks.
#[derive(Debug, Clone)]
pub(crate) struct Kept<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) data: PathBuf,
}

impl<'a> Kept<'a> {
    pub(crate) fn at(sandbox: &'a Sandbox, data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        Self { sandbox, data }
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let command = self.sandbox.runr(&["store"]).args(words).args(&["--json"]);
        command.env("RUNR_DATA_DIR", &self.data)
    }

    pub(crate) fn store(&self, words: &[&str]) -> Output {
        self.command(words).output()
    }

    /// Makes the run, with `n` 1 and one event.
    pub(crate) fn with_run(self) -> Self {
        self.store(&["new", "--run-id", RUN, "--title", "t"])
            .exits(0);
        self.store(&["set", RUN, "/n=1"]).exits(0);
        self.store(&["events", RUN, "--append", "stop"]).exits(0);
        self
    }

    /// What the files say.
    pub(crate) fn found(&self) -> Found {
        let mut found = Found::default();
        found.look(&self.data);
        found
    }

    /// The field `n` of the run; 0 where there is none.
    pub(crate) fn number(&self) -> u64 {
        let found = self.found();
        let n = found.documents.get(RUN).and_then(|meta| meta["n"].as_u64());
        n.unwrap_or(0)
    }

    /// How many events the run has.
    pub(crate) fn events(&self) -> u64 {
        let found = self.found();
        found.events.get(RUN).map_or(0, Vec::len) as u64
    }
}

/// The runs in a directory, without what depends on the time, and temporary names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Found {
    pub(crate) documents: BTreeMap<String, Value>,
    pub(crate) events: BTreeMap<String, Vec<Value>>,
    pub(crate) leftovers: Vec<PathBuf>,
}

impl Found {
    fn look(&mut self, dir: &Path) {
        let Ok(entries) = fs::read_dir(dir) else {
            return;
        };
        let is_runs = dir.ends_with("runs");
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with('.') {
                if name.ends_with(".tmp") {
                    self.leftovers.push(path);
                }
            } else if path.is_dir() {
                if is_runs {
                    self.read(name, &path);
                }
                self.look(&path);
            }
        }
    }

    fn read(&mut self, run: &str, dir: &Path) {
        // A directory of that name without a whole document is never seen.
        let text = fs::read_to_string(dir.join("meta.json"))
            .unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let meta = whole(&text, dir);
        self.documents.insert(run.to_owned(), meta);
        let events = fs::read_to_string(dir.join("events.jsonl")).unwrap_or_default();
        // What follows the last line feed was not acknowledged, and no reader sees it.
        let end = events.rfind('\n').map_or(0, |end| end + 1);
        let events: Vec<Value> = events[..end].lines().map(|line| whole(line, dir)).collect();
        for (event, seq) in events.iter().zip(1..) {
            assert_eq!(event["seq"], seq, "{}", dir.display());
        }
        self.events.insert(run.to_owned(), events);
    }

    /// Temporary files of runs. A directory of that kind has a name of its own, and is cleared up
    /// later; the two documents of the repository have one name each, which their next writer takes.
    pub(crate) fn unfinished_files(&self) -> usize {
        let of_a_run = |path: &&PathBuf| path.is_file() && path.iter().any(|it| it == "runs");
        self.leftovers.iter().filter(of_a_run).count()
    }

    /// The same without temporary names: what readers see.
    pub(crate) fn seen(mut self) -> Self {
        self.leftovers.clear();
        self
    }
}

fn whole(text: &str, place: &Path) -> Value {
    let mut value: Value = serde_json::from_str(text)
        .unwrap_or_else(|error| panic!("torn, {}: {error}: {text:?}", place.display()));
    for time in ["created_at", "timestamp"] {
        value.as_object_mut().unwrap().remove(time);
    }
    value
}
