//! The commit of a milestone: exactly the files that were judged, moved onto the branch by
//! compare-and-swap, so that neither a crash nor a late child can make two of them.

use std::collections::HashSet;

use camino::Utf8Path;
use runr_core::fs::{Document, Durability};
use runr_core::id::RunId;
use runr_core::phase::event::Event;
use runr_core::phase::ops::to_text;
use runr_core::phase::state::State;
use runr_core::{Result, Timestamp};
use serde::Serialize;

use super::git::Git;
use super::index::{self, OwnIndex};
use super::inspect::Seen;
use super::path_list;
use crate::host::Host;

/// A commit with the tree it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) tree: String,
}

/// The subject every checkpoint starts with.
pub(crate) fn subject(run_id: &str, milestone: usize) -> String {
    format!("chore(runr): checkpoint {run_id} milestone {milestone}")
}

/// Makes the commit of what `seen` allows, which belongs to no branch yet; nothing to commit means
/// the present commit is the checkpoint.
pub(crate) fn make(
    git: &Git,
    index: &mut OwnIndex,
    run_dir: &Utf8Path,
    state: &State,
    seen: &Seen,
) -> Result<Commit> {
    let head = &seen.status.head;
    if seen.to_commit.is_empty() {
        let tree = git.run(&["rev-parse", &format!("{head}^{{tree}}")])?;
        return Ok(Commit {
            sha: head.clone(),
            tree: tree.trim().to_owned(),
        });
    }
    let list = path_list::write(run_dir, "staged-paths", &seen.to_commit)?;
    let tree = tree_of(git, &list, run_dir, seen)?;
    index.own_written()?;
    if state.options.allow_dirty {
        // The user may be staging things meanwhile.
        git.with_index_of_tree().run_fed(&STAGE, &list, &[])?;
    } else {
        index.publish()?;
    }
    let subject = subject(&state.run_id, state.milestone_index);
    let trailers = trailers(state);
    let args = [
        "commit-tree",
        &tree,
        "-p",
        head,
        "-m",
        &subject,
        "-m",
        &trailers,
    ];
    let made = git.run_as_user(&args, &[])?;
    let sha = made.trim().to_owned();
    Ok(Commit { sha, tree })
}

/// What a program learns from a checkpoint: the run, the milestone, and the claim it was made under.
fn trailers(state: &State) -> String {
    let (run_id, milestone) = (&state.run_id, state.milestone_index);
    let mut lines =
        format!("Runr-Run-Id: {run_id}\nRunr-Checkpoint: true\nRunr-Milestone: {milestone}");
    if let Some(claim) = &state.claim {
        let (target, token) = (&claim.target, claim.token);
        lines.push_str(&format!("\nRunr-Target: {target}\nRunr-Token: {token}"));
    }
    lines
}

/// Moves the branch from `head` to a commit.
pub(crate) fn publish(git: &Git, made: &Commit, head: &str) -> Result<()> {
    if made.sha == head {
        return Ok(());
    }
    let args = [
        "update-ref",
        "-m",
        "runr: checkpoint",
        "HEAD",
        &made.sha,
        head,
    ];
    git.run(&args).map(drop)
}

/// Stages the paths of a list: what is there as it is, what is not there as removed.
const STAGE: [&str; 5] = ["update-index", "--add", "--remove", "-z", "--stdin"];

/// Writes the tree that holds HEAD and exactly what was judged. What else the run's index holds, such
/// as what the user had staged, must not get into it: then one for this tree alone is used.
fn tree_of(git: &Git, list: &Utf8Path, run_dir: &Utf8Path, seen: &Seen) -> Result<String> {
    let judged: HashSet<&String> = seen.to_commit.iter().collect();
    git.run_fed(&STAGE, list, &[])?;
    if seen.status.staged.iter().all(|path| judged.contains(path)) {
        return Ok(git.run(&["write-tree"])?.trim().to_owned());
    }
    let index = run_dir.join("artifacts/index");
    // Only this driver's gits write it, one after the other: what is there is a dead one's, or a link
    // that git would write through.
    index::remove(&index)?;
    index::remove(&run_dir.join("artifacts/index.lock"))?;
    let alone = git.clone().judging_by(&index);
    alone.run(&["read-tree", &seen.status.head])?;
    alone.run_fed(&STAGE, list, &[])?;
    let tree = alone.run(&["write-tree"])?;
    // Only needed for this tree; a leftover is removed by the next one.
    drop(index::remove(&index));
    Ok(tree.trim().to_owned())
}

/// The checkpoint of this milestone, if `head` is it.
pub(crate) fn find(
    git: &Git,
    run_id: &RunId,
    milestone: usize,
    head: &str,
) -> Result<Option<Commit>> {
    let format = "--format=%T%x00%s%x00%(trailers:key=Runr-Run-Id,valueonly,separator=)%x00%(trailers:key=Runr-Milestone,valueonly,separator=)";
    let text = git.run(&["log", "-1", format, head, "--"])?;
    let fields: Vec<&str> = text.trim_end().split('\0').collect();
    let ours = [
        subject(run_id.as_str(), milestone),
        run_id.to_string(),
        milestone.to_string(),
    ];
    Ok(match fields.as_slice() {
        [tree, rest @ ..] if rest.iter().eq(ours.iter()) => Some(Commit {
            sha: head.to_owned(),
            tree: (*tree).to_owned(),
        }),
        _ => None,
    })
}

#[derive(Serialize)]
struct Sidecar<'a> {
    schema_version: u32,
    sha: &'a str,
    run_id: &'a RunId,
    milestone_index: usize,
    milestone_title: &'a str,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_commands: Option<&'a [String]>,
}

/// Writes the record of a checkpoint and returns the events that tell of it.
pub(crate) fn record(
    host: &Host,
    checkpoints: &Utf8Path,
    run_id: &RunId,
    state: &State,
    commit: &Commit,
) -> Vec<Event> {
    let evidence = state.last_verification_evidence.as_ref();
    let sidecar = Sidecar {
        schema_version: 1,
        sha: &commit.sha,
        run_id,
        milestone_index: state.milestone_index,
        milestone_title: state.milestone().map_or("", |m| m.goal.as_str()),
        created_at: host.clock.now(),
        tier: evidence
            .and_then(|e| e.tiers_run.first())
            .map(|tier| tier.as_str()),
        verification_commands: evidence.map(|e| e.commands_required.as_slice()),
    };
    let name = format!("{}.json", commit.sha);
    let written = host.make_dirs(checkpoints).and_then(|()| {
        // The timeline is the record; a power cut may take this one, and a resume does without it.
        Document::new(host.storage.clone(), checkpoints, &name)
            .durability(Durability::File)
            .replace(&to_text(&sidecar)?)
    });
    let mut events = Vec::new();
    if let Err(error) = &written {
        events.push(Event::CheckpointSidecarWriteFailed {
            sha: commit.sha.clone(),
            path: checkpoints.join(&name).to_string(),
            error: error.to_string(),
        });
    }
    events.push(Event::CheckpointComplete {
        commit: commit.sha.clone(),
        milestone_index: state.milestone_index,
        tree: commit.tree.clone(),
        sidecar_written: written.is_ok(),
    });
    events
}
