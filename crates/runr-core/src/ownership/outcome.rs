//! What an operation answers.

use super::fencing::Token;
use super::model::{ActiveRun, Record, RunName};
use super::target::Target;
use crate::json::Written;

/// The answer of an operation. A conflict is an answer too, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it was done.
    pub verdict: Verdict,
    /// What it was about.
    pub target: Target,
    /// Who asked.
    pub run_id: Option<RunName>,
    /// The record after it, as far as the operation looked at one.
    pub record: Option<Record>,
    /// Where the record stands.
    pub file_path: String,
    /// The number of the claim, where the caller wants to know it.
    pub token: Option<Token>,
}

/// Done or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was done, or nothing had to be done.
    Done(Status),
    /// It was refused.
    Refused(Conflict),
}

/// How an operation succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nobody owned the target; now the caller does.
    ClaimedNew,
    /// The caller owned it already.
    Refreshed,
    /// Another run owned it; now the caller does.
    TakenOver,
    /// The caller owns it.
    OwnerConfirmed,
    /// Nobody owns it.
    NoOwnerRecord,
    /// The caller owned it; now nobody does.
    Released,
    /// There was nothing to release.
    ReleaseNoop,
    /// The exit signal stands in the record.
    ExitSignalRecorded,
    /// The caller is no run.
    SkippedNoAsyncRunId,
}

/// Why an operation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// The caller has no run id.
    RunIdRequired,
    /// Another run owns the target.
    ActiveRunExists,
    /// There is no record, or nobody owns the target.
    OwnershipMissing,
    /// The caller does not own the target.
    OwnershipLost,
}

impl Status {
    /// The word in results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClaimedNew => "claimed_new",
            Self::Refreshed => "refreshed",
            Self::TakenOver => "taken_over",
            Self::OwnerConfirmed => "owner_confirmed",
            Self::NoOwnerRecord => "no_owner_record",
            Self::Released => "released",
            Self::ReleaseNoop => "release_noop",
            Self::ExitSignalRecorded => "exit_signal_recorded",
            Self::SkippedNoAsyncRunId => "skipped_no_async_run_id",
        }
    }
}

impl Conflict {
    /// The word in results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RunIdRequired => "run_id_required",
            Self::ActiveRunExists => "active_run_exists",
            Self::OwnershipMissing => "ownership_missing",
            Self::OwnershipLost => "ownership_lost",
        }
    }
}

impl Outcome {
    /// Whether it was done.
    #[must_use]
    pub fn ok(&self) -> bool {
        matches!(self.verdict, Verdict::Done(_))
    }

    /// The answer in its JSON form, with the keys in the order of the format. Only a success shows
    /// its token.
    #[must_use]
    pub fn to_json(&self) -> Written {
        let record = self.record.as_ref();
        let signals = record.map_or(&[][..], |record| &record.exit_signals);
        let mut members = vec![("ok", self.ok().into()), self.verdict.member()];
        members.extend(self.target.members());
        members.push(("runId", self.run_id.as_ref().into()));
        members.push(("activeRun", self.owner().into()));
        match self.verdict {
            Verdict::Done(_) => {
                if let Some(record) = record {
                    members.push(("previousRun", record.previous_run.as_ref().into()));
                }
                members.push(("exitSignals", signals.into()));
                members.push(("filePath", self.file_path.as_str().into()));
                let token = self.token.map(|token| ("token", token.into()));
                members.extend(token);
            }
            Verdict::Refused(conflict) => {
                members.push(("filePath", self.file_path.as_str().into()));
                members.push(("message", self.why(conflict).as_str().into()));
                if conflict.shows_exit_signals() {
                    members.push(("exitSignals", signals.into()));
                }
            }
        }
        Written::object(members)
    }

    /// Why it was refused, for people. Programs look at the conflict.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match self.verdict {
            Verdict::Done(_) => None,
            Verdict::Refused(conflict) => Some(self.why(conflict)),
        }
    }

    fn owner(&self) -> Option<&ActiveRun> {
        self.record.as_ref()?.active_run.as_ref()
    }

    fn why(&self, conflict: Conflict) -> String {
        let target = &self.target;
        let owner = self.owner().map(|active| &active.run_id);
        let caller = self
            .run_id
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        match (conflict, owner) {
            (Conflict::RunIdRequired, _) => {
                "a run id is required: without one nothing can be owned".to_owned()
            }
            (Conflict::ActiveRunExists, owner) => {
                let owner =
                    owner.map_or_else(|| "another run".to_owned(), |run| format!("run {run}"));
                format!("{target} is owned by {owner}; the claim failed closed and changed nothing")
            }
            (Conflict::OwnershipMissing, _) => {
                let missing = match self.record {
                    None => "has no ownership record",
                    Some(_) => "has an ownership record, but no active owner",
                };
                format!("{target} {missing}; run {caller} does not own it")
            }
            (Conflict::OwnershipLost, None) => {
                format!("run {caller} does not own {target}, and nobody else does; it must stop")
            }
            (Conflict::OwnershipLost, Some(owner)) if Some(owner) == self.run_id.as_ref() => {
                format!(
                    "{target} is owned by a newer claim of run {caller}; the older one must stop"
                )
            }
            (Conflict::OwnershipLost, Some(owner)) => {
                format!(
                    "{target} is owned by run {owner}; run {caller} does not own it and must stop"
                )
            }
        }
    }
}

impl Verdict {
    /// The key and the word of a result.
    fn member(self) -> (&'static str, Written) {
        match self {
            Self::Done(status) => ("status", status.as_str().into()),
            Self::Refused(conflict) => ("error", conflict.as_str().into()),
        }
    }
}

impl Conflict {
    /// Whether its result shows the exit signals of the record.
    const fn shows_exit_signals(self) -> bool {
        matches!(self, Self::ActiveRunExists | Self::OwnershipLost)
    }
}

#[cfg(test)]
mod tests;
