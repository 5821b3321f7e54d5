//! The ownership protocol as a model: every order in which its steps can happen is gone through,
//! with the real rules deciding (`fencing::decide`, `rules::transition`, `lease`) and everything
//! around them made small. Read with `state.rs`, these pages say precisely what the protocol is.
//!
//! # The files
//!
//! | file | what the model keeps of it | written |
//! |---|---|---|
//! | record | who owns the target since when, who did before, who signalled its end | by every change |
//! | sidecar | token, digest, the process that keeps the claim alive | by a change of owner |
//! | archive | the last token | by a change of owner |
//! | kernel lock | who holds it; it vanishes with its holder | |
//! | lock directory | who made it, and whether it says so; it stays when its holder dies | |
//!
//! # A change by one of ours (`program.rs`, `locks.rs`, `visit.rs`)
//!
//! 1. Take the kernel's lock. Ours queue for it.
//! 2. Make the lock directory, which names its holder from the first moment on. One that is there
//!    already and was made by ours is an orphan, as its maker does not have the kernel's lock; one
//!    that was made by another program is abandoned if its process is dead; one that names nobody
//!    is left alone. What is abandoned is moved away, looked at again, and put back if it is another
//!    one by then.
//! 3. Read record and sidecar, and decide. The token counts if the sidecar has the digest of the
//!    record; whoever shows another one has lost. If it does not fit, somebody without tokens was
//!    here, or a program died in step 4: the record is adopted as it stands, under a new token.
//! 4. Write the archive, then the sidecar, then the record. A beat writes the record alone.
//! 5. Remove the lock directory if it is still ours, give the kernel's lock back, and answer.
//!
//! To act is steps 1, 2 and 3, then what is to be done, then 5. Whoever acts without locks reads the
//! record, then the sidecar, and shows its token to the resource, which takes none below the highest
//! that it has seen.
//!
//! # What may happen in between (`model.rs`)
//!
//! A program may pause at each step, which is no step, or die at it and be followed by another
//! process of its run, with the token of the dead one in its environment or without. The clock may
//! jump back and forward, by more than any lease. The sidecar may be lost. A writer that knows
//! neither tokens nor the kernel's lock (`writer.rs`) may claim, refresh and take over, and die at
//! each step. A person may remove lock directories, carefully or rashly.
//!
//! That somebody has watched a silent owner for a whole lease is not in the model: it may be at any
//! time, and a takeover by force is that.
//!
//! # What is promised (`promises.rs`)
//!
//! `explorations.rs` has the scenarios in which everything holds; each also names what it must have
//! come by. `mutants.rs` leaves out one step at a time, and wants a promise broken. `limits.rs` has
//! what is not promised. `shared.rs` is another model: the same rules over a store without locks.
//!
//! Two things a reader may not expect. The order of sidecar and record is not what keeps tokens in
//! order, as the digest does that in either order: it is for those who read the sidecar alone. And
//! what promises about writing at once cannot outlast a person who takes the lock directory of a
//! living holder away; the order of tokens does.
//!
//! Everything is explored, so nothing is left to chance, and two explorations are the same.
//! `RUNR_TEST_LONG=1` takes a third guard and more of everything.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

mod explorations;
mod limits;
mod locks;
mod model;
mod mutants;
mod program;
mod promises;
mod rules;
mod scenario;
mod shared;
mod state;
mod values;
mod visit;
mod writer;

use stateright::{Checker, HasDiscoveries, Model};

use self::model::Ownership;
use self::scenario::Scenario;

/// Whether the long form is asked for.
fn long() -> bool {
    std::env::var_os("RUNR_TEST_LONG").is_some()
}

/// Explores all that a scenario allows, the shortest ways first, until the end or a discovery.
fn explore(
    scenario: Scenario,
    reaches: &'static [&'static str],
    until: HasDiscoveries,
) -> impl Checker<Ownership> {
    let name = scenario.name;
    let checker = Ownership::new(scenario, reaches)
        .checker()
        .finish_when(until)
        .spawn_bfs()
        .join();
    let [states, steps] = [checker.unique_state_count(), checker.state_count()];
    let depth = checker.max_depth();
    println!("{name}: {states} states, {steps} steps, at most {depth} deep");
    checker
}

/// All promises hold, and the exploration came by what it must.
#[track_caller]
fn assert_safe(scenario: Scenario, reaches: &'static [&'static str]) {
    explore(scenario, reaches, HasDiscoveries::AnyFailures).assert_properties();
}

/// A promise is broken; says how.
#[track_caller]
fn assert_breaks(scenario: Scenario, promise: &'static str) {
    let until = HasDiscoveries::AnyOf([promise].into());
    let path = explore(scenario, &[], until).assert_any_discovery(promise);
    println!("not: {promise}\n{path}");
}
