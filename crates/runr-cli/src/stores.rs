//! Which store is meant: a directory of runs, a repository of the data directory, or all of them.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::store::{
    Candidate, DataDir, Os, Record, RepoId, RepoRecord, Row, RunPaths, RunStore, data_dir,
    list_order, repo_id, resolve, scan_all,
};
use runr_core::{Code, Error, Result, RunId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::host::Host;

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

    /// A place in the data directory.
    pub(crate) fn data(host: &Host, place: &DataPlace) -> Result<Self> {
        let dir = match &place.data_dir {
            Some(dir) => host.cwd.join(dir),
            None => user_data_dir(host)?,
        };
        let data = DataDir::new(dir);
        Ok(match &place.repo_id {
            None => Self::All(data, host.clone()),
            Some(repo) => {
                let repo = RepoId::parse(repo)?;
                Self::One(Box::new(RunStore::data(host.storage.clone(), &data, &repo)))
            }
        })
    }

    fn all(&self) -> Result<Vec<RunStore>> {
        match self {
            Self::One(store) => Ok(vec![store.as_ref().clone()]),
            Self::All(data, host) => data.stores(&host.storage),
        }
    }

    /// The store for a new run: among all repositories, that of the run's repository.
    pub(crate) fn for_new(&self, repo: Option<&str>) -> Result<RunStore> {
        match (self, repo) {
            (Self::One(store), _) => Ok(store.as_ref().clone()),
            (Self::All(data, host), Some(repo)) => {
                let repo = RepoId::parse(repo)?;
                Ok(RunStore::data(host.storage.clone(), data, &repo))
            }
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
            return stores.pop().ok_or_else(|| missing(id.as_str()));
        }
        let mut found = Vec::new();
        for store in stores {
            if store.exists(id)? {
                found.push(store);
            }
        }
        match found.len() {
            1 => found.pop().ok_or_else(|| missing(id.as_str())),
            0 => Err(missing(id.as_str())),
            _ => Err(Error::new(
                Code::RunIdAmbiguous,
                format!("several repositories have a run {id}"),
            )
            .with("input", id.as_str())),
        }
    }

    /// All runs, and what could not be listed.
    pub(crate) fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for store in self.all()? {
            match store.scan() {
                Ok(records) => listing.repos.push((store.repo_record(), records)),
                Err(error) => listing.warnings.push(error),
            }
        }
        Ok(listing)
    }

    /// The run a reference means.
    pub(crate) fn resolve(&self, reference: &str, current_repo: Option<&str>) -> Result<Found> {
        let stores = self.all()?;
        let mut found = Vec::new();
        for store in &stores {
            // A repository that cannot be listed has no run that could be meant.
            let (records, _) = scan_all(std::slice::from_ref(store));
            found.extend(records.into_iter().map(|record| (record, store)));
        }
        let candidates: Vec<_> = found.iter().map(|it| Candidate::from(&it.0)).collect();
        let index = resolve(reference, &candidates, current_repo)?;
        let (record, store) = found.swap_remove(index);
        Ok(Found {
            store: store.clone(),
            record,
        })
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
            .map(|(record, repo)| record.row(repo, has_worktree(host, record)))
            .collect()
    }
}

fn has_worktree(host: &Host, record: &Record) -> bool {
    let path = record.meta.as_ref().map(|meta| &meta.worktree_path);
    let path = path.filter(|path| !path.as_str().is_empty());
    path.is_some_and(|path| host.storage.stat(&host.cwd.join(path)).is_ok())
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

fn missing(input: &str) -> Error {
    Error::new(Code::RunNotFound, format!("run not found: {input}"))
        .with("input", input)
        .hint("runr store ls")
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

/// The data directory of the user.
pub(crate) fn user_data_dir(host: &Host) -> Result<Utf8PathBuf> {
    let home = host.var("HOME").or(host.var("USERPROFILE"));
    data_dir(
        |name| host.var(name).map(str::to_owned),
        home.map(Utf8Path::new),
        Os::present(),
    )
}

/// The id of the repository that lies at `top`, by its origin as its configuration names it. Git
/// is not asked: looking must never execute anything.
pub(crate) fn repository_id(top: &Utf8Path) -> RepoId {
    let config = std::fs::read_to_string(top.join(".git/config")).unwrap_or_default();
    repo_id(&origin_url(&config).unwrap_or_default(), top)
}

/// The address of `origin` in the text of a git configuration.
fn origin_url(config: &str) -> Option<String> {
    let mut in_origin = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            in_origin = line.replace(' ', "") == "[remote\"origin\"]";
        } else if in_origin
            && let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case("url")
        {
            return Some(value.trim().trim_matches('"').to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_read_from_the_configuration() {
        let config = "[core]\n\turl = no\n[remote \"other\"]\n url = no\n[remote \"origin\"]\n\tfetch = x\n\tURL = git@github.com:a/b.git\n";
        assert_eq!(origin_url(config).unwrap(), "git@github.com:a/b.git");
        assert_eq!(origin_url("[remote \"other\"]\nurl = x\n"), None);
    }
}
