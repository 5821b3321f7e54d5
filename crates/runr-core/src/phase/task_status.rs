//! How the tasks of a repository stand: what happens to a task, and what is written of it.
//!
//! The runs stay the truth. This is the note beside them that answers "what is left to do" without
//! reading every run, and the only place that knows of tasks which a person did.

mod file;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stop::{StopReason, TerminalState};
use crate::id::RunId;
use crate::json::{BadJson, Bom, Editor, Kind, Node, Rules, Step, quote, scan};
use crate::time::Timestamp;

pub use file::TaskStatusFile;

/// The version of the file this program reads and writes.
const SCHEMA: i64 = 1;
/// The greatest size of the file in bytes.
const LIMIT: usize = 4 << 20;
/// The longest summary of an error in characters.
const SUMMARY: usize = 200;
/// A file of no tasks.
const EMPTY: &str = "{\n  \"schema_version\": 1,\n  \"tasks\": {}\n}\n";

/// Where a task stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Nobody has begun it.
    #[default]
    Pending,
    /// A run works on it.
    InProgress,
    /// Its run could go on.
    Stopped,
    /// It is done.
    Completed,
    /// Something is wrong with the work of its run.
    Failed,
}

impl TaskStatus {
    /// The word as it stands in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Stopped => "stopped",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Pending,
            Self::InProgress,
            Self::Stopped,
            Self::Completed,
            Self::Failed,
        ];
        all.into_iter().find(|status| status.as_str() == word)
    }
}

impl From<TerminalState> for TaskStatus {
    fn from(end: TerminalState) -> Self {
        match end {
            TerminalState::Complete => Self::Completed,
            TerminalState::Failed => Self::Failed,
            TerminalState::Stopped => Self::Stopped,
        }
    }
}

/// What is noted of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TaskEntry {
    /// Where it stands.
    pub status: TaskStatus,
    /// The run that worked on it last.
    pub last_run_id: Option<String>,
    /// The last commit made for it.
    pub last_checkpoint_sha: Option<String>,
    /// The first line of why its run ended, if that was trouble.
    pub last_error_summary: Option<String>,
    /// Why its run ended.
    pub last_stop_reason: Option<String>,
}

/// What is noted of every task, by repository-relative path.
pub type TaskEntries = BTreeMap<String, TaskEntry>;

/// What happens to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent<'a> {
    /// A run of it began, or goes on.
    Begun {
        /// The run.
        run_id: &'a RunId,
    },
    /// A run of it ended.
    Ended {
        /// The run.
        run_id: &'a RunId,
        /// Why.
        reason: &'a StopReason,
        /// In more words.
        error: Option<&'a str>,
        /// Its last commit.
        checkpoint: Option<&'a str>,
    },
    /// A person did it.
    Done,
}

impl TaskEntry {
    /// What is to be noted after `event`; equal to `self` where nothing changes.
    ///
    /// The run that began last speaks for a task. The end of another one changes nothing, unless it
    /// completes the task.
    #[must_use]
    pub fn after(&self, event: &TaskEvent<'_>) -> Self {
        match *event {
            TaskEvent::Begun { run_id } => Self {
                status: TaskStatus::InProgress,
                last_run_id: Some(run_id.to_string()),
                last_checkpoint_sha: self.last_checkpoint_sha.clone(),
                last_error_summary: None,
                last_stop_reason: None,
            },
            TaskEvent::Done => Self {
                status: TaskStatus::Completed,
                last_error_summary: None,
                ..self.clone()
            },
            TaskEvent::Ended {
                run_id,
                reason,
                error,
                checkpoint,
            } => {
                let status = TaskStatus::from(reason.row().terminal_state);
                let speaks = self.last_run_id.as_deref() == Some(run_id.as_str());
                if !speaks && status != TaskStatus::Completed {
                    return self.clone();
                }
                Self {
                    status,
                    last_run_id: Some(run_id.to_string()),
                    last_checkpoint_sha: (checkpoint.map(str::to_owned))
                        .or_else(|| self.last_checkpoint_sha.clone()),
                    last_error_summary: error.and_then(summary),
                    last_stop_reason: Some(reason.to_string()),
                }
            }
        }
    }
}

fn summary(error: &str) -> Option<String> {
    let line = error.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(SUMMARY).collect())
}

/// Reads the text of the file.
///
/// # Errors
/// [`BadJson`] with the place of what is no such file.
pub fn read_entries(text: &str) -> Result<TaskEntries, BadJson> {
    let tree = scan(text, &rules())?;
    let tasks = checked(text, tree.root())?;
    let mut entries = TaskEntries::new();
    for member in tasks.map(Node::members).into_iter().flatten() {
        entries.insert(member.key_lossy(), entry_of(text, member.value)?);
    }
    Ok(entries)
}

/// The text of the file after events of one task; `text` absent means there is no file yet. Fields
/// of others keep their spelling.
///
/// # Errors
/// [`BadJson`] if the text is no such file; nothing of it is ever replaced then.
pub fn record_events(
    text: Option<&str>,
    task: &str,
    events: &[TaskEvent<'_>],
    at: Timestamp,
) -> Result<String, BadJson> {
    let text = text.unwrap_or(EMPTY);
    let known = read_entries(text)?;
    let before = known.get(task);
    let start = before.cloned().unwrap_or_default();
    let after = (events.iter()).fold(start.clone(), |entry, event| entry.after(event));
    if before.is_some() && after == start {
        return Ok(text.to_owned());
    }
    let now = quote(&at.to_string());
    let text_or_null = |field: &Option<String>| field.as_deref().map_or("null".to_owned(), quote);
    let status = quote(after.status.as_str());
    let fields = [
        ("status", status),
        ("first_seen_at", now.clone()),
        ("last_updated_at", now),
        ("last_run_id", text_or_null(&after.last_run_id)),
        (
            "last_checkpoint_sha",
            text_or_null(&after.last_checkpoint_sha),
        ),
        (
            "last_error_summary",
            text_or_null(&after.last_error_summary),
        ),
        ("last_stop_reason", text_or_null(&after.last_stop_reason)),
    ];
    let mut editor = Editor::new(text, rules())?;
    let first_time = before.is_none();
    for (name, value) in fields
        .iter()
        .filter(|(name, _)| first_time || *name != "first_seen_at")
    {
        let path = [Step::Key("tasks"), Step::Key(task), Step::Key(name)];
        editor.set(&path, value)?;
    }
    Ok(editor.finish())
}

fn rules() -> Rules {
    Rules::default().max_bytes(LIMIT).bom(Bom::Keep)
}

/// The object of tasks, of a file that is one of ours.
fn checked<'t>(text: &'t str, root: Node<'t>) -> Result<Option<Node<'t>>, BadJson> {
    if root.kind() != Kind::Object {
        return Err(wrong(text, root, "it is not an object"));
    }
    if root.get("schema_version").and_then(Node::as_i64) != Some(SCHEMA) {
        let place = root.get("schema_version").unwrap_or(root);
        return Err(wrong(text, place, "`schema_version` is not 1"));
    }
    let Some(tasks) = root.get("tasks") else {
        return Ok(None);
    };
    if tasks.kind() != Kind::Object {
        return Err(wrong(text, tasks, "`tasks` is not an object"));
    }
    if let Some(twice) = tasks.repeated_key() {
        let reason = format!("the task `{}` stands there twice", twice.key_lossy());
        return Err(wrong(text, twice.value, &reason));
    }
    Ok(Some(tasks))
}

fn entry_of(text: &str, node: Node<'_>) -> Result<TaskEntry, BadJson> {
    if node.kind() != Kind::Object {
        return Err(wrong(text, node, "a task is not an object"));
    }
    let status = node.get("status");
    let word = status.and_then(Node::as_str_lossy);
    let Some(status) = word.as_deref().and_then(TaskStatus::parse) else {
        return Err(wrong(
            text,
            status.unwrap_or(node),
            "`status` is none of the known words",
        ));
    };
    let field = |name: &str| match node.get(name) {
        Some(value) if value.kind() == Kind::String => Ok(value.as_str_lossy()),
        Some(value) if value.kind() != Kind::Null => Err(wrong(
            text,
            value,
            &format!("`{name}` is neither text nor null"),
        )),
        _ => Ok(None),
    };
    Ok(TaskEntry {
        status,
        last_run_id: field("last_run_id")?,
        last_checkpoint_sha: field("last_checkpoint_sha")?,
        last_error_summary: field("last_error_summary")?,
        last_stop_reason: field("last_stop_reason")?,
    })
}

fn wrong(text: &str, node: Node<'_>, reason: &str) -> BadJson {
    BadJson::at(text.as_bytes(), node.span().start, reason)
}

#[cfg(test)]
mod tests;
