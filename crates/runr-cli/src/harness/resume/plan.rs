//! What a resume would do, told without doing it.

use camino::Utf8PathBuf;
use runr_core::Result;
use runr_core::phase::config::Config;
use runr_core::phase::event::{CheckpointSource, Delta, Event, Record};
use runr_core::phase::ops::RunFiles;
use runr_core::phase::rules::{self, Since};
use runr_core::phase::state::State;
use runr_core::phase::stop::StopReason;
use runr_core::phase::task::parse_task;

use super::choice::Chosen;
use super::delta::delta;
use super::environment::Environment;
use super::{choose, chosen_config, overrides, probe, scope_change};
use crate::harness::baseline::Leftover;
use crate::harness::context::{self, Layout};
use crate::harness::dead::driver_lives;
use crate::harness::git::{Git, TreeStatus};
use crate::harness::ping::Versions;
use crate::harness::request::{ResumeRequest, file_of};
use crate::harness::snapshot::Snapshot;
use crate::harness::{checkpoint, trust};
use crate::host::Host;
use crate::presence;

/// What a resume would do.
///
/// # Errors
/// `E_RUN_NOT_FOUND`, `E_STORE_CORRUPT`, `E_UNTRUSTED`, and git's failures.
pub(crate) fn plan_resume(host: &Host, request: &ResumeRequest) -> Result<serde_json::Value> {
    let layout = Layout::find(&host.cwd.join(&request.root), host)?;
    let run_id = choose(&layout, request.run_id.as_deref())?;
    let files = layout.files(&run_id);
    let state = files.state()?;
    let Snapshot {
        config: snapshot,
        task_text,
        ..
    } = Snapshot::read(&files, state.snapshot_sha256.as_deref())?;
    // Looking at a tree runs git, and git runs what its repository configures.
    let config = chosen_config(request, &layout, &snapshot)?;
    if config.command_list() != Config::default().command_list() {
        trust::check(host, &layout.repo_root, &config, file_of(&request.config))?;
    }
    let task = parse_task(&task_text)?;
    let mut look = Look::at(host, request, layout, files, state, &config)?;
    let scope = scope_change(&look.state, &snapshot, &config, &task);
    let frozen = scope.as_ref().unwrap_or(&look.state.scope_lock);
    let options = overrides::options(&look.state.options, request);
    let guard = context::guard(&config, frozen, &options.allow_deps, &task.owns_raw)?;
    let chosen = look.chosen()?;
    let warnings = look.warnings(request, &chosen)?;
    look.foresee(&chosen);
    let (state, status) = (&look.state, &look.status);
    let delta = match &look.git {
        Some(git) => delta(git, &config, &guard, status, state.expected_head())?,
        None => Delta::default(),
    };
    let dirty: Vec<&String> = status
        .changed
        .iter()
        .filter(|path| !path.starts_with(".runr/"))
        .collect();
    let remaining = state.milestones.len().saturating_sub(state.milestone_index);
    let since = Since {
        plan_refused: rules::is_plan_refused(state, &guard.scope),
        other_tree: look.git.is_none() || look.moves(request),
        other_checks: config.verification != snapshot.verification,
    };
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
            "from_milestone_index": state.milestone_index,
            "phase": rules::reentry(state, since),
            "remaining_milestones": remaining,
        },
        "repo_state": {
            "working_tree_clean": dirty.is_empty(),
            "dirty_paths_sample": dirty.iter().take(10).collect::<Vec<_>>(),
            "dirty_count": dirty.len(),
        },
        "delta": delta,
        "warnings": warnings,
    }))
}

/// A run and its tree as they are.
struct Look {
    layout: Layout,
    files: RunFiles,
    /// As a resume would record it first.
    state: State,
    /// In the tree; absent if that is gone.
    git: Option<Git>,
    status: TreeStatus,
    environment: Option<Environment>,
    /// Why a worker cannot be started.
    trouble: Option<String>,
    died_at_work: bool,
}

impl Look {
    fn at(
        host: &Host,
        request: &ResumeRequest,
        layout: Layout,
        files: RunFiles,
        mut state: State,
        config: &Config,
    ) -> Result<Self> {
        let died_at_work = state.in_flight.is_some() || state.running_command.is_some();
        if !state.is_stopped() {
            state.stop_reason = Some(StopReason::Interrupted);
        }
        let tree = Utf8PathBuf::from(&state.repo_path);
        let git = presence::is_dir(&tree)?.then(|| Git::new(&tree));
        let status = git.as_ref().map(Git::status).transpose()?;
        let status = status.unwrap_or_default();
        let (mut versions, mut trouble) = (Versions::new(), None);
        match probe(request, host, &layout, config, &state) {
            Ok(asked) => versions = asked,
            Err(error) => trouble = Some(error.to_string()),
        }
        let environment = match &git {
            Some(git) => {
                let compared = Environment::compare(host, git, &files, &state, &status, versions)?;
                Some(compared)
            }
            None => None,
        };
        Ok(Self {
            layout,
            files,
            state,
            git,
            status,
            environment,
            trouble,
            died_at_work,
        })
    }

    fn chosen(&self) -> Result<Chosen> {
        let (layout, state) = (&self.layout, &self.state);
        let Some(git) = &self.git else {
            return Ok(Chosen::recorded(layout, state));
        };
        let head = &self.status.head;
        if state.committing && head != state.expected_head() {
            let (run_id, milestone) = (self.files.run_id(), state.milestone_index);
            if let Some(made) = checkpoint::find(git, run_id, milestone, head)? {
                return Ok(Chosen {
                    sha: Some(made.sha),
                    milestone_index: milestone + 1,
                    source: CheckpointSource::Commit,
                });
            }
        }
        Chosen::on_branch(layout, git, state, &self.status)
    }

    /// Folds in what a resume would record before it goes on.
    fn foresee(&mut self, chosen: &Chosen) {
        let mut events = Vec::new();
        match (&chosen.sha, chosen.milestone_index) {
            (Some(commit), done) if done > self.state.milestone_index => {
                events.push(Event::CheckpointComplete {
                    commit: commit.clone(),
                    milestone_index: done - 1,
                    tree: String::new(),
                    sidecar_written: true,
                });
            }
            _ => events.extend(chosen.events(&self.state)),
        }
        let Some(now) = self.state.updated_at else {
            return; // Never recorded: there is nothing to go on with.
        };
        for event in &events {
            let record = Record::new(self.state.seq + 1, now, "resume", event);
            self.state.fold_in(&record);
        }
    }

    fn moves(&self, request: &ResumeRequest) -> bool {
        let other = self.git.is_some() && self.status.branch != self.state.branch;
        other && request.force_branch && self.status.branch.is_some()
    }

    /// What stands in the way, or would surprise.
    fn warnings(&self, request: &ResumeRequest, chosen: &Chosen) -> Result<Vec<String>> {
        let state = &self.state;
        let mut warnings = Vec::new();
        let mut warn = |text: String| warnings.push(text);
        if state.is_complete() {
            warn("the run is already complete".to_owned());
        }
        if driver_lives(&self.files) {
            warn("the run is still running".to_owned());
        }
        if self.git.is_none() {
            let tree = &state.repo_path;
            warn(format!(
                "the worktree {tree} is missing and would be made again"
            ));
        }
        if let Some(trouble) = &self.trouble {
            warn(trouble.clone());
        }
        if let Some(environment) = &self.environment {
            for it in &environment.differences {
                let (field, was, now) = (&it.field, &it.original, &it.current);
                warn(format!(
                    "the environment has changed: {field} was {was}, is {now}"
                ));
            }
        }
        if self.git.is_some() && self.status.branch != state.branch {
            let name = |branch: &Option<String>| branch.clone().unwrap_or("no branch".to_owned());
            let (on, wanted) = (name(&self.status.branch), name(&state.branch));
            let then = if self.moves(request) {
                "the run would go on there"
            } else {
                "the run would stop with worktree_branch_mismatch"
            };
            warn(format!("the tree is on {on}, not on {wanted}: {then}"));
        }
        if chosen.milestone_index < state.milestone_index {
            let loss = chosen.loss(state);
            warn(format!("checkpoints would not be used, {loss}"));
        }
        let options = &state.options;
        if options.approve_plan && !options.fast && state.planned && !state.plan_approved {
            let id = &state.run_id;
            warn(format!("the plan is not approved: runr approve {id}"));
        }
        let strange = self.strangers_work()?;
        if !strange.is_empty() {
            let then = if request.auto_stash {
                "would be stashed"
            } else {
                "are not the run's: it would be refused without --auto-stash"
            };
            warn(format!("{} changed files {then}", strange.len()));
        }
        Ok(warnings)
    }

    fn strangers_work(&self) -> Result<Vec<String>> {
        let options = &self.state.options;
        match &self.git {
            Some(git) if !options.worktree && !options.allow_dirty && !self.died_at_work => {
                Leftover::read(&self.files)?.strange(git.dir(), &self.status)
            }
            _ => Ok(Vec::new()),
        }
    }
}
