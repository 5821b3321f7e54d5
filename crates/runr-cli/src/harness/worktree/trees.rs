//! The trees of a repository, and what they have checked out.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::mutant::without;
use runr_core::{Code, Error, Result};

use crate::harness::git::Git;
use crate::presence;

/// Refuses to make the tree at `dir` where another one has its branch checked out: the run would
/// commit under whoever works there.
pub(super) fn refuse_where_checked_out(git: &Git, dir: &Utf8Path, branch: &str) -> Result<()> {
    // Without `-z`, which an older git does not know.
    let text = git.run(&["worktree", "list", "--porcelain"])?;
    for tree in trees_with(&text, branch) {
        // Git knows of trees that are gone, as the one that is made again.
        if presence::exists(&tree)? && !without("branch-elsewhere") {
            let message = format!("Worktree is missing: {branch} is checked out in {tree}");
            return Err(Error::new(Code::WorktreeMissing, message)
                .at(dir)
                .with("worktree_path", dir.as_str())
                .hint(format!("switch {tree} to another branch, then resume")));
        }
    }
    Ok(())
}

/// Reads `git worktree list --porcelain`: fields in lines, an empty one behind each tree.
fn trees_with(text: &str, branch: &str) -> Vec<Utf8PathBuf> {
    let reference = format!("branch refs/heads/{branch}");
    let of_tree = |fields: &str| {
        let mut fields = fields.lines();
        let tree = fields.next()?.strip_prefix("worktree ")?;
        fields
            .any(|field| field == reference)
            .then(|| Utf8PathBuf::from(tree))
    };
    text.split("\n\n").filter_map(of_tree).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trees_of_a_branch_are_found_among_all() {
        let text = "worktree /r\nHEAD a\nbranch refs/heads/runr/1\n\n\
            worktree /w\nHEAD b\ndetached\n\n\
            worktree /bare\nbare\n\n\
            worktree /v\nHEAD c\nbranch refs/heads/runr/12\n\n\
            worktree /u\nHEAD a\nbranch refs/heads/runr/1\nprunable gone\n\n";
        assert_eq!(trees_with(text, "runr/1"), ["/r", "/u"]);
        assert_eq!(trees_with("", "runr/1"), [""; 0]);
    }
}
