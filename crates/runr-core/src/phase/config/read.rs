//! Reading a configuration: which keys there are and what they may hold, one function per object.

use std::cell::LazyCell;

use serde_json::Value;

use super::lines::lines_by_pointer;
use super::section::{Section, YEAR_IN_SECONDS, invalid, wrong_type};
use super::{
    Agent, Capture, Config, Coordination, Phases, Receipts, Repo, Resilience, Scope, Verification,
    Warning, Worker, Workers, Worktree,
};
use crate::error::Result;
use crate::phase::model::{Stage, Tier};
use crate::phase::preset::preset;
use crate::phase::reply::OutputMode;
use crate::phase::tiers::RiskTrigger;

pub(super) fn from_text(text: &str) -> Result<(Config, Vec<Warning>)> {
    let text = text.trim_start_matches('\u{feff}');
    let value: Value =
        serde_json::from_str(text).map_err(|error| invalid("", &error.to_string()))?;
    let lines = LazyCell::new(|| lines_by_pointer(text));
    let line_of = |pointer: &str| lines.get(pointer).copied();
    match from_value(&value) {
        Ok((config, mut warnings)) => {
            for warning in &mut warnings {
                warning.line = line_of(&warning.pointer);
            }
            Ok((config, warnings))
        }
        Err(error) => {
            let pointer = error.context().get("pointer").and_then(Value::as_str);
            Err(match pointer.and_then(line_of) {
                Some(line) => error.with("line", line),
                None => error,
            })
        }
    }
}

pub(super) fn from_value(value: &Value) -> Result<(Config, Vec<Warning>)> {
    let Some(map) = value.as_object() else {
        return Err(wrong_type("", "an object", value));
    };
    let mut top = Section::new(String::new(), map);
    // A reference for editors; it means nothing here.
    top.known.push("$schema");
    let mut config = Config::default();
    top.required("agent", |section| agent(section, &mut config.agent))?;
    top.optional("repo", |section| repo(section, &mut config.repo))?;
    top.required("scope", |section| scope(section, &mut config.scope))?;
    top.required("verification", |section| {
        verification(section, &mut config.verification)
    })?;
    top.optional("workers", |section| workers(section, &mut config.workers))?;
    top.optional("phases", |section| phases(section, &mut config.phases))?;
    top.optional("resilience", |section| {
        resilience(section, &mut config.resilience)
    })?;
    top.optional("worktree", |section| {
        worktree(section, &mut config.worktree)
    })?;
    top.optional("coordination", |section| {
        coordination(section, &mut config.coordination)
    })?;
    top.optional("receipts", |section| {
        receipts(section, &mut config.receipts)
    })?;
    add_default_workers_in_use(&mut config);
    check_phases(&config)?;
    Ok((config, top.finish()))
}

fn agent(section: &mut Section<'_>, agent: &mut Agent) -> Result<()> {
    section.string("name", &mut agent.name)?;
    section.string("version", &mut agent.version)
}

fn repo(section: &mut Section<'_>, repo: &mut Repo) -> Result<()> {
    section.string_or_null("default_branch", &mut repo.default_branch)
}

fn scope(section: &mut Section<'_>, scope: &mut Scope) -> Result<()> {
    section.strings("allowlist", &mut scope.allowlist)?;
    section.strings("denylist", &mut scope.denylist)?;
    section.strings("presets", &mut scope.presets)?;
    section.strings("lockfiles", &mut scope.lockfiles)?;
    section.strings("env_allowlist", &mut scope.env_allowlist)?;
    for (index, name) in scope.presets.iter().enumerate() {
        if preset(name).is_none() {
            section.warn(
                &format!("presets/{index}"),
                format!("unknown preset `{name}` is ignored"),
            );
        }
    }
    Ok(())
}

fn verification(section: &mut Section<'_>, verification: &mut Verification) -> Result<()> {
    section.commands("tier0", &mut verification.tier0)?;
    section.commands("tier1", &mut verification.tier1)?;
    section.commands("tier2", &mut verification.tier2)?;
    section.string_or_null("cwd", &mut verification.cwd)?;
    section.objects("risk_triggers", |trigger| {
        verification.risk_triggers.push(risk_trigger(trigger)?);
        Ok(())
    })?;
    let budget = &mut verification.max_verify_time_per_milestone;
    section.integer("max_verify_time_per_milestone", 1, YEAR_IN_SECONDS, budget)
}

fn risk_trigger(section: &mut Section<'_>) -> Result<RiskTrigger> {
    let mut trigger = RiskTrigger {
        name: String::new(),
        patterns: Vec::new(),
        tier: Tier::Tier0,
    };
    section.must_have(&["name", "patterns", "tier"])?;
    section.string("name", &mut trigger.name)?;
    section.strings("patterns", &mut trigger.patterns)?;
    let words = Tier::ALL
        .iter()
        .map(|tier| (tier.as_str(), *tier))
        .collect::<Vec<_>>();
    section.word("tier", &words, &mut trigger.tier)?;
    Ok(trigger)
}

/// The workers of the file in its order; none at all means the default ones.
fn workers(section: &mut Section<'_>, workers: &mut Workers) -> Result<()> {
    let defaults = Workers::default();
    let mut listed = Vec::new();
    let map = section.map;
    for name in map.keys() {
        if !is_worker_name(name) {
            let rule = "a worker's name begins with a letter or digit and consists of letters, digits, `.`, `_` and `-`";
            return Err(invalid(&section.pointer_to(name), rule));
        }
        let default = defaults.get(name);
        section.required(name, |section| {
            if default.is_none() {
                section.must_have(&["bin"])?;
            }
            let unnamed = || Worker {
                bin: String::new(),
                args: Vec::new(),
                output: OutputMode::Text,
            };
            let mut read = default.cloned().unwrap_or_else(unnamed);
            worker(section, &mut read)?;
            listed.push((name.clone(), read));
            Ok(())
        })?;
    }
    if !listed.is_empty() {
        *workers = listed.into_iter().collect();
    }
    Ok(())
}

fn worker(section: &mut Section<'_>, worker: &mut Worker) -> Result<()> {
    const WORDS: [(&str, OutputMode); 3] = [
        ("text", OutputMode::Text),
        ("json", OutputMode::Json),
        ("jsonl", OutputMode::Jsonl),
    ];
    section.string("bin", &mut worker.bin)?;
    if worker.bin.trim().is_empty() {
        return Err(section.wrong("bin", "must not be empty"));
    }
    section.strings("args", &mut worker.args)?;
    section.word("output", &WORDS, &mut worker.output)
}

/// Names stand in file names and in the timeline, where `by_phase` already means something else.
fn is_worker_name(name: &str) -> bool {
    name != "by_phase"
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn phases(section: &mut Section<'_>, phases: &mut Phases) -> Result<()> {
    section.string("plan", &mut phases.plan)?;
    section.string("implement", &mut phases.implement)?;
    section.string("review", &mut phases.review)
}

/// A file that lists its own workers may still name a default one, or mean it by leaving a phase
/// out. Default workers nobody asked for are not added: they would be called as a fallback.
fn add_default_workers_in_use(config: &mut Config) {
    for (name, worker) in Workers::default().iter() {
        let used = Stage::ALL
            .iter()
            .any(|stage| config.phases.worker_of(*stage) == name);
        if used && !config.workers.contains_key(name) {
            config.workers.insert(name, worker.clone());
        }
    }
}

fn check_phases(config: &Config) -> Result<()> {
    for stage in Stage::ALL {
        let name = config.phases.worker_of(*stage);
        if !config.workers.contains_key(name) {
            let known: Vec<&str> = config.workers.keys().collect();
            return Err(invalid(
                &format!("/phases/{stage}"),
                &format!("there is no worker `{name}`"),
            )
            .hint(format!(
                "name one of {} or add it to `workers`",
                known.join(", ")
            )));
        }
    }
    Ok(())
}

fn resilience(section: &mut Section<'_>, resilience: &mut Resilience) -> Result<()> {
    let max = u64::from(u32::MAX);
    section.boolean("auto_resume", &mut resilience.auto_resume)?;
    section.integer("max_auto_resumes", 0, max, &mut resilience.max_auto_resumes)?;
    section.positive_integers(
        "auto_resume_delays_ms",
        &mut resilience.auto_resume_delays_ms,
    )?;
    section.minutes(
        "max_worker_call_minutes",
        &mut resilience.max_worker_call_minutes,
    )?;
    section.integer(
        "max_review_rounds",
        1,
        max,
        &mut resilience.max_review_rounds,
    )?;
    section.string_or_null("notify", &mut resilience.notify)
}

fn worktree(section: &mut Section<'_>, worktree: &mut Worktree) -> Result<()> {
    section.commands("setup", &mut worktree.setup)?;
    section.strings("copy", &mut worktree.copy)
}

fn coordination(section: &mut Section<'_>, coordination: &mut Coordination) -> Result<()> {
    section.boolean("single_host", &mut coordination.single_host)
}

fn receipts(section: &mut Section<'_>, receipts: &mut Receipts) -> Result<()> {
    const WORDS: [(&str, Capture); 3] = [
        ("full", Capture::Full),
        ("truncated", Capture::Truncated),
        ("metadata_only", Capture::MetadataOnly),
    ];
    section.boolean("redact", &mut receipts.redact)?;
    section.word(
        "capture_cmd_output",
        &WORDS,
        &mut receipts.capture_cmd_output,
    )?;
    section.integer(
        "max_output_bytes",
        0,
        u64::MAX,
        &mut receipts.max_output_bytes,
    )
}
