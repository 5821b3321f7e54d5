//! `runr init`: detects the checks of a repository and writes its configuration.

mod agents;
mod config;
mod files;

use runr_core::phase::config::Config;
use runr_core::phase::model::Tier;
use runr_core::{Code, Error, Result};
use serde_json::{Value, json};

use super::Invocation;
use super::cli::InitArgs;
use crate::detect::{Detected, Found, Repository, Warning, detect};
use crate::harness::{Layout, TrustStore};
use crate::output::printable;
use config::Installed;
use files::Done;

pub(super) use files::ignore_runtime_files;

const WIZARD: &str = "The setup wizard is coming soon; plain `runr init` detects everything.";

pub(crate) fn execute(call: &Invocation<'_>, args: &InitArgs) -> Result<u8> {
    if args.interactive && !call.json {
        call.console.line(WIZARD);
        return Ok(0);
    }
    let layout = Layout::find(&call.host.cwd.join(&call.root), call.host)?;
    let mut found = detect(&Repository::read(&call.host.storage, &layout.repo_root)?);
    if !args.verify.is_empty() {
        found.replace_checks(&args.verify);
    }
    let installed = Installed::on(call.host);
    if installed.is_none() {
        found.warnings.push(Warning::NoWorker);
    }
    let config = config::written(&layout.repo_root, &found, installed);
    if args.print {
        call.console.json(&config);
        warn(call, &found);
        return Ok(0);
    }
    let done = if args.interactive {
        call.console.say(WIZARD);
        Done::default()
    } else {
        write(call, args, &layout, &config, &mut found)?
    };
    if call.json {
        call.console.json(&result(&layout, &done, &found));
    } else {
        tell(call, &done, &found);
    }
    Ok(0)
}

/// Writes what was asked for. A configuration that is there is replaced only by force; a section for
/// agents can be written beside it, since that has nothing to do with what it says.
fn write(
    call: &Invocation<'_>,
    args: &InitArgs,
    layout: &Layout,
    config: &Value,
    found: &mut Detected,
) -> Result<Done> {
    let (storage, root) = (&call.host.storage, &layout.repo_root);
    let mut done = Done::default();
    let is_there = files::config_is_there(storage, root)?;
    if is_there && !args.force && !args.agents_md {
        let text = ".runr/runr.config.json already exists";
        return Err(Error::new(Code::ConfigExists, text)
            .at(layout.config_path())
            .hint("runr init --force"));
    }
    if args.agents_md {
        agents::write(storage, root, &mut done, found)?;
    }
    if is_there && !args.force {
        done.keep_config();
    } else {
        files::write_all(storage, root, config, &mut done)?;
        // What stands in the file now was written here: nobody has to approve it.
        let (written, _) = Config::from_value(config.clone())?;
        TrustStore::open(call.host)?.approve(root, &written.trust_hash())?;
    }
    Ok(done)
}

fn result(layout: &Layout, done: &Done, found: &Detected) -> Value {
    let warnings: Vec<String> = found.warnings.iter().map(Warning::to_string).collect();
    json!({
        "config_path": layout.config_path(),
        "written": done.wrote_config(),
        "created": done.created(),
        "kept": done.kept(),
        "sources": found.sources,
        "verification": {
            "tier0": found.commands(0),
            "tier1": found.commands(1),
            "tier2": found.commands(2),
        },
        "presets": found.preset_names(),
        "warnings": warnings,
    })
}

fn tell(call: &Invocation<'_>, done: &Done, found: &Detected) {
    for line in done.lines() {
        call.console.line(&line);
    }
    call.console.line("Detected:");
    for (tier, checks) in Tier::ALL.iter().zip(&found.tiers) {
        if !checks.is_empty() {
            call.console.line(&detected(tier.as_str(), " && ", checks));
        }
    }
    call.console
        .line(&detected("presets", ", ", &found.presets));
    warn(call, found);
    call.console.line(
        "Next:\n  edit .runr/runr.config.json\n  write a task in .runr/tasks/\n  runr run --task <file> --worktree",
    );
}

/// What was found, and in which manifests.
fn detected(name: &str, between: &str, found: &[Found]) -> String {
    if found.is_empty() {
        return format!("  {name}: none");
    }
    let what: Vec<&str> = found.iter().map(|it| it.what.as_str()).collect();
    let mut sources: Vec<&str> = Vec::new();
    for it in found {
        if !sources.contains(&it.source.as_str()) {
            sources.push(&it.source);
        }
    }
    let (what, sources) = (what.join(between), sources.join(", "));
    printable(&format!("  {name}: {what} ({sources})"))
}

fn warn(call: &Invocation<'_>, found: &Detected) {
    for warning in &found.warnings {
        let text = format!("warning: {warning}: {}", warning.advice());
        call.console.say(&printable(&text));
    }
}
