//! What a caller asks for, read and checked before anything is touched.

mod prepared;
mod wire;

use camino::Utf8PathBuf;
use runr_core::identity::Flow;
use runr_core::phase::event::{FailureKind, Usage};
use runr_core::phase::options::{AllowDeps, RunOptions};
use runr_core::phase::rules::WorkerFailure;
use runr_core::phase::task::Task;
use runr_core::{Code, Error, Result, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::claim::Own;
use super::worker::Answer;

pub(crate) use prepared::{
    Prepared, file_of, load_config, needs_trust, refuse_foreign, used_workers,
};

/// The configuration of a run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ConfigSource {
    /// A file.
    File(Utf8PathBuf),
    /// A value of the caller's, and trusted for that.
    Value(serde_json::Map<String, Value>),
}

/// The task of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskSource {
    /// A file; bare names are also looked up in `.runr/tasks/`.
    File(Utf8PathBuf),
    /// The text itself.
    Text(String),
}

/// A run to start. The JSON form has the option names of the bindings; unknown names are refused.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "the options are documented once, in RunOptions and in the help of `runr run`"
)]
pub struct RunRequest {
    pub task: Option<Utf8PathBuf>,
    pub task_text: Option<String>,
    pub root: Utf8PathBuf,
    pub config: Option<ConfigSource>,
    /// Instead of the configured allowlist.
    pub allow: Option<Vec<String>>,
    /// Instead of the configured denylist.
    pub deny: Option<Vec<String>>,
    /// Besides the denylist.
    pub deny_also: Vec<String>,
    /// Instead of the configured commands, as tier0.
    pub verify: Option<Vec<String>>,
    pub worktree: bool,
    pub fast: bool,
    pub allow_deps: AllowDeps,
    pub allow_dirty: bool,
    pub allow_unverified: bool,
    pub no_branch: bool,
    pub force_parallel: bool,
    pub worker: Option<String>,
    pub time_minutes: Option<f64>,
    pub max_ticks: Option<u32>,
    pub max_cost: Option<f64>,
    pub approve_plan: bool,
    pub auto_resume: Option<bool>,
    pub skip_doctor: bool,
    /// The flow of the work item to prepare; with references alone it is `build`.
    pub flow: Option<Flow>,
    /// Issues and PRs that the work belongs to.
    pub refs: Vec<String>,
    /// The target that the run owns while it works.
    pub own: Option<Own>,
    /// The caller answers the calls itself: no worker is probed or started. Not an option: which
    /// door a run came through decides.
    #[serde(skip)]
    pub host_answers: bool,
}

impl Default for RunRequest {
    fn default() -> Self {
        Self {
            task: None,
            task_text: None,
            root: Utf8PathBuf::from("."),
            config: None,
            allow: None,
            deny: None,
            deny_also: Vec::new(),
            verify: None,
            worktree: false,
            fast: false,
            allow_deps: AllowDeps::No,
            allow_dirty: false,
            allow_unverified: false,
            no_branch: false,
            force_parallel: false,
            worker: None,
            time_minutes: None,
            max_ticks: None,
            max_cost: None,
            approve_plan: false,
            auto_resume: None,
            skip_doctor: false,
            flow: None,
            refs: Vec::new(),
            own: None,
            host_answers: false,
        }
    }
}

impl RunRequest {
    /// A run of a task file, everything else as by default; the caller answers.
    #[must_use]
    pub fn task(path: impl Into<Utf8PathBuf>) -> Self {
        Self {
            task: Some(path.into()),
            host_answers: true,
            ..Self::default()
        }
    }

    /// In a worktree of its own.
    #[must_use]
    pub fn worktree(mut self) -> Self {
        self.worktree = true;
        self
    }

    /// In the repository that holds `root`.
    #[must_use]
    pub fn root(mut self, root: impl Into<Utf8PathBuf>) -> Self {
        self.root = root.into();
        self
    }

    /// Only these files may be changed, instead of the configured ones.
    #[must_use]
    pub fn allow(mut self, patterns: &[&str]) -> Self {
        self.allow = Some(
            patterns
                .iter()
                .map(|pattern| (*pattern).to_owned())
                .collect(),
        );
        self
    }

    /// These commands prove the work, instead of the configured ones.
    #[must_use]
    pub fn verify(mut self, commands: &[&str]) -> Self {
        self.verify = Some(
            commands
                .iter()
                .map(|command| (*command).to_owned())
                .collect(),
        );
        self
    }

    /// Claims a target before anything is done, and gives it back at the end; or works under the
    /// claim of a guard, which stays the guard's.
    #[must_use]
    pub fn own(mut self, own: impl Into<Own>) -> Self {
        self.own = Some(own.into());
        self
    }

    fn source(&self) -> Result<TaskSource> {
        match (&self.task, &self.task_text) {
            (Some(path), None) => Ok(TaskSource::File(path.clone())),
            (None, Some(text)) => Ok(TaskSource::Text(text.clone())),
            _ => Err(
                Error::new(Code::Usage, "give either a task file or a task text")
                    .hint("runr run --task <file>"),
            ),
        }
    }

    /// A caller that brings the agent, the scope and the checks may do without a configuration.
    fn needs_no_file(&self) -> bool {
        let checked = self.verify.is_some() || self.allow_unverified;
        self.host_answers && self.config.is_none() && self.allow.is_some() && checked
    }

    fn options(&self, task: &Task) -> RunOptions {
        let defaults = RunOptions::default();
        RunOptions {
            worktree: self.worktree,
            fast: self.fast || task.fast.unwrap_or(false),
            allow_deps: self.allow_deps.clone(),
            allow_dirty: self.allow_dirty,
            allow_unverified: self.allow_unverified,
            no_branch: self.no_branch,
            force_parallel: self.force_parallel,
            worker: self.worker.clone().or_else(|| task.worker.clone()),
            time_minutes: self
                .time_minutes
                .or(task.time.map(minutes))
                .unwrap_or(defaults.time_minutes),
            max_ticks: self.max_ticks.unwrap_or(defaults.max_ticks),
            max_cost: self.max_cost,
            approve_plan: self.approve_plan,
            auto_resume: self.auto_resume,
            skip_doctor: self.skip_doctor,
            own: None, // Not checked yet.
        }
    }
}

/// Whole minutes, as a task file gives them.
fn minutes(whole: u64) -> f64 {
    f64::from(u32::try_from(whole).unwrap_or(u32::MAX))
}

/// A run to go on with. The JSON form has the option names of the bindings.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "the options are documented once, in the help of `runr resume`"
)]
pub struct ResumeRequest {
    /// Absent: the newest run that is not complete.
    pub run_id: Option<String>,
    pub root: Utf8PathBuf,
    pub config: Option<ConfigSource>,
    pub allow_deps: Option<AllowDeps>,
    pub time_minutes: Option<f64>,
    pub max_ticks: Option<u32>,
    pub max_cost: Option<f64>,
    pub auto_resume: Option<bool>,
    /// Ignore that the environment differs from the run's.
    pub force: bool,
    /// Put uncommitted changes of the user's checkout on the stash first.
    pub auto_stash: bool,
    pub force_branch: bool,
    /// Instead of what the run claimed before.
    pub own: Option<Own>,
    #[serde(skip)]
    pub host_answers: bool,
}

/// What a caller answers to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// A reply: text to be read, or the object itself.
    Reply(Value),
    /// The agent itself failed.
    Fail {
        /// In which way.
        kind: FailureKind,
        /// In its words.
        message: String,
        /// When a usage limit ends.
        retry_at: Option<Timestamp>,
    },
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Reply(Value::String(text)) => Self::Text(text),
            Reply::Reply(value) => Self::Text(value.to_string()),
            Reply::Fail {
                kind,
                message,
                retry_at,
            } => Self::Failed(WorkerFailure {
                kind,
                message,
                retry_at: retry_at.map(|at| at.to_string()),
            }),
        }
    }
}

/// An answer with what it cost. The JSON form is `{"reply": ..}` or
/// `{"fail": {"kind", "message", "retry_at"}}`, and beside it `"usage": {"input_tokens",
/// "output_tokens", "cost_usd"}`, as far as the caller knows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "wire::Answered")]
pub struct Answered {
    /// The answer.
    pub reply: Reply,
    /// What the call consumed.
    pub usage: Option<Usage>,
}

impl From<Reply> for Answered {
    fn from(reply: Reply) -> Self {
        Self { reply, usage: None }
    }
}
