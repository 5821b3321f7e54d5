//! The pages a run leaves for those who come later: what was done for each milestone, what reviewers
//! asked for, why the run stopped. All of it is derived from the timeline and can be made again.

mod milestone;
mod stop;
mod summary;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::Phase;
use super::ops::to_text;
use super::receipt::Changes;
use super::state::State;
use super::status::worker_stats;
use super::stop::StopReason;
use super::story::{End, Story};
use crate::error::Result;

/// What the pages of a stop are made of.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The state at the stop.
    pub state: &'a State,
    /// What had happened.
    pub story: &'a Story,
    /// The stop.
    pub end: &'a End,
    /// What the checkpoints change; absent if nobody could find out.
    pub changes: Option<&'a Changes>,
    /// The figures of the run, for people.
    pub figures: &'a str,
    /// The end of the output of the check that failed last, as far as it may be kept.
    pub output: &'a str,
    /// How long each log is.
    pub sizes: &'a BTreeMap<String, u64>,
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its name in the receipt.
    pub name: String,
    /// Relative to the run directory.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Page {
    fn new(name: impl Into<String>, path: impl Into<String>, text: String) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            text,
        }
    }
}

/// The pages of a stop.
///
/// # Errors
/// `E_INTERNAL` for a value that cannot be printed.
pub fn pages(told: Told<'_>) -> Result<Vec<Page>> {
    let Told { state, story, .. } = told;
    let mut pages = vec![
        Page::new("summary", "summary.md", summary::text(told)),
        Page::new(
            "transcript",
            "transcript.meta.json",
            to_text(&transcript(told))?,
        ),
        Page::new(
            "task_meta",
            "artifacts/task.meta.json",
            to_text(&task_meta(state))?,
        ),
    ];
    if let Some(plan) = &story.plan {
        pages.push(Page::new("plan", "plan.md", to_text(plan)?));
    }
    if let Some(changes) = told.changes {
        pages.push(Page::new("diffstat", "diffstat.txt", changes.stat_text()));
        pages.push(Page::new("files", "files.txt", changes.files_text()));
    }
    for (index, chapter) in story.chapters.iter().enumerate() {
        let page = |what: &str, text: Option<String>| {
            let name = format!("milestone_{:02}_{what}", index + 1);
            let path = format!("handoffs/{name}.md");
            text.map(|text| Page::new(name, path, text))
        };
        pages.extend(page("handoff", milestone::handoff(state, index, chapter)));
        pages.extend(page("review", milestone::review(state, index, chapter)));
    }
    let digest = milestone::review_digest(state, story);
    pages.extend(digest.map(|text| {
        let path = "handoffs/review_digest.md";
        Page::new("review_digest", path, text)
    }));
    pages.push(if told.end.stop.reason == StopReason::Complete {
        let text = to_text(&complete(told))?;
        Page::new("complete", "handoffs/complete.json", text)
    } else {
        Page::new("stop", "handoffs/stop.md", stop::text(told))
    });
    Ok(pages)
}

fn complete(told: Told<'_>) -> Value {
    let state = told.state;
    json!({
        "run_id": state.run_id,
        "status": "complete",
        "phase": Phase::Finalize,
        "progress": {"milestone": state.milestone_index, "of": state.milestones.len()},
        "worker_stats": worker_stats(state),
        "ts": told.end.at,
    })
}

fn task_meta(state: &State) -> Value {
    json!({
        "task_path": state.task_path,
        "owns_raw": state.owned_paths.raw,
        "owns_normalized": state.owned_paths.normalized,
    })
}

fn transcript(told: Told<'_>) -> Value {
    let calls = told.story.calls.iter().map(|call| {
        let (began, ended) = (&call.started, call.finished.as_ref());
        let log = ended.and_then(|ended| ended.log.as_ref());
        let log = log.or(began.log.as_ref());
        json!({
            "call_id": began.call_id,
            "stage": began.stage,
            "milestone_index": began.milestone_index,
            "attempt": began.attempt,
            "worker": began.worker,
            "ok": ended.map(|ended| ended.ok),
            "exit_code": ended.and_then(|ended| ended.exit_code),
            "kind": ended.and_then(|ended| ended.kind),
            "duration_ms": ended.map(|ended| ended.duration_ms),
            "usage": ended.and_then(|ended| ended.usage.as_ref()),
            "log": log,
            "sha256": ended.and_then(|ended| ended.sha256.as_ref()),
            "bytes": log.and_then(|log| told.sizes.get(log)),
        })
    });
    json!({"run_id": told.state.run_id, "calls": calls.collect::<Vec<_>>()})
}

/// A text of a worker or a name of a file on one line.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    crate::printable(&words.join(" "))
}

/// A text of a worker or a command, set off so that nothing in it is taken for the page's own.
fn set_off(text: &str, prefix: &str) -> String {
    let safe = crate::printable(text.trim_end());
    safe.lines()
        .map(|line| format!("{prefix}{line}").trim_end().to_owned() + "\n")
        .collect()
}

fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

/// The first `limit` of a list as points, and how many more there are.
fn points(list: &[String], limit: usize) -> String {
    let mut text: String = list
        .iter()
        .take(limit)
        .map(|item| format!("- {}\n", line(item)))
        .collect();
    if list.len() > limit {
        text.push_str(&format!("- ... and {} more\n", list.len() - limit));
    }
    text
}

#[cfg(test)]
mod tests;
