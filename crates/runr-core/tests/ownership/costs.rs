//! What operations on claims cost, in flushes and calls.

use runr_core::fs::{FaultFs, MemoryFs};
use runr_core::ownership::{ClaimStore, assert_owner, heartbeat};

use crate::world::{World, guard, plain, target};

fn counted() -> (World, FaultFs) {
    let fs = FaultFs::new(MemoryFs::new().into());
    let world = World::new(fs.storage());
    (world, fs)
}

/// The flushes of an operation.
fn flushes(fs: &FaultFs, operation: impl FnOnce()) -> usize {
    drop(fs.take_calls());
    operation();
    FaultFs::flushes(&fs.take_calls())
}

#[test]
fn a_change_of_owner_costs_five_flushes() {
    let (world, fs) = counted();
    world.claim("a").unwrap();
    world.release("a").unwrap();
    assert_eq!(flushes(&fs, || drop(world.claim("a").unwrap())), 5);
    assert_eq!(flushes(&fs, || drop(world.take_over("b").unwrap())), 5);
    assert_eq!(flushes(&fs, || drop(world.release("b").unwrap())), 5);
    // Another process of the same run is another holder.
    world.claim("c").unwrap();
    let resumed = || drop(world.claim_as(&guard("c", 1000), &runr_core::ownership::Mode::Claim));
    assert_eq!(flushes(&fs, resumed), 5);
}

#[test]
fn the_first_claim_pays_for_its_directories_and_its_archive() {
    let (world, fs) = counted();
    // Four directories, the name of the archive, and the claim itself.
    assert_eq!(flushes(&fs, || drop(world.claim("a").unwrap())), 4 + 1 + 5);
    let beside = runr_core::ownership::Target::pr("acme/shop", 18).unwrap();
    let second = || {
        let caller = plain("a");
        let mode = runr_core::ownership::Mode::Claim;
        let machine = world.machine.as_ref();
        runr_core::ownership::claim(
            &world.claims,
            &beside,
            &caller,
            &mode,
            machine,
            &world.now(),
        )
        .unwrap();
    };
    assert_eq!(flushes(&fs, second), 1 + 5);
}

#[test]
fn a_refresh_costs_two_flushes_however_much_has_happened() {
    let (world, fs) = counted();
    world.claim("a").unwrap();
    for _ in 0..120 {
        assert_eq!(flushes(&fs, || drop(world.claim("a").unwrap())), 2);
    }
    drop(fs.take_calls());
    world.claim("a").unwrap();
    let calls = fs.take_calls();
    world.claim("a").unwrap();
    assert_eq!(fs.take_calls(), calls);
    let token = world.token();
    let owner = plain("a").with_token(token);
    let beat = || drop(heartbeat(&world.claims, &target(), &owner, &world.now()).unwrap());
    assert_eq!(flushes(&fs, beat), 2);
}

const REFRESH: [&str; 41] = [
    "open_dir",
    "open_lock",
    "fstat",
    "try_lock",
    "stat", // the kernel's lock
    "create_dir",
    "open_dir",
    "open",
    "write",
    "close",
    "close_dir",
    "rename_no_replace", // the lock directory
    "open",
    "fstat",
    "read",
    "close", // the record
    "open",
    "fstat",
    "read",
    "close", // the sidecar
    "open",
    "fstat",
    "write",
    "sync",
    "close",
    "rename",
    "sync_dir", // the record
    "open_in",
    "read",
    "close", // is the lock directory ours still?
    "rename",
    "open_in",
    "read",
    "close", // that one, too
    "open_dir",
    "unlink",
    "remove_dir",
    "close_dir",
    "unlock",
    "close_lock",
    "close_dir",
];

#[test]
fn a_refresh_makes_exactly_these_calls() {
    let (world, fs) = counted();
    world.claim("a").unwrap();
    drop(fs.take_calls());
    world.claim("a").unwrap();

    assert_eq!(fs.take_calls(), REFRESH);
}

#[test]
fn a_refusal_writes_nothing() {
    let (world, fs) = counted();
    world.claim("a").unwrap();
    assert_eq!(flushes(&fs, || assert!(!world.claim("b").unwrap().ok())), 0);
    assert_eq!(
        flushes(&fs, || assert!(!world.release("b").unwrap().ok())),
        0
    );
}

#[test]
fn an_assert_costs_three_calls() {
    let (world, fs) = counted();
    world.claim("a").unwrap();
    drop(fs.take_calls());
    let outcome = assert_owner(&world.claims, &target(), &plain("a"), true);
    assert!(outcome.unwrap().ok());
    assert_eq!(fs.take_calls(), ["open_file", "read", "close"]);
    // A full history is longer than one read.
    (0..60).for_each(|_| drop(world.claim("a").unwrap()));
    drop(fs.take_calls());
    world.claims.read(&target()).unwrap();
    let calls = fs.take_calls();
    assert_eq!(calls, ["open_file", "read", "fstat", "read", "close"]);
}
