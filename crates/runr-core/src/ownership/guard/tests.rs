//! Guards over a store in memory, whose clock, processes and faults the tests hold in hand.

mod acting;
mod claiming;
mod crowd;
mod ending;
mod forked;
mod keeping;
mod losing;
mod stage;

use super::Guard;

#[test]
fn a_guard_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Guard>();
}
