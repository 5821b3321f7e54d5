//! The configuration of a repository: every key, its default, and the commands that need trust.
//!
//! A file holds what differs from the defaults; only `agent`, `scope` and `verification` must be
//! present. Reading is strict about types and values and lenient about names: a key or a preset this
//! version does not know is a [`Warning`]. A [`Config`] written as JSON is a full snapshot and reads
//! back as the same configuration.

mod defaults;
mod lines;
mod read;
mod section;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::model::{Stage, Tier};
use super::preset;
use super::reply::OutputMode;
use super::tiers::RiskTrigger;
use crate::error::Result;
use crate::hash::sha256_hex;

/// The configuration of a repository, complete.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Config {
    /// Who works here.
    pub agent: Agent,
    /// The repository itself.
    pub repo: Repo,
    /// What may be changed.
    pub scope: Scope,
    /// What must succeed before a milestone counts.
    pub verification: Verification,
    /// The workers by name, in the order of the file.
    pub workers: Workers,
    /// Which worker does what.
    pub phases: Phases,
    /// How long and how often is tried.
    pub resilience: Resilience,
    /// How a new worktree is prepared.
    pub worktree: Worktree,
    /// How claims are decided.
    pub coordination: Coordination,
    /// What a receipt keeps.
    pub receipts: Receipts,
}

/// The key `agent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// A name for people.
    pub name: String,
    /// The version of the format.
    pub version: String,
}

/// The key `repo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Repo {
    /// The branch that work returns to; absent means what the remote says, else `main`.
    pub default_branch: Option<String>,
}

/// The key `scope`: patterns over paths relative to the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// What may be changed; empty means everything.
    pub allowlist: Vec<String>,
    /// What must not be changed; beats the allowlist.
    pub denylist: Vec<String>,
    /// Named groups of patterns that join the allowlist.
    pub presets: Vec<String>,
    /// Paths that change only with permission.
    pub lockfiles: Vec<String>,
    /// What counts as noise of the environment.
    pub env_allowlist: Vec<String>,
}

/// The key `verification`: commands run through the shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Fast checks; always run.
    pub tier0: Vec<String>,
    /// Builds.
    pub tier1: Vec<String>,
    /// Tests.
    pub tier2: Vec<String>,
    /// Where the commands run, relative to the repository; absent means its root.
    pub cwd: Option<String>,
    /// Changes that ask for more than tier 0.
    pub risk_triggers: Vec<RiskTrigger>,
    /// Budget of one verification pass in seconds.
    pub max_verify_time_per_milestone: u64,
}

/// A program that answers prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worker {
    /// The program, started without a shell.
    pub bin: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The form of its standard output.
    pub output: OutputMode,
}

/// The workers by name, in the order of the file: the next one is the fallback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workers(Vec<(String, Worker)>);

/// The key `phases`: the worker asked first, per stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Phases {
    /// The planner.
    pub plan: String,
    /// The implementer.
    pub implement: String,
    /// The reviewer.
    pub review: String,
}

/// The key `resilience`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Resilience {
    /// Whether a run retries within its own process.
    pub auto_resume: bool,
    /// How often.
    pub max_auto_resumes: u32,
    /// The pause before each retry; the last one repeats.
    pub auto_resume_delays_ms: Vec<u64>,
    /// The hard limit of one worker call.
    pub max_worker_call_minutes: f64,
    /// Non-approving reviews of one milestone before the run stops.
    pub max_review_rounds: u32,
    /// A shell command run at every stop.
    pub notify: Option<String>,
}

/// The key `worktree`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Worktree {
    /// Shell commands run in a new worktree.
    pub setup: Vec<String>,
    /// Patterns of ignored files that are copied into it.
    pub copy: Vec<String>,
}

/// The key `coordination`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coordination {
    /// Whether all claimants run on this host, so that a dead process gives up its claim.
    pub single_host: bool,
}

/// The key `receipts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipts {
    /// Whether secrets are blanked.
    pub redact: bool,
    /// How much of a command's output is copied for people.
    pub capture_cmd_output: Capture,
    /// Where truncation sets in.
    pub max_output_bytes: u64,
}

/// How much of a command's output is copied out of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// Everything.
    Full,
    /// The last part.
    Truncated,
    /// Nothing: the receipt has the log's size and hash.
    MetadataOnly,
}

/// Something in the file that is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// JSON pointer to it.
    pub pointer: String,
    /// Its line, from 1, when the text is known.
    pub line: Option<usize>,
    /// What is wrong, without pointer and line.
    pub message: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} (line {line}): {}", self.pointer, self.message),
            None => write!(f, "{}: {}", self.pointer, self.message),
        }
    }
}

impl Config {
    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// `E_CONFIG_INVALID` for text that is not JSON, a missing required object, a wrong type or a
    /// wrong value. The context holds `pointer`, `problem` and, where it is known, `line`.
    pub fn parse(text: &str) -> Result<(Self, Vec<Warning>)> {
        read::from_text(text)
    }

    /// Reads a configuration from a JSON value.
    ///
    /// # Errors
    /// `E_CONFIG_INVALID` as for [`Config::parse`], without `line`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers hand over what they built for this call"
    )]
    pub fn from_value(value: Value) -> Result<(Self, Vec<Warning>)> {
        read::from_value(&value)
    }

    /// What may be changed: the allowlist, then the patterns of the presets, without duplicates.
    ///
    /// Presets this version does not know add nothing.
    #[must_use]
    pub fn effective_allowlist(&self) -> Vec<String> {
        preset::expand(&self.scope.allowlist, &self.scope.presets)
    }

    /// Everything a run of this configuration may execute, with sorted keys.
    ///
    /// This is what a person approves; scope lists and limits are not in it.
    #[must_use]
    pub fn command_list(&self) -> Value {
        let workers: Map<String, Value> = self
            .workers
            .iter()
            .map(|(name, worker)| {
                (
                    name.to_owned(),
                    json!({"bin": worker.bin, "args": worker.args}),
                )
            })
            .collect();
        sorted(json!({
            "notify": self.resilience.notify,
            "setup": self.worktree.setup,
            "verification": {
                "tier0": self.verification.tier0,
                "tier1": self.verification.tier1,
                "tier2": self.verification.tier2,
            },
            "workers": workers,
        }))
    }

    /// SHA-256 of the compact JSON of [`Config::command_list`], in lower-case hexadecimal digits.
    #[must_use]
    pub fn trust_hash(&self) -> String {
        sha256_hex(self.command_list().to_string().as_bytes())
    }
}

impl Verification {
    /// The commands of a tier.
    #[must_use]
    pub fn tier(&self, tier: Tier) -> &[String] {
        match tier {
            Tier::Tier0 => &self.tier0,
            Tier::Tier1 => &self.tier1,
            Tier::Tier2 => &self.tier2,
        }
    }

    /// Whether no tier has a command, so that nothing would be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        Tier::ALL.iter().all(|tier| self.tier(*tier).is_empty())
    }

    /// Replaces every tier by these commands, which then always run.
    pub fn set_commands(&mut self, commands: Vec<String>) {
        self.tier0 = commands;
        self.tier1.clear();
        self.tier2.clear();
    }
}

/// What is wrong with a shell command: an empty one would succeed without checking anything, and none
/// can hold a null character.
#[must_use]
pub fn problem_of_command(command: &str) -> Option<&'static str> {
    if command.trim().is_empty() {
        return Some("must not be empty");
    }
    command
        .contains('\0')
        .then_some("must not hold a null character")
}

impl Workers {
    /// The worker with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Worker> {
        self.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, worker)| worker)
    }

    /// Whether there is a worker with this name.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// Names and workers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Worker)> {
        self.0.iter().map(|(name, worker)| (name.as_str(), worker))
    }

    /// Replaces the worker with this name in its place, or adds it at the end.
    pub fn insert(&mut self, name: impl Into<String>, worker: Worker) {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slot)) => *slot = worker,
            None => self.0.push((name, worker)),
        }
    }
}

impl FromIterator<(String, Worker)> for Workers {
    fn from_iter<I: IntoIterator<Item = (String, Worker)>>(workers: I) -> Self {
        let mut collected = Self(Vec::new());
        for (name, worker) in workers {
            collected.insert(name, worker);
        }
        collected
    }
}

impl Serialize for Workers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, worker) in self.iter() {
            map.serialize_entry(name, worker)?;
        }
        map.end()
    }
}

impl Phases {
    /// The worker a stage asks first.
    #[must_use]
    pub fn worker_of(&self, stage: Stage) -> &str {
        match stage {
            Stage::Plan => &self.plan,
            Stage::Implement => &self.implement,
            Stage::Review => &self.review,
        }
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            entries
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        plain => plain,
    }
}

#[cfg(test)]
mod tests;
