//! The protocol with one step left out: a promise is broken, and the model says how. With the step,
//! the same exploration finds nothing.

use crate::promises::{
    FENCE_FIRST, NO_EVICTION, NO_WEDGE, NOT_TOO_EARLY, ONE_INSIDE, OWNER_ACTS, TOKEN_GROWS,
    TOKEN_ORDER,
};
use crate::rules::Ask;
use crate::rules::Ask::{Act, Claim, Effect, Rescue, TakeOver};
use crate::scenario::{Operator, Program, Scenario, Without};
use crate::values::{OLD, Run};
use crate::{assert_breaks, assert_safe};

#[track_caller]
fn assert_needed(scenario: Scenario, step: Without, promises: &[&'static str]) {
    assert_safe(scenario.clone(), &[]);
    for promise in promises {
        assert_breaks(scenario.clone().without(step), promise);
    }
}

fn guards(name: &'static str, runs: &[Run], asks: &'static [Ask]) -> Scenario {
    let guards: Vec<_> = runs.iter().map(|run| Program::guard(*run)).collect();
    let guards: Vec<_> = guards.iter().map(|guard| guard.asking(asks)).collect();
    Scenario::of(name, &guards)
}

#[test]
fn the_model_finds_an_act_without_its_token() {
    let two_runs = guards("two runs", &[0, 1], &[TakeOver, Act]);
    assert_needed(two_runs, Without::TokenCheck, &[OWNER_ACTS, TOKEN_ORDER]);
    // Here the name of the run says nothing.
    let one_run = guards("one run", &[0, 0], &[Claim, Act]);
    assert_needed(one_run, Without::TokenCheck, &[TOKEN_ORDER]);
}

/// An old writer takes the target away, another one takes it back for the same run, and the guard
/// sleeps through both.
#[test]
fn the_model_finds_a_digest_that_is_not_compared() {
    let scenario = guards("two writers", &[0], &[Claim, Act]).beside(&[OLD, 0], 1);
    assert_needed(scenario, Without::Digest, &[OWNER_ACTS]);
}

#[test]
fn the_model_finds_a_sidecar_that_is_written_after_the_record() {
    let scenario = guards("two guards", &[0, 1], &[TakeOver]);
    assert_needed(scenario, Without::FenceFirst, &[FENCE_FIRST]);
}

#[test]
fn the_model_finds_a_lost_sidecar_without_an_archive() {
    let scenario = Scenario {
        losses: 1,
        deaths: 1,
        jumps: 1,
        ..guards("a lost sidecar", &[0, 1], &[TakeOver])
    };
    assert_needed(scenario, Without::Archive, &[TOKEN_GROWS]);
}

#[test]
fn the_model_finds_a_rescue_that_does_not_ask_for_the_lease() {
    let scenario = Scenario {
        jumps: 1,
        ..guards("rescuers", &[0, 1], &[Rescue])
    };
    assert_needed(scenario, Without::Lease, &[NOT_TOO_EARLY]);
}

#[test]
fn the_model_finds_a_missing_kernel_lock() {
    let scenario = guards("two guards", &[0, 1], &[TakeOver]);
    assert_needed(scenario, Without::KernelLock, &[ONE_INSIDE, NO_EVICTION]);
}

#[test]
fn the_model_finds_a_lock_directory_that_is_made_in_two_steps() {
    let scenario = Scenario {
        deaths: 1,
        ..guards("a death", &[0, 1], &[TakeOver])
    };
    assert_needed(scenario, Without::WholeDirectory, &[NO_WEDGE]);
}

#[test]
fn the_model_finds_an_orphan_that_is_left_for_a_person() {
    let scenario = Scenario {
        deaths: 1,
        ..guards("a death", &[0, 1], &[TakeOver])
    };
    assert_needed(scenario, Without::Orphans, &[NO_WEDGE]);
}

/// The directory of a dead writer is found; a person removes it, the writer comes back and makes
/// its own; that one is removed.
#[test]
fn the_model_finds_a_lock_directory_that_is_removed_without_a_second_look() {
    let scenario = Scenario {
        writer_deaths: 1,
        operator: Operator::Careful,
        ..guards("a careful hand", &[0], &[TakeOver]).beside(&[OLD], 2)
    };
    assert_needed(scenario, Without::SecondLook, &[NO_EVICTION, ONE_INSIDE]);
}

#[test]
fn the_model_finds_a_lock_directory_that_is_judged_by_its_age() {
    let scenario = guards("a writer", &[0], &[TakeOver]).beside(&[OLD], 1);
    assert_needed(scenario, Without::Liveness, &[NO_EVICTION]);
}

#[test]
fn the_model_finds_a_lock_directory_that_is_judged_before_it_is_signed() {
    let scenario = guards("a writer", &[0], &[TakeOver]).beside(&[OLD], 1);
    assert_needed(scenario, Without::Signature, &[NO_EVICTION]);
}

/// A person removes our directory, though we live; a writer makes its own; we remove that.
#[test]
fn the_model_finds_an_unlock_that_does_not_look_at_the_nonce() {
    let scenario = Scenario {
        operator: Operator::Rash,
        ..guards("a rash hand", &[0], &[TakeOver]).beside(&[OLD], 1)
    };
    assert_needed(scenario, Without::Nonce, &[NO_EVICTION]);
}

#[test]
fn the_model_finds_a_resource_that_takes_any_token() {
    let scenario = guards("two guards", &[0, 1], &[TakeOver, Effect]);
    assert_needed(scenario, Without::Resource, &[TOKEN_ORDER]);
}
