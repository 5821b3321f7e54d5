//! The record between its text and its meaning.
//!
//! Other programs read and write it, in JavaScript: of repeated keys the last one counts, what has
//! the wrong type is as good as absent, and what nobody knows is dropped by the next writer. The
//! history alone is kept whatever it holds; it is printed only when the record is.

use super::model::{
    ActiveRun, ExitSignal, HistoryEvent, PreviousRun, Record, RunName, SUPPORTED_SCHEMAS,
};
use super::rules::Now;
use super::target::{Target, TargetKind};
use super::text::Text;
use crate::error::{Code, Error, Result};
use crate::json::{BadJson, Kind, Node, Rules, Written, compact, pretty, scan};

/// The way out of a record that nobody can use.
const REPAIR: &str = "a person must look at the record; `runr owner repair` rebuilds it";

/// Down to here the values of a record are looked at one by one.
const LEVELS: usize = 2;

/// Reads the text of a record; `None` if it is the JSON value `null`.
///
/// # Errors
/// `E_STORE_CORRUPT` for what is no JSON, is no object, or has no target; `E_RECORD_SCHEMA`;
/// `E_TARGET_INVALID` if its target is none; `E_RECORD_TARGET_MISMATCH` if it is another one. No
/// error names the path.
pub fn read_record(text: &str, target: &Target) -> Result<Option<Record>> {
    let tree = scan(text, &Rules::default().levels(LEVELS)).map_err(|bad| unreadable(&bad))?;
    let root = tree.root();
    match root.kind() {
        Kind::Null => return Ok(None),
        Kind::Object | Kind::Array => {}
        _ => return Err(corrupt("it must be an object")),
    }
    check_schema(root.get_last("schemaVersion"))?;
    check_target(root.get_last("target"), target)?;
    Ok(Some(Record {
        target: target.clone(),
        active_run: root.get_last("activeRun").and_then(active_run),
        previous_run: root.get_last("previousRun").and_then(previous_run),
        history: root.get_last("history").map(history).unwrap_or_default(),
        exit_signals: root
            .get_last("exitSignals")
            .map(exit_signals)
            .unwrap_or_default(),
    }))
}

/// The text of a record, as it is written to its file.
#[must_use]
pub fn record_text(record: &Record) -> String {
    let value = raw(record);
    // A text that could not be read again is worse than one without indentation.
    let limit = Rules::default().max_bytes;
    let mut text = pretty(&value, limit).unwrap_or_else(|| compact(&value).to_string());
    text.push('\n');
    text
}

/// A record of a target that this run owns, or nobody.
#[must_use]
pub fn create(target: &Target, run_id: Option<RunName>, now: &Now) -> Record {
    let mut record = Record::new(target.clone());
    if let Some(run_id) = run_id {
        let event = HistoryEvent::new("claim", &run_id, None, &now.stamp);
        record.history.push(event);
        record.active_run = Some(ActiveRun::new(run_id, now));
    }
    record
}

impl Record {
    /// The record on one line, as results show it.
    #[must_use]
    pub fn to_json(&self) -> Written {
        compact(&raw(self))
    }
}

/// The record, with the events as they were read.
fn raw(record: &Record) -> Written {
    let [.., schema] = SUPPORTED_SCHEMAS;
    let history = record.history.iter().map(|event| &event.0);
    Written::object([
        ("schemaVersion", Written::trusted(schema.to_string())),
        ("target", Written::object(record.target.members())),
        ("activeRun", record.active_run.as_ref().into()),
        ("previousRun", record.previous_run.as_ref().into()),
        ("history", Written::array(history)),
        ("exitSignals", record.exit_signals.as_slice().into()),
    ])
}

fn check_schema(version: Option<Node<'_>>) -> Result<()> {
    let number = version
        .filter(|version| version.kind() == Kind::Number)
        .and_then(|version| version.text().parse::<f64>().ok());
    // The value counts, not its spelling: 2.0 is 2.
    if number.is_some_and(|number| {
        SUPPORTED_SCHEMAS
            .iter()
            .any(|known| f64::from(*known) == number)
    }) {
        return Ok(());
    }
    let found = version.map_or("undefined", Node::text);
    let message =
        format!("the record has schema version {found}; supported are {SUPPORTED_SCHEMAS:?}");
    Err(Error::new(Code::RecordSchema, message)
        .with("schema_version", found)
        .hint("use a version of runr that knows this schema"))
}

fn check_target(found: Option<Node<'_>>, wanted: &Target) -> Result<()> {
    let found = found
        .filter(|found| matches!(found.kind(), Kind::Object | Kind::Array))
        .ok_or_else(|| corrupt("it has no target"))?;
    // Whole, as a number may stand in an array.
    let tree = scan(found.text(), &Rules::default()).map_err(|bad| unreadable(&bad))?;
    let read = match wanted.kind() {
        // Other programs know no kinds, and drop the word.
        TargetKind::Pr => Target::of_kind(TargetKind::Pr, tree.root()),
        TargetKind::Issue | TargetKind::Branch => Target::from_json(tree.root()),
    };
    let read = read.map_err(|error| {
        let message = format!("the target of the record cannot be used: {error}");
        error.reworded(message).hint(REPAIR)
    })?;
    if read == *wanted {
        return Ok(());
    }
    let message = format!("the record is the one of {read}, not of {wanted}");
    Err(Error::new(Code::RecordTargetMismatch, message)
        .with("found", read.to_string())
        .with("expected", wanted.to_string())
        .hint(REPAIR))
}

fn active_run(node: Node<'_>) -> Option<ActiveRun> {
    Some(ActiveRun {
        run_id: run_name(node, "runId")?,
        claimed_at: text(node, "claimedAt"),
        updated_at: text(node, "updatedAt"),
    })
}

fn previous_run(node: Node<'_>) -> Option<PreviousRun> {
    Some(PreviousRun {
        run_id: run_name(node, "runId")?,
        replaced_at: text(node, "replacedAt"),
        replaced_by: run_name(node, "replacedByRunId"),
    })
}

/// The events share the text of the whole history: a record is copied more often than it is read.
fn history(node: Node<'_>) -> Vec<HistoryEvent> {
    match node.kind() {
        Kind::Array => node
            .written_elements()
            .into_iter()
            .map(HistoryEvent)
            .collect(),
        _ => Vec::new(),
    }
}

fn exit_signals(node: Node<'_>) -> Vec<ExitSignal> {
    if node.kind() != Kind::Array {
        return Vec::new();
    }
    // They lie one level deeper than the rest. The text was scanned before, so it is no error.
    let Ok(tree) = scan(node.text(), &Rules::default().levels(LEVELS)) else {
        return Vec::new();
    };
    tree.root().elements().filter_map(exit_signal).collect()
}

fn exit_signal(node: Node<'_>) -> Option<ExitSignal> {
    Some(ExitSignal {
        run_id: run_name(node, "runId")?,
        at: text(node, "at"),
        reason: text(node, "reason").and_then(|reason| ExitSignal::reason(&reason)),
    })
}

/// The text of a member of an object; `None` for everything else.
fn text(node: Node<'_>, key: &str) -> Option<Text> {
    node.get_last(key).and_then(Text::of)
}

fn run_name(node: Node<'_>, key: &str) -> Option<RunName> {
    text(node, key).and_then(RunName::new)
}

fn corrupt(reason: &str) -> Error {
    Error::new(
        Code::StoreCorrupt,
        format!("the record cannot be used: {reason}"),
    )
    .with("cause", reason)
    .hint(REPAIR)
}

fn unreadable(bad: &BadJson) -> Error {
    corrupt(&bad.to_string()).with("offset", bad.offset)
}

#[cfg(test)]
mod tests;
