//! The branch that takes the work.

use camino::Utf8PathBuf;
use runr_core::mutant::without;
use runr_core::{Code, Error, Result};

use crate::harness::git::Git;
use crate::harness::worktree::has_branch;
use crate::merge::CommitId;
use crate::presence;

/// A local branch: its name is nothing that git could take for an option, a pattern or a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Branch(String);

impl Branch {
    /// A branch that exists, and is one of its own rather than another name of one.
    ///
    /// # Errors
    /// `E_USAGE`.
    pub(super) fn existing(git: &Git, name: &str) -> Result<Self> {
        let usage = |problem: String| Error::new(Code::Usage, problem).with("to", name);
        let shown = name.escape_debug();
        if !is_plain(git, name)? && !without("submit-name") {
            return Err(usage(format!("`{shown}` is not the name of a branch")));
        }
        if !has_branch(git, name)? {
            return Err(usage(format!("there is no local branch {shown}"))
                .hint(format!("git branch {shown} <commit>")));
        }
        let branch = Self(name.to_owned());
        let (is_other_name, _) = git.ask(&["symbolic-ref", "--quiet", &branch.reference()])?;
        if is_other_name {
            return Err(usage(format!("{shown} is another name of a branch"))
                .hint(format!("git symbolic-ref refs/heads/{shown}")));
        }
        Ok(branch)
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    pub(super) fn reference(&self) -> String {
        format!("refs/heads/{}", self.0)
    }

    /// Where it is.
    pub(super) fn tip(&self, git: &Git) -> Result<CommitId> {
        let commit = format!("{}^{{commit}}", self.reference());
        let text = git.run(&["rev-parse", "--verify", "--end-of-options", &commit])?;
        CommitId::parse(text.trim())
            .ok_or_else(|| Error::internal(format!("git named a commit `{}`", text.trim())))
    }

    /// The trees that have it checked out.
    pub(super) fn checkouts(&self, git: &Git) -> Result<Vec<Utf8PathBuf>> {
        let text = git.run(&["worktree", "list", "--porcelain", "-z"])?;
        let mut trees = Vec::new();
        for tree in trees_with(&text, &self.reference()) {
            // One whose directory is gone has nothing to bring along.
            if presence::is_dir(&tree)? {
                trees.push(tree);
            }
        }
        Ok(trees)
    }
}

/// Whether git would let a branch have this name. Nothing is expanded here, as `@{-1}` could be; such
/// is no name.
fn is_plain(git: &Git, name: &str) -> Result<bool> {
    if name.contains('\0') || name.starts_with('-') || name == "HEAD" {
        return Ok(false);
    }
    let (is_plain, _) = git.ask(&["check-ref-format", &format!("refs/heads/{name}")])?;
    Ok(is_plain)
}

/// Reads `git worktree list --porcelain -z`: fields with a NUL behind each, and one more behind each
/// tree.
fn trees_with(text: &str, reference: &str) -> Vec<Utf8PathBuf> {
    let of_tree = |fields: &str| {
        let mut fields = fields.split('\0');
        let tree = fields.next()?.strip_prefix("worktree ")?;
        let has_it = |field: &str| field.strip_prefix("branch ") == Some(reference);
        fields.any(has_it).then(|| Utf8PathBuf::from(tree))
    };
    text.split("\0\0").filter_map(of_tree).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trees_of_a_branch_are_found_among_all() {
        let text = "worktree /r\0HEAD a\0branch refs/heads/main\0\0\
            worktree /w\nx\0HEAD b\0detached\0\0\
            worktree /branch refs/heads/main\0HEAD c\0branch refs/heads/main2\0locked why\0\0\
            worktree /bare\0bare\0\0\
            worktree /v\0HEAD a\0branch refs/heads/main\0prunable gone\0\0";
        let main = trees_with(text, "refs/heads/main");
        assert_eq!(main, ["/r", "/v"]);
        assert_eq!(trees_with("", "refs/heads/main"), [""; 0]);
    }
}
