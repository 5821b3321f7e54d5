//! The claim that a run works under, as far as the phase machine cares.

use serde::{Deserialize, Serialize};

use crate::ownership::{Target, Token};

/// The claim of a session, as the timeline keeps it: what a resume claims again, and in whose name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunClaim {
    /// What is claimed.
    pub target: Target,
    /// In whose name: the harness run itself, or the run that it works for.
    pub run_id: String,
    /// The number of the claim.
    pub token: Token,
    /// Whether another holder made it and gives it back.
    pub shared: bool,
}

/// What forbids a run to go on although nothing went wrong in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimEnd {
    /// The claim counts no more; how that was found out.
    Lost(String),
    /// Somebody recorded an exit signal for the run of the claim.
    Signalled {
        /// The reason that was given with it.
        reason: Option<String>,
    },
}
