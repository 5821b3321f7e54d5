//! Where a task file is, and by which name the repository knows it.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::phase::task::{Task, parse_task_at};
use runr_core::{Code, Error, Result};

use super::context::Layout;

/// A task file above this size is none.
const LIMIT: u64 = 4 * 1024 * 1024;

/// A task file that was found.
#[derive(Debug, Clone)]
pub(crate) struct TaskFile {
    /// Where it is.
    pub(crate) path: Utf8PathBuf,
    /// Its text.
    pub(crate) text: String,
}

impl TaskFile {
    /// Looks a task file up as a caller at `root` names it; bare names are also looked up in
    /// `.runr/tasks/`.
    ///
    /// # Errors
    /// `E_TASK_NOT_FOUND`, `E_TASK_INVALID` for what is no text, `E_IO`.
    pub(crate) fn find(path: &Utf8Path, root: &Utf8Path, layout: &Layout) -> Result<Self> {
        let tasks = layout.tasks_dir();
        let candidates = [
            root.join(path),
            layout.repo_root.join(path),
            tasks.join(path),
            tasks.join(format!("{path}.md")),
        ];
        for candidate in candidates {
            if let Some(text) = read(&candidate, path)? {
                return Ok(Self {
                    path: candidate,
                    text,
                });
            }
        }
        Err(Error::new(Code::TaskNotFound, format!("Task file not found: {path}")).at(path))
    }

    /// The task in it.
    ///
    /// # Errors
    /// `E_TASK_INVALID`.
    pub(crate) fn task(&self) -> Result<Task> {
        parse_task_at(&self.text, Some(self.path.as_str()))
    }
}

/// The text of a task file; none if there is no file.
fn read(path: &Utf8Path, shown: &Utf8Path) -> Result<Option<String>> {
    use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    let invalid = |why: &str| {
        let problem = format!("Invalid task front matter in {shown}: {why}");
        Error::new(Code::TaskInvalid, problem).at(path)
    };
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => return Ok(None),
        // Opening a pipe would wait for whoever writes into it.
        Ok(metadata) if !metadata.is_file() => return Err(invalid("it is no regular file")),
        Ok(metadata) if metadata.len() > LIMIT => return Err(invalid("it is larger than 4 MiB")),
        _ => {}
    }
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(invalid("the file is not UTF-8")),
        },
        Err(problem) if matches!(problem.kind(), NotFound | NotADirectory | IsADirectory) => {
            Ok(None)
        }
        Err(problem) => Err(Error::io("read", path, problem)),
    }
}

/// The name of a task in records: its path in the repository however the caller wrote it, also when
/// it was found in a worktree at `toplevel`; a file elsewhere keeps its own path.
pub(crate) fn task_name(path: &Utf8Path, toplevel: &Utf8Path, layout: &Layout) -> String {
    let real = path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
    let inside = |top: &Utf8Path| {
        let top = top.canonicalize_utf8().unwrap_or_else(|_| top.to_owned());
        real.strip_prefix(top).ok().map(Utf8Path::to_string)
    };
    inside(toplevel)
        .or_else(|| inside(&layout.repo_root))
        .unwrap_or_else(|| real.to_string())
}
