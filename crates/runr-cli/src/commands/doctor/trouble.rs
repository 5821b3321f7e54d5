//! What is wrong and may be mended: one form for the runs of a store and for what surrounds them.

use camino::Utf8PathBuf;
use runr_core::store::{Finding as Problem, Remedy};
use runr_core::{Error, Result, RunId};
use serde::{Serialize, Serializer};

use super::{Finding, Level, found};

/// Something wrong beside the documents and journals of a run; as a row it looks like one of theirs.
#[derive(Debug, Serialize)]
pub(super) struct Trouble {
    pub(super) run_id: Option<RunId>,
    repo_id: Option<String>,
    pub(super) path: Utf8PathBuf,
    pub(super) diagnosis: &'static str,
    pub(super) reason: String,
    pub(super) remedy: Cure,
    done: bool,
    kept: Option<Utf8PathBuf>,
    #[serde(serialize_with = "error_json")]
    error: Option<Error>,
}

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Cure {
    /// It is removed: there is nothing in it.
    Remove,
    /// The end of the run is recorded.
    Record,
    /// Somebody must look at it.
    Inspect,
}

fn error_json<S: Serializer>(error: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    error.as_ref().map(Error::to_json).serialize(serializer)
}

impl Trouble {
    pub(super) fn new(
        run_id: Option<RunId>,
        path: impl Into<Utf8PathBuf>,
        diagnosis: &'static str,
        reason: impl Into<String>,
        remedy: Cure,
    ) -> Self {
        Self {
            run_id,
            repo_id: None,
            path: path.into(),
            diagnosis,
            reason: reason.into(),
            remedy,
            done: false,
            kept: None,
            error: None,
        }
    }

    /// Does what helps, if a program can.
    pub(super) fn mend(&mut self, cure: impl FnOnce() -> Result<()>) {
        if self.remedy == Cure::Inspect {
            return;
        }
        match cure() {
            Ok(()) => self.done = true,
            Err(error) => self.error = Some(error),
        }
    }
}

/// As much of something wrong as the line of a check needs.
pub(super) struct Seen {
    done: bool,
    failed: bool,
    is_automatic: bool,
    needs_update: bool,
    note: String,
}

impl From<&Problem> for Seen {
    fn from(problem: &Problem) -> Self {
        let kept = problem.kept.as_ref();
        let what = match (problem.remedy, problem.done, &problem.error) {
            (Remedy::Inspect, ..) => "somebody must look at it".to_owned(),
            (_, _, Some(error)) => format!("not repaired: {error}"),
            (Remedy::Remove, true, _) => "removed".to_owned(),
            (Remedy::Quarantine, true, _) => {
                format!("moved to {}", kept.map_or("", |to| to.as_str()))
            }
            (_, true, _) => match kept {
                Some(kept) => format!("made anew, the old one is {kept}"),
                None => "made anew".to_owned(),
            },
            (Remedy::Remove, false, _) => "can be removed".to_owned(),
            (Remedy::Rebuild, false, _) => "can be made anew".to_owned(),
            (Remedy::Quarantine, false, _) => "can be moved away".to_owned(),
            (Remedy::Wait, ..) => "left alone as long as it is driven".to_owned(),
            (_, false, _) => "left alone".to_owned(),
        };
        Self {
            done: problem.done,
            failed: problem.error.is_some(),
            is_automatic: problem.remedy.is_automatic(),
            needs_update: problem.remedy == Remedy::Update,
            note: format!("{}: {}: {what}", problem.path, problem.reason),
        }
    }
}

impl From<&Trouble> for Seen {
    fn from(trouble: &Trouble) -> Self {
        let what = match (trouble.remedy, trouble.done, &trouble.error) {
            (_, _, Some(error)) => format!("not repaired: {error}"),
            (Cure::Inspect, ..) => "somebody must look at it".to_owned(),
            (Cure::Remove, true, _) => "removed".to_owned(),
            (Cure::Record, true, _) => "recorded as interrupted".to_owned(),
            (Cure::Remove, false, _) => "can be removed".to_owned(),
            (Cure::Record, false, _) => "can be recorded".to_owned(),
        };
        Self {
            done: trouble.done,
            failed: trouble.error.is_some(),
            is_automatic: trouble.remedy != Cure::Inspect,
            needs_update: false,
            note: format!("{}: {}: {what}", trouble.path, trouble.reason),
        }
    }
}

/// The line of a check that found this; `fix` is the command that mends.
pub(super) fn judge(all: &[Seen], fix: &str) -> Finding {
    if all.is_empty() {
        return found(Level::Ok, "nothing is broken");
    }
    let repaired = all.iter().filter(|it| it.done).count();
    let level = match () {
        () if all.iter().any(|it| it.failed) => Level::Fail,
        () if repaired < all.len() => Level::Warn,
        () => Level::Ok,
    };
    let left = || all.iter().filter(|it| !it.done);
    Finding {
        fix: match () {
            () if left().any(|it| it.is_automatic) => Some(fix.to_owned()),
            () if left().any(|it| it.needs_update) => Some("update runr".to_owned()),
            () => None,
        },
        notes: all.iter().map(|it| it.note.clone()).collect(),
        ..found(level, format!("{} found, {repaired} repaired", all.len()))
    }
}
