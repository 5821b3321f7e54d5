//! Moves the branch to a result, with the tree that has it checked out, or keeps the result beside.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::mutant::{minding, without};
use runr_core::phase::owned::is_own_output;
use runr_core::phase::submit::{Landing, Obstacle, landing};
use runr_core::{Code, Error, Result};

use super::{Submission, underway};
use crate::harness::git::Git;
use crate::harness::{owner, worktree};
use crate::merge::CommitId;
use crate::presence;

/// Where a result is.
pub(super) enum Landed {
    Moved,
    /// Nowhere: the branch is not where it was.
    TipMoved,
    Kept {
        reference: String,
        /// The tree that the branch waits for.
        tree: Utf8PathBuf,
        why: Obstacle,
    },
}

/// Moves the branch from `old` to `new`. The lock of the repository keeps other runs from checking it
/// out meanwhile.
pub(super) fn land(of: &Submission<'_>, old: &CommitId, new: &CommitId) -> Result<Landed> {
    let _alone = worktree::alone(of.host, &of.layout)?;
    // It may have been lost while the checks ran.
    of.refuse_lost_claim().or_else(minding("submit-claim"))?;
    if of.branch.tip(&of.git)? != *old && !without("submit-swap") {
        return Ok(Landed::TipMoved);
    }
    let checkouts = of.branch.checkouts(&of.git)?;
    match landing(&checkouts, &underway::trees(of)?) {
        Landing::Reference => swap(of, old, new),
        Landing::Tree(tree) => match bring(of, &tree, old, new)? {
            Ok(landed) => Ok(landed),
            Err(why) => keep(of, new, &tree, why),
        },
        Landing::Refused(tree, why) => keep(of, new, &tree, why),
    }
}

/// Moves a reference, unless somebody else has.
fn swap(of: &Submission<'_>, old: &CommitId, new: &CommitId) -> Result<Landed> {
    let reason = format!("runr: submit {}", of.run_id());
    let reference = of.branch.reference();
    let mut args = vec!["update-ref", "--no-deref", "-m", &reason, &reference];
    args.push(new.as_str());
    if !without("submit-swap") {
        args.push(old.as_str());
    }
    match of.git.run(&args) {
        Ok(_) => Ok(Landed::Moved),
        Err(_) if of.branch.tip(&of.git)? != *old => Ok(Landed::TipMoved),
        Err(error) => Err(error),
    }
}

/// Brings a tree and its branch along by git's own fast-forward.
fn bring(
    of: &Submission<'_>,
    tree: &Utf8Path,
    old: &CommitId,
    new: &CommitId,
) -> Result<std::result::Result<Landed, Obstacle>> {
    let runs = of.layout.runs_dir();
    let _tree = match owner::take_tree(&of.host.storage, &runs, tree) {
        Err(error) if error.code() == Code::TreeBusy => return Ok(Err(Obstacle::LiveRun)),
        other => other?,
    };
    let git = of.git.at(tree);
    let strange = |path: &String| !is_own_output(path) && !path.starts_with(".runr/");
    let status = git.status();
    // As late as can be: git moves whatever branch is checked out where it finds itself.
    if !has_it(of, &git, tree)? && !without("submit-tree") {
        return Ok(Err(Obstacle::Left));
    }
    if status?.changed.iter().any(strange) && !without("submit-dirty") {
        return Ok(Err(Obstacle::Dirty));
    }
    // Whatever the user has set: nothing is stashed, and no ignored file is written over.
    let args = [
        "-c",
        "merge.autoStash=false",
        "merge",
        "--ff-only",
        if without("submit-ignored") {
            "--overwrite-ignore"
        } else {
            "--no-overwrite-ignore"
        },
        "--no-stat",
        "--quiet",
        new.as_str(),
    ];
    let merged = git.run(&args);
    let tip = of.branch.tip(&of.git)?;
    Ok(match merged {
        _ if tip == *new => Ok(Landed::Moved),
        _ if tip != *old => Ok(Landed::TipMoved),
        Ok(_) => Err(Obstacle::Git("it has another branch now".to_owned())),
        Err(error) => Err(Obstacle::Git(error.to_string())),
    })
}

/// Whether git in `tree` works on that tree, in this repository, and on the branch. Without a `.git`
/// there it would find the repository around it.
fn has_it(of: &Submission<'_>, git: &Git, tree: &Utf8Path) -> Result<bool> {
    let ours = of.git.place()?;
    let place = match git.place() {
        Err(error) if matches!(error.code(), Code::NotARepo | Code::Usage) => return Ok(false),
        place => place?,
    };
    let real = presence::if_there(tree.canonicalize_utf8())
        .map_err(|source| Error::io("resolve", tree, source))?;
    Ok(real.as_ref() == Some(&place.toplevel)
        && place.common_dir == ours.common_dir
        && place.branch.as_deref() == Some(of.branch.name()))
}

/// Keeps a result where git's clean-up does not take it.
fn keep(of: &Submission<'_>, new: &CommitId, tree: &Utf8Path, why: Obstacle) -> Result<Landed> {
    let reference = format!("refs/runr/submit/{}", of.run_id());
    of.git.run(&["update-ref", &reference, new.as_str()])?;
    Ok(Landed::Kept {
        reference,
        tree: tree.to_owned(),
        why,
    })
}
