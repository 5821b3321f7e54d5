//! Whether the workers of a run can be asked, as it was found before its start.

use serde::{Deserialize, Serialize};

use super::FailureKind;

/// Whether the programs can be started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BinaryCheck {
    /// Whether all of them can; a run is not made otherwise.
    pub ok: bool,
    /// One per worker; none where nothing was asked.
    pub results: Vec<BinaryResult>,
}

/// What a program said to `--version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryResult {
    /// Whether it answered.
    pub ok: bool,
    /// The configured name.
    pub worker: String,
    /// The first line of the answer; absent if it was not asked.
    pub version: Option<String>,
}

/// Whether the workers answer at all: login, limits and the network are seen by asking only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PingCheck {
    /// Whether all of them answered; true also where nobody was asked.
    pub ok: bool,
    /// Whether nobody was asked.
    pub skipped: bool,
    /// One per worker.
    pub results: Vec<PingResult>,
}

/// What one worker said to a ping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingResult {
    /// Whether it answered.
    pub ok: bool,
    /// The configured name.
    pub worker: String,
    /// How long it took.
    pub ms: u64,
    /// What is wrong.
    pub category: Option<PingCategory>,
    /// In the worker's words.
    pub message: Option<String>,
}

/// What keeps a worker from answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PingCategory {
    /// Login refused or expired.
    Auth,
    /// Unreachable.
    Network,
    /// A usage limit.
    RateLimit,
    /// Anything else.
    Unknown,
}

impl PingCategory {
    /// Its name in events and reasons.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Network => "network",
            Self::RateLimit => "rate_limit",
            Self::Unknown => "unknown",
        }
    }
}

impl From<FailureKind> for PingCategory {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Auth => Self::Auth,
            FailureKind::Network => Self::Network,
            FailureKind::RateLimit => Self::RateLimit,
            FailureKind::Timeout | FailureKind::Crash => Self::Unknown,
        }
    }
}

impl PingCheck {
    /// Nobody was asked.
    #[must_use]
    pub const fn skipped() -> Self {
        Self {
            ok: true,
            skipped: true,
            results: Vec::new(),
        }
    }

    /// What the workers said.
    #[must_use]
    pub fn of(results: Vec<PingResult>) -> Self {
        Self {
            ok: results.iter().all(|result| result.ok),
            skipped: false,
            results,
        }
    }

    /// The reasons of the preflight: `ping_failed:<worker>:<category>`.
    pub fn reasons(&self) -> impl Iterator<Item = String> {
        let failed = self.results.iter().filter(|result| !result.ok);
        failed.map(|result| {
            let category = result.category.unwrap_or(PingCategory::Unknown);
            format!("ping_failed:{}:{}", result.worker, category.as_str())
        })
    }
}
