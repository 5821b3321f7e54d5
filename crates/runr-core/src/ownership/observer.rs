//! How long this process has seen a claim without a sign of life, by its own monotonic clock.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::claim_store::Snapshot;
use super::fencing::Token;
use super::text::Text;

/// What of a claim a heartbeat or a new owner changes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sign {
    token: Option<Token>,
    updated_at: Option<Text>,
}

/// By where the claim is kept.
static SEEN: LazyLock<Mutex<HashMap<String, (Sign, Instant)>>> = LazyLock::new(Mutex::default);

/// How long the claim at `location` has been as it is in `snapshot`, as far as this process looked.
pub(super) fn unchanged_for(location: &str, snapshot: &Snapshot) -> Duration {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let active = snapshot
        .record
        .as_ref()
        .and_then(|record| record.active_run.as_ref());
    let Some(active) = active else {
        seen.remove(location);
        return Duration::ZERO;
    };
    let sign = Sign {
        token: snapshot.fence.as_ref().map(|fence| fence.token),
        updated_at: active.updated_at.clone(),
    };
    match seen.get(location) {
        Some((before, since)) if *before == sign => since.elapsed(),
        _ => {
            seen.insert(location.to_owned(), (sign, Instant::now()));
            Duration::ZERO
        }
    }
}
