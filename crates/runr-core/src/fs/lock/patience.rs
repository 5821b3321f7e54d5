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

    /// The same, but no longer than this.
    pub(crate) fn at_most(self, limit: Duration) -> Self {
        match self {
            Self::No => Self::No,
            Self::UpTo(up_to) => Self::UpTo(up_to.min(limit)),
            Self::Cancellable { up_to, cancel } => Self::Cancellable {
                up_to: up_to.min(limit),
                cancel,
            },
        }
    }
}

/// A flag that ends a wait from another thread; clones share it.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag {
    raised: Arc<AtomicBool>,
    /// Raises this one, too.
    above: Option<Arc<Self>>,
}

impl CancelFlag {
    /// A flag that is not raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag below this one: it is raised with this one, but not the other way round.
    #[must_use]
    pub fn below(&self) -> Self {
        Self {
            raised: Arc::default(),
            above: Some(Arc::new(self.clone())),
        }
    }

    /// Raises the flag for good.
    pub fn cancel(&self) {
        self.raised.store(true, Ordering::SeqCst);
    }

    /// The flag itself, for a signal handler to raise.
    #[must_use]
    pub fn shared(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.raised)
    }

    /// Whether the flag was raised.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let above = self.above.as_ref();
        self.raised.load(Ordering::SeqCst) || above.is_some_and(|flag| flag.is_cancelled())
    }
}

/// A wait under way. Its time is the monotonic clock's: nobody else's clock is concerned.
#[derive(Debug)]
pub(crate) struct Patience {
    start: Instant,
    up_to: Duration,
    cancel: Option<CancelFlag>,
}

/// Why a wait ended without the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GaveUp {
    Deadline,
    Cancelled,
}

impl Patience {
    pub(crate) fn new(wait: Wait) -> Self {
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
    pub(crate) fn next_slice(&self) -> Result<Duration, GaveUp> {
        if self.cancel.as_ref().is_some_and(CancelFlag::is_cancelled) {
            return Err(GaveUp::Cancelled);
        }
        let left = self.up_to.saturating_sub(self.start.elapsed());
        if left.is_zero() {
            return Err(GaveUp::Deadline);
        }
        Ok(left.min(SLICE))
    }

    pub(crate) fn waited_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
