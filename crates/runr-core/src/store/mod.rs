//! The run store: where a run lives, durably.
//!
//! A run is a directory `<runs root>/<run id>/` with a `meta.json`, which says who and where, and
//! `logs/`. It appears complete or not at all. The directory's name is the run's id; a directory
//! whose `meta.json` cannot be read stays as it is and is reported.
//!
//! The same store serves `.runr/runs` of a repository and any other root.

mod model;
mod ops;
mod rules;

pub use model::{Archive, Flags, NewRun, RunMeta, RunPaths, Setup};
pub use ops::{RunStore, Suffixes, SystemSuffixes};
pub use rules::{BadMeta, meta_text, parse_meta};
