//! An entry of `index.json`, added or brought up to date: one replaced or inserted piece of text.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::index::{INDEX_LIMIT, Index};
use super::meta::unreadable;
use super::rules::check_item_id;
use crate::error::{Code, Error, Result};
use crate::json::{
    BadJson, Bom, Editor, Kind, Node, Rules, Splice, insertion, mean_the_same, quote, scan,
};
use crate::time::Timestamp;

/// How far a new work item has come: no flow is sealed yet.
const PENDING: &str = "\"PENDING\"";
/// The fields that point to something, in the order of a new entry.
pub(super) const POINTERS: [&str; 5] = [
    "canonical_key",
    "task_key",
    "task_title",
    "issue_number",
    "pr_number",
];

/// What an upsert says about a work item. A pointer that is missing or null says nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "the fields of an entry, which docs/files.md explains"
)]
pub struct IndexEntry {
    pub run_id: String,
    #[serde(default)]
    pub canonical_key: Option<String>,
    #[serde(default)]
    pub task_key: Option<String>,
    #[serde(default)]
    pub task_title: Option<String>,
    #[serde(default)]
    pub issue_number: Option<u64>,
    #[serde(default)]
    pub pr_number: Option<u64>,
    pub updated_at: Timestamp,
    pub last_flow: String,
}

impl IndexEntry {
    fn pointer(&self) -> Result<Pointer> {
        check_item_id(&self.run_id)?;
        let text = |value: &Option<String>| value.as_deref().map(quote);
        let number = |value: Option<u64>| value.map(|number| number.to_string());
        Ok(Pointer {
            run_id: self.run_id.clone(),
            targets: [
                text(&self.canonical_key),
                text(&self.task_key),
                text(&self.task_title),
                number(self.issue_number),
                number(self.pr_number),
            ],
            updated_at: self.updated_at,
            last_flow: self.last_flow.clone(),
        })
    }
}

/// The same, with the targets as JSON in the order of [`POINTERS`]: nobody may spell them anew.
#[derive(Debug, Clone)]
pub(super) struct Pointer {
    pub(super) run_id: String,
    pub(super) targets: [Option<String>; 5],
    pub(super) updated_at: Timestamp,
    pub(super) last_flow: String,
}

impl Pointer {
    fn targets(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        POINTERS
            .into_iter()
            .zip(self.targets.iter().map(Option::as_deref))
    }

    fn stamps(&self) -> [(&'static str, String); 2] {
        [
            ("updated_at", quote(&self.updated_at.to_seconds_string())),
            ("last_flow", quote(&self.last_flow)),
        ]
    }

    fn new_entry(&self) -> String {
        let [(_, updated_at), (_, last_flow)] = self.stamps();
        let mut fields = vec![format!("\"run_id\": {}", quote(&self.run_id))];
        for (key, target) in self.targets() {
            fields.push(format!("\"{key}\": {}", target.unwrap_or("null")));
        }
        fields.push(format!("\"updated_at\": {updated_at}"));
        fields.push(format!("\"status\": {PENDING}"));
        fields.push(format!("\"last_flow\": {last_flow}"));
        format!("{{{}}}", fields.join(", "))
    }
}

/// An index after an upsert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpsertOutcome {
    /// Its text.
    pub text: String,
    /// Whether it differs from what was there.
    pub changed: bool,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Adds a work item to the text of an index, or brings its entry up to date. Every byte around it
/// stays as it is, and so does what an entry says that `entry` says nothing about.
///
/// # Errors
/// `E_STORE_CORRUPT` with the place; `E_INDEX_VERSION`; `E_INVALID_ID`.
pub fn upsert_index(text: Option<&str>, entry: &IndexEntry) -> Result<UpsertOutcome> {
    let index = Index::read(text)?;
    let edit = edit(&index, &entry.pointer()?)?;
    let before = text.unwrap_or_default();
    let after = edit.apply(before.to_owned());
    Ok(UpsertOutcome {
        changed: after != before,
        text: after,
        notes: edit.notes,
    })
}

/// How an index changes.
#[derive(Debug)]
pub(super) struct IndexEdit {
    /// Pieces of the text, the last one first; nothing if all of the text is new.
    splice: Option<Splice>,
    whole: Option<String>,
    pub(super) notes: Vec<String>,
}

impl IndexEdit {
    /// The text after it.
    pub(super) fn apply(&self, mut text: String) -> String {
        if let Some(whole) = &self.whole {
            return whole.clone();
        }
        if let Some((range, new)) = &self.splice {
            text.replace_range(range.clone(), new);
        }
        text
    }
}

/// What an upsert changes.
pub(super) fn edit(index: &Index<'_>, pointer: &Pointer) -> Result<IndexEdit> {
    let new = pointer.new_entry();
    let whole = |text: String| IndexEdit {
        splice: None,
        whole: Some(text),
        notes: Vec::new(),
    };
    let Some(tree) = &index.tree else {
        let members = [("version", "1"), ("runs", &format!("[{new}]"))];
        return with_members("{}\n", &members).map(whole);
    };
    let Some(runs) = index.runs() else {
        return with_members(tree.text(), &[("runs", &format!("[{new}]"))]).map(whole);
    };
    if let Some(row) = index.rows().find(|row| row.is_called(&pointer.run_id)) {
        return update(row.node, pointer);
    }
    let splice = insertion(tree, runs, position(index, &pointer.run_id), &new);
    Ok(IndexEdit {
        splice: Some(splice.map_err(|bad| unreadable("index.json", &bad))?),
        whole: None,
        notes: Vec::new(),
    })
}

fn with_members(text: &str, members: &[(&str, &str)]) -> Result<String> {
    let rules = Rules::default().max_bytes(INDEX_LIMIT).bom(Bom::Keep);
    let mut editor = Editor::new(text, rules).map_err(|bad| unreadable("index.json", &bad))?;
    editor
        .set_members(members)
        .map_err(|bad| unreadable("index.json", &bad))?;
    Ok(editor.finish())
}

/// Where a new entry stands: after the last one that is not greater if they are sorted, else last.
fn position(index: &Index<'_>, id: &str) -> usize {
    let mut before: Option<Cow<'_, str>> = None;
    let (mut position, mut count) = (0, 0);
    for row in index.rows() {
        count += 1;
        let Some(here) = row.id() else {
            return usize::MAX;
        };
        if before.is_some_and(|before| *before > *here) {
            return usize::MAX;
        }
        if *here <= *id {
            position = count;
        }
        before = Some(here);
    }
    position
}

/// Brings an entry up to date: what it points to is replaced, never removed.
fn update(entry: Node<'_>, pointer: &Pointer) -> Result<IndexEdit> {
    let bad = |bad: BadJson| {
        let message = format!(
            "cannot change the entry of {} in index.json: {}",
            pointer.run_id, bad.reason
        );
        Error::new(Code::StoreCorrupt, message).with("offset", entry.span().start + bad.offset)
    };
    let mut notes = Vec::new();
    let rules = Rules::default().max_bytes(INDEX_LIMIT);
    let tree = scan(entry.text(), &rules.clone().levels(1)).map_err(bad)?;
    let stored = |key: &str| tree.root().get(key).filter(|it| it.kind() != Kind::Null);
    let mut members: Vec<(&str, String)> = Vec::new();
    for (key, target) in pointer.targets() {
        let Some(target) = target else { continue };
        if let Some(old) =
            stored(key).filter(|old| !mean_the_same(old.text(), target).unwrap_or(false))
        {
            notes.push(format!(
                "index: {key} was {}, run_meta.json says {target}",
                old.text()
            ));
        }
        members.push((key, target.to_owned()));
    }
    let [updated_at, last_flow] = pointer.stamps();
    members.push(updated_at);
    if stored("status").is_none() {
        members.push(("status", PENDING.to_owned()));
    }
    members.push(last_flow);
    let members: Vec<_> = members
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let mut editor = Editor::new(entry.text(), rules).map_err(bad)?;
    editor.set_members(&members).map_err(bad)?;
    Ok(IndexEdit {
        splice: Some((entry.span(), editor.finish())),
        whole: None,
        notes,
    })
}
