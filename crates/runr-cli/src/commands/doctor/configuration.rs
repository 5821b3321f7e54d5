//! The configuration: whether it is there, valid and trusted, and whether it checks anything.

use runr_core::phase::config::Config;
use runr_core::phase::model::Tier;

use super::{Finding, Level, Subject, found};
use crate::harness::TrustStore;

pub(super) fn config(subject: &Subject<'_>) -> Finding {
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

pub(super) fn is_trusted(subject: &Subject<'_>) -> bool {
    let (Some(layout), Some(config)) = (&subject.layout, subject.read_config()) else {
        return false;
    };
    let store = TrustStore::open(subject.host);
    store.is_ok_and(|s| {
        s.is_approved(&layout.repo_root, &config.trust_hash())
            .unwrap_or(false)
    })
}

pub(super) fn verification(subject: &Subject<'_>) -> Finding {
    match subject.read_config() {
        None => found(Level::Skip, "no configuration"),
        Some(config) if config.verification.is_empty() => {
            found(Level::Warn, "no command is configured").fix("add commands to `verification`")
        }
        Some(config) => {
            let count: usize = Tier::ALL
                .iter()
                .map(|tier| config.verification.tier(*tier).len())
                .sum();
            found(Level::Ok, format!("{count} commands"))
        }
    }
}
