//! Why a guard may not act any more, and how that is told.

use std::time::Duration;

use serde_json::Value;

use crate::error::{Code, Error};
use crate::ownership::fencing::Token;
use crate::ownership::model::RunName;
use crate::ownership::target::Target;

/// Why a guard may not act any more. None of these can be mended: only a new claim helps.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Loss {
    /// Another claim counts now, or none.
    Replaced {
        owner: Option<RunName>,
        token: Option<Token>,
    },
    /// No sign of life reached the record for so long that others may soon take over.
    Silent {
        silence: Duration,
        cause: Option<Value>,
    },
    /// This process is a copy of the one that claimed: both cannot act.
    Forked,
    /// The guard has given the claim back.
    Ended,
}

/// The claim that is spoken of.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) target: &'a Target,
    pub(super) run_id: &'a RunName,
    pub(super) token: Option<Token>,
    pub(super) location: &'a str,
}

impl Loss {
    /// The loss as an error with the code `E_OWNERSHIP_LOST`.
    pub(super) fn error(&self, about: About<'_>) -> Error {
        let error = Error::new(Code::OwnershipLost, self.message(about))
            .at(about.location)
            .hint(self.hint())
            .with("target", about.target.to_string())
            .with("run_id", about.run_id.to_string())
            .with("token", about.token.map(|token| token.0))
            .with("reason", self.reason());
        match self {
            Self::Replaced { owner, token } => error
                .with("owner", owner.as_ref().map(ToString::to_string))
                .with("current_token", token.map(|token| token.0)),
            Self::Silent { cause, .. } => error.with("cause", cause.clone()),
            Self::Forked | Self::Ended => error,
        }
    }

    fn message(&self, about: About<'_>) -> String {
        let (target, run) = (about.target, about.run_id);
        let what = match self {
            Self::Replaced { owner: None, .. } => format!("nobody owns {target} any more"),
            Self::Replaced {
                owner: Some(owner), ..
            } if owner == run => format!("{run} has claimed {target} anew"),
            Self::Replaced {
                owner: Some(owner), ..
            } => format!("{target} is owned by {owner}"),
            Self::Silent { silence, cause } => {
                let seconds = silence.as_secs_f32();
                let silence = format!("{target} has had no heartbeat for {seconds:.1} s");
                let cause = cause.as_ref().and_then(|cause| cause["message"].as_str());
                cause.map_or(silence.clone(), |cause| format!("{silence}: {cause}"))
            }
            Self::Forked => format!("{target} was claimed by the process this one was forked from"),
            Self::Ended => format!("{target} was released by this guard"),
        };
        format!("Ownership lost: {what}")
    }

    const fn hint(&self) -> &'static str {
        match self {
            Self::Replaced { .. } => "stop acting on it; `runr owner status` shows who owns it",
            Self::Silent { .. } => {
                "stop acting on it; claim it anew when its record can be written"
            }
            Self::Forked => "claim in the process that acts, after the fork",
            Self::Ended => "claim it anew",
        }
    }

    /// The word for programs.
    const fn reason(&self) -> &'static str {
        match self {
            Self::Replaced { .. } => "replaced",
            Self::Silent { .. } => "no_heartbeat",
            Self::Forked => "forked",
            Self::Ended => "released",
        }
    }
}
