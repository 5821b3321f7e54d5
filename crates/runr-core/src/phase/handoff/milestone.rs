//! What was done for a milestone, and what its reviewers said.

use super::{line, points, set_off, short};
use crate::phase::event::Verification;
use crate::phase::model::Verdict;
use crate::phase::state::State;
use crate::phase::story::{Chapter, Story};

/// Files that are named for a milestone.
const FILES: usize = 100;

fn title(state: &State, index: usize) -> String {
    let goal = state.milestones.get(index).map_or("", |m| m.goal.as_str());
    format!(
        "milestone {} of {}: {}",
        index + 1,
        state.milestones.len(),
        line(goal)
    )
}

/// The page of a milestone that somebody worked on.
pub(super) fn handoff(state: &State, index: usize, chapter: &Chapter) -> Option<String> {
    let done = chapter.done.as_ref();
    if done.is_none() && chapter.checkpoint.is_none() {
        return None;
    }
    let mut page = format!("# Hand-off of {}\n\n", title(state, index));
    page.push_str(&match &chapter.checkpoint {
        Some(made) => format!("Checkpoint: {} (tree {})\n", made.commit, short(&made.tree)),
        None => "Not committed.\n".to_owned(),
    });
    if let Some(done) = done {
        if done.no_changes_needed {
            page.push_str("Nothing had to be changed.\n");
        }
        page.push_str("\n## The implementer says\n\n");
        page.push_str(&set_off(&done.handoff_memo, "> "));
        if !done.changed_files.is_empty() {
            page.push_str("\n## Files\n\n");
            page.push_str(&points(&done.changed_files, FILES));
        }
    }
    if !chapter.checks.is_empty() {
        page.push_str("\n## Checks of the last pass\n\n");
        page.extend(chapter.checks.iter().map(checks));
    }
    Some(page)
}

fn checks(ran: &Verification) -> String {
    let word = if ran.ok { "passed" } else { "FAILED" };
    let mut text = format!("- {}: {word}\n", ran.tier);
    for result in &ran.command_results {
        let how = match result.timed_out {
            true => "past its time".to_owned(),
            false => format!("exit {}", result.exit_code),
        };
        text.push_str(&format!(
            "  - {}: {how}, {}\n",
            line(&result.command),
            result.log
        ));
    }
    for command in ran.commands.iter().skip(ran.command_results.len()) {
        text.push_str(&format!("  - {}: not run\n", line(command)));
    }
    text
}

/// The page of a milestone that was reviewed.
pub(super) fn review(state: &State, index: usize, chapter: &Chapter) -> Option<String> {
    if chapter.reviews.is_empty() {
        return None;
    }
    let mut page = format!("# Review of {}\n", title(state, index));
    for (round, (verdict, changes)) in chapter.reviews.iter().enumerate() {
        page.push_str(&format!("\n## Round {}: {verdict}\n\n", round + 1));
        page.push_str(&asked_for(changes));
    }
    Some(page)
}

fn asked_for(changes: &[String]) -> String {
    if changes.is_empty() {
        return "No changes were named.\n".to_owned();
    }
    changes
        .iter()
        .map(|change| set_off(change, "> ") + "\n")
        .collect()
}

/// Everything that reviewers asked for, the last milestone first.
pub(super) fn review_digest(state: &State, story: &Story) -> Option<String> {
    let mut page = String::new();
    for (index, chapter) in story.chapters.iter().enumerate().rev() {
        let asked: Vec<_> = chapter
            .reviews
            .iter()
            .enumerate()
            .filter(|(_, (verdict, _))| *verdict != Verdict::Approve)
            .collect();
        if asked.is_empty() {
            continue;
        }
        let still = chapter.reviews.last().map(|(verdict, _)| *verdict) != Some(Verdict::Approve);
        let word = if still {
            "still open"
        } else {
            "approved since"
        };
        page.push_str(&format!("\n## {} ({word})\n", title(state, index)));
        for (round, (verdict, changes)) in asked.into_iter().rev() {
            page.push_str(&format!("\nRound {}: {verdict}\n\n", round + 1));
            page.push_str(&asked_for(changes));
        }
    }
    (!page.is_empty()).then(|| format!("# What reviewers asked for\n{page}"))
}
