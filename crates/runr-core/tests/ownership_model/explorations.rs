//! The protocol as it is: all promises hold in everything that a scenario can bring.

use crate::promises::{
    ADOPTED, DIED, FENCED_OUT, FORCED, FOREIGN, ORPHAN, PUT_BACK, REFUSED, RESUMED, SHARED,
    TIMED_OUT,
};
use crate::rules::Ask::{self, Act, Beat, Claim, Effect, Release, TakeOver};
use crate::scenario::{EVERYTHING, Operator, Program, Scenario};
use crate::values::OLD;
use crate::{assert_safe, long};

/// A guard for each of two runs, or of three.
fn guards(asks: &'static [Ask]) -> Vec<Program> {
    let runs = if long() { 0..3 } else { 0..2 };
    runs.map(|run| Program::guard(run).asking(asks)).collect()
}

/// Guards of several runs: they claim, take over, act, beat, signal and release. One dies and comes
/// back, the sidecar is lost.
#[test]
fn guards_that_die_and_lose_their_sidecar_act_in_the_order_of_their_tokens() {
    assert_safe(
        Scenario {
            deaths: 1,
            losses: 1,
            ..Scenario::of("deaths and losses", &guards(EVERYTHING))
        },
        &[FORCED, DIED, ADOPTED, FENCED_OUT, REFUSED, ORPHAN],
    );
}

/// The same while the clock jumps, back or forward, and the sidecar stays.
#[test]
fn guards_that_see_the_clock_jump_act_in_the_order_of_their_tokens() {
    assert_safe(
        Scenario {
            deaths: 1,
            jumps: 1,
            ..Scenario::of("clocks", &guards(EVERYTHING))
        },
        &[FORCED, TIMED_OUT, DIED, FENCED_OUT, REFUSED, ORPHAN],
    );
}

/// Two processes of one run: the second one resumes it, or finds the token of the first in its
/// environment after that has died.
#[test]
fn two_processes_of_one_run_act_in_the_order_of_their_tokens() {
    let asks = &[Claim, Beat, Act, Effect, Release];
    let guard = Program::guard(0).asking(asks);
    let heir = Program {
        inherits: true,
        ..guard
    };
    assert_safe(
        Scenario {
            operations: if long() { 3 } else { 2 },
            deaths: 1,
            losses: 1,
            ..Scenario::of("one run", &[guard, heir])
        },
        &[RESUMED, SHARED, FENCED_OUT],
    );
}

/// Calls that no process stands behind, beside a guard.
#[test]
fn calls_and_guards_act_in_the_order_of_their_tokens() {
    let asks = &[Claim, TakeOver, Act, Effect, Release];
    let calls = Program {
        inherits: true,
        ..Program::plain(0).asking(asks)
    };
    assert_safe(
        Scenario {
            operations: if long() { 3 } else { 2 },
            deaths: 1,
            losses: 1,
            ..Scenario::of("calls", &[calls, Program::guard(1).asking(asks)])
        },
        &[FORCED, ADOPTED, FENCED_OUT, REFUSED],
    );
}

/// A writer that knows no tokens comes between guards, and dies in the middle.
#[test]
fn a_writer_without_tokens_excludes_ours_and_is_adopted() {
    assert_safe(
        Scenario {
            deaths: 1,
            writer_deaths: 1,
            ..Scenario::of("a writer", &guards(&[TakeOver, Act])).beside(&[OLD], 2)
        },
        &[FORCED, ADOPTED, FENCED_OUT, FOREIGN, ORPHAN],
    );
}

/// Writers of two runs, one of which a guard drives.
#[test]
fn writers_that_take_a_run_away_and_back_fence_its_guard_out() {
    let guard = Program::guard(0).asking(&[Claim, Act, Beat, Release]);
    assert_safe(
        Scenario {
            operations: 3,
            jumps: 1,
            ..Scenario::of("away and back", &[guard]).beside(&[OLD, 0], 1)
        },
        &[ADOPTED, FENCED_OUT],
    );
}

/// A person removes the lock directory of a dead holder, as the older programs tell them to.
#[test]
fn a_person_who_removes_what_the_dead_left_does_no_harm() {
    assert_safe(
        Scenario {
            writer_deaths: 1,
            operator: Operator::Careful,
            ..Scenario::of("a careful hand", &guards(&[TakeOver, Act])).beside(&[OLD], 3)
        },
        &[PUT_BACK, FOREIGN, ADOPTED],
    );
}

/// Even when a person removes the lock directory of a living holder, so that two write at once.
#[test]
fn whatever_a_person_removes_tokens_keep_their_order() {
    assert_safe(
        Scenario {
            operator: Operator::Rash,
            ..Scenario::of("a rash hand", &guards(&[TakeOver, Act, Effect])).beside(&[OLD], 2)
        },
        &[ADOPTED, FENCED_OUT, REFUSED],
    );
}
