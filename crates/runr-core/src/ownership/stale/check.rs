//! The question before a merge: does the runner of this target live, and is it the caller?

use super::{Finding, Stale, StaleQuery, stale};
use crate::json::Written;
use crate::ownership::model::{ExitSignal, Record, RunName};
use crate::ownership::target::Target;

/// What is known about the runner of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerCheck {
    /// The target.
    pub target: Target,
    /// Who asks, if it is a run.
    pub run_id: Option<RunName>,
    /// The result.
    pub status: RunnerStatus,
    /// What the record says about the owner.
    pub stale: Stale,
    /// All exit signals of the record.
    pub exit_signals: Vec<ExitSignal>,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerStatus {
    /// The caller does not own the target.
    OwnershipLost,
    /// The owner has said that it ends.
    ExitSignalRecorded,
    /// The owner was not heard of for too long.
    StaleRunner,
    /// There is no record.
    NoOwnerRecord,
    /// There is a record, but nobody owns the target.
    NoActiveOwner,
    /// The owner lives.
    FreshRunner,
}

/// Checks the runner of a target. A caller that is a run must be the owner; whether the owner lives
/// is asked after that.
#[must_use]
pub fn check_runner(
    record: Option<&Record>,
    target: &Target,
    run_id: Option<RunName>,
    query: &StaleQuery,
) -> RunnerCheck {
    let stale = stale(record, query);
    let owner = stale.active_run.as_ref().map(|active| &active.run_id);
    let status = match &stale.finding {
        _ if run_id.is_some() && owner != run_id.as_ref() => RunnerStatus::OwnershipLost,
        Finding::ExitSignal(_) => RunnerStatus::ExitSignalRecorded,
        Finding::Stale(_) => RunnerStatus::StaleRunner,
        Finding::NoOwnerRecord => RunnerStatus::NoOwnerRecord,
        Finding::Fresh if owner.is_none() => RunnerStatus::NoActiveOwner,
        Finding::Fresh => RunnerStatus::FreshRunner,
    };
    RunnerCheck {
        target: target.clone(),
        run_id,
        status,
        stale,
        exit_signals: record.map_or_else(Vec::new, |record| record.exit_signals.clone()),
    }
}

impl RunnerCheck {
    /// Whether nothing speaks against a merge.
    #[must_use]
    pub fn ok(&self) -> bool {
        !matches!(
            self.status,
            RunnerStatus::OwnershipLost
                | RunnerStatus::ExitSignalRecorded
                | RunnerStatus::StaleRunner
        )
    }

    /// What speaks against it, one line each.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let target = self.target.to_string();
        let owner = self.stale.active_run.as_ref().map(|active| &active.run_id);
        let failure = match (self.status, &self.run_id, owner) {
            (RunnerStatus::OwnershipLost, Some(run), Some(owner)) => Some(format!(
                "{target} is owned by run {owner}, not by run {run}"
            )),
            (RunnerStatus::OwnershipLost, Some(run), None) => {
                Some(format!("{target} is owned by nobody, and not by run {run}"))
            }
            _ => self.stale.reason(&target),
        };
        failure
            .into_iter()
            .map(|text| text.replace(['\n', '\r'], " "))
            .collect()
    }

    /// The answer in its JSON form.
    #[must_use]
    pub fn to_json(&self, file_path: &str) -> Written {
        let failures: Vec<Written> = self
            .failures()
            .iter()
            .map(|text| text.as_str().into())
            .collect();
        let check = [
            ("ok", self.ok().into()),
            ("failures", Written::array(&failures)),
        ];
        let mut members = vec![("ok", self.ok().into())];
        members.extend(self.target.members());
        members.extend([
            ("status", self.status.as_str().into()),
            ("activeRun", self.stale.active_run.as_ref().into()),
            ("runId", self.run_id.as_ref().into()),
            ("exitSignals", self.exit_signals.as_slice().into()),
            ("filePath", file_path.into()),
            ("maxAgeMs", self.stale.max_age.into()),
            ("staleRunnerCheck", Written::object(check)),
        ]);
        Written::object(members)
    }
}

impl RunnerStatus {
    /// The word in results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnershipLost => "ownership_lost",
            Self::ExitSignalRecorded => "exit_signal_recorded",
            Self::StaleRunner => "stale_runner",
            Self::NoOwnerRecord => "no_owner_record",
            Self::NoActiveOwner => "no_active_owner",
            Self::FreshRunner => "fresh_runner",
        }
    }
}
