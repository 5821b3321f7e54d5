//! Every call of an operation fails, once and from then on: the claim is the old or the new one,
//! and nobody is wedged.

use runr_core::fs::{Fault, FaultFs, Lasting, MemoryFs, Wait};
use runr_core::ownership::fencing::current_token;
use runr_core::ownership::{ClaimStore, ExitNote, Outcome, Token, heartbeat, record_exit_signal};
use runr_core::{Code, Error, Result};

use crate::every_call::{every_call_fails, heal};
use crate::world::{World, plain, target};

type Operation = fn(&World) -> Result<Outcome>;

/// What is tried on a claim of `a`, and who owns the target if it is done.
const OPERATIONS: [(&str, Operation, Option<&str>); 5] = [
    ("refresh", |world| world.claim("a"), Some("a")),
    ("takeover", |world| world.take_over("b"), Some("b")),
    ("release", |world| world.release("a"), None),
    ("heartbeat", beat, Some("a")),
    ("signal", signal, Some("a")),
];

fn beat(world: &World) -> Result<Outcome> {
    heartbeat(&world.claims, &target(), &plain("a"), &world.now())
}

fn signal(world: &World) -> Result<Outcome> {
    let note = ExitNote {
        reason: Some("done".into()),
        require_active_owner: true,
    };
    record_exit_signal(&world.claims, &target(), &plain("a"), &note, &world.now())
}

/// One clear error: a code that a failing disk may have, an operation and a path.
fn is_clear(error: &Error) {
    let codes = [Code::Io, Code::MetaWriteFailed];
    assert!(codes.contains(&error.code()), "{error:?}");
    let told = error.path().is_some() && error.operation().is_some();
    assert!(told, "{error:?}");
}

fn committed(error: &Error) -> bool {
    error.context().get("committed") == Some(&true.into())
}

/// Another process of this machine comes and waits for nobody.
fn next(world: &World) -> Token {
    let next = world.clone().with(|claims| claims.wait(Wait::No));
    let token = next.take_over("next").unwrap().token.unwrap();
    assert_eq!(world.owner().unwrap(), "next");
    assert_eq!(world.token(), Some(token));
    let left = world.names();
    let unfinished = |name: &&String| name.ends_with(".tmp") || name.ends_with(".lock");
    assert_eq!(left.iter().find(unfinished), None);
    token
}

#[test]
fn a_failed_operation_leaves_the_old_or_the_new_claim() {
    for (name, operation, owner) in OPERATIONS {
        every_call_fails(|fs, lay, lasts| {
            let world = World::new(fs.storage());
            let token = world.claim("a").unwrap().token.unwrap();
            lay();
            let result = operation(&world);
            heal(fs);
            let done = match &result {
                Ok(outcome) => {
                    assert!(outcome.ok(), "{name}: {outcome:?}");
                    true
                }
                Err(error) => {
                    is_clear(error);
                    committed(error)
                }
            };
            let expected = if done { owner } else { Some("a") };
            assert_eq!(world.owner().as_deref(), expected, "{name}: {result:?}");
            if expected == Some("a") && lasts == 0 {
                // Its owner has lost nothing by it.
                let snapshot = world.claims.load(&target()).unwrap();
                assert_eq!(current_token(&snapshot), Some(token), "{name}: {result:?}");
            }
            let shown = result.ok().and_then(|outcome| outcome.token);
            assert!(next(&world) > shown.unwrap_or(token), "{name}");
        });
    }
}

#[test]
fn a_failed_first_claim_leaves_none_or_a_whole_one() {
    every_call_fails(|fs, lay, _| {
        let world = World::new(fs.storage());
        lay();
        let result = world.claim("a");
        heal(fs);
        let done = match &result {
            Ok(outcome) => outcome.ok(),
            Err(error) => {
                is_clear(error);
                committed(error)
            }
        };
        assert_eq!(world.owner().as_deref(), done.then_some("a"), "{result:?}");
        let token = next(&world);
        assert!(result.is_err() || Some(token) > result.unwrap().token);
    });
}

#[test]
fn a_failed_look_says_so() {
    every_call_fails(|fs, lay, _| {
        let world = World::new(fs.storage());
        world.claim("a").unwrap();
        lay();
        let (loaded, read) = (world.claims.load(&target()), world.claims.read(&target()));
        heal(fs);
        let loaded = loaded.map(|snapshot| snapshot.record);
        for seen in [loaded, read] {
            match seen {
                Ok(record) => assert_eq!(record.unwrap().owner().unwrap().to_string(), "a"),
                Err(error) => is_clear(&error),
            }
        }
    });
}

/// What a claim costs its process if that is killed in the middle of it.
#[test]
fn whoever_is_killed_at_any_call_wedges_nobody_not_even_twice() {
    let mut calls = 0;
    for nth in 1.. {
        let fs = FaultFs::new(MemoryFs::new().into());
        let world = World::new(fs.storage());
        world.claim("a").unwrap();
        let mut reached = true;
        for run in ["b", "c"] {
            fs.fail(nth, Fault::Torn, Lasting::FromThenOn);
            drop(world.take_over(run));
            reached &= fs.heal();
        }
        next(&world);
        calls = nth;
        if !reached {
            break;
        }
    }
    assert!(calls > 50, "only {calls} calls");
}
