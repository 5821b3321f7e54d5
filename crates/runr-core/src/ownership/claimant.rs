//! Who asks for a claim.

use std::time::Duration;

use super::fencing::{HolderKind, Token};
use super::model::RunName;
use super::processes::Process;

/// The lease of a claim that no process keeps alive.
pub const PLAIN_TTL: Duration = Duration::from_secs(30 * 60);

/// The lease of a guard, unless it is set.
pub const GUARD_TTL: Duration = Duration::from_secs(60);

/// The caller of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant {
    /// The run; an operation without one is answered with `run_id_required`.
    pub run_id: Option<RunName>,
    /// What will keep the claim alive.
    pub kind: HolderKind,
    /// How long the claim lives without a sign of life.
    pub ttl: Duration,
    /// Tells two holders of the same process apart.
    pub nonce: String,
    /// The process that will keep the claim alive.
    pub process: Option<Process>,
    /// The claim that the caller says it has. If it is the present one, the caller shares it; if
    /// it is an older one of the same run, the caller has lost it.
    pub token: Option<Token>,
}

impl Claimant {
    /// A call that no process stands behind.
    #[must_use]
    pub fn plain(run_id: Option<RunName>) -> Self {
        Self {
            run_id,
            kind: HolderKind::Plain,
            ttl: PLAIN_TTL,
            nonce: String::new(),
            process: None,
            token: None,
        }
    }

    /// The same with a claim that it says it has.
    #[must_use]
    pub fn with_token(mut self, token: Option<Token>) -> Self {
        self.token = token;
        self
    }
}
