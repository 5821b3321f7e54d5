//! The programs that answer: whether each one that is used can be started.

use camino::Utf8Path;
use runr_core::phase::config::Config;
use serde_json::json;

use super::{Finding, Level, Subject, found};
use crate::harness::{display_name, version_of};

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

/// Where the paths of workers begin.
fn root_of<'a>(subject: &'a Subject<'_>) -> &'a Utf8Path {
    let layout = subject.layout.as_ref();
    layout.map_or(&subject.host.cwd, |layout| &layout.repo_root)
}

pub(super) fn worker_rows(subject: &Subject<'_>) -> Vec<serde_json::Value> {
    let Some(config) = subject.read_config() else {
        return Vec::new();
    };
    used(&config)
        .into_iter()
        .filter_map(|name| {
            let worker = config.workers.get(&name)?;
            let version = version_of(subject.host, root_of(subject), worker);
            Some(json!({
                "name": name, "bin": worker.bin, "version": version.as_ref().ok(), "headless": null, "error": version.as_ref().err(),
            }))
        })
        .collect()
}

pub(super) fn workers(subject: &Subject<'_>) -> Finding {
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
        match version_of(subject.host, root_of(subject), worker) {
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
