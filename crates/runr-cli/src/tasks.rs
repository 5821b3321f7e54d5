//! The tasks of a repository: how they stand, and that a person did one.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
#[cfg(feature = "cli")]
use runr_core::phase::shell::quoted;
use runr_core::phase::stop::{StopReason, next_action};
use runr_core::phase::task::{Task, TaskType};
use runr_core::phase::task_status::{TaskEntries, TaskEntry, TaskEvent, TaskStatus};
use runr_core::{Code, Error, Result, RunId};
use serde::Serialize;

use crate::harness::{Layout, TaskFile, complete_tasks, end_of, task_name, task_status_file};
use crate::host::Host;

/// One task.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TaskRow {
    pub(crate) path: String,
    pub(crate) title: String,
    #[serde(rename = "type")]
    pub(crate) kind: Option<TaskType>,
    pub(crate) status: TaskStatus,
    pub(crate) depends_on: Vec<String>,
    pub(crate) unmet: Vec<String>,
    pub(crate) last_run_id: Option<String>,
    pub(crate) last_stop_reason: Option<String>,
    pub(crate) last_checkpoint_sha: Option<String>,
    /// Why the file cannot be read, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl TaskRow {
    /// The place in the list: what wants a person first.
    fn rank(&self) -> u8 {
        match self.status {
            TaskStatus::Stopped => 0,
            TaskStatus::InProgress => 1,
            TaskStatus::Failed => 2,
            TaskStatus::Pending if self.unmet.is_empty() => 3,
            TaskStatus::Pending => 4,
            TaskStatus::Completed => 5,
        }
    }

    /// What to do about it next.
    #[cfg(feature = "cli")]
    pub(crate) fn next_command(&self) -> Option<String> {
        let run = self.last_run_id.as_deref();
        let reason = self.last_stop_reason.as_deref().map(StopReason::parse);
        match self.status {
            TaskStatus::Completed => None,
            TaskStatus::InProgress => run.map(|run| format!("runr status {run}")),
            TaskStatus::Stopped | TaskStatus::Failed => {
                let run = run?;
                let resume = || format!("runr resume {run}");
                let known = reason.map(|reason| next_action(Some(&reason), run, None));
                Some(known.map_or_else(resume, |next| {
                    let report = || format!("runr report {run}");
                    next.suggested_command.unwrap_or_else(report)
                }))
            }
            TaskStatus::Pending => match (self.unmet.first(), self.kind) {
                (Some(first), _) => Some(format!("# first: {first}")),
                (None, Some(TaskType::Manual)) => {
                    Some(format!("runr task done {}", quoted(&self.path)))
                }
                (None, Some(_)) => Some(format!("runr run --task {}", quoted(&self.path))),
                (None, None) => None,
            },
        }
    }
}

/// All tasks below `.runr/tasks`, and those elsewhere that runs worked on: what wants a person
/// first.
///
/// # Errors
/// `E_STORE_CORRUPT` for a status file that cannot be read, `E_NOT_A_REPO`, `E_IO`.
pub(crate) fn list(host: &Host, root: &Utf8Path) -> Result<Vec<TaskRow>> {
    let layout = Layout::find(&host.cwd.join(root), host)?;
    let entries = task_status_file(host, &layout).read()?;
    let mut paths = task_files(&layout.tasks_dir(), &layout.repo_root)?;
    let elsewhere = entries
        .keys()
        .filter(|path| layout.repo_root.join(path).is_file());
    paths.extend(elsewhere.cloned());
    let mut done = Done::new(&layout, &entries);
    let mut rows: Vec<TaskRow> = Vec::with_capacity(paths.len());
    for path in paths {
        let entry = entries.get(&path).cloned().unwrap_or_default();
        let entry = as_it_is(&layout, entry);
        rows.push(row(&layout, path, entry, &mut done)?);
    }
    rows.sort_by_key(|row| (row.rank(), row.path.clone()));
    Ok(rows)
}

fn row(layout: &Layout, path: String, entry: TaskEntry, done: &mut Done<'_>) -> Result<TaskRow> {
    let found = TaskFile::find(path.as_str().into(), &layout.repo_root, layout);
    let task = found.and_then(|file| file.task());
    let (title, kind, depends_on, error) = match task {
        Ok(task) => (
            task.name().to_owned(),
            Some(task.kind),
            task.depends_on,
            None,
        ),
        Err(error) => (String::new(), None, Vec::new(), Some(error.to_string())),
    };
    let mut unmet = Vec::new();
    for task in &depends_on {
        if !done.has(task)? {
            unmet.push(task.clone());
        }
    }
    Ok(TaskRow {
        path,
        title,
        kind,
        status: entry.status,
        depends_on,
        unmet,
        last_run_id: entry.last_run_id,
        last_stop_reason: entry.last_stop_reason,
        last_checkpoint_sha: entry.last_checkpoint_sha,
        error,
    })
}

/// What is noted, put right by the run itself: one that died could not say so.
fn as_it_is(layout: &Layout, entry: TaskEntry) -> TaskEntry {
    let run = (entry.last_run_id.as_deref()).and_then(|id| RunId::parse(id).ok());
    let Some(run) = run.filter(|_| entry.status == TaskStatus::InProgress) else {
        return entry;
    };
    let files = layout.files(&run);
    if crate::liveness::is_live(&files).unwrap_or(true) {
        return entry;
    }
    let state = files.state().ok();
    let end = state.as_ref().and_then(|state| end_of(&run, state));
    match end {
        Some(end) => entry.after(&end),
        None => TaskEntry {
            status: TaskStatus::Stopped,
            ..entry
        },
    }
}

/// Which tasks are done, by the note, else by the runs, which are read only where that is needed.
struct Done<'a> {
    layout: &'a Layout,
    entries: &'a TaskEntries,
    by_runs: Option<BTreeSet<String>>,
}

impl<'a> Done<'a> {
    fn new(layout: &'a Layout, entries: &'a TaskEntries) -> Self {
        Self {
            layout,
            entries,
            by_runs: None,
        }
    }

    fn has(&mut self, task: &str) -> Result<bool> {
        let task = task.trim_start_matches("./");
        let noted = self.entries.get(task);
        if noted.is_some_and(|entry| entry.status == TaskStatus::Completed) {
            return Ok(true);
        }
        if self.by_runs.is_none() {
            self.by_runs = Some(complete_tasks(self.layout)?);
        }
        Ok(self
            .by_runs
            .as_ref()
            .is_some_and(|tasks| tasks.contains(task)))
    }
}

/// The tasks among `wanted` that are not done yet.
///
/// # Errors
/// `E_IO`.
pub(crate) fn unmet(
    layout: &Layout,
    entries: &TaskEntries,
    wanted: &[String],
) -> Result<Vec<String>> {
    let mut done = Done::new(layout, entries);
    let mut open = Vec::new();
    for task in wanted {
        if !done.has(task)? {
            open.push(task.clone());
        }
    }
    Ok(open)
}

/// The Markdown files below a directory, by their path in the repository. No link is followed.
fn task_files(dir: &Utf8Path, repo_root: &Utf8Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = match dir.read_dir_utf8() {
            Ok(entries) => entries,
            Err(problem) if crate::presence::is_absent(&problem) => continue,
            Err(problem) => return Err(Error::io("read", &dir, problem)),
        };
        for entry in entries {
            // A name that is not UTF-8 can be given to no command either.
            let Ok(entry) = entry else { continue };
            let (path, kind) = (entry.path().to_owned(), entry.file_type());
            match kind {
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(kind) if kind.is_file() && path.extension() == Some("md") => {
                    let name = path.strip_prefix(repo_root).unwrap_or(&path);
                    found.insert(name.to_string());
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// A task that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TaskDone {
    pub(crate) path: String,
    pub(crate) status: TaskStatus,
    /// Whether this call completed it; before, it was done already.
    pub(crate) changed: bool,
}

/// Notes that a person did a task.
///
/// # Errors
/// `E_TASK_NOT_FOUND`; `E_USAGE` for an automated task of which no run is complete;
/// `E_TASK_INVALID`, `E_STORE_CORRUPT`, `E_LOCK_TIMEOUT`, `E_NOT_A_REPO`, `E_IO`.
pub(crate) fn done(host: &Host, root: &Utf8Path, path: &Utf8Path) -> Result<TaskDone> {
    let root = host.cwd.join(root);
    let layout = Layout::find(&root, host)?;
    let file = TaskFile::find(path, &root, &layout)?;
    let task: Task = file.task()?;
    let name = task_name(&file.path, &top_of(&root), &layout);
    let noted = task_status_file(host, &layout);
    let entries = noted.read()?;
    if task.kind == TaskType::Automated && !Done::new(&layout, &entries).has(&name)? {
        return Err(Error::new(
            Code::Usage,
            format!("{name} is done by a run, and none is complete"),
        )
        .with("task", name.as_str())
        .hint(format!("runr run --task {}", quoted(&name))));
    }
    host.make_dirs(&layout.repo_root.join(".runr"))?;
    let changed = noted.note(&name, &[TaskEvent::Done], host.clock.now())?;
    Ok(TaskDone {
        path: name,
        status: TaskStatus::Completed,
        changed,
    })
}

/// The top of the working tree that holds `dir`, which may be a worktree of the repository.
fn top_of(dir: &Utf8Path) -> Utf8PathBuf {
    let real = dir.canonicalize_utf8().unwrap_or_else(|_| dir.to_owned());
    let is_top = |dir: &&Utf8Path| dir.join(".git").symlink_metadata().is_ok();
    let top = real.ancestors().find(is_top);
    top.map_or_else(|| real.clone(), Utf8Path::to_owned)
}
