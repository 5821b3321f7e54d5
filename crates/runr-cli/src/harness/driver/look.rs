//! Looking: what the tree shows, for the guard, the gate and the reviewer.

use std::collections::HashSet;

use camino::Utf8Path;
use runr_core::Result;
use runr_core::mutant::without;
use runr_core::phase::event::Event;
use runr_core::phase::evidence::{EvidenceGate, evidence_gate};
use runr_core::phase::model::Tier;
use runr_core::phase::state::State;
use runr_core::phase::stop::StopReason;
use runr_core::phase::story::Story;
use runr_core::phase::{prompt, rules};
use runr_core::redact::Redactor;

use super::Driver;
use crate::harness::baseline::{digest, prints};
use crate::harness::git::COMMITS_OF_SUBMODULES;
use crate::harness::gitdir::Head;
use crate::harness::inspect::{Seen, inspect};
use crate::harness::process::head_of;
use crate::harness::recorder::SUPERVISOR;
use crate::presence;

impl Driver {
    pub(super) fn look(&self, state: &State) -> Result<Seen> {
        inspect(
            &self.context.git,
            self.context.guard(state)?.as_ref(),
            &self.baseline,
            &self.index,
            state.expected_head(),
        )
    }

    /// The stop for a tree that is no longer on the run's branch.
    pub(super) fn wrong_branch(&self, state: &State, seen: &Seen) -> Option<Vec<Event>> {
        if seen.is_blind() || seen.status.branch == state.branch {
            return None;
        }
        Some(on_another_branch(state, seen.status.branch.clone()))
    }

    /// The stop for a tree that is not the recorded one, or not on the recorded branch, right before
    /// a worker is sent there. Read from git's files: it is asked often, and git is slow to start.
    pub(super) fn out_of_place(&self) -> Result<Option<Vec<Event>>> {
        if without("tree-place") {
            return Ok(None);
        }
        let state = &self.recorder.state;
        let git_dir = self.index.git_dir();
        let tree = self.context.git.dir();
        if !git_dir.is_still_of(tree)? {
            let error = format!("{tree} is not the worktree that the run was given");
            return Ok(Some(mismatch(state, None, error)));
        }
        let branch = match git_dir.head()? {
            Head::Branch(branch) => Some(branch),
            Head::Detached => None,
            Head::Unknown => {
                let args = ["rev-parse", "--symbolic-full-name", "HEAD"];
                let name = self.context.git.run(&args)?;
                name.trim_end()
                    .strip_prefix("refs/heads/")
                    .map(str::to_owned)
            }
        };
        Ok((branch != state.branch).then(|| on_another_branch(state, branch)))
    }

    /// One value for the content of everything that would be committed.
    pub(super) fn content(&self, seen: &Seen) -> Result<String> {
        Ok(digest(&prints(self.context.git.dir(), &seen.to_commit)?))
    }

    /// Judges the tree before anything else is done in it; for a resume, and before a commit.
    pub(crate) fn guard_tree(&mut self) -> Result<()> {
        let seen = self.look(&self.recorder.state)?;
        let state = &self.recorder.state;
        let events = self
            .wrong_branch(state, &seen)
            .unwrap_or_else(|| rules::guard(state, &seen.verdict));
        self.seen = Some(seen);
        self.recorder.record_all(SUPERVISOR, &events)
    }

    pub(super) fn gate(&mut self) -> Result<EvidenceGate> {
        let state = &self.recorder.state;
        let evidence = state.last_verification_evidence.clone().unwrap_or_default();
        let expected = state
            .milestone()
            .and_then(|m| m.files_expected.clone())
            .unwrap_or_default();
        let changed: &[String] = match &self.seen {
            Some(seen) => &seen.verdict.scope.semantic_changed,
            None => &[],
        };
        let tree = self.context.git.dir();
        // A planned file that the change deletes is as good as one that exists, and so is a new
        // directory with the first file in it.
        let in_change = |path: &str| {
            let below = format!("{}/", path.trim_end_matches('/'));
            let is_it = |file: &String| file == path || file.starts_with(&below);
            changed.iter().any(is_it)
        };
        let is_file = |m: std::fs::Metadata| m.is_file() || m.is_symlink();
        let files: Vec<(String, bool)> = expected
            .into_iter()
            .map(|path| {
                let found = presence::link_metadata(&tree.join(&path))?;
                let there = found.is_some_and(is_file) || in_change(&path);
                Ok((path, there))
            })
            .collect::<Result<_>>()?;
        Ok(evidence_gate(
            &evidence.commands_required,
            &evidence.commands_run,
            &files,
            state.options.allow_unverified,
        ))
    }

    /// What the reviewer is shown: summary and patch, then the files git does not know yet.
    pub(super) fn change(&mut self) -> Result<prompt::Change> {
        let head = self.recorder.state.expected_head().to_owned();
        let args = [
            "diff",
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "--stat",
            "-p",
            COMMITS_OF_SUBMODULES,
            &head,
            "--",
        ];
        let told = self.context.git.run_capped(&args, 64 * 1024)?;
        let (stat, patch) = prompt::parts_of_diff(&told);
        let mut patch = patch.to_owned();
        if let Some(seen) = &self.seen {
            let judged: HashSet<&String> = seen.to_commit.iter().collect();
            for path in seen
                .status
                .untracked
                .iter()
                .filter(|path| judged.contains(path))
            {
                if patch.len() > prompt::SHOWN_DIFF {
                    break;
                }
                let text = shown_file(&self.context.git.dir().join(path), &self.context.redactor);
                patch.push_str(&format!("\nnew file {path}\n{text}"));
            }
        }
        // Before it is cut: of half a token nobody can tell that it is one.
        let redactor = &self.context.redactor;
        let diff = prompt::shown_diff(&redactor.text(stat), &redactor.text(&patch));
        let log = self.last_log_of_tier0()?;
        let log = log.map(|log| self.context.run_dir().join(log));
        let check_log = log.map_or(String::new(), |log| head_of(&log, 4096));
        Ok(prompt::Change { diff, check_log })
    }

    /// The log of the last check of tier0 in the last pass. Recorded, and not looked for: anybody
    /// can put a file beside the logs.
    fn last_log_of_tier0(&self) -> Result<Option<String>> {
        let story = Story::of(&self.recorder.files.records()?);
        let chapter = story.chapters.get(self.recorder.state.milestone_index);
        let mut checks = chapter.into_iter().flat_map(|chapter| &chapter.checks);
        let last = checks.rfind(|ran| ran.tier == Tier::Tier0);
        let last = last.and_then(|ran| ran.command_results.last());
        Ok(last.map(|result| result.log.clone()))
    }
}

fn on_another_branch(state: &State, actual: Option<String>) -> Vec<Event> {
    let error = format!(
        "the tree is on {}, not on {}",
        name(actual.as_ref()),
        name(state.branch.as_ref())
    );
    mismatch(state, actual, error)
}

fn mismatch(state: &State, actual: Option<String>, error: String) -> Vec<Event> {
    let stop = rules::stop_of(state, StopReason::WorktreeBranchMismatch, Some(error));
    let mismatch = Event::WorktreeBranchMismatch {
        expected_branch: state.branch.clone(),
        actual,
    };
    vec![mismatch, Event::Stop(Box::new(stop))]
}

/// The beginning of a file. A link is shown as what it is: its target may be anybody's.
fn shown_file(path: &Utf8Path, redactor: &Redactor) -> String {
    match path.read_link_utf8() {
        Ok(target) => format!("-> {target}\n"),
        // More is read than is shown: a secret must not be cut in two before it is found.
        Err(_) if path.is_file() => {
            let text = redactor.text(&head_of(path, 16 * 1024));
            text.chars().take(4096).collect()
        }
        Err(_) => String::new(),
    }
}

fn name(branch: Option<&String>) -> &str {
    branch.map_or("no branch", String::as_str)
}
