//! The claim that a run works under, as far as the phase machine cares.

use serde::{Deserialize, Serialize};

use crate::ownership::{Target, Token};
use crate::{Code, Error};

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

impl ClaimEnd {
    /// The end in one sentence.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Lost(how) => how.clone(),
            Self::Signalled { reason } => {
                let reason = reason.as_deref().unwrap_or("no reason was given");
                format!("exit signal of the claim: {reason}")
            }
        }
    }

    /// The end as it concerns an agent whose answer would come too late now.
    #[must_use]
    pub fn error(&self) -> Error {
        let code = match self {
            Self::Lost(_) => Code::OwnershipLost,
            Self::Signalled { .. } => Code::CallLate,
        };
        Error::new(code, self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_an_error_with_its_own_words() {
        let lost = ClaimEnd::Lost("acme/shop#17 is owned by run-b".into()).error();
        assert_eq!(lost.code(), Code::OwnershipLost);
        assert_eq!(lost.to_string(), "acme/shop#17 is owned by run-b");
        let reason = Some("the PR was closed".to_owned());
        let signalled = ClaimEnd::Signalled { reason }.error();
        assert_eq!(signalled.code(), Code::CallLate);
        assert!(signalled.to_string().ends_with(": the PR was closed"));
        let unexplained = ClaimEnd::Signalled { reason: None }.words();
        assert!(unexplained.ends_with(": no reason was given"));
    }
}
