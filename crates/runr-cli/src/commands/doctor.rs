//! `runr doctor`: a registry of checks. A part adds its own line to [`CHECKS`].

use camino::Utf8PathBuf;
use runr_core::Result;
use runr_core::fs::{Document, Lock, Wait};
use runr_core::phase::config::Config;
use runr_core::phase::owned::{IGNORED_BY_INIT, is_own_output};
use serde::Serialize;
use serde_json::json;

use super::Invocation;
use super::cli::DoctorArgs;
use crate::harness::{Git, Layout, TrustStore, display_name, version_of};
use crate::host::Host;

/// What is known before the checks run.
struct Subject<'a> {
    host: &'a Host,
    layout: Option<Layout>,
    config: Option<Utf8PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
    Skip,
}

struct Finding {
    level: Level,
    detail: String,
    fix: Option<String>,
}

fn found(level: Level, detail: impl Into<String>) -> Finding {
    Finding {
        level,
        detail: detail.into(),
        fix: None,
    }
}

impl Finding {
    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

struct Check {
    id: &'static str,
    probe: fn(&Subject<'_>) -> Finding,
}

const CHECKS: &[Check] = &[
    Check {
        id: "version",
        probe: version,
    },
    Check {
        id: "git",
        probe: git,
    },
    Check {
        id: "tree",
        probe: tree,
    },
    Check {
        id: "ignore",
        probe: ignore,
    },
    Check {
        id: "config",
        probe: config,
    },
    Check {
        id: "storage",
        probe: storage,
    },
    Check {
        id: "workers",
        probe: workers,
    },
    Check {
        id: "verification",
        probe: verification,
    },
];

pub(crate) fn execute(call: &Invocation<'_>, args: &DoctorArgs) -> Result<u8> {
    let start = call.host.cwd.join(&call.root);
    let layout = Layout::find(&start, call.host).ok();
    let config = args.config.as_ref().map(|path| call.host.cwd.join(path));
    if let (true, Some(layout)) = (args.fix, &layout) {
        super::init::ignore_runtime_files(&call.host.storage, &layout.repo_root)?;
    }
    let subject = Subject {
        host: call.host,
        layout,
        config,
    };
    let findings: Vec<(&str, Finding)> = CHECKS
        .iter()
        .map(|check| (check.id, (check.probe)(&subject)))
        .collect();
    let ok = findings
        .iter()
        .all(|(_, finding)| finding.level != Level::Fail);
    if call.json {
        let checks: Vec<_> = findings
            .iter()
            .map(|(id, f)| json!({"id": id, "status": f.level, "detail": f.detail, "fix": f.fix}))
            .collect();
        let paths = json!({
            "root": subject.layout.as_ref().map(|l| l.repo_root.clone()),
            "config": subject.config_path(),
            "user_config": call.host.config_dir(),
        });
        call.console.json(
            &json!({"ok": ok, "checks": checks, "workers": worker_rows(&subject), "paths": paths}),
        );
    } else {
        for (id, finding) in &findings {
            let word = match finding.level {
                Level::Ok => "OK",
                Level::Warn => "WARN",
                Level::Fail => "FAIL",
                Level::Skip => "SKIP",
            };
            call.console.line(&format!(
                "{id}: {word} - {}",
                crate::output::printable(&finding.detail)
            ));
            if let Some(fix) = &finding.fix {
                call.console.line(&format!("  fix: {fix}"));
            }
        }
        call.console.line(if ok {
            "Result: All checks passed"
        } else {
            "Result: Some checks failed"
        });
    }
    Ok(u8::from(!ok))
}

impl Subject<'_> {
    fn config_path(&self) -> Option<Utf8PathBuf> {
        self.config
            .clone()
            .or_else(|| self.layout.as_ref().map(Layout::config_path))
    }

    fn read_config(&self) -> Option<Config> {
        let text = std::fs::read_to_string(self.config_path()?).ok()?;
        Config::parse(&text).ok().map(|(config, _)| config)
    }
}

fn version(_: &Subject<'_>) -> Finding {
    found(
        Level::Ok,
        format!(
            "{} on {}-{}",
            runr_core::VERSION,
            std::env::consts::ARCH,
            std::env::consts::OS
        ),
    )
}

fn git(subject: &Subject<'_>) -> Finding {
    let Some(layout) = &subject.layout else {
        return found(Level::Fail, "not inside a git repository").fix("git init");
    };
    let text = match Git::new(&layout.repo_root).run(&["--version"]) {
        Ok(text) => text.trim().to_owned(),
        Err(error) => return found(Level::Fail, error.to_string()),
    };
    let numbers: Vec<u32> = text
        .split([' ', '.'])
        .filter_map(|word| word.parse().ok())
        .take(2)
        .collect();
    match numbers.as_slice() {
        [major, minor] if (*major, *minor) < (2, 20) => {
            found(Level::Fail, format!("{text}: 2.20 is needed"))
        }
        [major, minor] if (*major, *minor) < (2, 40) => found(
            Level::Warn,
            format!("{text}: moving commits to another branch needs 2.40"),
        ),
        _ => found(Level::Ok, text),
    }
}

fn tree(subject: &Subject<'_>) -> Finding {
    let Some(layout) = &subject.layout else {
        return found(Level::Skip, "no repository");
    };
    if !is_trusted(subject) {
        // Looking at a tree runs git, and git runs what its repository configures.
        return found(Level::Skip, "not looked at before `runr trust`");
    }
    match Git::new(&layout.repo_root).status() {
        Err(error) => found(Level::Fail, error.to_string()),
        Ok(status) => {
            let own = |path: &&String| path.starts_with(".runr/") || is_own_output(path);
            let dirty = status.changed.iter().filter(|path| !own(path)).count();
            match dirty {
                0 => found(Level::Ok, "clean"),
                n => found(Level::Warn, format!("{n} uncommitted changes"))
                    .fix("commit or stash them, or use --worktree"),
            }
        }
    }
}

fn is_trusted(subject: &Subject<'_>) -> bool {
    let (Some(layout), Some(config)) = (&subject.layout, subject.read_config()) else {
        return false;
    };
    let store = TrustStore::open(subject.host);
    store.is_ok_and(|s| {
        s.is_approved(&layout.repo_root, &config.trust_hash())
            .unwrap_or(false)
    })
}

fn ignore(subject: &Subject<'_>) -> Finding {
    let Some(layout) = &subject.layout else {
        return found(Level::Skip, "no repository");
    };
    let git = Git::new(&layout.repo_root);
    let ignored = |line: &&&str| {
        let path = line.trim_end_matches('/');
        // The trailing slash matters: these patterns match directories, whether they exist or not.
        let asked = if line.ends_with('/') {
            format!("{path}/x")
        } else {
            path.to_owned()
        };
        git.succeeds(&["check-ignore", "--quiet", "--no-index", &asked])
            .unwrap_or(false)
    };
    let missing: Vec<&str> = IGNORED_BY_INIT
        .iter()
        .filter(|line| !ignored(line))
        .copied()
        .collect();
    if missing.is_empty() {
        return found(Level::Ok, "runtime files are ignored");
    }
    found(Level::Warn, format!("not ignored: {}", missing.join(", "))).fix("runr doctor --fix")
}

fn config(subject: &Subject<'_>) -> Finding {
    let Some(path) = subject.config_path() else {
        return found(Level::Skip, "no repository");
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(_) => {
            return found(Level::Warn, format!("no configuration at {path}")).fix("runr init");
        }
    };
    let (config, warnings) = match Config::parse(&text) {
        Ok(read) => read,
        Err(error) => return found(Level::Fail, error.to_string()).fix(format!("edit {path}")),
    };
    if !warnings.is_empty() {
        let list: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        return found(Level::Warn, list.join("; "));
    }
    let root = subject
        .layout
        .as_ref()
        .map(|layout| layout.repo_root.clone());
    let trusted = TrustStore::open(subject.host).and_then(|store| {
        root.as_deref().map_or(Ok(false), |root| {
            store.is_approved(root, &config.trust_hash())
        })
    });
    match trusted {
        Ok(true) => found(Level::Ok, format!("{path}, trusted")),
        Ok(false) => found(
            Level::Warn,
            format!("{path} is valid, but its commands are not trusted"),
        )
        .fix("runr trust"),
        Err(error) => found(Level::Fail, error.to_string()),
    }
}

fn storage(subject: &Subject<'_>) -> Finding {
    let Some(layout) = &subject.layout else {
        return found(Level::Skip, "no repository");
    };
    // Only where runr has written before: a check must not create anything else.
    let dir = layout.repo_root.join(".runr");
    if !dir.is_dir() {
        return found(Level::Skip, "nothing stored yet");
    }
    // A place of its own, so that nothing is left behind.
    let place = dir.join(format!(".doctor-{}", std::process::id()));
    let storage = &subject.host.storage;
    let result = subject.host.make_dirs(&place).and_then(|()| {
        Document::new(storage.clone(), &place, "probe").replace("{}\n")?;
        Lock::acquire(storage, &place, ".lock", Wait::No).map(drop)
    });
    drop(std::fs::remove_dir_all(&place));
    match result {
        Ok(()) => found(Level::Ok, format!("{dir} is writable, and locks work")),
        Err(error) => found(Level::Fail, error.to_string()),
    }
}

fn used(config: &Config) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in [
        &config.phases.plan,
        &config.phases.implement,
        &config.phases.review,
    ] {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn worker_rows(subject: &Subject<'_>) -> Vec<serde_json::Value> {
    let Some(config) = subject.read_config() else {
        return Vec::new();
    };
    used(&config)
        .into_iter()
        .filter_map(|name| {
            let worker = config.workers.get(&name)?;
            let version = version_of(subject.host, worker);
            Some(json!({
                "name": name, "bin": worker.bin, "version": version.as_ref().ok(), "headless": null, "error": version.as_ref().err(),
            }))
        })
        .collect()
}

fn workers(subject: &Subject<'_>) -> Finding {
    let Some(config) = subject.read_config() else {
        return found(Level::Skip, "no configuration");
    };
    if subject.host.var("RUNR_WORKER_SCRIPT").is_some() {
        return found(Level::Ok, "a worker script answers");
    }
    let mut versions = Vec::new();
    for name in used(&config) {
        let Some(worker) = config.workers.get(&name) else {
            continue;
        };
        match version_of(subject.host, worker) {
            Ok(version) => versions.push(format!("{} {version}", display_name(&name))),
            Err(why) => {
                return found(
                    Level::Fail,
                    format!("{} not found: {why}", display_name(&name)),
                )
                .fix(format!(
                    "install `{}` or change `phases` in the configuration",
                    worker.bin
                ));
            }
        }
    }
    found(Level::Ok, versions.join(", "))
}

fn verification(subject: &Subject<'_>) -> Finding {
    match subject.read_config() {
        None => found(Level::Skip, "no configuration"),
        Some(config) if config.verification.is_empty() => {
            found(Level::Warn, "no command is configured").fix("add commands to `verification`")
        }
        Some(config) => {
            let count: usize = runr_core::phase::model::Tier::ALL
                .iter()
                .map(|tier| config.verification.tier(*tier).len())
                .sum();
            found(Level::Ok, format!("{count} commands"))
        }
    }
}
