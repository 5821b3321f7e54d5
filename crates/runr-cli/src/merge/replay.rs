//! Commits, made again on another tip.

use runr_core::phase::submit::Moved;
use runr_core::{Code, Error, Result};

use super::commit::{Commit, CommitId, commits, is_straight};
use super::three_way::{Conflict, Merged, merge};
use crate::harness::Git;

/// The commits after `base` up to `last`.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) base: CommitId,
    pub(crate) last: CommitId,
}

/// In which form the work comes onto the tip.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form<'a> {
    /// Each commit again.
    Each,
    /// One commit with this message.
    Squash(&'a str),
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Replay {
    /// The new tip, and which commit became which. It is the old tip if there was nothing to do.
    Done { tip: CommitId, moved: Vec<Moved> },
    /// Nothing is there but objects that nobody refers to.
    Stopped(Stopped),
}

/// Where a replay could not go on.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) conflict: Conflict,
    /// All commits that were to be made again, the oldest first.
    pub(crate) commits: Vec<String>,
    pub(crate) with_merges: bool,
}

/// Brings the work onto a tip.
///
/// # Errors
/// `E_USAGE` if the commits do not form a line from the base and are not to become one; `E_IO`.
pub(crate) fn replay(git: &Git, work: &Work, onto: &CommitId, form: Form<'_>) -> Result<Replay> {
    let commits = commits(git, &work.base, &work.last)?;
    if commits.is_empty() || git.is_ancestor(work.last.as_str(), onto.as_str())? {
        let moved = Vec::new();
        let tip = onto.clone();
        return Ok(Replay::Done { tip, moved });
    }
    let result = match form {
        Form::Each if !is_straight(&work.base, &commits) => return Err(tangled(work)),
        Form::Each => each(git, &commits, onto)?,
        Form::Squash(message) => squash(git, work, onto, message)?,
    };
    Ok(match result {
        Ok((tip, moved)) => Replay::Done { tip, moved },
        Err(conflict) => Replay::Stopped(Stopped {
            conflict,
            with_merges: commits.iter().any(|commit| commit.is_merge),
            commits: commits.iter().map(|c| c.id.to_string()).collect(),
        }),
    })
}

fn tangled(work: &Work) -> Error {
    let base = &work.base;
    let message = format!("the commits of the run do not form a line from its base {base}");
    Error::new(Code::Usage, message).hint("--squash makes one commit of them")
}

type Outcome = std::result::Result<(CommitId, Vec<Moved>), Conflict>;

fn each(git: &Git, commits: &[Commit], onto: &CommitId) -> Result<Outcome> {
    let mut tip = onto.clone();
    let mut tree = tip.tree(git)?;
    let mut moved = Vec::new();
    for commit in commits {
        if stays_itself(commit, &tip) {
            tip = commit.id.clone();
            tree = tip.tree(git)?;
        } else {
            let merged = match merge(git, &commit.parent, &tip, &commit.id)? {
                Merged::Conflict(conflict) => return Ok(Err(conflict)),
                Merged::Tree(merged) => merged,
            };
            if merged == tree {
                continue; // It changes nothing here.
            }
            tip = again(git, commit, &merged, &tip)?;
            tree = merged;
        }
        moved.push(Moved {
            from: commit.id.to_string(),
            to: tip.to_string(),
        });
    }
    Ok(Ok((tip, moved)))
}

/// Whether a commit may go onto the tip as it is. The other parents of a merge may not.
fn stays_itself(commit: &Commit, tip: &CommitId) -> bool {
    !commit.is_merge && commit.parent == *tip
}

/// Makes a commit again with another tree and parent.
fn again(git: &Git, commit: &Commit, tree: &CommitId, parent: &CommitId) -> Result<CommitId> {
    let author = &commit.author;
    let date = format!("@{}", author.date);
    let env = [
        ("GIT_AUTHOR_NAME", author.name.as_str()),
        ("GIT_AUTHOR_EMAIL", author.mail.as_str()),
        ("GIT_AUTHOR_DATE", date.as_str()),
    ];
    make(git, tree, parent, &commit.message, &env)
}

fn make(
    git: &Git,
    tree: &CommitId,
    parent: &CommitId,
    message: &str,
    env: &[(&str, &str)],
) -> Result<CommitId> {
    let (tree, parent) = (tree.as_str(), parent.as_str());
    let args = ["commit-tree", tree, "-p", parent, "-F", "-"];
    // The message is UTF-8 here, whatever it was kept in.
    let in_utf8 = [&["-c", "i18n.commitEncoding=UTF-8"], &args[..]].concat();
    CommitId::printed(&git.run_as_user_told(&in_utf8, message, env)?)
}

fn squash(git: &Git, work: &Work, onto: &CommitId, message: &str) -> Result<Outcome> {
    let tree = match merge(git, &work.base, onto, &work.last)? {
        Merged::Conflict(conflict) => return Ok(Err(conflict)),
        Merged::Tree(tree) => tree,
    };
    if tree == onto.tree(git)? {
        return Ok(Ok((onto.clone(), Vec::new())));
    }
    let tip = make(git, &tree, onto, message, &[])?;
    let moved = Moved {
        from: work.last.to_string(),
        to: tip.to_string(),
    };
    Ok(Ok((tip, vec![moved])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::commit::Author;

    #[test]
    fn a_commit_stays_itself_only_on_its_own_parent_and_without_another() {
        let id = |digit: &str| CommitId::parse(&digit.repeat(40)).unwrap();
        let commit = |is_merge| Commit {
            id: id("b"),
            parent: id("a"),
            is_merge,
            author: Author {
                name: String::new(),
                mail: String::new(),
                date: String::new(),
            },
            message: String::new(),
        };
        assert!(stays_itself(&commit(false), &id("a")));
        assert!(!stays_itself(&commit(false), &id("c")));
        assert!(!stays_itself(&commit(true), &id("a")));
    }
}
