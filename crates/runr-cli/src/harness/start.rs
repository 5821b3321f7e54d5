//! From a checked request to a recorded run with a tree to work in.

mod ahead;
mod begin;
mod preflight;
mod refusal;

use runr_core::fs::LockGuard;
use runr_core::id::RunId;
use runr_core::mutant::without;
use runr_core::phase::config::Config;
use runr_core::phase::event::{Event, RunStarted, ScopeLock, TaskPaths, Worktree};
use runr_core::phase::rules;
use runr_core::phase::state::State;
use runr_core::phase::task::Task;
use runr_core::phase::watchdog::Limits;
use runr_core::{Error, Result};

use super::account::Account;
use super::baseline::Baseline;
use super::claim::Claim;
use super::context::{self, Context, Workers};
use super::driver::{Driver, reason_of};
use super::fingerprint::Fingerprint;
use super::git::{Git, TreeStatus};
use super::gitdir::GitDir;
use super::index::{Flags, OwnIndex};
use super::inspect::Guard;
use super::item;
use super::notify::Notify;
use super::owner::{self, Ownership};
use super::ping;
use super::prompts;
use super::recorder::{Listener, Recorder, SUPERVISOR};
use super::request::Prepared;
use super::setup;
use super::snapshot::config_sha256;
use super::submit::end_killed_submissions;
use super::task_file::task_name;
use super::task_log;
use super::trust::TrustStore;
use super::worktree;
use crate::host::Host;
use ahead::look_ahead;
use begin::{begin, expect_free_target};
use refusal::{refusal, refuse};

/// Starts a run: directory, claim, record, preflight, tree. A refusal by the preflight is recorded
/// and carries `run_id` and `run_dir` in its context.
pub(crate) fn start(
    mut prepared: Prepared,
    host: &Host,
    listener: Option<Listener>,
) -> Result<Driver> {
    let host = &host.below();
    let workers = Workers::of(host, prepared.host_answers)?;
    let limits = Limits::new(&prepared.config, |name| host.var(name))?;
    expect_free_target(&prepared, host)?;
    let tree_lock = take_ground(&prepared, host)?;
    let scope = frozen_scope(&prepared.config, &prepared.task);
    let guard = guard_of(&prepared, &scope)?;
    let (status, preflight) = look_ahead(&prepared, host, &guard)?;
    if !prepared.options.worktree && !without("base-locked") {
        // Until the tree was locked it was free for everybody.
        prepared.place.head.clone_from(&status.head);
        prepared.place.branch.clone_from(&status.branch);
    }
    approve_callers_commands(host, &prepared)?;
    let verdict = preflight.guard.clone();
    let refusal = (!verdict.ok).then(|| refusal(&preflight));
    let begun = begin(&prepared, host, verdict.ok)?;
    let (run, claim) = (begun.run, begun.claim);
    prepared.git = prepared.git.clone().holding(begun.ownership.inheritable()?);
    let redactor = context::redactor(&prepared.config, host);
    let files = prepared.layout.files(&run.run_id).redacting(redactor);
    let (clock, git) = (host.clock.clone(), prepared.git.clone());
    let mut recorder = Recorder::new(files, State::default(), clock, listener, git);
    let mut started = run_started(&prepared, &run.run_id, scope, &status);
    started.work_item = begun.item;
    started.snapshot_sha256 = Some(begun.snapshot_sha256);
    started.limits = Some(limits);
    started.claim = claim.as_ref().map(|claim| claim.facts().clone());
    let item = started.work_item.clone();
    let events = [
        Event::RunStarted(Box::new(started)),
        Event::Preflight(Box::new(preflight)),
    ];
    recorder.record_all(SUPERVISOR, &events)?;
    if let Some(refusal) = refusal {
        let refusal = refuse(&mut recorder, &run, &verdict, refusal)?;
        // The refusal is what there is to tell.
        drop(task_log::refused(
            host,
            &prepared.layout,
            &run.run_id,
            &recorder.state,
        ));
        return Err(refusal);
    }
    let locks = (begun.ownership, tree_lock);
    let layout = prepared.layout.clone();
    let settled = item::link(&prepared, item.as_deref(), &run.run_id)
        .and_then(|()| claim.as_ref().map_or(Ok(()), Claim::check))
        .and_then(|()| settle_in(&prepared, host, &mut recorder, &guard, status, locks));
    match settled {
        Ok(ready) => {
            let fresh = prepared.options.worktree
                && setup::is_wanted(&prepared.config, &prepared.layout.repo_root)?;
            let context = context_of(prepared, host, run.run_id, ready.git, workers, claim)?;
            let owned = Some(ready.ownership);
            let mut driver = Driver::new(context, recorder, owned, ready.baseline, ready.index);
            driver.note_begun();
            if fresh {
                driver.prepare_first();
            }
            Ok(driver)
        }
        Err(error) => {
            // What is recorded must end with a reason, however it failed.
            let words = Some(error.to_string());
            let stop = rules::stop_of(&recorder.state, reason_of(&error), words);
            recorder.record(SUPERVISOR, &Event::Stop(Box::new(stop)))?;
            drop(task_log::refused(
                host,
                &layout,
                &run.run_id,
                &recorder.state,
            ));
            let notify = Notify::new(&prepared.config, &prepared.layout, &run.run_id, host);
            let problem = notify.tell(&mut recorder, host.clock.now());
            let error = error.with("run_id", run.run_id.as_str());
            Err(problem
                .into_iter()
                .fold(error, |error, words| error.with("warning", words)))
        }
    }
}

/// Makes room for runs in the repository, and takes the user's tree if the run works there.
fn take_ground(prepared: &Prepared, host: &Host) -> Result<Option<LockGuard>> {
    let runs_dir = prepared.layout.runs_dir();
    host.make_dirs(&runs_dir)?;
    worktree::exclude_own_roots(host, &prepared.place)?;
    end_killed_submissions(host, &prepared.layout);
    if prepared.options.worktree {
        return Ok(None);
    }
    owner::take_tree(&host.storage, &runs_dir, &prepared.place.toplevel).map(Some)
}

fn guard_of(prepared: &Prepared, scope: &ScopeLock) -> Result<Guard> {
    let owns = &prepared.task.owns_raw;
    let allow_deps = &prepared.options.allow_deps;
    context::guard(&prepared.config, scope, allow_deps, owns)
}

/// A recorded run with a tree to work in.
struct Ready {
    git: Git,
    ownership: Ownership,
    baseline: Baseline,
    index: OwnIndex,
}

fn settle_in(
    prepared: &Prepared,
    host: &Host,
    recorder: &mut Recorder,
    guard: &Guard,
    before: TreeStatus,
    (mut ownership, tree_lock): (Ownership, Option<LockGuard>),
) -> Result<Ready> {
    let files = recorder.files.clone();
    let in_place = tree_lock.is_some();
    let (git, tree_lock) = make_tree(prepared, recorder, files.run_id(), tree_lock, host)?;
    ownership.hold_tree(tree_lock);
    // A fresh worktree holds what is committed and nothing else.
    let mut baseline = Baseline::default();
    if in_place {
        baseline.guarded = guard.guarded_prints(git.dir(), &before)?;
        baseline.dirty = guard.dirty_prints(git.dir(), &before)?;
    }
    let git_dir = GitDir::of(git.dir())?;
    baseline.rules = git_dir.rules()?;
    baseline.account = Account::observe(host, &git)?;
    let index = OwnIndex::take(git_dir, files.dir())?;
    if in_place {
        baseline.flags = Flags::of(&git.clone().judging_by(index.path()))?;
    }
    baseline.save(&files)?;
    let versions = ping::versions(&prepared.binary);
    Fingerprint::take(host, git.dir(), versions)?.write(&files)?;
    Ok(Ready {
        git: git.judging_by(index.path()),
        ownership,
        baseline,
        index,
    })
}

fn context_of(
    prepared: Prepared,
    host: &Host,
    run_id: RunId,
    git: Git,
    workers: Workers,
    claim: Option<Claim>,
) -> Result<Context> {
    let prompts = prompts::templates(&prepared.prompts, &prepared.layout)?;
    let stem = prepared
        .task_path
        .as_ref()
        .and_then(|path| path.file_stem());
    let run_dir = prepared.layout.store().run_dir(&run_id);
    let branch = planned_branch(&prepared, &run_id);
    let mut env = context::child_env(&run_id, &run_dir, claim.as_ref().map(Claim::facts));
    env.extend(setup::variables(
        &prepared.layout.repo_root,
        git.dir(),
        branch.as_deref(),
    ));
    Ok(Context {
        policy: context::policy(&prepared.config, prepared.options.worker.as_deref()),
        prompts,
        redactor: context::redactor(&prepared.config, host),
        env,
        min_tier: prepared.task.verification_tier,
        task_stem: stem.unwrap_or("task").to_owned(),
        run_id,
        host: host.clone(),
        layout: prepared.layout,
        git,
        config: prepared.config,
        task_text: prepared.task.body,
        workers,
        compiled: Default::default(),
        claim,
    })
}

/// What would refuse this run now; nothing is written.
pub(crate) fn would_refuse(prepared: &Prepared, host: &Host) -> Result<Option<Error>> {
    expect_free_target(prepared, host)?;
    let scope = frozen_scope(&prepared.config, &prepared.task);
    let guard = guard_of(prepared, &scope)?;
    let (_, preflight) = look_ahead(prepared, host, &guard)?;
    Ok((!preflight.guard.ok).then(|| refusal(&preflight)))
}

/// The scope of a run: the configuration's, and what its task adds.
pub(crate) fn frozen_scope(config: &Config, task: &Task) -> ScopeLock {
    let mut allowlist = config.effective_allowlist();
    for pattern in &task.allowlist_add {
        // An empty allowlist allows everything already; adding to it would narrow the scope.
        if !allowlist.is_empty() && !allowlist.contains(pattern) {
            allowlist.push(pattern.clone());
        }
    }
    ScopeLock {
        allowlist,
        denylist: config.scope.denylist.clone(),
    }
}

/// Commands the caller gave are trusted by that; a resume must not ask for them again.
fn approve_callers_commands(host: &Host, prepared: &Prepared) -> Result<()> {
    let hash = prepared.config.trust_hash();
    let root = &prepared.layout.repo_root;
    if host.var("RUNR_TRUST_CONFIG") == Some(hash.as_str()) {
        return Ok(());
    }
    let store = TrustStore::open(host)?;
    if store.is_approved(root, &hash)? {
        Ok(())
    } else {
        store.approve(root, &hash)
    }
}

fn planned_branch(prepared: &Prepared, id: &RunId) -> Option<String> {
    let stays = prepared.options.no_branch;
    match (prepared.options.worktree, stays) {
        (true, true) => None,
        (false, true) => prepared.place.branch.clone(),
        _ => Some(worktree::branch_name(id)),
    }
}

fn planned_tree(prepared: &Prepared, id: &RunId) -> String {
    if prepared.options.worktree {
        prepared.layout.worktrees.join(id.as_str()).to_string()
    } else {
        prepared.place.toplevel.to_string()
    }
}

fn run_started(
    prepared: &Prepared,
    id: &RunId,
    scope_lock: ScopeLock,
    status: &TreeStatus,
) -> RunStarted {
    RunStarted {
        run_id: id.to_string(),
        task: prepared.task.name().to_owned(),
        task_path: prepared
            .task_path
            .as_ref()
            .map(|path| task_name(path, &prepared.place.toplevel, &prepared.layout)),
        work_item: None,
        snapshot_sha256: None,
        claim: None,
        repo_root: prepared.layout.repo_root.to_string(),
        repo_path: planned_tree(prepared, id),
        scope_lock,
        owned_paths: TaskPaths {
            raw: prepared.task.owns_raw.clone(),
            normalized: prepared.task.owns_normalized.clone(),
        },
        options: prepared.options.clone(),
        base_sha: prepared.place.head.clone(),
        branch: planned_branch(prepared, id),
        config_sha256: config_sha256(&prepared.config),
        current_branch: prepared.place.branch.clone(),
        changed_files: status.changed.iter().take(1000).cloned().collect(),
        milestones: prepared.task.fallback_milestones.clone(),
        limits: None,
    }
}

fn make_tree(
    prepared: &Prepared,
    recorder: &mut Recorder,
    id: &RunId,
    tree_lock: Option<LockGuard>,
    host: &Host,
) -> Result<(Git, LockGuard)> {
    let branch = planned_branch(prepared, id);
    if let Some(lock) = tree_lock {
        if let Some(name) = branch.filter(|_| !prepared.options.no_branch) {
            worktree::switch_to_branch(&prepared.git, &name)?;
        }
        return Ok((prepared.git.clone().pinned(), lock));
    }
    let made: Worktree = worktree::add(
        host,
        &prepared.layout,
        &prepared.git,
        planned_tree(prepared, id).as_str().into(),
        &prepared.place.head,
        branch.as_deref(),
    )?;
    let dir = made.worktree_path.clone();
    recorder.record(SUPERVISOR, &Event::WorktreeCreated(made))?;
    let lock = owner::take_tree(
        &host.storage,
        &prepared.layout.runs_dir(),
        dir.as_str().into(),
    )?;
    Ok((prepared.git.at(dir).pinned(), lock))
}
