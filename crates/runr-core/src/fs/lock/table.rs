//! The threads of this process, in front of the kernel's lock.
//!
//! The kernel hands a released lock to nobody: it wakes the first waiter, and whoever asks next
//! gets it. A process that releases and asks again at once is always faster than a waiter that has
//! yet to wake, and could keep the others out for as long as it likes. So a process rests for a
//! moment before it takes the same lock again: after a few times where it had to wait for the first
//! of them (then others are likely waiting now, the more of them the longer it waited), and now and
//! then in a long unbroken series (then others may have come that it cannot see). Whoever takes a
//! lock once never rests. A second lock to queue at would be stricter, but needs a file beside every lock.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::patience::{GaveUp, Patience};
use crate::fs::dir::FileId;
use crate::mutant::without;

/// Taking a lock again within this time counts as at once.
const AT_ONCE: Duration = Duration::from_millis(5);
/// Long enough for a waiter to wake up, short beside a durable write.
const SHORT_REST: Duration = Duration::from_micros(200);
/// Enough where waiters wake up slowly because the machine is busy.
const LONG_REST: Duration = Duration::from_millis(10);
/// A rest is this part of the wait before it, within these bounds.
const REST_PART: u32 = 4;
/// The longest series that is not interrupted by a rest.
const SERIES: u32 = 64;
/// The longest series where others are likely waiting. A change of hands costs the waking of two
/// threads, in which nobody works: taking turns of a few instead of one makes up for it.
const FEW: u32 = 2;
/// Locks that nobody holds are remembered up to this number.
const REMEMBERED: usize = 64;

static TABLE: Mutex<BTreeMap<Key, Slot>> = Mutex::new(BTreeMap::new());
static RELEASED: Condvar = Condvar::new();

/// A lock as one process knows it. A forked copy inherits the table, but not the threads whose
/// turns stand in it; they would never end.
type Key = (u32, FileId);

fn key(id: FileId) -> Key {
    (std::process::id(), id)
}

/// What is known of one lock.
#[derive(Debug, Default)]
struct Slot {
    holder: Option<ThreadId>,
    waiting: VecDeque<Ticket>,
    next_ticket: Ticket,
    last: Option<Last>,
}

type Ticket = u64;

/// The last time this process held the lock.
#[derive(Debug, Clone, Copy)]
struct Last {
    released: Instant,
    waited: Option<Duration>,
    series: u32,
}

/// Why a thread was not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Reentrant,
    GaveUp(GaveUp),
}

/// The right of one thread to ask the kernel for a lock.
#[derive(Debug)]
pub(super) struct Turn {
    key: Key,
    waited: Option<Duration>,
    series: u32,
}

impl Turn {
    /// Notes how long another process held the lock.
    pub(super) fn waited(&mut self, time: Duration) {
        self.waited = Some(time);
        self.series = 0;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.key.0 != std::process::id() {
            // The turn of another process; and in a forked copy the table may be locked for ever.
            return;
        }
        let mut table = table();
        let mut awaited = false;
        if let Some(slot) = table.get_mut(&self.key) {
            slot.holder = None;
            slot.last = Some(Last {
                released: Instant::now(),
                waited: self.waited,
                series: self.series,
            });
            awaited = !slot.waiting.is_empty();
        }
        if table.len() > REMEMBERED {
            table.retain(|_, slot| slot.holder.is_some() || !slot.waiting.is_empty());
        }
        drop(table);
        // Waking nobody would cost a system call too.
        if awaited {
            RELEASED.notify_all();
        }
    }
}

/// Waits for the turn of this thread.
pub(super) fn enter(id: FileId, patience: &Patience) -> Result<Turn, Refused> {
    let (me, key) = (thread::current().id(), key(id));
    if without("lock-table") {
        let (waited, series) = (None, 0);
        return Ok(Turn {
            key,
            waited,
            series,
        });
    }
    let mut table = table();
    let slot = table.entry(key).or_default();
    if slot.holder == Some(me) && !without("reentry") {
        return Err(Refused::Reentrant);
    }
    let ticket = slot.next_ticket;
    slot.next_ticket += 1;
    if without("queue") {
        slot.waiting.push_front(ticket);
    } else {
        slot.waiting.push_back(ticket);
    }
    loop {
        let slot = table.entry(key).or_default();
        if slot.holder.is_none() && slot.waiting.front() == Some(&ticket) {
            slot.waiting.pop_front();
            slot.holder = Some(me);
            let (waited, series, rest) = after(slot.last);
            drop(table);
            if let Some(rest) = rest {
                thread::sleep(rest);
            }
            return Ok(Turn {
                key,
                waited,
                series,
            });
        }
        match patience.next_slice() {
            Ok(slice) => {
                let waited = RELEASED.wait_timeout(table, slice);
                table = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            Err(gave_up) => {
                slot.waiting.retain(|other| *other != ticket);
                drop(table);
                // The next in line may have been waiting for us.
                RELEASED.notify_all();
                return Err(Refused::GaveUp(gave_up));
            }
        }
    }
}

/// What a new turn inherits from the last one: the wait it has to reckon with, and the length of the
/// series it belongs to; and how long to rest before it.
fn after(last: Option<Last>) -> (Option<Duration>, u32, Option<Duration>) {
    let at_once = |last: &Last| last.released.elapsed() < AT_ONCE && !without("rest");
    let Some(last) = last.filter(at_once) else {
        return (None, 0, None);
    };
    match last.waited {
        Some(_) if last.series < FEW => (last.waited, last.series + 1, None),
        Some(time) => {
            // Even if the lock is free after the rest, others may be about to wake: the suspicion
            // fades rather than ends.
            let fading = Some(time * 7 / 8).filter(|time| *time > SHORT_REST);
            let rest = (time / REST_PART).clamp(SHORT_REST, LONG_REST);
            (fading, 0, Some(rest))
        }
        None if last.series >= SERIES => (None, 0, Some(SHORT_REST)),
        None => (None, last.series + 1, None),
    }
}

fn table() -> MutexGuard<'static, BTreeMap<Key, Slot>> {
    // Every change is complete before anything can panic.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many threads wait for their turn.
#[cfg(test)]
pub(super) fn waiting(id: FileId) -> usize {
    table().get(&key(id)).map_or(0, |slot| slot.waiting.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest_after(waited: Option<Duration>, series: u32) -> Option<Duration> {
        // Released later than now, so that no machine is too slow for it to be at once.
        let released = Instant::now() + Duration::from_secs(60);
        let last = Last {
            released,
            waited,
            series,
        };
        after(Some(last)).2
    }

    #[test]
    fn who_had_to_wait_rests_after_a_few_times_and_others_after_many() {
        assert_eq!(after(None).2, None);
        assert_eq!(rest_after(None, SERIES - 1), None);
        assert_eq!(rest_after(None, SERIES), Some(SHORT_REST));
        let wait = Duration::from_millis(8);
        assert_eq!(rest_after(Some(wait), FEW - 1), None);
        assert_eq!(rest_after(Some(wait), FEW), Some(wait / 4));
        assert_eq!(rest_after(Some(wait * 100), FEW), Some(LONG_REST));
    }
}
