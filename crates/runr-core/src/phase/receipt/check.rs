//! Whether what a receipt tells of is still as it was.

use serde::Serialize;

use super::{FileReceipt, Files, MilestoneReceipt, RECEIPT, Receipt};
use crate::phase::state::State;
use crate::phase::stop::StopReason;
use crate::phase::story::Story;

/// What a check of a receipt found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Version of this form.
    pub version: u32,
    /// The run.
    pub run_id: String,
    /// Whether every entry is as it was.
    pub ok: bool,
    /// The record of the stop the receipt belongs to; absent without a receipt.
    pub stop_seq: Option<u64>,
    /// Why the run had stopped.
    pub stop_reason: Option<StopReason>,
    /// One for the receipt itself, and one for everything it tells of.
    pub entries: Vec<Entry>,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The path of a file, or the id of a commit.
    pub name: String,
    /// Whether it is as it was.
    pub status: Status,
    /// What is wrong with it.
    pub detail: Option<String>,
}

/// What a receipt tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The receipt itself.
    Receipt,
    /// The timeline.
    Timeline,
    /// A file that was written for readers.
    Artifact,
    /// The output of a worker or a command.
    Log,
    /// A commit.
    Checkpoint,
}

impl Kind {
    /// The word as it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Timeline => "timeline",
            Self::Artifact => "artifact",
            Self::Log => "log",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// Whether a thing is as the receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It is.
    Ok,
    /// It is there, but differs.
    Changed,
    /// It is not there.
    Missing,
}

impl Status {
    /// The word as it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Changed => "CHANGED",
            Self::Missing => "MISSING",
        }
    }
}

/// What was found where a file should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// Something that is no file that can be read; the words of the system.
    Unreadable(String),
    /// A file of another length; nobody read it.
    OtherLength(u64),
    /// A file of the right length with this hash.
    File {
        /// SHA-256 of the part that the receipt covers.
        sha256: String,
    },
}

/// Compares a file with its receipt.
#[must_use]
pub fn check_file(kind: Kind, receipt: &FileReceipt, found: Found) -> Entry {
    let (status, detail) = match found {
        Found::Nothing => (Status::Missing, None),
        Found::Unreadable(why) => (Status::Changed, Some(why)),
        Found::OtherLength(bytes) => {
            let was = receipt.bytes.unwrap_or(0);
            let detail = format!("{bytes} bytes instead of {was}");
            (Status::Changed, Some(detail))
        }
        Found::File { sha256 } if sha256 == receipt.sha256 => (Status::Ok, None),
        Found::File { sha256 } => (Status::Changed, Some(format!("its SHA-256 is {sha256}"))),
    };
    Entry {
        kind,
        name: receipt.path.clone(),
        status,
        detail,
    }
}

/// What git has under the id of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundCommit {
    /// No object.
    Nothing,
    /// An object that is no commit.
    Other(String),
    /// A commit with this tree.
    Commit {
        /// The tree it names.
        tree: String,
        /// Whether the tree is there.
        whole: bool,
    },
}

/// Compares a commit with its receipt.
#[must_use]
pub fn check_commit(receipt: &MilestoneReceipt, found: FoundCommit) -> Entry {
    let (status, detail) = match found {
        FoundCommit::Nothing => (Status::Missing, None),
        FoundCommit::Other(kind) => (Status::Changed, Some(format!("it is a {kind}"))),
        FoundCommit::Commit { tree, .. } if tree != receipt.tree => {
            (Status::Changed, Some(format!("its tree is {tree}")))
        }
        FoundCommit::Commit { whole: false, .. } => {
            let detail = format!("its tree {} is gone", receipt.tree);
            (Status::Missing, Some(detail))
        }
        FoundCommit::Commit { .. } => (Status::Ok, None),
    };
    Entry {
        kind: Kind::Checkpoint,
        name: receipt.commit.clone(),
        status,
        detail,
    }
}

/// Compares the receipt itself with the timeline it was made from: `state` is the fold, `story` what
/// happened.
#[must_use]
pub fn check_receipt(
    run_id: &str,
    receipt: Option<&Receipt>,
    state: &State,
    story: &Story,
) -> Entry {
    let changed = |detail: &str| (Status::Changed, Some(detail.to_owned()));
    let (status, detail) = match (receipt, &story.end) {
        (None, None) => (Status::Missing, Some("the run has not stopped yet".into())),
        (None, Some(_)) => (Status::Missing, None),
        (Some(receipt), _) if receipt.run_id != run_id => changed("it is of another run"),
        (Some(receipt), Some(end)) if receipt.stop_seq == end.seq && !story.resumed => {
            let files = Files {
                artifacts: receipt.artifacts_written.clone(),
                logs: receipt.logs.clone(),
                timeline: receipt.timeline.clone(),
            };
            let mut told = Receipt::new(state, story, end, receipt.totals, files);
            told.written_by.clone_from(&receipt.written_by);
            match told == *receipt {
                true => (Status::Ok, None),
                false => changed("it does not say what the timeline says"),
            }
        }
        (Some(_), _) => changed("it is of an earlier stop, and the run went on"),
    };
    Entry {
        kind: Kind::Receipt,
        name: RECEIPT.to_owned(),
        status,
        detail,
    }
}
