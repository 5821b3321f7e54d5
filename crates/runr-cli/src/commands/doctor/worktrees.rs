//! The worktrees: whether git and the directory of worktrees agree on them.

use runr_core::Result;
use runr_core::phase::shell::quoted;
use runr_core::phase::stray::{Stray, run_of};

use super::trouble::{Cure, Seen, Trouble, judge};
use super::{Finding, Level, Subject, found};
use crate::harness::{Layout, Strays};
use crate::host::Host;

/// What is wrong with the worktrees, after the repair if one was wanted; nothing without a
/// repository.
pub(super) struct Worktrees(Option<Result<Vec<Trouble>>>);

impl Worktrees {
    pub(super) fn look(host: &Host, layout: Option<&Layout>, fix: bool) -> Self {
        Self(layout.map(|layout| troubles(host, layout, fix)))
    }

    /// All of it, as it is listed in the JSON form.
    pub(super) fn found(&self) -> impl Iterator<Item = &Trouble> {
        self.0.iter().flatten().flatten()
    }
}

fn troubles(host: &Host, layout: &Layout, fix: bool) -> Result<Vec<Trouble>> {
    let strays = Strays::of(host, layout)?;
    let trouble = |stray: Stray| {
        let mut trouble = trouble_of(&strays, &stray)?;
        if fix {
            trouble.mend(|| strays.remove(&stray));
        }
        Ok(trouble)
    };
    strays.look()?.into_iter().map(trouble).collect()
}

fn trouble_of(strays: &Strays<'_>, stray: &Stray) -> Result<Trouble> {
    let (diagnosis, reason) = match stray {
        Stray::Gone(_) => (
            "worktree_gone",
            "git has it on record, and it is gone".into(),
        ),
        Stray::Unknown(_) => ("worktree_unknown", "git has no record of it".into()),
        Stray::Moved { tree, from } => {
            let reason = format!(
                "git has it at {from}; where the repository was moved, `git worktree repair {}` helps",
                quoted(tree.as_str())
            );
            ("worktree_moved", reason)
        }
        Stray::Cut(_) => {
            let reason = "its `.git` is gone; move it away, and a resume makes it again";
            ("worktree_cut", reason.into())
        }
    };
    let (reason, cure) = match (stray, strays.may_go(stray)?) {
        (_, Ok(())) => (reason, Cure::Remove),
        (Stray::Gone(_) | Stray::Unknown(_), Err(keep)) => {
            (format!("{reason}, but {keep}"), Cure::Inspect)
        }
        (_, Err(_)) => (reason, Cure::Inspect),
    };
    let run_id = run_of(stray.tree());
    Ok(Trouble::new(run_id, stray.tree(), diagnosis, reason, cure))
}

pub(super) fn worktrees(subject: &Subject<'_>) -> Finding {
    match &subject.worktrees.0 {
        None => found(Level::Skip, "no repository"),
        Some(Err(error)) => found(Level::Fail, error.to_string()),
        Some(Ok(troubles)) => {
            let all: Vec<Seen> = troubles.iter().map(Seen::from).collect();
            judge(&all, "runr doctor --fix")
        }
    }
}
