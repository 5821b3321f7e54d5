//! What an implementer's answer means, judged by the tree.

use super::{MAX_LISTED, MAX_TEXT, head, listed, shown, stopped};
use crate::mutant::without;
use crate::phase::event::{Event, GuardViolation, ImplementComplete};
use crate::phase::evidence::check_no_changes_evidence;
use crate::phase::model::{ImplementReply, ImplementStatus};
use crate::phase::owned::OwnedPaths;
use crate::phase::scope::ScopeResult;
use crate::phase::state::State;
use crate::phase::stop::StopReason;

/// What the harness saw in the tree after an implementer's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Verdict on everything that differs from the last checkpoint.
    pub scope: ScopeResult,
    /// Files a worker must never touch: runr's own, and denied files git ignores.
    pub protected: Vec<String>,
    /// Manifests that changed in packages which the run may not touch.
    pub foreign: ForeignPackages,
    /// Verdict on the task's own paths; absent when it claims none.
    pub owned: Option<OwnedPaths>,
    /// Why the history itself is not acceptable, if it is not.
    pub history: Option<String>,
}

/// Manifests with changes of packages that a run may not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignPackages {
    /// The manifests.
    pub manifests: Vec<String>,
    /// What is wrong with each.
    pub objections: Vec<String>,
}

impl ForeignPackages {
    /// The reason in one line; nothing if there is none.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        let all = shown(&self.objections);
        (!all.is_empty()).then(|| format!("packages that --allow-deps does not name: {all}"))
    }
}

impl Inspection {
    /// The violation this inspection found, if any.
    #[must_use]
    pub fn violation(&self) -> Option<GuardViolation> {
        let mut scope_violations = self.scope.scope_violations.clone();
        for file in &self.protected {
            if !scope_violations.contains(file) {
                scope_violations.push(file.clone());
            }
        }
        let mut lockfile_violations = self.scope.lockfile_violations.clone();
        lockfile_violations.extend(self.foreign.manifests.iter().cloned());
        let clean =
            scope_violations.is_empty() && lockfile_violations.is_empty() && self.history.is_none();
        (!clean).then(|| GuardViolation {
            scope_violations,
            lockfile_violations,
            why: self.history.clone().or_else(|| self.foreign.why()),
        })
    }
}

/// The events of a violation, or nothing when the tree is as it may be.
#[must_use]
pub fn guard(state: &State, inspection: &Inspection) -> Vec<Event> {
    if without("guard") {
        return Vec::new();
    }
    if let Some(violation) = inspection.violation() {
        return violated(state, violation);
    }
    match &inspection.owned {
        Some(owned) if !owned.ok => {
            let error = format!(
                "changes outside the task's own paths: {}",
                shown(&owned.violating_files)
            );
            vec![
                Event::OwnershipViolation {
                    owned_paths: owned.owned_paths.clone(),
                    semantic_changed: listed(&owned.semantic_changed),
                    violating_files: listed(&owned.violating_files),
                },
                stopped(state, StopReason::OwnershipViolation, Some(error)),
            ]
        }
        _ => Vec::new(),
    }
}

fn violated(state: &State, mut violation: GuardViolation) -> Vec<Event> {
    let files = violation.files();
    violation.scope_violations.truncate(MAX_LISTED);
    violation.lockfile_violations.truncate(MAX_LISTED);
    let why = violation
        .why
        .clone()
        .unwrap_or_else(|| "files outside the scope".to_owned());
    let error = if files.is_empty() {
        why
    } else {
        format!("{why}: {}", shown(&files))
    };
    vec![
        Event::GuardViolation(violation),
        stopped(state, StopReason::GuardViolation, Some(error)),
    ]
}

/// What an implementer's answer means, judged by what the tree shows and not by the answer.
#[must_use]
pub fn after_implement(
    state: &State,
    reply: &ImplementReply,
    inspection: &Inspection,
) -> Vec<Event> {
    if matches!(
        reply.status,
        ImplementStatus::Blocked | ImplementStatus::Failed
    ) {
        return vec![stopped(
            state,
            StopReason::ImplementBlocked,
            Some(head(&reply.handoff_memo, MAX_TEXT).to_owned()),
        )];
    }
    let guarded = guard(state, inspection);
    if !guarded.is_empty() {
        return guarded;
    }
    let changed = &inspection.scope.semantic_changed;
    // Nobody talks a failed check away, and without PLAN and REVIEW the checks are all there is.
    let must_verify = state.last_verify_failure.is_some() || state.options.fast;
    let claimed = reply.status == ImplementStatus::NoChangesNeeded;
    let no_work_before = !state.has_earlier_work() && !without("unchanged-tree");
    if claimed && !changed.is_empty() && no_work_before {
        return no_changes(state, reply, changed);
    }
    if claimed && changed.is_empty() && !must_verify {
        return no_changes(state, reply, changed);
    }
    vec![implemented(reply, changed, None)]
}

/// The events of a commit that would hold something else than what was verified.
#[must_use]
pub fn changed_after_verify(state: &State, files: &[String]) -> Vec<Event> {
    violated(
        state,
        GuardViolation {
            scope_violations: files.to_vec(),
            lockfile_violations: Vec::new(),
            why: Some("files changed after the checks had passed".into()),
        },
    )
}

fn no_changes(state: &State, reply: &ImplementReply, changed: &[String]) -> Vec<Event> {
    if !changed.is_empty() {
        return violated(
            state,
            GuardViolation {
                scope_violations: changed.to_vec(),
                lockfile_violations: Vec::new(),
                why: Some("the worker answered no_changes_needed but changed files".into()),
            },
        );
    }
    let verdict = check_no_changes_evidence(reply.evidence.as_ref(), &state.scope_lock.allowlist);
    match verdict.satisfied_by {
        Some(by) => vec![
            Event::NoChangesEvidenceOk {
                satisfied_by: by.clone(),
            },
            implemented(reply, changed, Some(by)),
        ],
        None => {
            let error = verdict.errors.join("; ");
            vec![
                Event::NoChangesEvidenceFailed {
                    errors: verdict.errors,
                    evidence_provided: reply.evidence.is_some(),
                },
                stopped(state, StopReason::InsufficientEvidence, Some(error)),
            ]
        }
    }
}

fn implemented(reply: &ImplementReply, changed: &[String], satisfied_by: Option<String>) -> Event {
    Event::ImplementComplete(ImplementComplete {
        changed_files: changed.iter().take(MAX_LISTED).cloned().collect(),
        handoff_memo: head(&reply.handoff_memo, MAX_TEXT).to_owned(),
        no_changes_needed: satisfied_by.is_some(),
        evidence_satisfied_by: satisfied_by,
    })
}
