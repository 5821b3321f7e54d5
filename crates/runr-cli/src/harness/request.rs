//! What a caller asks for, read and checked before anything is touched.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::identity::Flow;
use runr_core::phase::config::{Config, Warning};
use runr_core::phase::event::FailureKind;
use runr_core::phase::model::Stage;
use runr_core::phase::options::RunOptions;
use runr_core::phase::rules::WorkerFailure;
use runr_core::phase::task::{Task, parse_task_at};
use runr_core::{Code, Error, Result};
use serde::Deserialize;
use serde_json::Value;

use super::claim::{Own, Wanted};
use super::context::Layout;
use super::git::{Git, Place};
use super::item::ItemRequest;
use super::trust;
use super::worker::{self, Answer};
use crate::host::Host;

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
    /// Instead of the configured commands, as tier0.
    pub verify: Option<Vec<String>>,
    pub worktree: bool,
    pub fast: bool,
    pub allow_deps: bool,
    pub allow_dirty: bool,
    pub allow_unverified: bool,
    pub no_branch: bool,
    pub force_parallel: bool,
    pub worker: Option<String>,
    pub time_minutes: Option<f64>,
    pub max_ticks: Option<u32>,
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
            verify: None,
            worktree: false,
            fast: false,
            allow_deps: false,
            allow_dirty: false,
            allow_unverified: false,
            no_branch: false,
            force_parallel: false,
            worker: None,
            time_minutes: None,
            max_ticks: None,
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
            allow_deps: self.allow_deps,
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
    pub allow_deps: Option<bool>,
    pub time_minutes: Option<f64>,
    pub max_ticks: Option<u32>,
    pub force_branch: bool,
    /// Instead of what the run claimed before.
    pub own: Option<Own>,
    #[serde(skip)]
    pub host_answers: bool,
}

/// What a caller answers to a call. The JSON form is `{"reply": ..}` or `{"fail": {..}}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A reply: text to be read, or the object itself.
    Reply(Value),
    /// The agent itself failed.
    Fail {
        /// In which way.
        kind: FailureKind,
        /// In its words.
        #[serde(default)]
        message: String,
        /// When a usage limit ends.
        #[serde(default)]
        retry_at: Option<String>,
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
                retry_at,
            }),
        }
    }
}

/// A request whose task and configuration are read, whose commands are trusted and whose workers
/// can be started. Nothing on disk has changed yet.
pub(crate) struct Prepared {
    pub(crate) layout: Layout,
    pub(crate) place: Place,
    /// In the tree the caller stands in.
    pub(crate) git: Git,
    pub(crate) task: Task,
    pub(crate) task_text: String,
    pub(crate) task_path: Option<Utf8PathBuf>,
    pub(crate) config: Config,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) options: RunOptions,
    pub(crate) item: Option<ItemRequest>,
    pub(crate) own: Option<Wanted>,
    pub(crate) host_answers: bool,
}

impl Prepared {
    /// Reads and checks, in the order: repository, task, configuration, trust, workers.
    pub(crate) fn new(request: &RunRequest, host: &Host) -> Result<Self> {
        let mut prepared = Self::read(request, host)?;
        if !prepared.is_manual() {
            prepared.admit(request, host)?;
        }
        Ok(prepared)
    }

    /// Whether the task is one for people: there is nothing to run.
    pub(crate) fn is_manual(&self) -> bool {
        self.task.is_manual()
    }

    fn read(request: &RunRequest, host: &Host) -> Result<Self> {
        let git = Git::new(host.cwd.join(&request.root));
        let place = git.place()?;
        let layout = Layout::new(&place, host);
        let (task_text, task_path) =
            read_task(&request.source()?, &host.cwd.join(&request.root), &layout)?;
        let task = parse_task_at(&task_text, task_path.as_ref().map(|path| path.as_str()))?;
        let own = request.own.as_ref().map(Own::checked).transpose()?;
        let options = RunOptions {
            own: own.as_ref().map(|wanted| wanted.target.clone()),
            ..request.options(&task)
        };
        Ok(Self {
            git: git.at(&place.toplevel),
            layout,
            place,
            task,
            task_text,
            task_path,
            config: Config::default(),
            warnings: Vec::new(),
            options,
            item: ItemRequest::of(request.flow, &request.refs),
            own,
            host_answers: request.host_answers,
        })
    }

    fn admit(&mut self, request: &RunRequest, host: &Host) -> Result<()> {
        let (mut config, warnings) = match load_config(request.config.as_ref(), &self.layout) {
            Err(error) if error.code() == Code::ConfigNotFound && request.needs_no_file() => {
                (Config::default(), Vec::new())
            }
            loaded => loaded?,
        };
        let from_file = !matches!(request.config, Some(ConfigSource::Value(_)));
        if from_file && needs_trust(&config, request.verify.is_some()) {
            trust::check(host, &self.layout.repo_root, &config)?;
        }
        apply_overrides(&mut config, request);
        let known = |name: &String| config.workers.contains_key(name.as_str());
        if let Some(unknown) = self
            .options
            .worker
            .as_ref()
            .filter(|name| !self.host_answers && !known(name))
        {
            return Err(Error::new(
                Code::WorkerNotFound,
                format!("{} not found", worker::display_name(unknown)),
            )
            .with("worker", unknown.as_str())
            .hint("add it to `workers` in .runr/runr.config.json"));
        }
        if !self.host_answers && host.var("RUNR_WORKER_SCRIPT").is_none() {
            let ask_version =
                !self.options.skip_doctor && host.var("RUNR_SKIP_DOCTOR") != Some("1");
            worker::probe(
                host,
                &config,
                &used_workers(&config, &self.options),
                ask_version,
            )?;
        }
        self.config = config;
        self.warnings = warnings;
        Ok(())
    }
}

/// The workers a run asks first, each once.
pub(crate) fn used_workers<'a>(config: &'a Config, options: &'a RunOptions) -> Vec<&'a str> {
    let stages: &[Stage] = if options.fast {
        &[Stage::Implement]
    } else {
        Stage::ALL
    };
    let mut names: Vec<&str> = Vec::new();
    for stage in stages {
        let name = options
            .worker
            .as_deref()
            .unwrap_or_else(|| config.phases.worker_of(*stage));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Whether anything of the file would be executed that runr itself did not bring.
fn needs_trust(config: &Config, verify_replaced: bool) -> bool {
    let mut rest = config.clone();
    if verify_replaced {
        rest.verification.set_commands(Vec::new());
    }
    rest.command_list() != Config::default().command_list()
}

fn apply_overrides(config: &mut Config, request: &RunRequest) {
    if let Some(allow) = &request.allow {
        config.scope.allowlist.clone_from(allow);
        config.scope.presets.clear();
    }
    if let Some(deny) = &request.deny {
        config.scope.denylist.clone_from(deny);
    }
    if let Some(verify) = &request.verify {
        config.verification.set_commands(verify.clone());
    }
}

/// Reads a configuration file, or takes the caller's value.
pub(crate) fn load_config(
    source: Option<&ConfigSource>,
    layout: &Layout,
) -> Result<(Config, Vec<Warning>)> {
    let path = match source {
        Some(ConfigSource::Value(map)) => return Config::from_value(Value::Object(map.clone())),
        Some(ConfigSource::File(path)) => layout.repo_root.join(path),
        None => layout.config_path(),
    };
    refuse_foreign(&path)?;
    match std::fs::read_to_string(&path) {
        Ok(text) => Config::parse(&text).map_err(|error| error.at(path)),
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {
            let shown = path
                .strip_prefix(&layout.repo_root)
                .unwrap_or(&path)
                .to_owned();
            Err(
                Error::new(Code::ConfigNotFound, format!("Config not found: {shown}"))
                    .at(path)
                    .hint("runr init"),
            )
        }
        Err(problem) if problem.kind() == std::io::ErrorKind::InvalidData => Err(Error::new(
            Code::ConfigInvalid,
            "Invalid config: : the file is not UTF-8",
        )
        .at(path)),
        Err(problem) => Err(Error::io("read", &path, problem)),
    }
}

/// A configuration that somebody else may change is nobody's word.
fn refuse_foreign(path: &Utf8Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = path.metadata() else {
        return Ok(()); // Reading it will say why.
    };
    let own = [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
    if own && metadata.mode() & 0o002 == 0 {
        return Ok(());
    }
    Err(Error::new(
        Code::Untrusted,
        "Commands of this repository are not trusted",
    )
    .at(path)
    .with(
        "reason",
        "the configuration belongs to another user, or everybody may write it",
    )
    .hint(format!("chown and chmod o-w {path}")))
}

fn read_task(
    source: &TaskSource,
    root: &Utf8Path,
    layout: &Layout,
) -> Result<(String, Option<Utf8PathBuf>)> {
    let path = match source {
        TaskSource::Text(text) => return Ok((text.clone(), None)),
        TaskSource::File(path) => path,
    };
    let tasks = layout.repo_root.join(".runr/tasks");
    let candidates = [
        root.join(path),
        layout.repo_root.join(path),
        tasks.join(path),
        tasks.join(format!("{path}.md")),
    ];
    for candidate in candidates {
        match std::fs::read(&candidate) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| {
                    Error::new(
                        Code::TaskInvalid,
                        format!("Invalid task front matter in {path}: the file is not UTF-8"),
                    )
                    .at(candidate.clone())
                })?;
                return Ok((text, Some(candidate)));
            }
            Err(problem) if is_absent(&problem) => {}
            Err(problem) => return Err(Error::io("read", &candidate, problem)),
        }
    }
    Err(Error::new(Code::TaskNotFound, format!("Task file not found: {path}")).at(path.clone()))
}

fn is_absent(problem: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        problem.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory
    )
}
