//! Who may watch something outside that takes its time: a review, a check, a workflow.
//!
//! One run waits for one thing at one commit, and only the owner of that wait may act on what it
//! sees. There is no second observer.

use std::time::Duration;

use super::model::RunName;
use super::target::Target;
use crate::error::{Code, Error, Result};
use crate::json::Written;
use crate::time::Timestamp;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// A review by the forge's own reviewer.
    CopilotReview,
    /// The checks of a commit.
    Ci,
    /// The run of a workflow.
    WorkflowRun,
}

impl WaitKind {
    /// The kind with this word.
    ///
    /// # Errors
    /// `E_USAGE`.
    pub fn parse(word: &str) -> Result<Self> {
        [Self::CopilotReview, Self::Ci, Self::WorkflowRun]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| malformed(format!("`{word}` is nothing that is waited for")))
    }

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CopilotReview => "copilot_review",
            Self::Ci => "ci",
            Self::WorkflowRun => "workflow_run",
        }
    }
}

/// One wait: whose, at which commit, for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    target: Target,
    head: String,
    kind: WaitKind,
}

impl Boundary {
    /// The wait of a target at the commit `head`.
    ///
    /// # Errors
    /// `E_USAGE` if `head` is blank.
    pub fn new(target: Target, head: &str, kind: WaitKind) -> Result<Self> {
        let head = head.trim();
        if head.is_empty() {
            return Err(malformed(
                "a wait needs the commit it belongs to".to_owned(),
            ));
        }
        Ok(Self {
            target,
            head: head.to_owned(),
            kind,
        })
    }
}

fn malformed(message: String) -> Error {
    Error::new(Code::Usage, message)
        .hint("name the target, its head commit and one of copilot_review, ci, workflow_run")
}

/// The run that owns a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitOwner {
    /// The run.
    pub run_id: RunName,
    /// The wait.
    pub boundary: Boundary,
    /// When it was last heard of.
    pub updated_at: Timestamp,
}

/// What was seen of the thing that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The wait in which it was seen.
    pub boundary: Boundary,
    /// What happened: `changed`, `completed`, `timeout`, `idle` or `pending`.
    pub word: String,
}

/// What the owner of a wait may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Wait on: nothing happened yet.
    OwnedWaiting,
    /// Go on: what was waited for has happened.
    TransitionReady,
    /// Nothing.
    Blocked(Blocked),
}

/// Why nobody may watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// Nobody owns the wait.
    NoActiveOwner,
    /// Its owner waits at another target.
    OwnerTargetMismatch,
    /// Its owner waits at another commit.
    OwnerHeadMismatch,
    /// Its owner waits for something else.
    OwnerWaitKindMismatch,
    /// Its owner was not heard of for too long.
    OwnerLeaseStale,
    /// What was seen belongs to another wait, or is nothing known.
    StaleOrMalformedTransition,
}

/// Judges a wait. `limit` is how long its owner lives without a sign of life; a time in the future
/// is no old one.
#[must_use]
pub fn watch(
    wanted: &Boundary,
    owner: Option<&WaitOwner>,
    observed: Option<&Observed>,
    now: Timestamp,
    limit: Duration,
) -> Watch {
    let Some(owner) = owner else {
        return Watch::Blocked(Blocked::NoActiveOwner);
    };
    let is_stale = now.since(owner.updated_at) > limit;
    match mismatch(wanted, &owner.boundary) {
        Some(blocked) => Watch::Blocked(blocked),
        None if is_stale => Watch::Blocked(Blocked::OwnerLeaseStale),
        None => observed.map_or(Watch::OwnedWaiting, |observed| seen(wanted, observed)),
    }
}

fn mismatch(wanted: &Boundary, found: &Boundary) -> Option<Blocked> {
    if found.target != wanted.target {
        Some(Blocked::OwnerTargetMismatch)
    } else if found.head != wanted.head {
        Some(Blocked::OwnerHeadMismatch)
    } else if found.kind != wanted.kind {
        Some(Blocked::OwnerWaitKindMismatch)
    } else {
        None
    }
}

fn seen(wanted: &Boundary, observed: &Observed) -> Watch {
    match observed.word.as_str() {
        _ if observed.boundary != *wanted => Watch::Blocked(Blocked::StaleOrMalformedTransition),
        "changed" | "completed" => Watch::TransitionReady,
        "timeout" | "idle" | "pending" => Watch::OwnedWaiting,
        _ => Watch::Blocked(Blocked::StaleOrMalformedTransition),
    }
}

impl Watch {
    /// The answer in its JSON form.
    #[must_use]
    pub fn to_json(self) -> Written {
        let (status, reason) = match self {
            Self::OwnedWaiting => ("owned_waiting", None),
            Self::TransitionReady => ("transition_ready", None),
            Self::Blocked(blocked) => ("blocked", Some(blocked.as_str())),
        };
        Written::object([
            ("ok", reason.is_none().into()),
            ("status", status.into()),
            ("reason", reason.into()),
        ])
    }
}

impl Blocked {
    /// The word in results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoActiveOwner => "no_active_owner",
            Self::OwnerTargetMismatch => "owner_target_mismatch",
            Self::OwnerHeadMismatch => "owner_head_mismatch",
            Self::OwnerWaitKindMismatch => "owner_wait_kind_mismatch",
            Self::OwnerLeaseStale => "owner_lease_stale",
            Self::StaleOrMalformedTransition => "stale_or_malformed_transition",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn at(number: u64, head: &str, kind: WaitKind) -> Boundary {
        Boundary::new(Target::pr("acme/shop", number).unwrap(), head, kind).unwrap()
    }

    fn wanted() -> Boundary {
        at(17, "abc", WaitKind::Ci)
    }

    fn judge(boundary: Boundary, age: i64, observed: Option<&Observed>) -> String {
        let now = Timestamp::from_millis(1_780_648_468_365);
        let owner = WaitOwner {
            run_id: RunName::new("a").unwrap(),
            boundary,
            updated_at: Timestamp::from_millis(now.as_millis() - age),
        };
        let answer = watch(&wanted(), Some(&owner), observed, now, LIMIT).to_json();
        answer.to_string()
    }

    fn blocked(reason: &str) -> String {
        format!(r#"{{"ok":false,"status":"blocked","reason":"{reason}"}}"#)
    }

    #[test]
    fn only_the_owner_of_exactly_this_wait_goes_on() {
        let now = Timestamp::from_millis(0);
        let nobody = watch(&wanted(), None, None, now, LIMIT)
            .to_json()
            .to_string();
        assert_eq!(nobody, blocked("no_active_owner"));
        for (boundary, reason) in [
            (at(18, "x", WaitKind::WorkflowRun), "owner_target_mismatch"),
            (at(17, "x", WaitKind::WorkflowRun), "owner_head_mismatch"),
            (
                at(17, "abc", WaitKind::CopilotReview),
                "owner_wait_kind_mismatch",
            ),
        ] {
            assert_eq!(judge(boundary, 99_999, None), blocked(reason));
        }
        assert_eq!(judge(wanted(), 60_001, None), blocked("owner_lease_stale"));
        for age in [60_000, 0, -99_999] {
            assert!(
                judge(wanted(), age, None).contains("owned_waiting"),
                "{age}"
            );
        }
    }

    #[test]
    fn what_was_seen_counts_in_its_own_wait_only() {
        for (boundary, word, status) in [
            (wanted(), "changed", "transition_ready"),
            (wanted(), "completed", "transition_ready"),
            (wanted(), "timeout", "owned_waiting"),
            (wanted(), "idle", "owned_waiting"),
            (wanted(), "pending", "owned_waiting"),
            (wanted(), "", "stale_or_malformed_transition"),
            (
                at(17, "abd", WaitKind::Ci),
                "completed",
                "stale_or_malformed_transition",
            ),
        ] {
            let word = word.to_owned();
            let answer = judge(wanted(), 0, Some(&Observed { boundary, word }));
            assert!(answer.contains(status), "{answer}");
        }
    }

    #[test]
    fn malformed_input_is_an_error() {
        assert_eq!(WaitKind::parse("CI").unwrap_err().code(), Code::Usage);
        assert_eq!(
            WaitKind::parse("workflow_run").unwrap(),
            WaitKind::WorkflowRun
        );
        let target = Target::pr("acme/shop", 17).unwrap();
        assert!(Boundary::new(target, " ", WaitKind::Ci).is_err());
    }
}
