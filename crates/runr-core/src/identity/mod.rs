//! Identity: which work item does this piece of work belong to?
//!
//! A work item is a directory `.runs/<id>/` with one directory per flow and a `run_meta.json`;
//! `.runs/index.json` points to all of them. [`WorkItems::prep`] decides by a run id, references to
//! issues and PRs, or a branch which one is meant, makes its directories, and merges what it learnt
//! into both files. Other programs write them too, so nothing but the fields in question changes,
//! and not one byte around them.
//!
//! The rules are pure: [`resolve`], [`merge_run_meta`] and [`upsert_index`] take what was read and
//! say what is to be written.

mod findings;
mod index;
mod merge;
mod meta;
mod model;
mod ops;
mod reference;
mod report;
mod resolve;
mod rules;
mod upsert;

pub use findings::Findings;
pub use index::Index;
pub use merge::{MergeOutcome, MetaPatch, merge_run_meta};
pub use model::{Binding, Branch, DeferredReason, Facts, Flow, IdKind, Mode, PrepRequest, Source};
pub use ops::{Linked, WorkItem, WorkItems};
pub use reference::{RefKind, RunRef, parse_ref};
pub use report::{Action, PrepReport, PrepStatus};
pub use resolve::{Resolution, RunTree, resolve};
pub use rules::{Sanitized, is_item_id, missing_upstream_flows, sanitize, with_version};
pub use upsert::{IndexEntry, UpsertOutcome, Upserted, upsert_index, upsert_index_in};
