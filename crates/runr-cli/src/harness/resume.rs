//! From a stopped or abandoned run back into the loop: nothing is assumed, everything is looked at.

mod choice;
mod claim;
mod delta;
mod environment;
mod overrides;
mod plan;
mod refusals;
mod stash;
mod tree;

use camino::Utf8Path;
use runr_core::Result;
use runr_core::id::RunId;
use runr_core::mutant::without;
use runr_core::phase::config::Config;
use runr_core::phase::event::{Event, Moved, RunResumed, ScopeLock};
use runr_core::phase::ops::RunFiles;
use runr_core::phase::options::RunOptions;
use runr_core::phase::prompt::{PromptTexts, Prompts};
use runr_core::phase::rules::{self, Since};
use runr_core::phase::state::State;
use runr_core::phase::task::{Task, parse_task};
use runr_core::phase::watchdog::Limits;

use self::claim::claiming;
use self::environment::Environment;
use self::refusals::{refuse_first_dirt, refuse_unstarted, refuse_unverified};
use self::tree::Reopened;
use super::account::Account;
use super::baseline::Baseline;
use super::claim::Claim;
use super::context::{self, Context, Layout, Workers};
use super::dead::{end_what_is_left, take_over};
use super::driver::Driver;
use super::git::Git;
use super::gitdir::GitDir;
use super::index::OwnIndex;
use super::recorder::{Listener, RESUME, Recorder};
use super::request::{ResumeRequest, file_of, load_config, used_workers};
use super::snapshot::{Snapshot, config_sha256};
use super::submit::end_killed_submissions;
use super::{ping, prompts, receipt, setup, start, trust};
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
        prompts: frozen,
    } = Snapshot::read(&files, before.snapshot_sha256.as_deref())?;
    if before.is_complete() {
        let redacting = files.clone().redacting(context::redactor(&snapshot, host));
        receipt::repair(&redacting, &before, &Git::new(&layout.repo_root));
        return finished(host, layout, run_id, files, before, snapshot);
    }
    refuse_unstarted(&files, &before)?;
    let config = chosen_config(request, &layout, &snapshot)?;
    let texts = match request.config {
        Some(_) => prompts::read(&layout)?,
        None if without("frozen-prompts") => prompts::read(&layout)?,
        None => frozen.clone(),
    };
    let prompts = prompts::templates(&texts, &layout)?;
    if config.command_list() != Config::default().command_list() {
        trust::check(host, &layout.repo_root, &config, file_of(&request.config))?;
    }
    let versions = probe(request, host, &layout, &config, &before)?;
    let workers = Workers::of(host, request.host_answers)?;
    let limits = Limits::new(&config, |name| host.var(name))?;

    refuse_unverified(&config, &before)?;
    let task = parse_task(&task_text)?;
    let claiming = claiming(request, host, &layout, &config, &before)?;
    if let Some(claiming) = &claiming {
        claiming.expect_free(Some(&run_id))?;
    }
    let mut ownership = take_over(&files, host)?;
    end_killed_submissions(host, &layout);
    let claim = claiming
        .map(|claiming| claiming.claim(&run_id, host.cancel.clone()))
        .transpose()?;
    let git = Git::new(&layout.repo_root).holding(ownership.inheritable()?);
    let redacting = files.clone().redacting(context::redactor(&config, host));
    let state = end_what_is_left(&redacting, host, &layout, &git, RESUME)?;
    claim.as_ref().map_or(Ok(()), Claim::check)?;
    let mut recorder = Recorder::new(redacting, state, host.clock.clone(), listener, git.clone());
    let mut reopened = Reopened::new(&layout, &files, &recorder.state, &git, host)?;
    recorder.record_all(RESUME, reopened.made.as_slice())?;
    let state = &recorder.state;
    let (git, status) = (&reopened.git, &reopened.status);
    let environment = Environment::compare(host, git, &files, state, status, versions)?;
    environment.admit(state, request.force)?;
    let moved = reopened.moved(state, request.force_branch);
    // On a wrong branch the run stops: nothing is moved out of its way.
    let is_there = reopened.status.branch == state.branch || reopened.is_unplaced(state);
    let goes_on = moved.is_some() || is_there;
    reopened.clear_strangers_work(&mut recorder, request.auto_stash && goes_on)?;
    let state = &recorder.state;
    let chosen = reopened.pick_checkpoint(&layout, state, moved.is_some())?;
    let scope = scope_change(state, &snapshot, &config, &task);
    let lock = scope.as_ref().unwrap_or(&state.scope_lock);
    let options = overrides::options(&state.options, request);
    let guard = context::guard(&config, lock, &options.allow_deps, &task.owns_raw)?;
    refuse_first_dirt(&reopened, &guard, state)?;
    reopened.put_on_branch(state)?;
    let mut baseline = reopened.baseline(&files, &guard, state)?;
    if scope.is_some() {
        baseline.extend(guard.guarded_prints(reopened.git.dir(), &reopened.status)?);
    }
    baseline.account = Account::observe(host, &reopened.git)?;
    baseline.save(&files)?;
    let changed = (config != snapshot || texts != frozen).then(|| Snapshot {
        config: config.clone(),
        task_text: task_text.clone(),
        prompts: texts,
    });
    let written = changed.as_ref().map(|changed| changed.write_next(&files));
    let snapshot_sha256 = written.transpose()?;
    let is_bare = state.open_phase.is_none() || reopened.made.is_some();
    let unprepared = state.options.worktree
        && (is_bare || setup::is_unready(&files)?)
        && setup::is_wanted(&config, &layout.repo_root)?;
    let mut overridden = state.options.changes(&options);
    let beside = overrides::beside_options(state, moved.as_ref(), &snapshot, &config);
    overridden.extend(beside.into_iter().chain(environment.overridden()));
    let mut events = chosen.events(state);
    events.extend(mismatch(state, moved.as_ref()));
    events.extend(scope.map(|to| scope_changed(state, to, &config)));
    recorder.record_all(RESUME, &events)?;
    let state = &recorder.state;
    let facts = claim.as_ref().map(|claim| claim.facts().clone());
    let since = Since {
        plan_refused: rules::is_plan_refused(state, &guard.scope),
        other_tree: moved.is_some(),
        other_checks: config.verification != snapshot.verification,
    };
    let (git, status) = (&reopened.git, &reopened.status);
    let head = moved.as_ref().map_or(state.expected_head(), |to| &to.head);
    let resumed = RunResumed {
        options: RunOptions {
            own: facts.as_ref().map(|claim| claim.target.clone()),
            ..options
        },
        claim: facts,
        overrides: overridden,
        delta: delta::delta(git, &config, &guard, status, head).ok(),
        limits: Some(limits),
        snapshot_sha256,
        ..resumed(state, since, moved)
    };
    recorder.record(RESUME, &Event::RunResumed(Box::new(resumed)))?;
    // Not before the record: what was checked must not look as if these checks had passed it.
    if let Some(changed) = changed {
        changed.write(&files)?;
    }
    environment.keep(&files)?;
    ownership.hold_tree(reopened.tree_lock);
    let context = context_of(
        host,
        layout,
        run_id,
        reopened.git,
        config,
        prompts,
        workers,
        task,
        &recorder.state,
        claim,
    );
    let mut driver = Driver::new(context, recorder, Some(ownership), baseline, reopened.index);
    driver.note_begun();
    if unprepared {
        driver.prepare_first();
    } else {
        driver.take_up()?;
    }
    Ok(driver)
}

/// The record of the resume as far as the state tells it, with the phase it goes on in.
fn resumed(state: &State, since: Since, moved: Option<Moved>) -> RunResumed {
    RunResumed {
        resume_phase: rules::reentry(state, since),
        checkpoint_sha: state.checkpoint_commit_sha.clone(),
        resume_from_milestone_index: state.milestone_index,
        remaining_milestones: state.milestones.len().saturating_sub(state.milestone_index),
        options: state.options.clone(),
        claim: None,
        limits: None,
        snapshot_sha256: None,
        automatic: false,
        moved,
        overrides: Vec::new(),
        delta: None,
    }
}

/// What is told of a branch that the caller overrides.
fn mismatch(state: &State, moved: Option<&Moved>) -> Option<Event> {
    let moved = moved?;
    Some(Event::WorktreeBranchMismatch {
        expected_branch: state.branch.clone(),
        actual: Some(moved.branch.clone()),
    })
}

/// Makes sure that the workers can be started, where processes answer; what versions they have.
fn probe(
    request: &ResumeRequest,
    host: &Host,
    layout: &Layout,
    config: &Config,
    before: &State,
) -> Result<ping::Versions> {
    if request.host_answers || host.var("RUNR_WORKER_SCRIPT").is_some() {
        return Ok(ping::Versions::new());
    }
    let ask_version = host.var("RUNR_SKIP_DOCTOR") != Some("1") && !before.options.skip_doctor;
    let used = used_workers(config, &before.options);
    let check = ping::probe(host, &layout.repo_root, config, &used, ask_version)?;
    Ok(ping::versions(&check))
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

fn chosen_config(request: &ResumeRequest, layout: &Layout, snapshot: &Config) -> Result<Config> {
    match &request.config {
        _ if without("named-config") => Ok(snapshot.clone()),
        Some(source) => Ok(load_config(Some(source), layout)?.0),
        None => Ok(snapshot.clone()),
    }
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
        config_sha256: config_sha256(config),
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
    prompts: Prompts,
    workers: Workers,
    task: Task,
    state: &State,
    claim: Option<Claim>,
) -> Context {
    let path = state.task_path.as_deref();
    let stem = path.and_then(|path| Utf8Path::new(path).file_stem());
    let run_dir = layout.store().run_dir(&run_id);
    let mut env = context::child_env(&run_id, &run_dir, claim.as_ref().map(Claim::facts));
    env.extend(setup::variables(
        &layout.repo_root,
        git.dir(),
        state.branch.as_deref(),
    ));
    Context {
        policy: context::policy(&config, state.options.worker.as_deref()),
        redactor: context::redactor(&config, host),
        env,
        min_tier: task.verification_tier,
        task_stem: stem.unwrap_or("task").to_owned(),
        task_text: task.body,
        host: host.clone(),
        layout,
        run_id,
        git,
        config,
        prompts,
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
    let prompts = prompts::templates(&PromptTexts::default(), &layout)?;
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
        prompts,
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
