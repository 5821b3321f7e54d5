//! An entry of `index.json`, added or brought up to date: one replaced or inserted piece of text.

mod passing;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::index::{INDEX_LIMIT, Index, rules};
use super::meta::unreadable;
use super::rules::check_item_id;
use crate::error::{Code, Error, Result};
use crate::json::{
    BadJson, Editor, Kind, Rules, Splice, gap_before, insertion, mean_the_same, quote, scan,
};
use crate::time::Timestamp;

pub use self::passing::{Upserted, upsert_index_in};

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
    let after = edit.apply(before);
    Ok(UpsertOutcome {
        changed: after != before,
        text: after,
        notes: edit.notes,
    })
}

/// How an index changes.
#[derive(Debug)]
pub(super) struct IndexEdit {
    /// The piece of the text that is replaced, and by what.
    pub(super) splice: Splice,
    pub(super) notes: Vec<String>,
}

impl IndexEdit {
    /// How long the text is after it.
    pub(super) fn length(&self, text: &str) -> usize {
        let (range, new) = &self.splice;
        text.len() - range.len() + new.len()
    }

    /// The text after it.
    pub(super) fn apply(&self, text: &str) -> String {
        let (range, new) = &self.splice;
        [&text[..range.start], new, &text[range.end..]].concat()
    }
}

/// What an upsert changes.
pub(super) fn edit(index: &Index<'_>, pointer: &Pointer) -> Result<IndexEdit> {
    let new = pointer.new_entry();
    let Some(text) = index.text() else {
        let members = [("version", "1"), ("runs", &format!("[{new}]"))];
        return with_members("{}\n", &members).map(|text| whole(index, text));
    };
    if index.runs().is_none() {
        let text = with_members(text, &[("runs", &format!("[{new}]"))])?;
        return Ok(whole(index, text));
    }
    if let Some(row) = index.rows().find(|row| row.is_called(&pointer.run_id)) {
        return update(&text[row.span()], row.span().start, pointer);
    }
    let splice = insert(index, text, position(index, &pointer.run_id), &new);
    Ok(IndexEdit {
        splice: splice.map_err(|bad| unreadable("index.json", &bad))?,
        notes: Vec::new(),
    })
}

/// All of the text is replaced.
fn whole(index: &Index<'_>, text: String) -> IndexEdit {
    IndexEdit {
        splice: (0..index.length(), text),
        notes: Vec::new(),
    }
}

fn with_members(text: &str, members: &[(&str, &str)]) -> Result<String> {
    let mut editor = Editor::new(text, rules()).map_err(|bad| unreadable("index.json", &bad))?;
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

/// What inserts an entry before the one at `position`, or last if there are fewer.
fn insert(
    index: &Index<'_>,
    text: &str,
    position: usize,
    new: &str,
) -> std::result::Result<Splice, BadJson> {
    let next = index.rows().nth(position);
    let neighbour = next.or_else(|| index.rows().last());
    let runs = index.runs().unwrap_or_default();
    if let Some(row) = neighbour {
        let gap = gap_before(text, row.span().start);
        let (head, entry) = (&text[..=runs.start], &text[row.span()]);
        if let Some((range, new)) = beside(head, gap, entry, new, next.is_some())? {
            let start = row.span().start;
            return Ok((start + range.start..start + range.end, new));
        }
    }
    let tree = scan(text, &rules().levels(2))?;
    let runs = tree.root().get("runs").unwrap_or(tree.root());
    insertion(&tree, runs, position, new)
}

/// What inserts an entry before or behind another one, whose place counts from the beginning of
/// that one: for that nothing needs to be known but the text before the entries, and what
/// separates them. Nothing if they stand side by side: then it depends on more.
fn beside(
    head: &str,
    gap: &str,
    entry: &str,
    new: &str,
    before: bool,
) -> std::result::Result<Option<Splice>, BadJson> {
    if !gap.contains('\n') {
        return Ok(None);
    }
    let excerpt = format!("{head}{gap}{entry}]}}");
    let tree = scan(&excerpt, &rules().levels(2))?;
    let Some(runs) = tree.root().get("runs") else {
        return Ok(None);
    };
    let position = if before { 0 } else { usize::MAX };
    let (range, new) = insertion(&tree, runs, position, new)?;
    let start = head.len() + gap.len();
    Ok(Some((range.start - start..range.end - start, new)))
}

/// Brings an entry up to date: what it points to is replaced, never removed.
fn update(entry: &str, start: usize, pointer: &Pointer) -> Result<IndexEdit> {
    let bad = |bad: BadJson| {
        let message = format!(
            "cannot change the entry of {} in index.json: {}",
            pointer.run_id, bad.reason
        );
        Error::new(Code::StoreCorrupt, message).with("offset", start + bad.offset)
    };
    let mut notes = Vec::new();
    let rules = Rules::default().max_bytes(INDEX_LIMIT);
    let tree = scan(entry, &rules.clone().levels(1)).map_err(bad)?;
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
    let mut editor = Editor::new(entry, rules).map_err(bad)?;
    editor.set_members(&members).map_err(bad)?;
    Ok(IndexEdit {
        splice: (start..start + entry.len(), editor.finish()),
        notes,
    })
}
