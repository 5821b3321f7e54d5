//! `runr doctor`: a registry of checks. A part adds its own line to [`CHECKS`].

mod configuration;
mod repository;
mod runs;
mod submissions;
mod workers;

use camino::Utf8PathBuf;
use runr_core::Result;
use runr_core::phase::config::Config;
use serde::Serialize;
use serde_json::json;

use self::runs::Runs;
use super::Invocation;
use super::cli::DoctorArgs;
use crate::harness::{Layout, end_killed_submissions};
use crate::host::Host;

/// What is known before the checks run.
struct Subject<'a> {
    host: &'a Host,
    layout: Option<Layout>,
    config: Option<Utf8PathBuf>,
    runs: Runs,
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
        id: "workers",
        probe: workers::workers,
    },
    Check {
        id: "verification",
        probe: configuration::verification,
    },
];

pub(crate) fn execute(call: &Invocation<'_>, args: &DoctorArgs) -> Result<u8> {
    let start = call.host.cwd.join(&call.root);
    let layout = Layout::find(&start, call.host).ok();
    let config = args.config.as_ref().map(|path| call.host.cwd.join(path));
    if let (true, Some(layout)) = (args.fix, &layout) {
        super::init::ignore_runtime_files(&call.host.storage, &layout.repo_root)?;
        end_killed_submissions(call.host, layout);
    }
    let subject = Subject {
        host: call.host,
        runs: Runs::look(call.host, layout.as_ref(), args),
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
    let paths = json!({
        "root": subject.layout.as_ref().map(|l| l.repo_root.clone()),
        "config": subject.config_path(),
        "user_config": call.host.config_dir(),
    });
    let workers = workers::worker_rows(subject);
    let repairs: Vec<_> = subject.runs.findings().collect();
    call.console.json(&json!({
        "ok": ok, "checks": checks, "workers": workers, "paths": paths, "repairs": repairs,
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
