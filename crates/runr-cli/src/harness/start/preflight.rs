//! What is looked at before the first side effect, and what it comes to.

use runr_core::Result;
use runr_core::phase::event::{PingCheck, Preflight, PreflightGuard};
use runr_core::phase::model::RiskLevel;
use runr_core::phase::owned::is_own_output;
use runr_core::phase::scope::preflight_reasons;
use runr_core::phase::tiers::{TierInput, select_tiers};

use crate::harness::git::TreeStatus;
use crate::harness::inspect::{Guard, is_noise_of_init};
use crate::harness::request::Prepared;
use crate::presence;

/// Judges the tree as it is, and what the configuration asks for. Nothing is started.
pub(super) fn preflight(
    prepared: &Prepared,
    guard: &Guard,
    status: &TreeStatus,
) -> Result<Preflight> {
    let verification = &prepared.config.verification;
    let selected = select_tiers(&TierInput {
        risk_triggers: verification.risk_triggers.clone(),
        changed_files: Vec::new(),
        risk_level: RiskLevel::Medium,
        last_milestone: true,
        min_tier: prepared.task.verification_tier,
    });
    let mut result = PreflightGuard {
        ok: true,
        ..PreflightGuard::default()
    };
    if !prepared.options.worktree {
        let mut judged = Vec::new();
        for path in &status.changed {
            let is_ours = path.starts_with(".runr/") || is_own_output(path);
            if !is_ours && !is_noise_of_init(&prepared.git, path, &status.head)? {
                judged.push(path.clone());
            }
        }
        let scope = guard.scope.check(&judged);
        result.reasons = preflight_reasons(&scope, prepared.options.allow_dirty);
        result.dirty = !scope.semantic_changed.is_empty();
        result.dirty_files = scope.semantic_changed;
        result.scope_violations = scope.scope_violations;
        result.lockfile_violations = scope.lockfile_violations;
        result.env_touched = scope.env_touched;
    }
    if verification.is_empty() && !prepared.options.allow_unverified {
        result.reasons.push("no_verification".to_owned());
    }
    if let Some(dir) = &verification.cwd
        && !presence::is_dir(&prepared.place.toplevel.join(dir))?
    {
        result
            .reasons
            .push(format!("verification_cwd_missing:{dir}"));
    }
    result.ok = result.reasons.is_empty();
    Ok(Preflight {
        guard: result,
        binary: prepared.binary.clone(),
        ping: PingCheck::skipped(),
        tiers: selected.tiers,
        tier_reasons: selected.reasons,
    })
}
