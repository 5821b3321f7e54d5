//! The programs that answer: whether each one that is used can be started, and whether it answers
//! without a person before it.

use std::time::Duration;

use runr_core::phase::config::Config;
use runr_core::phase::event::PingCategory;
use runr_core::phase::options::RunOptions;
use serde::Serialize;

use super::{Finding, Level, Subject, found};
use crate::harness::{
    Layout, display_name, find_binary, ping, redactor, takes_flags, used_workers, version_of,
};
use crate::host::Host;

/// How long a worker may take for its word.
const WORD_LIMIT: Duration = Duration::from_secs(30);

/// How far workers are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Nothing is started: the configuration is not trusted.
    Found,
    /// What costs nothing: the version, and whether the arguments are known.
    Started,
    /// For a word, too.
    Asked,
}

/// The workers in use, as far as they were asked.
pub(super) enum Workers {
    NoConfig,
    /// A script stands in for all of them.
    Script,
    Looked {
        depth: Depth,
        all: Vec<Asked>,
    },
}

/// A worker, and what it said. As a row of the JSON form.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    name: String,
    bin: String,
    version: Option<String>,
    /// Whether it answered, or is known not to; nothing if it was not asked.
    headless: Option<bool>,
    error: Option<String>,
    category: Option<PingCategory>,
}

impl Workers {
    pub(super) fn look(
        host: &Host,
        layout: Option<&Layout>,
        config: Option<&Config>,
        depth: Depth,
    ) -> Self {
        let (Some(layout), Some(config)) = (layout, config) else {
            return Self::NoConfig;
        };
        if host.var("RUNR_WORKER_SCRIPT").is_some() {
            return Self::Script;
        }
        let options = RunOptions::default();
        let names = used_workers(config, &options);
        let mut all: Vec<Asked> = names
            .iter()
            .filter_map(|name| Asked::started(host, layout, config, name, depth))
            .collect();
        if depth == Depth::Asked {
            ask(host, layout, config, &mut all);
        }
        Self::Looked { depth, all }
    }

    pub(super) fn rows(&self) -> &[Asked] {
        match self {
            Self::NoConfig | Self::Script => &[],
            Self::Looked { all, .. } => all,
        }
    }
}

/// Asks those that can be started for a word, side by side.
fn ask(host: &Host, layout: &Layout, config: &Config, all: &mut [Asked]) {
    let able = all.iter().filter(|worker| worker.error.is_none());
    let names: Vec<&str> = able.map(|worker| worker.name.as_str()).collect();
    let root = &layout.repo_root;
    let heard = ping(host, root, config, &names, root, WORD_LIMIT);
    let redactor = redactor(config, host);
    for result in heard.results {
        let Some(worker) = all.iter_mut().find(|it| it.name == result.worker) else {
            continue;
        };
        worker.headless = Some(result.ok);
        worker.category = result.category;
        worker.error = result.message.map(|words| redactor.text(&words));
    }
}

impl Asked {
    /// A worker that was asked for what costs nothing.
    fn started(
        host: &Host,
        layout: &Layout,
        config: &Config,
        name: &str,
        depth: Depth,
    ) -> Option<Self> {
        let worker = config.workers.get(name)?;
        let mut asked = Self {
            name: name.to_owned(),
            bin: worker.bin.clone(),
            version: None,
            headless: None,
            error: None,
            category: None,
        };
        if find_binary(host, &layout.repo_root, worker).is_none() {
            asked.error = Some("not on PATH".to_owned());
        }
        if depth == Depth::Found || asked.error.is_some() {
            return Some(asked);
        }
        match version_of(host, &layout.repo_root, worker) {
            Ok(version) => asked.version = Some(version),
            Err(why) => {
                asked.error = Some(why);
                return Some(asked);
            }
        }
        if let Some(Err(why)) = takes_flags(host, name, worker, &layout.repo_root) {
            asked.headless = Some(false);
            asked.error = Some(redactor(config, host).text(&why));
        }
        Some(asked)
    }

    fn shown(&self) -> &str {
        display_name(&self.name)
    }

    fn why(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }
}

pub(super) fn workers(subject: &Subject<'_>) -> Finding {
    let (depth, all) = match &subject.workers {
        Workers::NoConfig => return found(Level::Skip, "no configuration"),
        Workers::Script => return found(Level::Ok, "a worker script answers"),
        Workers::Looked { depth, all } => (depth, all),
    };
    let is_missing = |it: &&Asked| it.version.is_none() && it.error.is_some();
    if let Some(missing) = all.iter().find(is_missing) {
        let (name, bin) = (missing.shown(), &missing.bin);
        return found(Level::Fail, format!("{name} not found: {}", missing.why())).fix(format!(
            "install `{bin}` or change `phases` in the configuration"
        ));
    }
    if *depth == Depth::Found {
        return found(Level::Skip, "not started before `runr trust`");
    }
    let version = |it: &Asked| format!("{} {}", it.shown(), it.version.as_deref().unwrap_or("?"));
    found(
        Level::Ok,
        all.iter().map(version).collect::<Vec<_>>().join(", "),
    )
}

pub(super) fn headless(subject: &Subject<'_>) -> Finding {
    let (depth, all) = match &subject.workers {
        Workers::NoConfig => return found(Level::Skip, "no configuration"),
        Workers::Script => return found(Level::Skip, "a worker script answers"),
        Workers::Looked { depth, all } => (depth, all),
    };
    let silent: Vec<&Asked> = all.iter().filter(|it| it.headless == Some(false)).collect();
    if !silent.is_empty() {
        let notes = silent.iter().map(|it| match it.category {
            Some(category) => format!("{}: {}: {}", it.shown(), category.as_str(), it.why()),
            None => format!("{}: {}", it.shown(), it.why()),
        });
        return found(Level::Fail, notes.collect::<Vec<_>>().join("; ")).fix(help(&silent));
    }
    let able = all.iter().filter(|it| it.version.is_some());
    let able: Vec<&str> = able.map(Asked::shown).collect();
    match depth {
        Depth::Found => found(Level::Skip, "not started before `runr trust`"),
        _ if able.is_empty() => found(Level::Skip, "there is none to ask"),
        Depth::Started => found(
            Level::Ok,
            format!(
                "{}: `--deep` asks for a word, which costs a call",
                able.join(", ")
            ),
        ),
        Depth::Asked => found(Level::Ok, format!("{} answer", able.join(", "))),
    }
}

/// What helps against the first failure.
fn help(silent: &[&Asked]) -> String {
    let Some(first) = silent.first() else {
        return String::new();
    };
    let (name, bin) = (first.shown(), &first.bin);
    match first.category {
        Some(PingCategory::Auth) => format!("log in with `{bin}`"),
        Some(PingCategory::RateLimit) => {
            format!("wait until {name} answers again, or change `phases` in the configuration")
        }
        Some(PingCategory::Network) => "look at the network".to_owned(),
        Some(PingCategory::Unknown) => format!("start `{bin}` by hand, as the configuration says"),
        None => format!("change the arguments of `{name}` in the configuration"),
    }
}
