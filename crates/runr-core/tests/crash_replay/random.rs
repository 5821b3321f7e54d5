//! Chance that can be repeated.

use std::env;
use std::time::SystemTime;

/// A generator of no great quality, so that a seed repeats a test everywhere.
pub(crate) struct Random {
    pub(crate) seed: u64,
    state: u64,
}

impl Random {
    /// Begins with `RUNR_TEST_SEED`, or with a new seed.
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seed = env::var("RUNR_TEST_SEED").map_or_else(
            |_| u64::from(now.unwrap().subsec_nanos()) | 1,
            |seed| seed.parse().unwrap(),
        );
        Self { seed, state: seed }
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % limit as u64).unwrap()
    }
}
