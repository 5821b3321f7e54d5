//! The store: where its runs are, and reading them.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::model::{RunMeta, RunPaths};
use super::names::RepoId;
use super::places::DataDir;
use super::rules::{BadMeta, parse_meta};
use super::scan::directories_in;
use crate::error::{Code, Error, Result};
use crate::fs::{
    Dir, Document, File, MAX_DOCUMENT, Storage, Wait, confined, open_dir_if_present, read_whole,
};
use crate::id::RunId;

pub(super) const META: &str = "meta.json";
pub(super) const LOGS: &str = "logs";
/// Commands may hold secrets: the document is for its owner alone.
pub(super) const META_MODE: u32 = 0o600;

/// Who may look into the directories of a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modes {
    pub(super) dir: u32,
    pub(super) logs: u32,
}

impl Modes {
    /// In a repository the umask decides who may see that there is a run; logs are private.
    const REPOSITORY: Self = Self {
        dir: 0o777,
        logs: 0o700,
    };
    /// A data directory is for its owner alone.
    const PRIVATE: Self = Self {
        dir: 0o700,
        logs: 0o700,
    };
}

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
    pub(super) storage: Storage,
    pub(super) root: Utf8PathBuf,
    pub(super) suffixes: Arc<dyn Suffixes>,
    pub(super) wait: Wait,
    pub(super) modes: Modes,
}

impl RunStore {
    /// The store whose runs are the directories in `root`. Nothing is created yet.
    ///
    /// `root` must be no link, and neither is a link in it ever followed.
    #[must_use]
    pub fn open(storage: Storage, root: impl Into<Utf8PathBuf>) -> Self {
        let root = root.into();
        let base = root.parent().unwrap_or(&root).to_owned();
        Self::within(storage, base, root)
    }

    fn within(storage: Storage, base: Utf8PathBuf, root: Utf8PathBuf) -> Self {
        Self {
            storage: confined(storage, base),
            root,
            suffixes: Arc::new(SystemSuffixes),
            wait: Wait::USUAL,
            modes: Modes::REPOSITORY,
        }
    }

    /// The store of a repository in a data directory, private to its owner. Nothing is created yet,
    /// and no link below the data directory is ever followed.
    #[must_use]
    pub fn data(storage: Storage, data: &DataDir, repo: &RepoId) -> Self {
        Self {
            modes: Modes::PRIVATE,
            ..Self::within(storage, data.path().to_owned(), data.runs_dir(repo))
        }
    }

    /// The directory of the runs.
    #[must_use]
    pub fn runs_dir(&self) -> &Utf8Path {
        &self.root
    }

    /// Sets how long changes wait for the lock of a run.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
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

    /// Reads the `meta.json` of a run. Takes no lock.
    ///
    /// # Errors
    /// `E_RUN_NOT_FOUND`; `E_STORE_CORRUPT` with the reason and its place for all that is there
    /// and cannot be read (the file stays as it is).
    pub fn read(&self, id: &RunId) -> Result<RunMeta> {
        let opened = self.storage.open_file(&self.run_dir(id).join(META));
        self.read_opened(opened, id)
    }

    /// Reads an opened document, and another time by [`Self::read_carefully`] if there is anything
    /// wrong with it.
    pub(super) fn read_opened(
        &self,
        opened: io::Result<Box<dyn File>>,
        id: &RunId,
    ) -> Result<RunMeta> {
        let bytes = opened.and_then(|file| read_whole(file.as_ref(), MAX_DOCUMENT));
        let meta = bytes.ok().and_then(|bytes| {
            let text = std::str::from_utf8(&bytes).ok()?;
            parse_meta(text, id, self.repo_id()).ok()
        });
        meta.map_or_else(|| self.read_carefully(id), Ok)
    }

    /// Reads a document slowly, and says what is wrong with it.
    fn read_carefully(&self, id: &RunId) -> Result<RunMeta> {
        let paths = self.paths(id);
        let text = self.read_text(&paths)?;
        parse_meta(&text, id, self.repo_id()).map_err(|bad| corrupt(&paths.meta_path, bad))
    }

    /// The text of the `meta.json` of a run, whatever it says.
    pub(super) fn read_text(&self, paths: &RunPaths) -> Result<String> {
        let document = Document::new(Storage::clone(&self.storage), &paths.run_dir, META);
        let text = match document.read() {
            Ok(None) => self.read_again(&paths.run_id, &document),
            other => other,
        };
        let text = text.map_err(|error| unreadable(&paths.meta_path, error))?;
        text.ok_or_else(|| self.not_found(&paths.run_id))
    }

    /// The ids of all runs, sorted. What has no valid id for a name, or is no directory, is none.
    ///
    /// # Errors
    /// `E_IO`.
    pub fn ids(&self) -> Result<Vec<RunId>> {
        match open_dir_if_present(self.storage.as_ref(), &self.root)? {
            None => Ok(Vec::new()),
            Some(root) => ids_in(root.as_ref()),
        }
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
    #[must_use]
    pub fn repo_id(&self) -> Option<&str> {
        let repo = self.root.parent()?;
        let named = self.root.file_name() == Some("runs")
            && repo.parent().and_then(Utf8Path::file_name) == Some("repos");
        named.then(|| repo.file_name()).flatten()
    }

    pub(super) fn not_found(&self, id: &RunId) -> Error {
        let meta_path = self.paths(id).meta_path;
        Error::new(Code::RunNotFound, format!("run not found: {id}"))
            .at(&meta_path)
            .with("run_id", id.as_str())
            .with("meta_path", meta_path.as_str())
            .hint(self.list_command())
    }

    /// The command that lists the runs of this store.
    #[must_use]
    pub fn list_command(&self) -> String {
        if self.repo_id().is_some() {
            "runr store ls".to_owned()
        } else if self.root.ends_with(".runr/runs") {
            "runr status --all".to_owned()
        } else {
            format!("runr store ls --runs {}", self.root)
        }
    }

    /// The error of a write into the directory of a run, unless there is no such directory.
    pub(super) fn unless_missing(&self, id: &RunId, error: Error) -> Error {
        let missing = |error: &Error| {
            let kind = error.io_source().map(io::Error::kind);
            error.operation() == Some("open") && kind == Some(io::ErrorKind::NotFound)
        };
        if missing(&error) {
            self.not_found(id)
        } else {
            error
        }
    }
}

/// The ids of the runs in a directory, sorted.
pub(super) fn ids_in(root: &dyn Dir) -> Result<Vec<RunId>> {
    let mut ids: Vec<_> = directories_in(root)?
        .iter()
        // Unfinished directories begin with a dot, which no id does.
        .filter_map(|name| RunId::parse(name).ok())
        .collect();
    ids.sort();
    Ok(ids)
}

pub(super) fn is_taken(root: &dyn Dir, id: &RunId) -> Result<bool> {
    match root.stat(id.as_str()) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("stat", &root.path().join(id.as_str()), error)),
    }
}

/// Of a failed write, that it was the one of a `meta.json`.
pub(super) fn of_meta(error: Error, path: &Utf8Path) -> Error {
    match error.code() {
        Code::MetaWriteFailed => error.with("meta_path", path.as_str()),
        _ => error,
    }
}

/// Also a link, a pipe or a missing permission is a run we cannot read, not one that is missing.
pub(super) fn unreadable(path: &Utf8Path, error: Error) -> Error {
    match error.code() {
        Code::Io => corrupt(path, BadMeta::new(error.to_string()))
            .hint("nothing was changed; see that the file can be read, then run it again")
            .with("errno", error.io_source().and_then(io::Error::raw_os_error)),
        _ => error,
    }
}

pub(super) fn corrupt(path: &Utf8Path, bad: BadMeta) -> Error {
    let mut error = crate::fs::corrupt(path, &bad.reason);
    if let Some(hint) = bad.hint {
        error = error.hint(hint);
    }
    if let Some(place) = bad.place {
        error = error
            .with("offset", place.offset)
            .with("line", place.line)
            .with("column", place.column);
    }
    if let Some(version) = bad.schema_version {
        error = error.with("schema_version", version);
    }
    error
}

#[cfg(test)]
mod tests;
