//! The functions of the run store.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use runr_core::json::{Kind, Rules, Written, scan};
use runr_core::store::{self, MetaOp, NewRun, Os, RunStore};
use runr_core::{Code, Error, Result, RunId, Timestamp};
use serde_json::{Map, Value};

use super::{Arguments, json};
use crate::host::Host;
use crate::repair;
use crate::repository;
use crate::store_fields;
use crate::stores::{self, DataPlace, Stores};

/// `data_store` is a place in the data directory, `root` a directory of runs.
fn stores_of(host: &Host, arguments: &mut Arguments) -> Result<Stores> {
    Place {
        root: arguments.optional("root")?,
        data_store: arguments.optional("data_store")?,
    }
    .stores(host)
}

/// How a caller names a store.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    root: Option<Utf8PathBuf>,
    data_store: Option<DataPlace>,
}

impl Place {
    fn stores(self, host: &Host) -> Result<Stores> {
        match (self.root, self.data_store) {
            (Some(_), Some(_)) => Err(Error::new(
                Code::Usage,
                "a store is given by `root` or by `data_store`, not by both",
            )),
            (None, Some(data)) => Stores::data(host, &data),
            (root, None) => Ok(Stores::at(host, &root.unwrap_or_else(|| ".".into()))),
        }
    }
}

fn run_id(arguments: &mut Arguments) -> Result<RunId> {
    RunId::parse(&arguments.required::<String>("run_id")?)
}

fn store_and_run(host: &Host, arguments: &mut Arguments) -> Result<(RunStore, RunId)> {
    let stores = stores_of(host, arguments)?;
    let id = run_id(arguments)?;
    Ok((stores.with_run(&id)?, id))
}

pub(super) fn store_create(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let stores = stores_of(host, arguments)?;
    let fields: Map<String, Value> = arguments.or("fields", Map::new())?;
    let worktree_check = arguments.or("worktree_check", true)?;
    let fields = store_fields::run_fields(fields)?;
    let store = stores.for_new(fields.repo_id.as_deref())?;
    json(&store.create_from(&fields, host.clock.now(), worktree_check)?)
}

pub(super) fn store_read(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (store, id) = store_and_run(host, arguments)?;
    json(&store.read(&id)?)
}

/// The changes that a map of paths and a list of paths ask for: first what is set, then what is
/// removed.
fn changes(arguments: &mut Arguments) -> Result<Vec<MetaOp>> {
    let mut ops = Vec::new();
    if let Some(set) = arguments.written("set") {
        let rules = Rules::default().max_bytes(usize::MAX).levels(1);
        let tree = scan(set.text(), &rules).map_err(|bad| arguments.unusable("set", bad))?;
        if tree.root().kind() != Kind::Object {
            return Err(arguments.unusable("set", "it is not a JSON object"));
        }
        ops.extend(tree.root().members().map(|member| MetaOp::Set {
            path: member.key_lossy(),
            value: member.value.written(),
        }));
    }
    let unset: Vec<String> = arguments.or("unset", Vec::new())?;
    ops.extend(unset.into_iter().map(|path| MetaOp::Unset { path }));
    Ok(ops)
}

pub(super) fn store_update(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (store, id) = store_and_run(host, arguments)?;
    let ops = changes(arguments)?;
    json(&store.update_values(&id, &ops)?)
}

/// For a function of a binding that may not run under a lock: see [`RunStore::read_version`].
#[cfg(feature = "cli")]
pub(super) fn store_read_version(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (store, id) = store_and_run(host, arguments)?;
    json(&store.read_version(&id)?)
}

/// The document after, or null if the file has another version by now.
#[cfg(feature = "cli")]
pub(super) fn store_save_version(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (store, id) = store_and_run(host, arguments)?;
    let version: String = arguments.required("version")?;
    let document = arguments.written("document");
    let document = document.ok_or_else(|| arguments.missing("document"))?;
    json(&store.save_version(&id, &version, &document)?)
}

/// Changes the document of a run by a function under the lock of the run.
#[cfg(feature = "cli")]
pub(crate) fn update_run(
    host: &Host,
    place: Place,
    run_id: &str,
    f: impl FnOnce(Value) -> Result<Written>,
) -> Result<Value> {
    let id = RunId::parse(run_id)?;
    let store = place.stores(host)?.with_run(&id)?;
    json(&store.update_document(&id, f)?)
}

pub(super) fn store_list(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    json(&stores_of(host, arguments)?.list()?.rows(host))
}

pub(super) fn store_resolve(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let stores = stores_of(host, arguments)?;
    let reference: String = arguments.required("ref")?;
    let current: Option<String> = arguments.optional("current_repo")?;
    let found = stores.resolve(host, &host.cwd, &reference, current.as_deref())?;
    Ok(found.to_json())
}

/// Without a run only the directory of the runs; of a run among all repositories there must be a
/// directory.
pub(super) fn store_paths(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let stores = stores_of(host, arguments)?;
    let Some(id) = arguments.optional::<String>("run_id")? else {
        return Ok(stores::root_json(&stores.for_new(None)?));
    };
    let id = RunId::parse(&id)?;
    let store = stores.with_run(&id)?;
    Ok(stores::paths_json(&store, &store.paths(&id)))
}

pub(super) fn store_append_event(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (store, id) = store_and_run(host, arguments)?;
    let name: String = arguments.required("name")?;
    let data: Option<Value> = arguments.optional("data")?;
    json(&store.append_event(&id, &name, data, host.clock.now())?)
}

pub(super) fn store_events(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (store, id) = store_and_run(host, arguments)?;
    json(&store.events(&id, arguments.or("since", 0)?)?)
}

/// Only the data directory knows repositories.
pub(super) fn store_touch_repository(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    if arguments.written("root").is_some() {
        return Err(Error::new(
            Code::Usage,
            "a directory of runs knows no repositories; the data directory does",
        ));
    }
    let place: DataPlace = arguments.or("data_store", DataPlace::default())?;
    let root: Utf8PathBuf = arguments.or("repo_root", ".".into())?;
    let repository = repository::find(&host.cwd.join(root))?;
    stores::touch_repository(host, &place, &repository)
}

pub(super) fn store_repair(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let stores = stores_of(host, arguments)?;
    json(&repair::findings(
        host,
        &stores,
        arguments.or("fix", false)?,
    )?)
}

// ----- pure -----

pub(super) fn data_dir(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let env: BTreeMap<String, String> = arguments.or("env", host.env.clone())?;
    let home: Option<Utf8PathBuf> = arguments.optional("home")?;
    let home = home.or_else(|| host.var("HOME").map(Utf8PathBuf::from));
    let os: Option<String> = arguments.optional("os")?;
    let os = os.map_or(Os::present(), |name| Os::named(&name));
    json(&store::data_dir(
        |name| env.get(name).cloned(),
        home.as_deref(),
        os,
    )?)
}

fn repository(arguments: &mut Arguments) -> Result<(String, Utf8PathBuf)> {
    let origin: Option<String> = arguments.optional("origin_url")?;
    Ok((origin.unwrap_or_default(), arguments.required("repo_root")?))
}

pub(super) fn repo_key(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (origin, root) = repository(arguments)?;
    Ok(json!(store::repo_key(&origin, &root)))
}

pub(super) fn repo_id(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (origin, root) = repository(arguments)?;
    json(&store::repo_id(&origin, &root))
}

pub(super) fn branch_name(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let title: String = arguments.required("title")?;
    let run_id: String = arguments.required("run_id")?;
    let prefix = arguments.or("prefix", "runr".to_owned())?;
    Ok(json!(store::branch_name(&title, &run_id, &prefix)))
}

pub(super) fn new_run_meta(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let new = NewRun {
        run_id: run_id(arguments)?,
        repo_id: arguments.required("repo_id")?,
        title: arguments.required("title")?,
        runner: arguments.required("runner")?,
        runner_cmd: arguments.required("runner_cmd")?,
        parent_branch: arguments.required("parent_branch")?,
        branch: arguments.required("branch")?,
        worktree_path: arguments.required("worktree_path")?,
        created_at: arguments.required::<Timestamp>("created_at")?,
    };
    Ok(json!(store::meta_text(&new)))
}

pub(super) fn apply_meta_ops(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let text: String = arguments.required("text")?;
    let ops = arguments.written("ops").map(|ops| MetaOp::list(ops.text()));
    let ops = ops.unwrap_or_else(|| Err(arguments.missing("ops")))?;
    Ok(json!(store::apply_meta_ops(&text, &ops)?))
}
