//! What happened to a run: `events.jsonl`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ops::RunStore;
use super::rules::is_known_version;
use crate::error::Result;
use crate::fs::{BadRecord, Journal, Sequenced};
use crate::id::RunId;
use crate::json::{Kind, Node, Rules, scan_bytes};
use crate::time::Timestamp;

const EVENTS: &str = "events.jsonl";
/// Arguments of commands may hold secrets.
const EVENTS_MODE: u32 = 0o600;

/// A line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoreEvent {
    /// The version of the format.
    #[serde(default)]
    pub schema_version: String,
    /// When it happened, as it was written.
    #[serde(default)]
    pub timestamp: String,
    /// The repository.
    #[serde(default)]
    pub repo_id: String,
    /// The run.
    #[serde(default)]
    pub run_id: String,
    /// What happened.
    #[serde(default)]
    pub event: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Its number. Lines of other programs have none; they count by their place.
    #[serde(default)]
    pub seq: u64,
}

impl Sequenced for StoreEvent {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn adopt(&mut self, seq: u64) -> bool {
        self.seq = seq;
        true
    }

    fn not_before(&mut self, last: &Self) {
        // What others wrote may be no time at all; then there is nothing to keep to.
        let times = (self.timestamp.parse(), last.timestamp.parse());
        if let (Ok(now), Ok(last)) = times {
            self.timestamp = Timestamp::max(now, last).to_string();
        }
    }

    /// Other programs append too: what is not ours to judge must not make the file unreadable.
    /// Numbers beyond a float and halves of surrogate pairs are read as near as they can be, `null`
    /// counts as absent, and unknown fields are passed over.
    fn parse(line: &[u8]) -> Result<Self, BadRecord> {
        let bad = |reason: String| Err(BadRecord::new(reason));
        let tree = match scan_bytes(line, &Rules::default()) {
            Ok(tree) => tree,
            Err(error) => return bad(format!("{}, column {}", error.reason, error.column)),
        };
        let root = tree.root();
        if root.kind() != Kind::Object {
            return bad("it is not a JSON object".to_owned());
        }
        if let Some(repeated) = root.repeated_key() {
            return bad(format!("the key {} is repeated", repeated.key_text()));
        }
        let field = |key: &str| root.get(key).filter(|node| node.kind() != Kind::Null);
        let text = |key: &str| match field(key).map(Node::as_str_lossy) {
            None => Ok(String::new()),
            Some(Some(text)) => Ok(text),
            Some(None) => Err(BadRecord::new(format!("`{key}` is not a string"))),
        };
        let seq = field("seq").map(|node| node.as_i64().and_then(|seq| u64::try_from(seq).ok()));
        Ok(Self {
            schema_version: version(text("schema_version")?)?,
            timestamp: text("timestamp")?,
            repo_id: text("repo_id")?,
            run_id: text("run_id")?,
            event: text("event")?,
            data: field("data").map(Node::to_value),
            seq: seq
                .unwrap_or(Some(0))
                .ok_or_else(|| BadRecord::new("`seq` is no number of a line"))?,
        })
    }
}

/// A line without a version is as good as one of the present version.
fn version(version: String) -> Result<String, BadRecord> {
    if version.is_empty() || is_known_version(&version) {
        return Ok(version);
    }
    Err(BadRecord {
        schema_version: Some(version.clone()),
        ..BadRecord::new(format!("version {version} of the format is unknown"))
    })
}

impl RunStore {
    /// Appends an event to those of a run, durably.
    ///
    /// # Errors
    /// `E_RUN_NOT_FOUND`; `E_STORE_CORRUPT` if the last line cannot be read; and those of a
    /// durable write.
    pub fn append_event(
        &self,
        id: &RunId,
        event: &str,
        data: Option<Value>,
        now: Timestamp,
    ) -> Result<StoreEvent> {
        let repo_id = self.repo_id().unwrap_or_default();
        let appended = self.events_journal(id).append(|seq| StoreEvent {
            schema_version: "1.0".to_owned(),
            timestamp: now.to_string(),
            repo_id: repo_id.to_owned(),
            run_id: id.to_string(),
            event: event.to_owned(),
            data,
            seq,
        });
        appended.map_err(|error| self.unless_missing(id, error))
    }

    /// The events of a run with a number above `since`; a run without events has none.
    ///
    /// # Errors
    /// `E_RUN_NOT_FOUND`; `E_STORE_CORRUPT` with `offset` and `line`; `E_IO`.
    pub fn events(&self, id: &RunId, since: u64) -> Result<Vec<StoreEvent>> {
        let events = self.events_journal(id).replay(since)?;
        if events.is_empty() && !self.exists(id)? {
            return Err(self.not_found(id));
        }
        Ok(events)
    }

    pub(super) fn events_journal(&self, id: &RunId) -> Journal<StoreEvent> {
        Journal::new(self.storage.clone(), self.run_dir(id), EVENTS)
            .mode(EVENTS_MODE)
            .wait(self.wait.clone())
    }
}
