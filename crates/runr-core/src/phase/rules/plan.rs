//! What a plan means.

use super::{MAX_LISTED, MAX_TEXT, head, listed, shown, stop_of, stopped};
use crate::glob::Glob;
use crate::mutant::without;
use crate::phase::event::Event;
use crate::phase::model::{Phase, Plan, PlanReply, Stage};
use crate::phase::owned::Collision;
use crate::phase::preset;
use crate::phase::scope::ScopeRules;
use crate::phase::state::State;
use crate::phase::stop::StopReason;

/// What a valid plan reply means. `collisions` are live runs that expect the same files; with
/// `collisions_stop` unset they are recorded, but do not end the run.
#[must_use]
pub fn after_plan(
    state: &State,
    reply: PlanReply,
    scope: &ScopeRules,
    collisions: &[Collision],
    collisions_stop: bool,
) -> Vec<Event> {
    let plan = match reply {
        PlanReply::Rejected { reason, .. } => {
            let reason = head(&reason, MAX_TEXT).to_owned();
            return vec![stopped(state, StopReason::PlanRejection, Some(reason))];
        }
        PlanReply::Plan(plan) => plan,
    };
    let files: Vec<String> = plan
        .milestones
        .iter()
        .filter_map(|m| m.files_expected.clone())
        .flatten()
        .collect();
    let mut outside = outside(&files, scope);
    let presets = suggested_presets(&outside, scope);
    outside.truncate(MAX_LISTED);
    let mut plan = plan;
    // A pattern that cannot be used would forbid everything for ever.
    if let Some(patterns) = &mut plan.do_not_touch {
        patterns.retain(|pattern| Glob::parse(pattern).is_ok());
    }
    let mut events = vec![Event::PlanGenerated(plan)];
    if !outside.is_empty() {
        let mut error = format!(
            "the plan names files outside the scope: {}",
            shown(&outside)
        );
        let mut hint = "widen scope.allowlist or ask for a plan inside it".to_owned();
        if let Some(advice) = preset::advice(&presets) {
            error = format!("{error}; {advice}");
            hint = format!("{advice}, or {hint}");
        }
        events.push(Event::PlanScopeViolation {
            violations: outside,
            allowlist: state.scope_lock.allowlist.clone(),
            suggested_presets: presets,
            hint,
        });
        events.push(stopped(state, StopReason::PlanScopeViolation, Some(error)));
    } else {
        events.extend(collided(state, &files, collisions, collisions_stop));
    }
    events
}

/// The presets that would help. None allows what is denied, or what is not in the repository.
fn suggested_presets(outside: &[String], scope: &ScopeRules) -> Vec<String> {
    let could_be_allowed = |file: &&str| !scope.is_denied(file) && is_in_repository(file);
    let files: Vec<&str> = outside.iter().map(String::as_str).collect();
    let files: Vec<&str> = files.into_iter().filter(could_be_allowed).collect();
    preset::suggested(&files, scope.effective_allowlist())
}

/// The events of planned `files` that live runs expect, too; with `stops` unset they are told only.
#[must_use]
pub fn collided(
    state: &State,
    files: &[String],
    collisions: &[Collision],
    stops: bool,
) -> Vec<Event> {
    let Some(first) = collisions.first() else {
        return Vec::new();
    };
    let mut events = vec![Event::ParallelFileCollision {
        stage: Stage::Plan,
        predicted_files: listed(files),
        collisions: collisions.to_vec(),
    }];
    if stops {
        let error = format!(
            "run {} expects the same files: {}",
            first.run_id,
            shown(&first.colliding_files)
        );
        let mut stop = stop_of(state, StopReason::ParallelFileCollision, Some(error));
        stop.other_run = Some(first.run_id.clone());
        events.push(Event::Stop(Box::new(stop)));
    }
    events
}

/// Whether there is a plan that nobody has begun with. Why it was not begun with may last, or be
/// gone: whoever goes on with the run judges it once more.
#[must_use]
pub fn is_unbegun(state: &State) -> bool {
    state.planned && state.open_phase == Some(Phase::Plan) && !without("plan-judged-again")
}

/// Whether a plan that nobody has begun with names files outside the scope.
#[must_use]
pub fn is_plan_refused(state: &State, scope: &ScopeRules) -> bool {
    is_unbegun(state) && !outside(&state.files_expected(), scope).is_empty()
}

/// The planned files that the run may not touch.
fn outside(files: &[String], scope: &ScopeRules) -> Vec<String> {
    let mut outside = scope.check(files).scope_violations;
    for file in files.iter().filter(|file| !is_in_repository(file)) {
        if !outside.contains(file) {
            outside.push(file.clone());
        }
    }
    outside
}

/// What is wrong with a plan that names directories, of which no check can tell whether they were
/// changed; `is_directory` looks into the tree. Paths that leave it are the scope's business.
#[must_use]
pub fn named_directory(plan: &Plan, mut is_directory: impl FnMut(&str) -> bool) -> Option<String> {
    let mut named =
        |path: &str| is_in_repository(path) && (path.ends_with('/') || is_directory(path));
    plan.milestones
        .iter()
        .enumerate()
        .find_map(|(m, milestone)| {
            let files = milestone.files_expected.as_deref().unwrap_or_default();
            let (f, path) = files.iter().enumerate().find(|(_, path)| named(path))?;
            Some(format!(
                "/milestones/{m}/files_expected/{f}: `{path}` is a directory; name its files"
            ))
        })
}

/// Whether a planned path stays in the working tree.
fn is_in_repository(path: &str) -> bool {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    let mut parts = path.split('/');
    !path.is_empty() && parts.all(|part| !matches!(part, "" | "." | ".." | ".git"))
}
