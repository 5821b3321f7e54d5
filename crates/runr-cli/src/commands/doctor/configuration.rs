//! The configuration: whether it is there, valid and trusted, and whether it checks anything.

use std::collections::BTreeSet;

use camino::Utf8Path;
use runr_core::mutant::without;
use runr_core::phase::config::Config;
use runr_core::phase::model::Tier;
use runr_core::phase::shell::program_of;
use runr_core::{Code, Result};
use serde_json::Value;

use super::{Finding, Level, Subject, found};
use crate::harness::{Layout, check_trust, find_on_path, is_runnable, needs_trust, refuse_foreign};
use crate::host::Host;

pub(super) fn config(subject: &Subject<'_>) -> Finding {
    let Some(path) = &subject.config_path else {
        return found(Level::Skip, "no repository");
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(_) => {
            return found(Level::Warn, format!("no configuration at {path}")).fix("runr init");
        }
    };
    let (config, warnings) = match Config::parse(&text) {
        Ok(read) => read,
        Err(error) => return found(Level::Fail, error.to_string()).fix(format!("edit {path}")),
    };
    let list: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let trusted = match subject.layout.as_ref() {
        Some(layout) => may_execute(subject.host, layout, path, &config),
        None => return found(Level::Skip, "no repository"),
    };
    match trusted {
        Ok(()) if list.is_empty() => found(Level::Ok, format!("{path}, trusted")),
        Ok(()) => found(Level::Warn, list.join("; ")),
        Err(error) if error.code() == Code::Untrusted => {
            let why = error.context().get("reason").and_then(Value::as_str);
            let why = why.unwrap_or("its commands are not trusted");
            let fix = error.hint_text().unwrap_or_default();
            let untrusted = format!("{path} is valid, but {why}");
            let list = [vec![untrusted], list].concat();
            found(Level::Warn, list.join("; ")).fix(fix)
        }
        Err(error) => found(Level::Fail, error.to_string()),
    }
}

/// Whether anything may be started that the configuration names, under the rules of a run.
fn may_execute(host: &Host, layout: &Layout, path: &Utf8Path, config: &Config) -> Result<()> {
    refuse_foreign(path)?;
    if !needs_trust(config, false) || without("doctor-trust") {
        return Ok(());
    }
    let file = (path != layout.config_path()).then_some(path);
    check_trust(host, &layout.repo_root, config, file)
}

/// The same, where nothing else is to be known.
pub(super) fn is_trusted(
    host: &Host,
    layout: Option<&Layout>,
    path: Option<&Utf8Path>,
    config: Option<&Config>,
) -> bool {
    match (layout, path, config) {
        (Some(layout), Some(path), Some(config)) => may_execute(host, layout, path, config).is_ok(),
        _ => false,
    }
}

pub(super) fn verification(subject: &Subject<'_>) -> Finding {
    let (Some(config), Some(layout)) = (&subject.config, &subject.layout) else {
        return found(Level::Skip, "no configuration");
    };
    let checks = &config.verification;
    if checks.is_empty() {
        return found(Level::Warn, "no command is configured")
            .fix("add commands to `verification`");
    }
    let cwd = match &checks.cwd {
        Some(dir) => layout.repo_root.join(dir),
        None => layout.repo_root.clone(),
    };
    if !cwd.is_dir() {
        let dir = checks.cwd.as_deref().unwrap_or_default();
        return found(
            Level::Warn,
            format!("verification.cwd is no directory: {dir}"),
        )
        .fix("change `verification.cwd` in the configuration");
    }
    let commands = || Tier::ALL.iter().flat_map(|tier| checks.tier(*tier));
    let is_missing = |program: &&str| match program.contains('/') {
        true => !is_runnable(&cwd.join(program)),
        false => find_on_path(subject.host, program).is_none(),
    };
    let programs = commands().filter_map(|command| program_of(command));
    let missing: BTreeSet<&str> = programs.filter(is_missing).collect();
    if missing.is_empty() {
        return found(Level::Ok, format!("{} commands", commands().count()));
    }
    let missing: Vec<&str> = missing.into_iter().collect();
    found(Level::Warn, format!("not found: {}", missing.join(", ")))
        .fix("install what is missing, or change `verification` in the configuration")
}
