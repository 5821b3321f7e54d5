//! From a stopped or abandoned run back into the loop: nothing is assumed, everything is looked at.

mod choice;
mod claim;
mod plan;
mod tree;

use std::time::{Duration, Instant};

use camino::Utf8Path;
use runr_core::id::RunId;
use runr_core::mutant::without;
use runr_core::phase::claim::RunClaim;
use runr_core::phase::config::Config;
use runr_core::phase::event::{Event, RunResumed, ScopeLock};
use runr_core::phase::model::Phase;
use runr_core::phase::ops::RunFiles;
use runr_core::phase::options::RunOptions;
use runr_core::phase::owned::is_own_output;
use runr_core::phase::rules;
use runr_core::phase::state::{State, Step};
use runr_core::phase::stop::{StopCause, StopReason};
use runr_core::phase::task::{Task, parse_task};
use runr_core::{Code, Error, Result};

use self::claim::claiming;
use self::tree::Reopened;
use super::baseline::Baseline;
use super::claim::Claim;
use super::context::{self, Context, Layout, Workers};
use super::driver::Driver;
use super::git::Git;
use super::gitdir::GitDir;
use super::index::OwnIndex;
use super::inspect::Guard;
use super::owner::Ownership;
use super::process;
use super::recorder::{Listener, RESUME, Recorder};
use super::request::{ResumeRequest, load_config, used_workers};
use super::snapshot::Snapshot;
use super::{receipt, start, trust, worker};
use crate::host::Host;

pub(crate) use self::plan::plan_resume;

/// Goes on with a run.
pub(crate) fn resume(
    request: &ResumeRequest,
    host: &Host,
    listener: Option<Listener>,
) -> Result<Driver> {
    let host = &host.below();
    let layout = Layout::find(&host.cwd.join(&request.root), host)?;
    let run_id = choose(&layout, request.run_id.as_deref())?;
    let files = layout.files(&run_id);
    let before = files.state()?;
    let Snapshot {
        config: snapshot,
        task_text,
    } = Snapshot::read(&files)?;
    if before.is_complete() {
        receipt::repair(&files, &before, &Git::new(&layout.repo_root));
        return finished(host, layout, run_id, files, before, snapshot);
    }
    refuse_unstarted(&files, &before)?;
    let config = chosen_config(request, &layout, &snapshot)?;
    if config.command_list() != Config::default().command_list() {
        trust::check(host, &layout.repo_root, &config)?;
    }
    if !request.host_answers && host.var("RUNR_WORKER_SCRIPT").is_none() {
        let ask_version = host.var("RUNR_SKIP_DOCTOR") != Some("1") && !before.options.skip_doctor;
        worker::probe(
            host,
            &config,
            &used_workers(&config, &before.options),
            ask_version,
        )?;
    }
    let workers = Workers::of(host, request.host_answers)?;

    refuse_unverified(&config, &before)?;
    let task = parse_task(&task_text)?;
    let claiming = claiming(request, host, &layout, &config, &before)?;
    if let Some(claiming) = &claiming {
        claiming.expect_free(Some(&run_id))?;
    }
    let mut ownership = take_over(&files, host)?;
    let claim = claiming
        .map(|claiming| claiming.claim(&run_id, host.cancel.clone()))
        .transpose()?;
    let died_at_work = before.in_flight.is_some() || before.running_command.is_some();
    // A commit without its record can only come from a driver that was committing.
    let was_committing =
        before.open_phase == Some(Phase::Checkpoint) && before.step == Step::Entered;
    let git = Git::new(&layout.repo_root).holding(ownership.inheritable()?);
    let state = end_what_is_left(&files, host, &git)?;
    claim.as_ref().map_or(Ok(()), Claim::check)?;
    let mut reopened = Reopened::new(&layout, &files, &state, &git, host)?;
    if !died_at_work {
        reopened.refuse_strangers_work(&files, &state)?;
    }
    let chosen = reopened.pick_checkpoint(&layout, &state)?;
    let scope = scope_change(&state, &snapshot, &config, &task);
    let frozen = scope.as_ref().map_or(&state.scope_lock, |to| to);
    let guard = context::guard(&config, frozen, &state.options.allow_deps, &task.owns_raw)?;
    refuse_first_dirt(&reopened, &guard, &state)?;
    let mut baseline = reopened.baseline(&files, &guard, &state)?;
    if scope.is_some() {
        baseline.extend(guard.guarded_prints(reopened.git.dir(), &reopened.status)?);
    }
    baseline.save(&files)?;
    if config != snapshot {
        let changed = Snapshot {
            config: config.clone(),
            task_text: task_text.clone(),
        };
        changed.write(&files)?;
    }
    ownership.hold_tree(reopened.tree_lock);
    let files = files.redacting(context::redactor(&config, host));
    let mut recorder = Recorder::new(files, state, host.clock.clone(), listener, git);
    let mut events = chosen.events(&recorder.state);
    events.append(&mut reopened.events);
    events.extend(scope.map(|to| scope_changed(&recorder.state, to, &config)));
    recorder.record_all(RESUME, &events)?;
    let facts = claim.as_ref().map(|claim| claim.facts().clone());
    let resumed = resumed(&recorder.state, request, facts, reopened.lost_work);
    recorder.record(RESUME, &resumed)?;
    let context = context_of(
        host,
        layout,
        run_id,
        reopened.git,
        config,
        workers,
        task,
        &recorder.state,
        claim,
    );
    let mut driver = Driver::new(context, recorder, Some(ownership), baseline, reopened.index);
    driver.note_begun();
    driver.take_up(was_committing)?;
    Ok(driver)
}

/// The record of the resume, with the phase it goes on in.
fn resumed(
    state: &State,
    request: &ResumeRequest,
    claim: Option<RunClaim>,
    lost_work: bool,
) -> Event {
    let phase = match rules::reentry(state) {
        // The work of the open phase went with the tree.
        Phase::Verify | Phase::Review | Phase::Checkpoint if lost_work => Phase::Implement,
        phase => phase,
    };
    let remaining = state.milestones.len().saturating_sub(state.milestone_index);
    Event::RunResumed(Box::new(RunResumed {
        resume_phase: phase,
        checkpoint_sha: state.checkpoint_commit_sha.clone(),
        resume_from_milestone_index: state.milestone_index,
        remaining_milestones: remaining,
        options: RunOptions {
            own: claim.as_ref().map(|claim| claim.target.clone()),
            ..overridden(&state.options, request)
        },
        claim,
    }))
}

/// A run without checks must not be resumed into passing.
fn refuse_unverified(config: &Config, state: &State) -> Result<()> {
    if !config.verification.is_empty() || state.options.allow_unverified {
        return Ok(());
    }
    Err(
        Error::new(Code::Unverified, "No verification commands configured")
            .hint("runr resume --config <file with checks>"),
    )
}

/// What the preflight refuses is not let in by a resume: a run that never entered a phase is judged
/// again.
fn refuse_first_dirt(reopened: &Reopened, guard: &Guard, state: &State) -> Result<()> {
    if state.options.worktree || state.open_phase.is_some() {
        return Ok(());
    }
    let own =
        |path: &&String| is_own_output(path) || path.starts_with(".runr/") || *path == ".gitignore";
    let dirty: Vec<String> = reopened
        .status
        .changed
        .iter()
        .filter(|p| !own(p))
        .cloned()
        .collect();
    let verdict = guard.scope.check(&dirty);
    if verdict.ok {
        return Ok(());
    }
    Err(
        Error::new(Code::GuardViolation, "Guard failed: scope_violation")
            .with("scope_violations", verdict.scope_violations)
            .with("lockfile_violations", verdict.lockfile_violations)
            .hint("commit, stash or undo the changes, then start the task again"),
    )
}

/// The run that is meant; without an argument the newest one that is not complete.
fn choose(layout: &Layout, argument: Option<&str>) -> Result<RunId> {
    if let Some(argument) = argument {
        return layout.run_argument(argument);
    }
    let ids = layout.store().ids()?;
    let open = |id: &&RunId| {
        id.is_harness()
            && !layout
                .files(id)
                .state()
                .is_ok_and(|state| state.is_complete())
    };
    match ids.iter().rev().find(open) {
        Some(id) => Ok(id.clone()),
        None => runr_core::phase::ops::resolve_run(&ids, "latest"),
    }
}

fn refuse_unstarted(files: &RunFiles, state: &State) -> Result<()> {
    if state.seq > 0 {
        return Ok(());
    }
    Err(Error::new(
        Code::RunBroken,
        "Run metadata is unusable: the run was never recorded",
    )
    .at(files.dir())
    .with("run_id", files.run_id().as_str())
    .hint("start the task again with `runr run`"))
}

fn chosen_config(request: &ResumeRequest, layout: &Layout, snapshot: &Config) -> Result<Config> {
    match &request.config {
        _ if without("named-config") => Ok(snapshot.clone()),
        Some(source) => Ok(load_config(Some(source), layout)?.0),
        None => Ok(snapshot.clone()),
    }
}

fn overridden(options: &RunOptions, request: &ResumeRequest) -> RunOptions {
    let defaults = RunOptions::default();
    RunOptions {
        allow_deps: (request.allow_deps.clone()).unwrap_or_else(|| options.allow_deps.clone()),
        max_cost: request.max_cost.or(options.max_cost),
        auto_resume: request.auto_resume.or(options.auto_resume),
        time_minutes: request.time_minutes.unwrap_or(defaults.time_minutes),
        max_ticks: request.max_ticks.unwrap_or(defaults.max_ticks),
        ..options.clone()
    }
}

/// Takes the run. The lock of a dead driver may be held for a moment longer by its last git child,
/// which is waited for: two of them must never work in one tree.
fn take_over(files: &RunFiles, host: &Host) -> Result<Ownership> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match Ownership::take(files, host) {
            Err(error)
                if error.code() == Code::RunActive
                    && !driver_lives(files)
                    && Instant::now() < deadline => {}
            other => return other,
        }
    }
}

fn driver_lives(files: &RunFiles) -> bool {
    crate::liveness::is_live(files).unwrap_or(true)
}

/// Records a dead owner, ends its children, and returns the state from there.
fn end_what_is_left(files: &RunFiles, host: &Host, git: &Git) -> Result<State> {
    let mut state = files.state()?;
    let worker = state
        .in_flight
        .as_ref()
        .and_then(|call| call.process.clone());
    for child in worker.iter().chain(state.running_command.iter()) {
        process::kill_group_of(child, files.dir()).map_err(|source| {
            Error::io(
                "end the processes of the dead driver in",
                files.dir(),
                source,
            )
        })?;
    }
    if !state.is_stopped() {
        let mut stop = rules::stop_of(&state, StopReason::Interrupted, None);
        stop.cause = Some(StopCause::OwnerLost);
        let record = files.append(host.clock.now(), RESUME, &Event::Stop(Box::new(stop)))?;
        state.fold_in(&record);
        receipt::leave(files, &state, git);
    }
    Ok(state)
}

/// The scope under a new configuration: what the task adds and what the plan forbids stays.
fn scope_change(
    state: &State,
    snapshot: &Config,
    config: &Config,
    task: &Task,
) -> Option<ScopeLock> {
    if config.scope == snapshot.scope {
        return None;
    }
    let mut to = start::frozen_scope(config, task);
    let planned = state.scope_lock.denylist.iter();
    for pattern in planned.filter(|pattern| !snapshot.scope.denylist.contains(pattern)) {
        if !to.denylist.contains(pattern) {
            to.denylist.push(pattern.clone());
        }
    }
    Some(to)
}

fn scope_changed(state: &State, to: ScopeLock, config: &Config) -> Event {
    Event::ScopeChanged {
        from: state.scope_lock.clone(),
        to,
        config_sha256: Some(config.trust_hash()),
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is one fact of the run; a struct of them is Context itself"
)]
fn context_of(
    host: &Host,
    layout: Layout,
    run_id: RunId,
    git: Git,
    config: Config,
    workers: Workers,
    task: Task,
    state: &State,
    claim: Option<Claim>,
) -> Context {
    let path = state.task_path.as_deref();
    let stem = path.and_then(|path| Utf8Path::new(path).file_stem());
    let run_dir = layout.store().run_dir(&run_id);
    Context {
        policy: context::policy(&config, state.options.worker.as_deref()),
        redactor: context::redactor(&config, host),
        env: context::child_env(&run_id, &run_dir, claim.as_ref().map(Claim::facts)),
        min_tier: task.verification_tier,
        task_stem: stem.unwrap_or("task").to_owned(),
        task_text: task.body,
        host: host.clone(),
        layout,
        run_id,
        git,
        config,
        workers,
        compiled: Default::default(),
        claim,
    }
}

/// A driver of a run that has ended: it only tells the outcome.
fn finished(
    host: &Host,
    layout: Layout,
    run_id: RunId,
    files: RunFiles,
    state: State,
    config: Config,
) -> Result<Driver> {
    let index = OwnIndex::at(GitDir::main(&layout.repo_root), files.dir());
    let git = Git::new(&layout.repo_root);
    let context = Context {
        policy: context::policy(&config, None),
        redactor: context::redactor(&config, host),
        env: Vec::new(),
        min_tier: None,
        task_stem: String::new(),
        task_text: String::new(),
        git: git.clone(),
        host: host.clone(),
        layout,
        run_id,
        config,
        workers: Workers::Host,
        compiled: Default::default(),
        claim: None,
    };
    let recorder = Recorder::new(files, state, host.clock.clone(), None, git);
    Ok(Driver::new(
        context,
        recorder,
        None,
        Baseline::default(),
        index,
    ))
}
