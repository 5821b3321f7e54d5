//! The record as it stands in its file.

use std::fmt;

use super::rules::Now;
use super::target::Target;
use super::text::Text;
use crate::json::{Written, compact};

/// The numbers of the schemas that can be read; the last one is written.
pub const SUPPORTED_SCHEMAS: [u32; 2] = [1, 2];

/// Who owns a target, who owned it before, and what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What is owned.
    pub target: Target,
    /// Who may act on it now.
    pub active_run: Option<ActiveRun>,
    /// Who acted on it before.
    pub previous_run: Option<PreviousRun>,
    /// What happened, the newest event last.
    pub history: Vec<HistoryEvent>,
    /// Which runs said that they end.
    pub exit_signals: Vec<ExitSignal>,
}

impl Record {
    /// A record of nobody's target.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            active_run: None,
            previous_run: None,
            history: Vec::new(),
            exit_signals: Vec::new(),
        }
    }

    /// The run that owns the target.
    #[must_use]
    pub fn owner(&self) -> Option<&RunName> {
        self.active_run.as_ref().map(|run| &run.run_id)
    }
}

/// The id of a run as claims know it: any text that is not blank, without white space around it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunName(Text);

impl RunName {
    /// The id in a text; `None` if that is blank.
    #[must_use]
    pub fn new(text: impl Into<Text>) -> Option<Self> {
        let text = text.into().trimmed();
        (!text.is_empty()).then_some(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_text(&self) -> &Text {
        &self.0
    }
}

/// With U+FFFD for lone surrogates.
impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The owner of a target. The times are what the record holds, which may be any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRun {
    /// Its id.
    pub run_id: RunName,
    /// When it became the owner.
    pub claimed_at: Option<Text>,
    /// When it was last heard of.
    pub updated_at: Option<Text>,
}

impl ActiveRun {
    /// A run that becomes the owner now.
    pub(super) fn new(run_id: RunName, now: &Now) -> Self {
        Self {
            run_id,
            claimed_at: Some(now.stamp.clone()),
            updated_at: Some(now.stamp.clone()),
        }
    }
}

/// The owner before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousRun {
    /// Its id.
    pub run_id: RunName,
    /// When it ceased to be the owner.
    pub replaced_at: Option<Text>,
    /// Who became the owner instead; nobody after a release.
    pub replaced_by: Option<RunName>,
}

/// The word of a run that it ends. It stays the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitSignal {
    /// The run.
    pub run_id: RunName,
    /// When it said so.
    pub at: Option<Text>,
    /// Why: at most 500 UTF-16 units.
    pub reason: Option<Text>,
}

/// The greatest length of a reason, in UTF-16 units.
const MAX_REASON: usize = 500;

impl ExitSignal {
    /// The reason that a text gives: trimmed first and cut after that, even within a surrogate
    /// pair. A blank text gives none.
    #[must_use]
    pub fn reason(text: &Text) -> Option<Text> {
        let text = text.trimmed();
        (!text.is_empty()).then(|| text.cut(MAX_REASON))
    }
}

/// An element of the history. Those of other programs may be any JSON value, and are kept as they
/// are written until the record is.
#[derive(Debug, Clone)]
pub struct HistoryEvent(pub Written);

impl HistoryEvent {
    pub(super) fn new(kind: &str, run: &RunName, previous: Option<&RunName>, at: &Text) -> Self {
        let mut members = vec![
            ("type", kind.into()),
            ("runId", run.into()),
            ("at", at.into()),
        ];
        if let Some(previous) = previous {
            members.insert(2, ("previousRunId", previous.into()));
        }
        Self(Written::object(members))
    }

    /// The event on one line, in the spelling that the record will have.
    #[must_use]
    pub fn to_json(&self) -> Written {
        compact(&self.0)
    }
}

/// Events are the same if they will be written alike.
impl PartialEq for HistoryEvent {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.to_json() == other.to_json()
    }
}

impl Eq for HistoryEvent {}

impl From<&RunName> for Written {
    fn from(run: &RunName) -> Self {
        run.as_text().into()
    }
}

impl From<&ActiveRun> for Written {
    fn from(run: &ActiveRun) -> Self {
        Self::object([
            ("runId", (&run.run_id).into()),
            ("claimedAt", run.claimed_at.as_ref().into()),
            ("updatedAt", run.updated_at.as_ref().into()),
        ])
    }
}

impl From<&PreviousRun> for Written {
    fn from(run: &PreviousRun) -> Self {
        Self::object([
            ("runId", (&run.run_id).into()),
            ("replacedAt", run.replaced_at.as_ref().into()),
            ("replacedByRunId", run.replaced_by.as_ref().into()),
        ])
    }
}

impl From<&ExitSignal> for Written {
    fn from(signal: &ExitSignal) -> Self {
        Self::object([
            ("runId", (&signal.run_id).into()),
            ("at", signal.at.as_ref().into()),
            ("reason", signal.reason.as_ref().into()),
        ])
    }
}

impl From<&[ExitSignal]> for Written {
    fn from(signals: &[ExitSignal]) -> Self {
        let signals: Vec<Self> = signals.iter().map(Into::into).collect();
        Self::array(&signals)
    }
}
