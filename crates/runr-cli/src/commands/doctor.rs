//! `runr doctor`: a registry of checks. A part adds its own line to [`CHECKS`].

mod configuration;
mod disk;
mod repository;
mod runs;
mod submissions;
mod trouble;
mod workers;
mod worktrees;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::Result;
use runr_core::phase::config::Config;
use serde::Serialize;
use serde_json::json;

use self::disk::Disk;
use self::runs::Runs;
use self::workers::{Depth, Workers};
use self::worktrees::Worktrees;
use super::Invocation;
use super::cli::DoctorArgs;
use crate::harness::{Layout, end_killed_submissions};
use crate::host::Host;

/// What is known before the checks run.
struct Subject<'a> {
    host: &'a Host,
    layout: Option<Layout>,
    config_path: Option<Utf8PathBuf>,
    /// If it can be used.
    config: Option<Config>,
    /// Whether anything may be started that the repository names.
    trusted: bool,
    workers: Workers,
    worktrees: Worktrees,
    runs: Runs,
    disk: Option<Disk>,
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
    /// More about it, for people.
    notes: Vec<String>,
}

fn found(level: Level, detail: impl Into<String>) -> Finding {
    Finding {
        level,
        detail: detail.into(),
        fix: None,
        notes: Vec::new(),
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
        probe: repository::git,
    },
    Check {
        id: "tree",
        probe: repository::tree,
    },
    Check {
        id: "ignore",
        probe: repository::ignore,
    },
    Check {
        id: "config",
        probe: configuration::config,
    },
    Check {
        id: "storage",
        probe: repository::storage,
    },
    Check {
        id: "workers",
        probe: workers::workers,
    },
    Check {
        id: "headless",
        probe: workers::headless,
    },
    Check {
        id: "verification",
        probe: configuration::verification,
    },
    Check {
        id: "worktrees",
        probe: worktrees::worktrees,
    },
    Check {
        id: "runs",
        probe: runs::of_repository,
    },
    Check {
        id: "submissions",
        probe: submissions::killed,
    },
    Check {
        id: "store",
        probe: runs::of_data_directory,
    },
    Check {
        id: "disk",
        probe: disk::disk,
    },
];

pub(crate) fn execute(call: &Invocation<'_>, args: &DoctorArgs) -> Result<u8> {
    let start = call.host.cwd.join(&call.root);
    let layout = Layout::find(&start, call.host).ok();
    if let (true, Some(layout)) = (args.fix, &layout) {
        super::init::ignore_runtime_files(&call.host.storage, &layout.repo_root)?;
        end_killed_submissions(call.host, layout);
    }
    let subject = Subject::look(call.host, layout, args);
    let findings: Vec<(&str, Finding)> = CHECKS
        .iter()
        .map(|check| (check.id, (check.probe)(&subject)))
        .collect();
    let ok = findings
        .iter()
        .all(|(_, finding)| finding.level != Level::Fail);
    if call.json {
        print_json(call, &subject, &findings, ok);
    } else {
        print_lines(call, &findings, ok);
    }
    Ok(u8::from(!ok))
}

fn print_json(
    call: &Invocation<'_>,
    subject: &Subject<'_>,
    findings: &[(&str, Finding)],
    ok: bool,
) {
    let checks: Vec<_> = findings
        .iter()
        .map(|(id, f)| json!({"id": id, "status": f.level, "detail": f.detail, "fix": f.fix}))
        .collect();
    let layout = subject.layout.as_ref();
    let paths = json!({
        "root": layout.map(|layout| &layout.repo_root),
        "config": subject.config_path,
        "user_config": call.host.config_dir(),
        "runs": layout.map(Layout::runs_dir),
        "worktrees": layout.map(|layout| &layout.worktrees),
    });
    let mut repairs = subject.runs.rows();
    repairs.extend(subject.worktrees.found().map(|it| json!(it)));
    call.console.json(&json!({
        "ok": ok, "checks": checks, "workers": subject.workers.rows(), "paths": paths,
        "repairs": repairs, "disk": subject.disk,
    }));
}

fn print_lines(call: &Invocation<'_>, findings: &[(&str, Finding)], ok: bool) {
    for (id, finding) in findings {
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
        for note in &finding.notes {
            let note = crate::output::printable(note);
            call.console.line(&format!("  {note}"));
        }
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

impl<'a> Subject<'a> {
    fn look(host: &'a Host, layout: Option<Layout>, args: &DoctorArgs) -> Self {
        let given = args.config.as_ref().map(|path| host.cwd.join(path));
        let config_path = given.or_else(|| layout.as_ref().map(Layout::config_path));
        let config = config_path.as_deref().and_then(read_config);
        let trusted = configuration::is_trusted(
            host,
            layout.as_ref(),
            config_path.as_deref(),
            config.as_ref(),
        );
        let depth = match trusted {
            false => Depth::Found,
            true if args.deep => Depth::Asked,
            true => Depth::Started,
        };
        let at = layout.as_ref();
        Self {
            workers: Workers::look(host, at, config.as_ref(), depth),
            // Before the worktrees: the end of a dead run's child is the end of its work there.
            runs: Runs::look(host, at, args),
            worktrees: Worktrees::look(host, at, args.fix),
            disk: at.map(Disk::look),
            host,
            config_path,
            config,
            trusted,
            layout,
        }
    }
}

fn read_config(path: &Utf8Path) -> Option<Config> {
    let text = std::fs::read_to_string(path).ok()?;
    Config::parse(&text).ok().map(|(config, _)| config)
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
