//! What the preparation of a worktree means for its run.

use super::{listed, shown, stop_of};
use crate::phase::event::{Event, GuardViolation, Stop};
use crate::phase::state::State;
use crate::phase::stop::StopReason;

/// The end of a run in whose fresh worktree something differs from what is committed: before a
/// worker was asked that can only be the preparation's doing, or git's.
#[must_use]
pub fn dirty_after(state: &State, what: &str, files: &[String]) -> Vec<Event> {
    if files.is_empty() {
        return Vec::new();
    }
    let why = format!("{what} left the worktree with changes");
    let error = format!("guard violation: {why}: {}", shown(files));
    vec![
        Event::GuardViolation(GuardViolation {
            scope_violations: listed(files),
            lockfile_violations: Vec::new(),
            why: Some(why),
        }),
        super::stopped(state, StopReason::GuardViolation, Some(error)),
    ]
}

/// The end of a run whose worktree could not be prepared; `log` holds what the command said.
#[must_use]
pub fn after_setup(state: &State, error: String, log: &str, out_of_time: bool) -> Stop {
    let reason = if out_of_time {
        StopReason::TimeBudgetExceeded
    } else {
        StopReason::InternalError
    };
    Stop {
        log: Some(log.to_owned()),
        ..stop_of(state, reason, Some(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_worktree_is_no_violation_and_a_dirty_one_names_its_files() {
        let state = State::default();
        assert!(dirty_after(&state, "worktree.setup", &[]).is_empty());
        let files = ["src/a.rs".to_owned()];
        let events = dirty_after(&state, "worktree.setup", &files);
        let [Event::GuardViolation(violation), Event::Stop(stop)] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!(violation.scope_violations, files);
        assert_eq!(stop.reason, StopReason::GuardViolation);
        assert!(stop.error.as_ref().unwrap().ends_with("changes: src/a.rs"));
    }

    #[test]
    fn a_failed_preparation_names_its_log_and_the_end_of_the_time_is_told_apart() {
        let stop = |late| after_setup(&State::default(), "no".into(), "logs/setup.log", late);
        assert_eq!(stop(false).reason, StopReason::InternalError);
        assert_eq!(stop(true).reason, StopReason::TimeBudgetExceeded);
        assert_eq!(stop(false).log.as_deref(), Some("logs/setup.log"));
    }
}
