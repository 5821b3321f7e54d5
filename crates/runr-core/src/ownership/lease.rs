//! Leases: when a claim may be taken over by those who wait for that.

use std::time::Duration;

use super::claim_store::Snapshot;
use super::claimant::PLAIN_TTL;
use super::fencing::{Fence, HolderKind, current_token};
use super::processes::Processes;
use crate::time::Timestamp;

/// How far two clocks may differ.
pub const SKEW: Duration = Duration::from_secs(5);

/// The state of a claim's lease. It only permits: safety rests on the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// Nobody owns the target.
    Free,
    /// The claim lives; until when, if its owner's last sign of life has a usable time.
    Live {
        /// When it expires unless its owner is heard of again.
        until: Option<Timestamp>,
    },
    /// The claim may be taken over.
    Expired(Expiry),
}

/// Why a claim has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Its time is over.
    Time,
    /// This process saw no sign of life for the whole lease, by its own monotonic clock.
    Silence,
    /// The process that kept it alive has ended.
    Death,
}

impl Expiry {
    /// The word in results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Silence => "silence",
            Self::Death => "death",
        }
    }
}

/// Judges a claim. `unchanged_for` is how long the caller has seen this very claim without a sign
/// of life.
#[must_use]
pub fn lease(
    snapshot: &Snapshot,
    now: Timestamp,
    unchanged_for: Duration,
    processes: &dyn Processes,
) -> Lease {
    let Some(owner) = snapshot
        .record
        .as_ref()
        .and_then(|record| record.active_run.as_ref())
    else {
        return Lease::Free;
    };
    // A claim that was not fenced by us, or changed since, has the lease of a call.
    let fence = snapshot
        .fence
        .as_ref()
        .filter(|_| current_token(snapshot).is_some());
    let ttl = fence.map_or(PLAIN_TTL, |fence| {
        Duration::from_millis(fence.holder.ttl_ms)
    });
    if fence.is_some_and(|fence| is_dead(fence, processes)) {
        return Lease::Expired(Expiry::Death);
    }
    if unchanged_for >= ttl {
        return Lease::Expired(Expiry::Silence);
    }
    let updated = owner.updated_at.as_ref();
    let updated = updated.and_then(|text| text.to_string().parse::<Timestamp>().ok());
    // A time ahead of ours says nothing about the owner.
    let until = updated
        .filter(|updated| *updated <= now.plus(SKEW))
        .map(|updated| updated.plus(ttl).plus(SKEW));
    match until {
        Some(until) if until < now => Lease::Expired(Expiry::Time),
        until => Lease::Live { until },
    }
}

fn is_dead(fence: &Fence, processes: &dyn Processes) -> bool {
    let holder = &fence.holder;
    holder.kind != HolderKind::Plain
        && holder
            .process
            .as_ref()
            .is_some_and(|process| processes.has_ended(process))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::claimant::Claimant;
    use crate::ownership::memory::MemoryClaims;
    use crate::ownership::processes::Process;
    use crate::ownership::rules::{Mode, Now};
    use crate::ownership::{ClaimStore, RunName, Target, Text, claim};

    /// A machine on which everything lives, or on which the first process has ended.
    #[derive(Debug)]
    struct Machine {
        ended: bool,
    }

    fn process() -> Process {
        Process {
            pid: 7,
            start: 1,
            boot_id: "boot".to_owned(),
            pid_ns: "ns".to_owned(),
            host: "host".to_owned(),
        }
    }

    impl Processes for Machine {
        fn own(&self) -> Process {
            process()
        }

        fn exists(&self, _: u32) -> bool {
            !self.ended
        }

        fn has_ended(&self, _: &Process) -> bool {
            self.ended
        }
    }

    const ALIVE: Machine = Machine { ended: false };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(1_770_000_000_000 + second * 1000)
    }

    /// A claim of a guard for a minute, made at second 0.
    fn claimed() -> Snapshot {
        let (store, target) = (MemoryClaims::new(), Target::pr("acme/shop", 17).unwrap());
        let caller = Claimant {
            kind: HolderKind::Guard,
            ttl: Duration::from_secs(60),
            process: Some(process()),
            ..Claimant::plain(RunName::new("a"))
        };
        claim(
            &store,
            &target,
            &caller,
            &Mode::Claim,
            &ALIVE,
            &Now::from(at(0)),
        )
        .unwrap();
        store.load(&target).unwrap()
    }

    #[test]
    fn a_claim_lives_for_its_ttl_and_the_skew() {
        let claim = claimed();
        let judge = |second| lease(&claim, at(second), Duration::ZERO, &ALIVE);
        let live = Lease::Live {
            until: Some(at(65)),
        };
        assert_eq!(judge(0), live);
        assert_eq!(judge(65), live);
        assert_eq!(judge(66), Lease::Expired(Expiry::Time));
    }

    #[test]
    fn a_time_ahead_of_ours_says_nothing_but_silence_does() {
        let claim = claimed();
        let early = at(-3600);
        let ttl = Duration::from_secs(60);
        assert_eq!(
            lease(&claim, early, Duration::ZERO, &ALIVE),
            Lease::Live { until: None }
        );
        assert_eq!(
            lease(&claim, early, ttl, &ALIVE),
            Lease::Expired(Expiry::Silence)
        );
    }

    #[test]
    fn a_claim_dies_with_the_process_that_keeps_it_alive() {
        let dead = Machine { ended: true };
        let mut claim = claimed();
        let judge = |claim: &Snapshot| lease(claim, at(1), Duration::ZERO, &dead);
        assert_eq!(judge(&claim), Lease::Expired(Expiry::Death));
        if let Some(fence) = &mut claim.fence {
            fence.holder.kind = HolderKind::Plain;
        }
        assert!(matches!(judge(&claim), Lease::Live { .. }));
    }

    #[test]
    fn a_claim_that_another_program_changed_has_the_lease_of_a_call() {
        let mut claim = claimed();
        if let Some(active) = claim
            .record
            .as_mut()
            .and_then(|record| record.active_run.as_mut())
        {
            active.claimed_at = Some(Text::from("2026-02-02T02:40:01.000Z"));
        }
        let dead = Machine { ended: true };
        let judge = |second| lease(&claim, at(second), Duration::ZERO, &dead);
        assert_eq!(
            judge(1804),
            Lease::Live {
                until: Some(at(1805))
            }
        );
        assert_eq!(judge(1806), Lease::Expired(Expiry::Time));
    }

    #[test]
    fn nobodys_target_is_free() {
        let nobody = Snapshot::of_record(None);
        assert_eq!(lease(&nobody, at(0), Duration::ZERO, &ALIVE), Lease::Free);
    }
}
