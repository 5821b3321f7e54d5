//! Creating runs: a directory appears complete or not at all.

use std::io;

use camino::Utf8Path;

use super::model::{NewRun, RunFields, RunMeta, RunPaths};
use super::names::{branch_name, check_name, store_run_id};
use super::ops::{LOGS, META, META_MODE, Modes, RunStore, is_taken, of_meta};
use crate::error::{Code, Error, Result};
use crate::fs::{
    Dir, Durability, Kind, Replacing, create_dirs, write_atomic, write_failed, write_new,
};
use crate::id::RunId;
use crate::mutant::without;
use crate::time::Timestamp;

/// How far a harness run may be moved into the future to find a free second: an hour of starts.
const MAX_SECONDS: usize = 3600;
/// How often an id is generated anew when it is taken.
const MAX_SUFFIXES: usize = 8;
/// What stands before the slash in the name of a generated branch.
const BRANCH_PREFIX: &str = "runr";

impl RunStore {
    /// Creates a run: its directory with `logs/` and `meta.json`, all at once.
    ///
    /// With `worktree_check` its worktree must exist already; this is looked at before anything is
    /// created. Whatever has the name of the run is left alone.
    ///
    /// # Errors
    /// `E_RUN_DIR_EXISTS`; `E_RUN_DIR_CREATE_FAILED` with the directory at fault;
    /// `E_META_WRITE_FAILED` with `stage` and `committed`; `E_INTERNAL` if the worktree is missing;
    /// `E_USAGE` for a run of another repository than that of the store.
    pub fn create(&self, new: &NewRun, worktree_check: bool) -> Result<RunPaths> {
        self.create_document(&RunMeta::new(new), worktree_check)
    }

    fn create_document(&self, new: &RunMeta, worktree_check: bool) -> Result<RunPaths> {
        self.check_repository(&new.repo_id)?;
        if worktree_check {
            self.check_worktree(&new.worktree_path)?;
        }
        let paths = self.paths(&new.run_id);
        let root = create_dirs(&self.storage, &self.root, self.modes.dir, Durability::Full)
            .map_err(|error| create_failed("runs_dir", &self.root, error))?;
        let root = root.as_ref();
        if is_taken(root, &new.run_id)? {
            return Err(taken(&paths));
        }
        let text = new.to_text();
        let temporary = format!(".{}-{:016x}.tmp", new.run_id, self.suffixes.next()?);
        match publish(root, &temporary, &paths, &text, self.modes) {
            Err(Unpublished::NoSuchRename) => {
                // For a moment it looks like a creation that was given up; a repair holds this too.
                let _lock = self.lock_unless_held(self.wait.clone())?;
                make_in_place(root, &paths, &text, self.modes)?;
            }
            Err(Unpublished::Error(error)) => return Err(error),
            Ok(()) => {}
        }
        if without("publish-sync") {
            return Ok(paths);
        }
        root.sync().map_err(|error| {
            let cause = format!("sync_dir failed: {error}");
            write_failed(&paths.meta_path, "sync_dir", &cause, true)
                .hint("the run is there, but a power cut may still undo it; look before you make another")
                .with("meta_path", paths.meta_path.as_str())
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

    /// Creates a run from what is known of it, and generates the rest. A generated id that is
    /// taken is generated anew, up to eight times; a given one is not.
    ///
    /// # Errors
    /// As [`create`](Self::create); `E_INVALID_ID` for a bad name, `E_RUN_REF_AMBIGUOUS` for that
    /// of another active run.
    pub fn create_from(
        &self,
        fields: &RunFields,
        now: Timestamp,
        worktree_check: bool,
    ) -> Result<RunPaths> {
        if let Some(name) = &fields.name {
            check_name(name)?;
        }
        if let Some(id) = &fields.run_id {
            return self.create_named(&self.complete(fields, id, now), worktree_check);
        }
        let mut last = None;
        for _ in 0..MAX_SUFFIXES {
            let id = store_run_id(now, self.suffixes.next()?)?;
            match self.create_named(&self.complete(fields, &id, now), worktree_check) {
                Err(error) if error.code() == Code::RunDirExists => last = Some(error),
                other => return other,
            }
        }
        Err(last.unwrap_or_else(|| Error::internal("no id was tried")))
    }

    /// Whoever takes a name keeps others from taking one until the run is there.
    fn create_named(&self, new: &RunMeta, worktree_check: bool) -> Result<RunPaths> {
        let Some(name) = &new.name else {
            return self.create_document(new, worktree_check);
        };
        let runs = create_dirs(&self.storage, &self.root, self.modes.dir, Durability::Full);
        runs.map_err(|error| create_failed("runs_dir", &self.root, error))?;
        let _names = self.lock_names(self.wait.clone())?;
        self.check_free(name, &new.run_id)?;
        self.create_document(new, worktree_check)
    }

    fn complete(&self, fields: &RunFields, id: &RunId, now: Timestamp) -> RunMeta {
        let own_repo = self.repo_id().map(str::to_owned);
        let branch = || branch_name(&fields.title, id.as_str(), BRANCH_PREFIX);
        let mut meta = RunMeta::new(&NewRun {
            run_id: id.clone(),
            repo_id: fields.repo_id.clone().or(own_repo).unwrap_or_default(),
            title: fields.title.clone(),
            runner: fields.runner.clone(),
            runner_cmd: fields.runner_cmd.clone(),
            parent_branch: fields.parent_branch.clone(),
            branch: fields.branch.clone().unwrap_or_else(branch),
            worktree_path: fields.worktree_path.clone(),
            created_at: fields.created_at.unwrap_or(now),
        });
        meta.name.clone_from(&fields.name);
        meta
    }

    /// A document that names another repository than its place could never be read again.
    fn check_repository(&self, repo_id: &str) -> Result<()> {
        match self.repo_id() {
            Some(own) if own != repo_id => {
                let message = format!(
                    "the store is that of the repository {own}, not of {}",
                    repo_id.escape_debug()
                );
                Err(Error::new(Code::Usage, message).with("field", "repo_id"))
            }
            _ => Ok(()),
        }
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

/// Why a directory was not published.
pub(super) enum Unpublished {
    NoSuchRename,
    Error(Error),
}

impl From<Error> for Unpublished {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Builds the directory under another name and renames it when it is complete.
pub(super) fn publish(
    root: &dyn Dir,
    temporary: &str,
    paths: &RunPaths,
    text: &str,
    modes: Modes,
) -> Result<(), Unpublished> {
    let id = paths.run_id.as_str();
    root.create_dir(temporary, modes.dir)
        .map_err(|error| io_failed("run_dir", &paths.run_dir, error))?;
    let renamed = fill(root, temporary, paths, text, modes)
        .map_err(Unpublished::Error)
        .and_then(|()| {
            let renamed = if without("no-replace") {
                root.rename(temporary, id)
            } else {
                root.rename_no_replace(temporary, id)
            };
            renamed.map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => taken(paths).into(),
                io::ErrorKind::Unsupported => Unpublished::NoSuchRename,
                _ => io_failed("run_dir", &paths.run_dir, error).into(),
            })
        });
    if renamed.is_err() && !without("publish-cleanup") {
        remove(root, temporary);
    }
    renamed
}

/// Makes the directory under its own name: it is taken at once, but complete only later.
fn make_in_place(root: &dyn Dir, paths: &RunPaths, text: &str, modes: Modes) -> Result<()> {
    let id = paths.run_id.as_str();
    root.create_dir(id, modes.dir)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => taken(paths),
            _ => io_failed("run_dir", &paths.run_dir, error),
        })?;
    let dir = make_logs(root, id, paths, modes).and_then(|dir| {
        let new = Replacing::Nothing(META_MODE);
        let written = write_atomic(dir.as_ref(), META, text.as_bytes(), new, Durability::Full);
        written.map_err(|error| of_meta(error, &paths.meta_path))
    });
    if dir.is_err() {
        remove(root, id);
    }
    dir
}

/// Fills a directory that nobody sees yet, durably.
fn fill(root: &dyn Dir, name: &str, paths: &RunPaths, text: &str, modes: Modes) -> Result<()> {
    let dir = make_logs(root, name, paths, modes)?;
    // The path by which the caller knows it, not that of the unfinished directory.
    write_new(dir.as_ref(), META, text.as_bytes(), META_MODE)
        .map_err(|error| of_meta(error, &paths.meta_path).at(&paths.meta_path))
}

fn make_logs(root: &dyn Dir, name: &str, paths: &RunPaths, modes: Modes) -> Result<Box<dyn Dir>> {
    let dir = root
        .open_dir(name)
        .map_err(|error| io_failed("run_dir", &paths.run_dir, error))?;
    dir.create_dir(LOGS, modes.logs)
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
        .hint("check the permissions of the directory and the space on the disk")
        .with(which, path.as_str())
        .with("cause", cause.to_string())
}
