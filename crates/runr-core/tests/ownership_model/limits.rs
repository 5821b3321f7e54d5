//! What the protocol does not promise. A change that lifts a limit makes its test fail.

use crate::promises::{ONE_INSIDE, OWNER_ACTS};
use crate::rules::Ask::{Act, Claim, TakeOver};
use crate::scenario::{Operator, Program, Removal, Scenario};
use crate::values::OLD;
use crate::{assert_breaks, assert_safe};

/// A dead writer's directory is found; a person removes it, and the writer comes back and makes its
/// own; that is moved away, and before it is put back, its place is taken: by another writer, or by
/// another program of ours because the one that moved it dies. A directory that is inherited where
/// it stands never leaves its place, so there is no such moment.
#[test]
fn a_directory_that_is_moved_away_leaves_a_moment_in_which_two_get_in() {
    let program = Program::guard(0).asking(&[TakeOver]);
    let hand = Scenario {
        operations: 1,
        writer_deaths: 1,
        operator: Operator::Careful,
        ..Scenario::of("a hand and a death", &[program; 2]).beside(&[OLD], 2)
    };
    let death = Scenario {
        deaths: 1,
        ..hand.clone()
    };
    let writers = Scenario {
        name: "a hand and two writers",
        ..hand.beside(&[OLD, OLD], 2)
    };
    for scenario in [death, writers] {
        assert_breaks(scenario.clone(), ONE_INSIDE);
        let inherited = Scenario {
            removal: Removal::Inherit,
            ..scenario
        };
        assert_safe(inherited, &[]);
    }
}

/// The digest tells owners apart by their times, to the millisecond. Here nothing moves the clock.
#[test]
fn two_foreign_takeovers_in_the_millisecond_of_a_claim_look_like_none() {
    let guard = Program::guard(0).asking(&[Claim, TakeOver, Act]);
    let scenario = Scenario {
        operations: 3,
        ..Scenario::of("back and forth", &[guard]).beside(&[OLD, 0], 2)
    };
    assert_breaks(scenario, OWNER_ACTS);
}
