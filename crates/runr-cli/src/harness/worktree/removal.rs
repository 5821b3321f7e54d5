//! Removing a worktree: the facts, the decision, the deed.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::phase::ops::RunFiles;
use runr_core::phase::removal::{Keep, TreeFacts, may_remove};
use runr_core::{Code, Error, Result};

use crate::harness::git::Git;
use crate::presence;

/// An index to compare with, so that nothing which stands in the tree's own can hide a change.
const INDEX: &str = "removal-index";

/// Removes a worktree that git had not made to its end when the harness died: nothing ever worked in
/// it, unless somebody else has done so since.
pub(crate) fn remove_half_made(
    git: &Git,
    files: &RunFiles,
    tree: &Utf8Path,
    made_at: &str,
) -> Result<()> {
    if is_only_begun(tree)? {
        return std::fs::remove_dir_all(tree).map_err(|source| Error::io("remove", tree, source));
    }
    let facts = facts(git, files, tree, made_at)?;
    remove(git, tree, &facts)
}

/// Whether a directory holds nothing, or nothing but a `.git` without a word in it.
fn is_only_begun(tree: &Utf8Path) -> Result<bool> {
    let link = tree.join(".git");
    let is_empty = |it: std::fs::Metadata| it.is_file() && it.len() == 0;
    let is_wordless = presence::link_metadata(&link)?.is_none_or(is_empty);
    Ok(is_wordless && all_but_git(tree)?.is_empty())
}

/// Removes a worktree that was made to run checks in: whatever they left there is nobody's work.
pub(crate) fn remove_scratch(git: &Git, tree: &Utf8Path) -> Result<()> {
    let facts = TreeFacts {
        is_ours: is_of(git, tree)?,
        ..TreeFacts::default()
    };
    remove(git, tree, &facts)
}

fn remove(git: &Git, tree: &Utf8Path, facts: &TreeFacts) -> Result<()> {
    may_remove(facts).map_err(|keep| kept(tree, &keep))?;
    if !git.succeeds(&["worktree", "remove", "--force", "--force", tree.as_str()])? {
        std::fs::remove_dir_all(tree).map_err(|source| Error::io("remove", tree, source))?;
    }
    Ok(())
}

/// What is known of the worktree of a run that nobody drives, which was made at a commit. What it
/// lacks of that commit is no work; what it has besides may be.
fn facts(git: &Git, files: &RunFiles, tree: &Utf8Path, made_at: &str) -> Result<TreeFacts> {
    let is_ours = is_of(git, tree)?;
    if !is_ours {
        return Ok(TreeFacts::default());
    }
    let index = files.dir().join(INDEX);
    let (own, records) = (git.at(tree).judging_by(&index), git.at(tree));
    let status = own.run(&["read-tree", "HEAD"]).and_then(|_| own.status());
    drop(std::fs::remove_file(&index));
    let Ok(status) = status else {
        // Git had not come as far as a tree that it knows, nor as any file.
        return Ok(TreeFacts {
            is_ours,
            changed: all_but_git(tree)?,
            ..TreeFacts::default()
        });
    };
    let mut changed = Vec::new();
    for path in status.changed {
        if presence::link_metadata(&tree.join(&path))?.is_some() {
            changed.push(path);
        }
    }
    let ahead = format!("{made_at}..HEAD");
    let ahead = records.run(&["rev-list", "--count", &ahead])?;
    Ok(TreeFacts {
        is_ours,
        is_driven: false,
        changed,
        only_here: ahead.trim().parse().unwrap_or(usize::MAX),
    })
}

pub(super) fn all_but_git(tree: &Utf8Path) -> Result<Vec<String>> {
    let failed = |source| Error::io("read", tree, source);
    let mut names = Vec::new();
    for entry in tree.read_dir_utf8().map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_owned();
        if name != ".git" {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether the `.git` of a directory leads to the repository of `git`. By the place of the record
/// only: of a tree that was not made to its end git may know nothing else yet.
fn is_of(git: &Git, tree: &Utf8Path) -> Result<bool> {
    let link = presence::text(&tree.join(".git"))?.unwrap_or_default();
    let Some(target) = link.trim().strip_prefix("gitdir:").map(str::trim) else {
        return Ok(false);
    };
    let common = git.run(&["rev-parse", "--path-format=absolute", "--git-common-dir"])?;
    let records = Utf8Path::new(common.trim_end_matches('\n')).join("worktrees");
    // Relative to the tree where git is told to write it so.
    match tree.join(target).parent() {
        Some(dir) => Ok(resolved(dir)? == resolved(&records)?),
        None => Ok(false),
    }
}

/// A path without links; as it is written if nothing is there any more.
fn resolved(path: &Utf8Path) -> Result<Utf8PathBuf> {
    let real = presence::if_there(path.canonicalize_utf8())
        .map_err(|source| Error::io("resolve", path, source))?;
    Ok(real.unwrap_or_else(|| path.to_owned()))
}

fn kept(tree: &Utf8Path, keep: &Keep) -> Error {
    Error::new(Code::Io, format!("cannot create worktree {tree}: {keep}"))
        .at(tree)
        .hint("move the directory away, then try again")
}
