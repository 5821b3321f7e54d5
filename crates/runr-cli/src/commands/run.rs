//! `runr run`: a task through all phases, in the foreground or detached.

use camino::Utf8PathBuf;
use runr_core::mutant::without;
use runr_core::phase::event::Record;
use runr_core::phase::options::AllowDeps;
use runr_core::phase::shell::quoted;
use runr_core::phase::state::State;
use runr_core::phase::status::Outcome;
use runr_core::phase::stop::StopReason;
use runr_core::{Error, Result};
use serde_json::{Value, json};

use super::cli::RunArgs;
use super::conclusion::conclude;
use super::{INTERRUPTED, Invocation};
use crate::harness::{
    ConfigSource, Driver, Listener, Prepared, RunRequest, oddities, start, task_name, warnings,
    would_refuse,
};
use crate::output::events::event_line;
use crate::output::{Console, printable};

pub(crate) fn execute(call: &Invocation<'_>, args: RunArgs, argv: &[String]) -> Result<u8> {
    if args.detach
        && !super::detach::is_detached(call.host)
        && let Some(exit) = super::detach::start(call, argv)?
    {
        return Ok(exit);
    }
    let dry_run = args.dry_run;
    let request = request(call, args);
    let prepared = Prepared::new(&request, call.host)?;
    for warning in &prepared.warnings {
        call.console.say(&format!("warning: {warning}"));
    }
    tell(call, oddities(&prepared));
    if prepared.is_manual() {
        return Ok(manual(call, &prepared));
    }
    tell(call, warnings(&prepared, call.host)?);
    if dry_run {
        return match would_refuse(&prepared, call.host)? {
            Some(error) => Err(error),
            None => Ok(plan_of_record(call, &prepared)),
        };
    }
    match start(prepared, call.host, Some(listener(call))) {
        Ok(driver) => follow_through(call, driver),
        Err(error) => refused(call, error),
    }
}

fn request(call: &Invocation<'_>, args: RunArgs) -> RunRequest {
    let given = |list: Vec<String>| if list.is_empty() { None } else { Some(list) };
    RunRequest {
        task: args.task,
        task_text: args.task_text,
        root: call.root.clone(),
        config: args
            .config
            .map(|path| ConfigSource::File(call.host.cwd.join(path))),
        allow: given(args.allow),
        deny: None,
        deny_also: args.deny,
        verify: given(args.verify),
        worktree: args.worktree,
        fast: args.fast,
        allow_deps: allowed(args.allow_deps).unwrap_or_default(),
        allow_dirty: args.allow_dirty,
        allow_unverified: args.allow_unverified,
        no_branch: args.no_branch,
        force_parallel: args.force_parallel,
        worker: args.worker,
        time_minutes: args.time,
        max_ticks: args.max_ticks,
        max_cost: args.max_cost,
        approve_plan: args.approve_plan,
        auto_resume: args.auto_resume.then_some(true),
        skip_doctor: args.skip_doctor,
        flow: args.flow,
        refs: args.refs,
        own: args.own.map(|target| target.as_str().into()),
        host_answers: false,
    }
}

/// What `--allow-deps` means: with no list, all.
pub(crate) fn allowed(given: Option<Option<String>>) -> Option<AllowDeps> {
    let list = |text: String| {
        let names = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        AllowDeps::Only(names.map(str::to_owned).collect())
    };
    given.map(|text| text.map_or(AllowDeps::All, list))
}

fn manual(call: &Invocation<'_>, prepared: &Prepared) -> u8 {
    let root = &prepared.layout.repo_root;
    if call.json {
        call.console.json_line(
            &json!({"run_id": null, "run_dir": null, "repo_root": root, "status": "manual_task"}),
        );
    } else {
        call.console.line(&printable(prepared.task.body.trim_end()));
        let name = |path: &Utf8PathBuf| task_name(path, &prepared.place.toplevel, &prepared.layout);
        let path = prepared
            .task_path
            .as_ref()
            .map_or("<file>".to_owned(), name);
        call.console.line(&format!(
            "\nThis task is for a person. When it is done: runr task done {}",
            printable(&quoted(&path))
        ));
    }
    0
}

fn plan_of_record(call: &Invocation<'_>, prepared: &Prepared) -> u8 {
    let scope = &prepared.config;
    if call.json {
        call.console.json_line(&json!({
            "run_id": null, "run_dir": null, "repo_root": prepared.layout.repo_root, "status": "dry_run",
        }));
        return 0;
    }
    call.console
        .line(&format!("Task: {}", prepared.task.name()));
    call.console.line(&settings(&prepared.options));
    call.console.line(&format!(
        "allowlist: {}",
        scope.effective_allowlist().join(" ")
    ));
    call.console
        .line(&format!("denylist: {}", scope.scope.denylist.join(" ")));
    for tier in runr_core::phase::model::Tier::ALL {
        call.console.line(&format!(
            "{tier}: {}",
            scope.verification.tier(*tier).join(" && ")
        ));
    }
    0
}

fn settings(options: &runr_core::phase::options::RunOptions) -> String {
    let mut line = format!(
        "time={} ticks={} worktree={} fast={} allow_deps={}",
        options.time_minutes,
        options.max_ticks,
        options.worktree,
        options.fast,
        match options.allow_deps.packages() {
            Some(packages) => packages.join(","),
            None => options.allow_deps.lockfiles().to_string(),
        }
    );
    if let Some(target) = &options.own {
        line.push_str(&format!(" own={target}"));
    }
    line
}

/// The settings with the limits that hold besides.
fn settings_of(state: &State) -> String {
    let line = settings(&state.options);
    match &state.limits {
        Some(limits) => format!("{line} {limits}"),
        None => line,
    }
}

/// Shows every event as it happens, below a header that names the run.
pub(crate) fn listener(call: &Invocation<'_>) -> Listener {
    let console: Console = call.console.clone();
    let (json, quiet) = (call.json, call.quiet);
    Box::new(move |record: &Record, state: &State| {
        if quiet {
            return;
        }
        let print = |text: &str| {
            if json && !without("pure-json") {
                console.say(text)
            } else {
                console.line(text)
            }
        };
        if matches!(record.kind.as_str(), "run_started" | "run_resumed") {
            print(&format!("Run {}\n{}", state.run_id, settings_of(state)));
        }
        if let Some(line) = event_line(record, state) {
            print(&line);
        }
    })
}

/// A refusal that was recorded has a run; one before that has none.
fn refused(call: &Invocation<'_>, error: Error) -> Result<u8> {
    let context = error.context();
    let (Some(run_id), Some(run_dir)) = (context.get("run_id"), context.get("run_dir")) else {
        return Err(error);
    };
    if !call.json {
        return Err(error);
    }
    let root = crate::harness::Layout::find(&call.host.cwd.join(&call.root), call.host)?.repo_root;
    let mut line = json!({
        "run_id": run_id, "run_dir": run_dir, "repo_root": root, "status": "guard_failed", "guard_ok": false,
        "guard": context.get("guard"),
    });
    if let (Value::Object(line), Value::Object(form)) = (&mut line, error.to_json()) {
        for key in ["error", "code", "message", "hint"] {
            line.insert(key.to_owned(), form.get(key).cloned().unwrap_or_default());
        }
    }
    call.console.json_line(&line);
    Ok(error.code().exit())
}

/// Tells that the run exists, drives it to its end and tells how it ended.
fn follow_through(call: &Invocation<'_>, mut driver: Driver) -> Result<u8> {
    announce(call, &driver);
    super::detach::report_recorded(call, &driver)?;
    let outcome = driver.drive()?;
    warn(call, &mut driver);
    conclude(call, &driver);
    call.detail(&format!("git processes: {}", driver.git_calls()));
    Ok(exit_of(&outcome, call))
}

/// Tells what went wrong beside the run.
pub(crate) fn warn(call: &Invocation<'_>, driver: &mut Driver) {
    tell(call, driver.take_warnings());
}

fn tell(call: &Invocation<'_>, warnings: Vec<String>) {
    for warning in warnings {
        let text = crate::output::printable(&warning);
        call.console.say(&format!("warning: {text}"));
    }
}

pub(crate) fn announce(call: &Invocation<'_>, driver: &Driver) {
    let state = driver.state();
    let run_dir = Utf8PathBuf::from(&state.repo_root)
        .join(".runr/runs")
        .join(driver.run_id().as_str());
    if call.json {
        let mut line = json!({
            "run_id": driver.run_id(),
            "run_dir": run_dir,
            "repo_root": state.repo_root,
            "status": "started",
            "guard_ok": true,
            "branch": state.branch,
            "worktree_path": state.worktree_path,
        });
        if let Some(claim) = &state.claim {
            line["claim"] = json!(claim);
        }
        call.console.json_line(&line);
    }
}

/// 0 when complete, 130 when the user stopped it, else 1.
pub(crate) fn exit_of(outcome: &Outcome, call: &Invocation<'_>) -> u8 {
    match &outcome.stop_reason {
        _ if without("exit-code") => 0,
        Some(StopReason::Complete) => 0,
        Some(StopReason::Interrupted) if call.host.cancel.is_cancelled() => INTERRUPTED,
        _ => 1,
    }
}
