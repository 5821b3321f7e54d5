//! The run store: where a run lives, durably.
//!
//! A run is a directory `<runs root>/<run id>/` with a `meta.json`, which says who and where, and
//! `logs/`. It appears complete or not at all. The directory's name is the run's id; a directory
//! whose `meta.json` cannot be read stays as it is and is reported.
//!
//! The same store serves `.runr/runs` of a repository, a repository in the data directory of the
//! user ([`RunStore::data`]), and any other root. Changes of a run exclude each other by the lock
//! in its directory; readers take none. Fields that this version does not know are kept.

mod access;
mod create;
mod difference;
mod events;
mod model;
mod names;
mod naming;
mod ops;
mod places;
mod print;
mod repair;
mod repo_lock;
mod repositories;
mod resolve;
mod rules;
mod scan;
mod transitions;
mod unknown;
mod update;
mod version;

pub use events::StoreEvent;
pub use model::{Archive, Flags, NewRun, RunFields, RunMeta, RunPaths, Setup};
pub use names::{RepoId, branch_name, check_name, repo_id, repo_key, short_id, slug};
pub use ops::{RunStore, Suffixes, SystemSuffixes};
pub use places::{DataDir, Os, data_dir};
pub use print::{SCHEMA_VERSION, meta_text};
pub use repair::{Diagnosis, Finding, Remedy};
pub use repo_lock::{Holder, RepoLock};
pub use repositories::{
    IndexedRepository, Repository, read_repo_index, touch_repo_index, touch_repo_record,
};
pub use resolve::{Candidate, resolve};
pub use rules::{BadMeta, Place, parse_meta};
pub use scan::{Record, RepoRecord, Row, Seen, list_order, scan_all};
pub use unknown::Unknown;
pub use update::{MetaOp, apply_meta_ops};
pub use version::Versioned;

#[cfg(test)]
mod tests;
