//! The receipt of a stop: what stood in which file when the run ended, with hashes, and how a later
//! reader tells whether it still does.
//!
//! A receipt is derived: from the timeline, the commits and the files of the run. It says nothing
//! that they do not say, but says it in one place, and it shows if one of them is changed afterwards.

mod changes;
mod check;

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use super::event::Usage;
use super::model::Tier;
use super::state::State;
use super::stop::{StopCause, StopReason, TerminalState};
use super::story::{End, Story};
use crate::error::{Code, Error, Result};
use crate::mutant::without;
use crate::time::Timestamp;

pub use changes::{Changes, FileChange, MAX_NAMED, Totals, is_bulky};
pub use check::{
    Entry, Found, FoundCommit, Kind, Status, Verdict, check_commit, check_file, check_receipt,
};

/// The receipt of the last stop, in the run directory.
pub const RECEIPT: &str = "receipt.json";

/// The text of a receipt is at most so long.
pub const MAX_RECEIPT: u64 = 16 << 20;

/// What stood where when a run ended; the order of the fields is part of the promise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Of this form.
    pub schema_version: u32,
    /// The run.
    pub run_id: String,
    /// The record of the timeline that ended it.
    pub stop_seq: u64,
    /// When that was recorded.
    pub stopped_at: Timestamp,
    /// How it ended, by the registry of stop reasons.
    pub terminal_state: TerminalState,
    /// Why.
    pub stop_reason: StopReason,
    /// Of an interruption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<StopCause>,
    /// Where the run began.
    pub base_sha: String,
    /// Its last checkpoint.
    pub checkpoint_sha: Option<String>,
    /// The highest tier that the last checkpoint passed.
    pub verification_tier: Option<Tier>,
    /// What its checkpoints change.
    #[serde(flatten)]
    pub totals: Totals,
    /// The checkpoints.
    pub milestones: Vec<MilestoneReceipt>,
    /// What the workers consumed, as far as they told.
    pub usage: Usage,
    /// The files that were written for readers, by name.
    pub artifacts_written: BTreeMap<String, FileReceipt>,
    /// The output of workers and commands.
    pub logs: Vec<FileReceipt>,
    /// The timeline up to the record of the stop; what is appended later is not covered.
    pub timeline: FileReceipt,
    /// Which program wrote this.
    pub written_by: String,
}

/// A checkpoint of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MilestoneReceipt {
    /// From 0.
    pub index: usize,
    /// The tree that was committed.
    pub tree: String,
    /// The commit.
    pub commit: String,
}

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReceipt {
    /// Relative to the run directory.
    pub path: String,
    /// Its length; absent if the file was gone already.
    pub bytes: Option<u64>,
    /// Its SHA-256. Of a log it is the one that was recorded when the log was finished.
    pub sha256: String,
}

/// The files a receipt tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    /// By name.
    pub artifacts: BTreeMap<String, FileReceipt>,
    /// By path.
    pub logs: Vec<FileReceipt>,
    /// Its beginning.
    pub timeline: FileReceipt,
}

impl Receipt {
    /// The receipt of a stop.
    #[must_use]
    pub fn new(state: &State, story: &Story, end: &End, totals: Totals, files: Files) -> Self {
        let reason = end.stop.reason.clone();
        Self {
            schema_version: 1,
            run_id: state.run_id.clone(),
            stop_seq: end.seq,
            stopped_at: end.at,
            terminal_state: reason.row().terminal_state,
            stop_reason: reason,
            cause: end.stop.cause,
            base_sha: state.base_sha.clone(),
            checkpoint_sha: state.checkpoint_commit_sha.clone(),
            verification_tier: story.verified().iter().max().copied(),
            totals,
            milestones: milestones(story),
            usage: state.usage.clone(),
            artifacts_written: files.artifacts,
            logs: files.logs,
            timeline: files.timeline,
            written_by: format!("runr {}", crate::VERSION),
        }
    }

    /// Reads the text of the receipt at `path`. Anybody may have written it, so nothing in it leads
    /// out of the run directory, and no commit in it is more than an id.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT`.
    pub fn parse(text: &str, path: &Utf8Path) -> Result<Self> {
        let corrupt = |reason: String| {
            Error::new(
                Code::StoreCorrupt,
                format!("cannot use the receipt {path}: {reason}"),
            )
            .at(path)
            .with("reason", reason)
            .hint("nothing was changed; the next stop of the run writes a new one")
        };
        let receipt: Self = serde_json::from_str(text).map_err(|e| corrupt(e.to_string()))?;
        if receipt.schema_version != 1 {
            let version = receipt.schema_version;
            return Err(corrupt(format!("it has the version {version}")));
        }
        if let Some(file) = receipt.files().find(|file| leads_out(&file.path)) {
            let path = file.path.escape_debug();
            return Err(corrupt(format!("`{path}` is no path of a run directory")));
        }
        let ids = receipt.milestones.iter().flat_map(|m| [&m.commit, &m.tree]);
        if let Some(id) = { ids }.find(|id| !is_object_id(id) && !without("receipt-object")) {
            let id = id.escape_debug();
            return Err(corrupt(format!("`{id}` is no object id")));
        }
        Ok(receipt)
    }

    /// Every file it tells of.
    fn files(&self) -> impl Iterator<Item = &FileReceipt> {
        let listed = self.artifacts_written.values().chain(&self.logs);
        listed.chain([&self.timeline])
    }
}

fn milestones(story: &Story) -> Vec<MilestoneReceipt> {
    let chapters = story.chapters.iter().enumerate();
    chapters
        .filter_map(|(index, chapter)| {
            let made = chapter.checkpoint.as_ref()?;
            Some(MilestoneReceipt {
                index,
                tree: made.tree.clone(),
                commit: made.commit.clone(),
            })
        })
        .collect()
}

/// Whether a path is anything else than a plain one below where it starts.
fn leads_out(path: &str) -> bool {
    let is_name = |part: &str| !part.is_empty() && part != "." && part != "..";
    let plain = path.split('/').all(is_name) && !path.contains(char::is_control);
    !plain && !without("receipt-path")
}

fn is_object_id(text: &str) -> bool {
    [40, 64].contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests;
