//! Flags that the user has set in the index, so that git takes files for unchanged.

use std::collections::HashSet;

use camino::Utf8Path;
use runr_core::Result;
use runr_core::mutant::without;
use serde::{Deserialize, Serialize};

use crate::harness::git::Git;
use crate::harness::path_list;

/// The files with flags of the user's own. What a sparse checkout leaves out has none: its rules tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flags {
    assume_unchanged: Vec<String>,
    skip_worktree: Vec<String>,
}

impl Flags {
    /// Those of the index that `git` goes by.
    pub(crate) fn of(git: &Git) -> Result<Self> {
        let mut flags = parse(&git.run(&["ls-files", "-v", "-z"])?);
        if !flags.skip_worktree.is_empty() && is_sparse(git)? {
            flags.skip_worktree.clear();
        }
        Ok(flags)
    }

    /// Sets them in the index that `git` goes by, for the files that it still has.
    pub(super) fn set(&self, git: &Git, run_dir: &Utf8Path) -> Result<()> {
        if *self == Self::default() || without("user-flags") {
            return Ok(());
        }
        let tracked = git.run(&["ls-files", "-z"])?;
        let tracked: HashSet<&str> = tracked.split_terminator('\0').collect();
        for (flag, paths) in [
            ("--assume-unchanged", &self.assume_unchanged),
            ("--skip-worktree", &self.skip_worktree),
        ] {
            let there = paths.iter().filter(|path| tracked.contains(path.as_str()));
            let there: Vec<String> = there.cloned().collect();
            let list = path_list::write(run_dir, "flagged-paths", &there)?;
            git.run_fed(&["update-index", flag, "-z", "--stdin"], &list, &[])?;
        }
        Ok(())
    }
}

/// Whether the tree leaves out what the rules of a sparse checkout leave out.
pub(super) fn is_sparse(git: &Git) -> Result<bool> {
    let (_, said) = git.ask(&["config", "--type=bool", "core.sparseCheckout"])?;
    Ok(said.trim() == "true")
}

/// Reads `git ls-files -v -z`: `S` is skipped, a small letter is taken for unchanged.
fn parse(text: &str) -> Flags {
    let mut flags = Flags::default();
    for (tag, path) in text.split('\0').filter_map(|entry| entry.split_once(' ')) {
        // Of a name that cannot be told git would know nothing.
        if path.contains('\u{FFFD}') {
            continue;
        }
        if tag.eq_ignore_ascii_case("S") {
            flags.skip_worktree.push(path.to_owned());
        }
        if tag.bytes().all(|letter| letter.is_ascii_lowercase()) {
            flags.assume_unchanged.push(path.to_owned());
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_flags_are_told_of_names_with_blanks() {
        let flags = parse("H a\0h b c\0S d\ne\0s f\0S \u{FFFD}\0");
        assert_eq!(flags.assume_unchanged, ["b c", "f"]);
        assert_eq!(flags.skip_worktree, ["d\ne", "f"]);
        assert_eq!(parse(""), Flags::default());
    }
}
