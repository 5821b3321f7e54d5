//! The work of a run on another branch: where it may go, how it ended, and what a person can do
//! when it did not go by itself.

mod recipe;

use camino::Utf8PathBuf;
use serde::{Serialize, Serializer};

use super::model::Tier;
use super::state::State;
use crate::id::RunId;

pub use recipe::{ByHand, Picking, Taking, push};

/// How often a submission begins anew because the branch moved while it was at work.
pub const RESTARTS: u32 = 3;

/// The first line of the one commit that a run becomes.
#[must_use]
pub fn squash_subject(run_id: &RunId) -> String {
    format!("chore(runr): submit {run_id}")
}

/// The message of that commit: the run, what its finished milestones were for, and the claim that it
/// was made under.
#[must_use]
pub fn squash_message(run_id: &RunId, state: &State) -> String {
    let mut text = squash_subject(run_id) + "\n\n";
    for milestone in state.milestones.iter().take(state.milestone_index) {
        // Only one line each: the last paragraph is for trailers.
        let goal = milestone.goal.lines().next().unwrap_or_default();
        text.push_str(&format!("- {goal}\n"));
    }
    text.push_str(&format!("\nRunr-Run-Id: {run_id}\n"));
    if let Some(claim) = &state.claim {
        let (target, token) = (&claim.target, claim.token);
        text.push_str(&format!("Runr-Target: {target}\nRunr-Token: {token}\n"));
    }
    text
}

/// A commit of the run, and the one that stands for it on the branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// In the run.
    pub from: String,
    /// On the branch; the same if the branch stood where the run began.
    pub to: String,
}

/// A check that failed on the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedCheck {
    /// Of which tier.
    pub tier: Tier,
    /// What was run.
    pub command: String,
    /// -1: killed, or not started.
    pub exit_code: i32,
    /// Whether the time of all checks was up.
    pub timed_out: bool,
    /// Its output, relative to the run directory.
    pub log: String,
}

/// What keeps a branch from moving although the result is fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// A live run works in the tree that has the branch checked out.
    LiveRun,
    /// That tree has uncommitted changes.
    Dirty,
    /// More than one tree has the branch checked out; only one could be brought along.
    Several,
    /// A rebase or a bisect will come back to the branch, and put it where it was or elsewhere.
    Underway,
    /// Its tree was cut off from the repository or switched away: there git would move another branch.
    Left,
    /// Git refused to bring the tree along, in its own words.
    Git(String),
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LiveRun => f.write_str("a live run works in the tree that has it checked out"),
            Self::Dirty => f.write_str("the tree that has it checked out has uncommitted changes"),
            Self::Several => f.write_str("several trees have it checked out"),
            Self::Underway => f.write_str("a rebase or a bisect will come back to it"),
            Self::Left => f.write_str("its tree no longer has it checked out"),
            Self::Git(words) => write!(f, "git did not fast-forward its tree: {words}"),
        }
    }
}

/// How a branch takes a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landing {
    /// No tree has it checked out: the reference moves alone.
    Reference,
    /// This tree has it checked out and is brought along, if it may be.
    Tree(Utf8PathBuf),
    /// It does not, because of this tree.
    Refused(Utf8PathBuf, Obstacle),
}

/// How a branch takes a result, by the trees that have it checked out and those that have it
/// underway: in the middle of something that they began on it.
#[must_use]
pub fn landing(checkouts: &[Utf8PathBuf], underway: &[Utf8PathBuf]) -> Landing {
    match (underway, checkouts) {
        ([tree, ..], _) => Landing::Refused(tree.clone(), Obstacle::Underway),
        ([], []) => Landing::Reference,
        ([], [tree]) => Landing::Tree(tree.clone()),
        ([], [tree, ..]) => Landing::Refused(tree.clone(), Obstacle::Several),
    }
}

/// How a submission ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The branch has all of it already.
    NothingToMove {
        /// What became of the wish to push it: an earlier push may have failed.
        push: Push,
    },
    /// A dry run: this would be the tip.
    Planned {
        /// The tip, which no reference names.
        new_sha: String,
    },
    /// Both sides changed the same places; nothing moved.
    Conflict {
        /// Where.
        files: Vec<String>,
        /// What git says about them.
        messages: Vec<String>,
        /// The commands by which a person goes on.
        recipe: Vec<String>,
    },
    /// A check fails on the result; nothing moved.
    ChecksFailed(FailedCheck),
    /// It was told to stop; nothing moved.
    Interrupted,
    /// The result is fine, but the branch could not take it.
    Kept {
        /// The result.
        new_sha: String,
        /// The reference that keeps it.
        reference: String,
        /// Why.
        why: Obstacle,
        /// Whether checks were run on it.
        verified: bool,
        /// The commands that move the branch.
        recipe: Vec<String>,
    },
    /// The branch has moved.
    Moved {
        /// Where it is now.
        new_sha: String,
        /// Whether checks were run on it.
        verified: bool,
        /// What became of the wish to push it.
        push: Push,
    },
}

/// What became of the wish to push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// Nobody wished it.
    NotAsked,
    /// The remote of this name has it.
    Done(String),
    /// The branch is here where it should be, but not there.
    Failed {
        /// Git's words.
        words: String,
        /// The command that tries again.
        recipe: Vec<String>,
    },
}

/// What a submission did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The run.
    pub run_id: RunId,
    /// The branch, without `refs/heads/`.
    pub target: String,
    /// Where the branch was.
    pub old_sha: String,
    /// What became of the commits of the run.
    pub commits: Vec<Moved>,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    /// How it ended.
    pub ending: Ending,
}

impl Submitted {
    /// The exit status of a command that ends so.
    #[must_use]
    pub const fn exit(&self) -> u8 {
        match &self.ending {
            Ending::Planned { .. } => 0,
            Ending::NothingToMove { push } | Ending::Moved { push, .. } => {
                matches!(push, Push::Failed { .. }) as u8
            }
            Ending::Conflict { .. } | Ending::ChecksFailed(_) => 1,
            Ending::Kept { .. } => 3,
            Ending::Interrupted => 130,
        }
    }

    fn form(&self) -> Form<'_> {
        let mut form = Form {
            run_id: &self.run_id,
            target: &self.target,
            old_sha: &self.old_sha,
            new_sha: None,
            commits: &self.commits,
            verified: false,
            pushed: false,
            dry_run: self.dry_run,
            conflicts: &[],
            recipe: &[],
            outcome: "nothing_to_move",
            messages: Vec::new(),
            kept_as: None,
            failed_check: None,
        };
        match &self.ending {
            Ending::NothingToMove { push } => form.pushed(push),
            Ending::Interrupted => form.outcome = "interrupted",
            Ending::Planned { new_sha } => {
                form.outcome = "planned";
                form.new_sha = Some(new_sha);
            }
            Ending::Conflict {
                files,
                messages,
                recipe,
            } => {
                form.outcome = "conflict";
                (form.conflicts, form.recipe) = (files, recipe);
                form.messages.clone_from(messages);
            }
            Ending::ChecksFailed(check) => {
                form.outcome = "checks_failed";
                form.failed_check = Some(check);
            }
            Ending::Kept {
                new_sha,
                reference,
                why,
                verified,
                recipe,
            } => {
                form.outcome = "kept";
                form.new_sha = Some(new_sha);
                form.kept_as = Some(reference);
                (form.verified, form.recipe) = (*verified, recipe);
                form.messages.push(why.to_string());
            }
            Ending::Moved {
                new_sha,
                verified,
                push,
            } => {
                form.outcome = "moved";
                form.new_sha = Some(new_sha);
                form.verified = *verified;
                form.pushed(push);
            }
        }
        form
    }
}

/// The flat form, the same in all languages.
#[derive(Serialize)]
struct Form<'a> {
    run_id: &'a RunId,
    target: &'a str,
    old_sha: &'a str,
    new_sha: Option<&'a str>,
    commits: &'a [Moved],
    verified: bool,
    pushed: bool,
    dry_run: bool,
    conflicts: &'a [String],
    recipe: &'a [String],
    outcome: &'static str,
    messages: Vec<String>,
    kept_as: Option<&'a str>,
    failed_check: Option<&'a FailedCheck>,
}

impl<'a> Form<'a> {
    fn pushed(&mut self, push: &'a Push) {
        match push {
            Push::NotAsked => {}
            Push::Done(_) => self.pushed = true,
            Push::Failed { words, recipe } => {
                self.outcome = "push_failed";
                self.recipe = recipe;
                self.messages.push(words.clone());
            }
        }
    }
}

impl Serialize for Submitted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.form().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submitted(ending: Ending) -> Submitted {
        Submitted {
            run_id: RunId::parse("20260101000000").unwrap(),
            target: "main".into(),
            old_sha: "a".into(),
            commits: Vec::new(),
            dry_run: false,
            ending,
        }
    }

    fn moved(push: Push) -> Ending {
        Ending::Moved {
            new_sha: "b".into(),
            verified: true,
            push,
        }
    }

    fn kept() -> Ending {
        Ending::Kept {
            new_sha: "b".into(),
            reference: "refs/runr/submit/x".into(),
            why: Obstacle::Dirty,
            verified: true,
            recipe: vec!["git merge".into()],
        }
    }

    fn failed() -> Push {
        Push::Failed {
            words: "rejected".into(),
            recipe: vec!["git push".into()],
        }
    }

    #[test]
    fn only_a_branch_that_has_all_of_it_exits_with_zero() {
        let check = FailedCheck {
            tier: Tier::Tier0,
            command: "false".into(),
            exit_code: 1,
            timed_out: false,
            log: "logs/submit-01/tier0-1.log".into(),
        };
        let conflict = Ending::Conflict {
            files: vec!["a".into()],
            messages: Vec::new(),
            recipe: Vec::new(),
        };
        let nothing = |push| Ending::NothingToMove { push };
        let planned = Ending::Planned {
            new_sha: "b".into(),
        };
        for (ending, exit, outcome) in [
            (nothing(Push::NotAsked), 0, "nothing_to_move"),
            (nothing(Push::Done("origin".into())), 0, "nothing_to_move"),
            (nothing(failed()), 1, "push_failed"),
            (planned, 0, "planned"),
            (moved(Push::NotAsked), 0, "moved"),
            (moved(Push::Done("origin".into())), 0, "moved"),
            (moved(failed()), 1, "push_failed"),
            (conflict, 1, "conflict"),
            (Ending::ChecksFailed(check), 1, "checks_failed"),
            (kept(), 3, "kept"),
            (Ending::Interrupted, 130, "interrupted"),
        ] {
            let submitted = submitted(ending);
            assert_eq!(submitted.exit(), exit, "{submitted:?}");
            assert_eq!(
                serde_json::to_value(&submitted).unwrap()["outcome"],
                outcome
            );
        }
    }

    #[test]
    fn the_flat_form_begins_with_the_fields_that_were_promised_first() {
        let value = serde_json::to_value(submitted(moved(failed()))).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().collect();
        let promised = [
            "run_id",
            "target",
            "old_sha",
            "new_sha",
            "commits",
            "verified",
            "pushed",
            "dry_run",
            "conflicts",
            "recipe",
        ];
        assert_eq!(keys[..promised.len()], promised);
        assert_eq!(value["new_sha"], "b");
        assert_eq!(value["recipe"], serde_json::json!(["git push"]));
        let value = serde_json::to_value(submitted(kept())).unwrap();
        assert_eq!(value["kept_as"], "refs/runr/submit/x");
        assert_eq!(value["new_sha"], "b");
    }

    #[test]
    fn one_commit_names_the_run_and_what_was_finished() {
        let goal = |text: &str| {
            serde_json::from_value(serde_json::json!({
                "goal": text, "files_expected": [], "done_checks": [], "risk_level": "low",
            }))
            .unwrap()
        };
        let state = State {
            milestones: vec![goal("one\nRunr-Token: 9"), goal("two"), goal("three")],
            milestone_index: 2,
            ..State::default()
        };
        let run_id = RunId::parse("20260101000000").unwrap();
        assert_eq!(
            squash_message(&run_id, &state),
            "chore(runr): submit 20260101000000\n\n- one\n- two\n\nRunr-Run-Id: 20260101000000\n"
        );
    }

    #[test]
    fn a_branch_takes_a_result_with_at_most_one_tree() {
        let tree = |name: &str| Utf8PathBuf::from(name);
        let (a, b) = (tree("/a"), tree("/b"));
        assert_eq!(landing(&[], &[]), Landing::Reference);
        let one = std::slice::from_ref(&a);
        assert_eq!(landing(one, &[]), Landing::Tree(a.clone()));
        let several = Landing::Refused(a.clone(), Obstacle::Several);
        assert_eq!(landing(&[a.clone(), b.clone()], &[]), several);
        for checkouts in [&[][..], one] {
            let underway = Landing::Refused(b.clone(), Obstacle::Underway);
            assert_eq!(landing(checkouts, std::slice::from_ref(&b)), underway);
        }
    }
}
