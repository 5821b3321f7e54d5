//! Which phase may follow which, and what a change of phase does to the counters.

use serde::Serialize;

use super::model::Phase;

/// Whether a run may go from one phase straight to another.
///
/// `STOPPED` is left only by a resume: into the phase that was open, into `PLAN` when there is no
/// plan, else into `IMPLEMENT` or `FINALIZE`.
#[must_use]
pub fn legal_transition(from: Phase, to: Phase) -> bool {
    use Phase::{Checkpoint, Finalize, Implement, Init, Plan, Review, Stopped, Verify};
    let successors: &[Phase] = match from {
        Init => &[Plan, Implement, Stopped],
        Plan => &[Implement, Stopped],
        Implement => &[Verify, Checkpoint, Stopped],
        Verify => &[Implement, Review, Checkpoint, Stopped],
        Review => &[Implement, Checkpoint, Stopped],
        Checkpoint => &[Implement, Finalize, Stopped],
        Finalize => &[Stopped],
        Stopped => &[Plan, Implement, Verify, Review, Checkpoint, Finalize],
    };
    successors.contains(&to)
}

/// The phase in which an automatic retry within the same process goes on.
///
/// A run that is not stopped stays where it is. A stopped one goes on behind the last phase it
/// completed, and starts over when it completed none. A resume by command follows another rule: it
/// re-enters the phase that was open.
#[must_use]
pub fn resume_target(phase: Phase, last_successful_phase: Option<Phase>) -> Phase {
    if phase != Phase::Stopped {
        return phase;
    }
    match last_successful_phase {
        None | Some(Phase::Stopped) => Phase::Init,
        Some(Phase::Init) => Phase::Plan,
        Some(Phase::Plan) => Phase::Implement,
        Some(Phase::Implement) => Phase::Verify,
        Some(Phase::Verify) => Phase::Review,
        Some(Phase::Review) => Phase::Checkpoint,
        Some(Phase::Checkpoint | Phase::Finalize) => Phase::Finalize,
    }
}

/// Where a run stands after a change of phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Entered {
    /// The phase entered.
    pub phase: Phase,
    /// How many times in a row this phase was entered, from 1.
    pub phase_attempt: u32,
    /// The phase left, or `None` if this change completed no phase and the former value stays.
    pub last_successful_phase: Option<Phase>,
}

/// The effect of entering a phase.
///
/// The phase left counts as successful, and the attempts count up only while the phase stays the
/// same. A stop leaves the attempts alone and completes nothing; leaving `STOPPED` begins at
/// attempt 1 and completes nothing either. The change is computed, not judged: see
/// [`legal_transition`].
#[must_use]
pub fn enter_phase(phase: Phase, phase_attempt: u32, to: Phase) -> Entered {
    if to == Phase::Stopped {
        return Entered {
            phase: to,
            phase_attempt,
            last_successful_phase: None,
        };
    }
    Entered {
        phase: to,
        phase_attempt: if phase == to {
            phase_attempt.saturating_add(1)
        } else {
            1
        },
        last_successful_phase: (phase != Phase::Stopped).then_some(phase),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/vectors/phase-transitions.json"
        )))
        .unwrap()
    }

    fn phase(value: &Value) -> Phase {
        Phase::parse(value.as_str().unwrap()).unwrap()
    }

    #[test]
    fn exactly_the_recorded_transitions_are_legal() {
        let vectors = vectors();
        for from in Phase::ALL {
            let recorded = vectors["legal"][from.as_str()].as_array().unwrap();
            for to in Phase::ALL {
                let expected = recorded.iter().any(|word| word == to.as_str());
                assert_eq!(legal_transition(*from, *to), expected, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn an_automatic_retry_goes_on_where_the_vectors_say() {
        let vectors = vectors();
        let cases = vectors["resume_target"].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let last = case["last_successful_phase"]
                .as_str()
                .map(|word| Phase::parse(word).unwrap());
            let target = resume_target(phase(&case["phase"]), last);
            assert_eq!(target, phase(&case["expect_resume_phase"]), "{case}");
        }
    }

    #[test]
    fn an_automatic_retry_never_skips_a_phase() {
        let before_finalize = &Phase::ALL[..Phase::ALL.len() - 2];
        for (at, last) in before_finalize.iter().enumerate() {
            assert_eq!(
                resume_target(Phase::Stopped, Some(*last)),
                Phase::ALL[at + 1]
            );
        }
    }

    #[test]
    fn entering_a_phase_counts_as_the_vectors_say() {
        let vectors = vectors();
        let cases = vectors["update"].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let attempt = u32::try_from(case["phase_attempt"].as_u64().unwrap()).unwrap();
            let entered = enter_phase(phase(&case["phase"]), attempt, phase(&case["to"]));
            assert_eq!(
                serde_json::to_value(entered).unwrap(),
                case["expect"],
                "{case}"
            );
        }
    }

    #[test]
    fn a_stop_completes_no_phase_and_keeps_the_attempts() {
        let stopped = enter_phase(Phase::Verify, 3, Phase::Stopped);
        assert_eq!(
            (stopped.phase_attempt, stopped.last_successful_phase),
            (3, None)
        );
        let resumed = enter_phase(Phase::Stopped, 3, Phase::Verify);
        assert_eq!(
            (resumed.phase_attempt, resumed.last_successful_phase),
            (1, None)
        );
    }
}
