//! Worktrees on which git and the directory of worktrees do not agree.

use camino::{Utf8Path, Utf8PathBuf};

use crate::id::RunId;

/// What the names of worktrees begin with in which a result is checked before it is submitted.
pub const SUBMIT_PREFIX: &str = "submit-";

/// A worktree that git has on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What git calls it.
    pub name: String,
    /// Where it was made.
    pub tree: Utf8PathBuf,
    /// Whether git finds it there.
    pub is_there: bool,
    /// Whether the record stays all the same: somebody asked git for that, or its whole place is out
    /// of reach.
    pub is_kept: bool,
}

/// A directory among the worktrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Where it is.
    pub tree: Utf8PathBuf,
    /// The record that its `.git` names, whether git has that or not.
    pub names: Option<String>,
}

/// A worktree without its other half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stray {
    /// A record of a directory that is gone.
    Gone(Recorded),
    /// A directory that no record is of.
    Unknown(Utf8PathBuf),
    /// A directory whose record says that it is elsewhere, where nothing is.
    Moved {
        /// Where it is.
        tree: Utf8PathBuf,
        /// Where it was.
        from: Utf8PathBuf,
    },
    /// A directory that has a record, and has lost the `.git` which names that.
    Cut(Utf8PathBuf),
}

impl Stray {
    /// Where the worktree is, or was.
    #[must_use]
    pub fn tree(&self) -> &Utf8Path {
        match self {
            Self::Gone(record) => &record.tree,
            Self::Unknown(tree) | Self::Moved { tree, .. } | Self::Cut(tree) => tree,
        }
    }
}

/// The run that a worktree is made for, as its name tells.
#[must_use]
pub fn run_of(tree: &Utf8Path) -> Option<RunId> {
    let name = tree.file_name()?;
    let id = RunId::parse(name.strip_prefix(SUBMIT_PREFIX).unwrap_or(name));
    id.ok().filter(RunId::is_harness)
}

/// The worktrees of runs in `under`, or in a directory of that name elsewhere, that lack one half.
/// Those that people made for themselves are their own.
#[must_use]
pub fn strays(under: &Utf8Path, recorded: &[Recorded], present: &[Present]) -> Vec<Stray> {
    let of_runs = present.iter().filter(|there| run_of(&there.tree).is_some());
    let of_directories = of_runs.filter_map(|there| {
        let tree = there.tree.clone();
        match recorded.iter().find(|record| record.tree == tree) {
            Some(record) if record.is_there => return None,
            Some(_) => return Some(Stray::Cut(tree)),
            None => {}
        }
        let from = named(there, recorded).map(|record| record.tree.clone());
        Some(match from {
            Some(from) => Stray::Moved { tree, from },
            None => Stray::Unknown(tree),
        })
    });
    let is_gone = |record: &&Recorded| {
        let is_beside = record.tree.parent().and_then(Utf8Path::file_name) == under.file_name();
        let is_ours = is_beside && run_of(&record.tree).is_some();
        let is_elsewhere = present
            .iter()
            .any(|there| there.tree == record.tree || there.names.as_ref() == Some(&record.name));
        is_ours && !record.is_there && !record.is_kept && !is_elsewhere
    };
    let gone = recorded.iter().filter(is_gone).cloned().map(Stray::Gone);
    of_directories.chain(gone).collect()
}

/// The record of a tree that has left its place.
fn named<'a>(there: &Present, recorded: &'a [Recorded]) -> Option<&'a Recorded> {
    let name = there.names.as_ref()?;
    recorded.iter().find(|it| it.name == *name && !it.is_there)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "20260101000000";
    const B: &str = "submit-20260101000000";

    fn record(name: &str, dir: &str, is_there: bool) -> Recorded {
        Recorded {
            name: name.to_owned(),
            tree: Utf8Path::new(dir).join(name),
            is_there,
            is_kept: false,
        }
    }

    fn directory(name: &str, names: Option<&str>) -> Present {
        Present {
            tree: tree(name),
            names: names.map(str::to_owned),
        }
    }

    fn tree(name: &str) -> Utf8PathBuf {
        Utf8Path::new("/r/trees").join(name)
    }

    fn of(recorded: &[Recorded], present: &[Present]) -> Vec<Stray> {
        strays(Utf8Path::new("/r/trees"), recorded, present)
    }

    #[test]
    fn both_halves_of_a_worktree_are_no_stray() {
        let whole = record(A, "/r/trees", true);
        assert_eq!(of(&[whole], &[directory(A, Some(A))]), []);
    }

    #[test]
    fn a_record_without_its_directory_and_the_reverse_are_strays() {
        let gone = record(A, "/r/trees", false);
        let lonely = directory(B, Some(B));
        let bare = directory("20260102000000", None);
        let found = of(std::slice::from_ref(&gone), &[lonely, bare]);
        let unknown = |name: &str| Stray::Unknown(tree(name));
        let expected = [unknown(B), unknown("20260102000000"), Stray::Gone(gone)];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_directory_without_its_link_keeps_its_record() {
        let cut = record(A, "/r/trees", false);
        let found = of(&[cut], &[directory(A, None)]);
        assert_eq!(found, [Stray::Cut(tree(A))]);
    }

    #[test]
    fn a_repository_that_was_moved_keeps_its_records() {
        let before = record(A, "/old/trees", false);
        let found = of(&[before], &[directory(A, Some(A))]);
        let moved = Stray::Moved {
            tree: tree(A),
            from: Utf8Path::new("/old/trees").join(A),
        };
        assert_eq!(found, [moved]);
    }

    #[test]
    fn a_copy_of_a_repository_does_not_own_the_worktrees_of_the_original() {
        let original = record(A, "/original/trees", true);
        let found = of(&[original], &[directory(A, Some(A))]);
        assert_eq!(found, [Stray::Unknown(tree(A))]);
    }

    #[test]
    fn what_people_made_elsewhere_or_asked_to_keep_is_left() {
        let theirs = record("my-branch", "/r/trees", false);
        let elsewhere = record(A, "/home/me/work", false);
        let kept = Recorded {
            is_kept: true,
            ..record(B, "/r/trees", false)
        };
        assert_eq!(
            of(&[theirs, elsewhere, kept], &[directory("notes", None)]),
            []
        );
    }
}
