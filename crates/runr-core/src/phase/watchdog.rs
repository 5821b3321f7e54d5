//! How long a run may go on without progress, and which of its limits has passed first.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::event::{Overdue, Stop};
use super::report::human_duration;
use super::rules;
use super::state::State;
use super::stop::StopReason;
use crate::error::{Code, Error, Result};

const MINUTE: u64 = 60_000;
/// A limit beyond which a duration is a slip of the pen.
const YEAR: u64 = 365 * 24 * 60 * MINUTE;

/// The limits of one session, as they are in effect; in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Without progress while no worker is at work.
    pub stall_ms: u64,
    /// Without progress while a worker is at work.
    pub worker_stall_ms: u64,
    /// One worker call.
    pub worker_call_ms: u64,
    /// One verification pass, or the preparation of a worktree.
    pub verify_ms: u64,
    /// Reviews without approval of one milestone.
    pub review_rounds: u32,
}

/// What a run is doing, as far as its limits care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Anything but waiting for a worker.
    Phase,
    /// A worker of the harness is at work; the harness itself minds the limits of the call.
    Worker,
    /// The program around the harness has a call to answer.
    Call {
        /// What was left of the time budget when it got the call.
        time_left_ms: u64,
    },
}

impl Doing {
    fn has_worker(self) -> bool {
        self != Self::Phase
    }
}

/// A limit that has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Why the run stops.
    pub reason: StopReason,
    /// Since the last progress.
    pub elapsed_ms: u64,
    /// The limit.
    pub timeout_ms: u64,
    /// Whether a worker was at work.
    pub worker_in_flight: bool,
}

impl Limits {
    /// The limits that the configuration and the variables of the environment amount to. Without a
    /// variable a worker that is silent is not stalled before the limit of its call.
    ///
    /// # Errors
    /// `E_USAGE` for a variable that is no positive number.
    pub fn new<'a>(config: &Config, var: impl Fn(&str) -> Option<&'a str>) -> Result<Self> {
        let verify = &config.verification;
        let resilience = &config.resilience;
        let verify_s = verify.max_verify_time_per_milestone;
        let stall = from_variables(
            &var,
            ["RUNR_STALL_TIMEOUT_MS", "AGENT_STALL_TIMEOUT_MS"],
            ["RUNR_STALL_TIMEOUT_MINUTES", "STALL_TIMEOUT_MINUTES"],
        )?;
        let stall_ms = stall.unwrap_or_else(|| {
            let checks = verify_s.div_ceil(60).saturating_add(5);
            checks.max(15).saturating_mul(MINUTE)
        });
        let worker_call_ms = minutes(resilience.max_worker_call_minutes);
        let worker_stall = from_variables(
            &var,
            [
                "RUNR_WORKER_CALL_TIMEOUT_MS",
                "AGENT_WORKER_CALL_TIMEOUT_MS",
            ],
            ["RUNR_WORKER_TIMEOUT_MINUTES", "WORKER_TIMEOUT_MINUTES"],
        )?;
        Ok(Self {
            stall_ms,
            worker_stall_ms: worker_stall.unwrap_or_else(|| {
                let twice = stall_ms.saturating_mul(2);
                twice.max(30 * MINUTE).max(worker_call_ms)
            }),
            worker_call_ms,
            verify_ms: verify_s.saturating_mul(1000),
            review_rounds: resilience.max_review_rounds,
        })
    }

    /// The limit that passes first, and why the run stops then.
    #[must_use]
    pub fn first(&self, doing: Doing) -> (u64, StopReason) {
        let stall = |ms| (ms, StopReason::StalledTimeout);
        match doing {
            Doing::Phase => stall(self.stall_ms),
            Doing::Worker => stall(self.worker_stall_ms),
            Doing::Call { time_left_ms } => {
                let limits = [
                    (time_left_ms, StopReason::TimeBudgetExceeded),
                    (self.worker_call_ms, StopReason::WorkerCallTimeout),
                    stall(self.worker_stall_ms),
                ];
                let first = limits.into_iter().min_by_key(|(ms, _)| *ms);
                first.unwrap_or(stall(self.worker_stall_ms))
            }
        }
    }

    /// The limit that has passed after `elapsed_ms` without progress.
    #[must_use]
    pub fn passed(&self, doing: Doing, elapsed_ms: u64) -> Option<Passed> {
        let (timeout_ms, reason) = self.first(doing);
        (elapsed_ms >= timeout_ms).then(|| Passed {
            reason,
            elapsed_ms,
            timeout_ms,
            worker_in_flight: doing.has_worker(),
        })
    }
}

impl std::fmt::Display for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "stall={} worker_stall={} worker_call={} verify={} review_rounds={}",
            human_duration(self.stall_ms),
            human_duration(self.worker_stall_ms),
            human_duration(self.worker_call_ms),
            human_duration(self.verify_ms),
            self.review_rounds
        )
    }
}

/// The stop of a run whose limit has passed; `last_event` is the type of its last record.
#[must_use]
pub fn stop_of(state: &State, passed: &Passed, last_event: &str) -> Stop {
    let waited = human_duration(passed.elapsed_ms);
    let words = match &state.in_flight {
        Some(call) => format!("{} gave no answer for {waited}", call.worker),
        None => format!("no progress in {} for {waited}", state.phase),
    };
    let limit = human_duration(passed.timeout_ms);
    Stop {
        overdue: Some(Overdue {
            phase: state.phase,
            last_event_type: last_event.to_owned(),
            elapsed_ms: passed.elapsed_ms,
            timeout_ms: passed.timeout_ms,
            worker_in_flight: passed.worker_in_flight,
        }),
        ..rules::stop_of(
            state,
            passed.reason.clone(),
            Some(format!("{words}; the limit is {limit}")),
        )
    }
}

fn minutes(minutes: f64) -> u64 {
    // The configuration has checked the range.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what fits"
    )]
    let ms = (minutes * 60_000.0).ceil().clamp(1.0, 1e15) as u64;
    ms
}

/// The first of the variables that is set: milliseconds before minutes, our names before older ones.
fn from_variables<'a>(
    var: &impl Fn(&str) -> Option<&'a str>,
    in_ms: [&str; 2],
    in_minutes: [&str; 2],
) -> Result<Option<u64>> {
    for (names, factor) in [(in_ms, 1.0), (in_minutes, 60_000.0)] {
        for name in names {
            if let Some(text) = var(name) {
                return parse(name, text, factor).map(Some);
            }
        }
    }
    Ok(None)
}

fn parse(name: &str, text: &str, factor: f64) -> Result<u64> {
    let number = text.trim().parse::<f64>().ok();
    let ms = number.map(|number| number * factor);
    match ms.filter(|ms| *ms > 0.0 && *ms <= year()) {
        Some(ms) => Ok(minutes(ms / 60_000.0)),
        None => Err(Error::new(
            Code::Usage,
            format!("{name} must be a positive number, at most a year, not `{text}`"),
        )
        .with("variable", name)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a year fits exactly")]
fn year() -> f64 {
    YEAR as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(config: &Config, env: &[(&str, &'static str)]) -> Result<Limits> {
        Limits::new(config, |name| {
            env.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, v)| *v)
        })
    }

    fn default(env: &[(&str, &'static str)]) -> Limits {
        limits(&Config::default(), env).unwrap()
    }

    #[test]
    fn a_stall_is_a_quarter_of_an_hour_or_the_checks_and_five_minutes() {
        assert_eq!(default(&[]).stall_ms, 15 * MINUTE);
        let mut config = Config::default();
        config.verification.max_verify_time_per_milestone = 1201;
        let long = limits(&config, &[]).unwrap();
        assert_eq!(long.stall_ms, 26 * MINUTE);
        assert_eq!(long.worker_stall_ms, 52 * MINUTE);
        assert_eq!(long.verify_ms, 1_201_000);
    }

    #[test]
    fn a_silent_worker_is_not_stalled_before_the_limit_of_its_call() {
        assert_eq!(default(&[]).worker_stall_ms, 45 * MINUTE);
        let mut config = Config::default();
        config.resilience.max_worker_call_minutes = 0.5;
        let short = limits(&config, &[]).unwrap();
        assert_eq!(
            (short.worker_stall_ms, short.worker_call_ms),
            (30 * MINUTE, 30_000)
        );
    }

    #[test]
    fn variables_count_in_the_order_ours_theirs_milliseconds_minutes() {
        let all = [
            ("RUNR_STALL_TIMEOUT_MS", "100"),
            ("AGENT_STALL_TIMEOUT_MS", "200"),
            ("RUNR_STALL_TIMEOUT_MINUTES", "3"),
            ("STALL_TIMEOUT_MINUTES", "0.5"),
        ];
        for (skip, stall) in [(0, 100), (1, 200), (2, 3 * MINUTE), (3, 30_000)] {
            assert_eq!(default(&all[skip..]).stall_ms, stall);
        }
        let worker = [
            ("RUNR_WORKER_CALL_TIMEOUT_MS", "100"),
            ("AGENT_WORKER_CALL_TIMEOUT_MS", "200"),
            ("RUNR_WORKER_TIMEOUT_MINUTES", "1"),
            ("WORKER_TIMEOUT_MINUTES", "2"),
        ];
        for (skip, stall) in [(0, 100), (1, 200), (2, MINUTE), (3, 2 * MINUTE)] {
            assert_eq!(default(&worker[skip..]).worker_stall_ms, stall);
        }
        // A stall above half an hour lengthens the other one.
        let longer = default(&[("RUNR_STALL_TIMEOUT_MINUTES", "40")]);
        assert_eq!(longer.worker_stall_ms, 80 * MINUTE);
    }

    #[test]
    fn a_variable_that_is_no_limit_is_refused() {
        for bad in ["0", "-1", "soon", "nan", "inf", "1e30", ""] {
            let refused = limits(&Config::default(), &[("RUNR_STALL_TIMEOUT_MS", bad)]);
            assert_eq!(refused.unwrap_err().code(), Code::Usage, "{bad}");
        }
    }

    #[test]
    fn the_first_limit_that_passes_is_the_reason() {
        let limits = Limits {
            stall_ms: 10,
            worker_stall_ms: 30,
            worker_call_ms: 20,
            verify_ms: 1,
            review_rounds: 2,
        };
        let reason = |doing, elapsed| limits.passed(doing, elapsed).map(|passed| passed.reason);
        assert_eq!(reason(Doing::Phase, 9), None);
        assert_eq!(reason(Doing::Phase, 10), Some(StopReason::StalledTimeout));
        assert_eq!(
            reason(Doing::Worker, 29),
            None,
            "its call has its own limit"
        );
        assert_eq!(reason(Doing::Worker, 30), Some(StopReason::StalledTimeout));
        let call = |time_left_ms| Doing::Call { time_left_ms };
        assert_eq!(reason(call(100), 19), None);
        assert_eq!(reason(call(100), 20), Some(StopReason::WorkerCallTimeout));
        assert_eq!(reason(call(20), 20), Some(StopReason::TimeBudgetExceeded));
        let patient = Limits {
            worker_call_ms: 40,
            ..limits
        };
        let passed = patient.passed(call(100), 30).unwrap();
        assert_eq!(passed.reason, StopReason::StalledTimeout);
        assert!(passed.worker_in_flight);
    }

    #[test]
    fn the_stop_tells_where_and_for_how_long_nothing_happened() {
        let state = State::default();
        let passed = Passed {
            reason: StopReason::StalledTimeout,
            elapsed_ms: 61_000,
            timeout_ms: 60_000,
            worker_in_flight: false,
        };
        let stop = serde_json::to_value(stop_of(&state, &passed, "phase_start")).unwrap();
        assert_eq!(
            stop,
            serde_json::json!({
                "reason": "stalled_timeout",
                "error": "no progress in INIT for 1m1s; the limit is 1m0s",
                "ticks_used": 0, "phase": "INIT", "last_event_type": "phase_start",
                "elapsed_ms": 61_000, "timeout_ms": 60_000, "worker_in_flight": false,
            })
        );
        let read: Stop = serde_json::from_value(stop).unwrap();
        assert_eq!(read.overdue.unwrap().timeout_ms, 60_000);
    }
}
