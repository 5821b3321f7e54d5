//! All runs of a store, the broken ones too.

use std::cmp::Ordering;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::model::RunMeta;
use super::names::RepoId;
use super::ops::{META, RunStore, ids_in};
use super::places::DataDir;
use crate::error::{Code, Error, Result};
use crate::fs::{Dir, Document, Kind, Storage, open_dir_if_present};
use crate::id::RunId;
use crate::json::{Rules, scan};
use crate::time::Timestamp;

/// A run as a scan found it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The name of its directory.
    pub run_id: RunId,
    /// Its repository: that of the store, else what its document says.
    pub repo_id: String,
    /// Its `meta.json`.
    pub meta_path: Utf8PathBuf,
    /// What its `meta.json` says; nothing if the run is broken.
    pub meta: Option<RunMeta>,
    /// Why it is broken.
    pub problem: Option<String>,
    /// When it was created, if its `meta.json` says so: a list is sorted by it.
    created: Option<Timestamp>,
}

impl Record {
    /// Whether its `meta.json` cannot be used.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.meta.is_none()
    }

    /// Its `meta.json`, for a command that cannot do without.
    ///
    /// # Errors
    /// `E_RUN_BROKEN`.
    pub fn usable(&self) -> Result<&RunMeta> {
        self.meta.as_ref().ok_or_else(|| {
            let message = format!("run {} exists but its meta.json is unusable", self.run_id);
            Error::new(Code::RunBroken, message)
                .at(&self.meta_path)
                .with("run_id", self.run_id.as_str())
                .with("repo_id", self.repo_id.as_str())
                .with("meta_path", self.meta_path.as_str())
                .with("cause", self.problem.clone())
                .hint("runr doctor --fix")
        })
    }

    /// What became of the run, as far as its document says: `idle` where it does not say.
    #[must_use]
    pub fn status(&self) -> &'static str {
        let Some(meta) = &self.meta else {
            return "broken";
        };
        let flags = meta.flags.clone().unwrap_or_default();
        let merged = meta.archive.as_ref().and_then(|it| it.merged_at.as_ref());
        match () {
            () if merged.is_some() => "merged",
            () if flags.abandoned => "abandoned",
            () if flags.setup_failed => "failed",
            () if flags.needs_attention => "needs attention",
            () => IDLE,
        }
    }

    /// The row of a list; `repo` is what is known of its repository, `seen` what a look around the
    /// run has shown. Terminal sessions are not looked at: nothing of ours keeps one.
    #[must_use]
    pub fn row<'a>(&'a self, repo: Option<&'a RepoRecord>, seen: Seen) -> Row<'a> {
        let meta = self.meta.as_ref();
        let text = |read: fn(&RunMeta) -> &str| meta.map(read).filter(|text| !text.is_empty());
        let optional = |read: fn(&RunMeta) -> Option<&String>| meta.and_then(read).map(|it| &**it);
        Row {
            run_id: self.run_id.as_str(),
            repo_id: &self.repo_id,
            repo_key: repo.and_then(|repo| repo.repo_key.as_deref()),
            origin_url: repo.and_then(|repo| repo.origin_url.as_deref()),
            title: meta.map_or("<broken>", |meta| &meta.title),
            name: optional(|meta| meta.name.as_ref()),
            runner: text(|meta| &meta.runner),
            created_at: text(|meta| &meta.created_at),
            last_push_at: optional(|meta| meta.last_push_at.as_ref()),
            tmux_active: false,
            worktree_present: seen.worktree_present,
            archived: meta.is_some_and(|meta| !meta.is_active()),
            pr_number: meta.and_then(|meta| meta.pr_number),
            pr_url: optional(|meta| meta.pr_url.as_ref()),
            derived_status: match self.status() {
                IDLE if seen.driven => "active",
                status => status,
            },
            summary: None,
            broken: self.is_broken(),
        }
    }
}

/// The row of a list. It borrows: a list may be long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields of the document and of the repository"
)]
#[expect(clippy::struct_excessive_bools, reason = "columns")]
#[non_exhaustive]
pub struct Row<'a> {
    pub run_id: &'a str,
    pub repo_id: &'a str,
    pub repo_key: Option<&'a str>,
    pub origin_url: Option<&'a str>,
    pub title: &'a str,
    pub name: Option<&'a str>,
    pub runner: Option<&'a str>,
    pub created_at: Option<&'a str>,
    pub last_push_at: Option<&'a str>,
    pub tmux_active: bool,
    pub worktree_present: bool,
    pub archived: bool,
    pub pr_number: Option<i64>,
    pub pr_url: Option<&'a str>,
    pub derived_status: &'a str,
    pub summary: Option<&'a str>,
    pub broken: bool,
}

const IDLE: &str = "idle";

/// What only a look beside the document shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Whether its worktree is there.
    pub worktree_present: bool,
    /// Whether somebody drives the run now.
    pub driven: bool,
}

impl Record {
    /// Whether it makes a difference if somebody drives the run now.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.status() == IDLE
    }
}

/// The order of a list: the newest run first, broken ones last, then by id.
pub fn list_order(a: &Record, b: &Record) -> Ordering {
    let created = |record: &Record| (!record.is_broken()).then_some(record.created);
    created(b)
        .cmp(&created(a))
        .then_with(|| a.run_id.cmp(&b.run_id))
        .then_with(|| a.repo_id.cmp(&b.repo_id))
}

/// The instant that a text of another program means, if it means one.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// What is known of a repository, as far as its `repo.json` can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepoRecord {
    /// Its key.
    pub repo_key: Option<String>,
    /// The address of its origin.
    pub origin_url: Option<String>,
}

impl RunStore {
    /// All runs, by id. A run whose `meta.json` cannot be used is broken, which is no error.
    ///
    /// # Errors
    /// `E_IO` if the runs cannot be listed.
    pub fn scan(&self) -> Result<Vec<Record>> {
        let Some(root) = open_dir_if_present(self.storage.as_ref(), &self.root)? else {
            return Ok(Vec::new());
        };
        let ids = ids_in(root.as_ref())?;
        let record = |id| self.record(root.as_ref(), id);
        Ok(ids.into_iter().map(record).collect())
    }

    fn record(&self, root: &dyn Dir, id: RunId) -> Record {
        let read = self.read_opened(root.open_in(id.as_str(), META), &id);
        let (meta, problem) = match read {
            Ok(meta) => (Some(meta), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let own = || meta.as_ref().map(|meta| meta.repo_id.clone());
        let repo_id = self.repo_id().map(str::to_owned).or_else(own);
        Record {
            repo_id: repo_id.unwrap_or_default(),
            meta_path: [self.root.as_str(), id.as_str(), META].iter().collect(),
            created: meta.as_ref().and_then(|meta| instant(&meta.created_at)),
            run_id: id,
            meta,
            problem,
        }
    }

    /// What the repository's `repo.json` says, if it is there and readable.
    #[must_use]
    pub fn repo_record(&self) -> Option<RepoRecord> {
        self.repo_id()?;
        let document = Document::new(self.storage.clone(), self.root.parent()?, "repo.json");
        let text = document.read().ok()??;
        let tree = scan(&text, &Rules::default()).ok()?;
        let field = |key: &str| {
            let text = tree.root().get(key)?.as_str_lossy()?;
            (!text.is_empty()).then_some(text)
        };
        Some(RepoRecord {
            repo_key: field("repo_key"),
            origin_url: field("origin_url"),
        })
    }
}

impl DataDir {
    /// The repositories with a directory here, by id.
    ///
    /// # Errors
    /// `E_IO` if they cannot be listed.
    pub fn repositories(&self, storage: &Storage) -> Result<Vec<RepoId>> {
        let Some(repos) = open_dir_if_present(storage.as_ref(), &self.repos_dir())? else {
            return Ok(Vec::new());
        };
        let mut repos: Vec<_> = directories_in(repos.as_ref())?
            .iter()
            .filter_map(|name| RepoId::parse(name).ok())
            .collect();
        repos.sort();
        Ok(repos)
    }

    /// The stores of all repositories, by id.
    ///
    /// # Errors
    /// `E_IO` if the repositories cannot be listed.
    pub fn stores(&self, storage: &Storage) -> Result<Vec<RunStore>> {
        let store = |repo| RunStore::data(storage.clone(), self, repo);
        Ok(self.repositories(storage)?.iter().map(store).collect())
    }
}

/// The names of the directories in a directory.
pub(super) fn directories_in(dir: &dyn Dir) -> Result<Vec<String>> {
    let entries = dir
        .list()
        .map_err(|error| Error::io("list", dir.path(), error))?;
    let directories = entries.into_iter().filter(|entry| entry.kind == Kind::Dir);
    Ok(directories.map(|entry| entry.name).collect())
}

/// All runs of several stores, by repository and id, and what could not be listed.
#[must_use]
pub fn scan_all(stores: &[RunStore]) -> (Vec<Record>, Vec<Error>) {
    let (mut records, mut warnings) = (Vec::new(), Vec::new());
    for store in stores {
        match store.scan() {
            Ok(found) => records.extend(found),
            Err(error) => warnings.push(error),
        }
    }
    records.sort_by(|a, b| (&a.repo_id, &a.run_id).cmp(&(&b.repo_id, &b.run_id)));
    (records, warnings)
}
