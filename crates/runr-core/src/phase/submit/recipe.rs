//! The commands by which a person does what could not be done for them.

use super::Obstacle;
use crate::phase::shell::quoted;
use camino::Utf8Path;

use crate::id::RunId;

/// What a person needs to know to merge by hand.
#[derive(Debug, Clone, Copy)]
pub struct ByHand<'a> {
    /// The run.
    pub run_id: &'a RunId,
    /// The branch, without `refs/heads/`.
    pub target: &'a str,
    /// A directory that does not exist yet.
    pub tree: &'a Utf8Path,
    /// A tree that has the branch checked out.
    pub checkout: Option<&'a Utf8Path>,
    /// What is to be merged.
    pub picking: Picking<'a>,
}

/// What a person picks.
#[derive(Debug, Clone, Copy)]
pub enum Picking<'a> {
    /// These commits, one by one.
    Each {
        /// The oldest first.
        commits: &'a [String],
        /// Whether one of them is a merge.
        with_merges: bool,
    },
    /// All up to this commit, as one.
    Squash {
        /// The last one.
        last: &'a str,
        /// The first line of the commit.
        subject: &'a str,
    },
}

impl ByHand<'_> {
    /// The commands, in order: a tree beside all others, the commits with a stop at each conflict,
    /// the branch, and what was only needed for that. A line that begins with `#` is for the person.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let (run_id, tree) = (self.run_id, quoted(self.tree.as_str()));
        let branch = format!("runr/submit-{run_id}");
        let target = quoted(&format!("refs/heads/{}", self.target));
        let (pick, go_on) = match self.picking {
            Picking::Each {
                commits,
                with_merges,
            } => {
                let parent = if with_merges { " -m 1" } else { "" };
                (
                    format!("cherry-pick{parent} {}", commits.join(" ")),
                    "-c core.editor=true cherry-pick --continue".to_owned(),
                )
            }
            Picking::Squash { last, subject } => (
                format!("merge --squash {last}"),
                format!("commit -m {}", quoted(subject)),
            ),
        };
        let finish = match self.checkout {
            Some(checkout) => fast_forward(checkout, &format!("refs/heads/{branch}")),
            None => {
                let refspec = format!("refs/heads/{branch}:refs/heads/{}", self.target);
                format!("git fetch . {}", quoted(&refspec))
            }
        };
        vec![
            format!("git worktree add -b {branch} {tree} {target}"),
            format!("git -C {tree} {pick}"),
            format!("# at each stop: mend the files in {tree} and `git add` them, then:"),
            format!("git -C {tree} {go_on}"),
            finish,
            format!("git worktree remove {tree}"),
            format!("git branch -D {branch}"),
        ]
    }
}

/// What a person needs to know to take a result that is kept.
#[derive(Debug, Clone, Copy)]
pub struct Taking<'a> {
    /// The run.
    pub run_id: &'a RunId,
    /// The branch, without `refs/heads/`.
    pub target: &'a str,
    /// Whether it became one commit.
    pub squash: bool,
    /// The tree that the branch waits for.
    pub tree: &'a Utf8Path,
    /// What keeps the result.
    pub reference: &'a str,
    /// Why it is kept.
    pub why: &'a Obstacle,
}

impl Taking<'_> {
    /// The commands, in order. Git is sent only to a tree that has the branch.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        match self.why {
            // Of all trees: git refuses to repair a single one that has no `.git`.
            Obstacle::Left => vec!["git worktree repair".to_owned(), self.again()],
            Obstacle::Underway => {
                let tree = quoted(self.tree.as_str());
                let remark = format!("# finish or abort the rebase or bisect in {tree}, then:");
                vec![remark, self.again()]
            }
            Obstacle::LiveRun | Obstacle::Dirty | Obstacle::Several | Obstacle::Git(_) => {
                vec![fast_forward(self.tree, self.reference)]
            }
        }
    }

    fn again(&self) -> String {
        let squash = if self.squash { " --squash" } else { "" };
        format!(
            "runr submit {} --to {}{squash}",
            self.run_id,
            quoted(self.target)
        )
    }
}

/// The command that brings a tree and its branch to a result.
fn fast_forward(tree: &Utf8Path, reference: &str) -> String {
    let (tree, reference) = (quoted(tree.as_str()), quoted(reference));
    format!("git -C {tree} merge --ff-only {reference}")
}

/// The command that pushes a branch.
#[must_use]
pub fn push(remote: &str, target: &str) -> String {
    let refspec = format!("refs/heads/{target}:refs/heads/{target}");
    format!("git push {} {}", quoted(remote), quoted(&refspec))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(picking: Picking<'_>, checkout: Option<&str>) -> Vec<String> {
        let run_id = RunId::parse("20260101000000").unwrap();
        let by_hand = ByHand {
            run_id: &run_id,
            target: "main",
            tree: "/r/a tree".into(),
            checkout: checkout.map(Utf8Path::new),
            picking,
        };
        by_hand.commands()
    }

    #[test]
    fn commits_are_picked_one_by_one_and_the_checkout_follows() {
        let commits = ["aa".to_owned(), "bb".to_owned()];
        let each = |with_merges| Picking::Each {
            commits: &commits,
            with_merges,
        };
        assert_eq!(
            commands(each(false), Some("/r")),
            [
                "git worktree add -b runr/submit-20260101000000 '/r/a tree' refs/heads/main",
                "git -C '/r/a tree' cherry-pick aa bb",
                "# at each stop: mend the files in '/r/a tree' and `git add` them, then:",
                "git -C '/r/a tree' -c core.editor=true cherry-pick --continue",
                "git -C /r merge --ff-only refs/heads/runr/submit-20260101000000",
                "git worktree remove '/r/a tree'",
                "git branch -D runr/submit-20260101000000",
            ]
        );
        assert!(commands(each(true), None)[1].ends_with("cherry-pick -m 1 aa bb"));
    }

    #[test]
    fn one_commit_is_merged_and_a_branch_without_a_checkout_is_fetched() {
        let squash = Picking::Squash {
            last: "cc",
            subject: "it's done",
        };
        let commands = commands(squash, None);
        assert!(commands[1].ends_with("merge --squash cc"));
        assert!(commands[3].ends_with(r"commit -m 'it'\''s done'"));
        let refspec = "refs/heads/runr/submit-20260101000000:refs/heads/main";
        assert_eq!(commands[4], format!("git fetch . {refspec}"));
    }

    #[test]
    fn no_command_goes_to_a_tree_that_does_not_have_the_branch() {
        let run_id = RunId::parse("20260101000000").unwrap();
        let commands = |why: &Obstacle, squash| {
            let taking = Taking {
                run_id: &run_id,
                target: "a;b",
                squash,
                tree: "/r/a tree".into(),
                reference: "refs/runr/submit/x",
                why,
            };
            taking.commands()
        };
        let again = "runr submit 20260101000000 --to 'a;b'";
        for (squash, again) in [
            (false, again.to_owned()),
            (true, format!("{again} --squash")),
        ] {
            let repair = "git worktree repair".to_owned();
            assert_eq!(commands(&Obstacle::Left, squash), [repair, again.clone()]);
            let underway = commands(&Obstacle::Underway, squash);
            assert!(underway[0].starts_with("# ") && underway[0].contains("'/r/a tree'"));
            assert_eq!(underway[1..], [again]);
        }
        let forward = "git -C '/r/a tree' merge --ff-only refs/runr/submit/x";
        assert_eq!(commands(&Obstacle::Dirty, false), [forward]);
    }

    #[test]
    fn what_a_shell_would_read_is_quoted() {
        assert_eq!(quoted("a/b-c.d"), "a/b-c.d");
        assert_eq!(quoted("$(x)"), "'$(x)'");
        assert_eq!(quoted(""), "''");
        let refspec = "'refs/heads/a;b:refs/heads/a;b'";
        assert_eq!(push("origin", "a;b"), format!("git push origin {refspec}"));
    }
}
