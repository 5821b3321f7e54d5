//! A request whose files are read and checked.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::phase::config::{Config, Warning, problem_of_command};
use runr_core::phase::event::BinaryCheck;
use runr_core::phase::model::Stage;
use runr_core::phase::options::RunOptions;
use runr_core::phase::prompt::PromptTexts;
use runr_core::phase::task::{Task, parse_task};
use runr_core::{Code, Error, Result};
use serde_json::Value;

use super::{ConfigSource, RunRequest, TaskSource};
use crate::harness::claim::{Own, Wanted};
use crate::harness::context::Layout;
use crate::harness::git::{Git, Place};
use crate::harness::item::ItemRequest;
use crate::harness::task_file::TaskFile;
use crate::harness::{ping, prompts, trust, worker};
use crate::host::Host;
use crate::presence;

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
    /// The prompts that the repository brings.
    pub(crate) prompts: PromptTexts,
    /// What the workers said to `--version`.
    pub(crate) binary: BinaryCheck,
    /// Whether the workers are asked for a word before the run.
    pub(crate) asks_first: bool,
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
        // While git is asked: else the first text waits for the patterns.
        std::thread::spawn(runr_core::redact::warm_up);
        let git = Git::new(host.cwd.join(&request.root));
        let place = git.place()?;
        let layout = Layout::new(&place, host);
        let (task, task_text, task_path) = match request.source()? {
            TaskSource::Text(text) => (parse_task(&text)?, text, None),
            TaskSource::File(path) => {
                let file = TaskFile::find(&path, &host.cwd.join(&request.root), &layout)?;
                (file.task()?, file.text, Some(file.path))
            }
        };
        let own = request.own.as_ref().map(Own::checked).transpose()?;
        let options = RunOptions {
            own: own.as_ref().map(|wanted| wanted.target.clone()),
            ..request.options(&task)
        };
        if options.fast && options.approve_plan {
            return Err(Error::new(
                Code::Usage,
                "approve_plan: a fast run has no plan to approve",
            ));
        }
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
            prompts: PromptTexts::default(),
            binary: BinaryCheck {
                ok: true,
                results: Vec::new(),
            },
            asks_first: false,
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
            trust::check(
                host,
                &self.layout.repo_root,
                &config,
                file_of(&request.config),
            )?;
        }
        apply_overrides(&mut config, request)?;
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
            self.asks_first =
                !self.options.skip_doctor && host.var("RUNR_SKIP_DOCTOR") != Some("1");
            let used = used_workers(&config, &self.options);
            self.binary = ping::probe(
                host,
                &self.layout.repo_root,
                &config,
                &used,
                self.asks_first,
            )?;
        }
        self.prompts = prompts::read(&self.layout)?;
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
pub(crate) fn needs_trust(config: &Config, verify_replaced: bool) -> bool {
    let mut rest = config.clone();
    if verify_replaced {
        rest.verification.set_commands(Vec::new());
    }
    rest.command_list() != Config::default().command_list()
}

fn apply_overrides(config: &mut Config, request: &RunRequest) -> Result<()> {
    if let Some(allow) = &request.allow {
        config.scope.allowlist.clone_from(allow);
        config.scope.presets.clear();
    }
    if let Some(deny) = &request.deny {
        config.scope.denylist.clone_from(deny);
    }
    config.scope.denylist.extend(request.deny_also.clone());
    if let Some(verify) = &request.verify {
        if let Some(problem) = verify
            .iter()
            .find_map(|command| problem_of_command(command))
        {
            return Err(Error::new(
                Code::Usage,
                format!("a command of verify {problem}"),
            ));
        }
        config.verification.set_commands(verify.clone());
    }
    Ok(())
}

/// The file that was named, if one was.
pub(crate) fn file_of(source: &Option<ConfigSource>) -> Option<&Utf8Path> {
    match source {
        Some(ConfigSource::File(path)) => Some(path),
        Some(ConfigSource::Value(_)) | None => None,
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
pub(crate) fn refuse_foreign(path: &Utf8Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let Some(metadata) = presence::metadata(path)? else {
        return Ok(()); // Reading it will say so.
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
