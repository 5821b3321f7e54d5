//! Branches that no tree has checked out and that are in use all the same: while a rebase or a bisect
//! goes on, a tree is on no branch, and comes back to its own when that ends.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::mutant::without;
use runr_core::{Error, Result};

use super::Submission;
use super::branch::Branch;
use crate::presence;

/// Where git notes such branches, in the directory of a tree: as a line that is the whole reference,
/// or only the name.
const NOTES: [&str; 4] = [
    "rebase-merge/head-name",
    "rebase-merge/update-refs",
    "rebase-apply/head-name",
    "BISECT_START",
];

/// The trees that will come back to the branch. One whose directory is gone counts until git has
/// forgotten it, as it does for git.
pub(super) fn trees(of: &Submission<'_>) -> Result<Vec<Utf8PathBuf>> {
    if without("submit-underway") {
        return Ok(Vec::new());
    }
    let common = of.git.place()?.common_dir;
    let mut found = Vec::new();
    if comes_back(&common, &of.branch)? {
        found.push(of.layout.repo_root.clone());
    }
    let linked = common.join("worktrees");
    let failed = |source| Error::io("read", &linked, source);
    let entries = presence::if_there(linked.read_dir_utf8()).map_err(failed)?;
    for own in entries.into_iter().flatten() {
        let own = own.map_err(failed)?.into_path();
        if comes_back(&own, &of.branch)? {
            found.push(tree_of(&own)?);
        }
    }
    Ok(found)
}

fn comes_back(own: &Utf8Path, branch: &Branch) -> Result<bool> {
    for note in NOTES {
        let text = presence::text(&own.join(note))?.unwrap_or_default();
        if notes(&text, branch.name(), &branch.reference()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn notes(text: &str, name: &str, reference: &str) -> bool {
    text.lines().any(|line| line == name || line == reference)
}

/// The tree whose own directory this is, by the path of its `.git`.
fn tree_of(own: &Utf8Path) -> Result<Utf8PathBuf> {
    let link = presence::text(&own.join("gitdir"))?.unwrap_or_default();
    let link = own.join(link.trim_end_matches('\n'));
    Ok(link.parent().unwrap_or(own).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_noted_by_a_whole_line() {
        let noted = |text: &str| notes(text, "main", "refs/heads/main");
        assert!(noted("refs/heads/main\n") && noted("main\n"));
        assert!(noted("refs/heads/a\n01\n02\nrefs/heads/main\n03\n04\n"));
        for other in [
            "",
            "refs/heads/main2\n",
            "refs/heads/a/main\n",
            "detached HEAD\n",
        ] {
            assert!(!noted(other), "{other}");
        }
    }
}
