//! The one table of library functions: name, arguments by name, result as the text of its JSON.
//!
//! `runr call`, the Python package and the Node package all come through [`call`], so a function
//! that stands here exists everywhere, and one that does not exists nowhere.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::json::Written;
use runr_core::phase::config::Config;
use runr_core::phase::event::Record;
use runr_core::phase::model::{Evidence, Phase, RiskLevel, Stage, Tier};
use runr_core::phase::owned::{self, ActiveRun};
use runr_core::phase::reply::{self, OutputMode};
use runr_core::phase::report::{self as reporting, NextStepText, ReportState};
use runr_core::phase::scope::{self, ScopeInput, ScopeResult};
use runr_core::phase::stop::{self, StopReason};
use runr_core::phase::tiers::{self, RiskTrigger, TierInput};
use runr_core::phase::{evidence, fingerprint, state, task, transitions};
use runr_core::{Code, Error, Result, glob};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::harness::{Layout, TrustStore};
use crate::host::Host;
use crate::views;

mod arguments;
mod identity;
mod ownership;
mod store;
mod submit;

use arguments::Arguments;
use identity::{
    link_run, merge_run_meta, missing_upstream_flows, parse_ref, prep, sanitize_run_id,
    upsert_index,
};
use ownership::{
    assert_runner_ownership, claim_runner_ownership, create_runner_coordination_state,
    default_runner_coordination_file_path_for_target, detect_stale_runner,
    ensure_async_runner_ownership, load_runner_coordination_state,
    normalize_runner_coordination_state, owner_heartbeat, owner_repair,
    record_exit_signal_for_runner, release_runner_ownership,
};
#[cfg(feature = "cli")]
pub(crate) use store::update_run;
use store::{
    apply_meta_ops, branch_name, data_dir, new_run_meta, repo_id, repo_key, store_append_event,
    store_create, store_events, store_list, store_paths, store_read, store_repair, store_resolve,
    store_touch_repository, store_update,
};
#[cfg(feature = "cli")]
use store::{store_read_version, store_save_version};
use submit::submit;

/// A function of the library.
struct Operation {
    name: &'static str,
    arguments: &'static [&'static str],
    run: fn(&Host, &mut Arguments) -> Result<Written>,
}

macro_rules! operations {
    ($($name:ident($($argument:ident),*)),* $(,)?) => {
        const OPERATIONS: &[Operation] = &[$(Operation {
            name: stringify!($name),
            arguments: &[$(stringify!($argument)),*],
            run: |host, arguments| $name(host, arguments).map(Into::into),
        }),*];
        /// The names of all operations.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

operations! {
    check_scope(changed, allowlist, denylist, lockfiles, allow_deps, env_allowlist, presets),
    preflight_reasons(scope_result, allow_dirty),
    glob_match(pattern, path),
    globs_overlap(a, b),
    normalize_owns(list),
    check_owned_paths(changed, owns, env_allowlist),
    file_collisions(files_expected, active_runs),
    stop_reasons(),
    next_action(stop_reason, run_id, other_run),
    select_tiers(risk_triggers, changed_files, risk_level, last_milestone, min_tier),
    check_no_changes_evidence(evidence, allowlist),
    unwrap_output(output_mode, stdout),
    parse_reply(stage, text),
    parse_task(text),
    legal_transition(from, to),
    resume_target(phase, last_successful_phase),
    enter_phase(state, to),
    compare_fingerprints(original, current),
    review_fingerprint(changes),
    fold(events),
    report(events, state),
    sanitize_run_id(text),
    parse_ref(text),
    merge_run_meta(text, patch),
    upsert_index(text, entry),
    missing_upstream_flows(present, flow),
    prep(root, flow, run_id, refs, restart, base_ref, facts, branch, now, dry_run),
    link_run(root, run_id, harness_run_id),
    status(run_id, root),
    runs(root),
    report_run(run_id, root),
    verify_receipt(run_id, root),
    submit(run_id, to, dry_run, squash, push, root),
    trust(root),
    approve(run_id, root),
    tasks(root),
    task_done(path, root),
    store_create(root, data_store, fields, worktree_check),
    store_read(root, data_store, run_id),
    store_update(root, data_store, run_id, set, unset),
    store_list(root, data_store),
    store_resolve(root, data_store, ref, current_repo),
    store_paths(root, data_store, run_id),
    store_append_event(root, data_store, run_id, name, data),
    store_events(root, data_store, run_id, since),
    store_touch_repository(root, data_store, repo_root),
    store_repair(root, data_store, fix),
    data_dir(env, home, os),
    repo_key(origin_url, repo_root),
    repo_id(origin_url, repo_root),
    branch_name(title, run_id, prefix),
    new_run_meta(run_id, repo_id, title, runner, runner_cmd, parent_branch, branch, worktree_path, created_at),
    apply_meta_ops(text, ops),
    claim_runner_ownership(repo, pr, run_id, cwd, file_path, mode, now, root, single_host),
    assert_runner_ownership(repo, pr, run_id, cwd, file_path, require_existing, root),
    release_runner_ownership(repo, pr, run_id, cwd, file_path, now, root, single_host),
    record_exit_signal_for_runner(repo, pr, run_id, reason, require_active_owner, cwd, file_path, now, root, single_host),
    ensure_async_runner_ownership(repo, pr, cwd, file_path, env, require_existing, claim_if_missing, supersede_stale, now, root, single_host),
    load_runner_coordination_state(repo, pr, cwd, file_path, root),
    create_runner_coordination_state(repo, pr, run_id, now),
    detect_stale_runner(repo, pr, cwd, file_path, now, max_age_ms, env, root),
    default_runner_coordination_file_path_for_target(target, cwd, root),
    normalize_runner_coordination_state(raw, target),
    owner_heartbeat(target, run_id, token, root, single_host),
    owner_repair(target, root, single_host),
}

/// What only the bindings call, to build a function of theirs from.
#[cfg(feature = "cli")]
const INTERNAL: &[Operation] = &[
    Operation {
        name: "store_read_version",
        arguments: &["root", "data_store", "run_id"],
        run: |host, arguments| store_read_version(host, arguments).map(Into::into),
    },
    Operation {
        name: "store_save_version",
        arguments: &["root", "data_store", "run_id", "version", "document"],
        run: |host, arguments| store_save_version(host, arguments).map(Into::into),
    },
];

/// Calls a function with the text of a JSON object of arguments.
///
/// # Errors
/// `E_USAGE` for an unknown function or unusable arguments, and the function's own codes.
pub fn call(host: &Host, name: &str, arguments: &str) -> Result<Written> {
    run(OPERATIONS.iter(), host, name, arguments)
}

/// Calls a function, or an internal one, for a binding.
///
/// # Errors
/// As [`call`].
#[cfg(feature = "cli")]
pub(crate) fn call_for_binding(host: &Host, name: &str, arguments: &str) -> Result<Written> {
    run(OPERATIONS.iter().chain(INTERNAL), host, name, arguments)
}

fn run(
    mut among: impl Iterator<Item = &'static Operation>,
    host: &Host,
    name: &str,
    arguments: &str,
) -> Result<Written> {
    let Some(operation) = among.find(|operation| operation.name == name) else {
        return Err(
            Error::new(Code::Usage, format!("no function is called `{name}`"))
                .with("functions", NAMES.to_vec())
                .hint("runr call <function>"),
        );
    };
    (operation.run)(host, &mut Arguments::new(operation, arguments)?)
}

fn json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| Error::internal(format!("cannot print JSON: {e}")))
}

// ----- pure -----

fn check_scope(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let names = [
        "changed",
        "allowlist",
        "denylist",
        "lockfiles",
        "allow_deps",
        "env_allowlist",
        "presets",
    ];
    let mut input = Map::new();
    for name in names {
        if let Some(value) = arguments.optional::<Value>(name)? {
            input.insert(name.to_owned(), value);
        }
    }
    let input: ScopeInput = serde_json::from_value(Value::Object(input))
        .map_err(|e| Error::new(Code::Usage, format!("check_scope: {e}")))?;
    json(&scope::check_scope(&input))
}

fn preflight_reasons(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let result: ScopeResult = arguments.required("scope_result")?;
    json(&scope::preflight_reasons(
        &result,
        arguments.or("allow_dirty", false)?,
    ))
}

fn glob_match(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (pattern, path): (String, String) =
        (arguments.required("pattern")?, arguments.required("path")?);
    Ok(json!(glob::glob_match(&pattern, &path)))
}

fn globs_overlap(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (a, b): (String, String) = (arguments.required("a")?, arguments.required("b")?);
    Ok(json!(glob::globs_overlap(&a, &b)))
}

fn normalize_owns(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let list: Vec<String> = arguments.required("list")?;
    json(&owned::normalize_owns(&list)?)
}

fn check_owned_paths(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let changed: Vec<String> = arguments.required("changed")?;
    let owns: Vec<String> = arguments.required("owns")?;
    let noise: Option<Vec<String>> = arguments.optional("env_allowlist")?;
    json(&owned::check_owned_paths(
        &changed,
        &owns,
        noise.as_deref(),
    )?)
}

fn file_collisions(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let files: Vec<String> = arguments.required("files_expected")?;
    let active: Vec<ActiveRun> = arguments.required("active_runs")?;
    json(&owned::file_collisions(&files, &active))
}

fn stop_reasons(_: &Host, _: &mut Arguments) -> Result<Value> {
    json(&stop::stop_reasons())
}

fn next_action(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let reason: Option<StopReason> = arguments.optional("stop_reason")?;
    let run_id: String = arguments.required("run_id")?;
    let other: Option<String> = arguments.optional("other_run")?;
    json(&stop::next_action(
        reason.as_ref(),
        &run_id,
        other.as_deref(),
    ))
}

fn select_tiers(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let input = TierInput {
        risk_triggers: arguments.or::<Vec<RiskTrigger>>("risk_triggers", Vec::new())?,
        changed_files: arguments.or("changed_files", Vec::new())?,
        risk_level: arguments.or("risk_level", RiskLevel::Medium)?,
        last_milestone: arguments.or("last_milestone", false)?,
        min_tier: arguments.optional::<Tier>("min_tier")?,
    };
    json(&tiers::select_tiers(&input))
}

fn check_no_changes_evidence(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let evidence: Option<Evidence> = arguments.optional("evidence")?;
    let allowlist: Vec<String> = arguments.or("allowlist", Vec::new())?;
    json(&evidence::check_no_changes_evidence(
        evidence.as_ref(),
        &allowlist,
    ))
}

fn unwrap_output(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let mode: OutputMode = arguments.required("output_mode")?;
    let stdout: String = arguments.required("stdout")?;
    Ok(json!(reply::unwrap_output(mode, &stdout)))
}

fn parse_reply(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let stage: Stage = arguments.required("stage")?;
    let text: String = arguments.required("text")?;
    Ok(reply::reply_json(&reply::parse_reply(stage, &text)))
}

fn parse_task(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let text: String = arguments.required("text")?;
    json(&task::parse_task(&text)?)
}

fn legal_transition(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (from, to): (Phase, Phase) = (arguments.required("from")?, arguments.required("to")?);
    Ok(json!(transitions::legal_transition(from, to)))
}

fn resume_target(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let phase: Phase = arguments.required("phase")?;
    let last: Option<Phase> = arguments.optional("last_successful_phase")?;
    json(&transitions::resume_target(phase, last))
}

fn enter_phase(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    #[derive(serde::Deserialize)]
    struct Standing {
        phase: Phase,
        #[serde(default)]
        phase_attempt: u32,
    }
    let state: Standing = arguments.required("state")?;
    let to: Phase = arguments.required("to")?;
    json(&transitions::enter_phase(
        state.phase,
        state.phase_attempt,
        to,
    ))
}

fn compare_fingerprints(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let (original, current): (Value, Value) = (
        arguments.required("original")?,
        arguments.required("current")?,
    );
    json(&fingerprint::compare_fingerprints(&original, &current))
}

fn review_fingerprint(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let changes: Vec<String> = arguments.required("changes")?;
    Ok(json!(fingerprint::review_fingerprint(&changes)))
}

fn fold(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let events: Vec<Record> = arguments.required("events")?;
    json(&state::fold(&events))
}

fn report(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let events: Vec<Record> = arguments.required("events")?;
    let given: Option<Map<String, Value>> = arguments.optional("state")?;
    let folded = state::fold(&events);
    let text = |key: &str| {
        given
            .as_ref()
            .and_then(|state| state.get(key)?.as_str().map(str::to_owned))
    };
    let run_id = text("run_id").unwrap_or_default();
    let milestones = given
        .as_ref()
        .and_then(|state| Some(state.get("milestones")?.as_array()?.len()));
    let facts = ReportState {
        phase: folded.phase,
        checkpoint_sha: folded.checkpoint_commit_sha.clone(),
        milestones_total: milestones.unwrap_or(folded.milestones.len()),
    };
    let next = stop::next_action(
        folded.stop_reason.as_ref(),
        &run_id,
        folded.other_run.as_deref(),
    );
    let next = NextStepText {
        next_action: next.next_action.as_str().to_owned(),
        suggested_command: next.suggested_command,
    };
    json(&reporting::report(
        &run_id,
        &events,
        Some(&facts),
        host.clock.now(),
        next,
    ))
}

// ----- with files -----

fn status(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let run: String = arguments.or("run_id", "latest".to_owned())?;
    json(&views::status(host, &arguments.root()?, &run)?)
}

fn runs(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    json(&views::list(host, &arguments.root()?)?)
}

fn report_run(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let run: String = arguments.or("run_id", "latest".to_owned())?;
    let found = views::find(host, &arguments.root()?, &run)?;
    json(&views::report_of(host, &found)?.0)
}

fn verify_receipt(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let run: String = arguments.or("run_id", "latest".to_owned())?;
    json(&views::verify_receipt(host, &arguments.root()?, &run)?)
}

fn approve(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let run: String = arguments.required("run_id")?;
    json(&crate::approval::approve(host, &arguments.root()?, &run)?)
}

fn tasks(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    json(&crate::tasks::list(host, &arguments.root()?)?)
}

fn task_done(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let path: Utf8PathBuf = arguments.required("path")?;
    json(&crate::tasks::done(host, &arguments.root()?, &path)?)
}

fn trust(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let shown = trusted_commands(host, &arguments.root()?, None)?;
    approve_commands(host, &shown)?;
    Ok(
        json!({"sha256": shown.sha256, "path": shown.root, "approved": true, "commands": shown.commands}),
    )
}

/// The commands of a repository's configuration, and the hash that stands for them.
pub(crate) struct Shown {
    pub(crate) root: Utf8PathBuf,
    pub(crate) commands: Value,
    pub(crate) sha256: String,
}

/// What `trust` would approve.
pub(crate) fn trusted_commands(
    host: &Host,
    root: &Utf8Path,
    config: Option<&Utf8Path>,
) -> Result<Shown> {
    let layout = Layout::find(&host.cwd.join(root), host)?;
    let source = config.map(|path| crate::harness::ConfigSource::File(host.cwd.join(path)));
    let (config, _): (Config, _) = crate::harness::load_config(source.as_ref(), &layout)?;
    Ok(Shown {
        commands: config.command_list(),
        sha256: config.trust_hash(),
        root: layout.repo_root,
    })
}

/// Approves what was shown.
pub(crate) fn approve_commands(host: &Host, shown: &Shown) -> Result<()> {
    TrustStore::open(host)?.approve(&shown.root, &shown.sha256)
}
