//! A run on one page.

use super::{Told, line, short};
use crate::phase::model::Tier;
use crate::phase::stop::StopReason;

/// The text of `summary.md`.
pub(super) fn text(told: Told<'_>) -> String {
    let Told { state, story, .. } = told;
    let ended = match &told.end.stop.reason {
        StopReason::Complete => "complete".to_owned(),
        reason => format!("stopped, {reason}"),
    };
    let mut page = format!("# Run {}: {ended}\n\n", state.run_id);
    let task = state.task_path.as_ref().unwrap_or(&state.task);
    let or_none = |text: &Option<String>| line(text.as_deref().unwrap_or("none"));
    for (name, value) in [
        ("Task", line(task)),
        ("Branch", or_none(&state.branch)),
        ("Base", state.base_sha.clone()),
        ("Checkpoint", or_none(&state.checkpoint_commit_sha)),
        ("Ended", told.end.at.to_string()),
    ] {
        page.push_str(&format!("- {name}: {value}\n"));
    }
    page.push_str("\n## Milestones\n\n");
    for (index, milestone) in state.milestones.iter().enumerate() {
        let chapter = story.chapters.get(index);
        let made = chapter.and_then(|chapter| chapter.checkpoint.as_ref());
        let verified = chapter.map_or(&[][..], |chapter| &chapter.verified);
        let goal = line(&milestone.goal);
        page.push_str(&match made {
            Some(made) => {
                let tiers = tiers(verified);
                format!(
                    "- [x] {goal}: {} (verified: {tiers})\n",
                    short(&made.commit)
                )
            }
            None => format!("- [ ] {goal}\n"),
        });
    }
    if let Some(changes) = told.changes {
        page.push_str(&format!(
            "\n## Changes\n\n{}\n",
            changes.totals.to_string().trim()
        ));
    }
    page.push_str(&format!(
        "\n## Figures\n\n{}",
        super::set_off(told.figures, "    ")
    ));
    page
}

/// Tiers as people read them.
fn tiers(verified: &[Tier]) -> String {
    if verified.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> = verified.iter().map(|tier| tier.as_str()).collect();
    names.join(", ")
}
