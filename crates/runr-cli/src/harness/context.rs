//! Where a run's things are, and what stays the same while it is driven.

use std::cell::RefCell;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::Storage;
use runr_core::id::RunId;
use runr_core::identity::WorkItems;
use runr_core::phase::claim::RunClaim;
use runr_core::phase::config::Config;
use runr_core::phase::event::ScopeLock;
use runr_core::phase::model::{Stage, Tier};
use runr_core::phase::ops::RunFiles;
use runr_core::phase::options::AllowDeps;
use runr_core::phase::prompt::Prompts;
use runr_core::phase::rules::Policy;
use runr_core::phase::scope::{ScopePolicy, ScopeRules};
use runr_core::phase::state::State;
use runr_core::redact::Redactor;
use runr_core::store::RunStore;
use runr_core::{Error, Result};

use super::claim::Claim;
use super::git::{Git, Place};
use super::inspect::Guard;
use super::script::Script;
use super::{orphans, worktree};
use crate::host::Host;
use crate::ownership::environment;

/// The paths of a repository that runr uses.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The main checkout.
    pub(crate) repo_root: Utf8PathBuf,
    pub(crate) worktrees: Utf8PathBuf,
    storage: Storage,
}

impl Layout {
    pub(crate) fn new(place: &Place, host: &Host) -> Self {
        // The common directory of an ordinary repository is `.git` of the main checkout.
        let main = match (place.common_dir.file_name(), place.common_dir.parent()) {
            (Some(".git"), Some(parent)) => parent.to_owned(),
            _ => place.toplevel.clone(),
        };
        Self::at(main, host)
    }

    pub(crate) fn at(repo_root: Utf8PathBuf, host: &Host) -> Self {
        let worktrees = worktree::worktrees_dir(&repo_root, host.var("RUNR_WORKTREES_DIR"));
        Self {
            repo_root,
            worktrees,
            storage: host.storage.clone(),
        }
    }

    /// Finds the main checkout from anywhere in it by looking for `.git`; runs nothing.
    pub(crate) fn find(start: &Utf8Path, host: &Host) -> Result<Self> {
        crate::repository::find_root(start).map(|root| Self::at(root, host))
    }

    pub(crate) fn config_path(&self) -> Utf8PathBuf {
        self.repo_root.join(".runr/runr.config.json")
    }

    pub(crate) fn tasks_dir(&self) -> Utf8PathBuf {
        self.repo_root.join(".runr/tasks")
    }

    pub(crate) fn runs_dir(&self) -> Utf8PathBuf {
        self.repo_root.join(".runr/runs")
    }

    pub(crate) fn checkpoints(&self) -> Utf8PathBuf {
        self.repo_root.join(".runr/checkpoints")
    }

    /// The work items of the repository.
    pub(crate) fn work_items(&self) -> WorkItems {
        WorkItems::open(self.storage.clone(), &self.repo_root)
    }

    pub(crate) fn store(&self) -> RunStore {
        RunStore::open(self.storage.clone(), self.runs_dir())
    }

    pub(crate) fn files(&self, run_id: &RunId) -> RunFiles {
        RunFiles::new(
            self.storage.clone(),
            run_id.clone(),
            self.store().run_dir(run_id),
        )
    }
}

/// Who answers worker calls.
pub(crate) enum Workers {
    /// The program that embeds the driver.
    Host,
    /// A script that stands in for every worker.
    Script(Script),
    /// The configured processes.
    Processes,
}

impl Workers {
    pub(crate) fn of(host: &Host, host_answers: bool) -> Result<Self> {
        match host.var("RUNR_WORKER_SCRIPT") {
            _ if host_answers => Ok(Self::Host),
            Some(path) => Ok(Self::Script(Script::load(&host.cwd.join(path))?)),
            None => Ok(Self::Processes),
        }
    }
}

/// What stays the same while a run is driven.
pub(crate) struct Context {
    pub(crate) host: Host,
    pub(crate) layout: Layout,
    pub(crate) run_id: RunId,
    /// Git in the tree the run works in.
    pub(crate) git: Git,
    pub(crate) config: Config,
    pub(crate) prompts: Prompts,
    pub(crate) policy: Policy,
    pub(crate) task_text: String,
    pub(crate) task_stem: String,
    /// Tiers up to this one run at every milestone.
    pub(crate) min_tier: Option<Tier>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) workers: Workers,
    /// Keeps secrets out of all that the run leaves behind.
    pub(crate) redactor: Redactor,
    pub(crate) compiled: RefCell<Option<Compiled>>,
    /// The claim the run works under, if it needs one, until the run has ended.
    pub(crate) claim: Option<Claim>,
}

/// A guard and what it was compiled from.
pub(crate) struct Compiled {
    scope: ScopeLock,
    allow_deps: AllowDeps,
    guard: Arc<Guard>,
}

impl Context {
    pub(crate) fn run_dir(&self) -> Utf8PathBuf {
        self.layout.store().run_dir(&self.run_id)
    }

    /// The guard for the scope as it stands in the state; compiled once as long as that stays.
    pub(crate) fn guard(&self, state: &State) -> Result<Arc<Guard>> {
        let (scope, allow_deps) = (&state.scope_lock, &state.options.allow_deps);
        let mut compiled = self.compiled.borrow_mut();
        match compiled.as_ref() {
            Some(known) if known.scope == *scope && known.allow_deps == *allow_deps => {}
            _ => {
                let owns = &state.owned_paths.raw;
                *compiled = Some(Compiled {
                    scope: scope.clone(),
                    allow_deps: allow_deps.clone(),
                    guard: Arc::new(guard(&self.config, scope, allow_deps, owns)?),
                });
            }
        }
        let known = compiled.as_ref().map(|known| Arc::clone(&known.guard));
        known.ok_or_else(|| Error::internal("no guard was compiled"))
    }

    /// Makes sure, before a step that leaves traces, that the run may still act on its target.
    pub(crate) fn may_act(&self) -> Result<()> {
        self.claim.as_ref().map_or(Ok(()), Claim::check)
    }

    /// Runs a short step while nobody can take the claim away.
    pub(crate) fn act<T>(&self, step: impl FnOnce() -> Result<T>) -> Result<T> {
        match &self.claim {
            Some(claim) => claim.act(step),
            None => step(),
        }
    }

    /// Where verification commands run.
    pub(crate) fn verification_cwd(&self) -> Utf8PathBuf {
        match self.config.verification.cwd.as_deref() {
            Some(dir) => self.git.dir().join(dir),
            None => self.git.dir().to_owned(),
        }
    }
}

/// The guard for a scope.
pub(crate) fn guard(
    config: &Config,
    scope: &ScopeLock,
    allow_deps: &AllowDeps,
    owns: &[String],
) -> Result<Guard> {
    let rules = ScopeRules::new(&ScopePolicy {
        allowlist: scope.allowlist.clone(),
        denylist: scope.denylist.clone(),
        lockfiles: config.scope.lockfiles.clone(),
        allow_deps: allow_deps.lockfiles(),
        env_allowlist: config.scope.env_allowlist.clone(),
        presets: Vec::new(), // Expanded when the scope was frozen.
    })?;
    Ok(Guard::new(
        rules,
        config.scope.env_allowlist.clone(),
        owns.to_vec(),
        allow_deps.packages().map(<[String]>::to_vec),
    ))
}

/// The policy that configuration and options amount to.
pub(crate) fn policy(config: &Config, worker: Option<&str>) -> Policy {
    let of = |stage| {
        worker
            .unwrap_or_else(|| config.phases.worker_of(stage))
            .to_owned()
    };
    Policy {
        plan_worker: of(Stage::Plan),
        implement_worker: of(Stage::Implement),
        review_worker: of(Stage::Review),
        workers: config.workers.keys().map(str::to_owned).collect(),
        max_review_rounds: config.resilience.max_review_rounds,
    }
}

/// What no log, event or prompt of a run may hold: the secrets of this process's environment, and
/// what looks like one. Only the configuration can turn it off.
pub(crate) fn redactor(config: &Config, host: &Host) -> Redactor {
    if !config.receipts.redact {
        return Redactor::off();
    }
    Redactor::new(&host.secrets())
}

/// The variables every child of a run gets: whom it works for, and under which claim.
pub(crate) fn child_env(
    run_id: &RunId,
    run_dir: &Utf8Path,
    claim: Option<&RunClaim>,
) -> Vec<(String, String)> {
    let whom = claim.map_or(run_id.as_str(), |claim| claim.run_id.as_str());
    let variables = environment(whom, claim.map(|claim| (claim.token, &claim.target)));
    let mut env: Vec<(String, String)> = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    env.push((orphans::MARK.to_owned(), run_dir.to_string()));
    env
}
