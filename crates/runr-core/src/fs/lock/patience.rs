//! How long a caller is willing to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a waiter looks at its cancel flag.
const SLICE: Duration = Duration::from_millis(50);

/// Whether and how long to wait for a lock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Wait {
    /// Fail at once if it is not free.
    No,
    /// Wait at most this long.
    UpTo(Duration),
    /// Wait at most this long, or until the flag is raised.
    Cancellable {
        /// The longest wait.
        up_to: Duration,
        /// Ends the wait when raised.
        cancel: CancelFlag,
    },
}

impl Wait {
    /// The usual deadline of a short write.
    pub const USUAL: Self = Self::UpTo(Duration::from_secs(10));
}

/// A flag that ends a wait from another thread; clones share it.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// A flag that is not raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// The flag itself, for a signal handler to raise.
    #[must_use]
    pub fn shared(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether the flag was raised.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A wait under way. Its time is the monotonic clock's: nobody else's clock is concerned.
#[derive(Debug)]
pub(super) struct Patience {
    start: Instant,
    up_to: Duration,
    cancel: Option<CancelFlag>,
}

/// Why a wait ended without the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GaveUp {
    Deadline,
    Cancelled,
}

impl Patience {
    pub(super) fn new(wait: Wait) -> Self {
        let (up_to, cancel) = match wait {
            Wait::No => (Duration::ZERO, None),
            Wait::UpTo(up_to) => (up_to, None),
            Wait::Cancellable { up_to, cancel } => (up_to, Some(cancel)),
        };
        Self {
            start: Instant::now(),
            up_to,
            cancel,
        }
    }

    /// How long to sleep before asking again.
    pub(super) fn next_slice(&self) -> Result<Duration, GaveUp> {
        if self.cancel.as_ref().is_some_and(CancelFlag::is_cancelled) {
            return Err(GaveUp::Cancelled);
        }
        let left = self.up_to.saturating_sub(self.start.elapsed());
        if left.is_zero() {
            return Err(GaveUp::Deadline);
        }
        Ok(left.min(SLICE))
    }

    pub(super) fn waited_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
