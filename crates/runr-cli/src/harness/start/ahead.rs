//! The last look before a run: the tree, and whether the workers answer.

use runr_core::mutant::without;
use runr_core::phase::event::Preflight;
use runr_core::{Code, Error, Result};

use super::preflight::preflight;
use crate::harness::git::TreeStatus;
use crate::harness::inspect::Guard;
use crate::harness::ping;
use crate::harness::request::{Prepared, used_workers};
use crate::host::Host;

/// The tree as it is, and whether the run may begin in it. Workers are asked only if nothing else
/// refuses the run: a word costs time and money.
pub(super) fn look_ahead(
    prepared: &Prepared,
    host: &Host,
    guard: &Guard,
) -> Result<(TreeStatus, Preflight)> {
    let status = prepared.git.status()?;
    let found = preflight(prepared, guard, &status)?;
    if !found.guard.ok || !prepared.asks_first || without("ping") {
        return Ok((status, found));
    }
    let names = used_workers(&prepared.config, &prepared.options);
    let (root, tree) = (&prepared.layout.repo_root, &prepared.place.toplevel);
    let limit = ping::PING_LIMIT;
    let ping = ping::ping(host, root, &prepared.config, &names, tree, limit);
    // What a worker did to the tree meanwhile is judged like anything else.
    let (before, status) = if without("ping-judged") {
        (status.head.clone(), status)
    } else {
        (status.head, prepared.git.status()?)
    };
    let mut found = preflight(prepared, guard, &status)?;
    if status.head != before && !prepared.options.worktree {
        found.guard.reasons.push("head_moved".to_owned());
    }
    found.guard.reasons.extend(ping.reasons());
    found.guard.ok = found.guard.reasons.is_empty();
    found.ping = ping;
    Ok((status, found))
}

/// The refusal of a run that nothing stands against but workers that do not answer.
pub(super) fn silence(preflight: &Preflight) -> Option<Error> {
    let (reasons, ping) = (&preflight.guard.reasons, &preflight.ping);
    let only = !reasons.is_empty() && ping.reasons().eq(reasons.iter().cloned());
    only.then(|| {
        let reasons = reasons.join(", ");
        Error::new(Code::GuardViolation, format!("Guard failed: {reasons}"))
            .with("workers", ping::complaints(ping))
            .hint("runr doctor")
    })
}
