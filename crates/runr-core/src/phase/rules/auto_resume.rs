//! Whether a driver takes up its own run again after a stop, and when.

use super::open_again;
use crate::mutant::without;
use crate::phase::event::{AutoResume, Event, Stop};
use crate::phase::state::State;
use crate::phase::stop::StopReason;

/// What the configuration says about retries within the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// Whether there are any, unless the options of the run say otherwise.
    pub by_default: bool,
    /// Over the whole run.
    pub max: u32,
    /// The pause before each one, in milliseconds; the last one repeats.
    pub delays_ms: Vec<u64>,
}

/// What a stop means for the retry before it: the record that goes before the stop.
#[must_use]
pub fn result_of(state: &State, stop: &Stop, retries: &Retries) -> Option<Event> {
    let previous = state.retried_after.clone()?;
    let complete = stop.reason == StopReason::Complete;
    Some(Event::AutoResumeResult(AutoResume {
        attempt: state.auto_resume_count,
        max: retries.max,
        previous_stop_reason: Some(previous),
        outcome: Some(if complete { "complete" } else { "stopped" }.to_owned()),
        stop_reason: Some(stop.reason.clone()),
        ..AutoResume::default()
    }))
}

/// What the driver does about the stop that `state` ends with: the record that goes after it.
/// Nothing where retries were not asked for, and after success.
///
/// The phase is the one that was open. On the way through one milestone that is the phase after the
/// last successful one; where the way leads back, to the next attempt or milestone, the phase after
/// the last successful one would leave out work.
#[must_use]
pub fn after_stop(state: &State, retries: &Retries) -> Option<Event> {
    let reason = state.stop_reason.as_ref()?;
    let wanted = state.options.auto_resume.unwrap_or(retries.by_default);
    if !wanted || *reason == StopReason::Complete {
        return None;
    }
    let done = state.auto_resume_count;
    let step = AutoResume {
        attempt: done + 1,
        max: retries.max,
        previous_stop_reason: Some(reason.clone()),
        ..AutoResume::default()
    };
    let skipped = |why: &str| {
        Some(Event::AutoResumeSkipped(AutoResume {
            reason: Some(why.to_owned()),
            ..step.clone()
        }))
    };
    if !reason.row().supervisor_auto_resumable && !without("retry-reason") {
        return skipped("not_retryable");
    }
    if state.stop_requested.is_some() {
        return skipped("stop_requested");
    }
    if done >= retries.max && !without("retry-limit") {
        return Some(Event::AutoResumeExhausted(AutoResume {
            attempt: done,
            ..step
        }));
    }
    if state.retried_after.as_ref() == Some(reason) && !without("retry-loop") {
        return Some(Event::AutoResumeLoopDetected(AutoResume {
            attempt: done,
            ..step
        }));
    }
    let turn = usize::try_from(done).unwrap_or(usize::MAX);
    let last = retries.delays_ms.last();
    let delay = retries.delays_ms.get(turn).or(last).copied();
    Some(Event::AutoResumeScheduled(AutoResume {
        delay_ms: Some(delay.unwrap_or_default()),
        resume_phase: Some(open_again(state)),
        ..step
    }))
}

/// The record that a due retry is not made after all.
#[must_use]
pub fn retry_skipped(due: &AutoResume, why: &str) -> Event {
    Event::AutoResumeSkipped(AutoResume {
        delay_ms: None,
        resume_phase: None,
        reason: Some(why.to_owned()),
        ..due.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{after, enter_event, planned, resumed, started, stop_with};
    use super::*;
    use crate::phase::event::RunResumed;
    use crate::phase::model::Phase;
    use crate::phase::options::RunOptions;
    use crate::phase::transitions::resume_target;

    fn retries(max: u32) -> Retries {
        Retries {
            by_default: true,
            max,
            delays_ms: vec![30_000, 120_000],
        }
    }

    /// A run in its only milestone that stops in this phase.
    fn stopped_in(phase: Phase, reason: StopReason) -> Vec<Event> {
        let start = started(RunOptions::default());
        vec![start, planned(1), enter_event(phase), stop_with(reason)]
    }

    /// What the driver records before it goes on, and the stop that follows.
    fn retried(events: &mut Vec<Event>, again: StopReason) {
        let state = after(events);
        let Some(Event::AutoResumeScheduled(step)) = after_stop(&state, &retries(9)) else {
            panic!("{:?}", after_stop(&state, &retries(9)));
        };
        let Event::RunResumed(plain) = resumed(None) else {
            unreachable!()
        };
        let phase = step.resume_phase.unwrap();
        events.push(Event::AutoResumeScheduled(step.clone()));
        events.push(Event::AutoResumeStarted(step));
        events.push(Event::RunResumed(Box::new(RunResumed {
            resume_phase: phase,
            automatic: true,
            ..*plain
        })));
        events.push(enter_event(phase));
        events.push(stop_with(again));
    }

    #[test]
    fn exactly_the_reasons_of_the_registry_are_retried() {
        for reason in StopReason::ALL {
            let state = after(&stopped_in(Phase::Implement, reason.clone()));
            let event = after_stop(&state, &retries(1));
            match event {
                None => assert_eq!(*reason, StopReason::Complete),
                Some(Event::AutoResumeScheduled(_)) => {
                    assert!(reason.row().supervisor_auto_resumable, "{reason}");
                }
                Some(Event::AutoResumeSkipped(step)) => {
                    assert!(!reason.row().supervisor_auto_resumable, "{reason}");
                    assert_eq!(step.reason.as_deref(), Some("not_retryable"));
                }
                other => panic!("{reason}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_options_of_the_run_beat_the_configuration() {
        for (option, by_default, expected) in [
            (None, true, true),
            (None, false, false),
            (Some(true), false, true),
            (Some(false), true, false),
        ] {
            let options = RunOptions {
                auto_resume: option,
                ..RunOptions::default()
            };
            let stop = stop_with(StopReason::StalledTimeout);
            let state = after(&[started(options), enter_event(Phase::Plan), stop]);
            let retries = Retries {
                by_default,
                ..retries(1)
            };
            assert_eq!(after_stop(&state, &retries).is_some(), expected);
        }
    }

    #[test]
    fn the_limit_counts_over_the_whole_run() {
        let mut events = stopped_in(Phase::Implement, StopReason::StalledTimeout);
        retried(&mut events, StopReason::WorkerCallTimeout);
        // Somebody resumes it; the count stays.
        events.push(resumed(None));
        events.push(enter_event(Phase::Implement));
        events.push(stop_with(StopReason::StalledTimeout));
        let state = after(&events);
        assert_eq!(state.auto_resume_count, 1);
        let event = after_stop(&state, &retries(1));
        assert!(
            matches!(&event, Some(Event::AutoResumeExhausted(step)) if (step.attempt, step.max) == (1, 1)),
            "{event:?}"
        );
        assert!(matches!(
            after_stop(&state, &retries(2)),
            Some(Event::AutoResumeScheduled(_))
        ));
    }

    #[test]
    fn the_same_reason_twice_in_a_row_ends_it() {
        let mut events = stopped_in(Phase::Implement, StopReason::StalledTimeout);
        retried(&mut events, StopReason::WorkerCallTimeout);
        retried(&mut events, StopReason::StalledTimeout);
        retried(&mut events, StopReason::StalledTimeout);
        let event = after_stop(&after(&events), &retries(9));
        assert!(
            matches!(event, Some(Event::AutoResumeLoopDetected(_))),
            "{event:?}"
        );
        // Somebody who resumes the run has looked at it.
        events.push(resumed(None));
        events.push(stop_with(StopReason::StalledTimeout));
        let event = after_stop(&after(&events), &retries(9));
        assert!(
            matches!(event, Some(Event::AutoResumeScheduled(_))),
            "{event:?}"
        );
    }

    #[test]
    fn the_pauses_grow_and_the_last_one_repeats() {
        let mut events = stopped_in(Phase::Implement, StopReason::StalledTimeout);
        let mut delays = Vec::new();
        for again in [StopReason::WorkerCallTimeout, StopReason::StalledTimeout] {
            let due = after_stop(&after(&events), &retries(9));
            let Some(Event::AutoResumeScheduled(step)) = due else {
                panic!("{due:?}");
            };
            delays.push(step.delay_ms.unwrap());
            retried(&mut events, again);
        }
        let Some(Event::AutoResumeScheduled(step)) = after_stop(&after(&events), &retries(9))
        else {
            panic!("not scheduled");
        };
        delays.push(step.delay_ms.unwrap());
        assert_eq!(delays, [30_000, 120_000, 120_000]);
    }

    #[test]
    fn on_a_straight_way_the_retry_goes_on_behind_the_last_success() {
        let start = started(RunOptions::default());
        let way = [Phase::Plan, Phase::Implement, Phase::Verify, Phase::Review];
        for length in 1..=way.len() {
            let mut events = vec![start.clone()];
            for phase in &way[..length] {
                events.push(enter_event(*phase));
                if *phase == Phase::Plan && length > 1 {
                    events.push(planned(1));
                }
            }
            events.push(stop_with(StopReason::StalledTimeout));
            let state = after(&events);
            let target = resume_target(state.phase, state.last_successful_phase);
            // A retry that would begin with INIT begins with PLAN: the run is recorded.
            let target = if target == Phase::Init {
                Phase::Plan
            } else {
                target
            };
            assert_eq!(open_again(&state), target);
        }
    }

    #[test]
    fn where_the_way_leads_back_no_work_is_left_out() {
        let checkpointed = super::super::tests::checkpoint(0);
        let again = [
            // The next milestone, not the end.
            (Phase::Checkpoint, Some(checkpointed)),
            // The repair of what failed, not its review.
            (Phase::Verify, None),
            // What the reviewer asked for, not the commit.
            (Phase::Review, None),
        ];
        for (before, event) in again {
            let mut events = vec![started(RunOptions::default()), planned(2)];
            events.push(enter_event(before));
            events.extend(event);
            events.push(enter_event(Phase::Implement));
            events.push(stop_with(StopReason::WorkerCallTimeout));
            assert_eq!(open_again(&after(&events)), Phase::Implement, "{before}");
        }
    }

    #[test]
    fn a_retry_keeps_the_budgets_and_attempts_of_its_session() {
        let mut events = stopped_in(Phase::Implement, StopReason::StalledTimeout);
        let before = after(&events);
        retried(&mut events, StopReason::WorkerCallTimeout);
        let state = after(&events);
        assert_eq!(state.session.started_at, before.session.started_at);
        assert_eq!(state.session.ticks, before.session.ticks + 1);
        let stop = super::super::stop_of(&before, StopReason::Complete, None);
        let Some(Event::AutoResumeResult(result)) = result_of(&state, &stop, &retries(1)) else {
            panic!("no result");
        };
        assert_eq!(
            (result.attempt, result.outcome.as_deref()),
            (1, Some("complete"))
        );
        assert_eq!(result_of(&before, &stop, &retries(1)), None);
    }
}
