//! Tokens, holders and leases: which claim counts, and which may be taken over.

mod decide;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::model::{HistoryEvent, Record};
use super::processes::Process;
use super::text::Text;
use crate::hash::sha256_hex;
use crate::json::Written;

pub use decide::{Decision, MAX_HISTORY, current_token, decide};
pub(in crate::ownership) use decide::{adopt, plain};

/// The number of a claim. It grows with every change of owner, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Token(pub u64);

impl Token {
    /// The highest one: what a JavaScript number can hold exactly.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1)).min(Self::MAX)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let token = Self(u64::deserialize(deserializer)?);
        // At the end of the numbers nothing could be fenced any more.
        if token < Self::MAX {
            Ok(token)
        } else {
            Err(serde::de::Error::custom("the token is too high"))
        }
    }
}

impl From<Token> for Written {
    fn from(token: Token) -> Self {
        Self::trusted(token.to_string())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The sidecar of a record: what other programs would drop from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The number of the claim.
    pub token: Token,
    /// What the record said about the owner when the token was given (SHA-256).
    pub digest: String,
    /// Who holds the claim.
    pub holder: Holder,
}

/// Who holds a claim, and for how long without a sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The run; absent if nobody owns the target.
    pub run_id: Option<String>,
    /// What keeps the claim alive.
    pub kind: HolderKind,
    /// The lease, in milliseconds.
    pub ttl_ms: u64,
    /// Tells two holders of the same process apart.
    pub nonce: String,
    /// The process, where one keeps the claim alive.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// What keeps a claim alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HolderKind {
    /// A guard in a program, by its heartbeat.
    Guard,
    /// A run of the harness, by its heartbeat.
    Harness,
    /// Calls, each of which gives it the whole lease anew.
    Plain,
}

/// A line of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The token that counts from this line on.
    pub token: Token,
    /// Why it stands here.
    pub kind: ArchivedKind,
    /// The event.
    pub event: HistoryEvent,
}

/// Why a line stands in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchivedKind {
    /// The owner changed.
    Change,
    /// The event left the record, which keeps the newest ones only.
    Evicted,
}

/// What a token stands for: who owns the target since when, and who owned it before. What refreshes
/// and exit signals change is not in it.
#[must_use]
pub fn digest(record: Option<&Record>) -> String {
    let quoted = |text: Option<&Text>| text.map_or_else(|| "null".to_owned(), Text::quoted);
    let active = record.and_then(|record| record.active_run.as_ref());
    let previous = record.and_then(|record| record.previous_run.as_ref());
    let parts = [
        quoted(active.map(|run| run.run_id.as_text())),
        quoted(active.and_then(|run| run.claimed_at.as_ref())),
        quoted(previous.map(|run| run.run_id.as_text())),
        quoted(previous.and_then(|run| run.replaced_at.as_ref())),
        quoted(previous.and_then(|run| run.replaced_by.as_ref().map(|run| run.as_text()))),
    ];
    sha256_hex(format!("[{}]", parts.join(",")))
}
