//! The types of `meta.json`, as they stand in the file.

use camino::Utf8PathBuf;
use serde::Serialize;

use super::unknown::{Spellings, Unknown};
use crate::id::RunId;
use crate::time::Timestamp;

/// What is known of a run before it exists: the first ten fields of its `meta.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// The id, and the name of the directory.
    pub run_id: RunId,
    /// The repository's id: 16 hex digits.
    pub repo_id: String,
    /// Free text, kept verbatim.
    pub title: String,
    /// The name of the runner, such as `claude`; never derived from its command.
    pub runner: String,
    /// The command of the runner, kept verbatim.
    pub runner_cmd: String,
    /// The branch the run started from.
    pub parent_branch: String,
    /// The run's own branch.
    pub branch: String,
    /// Where its worktree is, or will be.
    pub worktree_path: Utf8PathBuf,
    /// When it was created.
    pub created_at: Timestamp,
}

/// What a caller knows of a new run; the rest is generated or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunFields {
    /// The id; default: the time with a random suffix.
    pub run_id: Option<RunId>,
    /// The repository's id; default: that of the store.
    pub repo_id: Option<String>,
    /// Free text.
    pub title: String,
    /// A short name, unique among the active runs of the repository; default: none.
    pub name: Option<String>,
    /// The name of the runner.
    pub runner: String,
    /// The command of the runner.
    pub runner_cmd: String,
    /// The branch the run started from.
    pub parent_branch: String,
    /// The run's own branch; default: made from title and id.
    pub branch: Option<String>,
    /// Where its worktree is, or will be.
    pub worktree_path: Utf8PathBuf,
    /// When it was created; default: now.
    pub created_at: Option<Timestamp>,
}

/// Where the parts of a run are.
#[derive(serde::Serialize, Debug, Clone, PartialEq, Eq)]
pub struct RunPaths {
    /// The id.
    pub run_id: RunId,
    /// Its directory.
    pub run_dir: Utf8PathBuf,
    /// Its log files.
    pub logs_dir: Utf8PathBuf,
    /// Its `meta.json`.
    pub meta_path: Utf8PathBuf,
}

/// A `meta.json`, read.
///
/// Times are text here: the file may come from a program that writes them differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RunMeta {
    /// The version of the format; its first number is 1.
    pub schema_version: String,
    /// The id, and the name of the directory.
    pub run_id: RunId,
    /// The repository's id: 16 hex digits.
    pub repo_id: String,
    /// Free text.
    pub title: String,
    /// A short name, unique among the active runs of a repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name of the runner.
    pub runner: String,
    /// The command of the runner.
    pub runner_cmd: String,
    /// The branch the run started from.
    pub parent_branch: String,
    /// The run's own branch.
    pub branch: String,
    /// Where its worktree is, was, or will be.
    pub worktree_path: Utf8PathBuf,
    /// When it was created.
    pub created_at: String,
    /// The terminal session, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmux_session_name: Option<String>,
    /// What is remarkable about the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<Flags>,
    /// How the setup of its worktree went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<Setup>,
    /// The number of its pull request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pr_number: Option<i64>,
    /// The address of its pull request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pr_url: Option<String>,
    /// When it was last pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_push_at: Option<String>,
    /// When it was last verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_verify_at: Option<String>,
    /// When its report was last published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_report_sync_at: Option<String>,
    /// The SHA-256 of the published report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_report_hash: Option<String>,
    /// What became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
    /// Fields of other programs; kept as they are written, after the known ones.
    #[serde(flatten)]
    pub unknown: Unknown,
    /// Texts that stand in the file in a form no `String` can hold.
    #[serde(skip)]
    pub(super) spellings: Spellings,
}

/// What is remarkable about a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Flags {
    /// The setup of its worktree failed.
    #[serde(skip_serializing_if = "is_false")]
    pub setup_failed: bool,
    /// No terminal session could be started.
    #[serde(skip_serializing_if = "is_false")]
    pub tmux_failed: bool,
    /// Somebody must look at it.
    #[serde(skip_serializing_if = "is_false")]
    pub needs_attention: bool,
    /// Why; values of other programs are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_attention_reason: Option<String>,
    /// It was given up.
    #[serde(skip_serializing_if = "is_false")]
    pub abandoned: bool,
    /// Fields of other programs; kept as they are written, after the known ones.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// How the setup of a worktree went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Setup {
    /// The command.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// Its exit status; -1 if it did not start.
    pub exit_code: i64,
    /// How long it took.
    #[serde(skip_serializing_if = "is_zero")]
    pub duration_ms: i64,
    /// Whether it was stopped for taking too long.
    #[serde(skip_serializing_if = "is_false")]
    pub timed_out: bool,
    /// Its log file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log_path: String,
    /// Whether its structured output reports success; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_ok: Option<bool>,
    /// The summary in its structured output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_summary: Option<String>,
    /// Fields of other programs; kept as they are written, after the known ones.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What became of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Archive {
    /// When it was archived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<String>,
    /// When it was merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_at: Option<String>,
    /// Fields of other programs; kept as they are written, after the known ones.
    #[serde(flatten)]
    pub unknown: Unknown,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(value: &i64) -> bool {
    *value == 0
}
