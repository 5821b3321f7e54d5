//! The work items of a repository: preparing one, linking runs to it, finding it again.

mod tree;

use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use self::tree::DiskTree;
use super::findings::Findings;
use super::index::{INDEX_LIMIT, Index};
use super::merge::{self, MetaPatch, Superseded};
use super::meta::{Meta, blank};
use super::model::{Branch, Flow, Mode, PrepRequest};
use super::reference::parse_ref;
use super::report::PrepReport;
use super::resolve::{Lookup, Resolution, RunTree, resolve};
use super::rules::{check_item_id, is_item_id, missing_upstream_flows};
use super::upsert::{self, IndexEdit};
use crate::error::{Code, Error, Result};
use crate::fs::{
    Dir, Document, Durability, Kind, Lock, Storage, Wait, create_dirs, open_dir_if_present,
};
use crate::id::RunId;
use crate::time::Timestamp;

/// The directory of all work items.
const RUNS: &str = ".runs";
const LOCK: &str = ".lock";
const INDEX: &str = "index.json";
const META: &str = "run_meta.json";

/// The work items below one root, in `.runs`.
#[derive(Debug, Clone)]
pub struct WorkItems {
    storage: Storage,
    root: Utf8PathBuf,
    wait: Wait,
}

/// What linking a harness run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Linked {
    /// Whether it was not linked before.
    pub changed: bool,
}

/// A work item that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkItem {
    /// Its id.
    pub id: String,
    /// The harness runs that worked on it, the newest one last.
    pub harness_runs: Vec<String>,
}

impl WorkItem {
    /// Its newest run of those that are there: by their ids, as one may have been linked late.
    #[must_use]
    pub fn newest(&self, is_there: impl Fn(&str) -> bool) -> Option<&str> {
        let runs = self.harness_runs.iter().map(String::as_str);
        runs.filter(|run| is_there(run)).max()
    }
}

/// A prepared work item that is not written yet.
struct Plan {
    id: String,
    run_meta: String,
    old_index: String,
    index: IndexEdit,
}

impl WorkItems {
    /// The work items of the repository at `root`. Nothing is created yet.
    #[must_use]
    pub fn open(storage: Storage, root: impl Into<Utf8PathBuf>) -> Self {
        Self {
            storage,
            root: root.into(),
            wait: Wait::USUAL,
        }
    }

    /// Sets how long to wait for the lock.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// Decides which work item a request means, makes its directories, and brings its metadata and
    /// the index up to date.
    ///
    /// What cannot be read or written is no error but a report that says so; nothing was written
    /// then, unless the index could not follow the metadata, which preparing again mends.
    ///
    /// # Errors
    /// `E_USAGE` for a request that makes no sense.
    pub fn prep(&self, request: &PrepRequest, now: Timestamp) -> Result<PrepReport> {
        merge::check_facts(&request.facts)?;
        let mut report = PrepReport::new(request.flow);
        if let Err(error) = self.attempt(request, now, &mut report) {
            report.give_up(&error, &self.root.join(RUNS));
        }
        Ok(report)
    }

    fn attempt(
        &self,
        request: &PrepRequest,
        now: Timestamp,
        report: &mut PrepReport,
    ) -> Result<()> {
        let runs = self.find_runs()?;
        if request.dry_run {
            let dir = open_dir_if_present(self.storage.as_ref(), &runs)?;
            let plan = self.plan(&runs, dir.as_deref(), request, now, report)?;
            report.run_meta_text = Some(plan.run_meta);
            report.index_text = Some(plan.index.apply(&plan.old_index));
            return Ok(());
        }
        let dir = create_dirs(&self.storage, &runs, 0o777, Durability::Full)?;
        let guard = Lock::acquire_in(dir.as_ref(), LOCK, self.wait.clone())?;
        let plan = self.plan(&runs, Some(dir.as_ref()), request, now, report)?;
        let run_dir = runs.join(&plan.id);
        let flow_dir = run_dir.join(request.flow.as_str());
        create_dirs(&self.storage, &flow_dir, 0o777, Durability::Full)?;
        self.meta(&runs, &plan.id)
            .replace_under(&guard, &plan.run_meta)?;
        self.index(&runs)
            .change_under(&guard, &plan.old_index, &plan.index.splice)
    }

    /// Reads and decides; writes nothing. What was found out stands in the report at once.
    fn plan(
        &self,
        runs: &Utf8Path,
        dir: Option<&dyn Dir>,
        request: &PrepRequest,
        now: Timestamp,
        report: &mut PrepReport,
    ) -> Result<Plan> {
        let index_path = runs.join(INDEX);
        let located = |error: Error| match error.path() {
            Some(_) => error,
            None => error.at(&index_path),
        };
        let index_text = self.index(runs).read()?;
        let index = Index::read(index_text.as_deref()).map_err(located)?;
        let tree = DiskTree { runs, dir };
        let resolution = resolve(request, &index, &tree)?;
        let flows = self.preflight(dir, &resolution.id, request.flow)?;
        report.describe(&resolution);
        let id = resolution.id.clone();
        let (merged, patch) = self.merge(runs, request, now, &resolution, report)?;
        let pointer = merge::pointer(&merged.text, &patch)?;
        let edit = upsert::edit(&index, &pointer).map_err(located)?;
        let mut findings = resolution.findings;
        findings.extend(merged.findings);
        for note in &edit.notes {
            findings.note(note.as_str());
        }
        report.missing_upstream_flows = missing_upstream_flows(&flows, request.flow);
        report.iterations = Some(merged.iterations);
        report.aliases_added = merged.aliases_added;
        report.conclude(&findings);
        drop(index);
        let old_index = index_text.unwrap_or_default();
        // Else the metadata would be written and the index could never follow.
        self.index(runs).check_length(edit.length(&old_index))?;
        Ok(Plan {
            id,
            run_meta: merged.text,
            old_index,
            index: edit,
        })
    }

    fn merge(
        &self,
        runs: &Utf8Path,
        request: &PrepRequest,
        now: Timestamp,
        resolution: &Resolution,
        report: &mut PrepReport,
    ) -> Result<(merge::Merged, MetaPatch)> {
        let document = self.meta(runs, &resolution.id);
        let stored = document.read()?;
        report.mode = Some(match (&resolution.supersedes, &stored) {
            (Some(_), _) => Mode::Superseding,
            (None, Some(text)) if !blank(text) => Mode::Existing,
            (None, _) => Mode::New,
        });
        let older = resolution.supersedes.as_ref();
        let older = older.map(|id| self.meta(runs, id));
        let before = older.as_ref().map(Document::read).transpose()?.flatten();
        let before = match (&older, &before) {
            (Some(older), Some(text)) => {
                Meta::read(text).map_err(|error| error.at(older.path()))?
            }
            _ => None,
        };
        let superseded = resolution.supersedes.as_deref().map(|id| Superseded {
            id,
            meta: before.as_ref(),
        });
        let patch = MetaPatch {
            run_id: resolution.id.clone(),
            flow: request.flow,
            aliases: resolution.aliases.clone(),
            facts: request.facts.clone(),
            base_ref: request
                .base_ref
                .clone()
                .or_else(|| upstream(&request.branch)),
            now,
            source: Some(resolution.source),
        };
        let merged = merge::merge(stored.as_deref(), &patch, superseded);
        Ok((merged.map_err(|error| error.at(document.path()))?, patch))
    }

    /// Adds a harness run to those that worked on a work item.
    ///
    /// # Errors
    /// `E_INVALID_ID`; `E_RUN_NOT_FOUND` if the work item has no metadata; `E_STORE_CORRUPT`;
    /// `E_META_SHAPE`; `E_RUN_PATH`; `E_META_WRITE_FAILED`; `E_LOCK_TIMEOUT`; `E_IO`.
    pub fn link_run(&self, id: &str, harness_run_id: &RunId) -> Result<Linked> {
        check_item_id(id)?;
        let runs = self.find_runs()?;
        let missing = || self.not_found(&runs, id);
        let dir = open_dir_if_present(self.storage.as_ref(), &runs)?.ok_or_else(missing)?;
        let guard = Lock::acquire_in(dir.as_ref(), LOCK, self.wait.clone())?;
        subdirectory(dir.as_ref(), id)?.ok_or_else(missing)?;
        let document = self.meta(&runs, id);
        let text = document
            .read()?
            .filter(|text| !blank(text))
            .ok_or_else(missing)?;
        let linked = merge::link(&text, harness_run_id.as_str());
        match linked.map_err(|error| error.at(document.path()))? {
            None => Ok(Linked { changed: false }),
            Some(text) => {
                document.replace_under(&guard, &text)?;
                Ok(Linked { changed: true })
            }
        }
    }

    /// The work item with this id, or the one that a reference belongs to. Writes nothing.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT`; `E_INDEX_VERSION`; `E_RUN_PATH`; `E_IO`.
    pub fn find(&self, text: &str) -> Result<Option<WorkItem>> {
        let runs = self.find_runs()?;
        let dir = open_dir_if_present(self.storage.as_ref(), &runs)?;
        let tree = DiskTree {
            runs: &runs,
            dir: dir.as_deref(),
        };
        let text = text.trim();
        if is_item_id(text) && tree.exists(text)? {
            return self.item(&runs, text).map(Some);
        }
        let Some(reference) = parse_ref(text) else {
            return Ok(None);
        };
        let index_text = self.index(&runs).read()?;
        let index = Index::read(index_text.as_deref());
        let index = index.map_err(|error| error.at(runs.join(INDEX)))?;
        let lookup = Lookup {
            index: &index,
            tree: &tree,
        };
        let target = lookup.target(&reference, &mut Findings::default())?;
        let id = target.map_or(reference.candidate, |target| target.id);
        if tree.exists(&id)? {
            self.item(&runs, &id).map(Some)
        } else {
            Ok(None)
        }
    }

    fn item(&self, runs: &Utf8Path, id: &str) -> Result<WorkItem> {
        let document = self.meta(runs, id);
        let text = document.read()?.unwrap_or_default();
        let meta = Meta::read(&text).map_err(|error| error.at(document.path()))?;
        Ok(WorkItem {
            id: id.to_owned(),
            harness_runs: meta
                .map(|meta| meta.texts("harness_runs"))
                .unwrap_or_default(),
        })
    }

    /// The directory of all work items, a link to another place in the repository followed.
    fn find_runs(&self) -> Result<Utf8PathBuf> {
        let path = self.root.join(RUNS);
        let io = |operation, at: &Utf8Path| {
            let at = at.to_owned();
            move |error| Error::io(operation, &at, error)
        };
        // The directory that a caller names may be reached through a link.
        let root = self
            .storage
            .real_path(&self.root)
            .map_err(io("open", &self.root))?;
        let dir = self
            .storage
            .open_dir(&root)
            .map_err(io("open", &self.root))?;
        match dir.stat(RUNS) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(path),
            Err(error) => Err(Error::io("stat", &path, error)),
            Ok(stat) if stat.kind == Kind::Dir => Ok(path),
            Ok(stat) if stat.kind == Kind::Link => {
                let real = self.storage.real_path(&path).map_err(io("open", &path))?;
                if real.starts_with(&root) {
                    Ok(real)
                } else {
                    Err(misplaced(&path, "leads out of the repository"))
                }
            }
            Ok(_) => Err(misplaced(&path, "is no directory")),
        }
    }

    /// The flows of the work item that have a directory. Whatever stands in the way is refused
    /// before anything is written.
    fn preflight(&self, dir: Option<&dyn Dir>, id: &str, flow: Flow) -> Result<Vec<String>> {
        let Some(run) = dir.map(|dir| subdirectory(dir, id)).transpose()?.flatten() else {
            return Ok(Vec::new());
        };
        subdirectory(run.as_ref(), flow.as_str())?;
        let entries = run
            .list()
            .map_err(|error| Error::io("list", run.path(), error))?;
        let directories = entries.into_iter().filter(|entry| entry.kind == Kind::Dir);
        Ok(directories.map(|entry| entry.name).collect())
    }

    fn not_found(&self, runs: &Utf8Path, id: &str) -> Error {
        let path = runs.join(id).join(META);
        Error::new(Code::RunNotFound, format!("no work item {id}"))
            .at(&path)
            .with("run_id", id)
            .with("meta_path", path.as_str())
            .hint(format!("runr prep --flow build --run-id {id}"))
    }

    fn meta(&self, runs: &Utf8Path, id: &str) -> Document {
        Document::new(self.storage.clone(), runs.join(id), META)
    }

    fn index(&self, runs: &Utf8Path) -> Document {
        Document::new(self.storage.clone(), runs, INDEX).limit(INDEX_LIMIT as u64)
    }
}

/// A directory of a work item; nothing if there is none.
fn subdirectory(parent: &dyn Dir, name: &str) -> Result<Option<Box<dyn Dir>>> {
    let path = parent.path().join(name);
    match parent.stat(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("stat", &path, error)),
        Ok(stat) if stat.kind == Kind::Dir => {
            let dir = parent.open_dir(name);
            dir.map(Some)
                .map_err(|error| Error::io("open", &path, error))
        }
        Ok(stat) if stat.kind == Kind::Link => Err(misplaced(&path, "is a link")),
        Ok(_) => Err(misplaced(&path, "is no directory")),
    }
}

fn misplaced(path: &Utf8Path, why: &str) -> Error {
    Error::new(Code::RunPath, format!("cannot use {path}: it {why}"))
        .at(path)
        .during("open")
        .hint(format!("move {path} away; nothing was written"))
}

/// The branch that the present one is stacked on, as far as its upstream tells.
fn upstream(branch: &Branch) -> Option<String> {
    match branch {
        Branch::Named { name, upstream } if name != "main" && name != "master" => upstream.clone(),
        _ => None,
    }
}
