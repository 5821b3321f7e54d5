//! What a review means.

use super::{Policy, head, stopped};
use crate::mutant::without;
use crate::phase::event::{Event, ReviewLoop};
use crate::phase::evidence::EvidenceGate;
use crate::phase::fingerprint::review_fingerprint;
use crate::phase::model::{ReviewReply, Verdict};
use crate::phase::state::State;
use crate::phase::stop::StopReason;

/// What a review means. An approval over a false evidence gate is not believed.
#[must_use]
pub fn after_review(
    state: &State,
    policy: &Policy,
    reply: ReviewReply,
    gate: &EvidenceGate,
) -> Vec<Event> {
    let (verdict, changes) = match reply.status {
        Verdict::Approve if !gate.evidence_gates_passed && !without("evidence-gate") => {
            (Verdict::RequestChanges, gate_demands(gate))
        }
        verdict => (
            verdict,
            reply
                .changes
                .iter()
                .take(100)
                .map(|c| head(c, 4096).to_owned())
                .collect(),
        ),
    };
    let reviewed = Event::ReviewComplete {
        verdict,
        changes: changes.clone(),
    };
    if verdict == Verdict::Approve {
        return vec![reviewed];
    }
    let rounds = state.review_rounds + 1;
    let same =
        state.last_review_fingerprint.as_deref() == Some(review_fingerprint(&changes).as_str());
    if rounds <= policy.max_review_rounds && !same {
        return vec![reviewed];
    }
    let error = format!(
        "review asked for: {}",
        changes
            .iter()
            .take(3)
            .cloned()
            .collect::<Vec<_>>()
            .join("; ")
    );
    vec![
        reviewed,
        Event::ReviewLoopDetected(ReviewLoop {
            milestone_index: state.milestone_index,
            review_rounds: rounds,
            max_review_rounds: policy.max_review_rounds,
            same_fingerprint: same,
            last_changes: state.review_changes.iter().take(2).cloned().collect(),
            reviewer_requests: changes.into_iter().take(5).collect(),
        }),
        stopped(state, StopReason::ReviewLoopDetected, Some(error)),
    ]
}

fn gate_demands(gate: &EvidenceGate) -> Vec<String> {
    let missing = gate
        .commands_missing
        .iter()
        .map(|c| format!("the command `{c}` was not run"));
    let failed = gate
        .commands_run
        .iter()
        .filter(|c| c.exit_code != 0)
        .map(|c| format!("the command `{}` failed", c.command));
    let absent = gate
        .files_exist
        .iter()
        .filter(|f| !f.exists)
        .map(|f| format!("the planned file `{}` does not exist", f.path));
    let mut demands: Vec<String> = missing.chain(failed).chain(absent).collect();
    if demands.is_empty() {
        demands.push("no verification command was run".to_owned());
    }
    demands
}
