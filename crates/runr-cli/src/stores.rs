//! Which store is meant: a directory of runs, a repository of the data directory, or all of them.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::identity::WorkItems;
use runr_core::phase::ops::{OWNER_LOCK, RunFiles};
use runr_core::store::{
    Candidate, DataDir, Os, Record, RepoId, RepoRecord, Repository, Row, RunPaths, RunStore, Seen,
    data_dir, list_order, resolve, scan_all,
};
use runr_core::{Code, Error, Result, RunId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::host::Host;
use crate::liveness::is_live;
use crate::repository::root_if_any;

/// A place in the data directory, as a caller names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataPlace {
    /// The data directory; default: that of the user.
    #[serde(default)]
    pub(crate) data_dir: Option<Utf8PathBuf>,
    /// The repository; default: all.
    #[serde(default)]
    pub(crate) repo_id: Option<String>,
}

impl DataPlace {
    fn dir(&self, host: &Host) -> Result<DataDir> {
        let data = DataDir::new(match &self.data_dir {
            Some(dir) => host.cwd.join(dir),
            None => user_data_dir(host)?,
        });
        data.check_access(&host.storage, host.user)?;
        Ok(data)
    }
}

/// The store of a repository in a data directory, unless somebody else may change it.
fn data_store(data: &DataDir, host: &Host, repo: &RepoId) -> Result<RunStore> {
    data.check_repository(&host.storage, repo, host.user)?;
    Ok(RunStore::data(host.storage.clone(), data, repo))
}

/// One store, or those of all repositories.
pub(crate) enum Stores {
    /// The only one.
    One(Box<RunStore>),
    /// All repositories of the data directory.
    All(DataDir, Host),
}

impl Stores {
    /// The store with this runs root. Of `<repository>/.runr/runs` it also knows the repository.
    pub(crate) fn at(host: &Host, root: &Utf8Path) -> Self {
        let root = host.cwd.join(root);
        Self::One(Box::new(RunStore::open(host.storage.clone(), root)))
    }

    /// A place in the data directory, which nobody else may change.
    pub(crate) fn data(host: &Host, place: &DataPlace) -> Result<Self> {
        let data = place.dir(host)?;
        match &place.repo_id {
            None => Ok(Self::All(data, host.clone())),
            Some(repo) => {
                let store = data_store(&data, host, &RepoId::parse(repo)?)?;
                Ok(Self::One(Box::new(store)))
            }
        }
    }

    pub(crate) fn all(&self) -> Result<Vec<RunStore>> {
        self.each()?.into_iter().collect()
    }

    /// Every store, or why it cannot be used.
    fn each(&self) -> Result<Vec<Result<RunStore>>> {
        match self {
            Self::One(store) => Ok(vec![Ok(store.as_ref().clone())]),
            Self::All(data, host) => {
                let repos = data.repositories(&host.storage)?;
                Ok(repos
                    .iter()
                    .map(|repo| data_store(data, host, repo))
                    .collect())
            }
        }
    }

    /// The store for a new run: among all repositories, that of the run's repository.
    pub(crate) fn for_new(&self, repo: Option<&str>) -> Result<RunStore> {
        match (self, repo) {
            (Self::One(store), _) => Ok(store.as_ref().clone()),
            (Self::All(data, host), Some(repo)) => data_store(data, host, &RepoId::parse(repo)?),
            (Self::All(..), None) => Err(Error::new(
                Code::Usage,
                "a new run in the data directory needs a `repo_id`",
            )),
        }
    }

    /// The store with this run.
    pub(crate) fn with_run(&self, id: &RunId) -> Result<RunStore> {
        let mut stores = self.all()?;
        if let Self::One(_) = self {
            return stores.pop().ok_or_else(|| self.missing(id));
        }
        let mut found = Vec::new();
        for store in stores {
            if store.exists(id)? {
                found.push(store);
            }
        }
        match found.len() {
            1 => found.pop().ok_or_else(|| self.missing(id)),
            0 => Err(self.missing(id)),
            _ => {
                let repos = found.iter().filter_map(RunStore::repo_id);
                let candidates = repos.map(|repo| json!({"repo_id": repo, "run_id": id}));
                let message = format!("ambiguous run id `{id}`: several repositories have it");
                Err(Error::new(Code::RunIdAmbiguous, message)
                    .with("input", id.as_str())
                    .with("candidates", candidates.collect::<Vec<_>>())
                    .hint("name the repository: --repo-id"))
            }
        }
    }

    fn missing(&self, id: &RunId) -> Error {
        Error::new(Code::RunNotFound, format!("run not found: {id}"))
            .with("input", id.as_str())
            .hint(self.list_command())
    }

    /// The command that lists these runs.
    fn list_command(&self) -> String {
        match self {
            Self::One(store) => store.list_command(),
            Self::All(..) => "runr store ls".to_owned(),
        }
    }

    /// All runs, and what could not be listed.
    pub(crate) fn list(&self) -> Result<Listing> {
        let (mut stores, mut listing) = (Vec::new(), Listing::default());
        for store in self.each()? {
            match store {
                Ok(store) => stores.push(store),
                Err(error) => listing.warnings.push(error),
            }
        }
        for (store, repo) in stores.iter().zip(self.known(&stores)) {
            match store.scan() {
                Ok(records) => listing.repos.push((repo, records)),
                Err(error) => listing.warnings.push(error),
            }
        }
        Ok(listing)
    }

    /// What is known of the repository of each store: what its own record says, else the index.
    fn known(&self, stores: &[RunStore]) -> Vec<Option<RepoRecord>> {
        let mut known: Vec<_> = stores.iter().map(RunStore::repo_record).collect();
        if let Self::All(data, host) = self
            && known.contains(&None)
        {
            let index = data.indexed_repositories(&host.storage);
            for (store, known) in stores.iter().zip(&mut known).filter(|it| it.1.is_none()) {
                let mut named = index
                    .iter()
                    .filter(|it| Some(it.repo_id.as_str()) == store.repo_id());
                *known = named.next().map(|found| {
                    let mut record = RepoRecord::default();
                    record.repo_key = Some(found.repo_key.clone());
                    record
                });
            }
        }
        known
    }

    /// The run a reference means: its own name or id, else the newest run of a work item, in the
    /// repository of the runs or in the one around `around`.
    pub(crate) fn resolve(
        &self,
        host: &Host,
        around: &Utf8Path,
        reference: &str,
        current_repo: Option<&str>,
    ) -> Result<Found> {
        let stores = self.all()?;
        let mut found = Vec::new();
        for store in &stores {
            // A repository that cannot be listed has no run that could be meant.
            let (records, _) = scan_all(std::slice::from_ref(store));
            found.extend(records.into_iter().map(|record| (record, store)));
        }
        let candidates: Vec<_> = found.iter().map(|it| Candidate::from(&it.0)).collect();
        let index = match resolve(reference, &candidates, current_repo) {
            Err(error) if error.code() == Code::RunNotFound => {
                let newest = self.newest_of_item(host, around, reference, &candidates)?;
                newest.ok_or(error)
            }
            other => other,
        };
        let index = index.map_err(|error| match error.hint_text() {
            None => error.hint(self.list_command()),
            Some(_) => error,
        })?;
        let (record, store) = found.swap_remove(index);
        Ok(Found {
            store: store.clone(),
            record,
        })
    }
}

impl Stores {
    fn newest_of_item(
        &self,
        host: &Host,
        around: &Utf8Path,
        reference: &str,
        candidates: &[Candidate<'_>],
    ) -> Result<Option<usize>> {
        let own = match self {
            Self::One(store) => store.runs_dir().as_str().strip_suffix("/.runr/runs"),
            Self::All(..) => None,
        };
        let root = match own {
            Some(own) => Some(Utf8PathBuf::from(own)),
            None => root_if_any(around)?,
        };
        let Some(root) = root else {
            return Ok(None);
        };
        let items = WorkItems::open(host.storage.clone(), root);
        let Some(item) = items.find(reference)? else {
            return Ok(None);
        };
        let place = |run: &str| candidates.iter().position(|it| it.run_id == run);
        Ok(item.newest(|run| place(run).is_some()).and_then(place))
    }
}

/// The runs of some stores.
#[derive(Default)]
pub(crate) struct Listing {
    repos: Vec<(Option<RepoRecord>, Vec<Record>)>,
    /// What could not be listed.
    pub(crate) warnings: Vec<Error>,
}

impl Listing {
    /// The rows of a list, the newest run first.
    pub(crate) fn rows(&self, host: &Host) -> Vec<Row<'_>> {
        let repos = self.repos.iter();
        let mut runs: Vec<_> = repos
            .flat_map(|(repo, records)| records.iter().map(move |record| (record, repo.as_ref())))
            .collect();
        runs.sort_by(|a, b| list_order(a.0, b.0));
        runs.into_iter()
            .map(|(record, repo)| record.row(repo, look(host, record)))
            .collect()
    }
}

/// What stands beside the document of a run.
fn look(host: &Host, record: &Record) -> Seen {
    let worktree = record.meta.as_ref().map(|meta| &meta.worktree_path);
    let worktree_present = worktree.is_some_and(|path| {
        !path.as_str().is_empty() && host.storage.stat(&host.cwd.join(path)).is_ok()
    });
    let dir = record.meta_path.parent().unwrap_or(Utf8Path::new("."));
    // Only runs of the harness have a lock of their driver.
    let driven = record.is_unsettled() && host.storage.stat(&dir.join(OWNER_LOCK)).is_ok() && {
        let files = RunFiles::new(host.storage.clone(), record.run_id.clone(), dir);
        is_live(&files).unwrap_or(false)
    };
    Seen {
        worktree_present,
        driven,
    }
}

/// A run and its store.
pub(crate) struct Found {
    pub(crate) store: RunStore,
    pub(crate) record: Record,
}

impl Found {
    /// Which run it is, and where.
    pub(crate) fn to_json(&self) -> Value {
        let paths = self.store.paths(&self.record.run_id);
        json!({
            "run_id": self.record.run_id,
            "repo_id": self.record.repo_id,
            "run_dir": paths.run_dir,
            "meta_path": paths.meta_path,
            "broken": self.record.is_broken(),
        })
    }
}

/// The directory of the runs.
pub(crate) fn root_json(store: &RunStore) -> Value {
    json!({"runs_dir": store.runs_dir()})
}

/// All paths of a run.
pub(crate) fn paths_json(store: &RunStore, paths: &RunPaths) -> Value {
    json!({
        "run_id": paths.run_id,
        "runs_dir": store.runs_dir(),
        "run_dir": paths.run_dir,
        "logs_dir": paths.logs_dir,
        "meta_path": paths.meta_path,
        "events_path": paths.run_dir.join("events.jsonl"),
    })
}

/// Notes in the data directory that a repository was seen.
pub(crate) fn touch_repository(
    host: &Host,
    place: &DataPlace,
    repository: &Repository,
) -> Result<Value> {
    if let Some(repo) = &place.repo_id
        && *repo != repository.repo_id.as_str()
    {
        let message = format!("the repository at {} is not {repo}", repository.repo_root);
        return Err(Error::new(Code::Usage, message).with("repo_id", repository.repo_id.as_str()));
    }
    let dir = place
        .dir(host)?
        .touch_repository(&host.storage, repository, host.clock.now())?;
    Ok(json!({
        "repo_id": repository.repo_id,
        "repo_key": repository.repo_key,
        "origin_url": repository.origin_url,
        "repo_root": repository.repo_root,
        "repo_dir": dir,
    }))
}

/// The data directory of the user.
pub(crate) fn user_data_dir(host: &Host) -> Result<Utf8PathBuf> {
    let home = host.var("HOME").or(host.var("USERPROFILE"));
    data_dir(
        |name| host.var(name).map(str::to_owned),
        home.map(Utf8Path::new),
        Os::present(),
    )
}
