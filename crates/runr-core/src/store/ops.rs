//! Creating and reading runs: the only place that knows where they are.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::model::{NewRun, RunMeta, RunPaths};
use super::rules::{BadMeta, meta_text, parse_meta};
use crate::error::{Code, Error, Result};
use crate::fs::{
    Dir, Document, Durability, Kind, Replacing, Storage, create_dirs, open_dir_if_present,
    write_atomic, write_new,
};
use crate::id::RunId;
use crate::time::Timestamp;

const META: &str = "meta.json";
const LOGS: &str = "logs";
/// Commands may hold secrets: the document is for its owner alone, and so are logs.
const META_MODE: u32 = 0o600;
const LOGS_MODE: u32 = 0o700;
/// The umask decides who may see that there is a run.
const DIR_MODE: u32 = 0o777;
/// How far a harness run may be moved into the future to find a free second: an hour of starts.
const MAX_SECONDS: usize = 3600;

/// Where the names of unfinished directories get their random part.
pub trait Suffixes: fmt::Debug + Send + Sync {
    /// 64 random bits.
    ///
    /// # Errors
    /// `E_IO`.
    fn next(&self) -> Result<u64>;
}

/// Random bits of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSuffixes;

impl Suffixes for SystemSuffixes {
    fn next(&self) -> Result<u64> {
        getrandom::u64()
            .map_err(|error| Error::new(Code::Io, format!("cannot get random bits: {error}")))
    }
}

/// The runs below one directory.
#[derive(Debug, Clone)]
pub struct RunStore {
    storage: Storage,
    root: Utf8PathBuf,
    suffixes: Arc<dyn Suffixes>,
}

impl RunStore {
    /// The store whose runs are the directories in `root`. Nothing is created yet.
    #[must_use]
    pub fn open(storage: Storage, root: impl Into<Utf8PathBuf>) -> Self {
        Self {
            storage,
            root: root.into(),
            suffixes: Arc::new(SystemSuffixes),
        }
    }

    /// Takes random parts of names from `suffixes`.
    #[must_use]
    pub fn with_suffixes(mut self, suffixes: Arc<dyn Suffixes>) -> Self {
        self.suffixes = suffixes;
        self
    }

    /// The directory of a run, whether there is one or not.
    #[must_use]
    pub fn run_dir(&self, id: &RunId) -> Utf8PathBuf {
        self.root.join(id.as_str())
    }

    /// The paths of a run, whether there is one or not.
    #[must_use]
    pub fn paths(&self, id: &RunId) -> RunPaths {
        let run_dir = self.run_dir(id);
        RunPaths {
            run_id: id.clone(),
            logs_dir: run_dir.join(LOGS),
            meta_path: run_dir.join(META),
            run_dir,
        }
    }

    /// Whether anything has the name of this run.
    ///
    /// # Errors
    /// `E_IO`.
    pub fn exists(&self, id: &RunId) -> Result<bool> {
        match open_dir_if_present(self.storage.as_ref(), &self.root)? {
            None => Ok(false),
            Some(root) => is_taken(root.as_ref(), id),
        }
    }

    /// Creates a run: its directory with `logs/` and `meta.json`, all at once.
    ///
    /// With `worktree_check` its worktree must exist already; this is looked at before anything is
    /// created. Whatever has the name of the run is left alone.
    ///
    /// # Errors
    /// `E_RUN_DIR_EXISTS`; `E_RUN_DIR_CREATE_FAILED` with the directory at fault;
    /// `E_META_WRITE_FAILED` with `stage` and `committed`; `E_INTERNAL` if the worktree is missing.
    pub fn create(&self, new: &NewRun, worktree_check: bool) -> Result<RunPaths> {
        if worktree_check {
            self.check_worktree(&new.worktree_path)?;
        }
        let paths = self.paths(&new.run_id);
        let root = create_dirs(&self.storage, &self.root, DIR_MODE, Durability::Full)
            .map_err(|error| create_failed("runs_dir", &self.root, error))?;
        let root = root.as_ref();
        if is_taken(root, &new.run_id)? {
            return Err(taken(&paths));
        }
        let text = meta_text(new);
        let temporary = format!(".{}-{:016x}.tmp", new.run_id, self.suffixes.next()?);
        match publish(root, &temporary, &paths, &text) {
            Err(Unpublished::NoSuchRename) => make_in_place(root, &paths, &text)?,
            Err(Unpublished::Error(error)) => return Err(error),
            Ok(()) => {}
        }
        root.sync().map_err(|error| {
            let message = format!("cannot sync {}: {error}", self.root);
            Error::new(Code::MetaWriteFailed, message)
                .at(&paths.meta_path)
                .during("sync")
                .with("meta_path", paths.meta_path.as_str())
                .with("stage", "sync_dir")
                .with("committed", true)
                .with("errno", error.raw_os_error())
                .caused_by(error)
        })?;
        Ok(paths)
    }

    /// Creates a harness run at the first free second from `now` on; `new` says what it is for a
    /// given id.
    ///
    /// # Errors
    /// As [`create`](Self::create); `E_RUN_DIR_EXISTS` only when a whole hour is taken.
    pub fn create_harness_run(
        &self,
        now: Timestamp,
        new: impl Fn(&RunId) -> NewRun,
    ) -> Result<RunPaths> {
        let mut last = None;
        for id in RunId::from_second(now).take(MAX_SECONDS) {
            match self.create(&new(&id), false) {
                Err(error) if error.code() == Code::RunDirExists => last = Some(error),
                other => return other,
            }
        }
        Err(last.unwrap_or_else(|| Error::internal("no id was tried")))
    }

    /// Reads the `meta.json` of a run. Takes no lock.
    ///
    /// # Errors
    /// `E_RUN_NOT_FOUND`; `E_STORE_CORRUPT` with the reason and its place for all that is there
    /// and cannot be read (the file stays as it is).
    pub fn read(&self, id: &RunId) -> Result<RunMeta> {
        let paths = self.paths(id);
        let document = Document::new(Storage::clone(&self.storage), &paths.run_dir, META);
        let text = match document.read() {
            Ok(None) => self.read_again(id, &document),
            other => other,
        };
        let text = text.map_err(|error| unreadable(&paths, error))?;
        let text = text.ok_or_else(|| not_found(id, &paths))?;
        parse_meta(&text, id, self.repo_id()).map_err(|bad| corrupt(&paths, bad))
    }

    /// The ids of all runs, sorted. What has no valid id for a name, or is no directory, is none.
    ///
    /// # Errors
    /// `E_IO`.
    pub fn ids(&self) -> Result<Vec<RunId>> {
        let Some(root) = open_dir_if_present(self.storage.as_ref(), &self.root)? else {
            return Ok(Vec::new());
        };
        let entries = root
            .list()
            .map_err(|error| Error::io("list", &self.root, error))?;
        let mut ids: Vec<_> = entries
            .iter()
            .filter(|entry| entry.kind == Kind::Dir)
            // Unfinished directories begin with a dot, which no id does.
            .filter_map(|entry| RunId::parse(&entry.name).ok())
            .collect();
        ids.sort();
        Ok(ids)
    }

    /// Where directories cannot be renamed without replacing, a run is made in place and has no
    /// `meta.json` for a moment.
    fn read_again(&self, id: &RunId, document: &Document) -> Result<Option<String>> {
        for _ in 0..3 {
            if !self.exists(id)? {
                break;
            }
            thread::sleep(Duration::from_millis(5));
            if let Some(text) = document.read()? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// The repository this store belongs to, where its path says so: `repos/<repo_id>/runs`.
    fn repo_id(&self) -> Option<&str> {
        let repo = self.root.parent()?;
        let named = self.root.file_name() == Some("runs")
            && repo.parent().and_then(Utf8Path::file_name) == Some("repos");
        named.then(|| repo.file_name()).flatten()
    }

    fn check_worktree(&self, path: &Utf8Path) -> Result<()> {
        let problem = match self.storage.stat(path) {
            Ok(stat) if stat.kind == Kind::Dir => return Ok(()),
            Ok(_) => "worktree path is not a directory".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                "worktree path is missing".to_owned()
            }
            Err(error) => format!("worktree path cannot be looked at: {error}"),
        };
        Err(Error::internal(problem)
            .at(path)
            .with("step", "WriteMeta")
            .with("worktree_path", path.as_str()))
    }
}

fn is_taken(root: &dyn Dir, id: &RunId) -> Result<bool> {
    match root.stat(id.as_str()) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("stat", &root.path().join(id.as_str()), error)),
    }
}

/// Why a directory was not published.
enum Unpublished {
    NoSuchRename,
    Error(Error),
}

impl From<Error> for Unpublished {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Builds the directory under another name and renames it when it is complete.
fn publish(
    root: &dyn Dir,
    temporary: &str,
    paths: &RunPaths,
    text: &str,
) -> Result<(), Unpublished> {
    let id = paths.run_id.as_str();
    root.create_dir(temporary, DIR_MODE)
        .map_err(|error| io_failed("run_dir", &paths.run_dir, error))?;
    let renamed = fill(root, temporary, paths, text)
        .map_err(Unpublished::Error)
        .and_then(|()| {
            root.rename_no_replace(temporary, id)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => taken(paths).into(),
                    io::ErrorKind::Unsupported => Unpublished::NoSuchRename,
                    _ => io_failed("run_dir", &paths.run_dir, error).into(),
                })
        });
    if renamed.is_err() {
        remove(root, temporary);
    }
    renamed
}

/// Makes the directory under its own name: it is taken at once, but complete only later.
fn make_in_place(root: &dyn Dir, paths: &RunPaths, text: &str) -> Result<()> {
    let id = paths.run_id.as_str();
    root.create_dir(id, DIR_MODE)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => taken(paths),
            _ => io_failed("run_dir", &paths.run_dir, error),
        })?;
    let dir = make_logs(root, id, paths).and_then(|dir| {
        let new = Replacing::Nothing(META_MODE);
        write_atomic(dir.as_ref(), META, text.as_bytes(), new, Durability::Full)
    });
    if dir.is_err() {
        remove(root, id);
    }
    dir
}

/// Fills a directory that nobody sees yet, durably.
fn fill(root: &dyn Dir, name: &str, paths: &RunPaths, text: &str) -> Result<()> {
    let dir = make_logs(root, name, paths)?;
    write_new(dir.as_ref(), META, text.as_bytes(), META_MODE).map_err(|error| {
        // The path by which the caller knows it, not that of the unfinished directory.
        error
            .at(&paths.meta_path)
            .with("meta_path", paths.meta_path.as_str())
    })
}

fn make_logs(root: &dyn Dir, name: &str, paths: &RunPaths) -> Result<Box<dyn Dir>> {
    let dir = root
        .open_dir(name)
        .map_err(|error| io_failed("run_dir", &paths.run_dir, error))?;
    dir.create_dir(LOGS, LOGS_MODE)
        .map_err(|error| io_failed("logs_dir", &paths.logs_dir, error))?;
    Ok(dir)
}

/// Removes a directory we made; best effort, the first error is the one to report.
fn remove(root: &dyn Dir, name: &str) {
    if let Ok(dir) = root.open_dir(name) {
        drop(dir.unlink(META));
        drop(dir.remove_dir(LOGS));
    }
    drop(root.remove_dir(name));
}

fn taken(paths: &RunPaths) -> Error {
    Error::new(Code::RunDirExists, "run directory already exists")
        .at(&paths.run_dir)
        .during("create")
        .with("run_dir", paths.run_dir.as_str())
}

fn io_failed(which: &str, path: &Utf8Path, error: io::Error) -> Error {
    create_failed(which, path, Error::io("create", path, error))
}

/// `which` is the name of the detail: `runs_dir`, `run_dir` or `logs_dir`.
fn create_failed(which: &str, path: &Utf8Path, cause: Error) -> Error {
    let message = format!("cannot create run directory: {cause}");
    Error::new(Code::RunDirCreateFailed, message)
        .at(path)
        .during("create")
        .with(which, path.as_str())
        .with("cause", cause.to_string())
}

fn not_found(id: &RunId, paths: &RunPaths) -> Error {
    Error::new(Code::RunNotFound, "Run not found")
        .at(&paths.meta_path)
        .with("run_id", id.as_str())
        .with("meta_path", paths.meta_path.as_str())
        .hint("runr status --all")
}

/// Also a link, a pipe or a missing permission is a run we cannot read, not one that is missing.
fn unreadable(paths: &RunPaths, error: Error) -> Error {
    match error.code() {
        Code::Io => corrupt(paths, BadMeta::new(error.to_string())),
        _ => error,
    }
}

fn corrupt(paths: &RunPaths, bad: BadMeta) -> Error {
    let path = &paths.meta_path;
    let message = format!("cannot parse {path}: {}", bad.reason);
    let mut error = Error::new(Code::StoreCorrupt, message)
        .at(path)
        .during("read")
        .with("cause", bad.reason);
    if let Some((line, column)) = bad.place {
        error = error.with("line", line).with("column", column);
    }
    if let Some(version) = bad.schema_version {
        error = error.with("schema_version", version);
    }
    error
}

#[cfg(test)]
mod tests;
