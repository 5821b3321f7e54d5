//! Whether the worktree of a run may be removed: the one place that decides it.

/// What is known of a worktree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TreeFacts {
    /// Whether it is a worktree of this repository.
    pub is_ours: bool,
    /// Whether somebody drives its run.
    pub is_driven: bool,
    /// Files that differ from its commit, ignored ones left out.
    pub changed: Vec<String>,
    /// Commits that no other branch, remote branch or tag holds.
    pub only_here: usize,
}

/// Why a worktree must stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// It is somebody else's.
    NotOurs,
    /// Its run is at work.
    Driven,
    /// It holds uncommitted work.
    Dirty(Vec<String>),
    /// It holds commits that are nowhere else.
    Unmerged(usize),
}

impl std::fmt::Display for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotOurs => f.write_str("the path exists and is not the run's"),
            Self::Driven => f.write_str("its run is at work"),
            Self::Dirty(files) => {
                write!(
                    f,
                    "it holds uncommitted changes: {}",
                    files[..files.len().min(5)].join(", ")
                )?;
                match files.len().saturating_sub(5) {
                    0 => Ok(()),
                    more => write!(f, " (+{more} more)"),
                }
            }
            Self::Unmerged(1) => f.write_str("it holds a commit that is nowhere else"),
            Self::Unmerged(n) => write!(f, "it holds {n} commits that are nowhere else"),
        }
    }
}

/// Whether a worktree may be removed, or why not. Nothing of worth is in it if it is ours, nobody
/// works in it, and what it shows is committed and reachable from elsewhere.
///
/// # Errors
/// Why it must stay.
pub fn may_remove(facts: &TreeFacts) -> Result<(), Keep> {
    if !facts.is_ours {
        return Err(Keep::NotOurs);
    }
    if facts.is_driven {
        return Err(Keep::Driven);
    }
    if !facts.changed.is_empty() && !crate::mutant::without("tree-dirty") {
        return Err(Keep::Dirty(facts.changed.clone()));
    }
    if facts.only_here > 0 && !crate::mutant::without("tree-unmerged") {
        return Err(Keep::Unmerged(facts.only_here));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> TreeFacts {
        TreeFacts {
            is_ours: true,
            ..TreeFacts::default()
        }
    }

    #[test]
    fn only_a_tree_of_ours_without_anything_of_its_own_may_go() {
        assert_eq!(may_remove(&ours()), Ok(()));
        assert_eq!(may_remove(&TreeFacts::default()), Err(Keep::NotOurs));
        let driven = TreeFacts {
            is_driven: true,
            ..ours()
        };
        assert_eq!(may_remove(&driven), Err(Keep::Driven));
    }

    #[test]
    fn a_tree_with_uncommitted_work_stays() {
        let files: Vec<String> = (0..7).map(|n| format!("f{n}")).collect();
        let dirty = TreeFacts {
            changed: files.clone(),
            ..ours()
        };
        let kept = may_remove(&dirty).unwrap_err();
        assert_eq!(kept, Keep::Dirty(files));
        assert!(kept.to_string().ends_with("f0, f1, f2, f3, f4 (+2 more)"));
    }

    #[test]
    fn a_tree_with_commits_of_its_own_stays() {
        let unmerged = TreeFacts {
            only_here: 2,
            ..ours()
        };
        assert_eq!(may_remove(&unmerged), Err(Keep::Unmerged(2)));
    }
}
