//! Runners that do not live any more, as far as their record tells.
//!
//! This only reports. A claim is taken over by its lease, not by what is said here.

mod check;

pub use check::{RunnerCheck, RunnerStatus, check_runner};

use super::date::{UtcOffset, parse_date};
use super::model::{ActiveRun, ExitSignal, Record};
use super::numeric::string_to_number;
use super::text::Text;
use crate::json::{Kind, Rules, Written, scan};
use crate::time::Timestamp;

/// How a runner is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleQuery {
    /// The time at which it is.
    pub now: Timestamp,
    /// From which age on it is stale.
    pub max_age: MaxAge,
    /// What a time without a zone is compared with.
    pub local: UtcOffset,
}

/// The age, in milliseconds, that a living runner does not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxAge(u64);

impl Default for MaxAge {
    /// Half an hour.
    fn default() -> Self {
        Self(30 * 60 * 1000)
    }
}

impl MaxAge {
    /// The threshold that an option asks for, else an environment variable, else the usual one.
    /// What is not finite or not above zero asks for nothing; fractions are cut off.
    #[must_use]
    pub fn choose(option: Option<f64>, variable: Option<&str>) -> Self {
        let usable = |millis: &f64| millis.is_finite() && *millis > 0.0;
        let variable = || variable.and_then(string_to_number).filter(usable);
        let chosen = option.filter(usable).or_else(variable);
        chosen.map_or_else(Self::default, Self::floor)
    }

    fn floor(millis: f64) -> Self {
        // What every language holds exactly: 285,000 years.
        const MOST: u64 = (1 << 53) - 1;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "above zero, and the cast saturates"
        )]
        let millis = millis as u64;
        Self(millis.min(MOST))
    }

    /// The age in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    fn is_exceeded_by(self, age: i64) -> bool {
        u64::try_from(age).is_ok_and(|age| age > self.0)
    }
}

/// What is known about a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// What was found.
    pub finding: Finding,
    /// The owner.
    pub active_run: Option<ActiveRun>,
    /// From which age on a runner is stale.
    pub max_age: MaxAge,
}

/// What was found about a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// There is no record.
    NoOwnerRecord,
    /// The owner has said that it ends, in these signals.
    ExitSignal(Vec<ExitSignal>),
    /// The owner was not heard of for too long, or has a time that is none.
    Stale(Ages),
    /// Neither, or nobody owns the target.
    Fresh,
}

/// How long ago an owner claimed its target and was last heard of, in milliseconds; `None` where
/// the record has no usable time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// Since the claim.
    pub claimed: Option<i64>,
    /// Since the last sign of life.
    pub updated: Option<i64>,
}

/// Judges the owner of a target by its record: first by its exit signals, then by its times. A time
/// in the future is no old one.
#[must_use]
pub fn stale(record: Option<&Record>, query: &StaleQuery) -> Stale {
    let active_run = record.and_then(|record| record.active_run.clone());
    let finding = match (record, &active_run) {
        (None, _) => Finding::NoOwnerRecord,
        (Some(_), None) => Finding::Fresh,
        (Some(record), Some(active)) => judge(record, active, query),
    };
    Stale {
        finding,
        active_run,
        max_age: query.max_age,
    }
}

fn judge(record: &Record, active: &ActiveRun, query: &StaleQuery) -> Finding {
    let own = |signal: &&ExitSignal| signal.run_id == active.run_id;
    let signals: Vec<_> = record.exit_signals.iter().filter(own).cloned().collect();
    if !signals.is_empty() {
        return Finding::ExitSignal(signals);
    }
    let age = |text: Option<&Text>| Some(query.now.as_millis() - parse_date(text?, query.local)?);
    let ages = Ages {
        claimed: age(active.claimed_at.as_ref()),
        updated: age(active.updated_at.as_ref()),
    };
    match (ages.claimed, ages.updated) {
        (Some(claimed), Some(updated))
            if !query.max_age.is_exceeded_by(claimed) || !query.max_age.is_exceeded_by(updated) =>
        {
            Finding::Fresh
        }
        _ => Finding::Stale(ages),
    }
}

impl Stale {
    /// Whether nothing speaks against the owner.
    #[must_use]
    pub fn ok(&self) -> bool {
        matches!(self.finding, Finding::NoOwnerRecord | Finding::Fresh)
    }

    /// The answer in its JSON form. `repo` and `pr` are shown as the caller gave them.
    #[must_use]
    pub fn to_json(&self, repo: &Written, pr: &Written, file_path: &str) -> Written {
        let word = self.finding.as_str();
        let mut members = vec![("ok", self.ok().into())];
        if !self.ok() {
            members.push(("error", word.into()));
        }
        members.extend([
            ("status", word.into()),
            ("repo", repo.clone()),
            ("pr", pr.clone()),
            ("activeRun", self.active_run.as_ref().into()),
            ("staleRunner", self.stale_runner()),
            ("exitSignal", self.exit_signal()),
            ("filePath", file_path.into()),
            ("maxAgeMs", self.max_age.into()),
        ]);
        let asked = format!("{}#{}", shown(repo), shown(pr));
        let reason = self
            .reason(&asked)
            .map(|reason| ("message", reason.as_str().into()));
        members.extend(reason);
        Written::object(members)
    }

    /// In one line what speaks against the owner of `target`, if anything does.
    #[must_use]
    pub fn reason(&self, target: &str) -> Option<String> {
        let run = &self.active_run.as_ref()?.run_id;
        match &self.finding {
            Finding::NoOwnerRecord | Finding::Fresh => None,
            Finding::ExitSignal(signals) => {
                let reason = signals.last().and_then(|signal| signal.reason.as_ref());
                let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
                Some(format!(
                    "run {run}, the owner of {target}, has said that it ends{why}"
                ))
            }
            Finding::Stale(Ages {
                claimed: Some(_),
                updated: Some(updated),
            }) => Some(format!(
                "run {run}, the owner of {target}, is stale: last heard of {updated} ms ago, \
                 the limit is {} ms",
                self.max_age.0
            )),
            Finding::Stale(_) => Some(format!(
                "run {run}, the owner of {target}, is stale: its record holds a time that is none"
            )),
        }
    }

    fn stale_runner(&self) -> Written {
        let (Finding::Stale(ages), Some(active)) = (&self.finding, &self.active_run) else {
            return None::<Written>.into();
        };
        let stamp = |text: Option<&Text>| text.map_or_else(|| "(corrupt)".into(), Written::from);
        let age = |age: Option<i64>| Written::trusted(age.unwrap_or(-1).to_string());
        let mut members = vec![
            ("runId", (&active.run_id).into()),
            ("claimedAt", stamp(active.claimed_at.as_ref())),
            ("updatedAt", stamp(active.updated_at.as_ref())),
            ("claimedAgeMs", age(ages.claimed)),
            ("updatedAgeMs", age(ages.updated)),
            ("maxAgeMs", self.max_age.into()),
        ];
        if ages.claimed.is_none() || ages.updated.is_none() {
            members.push(("corruptedTimestamp", true.into()));
        }
        Written::object(members)
    }

    fn exit_signal(&self) -> Written {
        let (Finding::ExitSignal(signals), Some(active)) = (&self.finding, &self.active_run) else {
            return None::<Written>.into();
        };
        Written::object([
            ("runId", (&active.run_id).into()),
            ("signals", signals.as_slice().into()),
        ])
    }
}

impl Finding {
    /// The word in results.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NoOwnerRecord => "no_owner_record",
            Self::ExitSignal(_) => "exit_signal_recorded",
            Self::Stale(_) => "stale_runner",
            Self::Fresh => "fresh_runner",
        }
    }
}

impl From<MaxAge> for Written {
    fn from(age: MaxAge) -> Self {
        Self::trusted(age.0.to_string())
    }
}

/// A value as it stands in a sentence: a string without its quotes.
fn shown(value: &Written) -> String {
    let text = || value.text().to_owned();
    scan(value.text(), &Rules::default()).map_or_else(
        |_| text(),
        |tree| match tree.root().kind() {
            Kind::String => tree.root().as_str_lossy().unwrap_or_else(text),
            _ => text(),
        },
    )
}

#[cfg(test)]
mod tests;
