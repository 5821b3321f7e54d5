//! How a guard claims, and what it needs from the world.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Code, Error, Result};
use crate::ownership::claimant::GUARD_TTL;
use crate::ownership::fencing::{HolderKind, Token};
use crate::ownership::processes::Processes;
use crate::ownership::rules::{Expect, Mode};
use crate::store::Suffixes;
use crate::time::Clock;

/// How a guard claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnOptions {
    /// The lease: how long the claim lives without a heartbeat.
    pub ttl: Duration,
    /// Whether another owner is replaced.
    pub takeover: bool,
    /// The owner that may be replaced. Says by itself that one is.
    pub expect: Option<Expect>,
    /// Whether an owner is replaced only when its lease has expired. Says by itself that one is.
    pub only_if_expired: bool,
    /// The claim that the caller carries (`RUNR_TOKEN`). If it is the present one of the run, the
    /// guard shares it; if it is an older one, the run has lost it. Anything else is ignored.
    pub token: Option<Token>,
    /// What keeps the claim alive: a guard of a program, or a run of the harness.
    pub kind: HolderKind,
}

impl Default for OwnOptions {
    fn default() -> Self {
        Self {
            ttl: GUARD_TTL,
            takeover: false,
            expect: None,
            only_if_expired: false,
            token: None,
            kind: HolderKind::Guard,
        }
    }
}

impl OwnOptions {
    /// A lease of so many seconds.
    #[must_use]
    pub fn ttl(seconds: u64) -> Self {
        Self {
            ttl: Duration::from_secs(seconds),
            ..Self::default()
        }
    }

    pub(super) fn checked(self) -> Result<Self> {
        if self.ttl.as_millis() == 0 {
            return Err(Error::new(
                Code::Usage,
                "a lease lasts a millisecond or more",
            ));
        }
        if self.kind == HolderKind::Plain {
            return Err(Error::new(Code::Usage, "a guard makes no plain claims"));
        }
        Ok(self)
    }

    pub(super) fn mode(&self) -> Mode {
        if !self.takeover && self.expect.is_none() && !self.only_if_expired {
            return Mode::Claim;
        }
        Mode::Takeover {
            expect: self.expect.clone(),
            only_if_expired: self.only_if_expired,
        }
    }
}

/// What a guard needs from the world around it.
#[derive(Debug, Clone)]
pub struct World {
    /// The time that is written.
    pub clock: Arc<dyn Clock>,
    /// The processes of this machine. They are asked for this process at every step, so that a
    /// forked copy of the guard is noticed.
    pub processes: Arc<dyn Processes>,
    /// What tells the guards of a process apart.
    pub suffixes: Arc<dyn Suffixes>,
}
