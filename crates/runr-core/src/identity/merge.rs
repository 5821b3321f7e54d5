//! The rules by which `run_meta.json` learns something.
//!
//! A field that says something keeps saying it. Only the counters, the time and two lists change,
//! and one field is a latch: once operations on the forge are forbidden, they stay forbidden.

mod draft;

use serde::{Deserialize, Serialize};

use self::draft::Draft;
use super::findings::Findings;
use super::index::{POINTERS, Pointer};
use super::meta::{Meta, blank, rules, unreadable};
use super::model::{Facts, Flow, Source};
use super::reference::MAX_NUMBER;
use super::rules::check_item_id;
use crate::error::{Code, Error, Result};
use crate::json::{BadJson, Editor, Kind, Step, quote};
use crate::time::Timestamp;

/// The fields in the order of a new file.
const FIELDS: [&str; 26] = [
    "run_id",
    "run_id_kind",
    "issue_binding",
    "issue_binding_deferred_reason",
    "canonical_key",
    "aliases",
    "task_key",
    "task_title",
    "github_repo",
    "github_repo_expected",
    "github_repo_actual_at_creation",
    "github_ops_allowed",
    "repo_mismatch",
    "created_at",
    "updated_at",
    "iterations",
    "flows_started",
    "source",
    "issue_number",
    "issue_url",
    "issue_title",
    "pr_number",
    "supersedes",
    "related_runs",
    "base_ref",
    "harness_runs",
];
/// Of these, the one that only [`link`] writes.
const HARNESS_RUNS: &str = "harness_runs";
/// The facts that say whom to trust; a contradiction is worth a note.
const TRUST: [&str; 8] = [
    "run_id_kind",
    "issue_binding",
    "issue_binding_deferred_reason",
    "github_repo",
    "github_repo_expected",
    "github_repo_actual_at_creation",
    "github_ops_allowed",
    "repo_mismatch",
];
/// What a new version of a work item takes over from the one before.
const INHERITED: [&str; 6] = [
    "issue_number",
    "issue_url",
    "issue_title",
    "task_key",
    "task_title",
    "canonical_key",
];

/// What a preparation has to say about a work item.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetaPatch {
    /// Its id.
    pub run_id: String,
    /// The flow that begins.
    pub flow: Flow,
    /// Names it is known by.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What is known otherwise.
    #[serde(default)]
    pub facts: Facts,
    /// The branch that the work is stacked on.
    #[serde(default)]
    pub base_ref: Option<String>,
    /// The time.
    pub now: Timestamp,
    /// What led to its id; for a new file.
    #[serde(default)]
    pub source: Option<Source>,
}

impl MetaPatch {
    /// A patch that says nothing but which flow begins.
    #[must_use]
    pub fn new(run_id: impl Into<String>, flow: Flow, now: Timestamp) -> Self {
        Self {
            run_id: run_id.into(),
            flow,
            aliases: Vec::new(),
            facts: Facts::default(),
            base_ref: None,
            now,
            source: None,
        }
    }
}

/// A `run_meta.json` after a merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MergeOutcome {
    /// Its text.
    pub text: String,
    /// Whether it differs from what was there.
    pub changed: bool,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Merges what is known of a work item into the text of its `run_meta.json`; without a text a new
/// one is made. Every byte that the merge does not concern stays as it is.
///
/// # Errors
/// `E_STORE_CORRUPT` with the place; `E_META_SHAPE` if a field that must be counted on has another
/// type; `E_INVALID_ID`; `E_USAGE` for a fact that cannot be one.
pub fn merge_run_meta(text: Option<&str>, patch: &MetaPatch) -> Result<MergeOutcome> {
    let merged = merge(text, patch, None)?;
    Ok(MergeOutcome {
        changed: text != Some(merged.text.as_str()),
        text: merged.text,
        notes: merged.findings.notes,
    })
}

/// A merge, and what it found out.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) text: String,
    pub(super) iterations: u64,
    pub(super) aliases_added: Vec<String>,
    pub(super) findings: Findings,
}

/// The work item that a new one takes the place of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Superseded<'t> {
    pub(super) id: &'t str,
    pub(super) meta: Option<&'t Meta<'t>>,
}

pub(super) fn merge(
    text: Option<&str>,
    patch: &MetaPatch,
    superseded: Option<Superseded<'_>>,
) -> Result<Merged> {
    check(patch)?;
    let text = text.filter(|text| !blank(text));
    let stored = text.map(Meta::read).transpose()?.flatten();
    let mut draft = Draft::new(stored.as_ref(), patch);
    draft.inherit(superseded);
    draft.take_facts();
    draft.infer();
    draft.identify();
    draft.count()?;
    draft.list()?;
    draft.judge();
    let mut editor = Editor::new(text.unwrap_or("{}\n"), rules()).map_err(bad)?;
    editor.set_members(&draft.members()).map_err(bad)?;
    for (key, element) in &draft.appended {
        editor.append(&[Step::Key(key)], element).map_err(bad)?;
    }
    Ok(Merged {
        text: editor.finish(),
        iterations: draft.iterations,
        aliases_added: draft.aliases_added,
        findings: draft.findings,
    })
}

/// What the index is to say about a work item with this metadata.
pub(super) fn pointer(text: &str, patch: &MetaPatch) -> Result<Pointer> {
    let meta = Meta::read(text)?;
    let target = |key| Some(meta.as_ref()?.get(key)?.text().to_owned());
    Ok(Pointer {
        run_id: patch.run_id.clone(),
        targets: POINTERS.map(target),
        updated_at: patch.now,
        last_flow: patch.flow.as_str().to_owned(),
    })
}

/// Adds a harness run to the text of a `run_meta.json`; nothing if it is there already.
pub(super) fn link(text: &str, harness_run_id: &str) -> Result<Option<String>> {
    let meta = Meta::read(text)?;
    let list = meta.as_ref().and_then(|meta| meta.get(HARNESS_RUNS));
    let new = quote(harness_run_id);
    let mut editor = Editor::new(text, rules()).map_err(bad)?;
    match list {
        Some(list) if list.kind() != Kind::Array => return Err(shape(HARNESS_RUNS, "is no list")),
        Some(list)
            if list
                .elements()
                .any(|it| it.as_str().as_deref() == Some(harness_run_id)) =>
        {
            return Ok(None);
        }
        Some(_) => editor.append(&[Step::Key(HARNESS_RUNS)], &new),
        None => editor
            .set_members(&[(HARNESS_RUNS, &format!("[{new}]"))])
            .map(drop),
    }
    .map_err(bad)?;
    Ok(Some(editor.finish()))
}

fn bad(bad: BadJson) -> Error {
    unreadable("run_meta.json", &bad)
}

/// A field that must be counted on has another type.
fn shape(field: &str, why: &str) -> Error {
    Error::new(
        Code::MetaShape,
        format!("cannot use run_meta.json: `{field}` {why}"),
    )
    .with("field", field)
    .hint("correct the field by hand; nothing was changed")
}

fn check(patch: &MetaPatch) -> Result<()> {
    check_item_id(&patch.run_id)?;
    check_facts(&patch.facts)
}

/// # Errors
/// `E_USAGE`.
pub(super) fn check_facts(facts: &Facts) -> Result<()> {
    match facts.issue_number {
        Some(number) if !(1..=MAX_NUMBER).contains(&number) => {
            let message = format!("the fact `issue_number` cannot be {number}");
            Err(Error::new(Code::Usage, message).with("field", "issue_number"))
        }
        _ => Ok(()),
    }
}
