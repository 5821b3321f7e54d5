//! What always holds, and what an exploration must have come by to be worth anything.

use stateright::Property;

use crate::model::Ownership;
use crate::program::Move;
use crate::rules::{Ask, Deed, Why};
use crate::state::{Fault, Holder, Place, Program, State, Visit};

// The token guards the target: G5.
pub(crate) const TOKEN_ORDER: &str = "nobody acts with an older token after a newer one";
pub(crate) const OWNER_ACTS: &str =
    "whoever acts under the locks is the owner, and was all the time";
pub(crate) const TOKEN_GROWS: &str = "a token never goes back";
pub(crate) const FENCE_FIRST: &str = "the sidecar is never behind the record";
pub(crate) const NOT_TOO_EARLY: &str = "an owner that lives and says so is replaced by force only";

// The locks guard the files: G3 and G4.
pub(crate) const ONE_INSIDE: &str = "nobody reads and writes the record while another does";
pub(crate) const NOTHING_LOST: &str = "what was answered stands in the record until it is changed";
pub(crate) const NO_EVICTION: &str = "ours removes its own lock directory and those of the dead";
pub(crate) const NO_WEDGE: &str = "whenever nobody is at work, a claim goes through";

// What may come by.
pub(crate) const FORCED: &str = "an owner is replaced by force";
pub(crate) const TIMED_OUT: &str = "an owner is replaced after its time";
pub(crate) const DIED: &str = "an owner is replaced after its death";
pub(crate) const RESUMED: &str = "a run is resumed by another process";
pub(crate) const SHARED: &str = "a claim is shared by one who carries its token";
pub(crate) const ADOPTED: &str = "a change without a token is adopted";
pub(crate) const FENCED_OUT: &str = "a former owner wants to act and is told that it has lost";
pub(crate) const REFUSED: &str = "a resource refuses a former owner";
pub(crate) const ORPHAN: &str = "the lock directory of a dead program of ours is removed";
pub(crate) const FOREIGN: &str = "the lock directory of a dead writer is removed";
pub(crate) const PUT_BACK: &str = "a lock directory is moved away that is another one by now";

pub(crate) fn always() -> Vec<Property<Ownership>> {
    vec![
        Property::always(TOKEN_ORDER, |_, state| lacks(state, Fault::OlderToken)),
        Property::always(OWNER_ACTS, |_, state| lacks(state, Fault::NotTheOwner)),
        Property::always(TOKEN_GROWS, |_, state| lacks(state, Fault::TokenBack)),
        Property::always(FENCE_FIRST, |_, state: &State| {
            let fence = state.files.fence;
            fence.is_none_or(|fence| fence.token >= state.seen.recorded)
        }),
        Property::always(NOT_TOO_EARLY, |_, state| lacks(state, Fault::TooEarly)),
        Property::always(ONE_INSIDE, |_, state: &State| {
            state.inside() < 2 || state.seen.robbed
        }),
        Property::always(NOTHING_LOST, |_, state| {
            lacks(state, Fault::Overwritten) && lacks(state, Fault::Lost)
        }),
        Property::always(NO_EVICTION, |_, state| lacks(state, Fault::Evicted)),
        Property::always(NO_WEDGE, |model: &Ownership, state: &State| {
            !state.is_quiet() || !state.seen.is_faultless() || model.lets_a_claim_through(state)
        }),
    ]
}

pub(crate) fn sometimes() -> Vec<Property<Ownership>> {
    let mut properties = with_claims();
    properties.extend(with_locks());
    properties
}

fn with_claims() -> Vec<Property<Ownership>> {
    vec![
        Property::sometimes(FORCED, |_, state| does(state, Deed::TakesOver(Why::Forced))),
        Property::sometimes(TIMED_OUT, |_, state| {
            does(state, Deed::TakesOver(Why::Time))
        }),
        Property::sometimes(DIED, |_, state| does(state, Deed::TakesOver(Why::Death))),
        Property::sometimes(RESUMED, |_, state| {
            visits(state).any(|visit| visit.deed == Deed::Refreshes && visit.is_new)
        }),
        Property::sometimes(SHARED, |_, state: &State| {
            let mut programs = state.programs.iter();
            programs.any(|program| match program.place {
                Place::Inside(visit) => {
                    visit.deed == Deed::Refreshes && visit.token == program.carried
                }
                _ => false,
            })
        }),
        Property::sometimes(ADOPTED, |_, state| {
            let archives = |visit: Visit| visit.todo.archive;
            visits(state).filter_map(archives).any(|line| line.adopts)
        }),
        Property::sometimes(FENCED_OUT, |_, state| does(state, Deed::Loses)),
        Property::sometimes(REFUSED, |_, state: &State| {
            let mut programs = state.programs.iter();
            programs.any(|program| {
                program.place == Place::Checked && program.token() < Some(state.seen.resource)
            })
        }),
    ]
}

fn with_locks() -> Vec<Property<Ownership>> {
    vec![
        Property::sometimes(ORPHAN, |_, state| {
            let of_ours = |holder| matches!(holder, Holder::Program(_));
            removals(state).any(|(found, is_it)| of_ours(found) && is_it)
        }),
        Property::sometimes(FOREIGN, |_, state| {
            let of_ours = |holder| matches!(holder, Holder::Program(_));
            removals(state).any(|(found, is_it)| !of_ours(found) && is_it)
        }),
        Property::sometimes(PUT_BACK, |_, state| {
            removals(state).any(|(_, is_it)| !is_it)
        }),
    ]
}

fn lacks(state: &State, fault: Fault) -> bool {
    state.seen.lacks(fault)
}

fn visits(state: &State) -> impl Iterator<Item = Visit> {
    state
        .programs
        .iter()
        .filter_map(|program| match program.place {
            Place::Inside(visit) => Some(visit),
            _ => None,
        })
}

fn does(state: &State, deed: Deed) -> bool {
    visits(state).any(|visit| visit.deed == deed)
}

/// The directories that are moved away: whose was to be, and whether it was that one.
fn removals(state: &State) -> impl Iterator<Item = (Holder, bool)> {
    state
        .programs
        .iter()
        .filter_map(|program| match program.place {
            Place::Moved(_, found, Some(moved)) => Some((found.by, moved == found)),
            _ => None,
        })
}

impl Ownership {
    /// Whether a program of ours that begins now and is left alone gets the target, with a token that
    /// every resource takes. Only a writer that died before it said who it is can prevent that.
    fn lets_a_claim_through(&self, state: &State) -> bool {
        let by_writer = |holder| matches!(holder, Holder::Writer(_));
        if state
            .dir
            .is_some_and(|dir| !dir.signed && by_writer(dir.by))
        {
            return true;
        }
        let mut after = state.clone();
        after.left.deaths = 0;
        let program = &mut after.programs[0];
        *program = Program {
            lives: true,
            life: program.life + 1,
            claim: None,
            carried: None,
            left: 1,
            ..*program
        };
        self.advance(&mut after, 0, Move::Start(Ask::TakeOver));
        let mut moves = Vec::new();
        while after.programs[0].place != Place::Outside {
            self.moves(&after, 0, &mut moves);
            let Some(step) = moves.first() else {
                return false;
            };
            self.advance(&mut after, 0, *step);
            moves.clear();
        }
        let highest = state.seen.resource.max(state.seen.acted);
        after.seen.is_faultless() && after.programs[0].token() >= Some(highest)
    }
}
