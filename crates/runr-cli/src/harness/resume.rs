//! From a stopped or abandoned run back into the loop: nothing is assumed, everything is looked at.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::LockGuard;
use runr_core::id::RunId;
use runr_core::phase::config::Config;
use runr_core::phase::event::{CheckpointSource, Event, RunResumed, ScopeLock};
use runr_core::phase::model::Phase;
use runr_core::phase::ops::RunFiles;
use runr_core::phase::options::RunOptions;
use runr_core::phase::rules;
use runr_core::phase::state::State;
use runr_core::phase::stop::{StopCause, StopReason};
use runr_core::phase::task::parse_task;
use runr_core::{Code, Error, Result};

use super::context::{self, Context, Layout, Workers};
use super::driver::Driver;
use super::git::{Git, TreeStatus};
use super::inspect::{Baseline, Leftover};
use super::owner::{self, Ownership};
use super::process;
use super::recorder::{Listener, RESUME, Recorder};
use super::request::{ResumeRequest, load_config, used_workers};
use super::snapshot::Snapshot;
use super::start::BASELINE;
use super::{trust, worker, worktree};
use crate::host::Host;

/// Goes on with a run.
pub(crate) fn resume(
    request: &ResumeRequest,
    host: &Host,
    listener: Option<Listener>,
) -> Result<Driver> {
    let layout = Layout::find(&host.cwd.join(&request.root), host)?;
    let run_id = choose(&layout, request.run_id.as_deref())?;
    let files = layout.files(&run_id);
    let before = files.state()?;
    let Snapshot {
        config: snapshot,
        task_text,
    } = Snapshot::read(&files)?;
    if before.is_complete() {
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

    let owner_lock = take_over(&files, host)?;
    let state = end_what_is_left(&files, host)?;
    let git = Git::new(&layout.repo_root).holding(owner_lock.inheritable()?);
    let mut reopened = Reopened::new(&layout, &run_id, &state, &git, host)?;
    let options = overridden(&state.options, request);
    let source = pick_checkpoint(&layout, &reopened.git, &state, &reopened.status)?;
    let mut recorder = Recorder::new(files.clone(), state, host.clock.clone(), listener);
    reopened.refuse_strangers_work(&files, &recorder.state)?;

    let mut events = source.events(&recorder.state);
    events.append(&mut reopened.events);
    recorder.record_all(RESUME, &events)?;
    let phase = match rules::reentry(&recorder.state) {
        // The work of the open phase went with the tree.
        Phase::Verify | Phase::Review | Phase::Checkpoint if reopened.lost_work => Phase::Implement,
        phase => phase,
    };
    events = scope_events(&recorder.state, &snapshot, &config);
    events.push(Event::RunResumed(Box::new(RunResumed {
        resume_phase: phase,
        checkpoint_sha: recorder.state.checkpoint_commit_sha.clone(),
        resume_from_milestone_index: recorder.state.milestone_index,
        remaining_milestones: recorder
            .state
            .milestones
            .len()
            .saturating_sub(recorder.state.milestone_index),
        options,
    })));
    recorder.record_all(RESUME, &events)?;
    if config != snapshot {
        let changed = Snapshot {
            config: config.clone(),
            task_text: task_text.clone(),
        };
        changed.write(&files)?;
    }
    let ownership =
        Ownership::with_lock(&files, owner_lock, reopened.tree_lock, host.clock.clone())?;
    let context = context_of(
        host,
        layout,
        run_id,
        reopened.git,
        config,
        workers,
        &recorder.state,
        &task_text,
    )?;
    let baseline = baseline_of(&context, &files, &recorder.state, &reopened.status)?;
    let mut driver = Driver::new(context, recorder, Some(ownership), baseline);
    driver.guard_tree()?;
    driver.adopt_checkpoint()?;
    Ok(driver)
}

/// The run that is meant; without an argument the newest one that is not complete.
fn choose(layout: &Layout, argument: Option<&str>) -> Result<RunId> {
    let ids = layout.store().ids()?;
    if let Some(argument) = argument {
        return runr_core::phase::ops::resolve_run(&ids, argument);
    }
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
        Some(source) => Ok(load_config(Some(source), layout)?.0),
        None => Ok(snapshot.clone()),
    }
}

fn overridden(options: &RunOptions, request: &ResumeRequest) -> RunOptions {
    let defaults = RunOptions::default();
    RunOptions {
        allow_deps: request.allow_deps.unwrap_or(options.allow_deps),
        time_minutes: request.time_minutes.unwrap_or(defaults.time_minutes),
        max_ticks: request.max_ticks.unwrap_or(defaults.max_ticks),
        ..options.clone()
    }
}

/// Takes the run. The lock of a dead driver may be held for a moment longer by its last git child,
/// which is waited for: two of them must never work in one tree.
fn take_over(files: &RunFiles, host: &Host) -> Result<LockGuard> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match owner::take_owner_lock(files, &host.storage) {
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
fn end_what_is_left(files: &RunFiles, host: &Host) -> Result<State> {
    let mut state = files.state()?;
    let worker = state
        .in_flight
        .as_ref()
        .and_then(|call| call.process.clone());
    for child in worker.iter().chain(state.running_command.iter()) {
        process::kill_group_of(child, files.run_id().as_str()).map_err(|source| {
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
    }
    Ok(state)
}

/// The tree of a run that is opened again.
struct Reopened {
    git: Git,
    tree_lock: LockGuard,
    status: TreeStatus,
    /// Whether uncommitted work of the run is gone.
    lost_work: bool,
    events: Vec<Event>,
}

impl Reopened {
    fn new(layout: &Layout, run_id: &RunId, state: &State, git: &Git, host: &Host) -> Result<Self> {
        let tree = Utf8PathBuf::from(&state.repo_path);
        let mut events = Vec::new();
        let mut lost_work = false;
        if state.options.worktree {
            let half_made = state.worktree_path.is_none() && tree.exists();
            if half_made {
                remove_half_made(git, &tree)?;
            }
            if !tree.exists() {
                let made = worktree::add_again(
                    host,
                    layout,
                    git,
                    &tree,
                    state.expected_head(),
                    state.branch.as_deref(),
                )?;
                lost_work = state.open_phase.is_some();
                events.push(if state.worktree_path.is_none() {
                    Event::WorktreeCreated(made)
                } else {
                    Event::WorktreeRecreated(made)
                });
            }
        } else if !tree.is_dir() {
            return Err(Error::new(
                Code::WorktreeMissing,
                format!("Worktree is missing: {tree}"),
            )
            .at(tree));
        }
        let tree_lock = owner::take_tree(&host.storage, &layout.runs_dir(), &tree)?;
        let git = git.at(&tree);
        if state.options.worktree {
            remove_stale_index_lock(&git)?;
        } else if state.worktree_path.is_none() && state.open_phase.is_none() {
            put_on_branch(&git, state, run_id)?;
        }
        let status = git.status()?;
        Ok(Self {
            git,
            tree_lock,
            status,
            lost_work,
            events,
        })
    }

    /// Uncommitted changes are the run's own in its worktree; in the user's checkout only as long as
    /// they are what the run left there. Anything else is not to be mixed with the run's work.
    fn refuse_strangers_work(&self, files: &RunFiles, state: &State) -> Result<()> {
        if state.options.worktree || state.options.allow_dirty {
            return Ok(());
        }
        let left = Leftover::read(files)?;
        let strange = left.strange(self.git.dir(), &self.status)?;
        if strange.is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::WorktreeDirty, "Worktree is dirty")
            .at(self.git.dir())
            .with("files", strange.into_iter().take(10).collect::<Vec<_>>())
            .hint("commit or stash the changes, then resume"))
    }
}

/// The harness died between the record and the switch to the run's branch.
fn put_on_branch(git: &Git, state: &State, run_id: &RunId) -> Result<()> {
    let wanted = worktree::branch_name(run_id);
    let on = git.status()?.branch;
    if state.branch.as_deref() != Some(wanted.as_str()) || on == state.branch {
        return Ok(());
    }
    if worktree::has_branch(git, &wanted)? {
        git.run(&["switch", "--quiet", &wanted])?;
        return Ok(());
    }
    worktree::switch_to_branch(git, &wanted)
}

/// Nothing ever worked in this directory: the harness died while git was making it.
fn remove_half_made(git: &Git, tree: &Utf8Path) -> Result<()> {
    if !git.succeeds(&["worktree", "remove", "--force", "--force", tree.as_str()])? {
        std::fs::remove_dir_all(tree).map_err(|source| Error::io("remove", tree, source))?;
    }
    Ok(())
}

/// The worktree is the run's alone and no process of the run is left, so a lock of its index is a
/// dead git's.
fn remove_stale_index_lock(git: &Git) -> Result<()> {
    let path = Utf8PathBuf::from(
        git.run(&[
            "rev-parse",
            "--path-format=absolute",
            "--git-path",
            "index.lock",
        ])?
        .trim(),
    );
    match std::fs::remove_file(&path) {
        Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", &path, problem))
        }
        _ => Ok(()),
    }
}

/// The last checkpoint that is still part of the branch.
struct Chosen {
    sha: Option<String>,
    milestone_index: usize,
    source: CheckpointSource,
}

impl Chosen {
    /// `completed` milestones end with `sha`; the record beside the runs may be lost, the commit not.
    fn new(layout: &Layout, sha: Option<&String>, completed: usize) -> Self {
        let source = match sha {
            None => CheckpointSource::None,
            Some(sha) if layout.checkpoints().join(format!("{sha}.json")).exists() => {
                CheckpointSource::Record
            }
            Some(_) => CheckpointSource::Commit,
        };
        Self {
            sha: sha.cloned(),
            milestone_index: completed,
            source,
        }
    }
}

fn pick_checkpoint(
    layout: &Layout,
    git: &Git,
    state: &State,
    status: &TreeStatus,
) -> Result<Chosen> {
    for (index, sha) in state.milestone_checkpoints.iter().enumerate().rev() {
        if *sha == status.head || git.is_ancestor(sha, &status.head)? {
            return Ok(Chosen::new(layout, Some(sha), index + 1));
        }
    }
    Ok(Chosen::new(layout, None, 0))
}

impl Chosen {
    fn events(&self, state: &State) -> Vec<Event> {
        let mut events = vec![Event::ResumeCheckpointSelected {
            source: self.source,
            sha: self.sha.clone(),
            milestone_index: i64::try_from(self.milestone_index).unwrap_or(i64::MAX) - 1,
        }];
        if self.milestone_index != state.milestone_index {
            events.push(Event::MilestoneIndexCorrected {
                previous: state.milestone_index,
                corrected_to: self.milestone_index,
                reason: "later checkpoints are no longer part of the branch".into(),
            });
        }
        events
    }
}

fn scope_events(state: &State, snapshot: &Config, config: &Config) -> Vec<Event> {
    if config.scope == snapshot.scope {
        return Vec::new();
    }
    let to = ScopeLock {
        allowlist: config.effective_allowlist(),
        denylist: config.scope.denylist.clone(),
    };
    vec![Event::ScopeChanged {
        from: state.scope_lock.clone(),
        to,
        config_sha256: Some(config.trust_hash()),
    }]
}

fn context_of(
    host: &Host,
    layout: Layout,
    run_id: RunId,
    git: Git,
    config: Config,
    workers: Workers,
    state: &State,
    task_text: &str,
) -> Result<Context> {
    let task = parse_task(task_text)?;
    let stem = state
        .task_path
        .as_deref()
        .and_then(|path| Utf8Path::new(path).file_stem())
        .unwrap_or("task");
    Ok(Context {
        policy: context::policy(&config, state.options.worker.as_deref()),
        env: context::child_env(&run_id),
        min_tier: task.verification_tier,
        task_stem: stem.to_owned(),
        task_text: task.body,
        host: host.clone(),
        layout,
        run_id,
        git,
        config,
        workers,
        compiled: Default::default(),
    })
}

fn baseline_of(
    context: &Context,
    files: &RunFiles,
    state: &State,
    status: &TreeStatus,
) -> Result<Baseline> {
    if let Some(text) = files.cache(BASELINE).read()? {
        return serde_json::from_str(&text).map_err(|problem| {
            Error::new(
                Code::StoreCorrupt,
                format!("Run state is corrupt: {}", files.dir().join(BASELINE)),
            )
            .at(files.dir().join(BASELINE))
            .with("line", problem.line())
        });
    }
    if state.open_phase.is_some() {
        return Ok(Baseline::default()); // An empty one is not written.
    }
    // The harness died before any worker was asked: the tree is still as it was at the start.
    let guard = context.guard(state)?;
    let tree = context.git.dir();
    let dirty = if state.options.worktree {
        Default::default()
    } else {
        guard.dirty_prints(tree, status)?
    };
    let baseline = Baseline {
        guarded: guard.guarded_prints(tree, status)?,
        dirty,
    };
    baseline.save(files)?;
    Ok(baseline)
}

/// What a resume would do.
///
/// # Errors
/// `E_RUN_NOT_FOUND`, `E_STORE_CORRUPT`, and git's failures.
pub(crate) fn plan_resume(
    host: &Host,
    root: &Utf8Path,
    argument: Option<&str>,
) -> Result<serde_json::Value> {
    let layout = Layout::find(&host.cwd.join(root), host)?;
    let run_id = choose(&layout, argument)?;
    let mut state = layout.files(&run_id).state()?;
    if !state.is_stopped() {
        // As a resume would record it first.
        state.stop_reason = Some(StopReason::Interrupted);
    }
    let tree = Utf8PathBuf::from(&state.repo_path);
    let there = tree.is_dir();
    let git = Git::new(&tree);
    let status = if there {
        git.status()?
    } else {
        TreeStatus::default()
    };
    let chosen = if there {
        pick_checkpoint(&layout, &git, &state, &status)?
    } else {
        last_checkpoint(&layout, &state)
    };
    let dirty: Vec<&String> = status
        .changed
        .iter()
        .filter(|path| !path.starts_with(".runr/"))
        .collect();
    let mut warnings = Vec::new();
    if !there {
        warnings.push(format!(
            "the worktree {tree} is missing and would be made again"
        ));
    }
    if driver_lives(&layout.files(&run_id)) {
        warnings.push("the run is still running".to_owned());
    }
    let remaining = state
        .milestones
        .len()
        .saturating_sub(chosen.milestone_index);
    Ok(serde_json::json!({
        "schema_version": 1,
        "run_id": run_id,
        "repo_path": state.repo_root,
        "effective_repo_path": state.repo_path,
        "checkpoint": {
            "sha": chosen.sha,
            "milestone_index": i64::try_from(chosen.milestone_index).unwrap_or(i64::MAX) - 1,
            "source": chosen.source,
        },
        "resume": {
            "from_milestone_index": chosen.milestone_index,
            "phase": rules::reentry(&state),
            "remaining_milestones": remaining,
        },
        "repo_state": {
            "working_tree_clean": dirty.is_empty(),
            "dirty_paths_sample": dirty.iter().take(10).collect::<Vec<_>>(),
            "dirty_count": dirty.len(),
        },
        "delta": {"diffstat": null, "lockfiles_changed": false, "ignored_noise_count": 0, "ignored_noise_sample": []},
        "warnings": warnings,
    }))
}

fn last_checkpoint(layout: &Layout, state: &State) -> Chosen {
    let checkpoints = &state.milestone_checkpoints;
    Chosen::new(layout, checkpoints.last(), checkpoints.len())
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
    let context = Context {
        policy: context::policy(&config, None),
        env: Vec::new(),
        min_tier: None,
        task_stem: String::new(),
        task_text: String::new(),
        git: Git::new(&layout.repo_root),
        host: host.clone(),
        layout,
        run_id,
        config,
        workers: Workers::Host,
        compiled: Default::default(),
    };
    let recorder = Recorder::new(files, state, host.clock.clone(), None);
    Ok(Driver::new(context, recorder, None, Baseline::default()))
}
