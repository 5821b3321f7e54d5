//! Which verification tiers a milestone must pass, and why.

use serde::{Deserialize, Serialize};

use super::model::{RiskLevel, Tier};
use crate::glob::{Dots, GlobSet};

/// Paths whose change asks for more checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskTrigger {
    /// Shown in the reasons.
    pub name: String,
    /// Any match fires the trigger.
    pub patterns: Vec<String>,
    /// `tier0` adds nothing; `tier1` and `tier2` both add `tier1`.
    pub tier: Tier,
}

/// What decides about the tiers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierInput {
    /// Configured triggers.
    #[serde(default)]
    pub risk_triggers: Vec<RiskTrigger>,
    /// Files changed by the milestone; backslashes count as slashes.
    #[serde(default)]
    pub changed_files: Vec<String>,
    /// The planner's estimate.
    pub risk_level: RiskLevel,
    /// Whether this is the last milestone of the run.
    pub last_milestone: bool,
    /// Tiers up to this one run in any case: the task's wish.
    #[serde(default)]
    pub min_tier: Option<Tier>,
}

/// The tiers to run, from cheap to thorough, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierChoice {
    /// In order of execution.
    pub tiers: Vec<Tier>,
    /// In order of evaluation.
    pub reasons: Vec<String>,
}

/// Chooses the tiers of a milestone.
#[must_use]
pub fn select_tiers(input: &TierInput) -> TierChoice {
    let mut reasons = vec!["tier0_always".to_owned()];
    let fired = input
        .risk_triggers
        .iter()
        .filter(|trigger| fires(trigger, &input.changed_files));
    reasons.extend(fired.map(|trigger| format!("risk_trigger:{}", trigger.name)));
    if input.last_milestone {
        reasons.push("milestone_end".to_owned());
    }
    if input.risk_level == RiskLevel::High {
        reasons.push("risk_level_high".to_owned());
    }
    // Every reason but the first asks for the builds; only the end of the run for the tests.
    let mut highest = if reasons.len() > 1 {
        Tier::Tier1
    } else {
        Tier::Tier0
    };
    if input.last_milestone {
        reasons.push("run_end".to_owned());
        highest = Tier::Tier2;
    }
    if let Some(wish) = input.min_tier.filter(|wish| *wish > highest) {
        reasons.push(format!("min_tier:{wish}"));
        highest = wish;
    }
    TierChoice {
        tiers: Tier::ALL
            .iter()
            .copied()
            .filter(|tier| *tier <= highest)
            .collect(),
        reasons,
    }
}

fn fires(trigger: &RiskTrigger, changed_files: &[String]) -> bool {
    if trigger.tier == Tier::Tier0 || changed_files.is_empty() {
        return false;
    }
    // An unusable pattern cannot say that a file is harmless, so it fires.
    GlobSet::new(&trigger.patterns, Dots::Skip).map_or(true, |patterns| {
        changed_files
            .iter()
            .any(|file| patterns.matches(&file.replace('\\', "/")))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::vectors::replay;

    #[test]
    fn every_recorded_choice_is_made_again() {
        replay("phase-verify-tiers.json", "cases", 108, |case| {
            let input: TierInput = serde_json::from_value(case.clone()).unwrap();
            (case["expect"].clone(), json!(select_tiers(&input)))
        });
    }

    fn chosen(last_milestone: bool, min_tier: Option<Tier>) -> TierChoice {
        select_tiers(&TierInput {
            risk_triggers: Vec::new(),
            changed_files: Vec::new(),
            risk_level: RiskLevel::Low,
            last_milestone,
            min_tier,
        })
    }

    #[test]
    fn the_task_may_ask_for_more_but_never_for_less() {
        assert_eq!(chosen(false, Some(Tier::Tier2)).tiers, Tier::ALL);
        assert_eq!(
            chosen(false, Some(Tier::Tier1)).reasons,
            ["tier0_always", "min_tier:tier1"]
        );
        assert_eq!(chosen(true, Some(Tier::Tier0)), chosen(true, None));
        assert_eq!(chosen(true, Some(Tier::Tier2)), chosen(true, None));
    }
}
