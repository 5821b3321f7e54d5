//! What a run that used up its budget could go on with.

use super::options::RunOptions;
use super::stop::StopReason;

/// A command with half as much again of the budget that was used up; a hint for people, beside the
/// plain command that goes on with the same budget.
#[must_use]
pub fn larger_budget(reason: &StopReason, options: &RunOptions, run_id: &str) -> Option<String> {
    match reason {
        StopReason::TimeBudgetExceeded => {
            let minutes = (options.time_minutes * 1.5).ceil();
            Some(format!("runr resume {run_id} --time {minutes}"))
        }
        StopReason::MaxTicksReached => {
            let ticks = options
                .max_ticks
                .saturating_add(options.max_ticks.div_ceil(2));
            Some(format!("runr resume {run_id} --max-ticks {ticks}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_as_much_again_is_rounded_up() {
        let options = RunOptions {
            time_minutes: 0.5,
            max_ticks: 5,
            ..RunOptions::default()
        };
        let hint = |reason| larger_budget(&reason, &options, "R1");
        let time = hint(StopReason::TimeBudgetExceeded);
        assert_eq!(time.as_deref(), Some("runr resume R1 --time 1"));
        let ticks = hint(StopReason::MaxTicksReached);
        assert_eq!(ticks.as_deref(), Some("runr resume R1 --max-ticks 8"));
        assert_eq!(hint(StopReason::GuardViolation), None);
        let whole = RunOptions::default();
        let time = larger_budget(&StopReason::TimeBudgetExceeded, &whole, "R1");
        assert_eq!(time.as_deref(), Some("runr resume R1 --time 180"));
    }
}
