//! What may be wrong with a run, and what helps.
//!
//! The rules stand here and are pure: [`Diagnosis`] to [`Remedy`]. [`salvage`] says what a lost or
//! damaged `meta.json` becomes, with the [`clues`] that the rest of the directory gives; [`look`]
//! and [`mend`] are what touches the disk. Nothing that anybody could miss is ever deleted: what is
//! damaged is kept beside its replacement, and a directory that tells nothing is moved away whole.

mod clues;
mod look;
mod mend;
mod salvage;

use std::sync::Arc;

use camino::Utf8PathBuf;
use serde::{Serialize, Serializer};

use super::ops::{LOGS, META};
use crate::error::Error;
use crate::fs::{Entry, Kind};
use crate::id::RunId;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Diagnosis {
    /// A directory without `meta.json` that holds nothing: a creation that was given up.
    Abandoned,
    /// A directory without `meta.json` that holds something.
    MetaMissing,
    /// A `meta.json` that cannot be used.
    MetaBroken,
    /// A `meta.json` in a version of the format that a later runr writes.
    MetaNewer,
    /// The temporary file or directory of a process that died.
    Leftover,
    /// A journal with damage before its end.
    JournalDamaged,
    /// The system does not let us look.
    Unreadable,
}

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remedy {
    /// It is removed: there is nothing in it.
    Remove,
    /// A new `meta.json` is made of what is known; a damaged one is kept beside it.
    Rebuild,
    /// The directory is moved out of the way, as it is.
    Quarantine,
    /// A later version of runr is needed.
    Update,
    /// Nothing may be done as long as somebody drives the run.
    Wait,
    /// Somebody must look at it.
    Inspect,
}

impl Remedy {
    /// Whether a repair can do it.
    #[must_use]
    pub fn is_automatic(self) -> bool {
        matches!(self, Self::Remove | Self::Rebuild | Self::Quarantine)
    }
}

/// Something that is wrong, and what was done about it.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The run; none for what lies beside the runs.
    pub run_id: Option<RunId>,
    /// The repository of the store, if it is a store of one.
    pub repo_id: Option<String>,
    /// The file or directory that is wrong.
    pub path: Utf8PathBuf,
    /// What is wrong.
    pub diagnosis: Diagnosis,
    /// The same, in words.
    pub reason: String,
    /// What helps.
    pub remedy: Remedy,
    /// Whether that was done.
    pub done: bool,
    /// Where that which was damaged is kept now.
    pub kept: Option<Utf8PathBuf>,
    /// Why it was not done, though it was tried.
    #[serde(serialize_with = "error_json")]
    pub error: Option<Arc<Error>>,
}

fn error_json<S: Serializer>(error: &Option<Arc<Error>>, serializer: S) -> Result<S::Ok, S::Error> {
    error
        .as_ref()
        .map(|error| error.to_json())
        .serialize(serializer)
}

/// What besides the diagnosis decides about the remedy.
#[derive(Debug, Clone, Copy)]
struct Circumstances {
    /// Somebody holds the owner lock of the run.
    is_driven: bool,
    /// Enough is known for a new `meta.json`.
    can_be_rebuilt: bool,
}

fn remedy(diagnosis: Diagnosis, given: Circumstances) -> Remedy {
    match diagnosis {
        Diagnosis::MetaNewer => Remedy::Update,
        Diagnosis::JournalDamaged | Diagnosis::Unreadable => Remedy::Inspect,
        _ if given.is_driven => Remedy::Wait,
        Diagnosis::Abandoned | Diagnosis::Leftover => Remedy::Remove,
        Diagnosis::MetaMissing | Diagnosis::MetaBroken if given.can_be_rebuilt => Remedy::Rebuild,
        Diagnosis::MetaMissing | Diagnosis::MetaBroken => Remedy::Quarantine,
    }
}

/// What stands in a run directory under the name `meta.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum MetaFile {
    Missing,
    /// A regular file.
    Bytes(Vec<u8>),
    /// A regular file over the limit, and how it begins.
    TooLarge(Vec<u8>),
    /// A link, directory, pipe or device.
    NotAFile,
}

impl MetaFile {
    /// Its text, if it has one that could be a document.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// What is wrong with it, if anything; `is_empty` says that nothing else of worth is there.
    fn diagnosis(
        &self,
        id: &RunId,
        repo_id: Option<&str>,
        is_empty: bool,
    ) -> Option<(Diagnosis, String)> {
        let (bytes, reason) = match self {
            Self::Missing if is_empty => {
                let reason = "the directory holds no run";
                return Some((Diagnosis::Abandoned, reason.to_owned()));
            }
            Self::Missing => {
                return Some((Diagnosis::MetaMissing, format!("{META} is missing")));
            }
            Self::NotAFile => (&[][..], "it is not a regular file".to_owned()),
            Self::TooLarge(start) => (&start[..], "it is too large".to_owned()),
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Err(_) => (&bytes[..], "it is not UTF-8".to_owned()),
                Ok(text) => match super::rules::parse_meta(text, id, repo_id) {
                    Ok(_) => return None,
                    Err(bad) => (&bytes[..], bad.reason),
                },
            },
        };
        Some(match salvage::newer_version(bytes) {
            Some(version) => (
                Diagnosis::MetaNewer,
                format!("{META} has the version {version}, of a later runr"),
            ),
            None => (
                Diagnosis::MetaBroken,
                format!("{META} cannot be used: {reason}"),
            ),
        })
    }
}

/// Whether a name is that of a file or directory in the making.
fn is_temporary(name: &str) -> bool {
    name.len() > ".tmp".len() && name.starts_with('.') && name.ends_with(".tmp")
}

/// Whether nothing in a run directory without `meta.json` would be missed by anybody.
fn is_empty_shell(entries: &[Entry], logs_are_empty: bool) -> bool {
    entries.iter().all(|entry| match entry.kind {
        Kind::Dir => entry.name == LOGS && logs_are_empty,
        Kind::File => LOCKS.contains(&entry.name.as_str()) || is_temporary(&entry.name),
        _ => false,
    })
}

/// Held for the driver's life.
const OWNER_LOCK: &str = "owner.lock";
/// Held for a write.
const LOCK: &str = ".lock";
const LOCKS: [&str; 2] = [LOCK, OWNER_LOCK];

#[cfg(test)]
mod tests;
