//! The two locks of a change. The kernel's lock comes first: it keeps all programs of ours apart, and
//! vanishes with its holder. Inside it stands the lock directory, the only thing that older writers
//! look at. They make it, and at the end remove what has its name; ours never touch one of a living
//! holder.

use crate::model::Ownership;
use crate::program::{Move, give_up};
use crate::rules::Ask;
use crate::scenario::{Removal, Without};
use crate::state::{Dir, Fault, Holder, Place, State};

impl Ownership {
    /// What one who has the kernel's lock makes of what stands under the name of the directory; if
    /// nothing, it waits.
    pub(crate) fn at_the_directory(&self, state: &State) -> Option<Move> {
        let Some(dir) = state.dir else {
            return Some(Move::Enter);
        };
        let is_abandoned = match dir.by {
            // Nobody can tell whether the process that made it is dead.
            _ if !dir.signed => self.scenario.lacks(Without::Signature),
            // Whoever of ours made it had the kernel's lock, which we have now.
            Holder::Program(_) => !self.scenario.lacks(Without::Orphans),
            Holder::Writer(_) => !state.is_alive(dir.by) || self.scenario.lacks(Without::Liveness),
        };
        if is_abandoned {
            Some(Move::Judge)
        } else {
            (!state.is_alive(dir.by)).then_some(Move::GiveUp)
        }
    }

    /// How an abandoned directory is done away with.
    pub(crate) fn removal(&self) -> Move {
        match self.scenario.removal {
            Removal::SetAside => Move::SetAside,
            Removal::Inherit => Move::Inherit,
        }
    }

    /// Moves away what stands there by now, whatever it is.
    pub(crate) fn set_aside(&self, state: &mut State, ask: Ask, found: Dir) -> Place {
        let moved = state.dir.take();
        if !self.scenario.lacks(Without::SecondLook) {
            return Place::Moved(ask, found, moved);
        }
        is_gone(state, moved);
        Place::Waiting(ask)
    }

    /// Writes our name into the very directory that was found, and sees whether it still has its
    /// place.
    pub(crate) fn inherit(&self, state: &mut State, who: u8, ask: Ask, found: Dir) -> Place {
        if state.dir == Some(found) {
            self.enter(state, who, ask)
        } else {
            Place::Waiting(ask)
        }
    }

    /// Makes the directory, which says who holds it from the first moment on: it is made under
    /// another name and gets its own by a rename that replaces nothing.
    pub(crate) fn enter(&self, state: &mut State, who: u8, ask: Ask) -> Place {
        let signed = !self.scenario.lacks(Without::WholeDirectory);
        let by = Holder::Program(state.process(who));
        state.dir = Some(Dir { by, signed });
        if signed {
            Place::Inside(self.decide(state, who, ask))
        } else {
            Place::Unsigned(ask)
        }
    }

    pub(crate) fn sign(&self, state: &mut State, who: u8, ask: Ask) -> Place {
        let Some(dir) = &mut state.dir else {
            return give_up(state, who);
        };
        dir.signed = true;
        Place::Inside(self.decide(state, who, ask))
    }

    /// Removes the directory if it is still ours, and gives the kernel's lock back.
    pub(crate) fn unlock(&self, state: &mut State, who: u8) {
        let ours = Holder::Program(state.process(who));
        if state.dir.is_some_and(|dir| dir.by == ours) {
            state.dir = None;
        } else if self.scenario.lacks(Without::Nonce) {
            let dir = state.dir.take();
            is_gone(state, dir);
        }
        state.kernel.take_if(|holder| *holder == who);
    }
}

/// Remembers the directory that is to be removed.
pub(crate) fn found(state: &State, ask: Ask) -> Place {
    match state.dir {
        Some(dir) => Place::Found(ask, dir),
        None => Place::Waiting(ask),
    }
}

/// Looks at what was moved away. Another directory is put back, unless its place is taken.
pub(crate) fn look_again(state: &mut State, ask: Ask, found: Dir, moved: Option<Dir>) -> Place {
    if moved == Some(found) || state.dir.is_some() {
        is_gone(state, moved);
    } else {
        state.dir = moved;
    }
    Place::Waiting(ask)
}

/// A lock directory is no more, by one of ours that does not hold it.
fn is_gone(state: &mut State, dir: Option<Dir>) {
    if dir.is_some_and(|dir| state.is_alive(dir.by)) {
        state.fault(Fault::Evicted);
    }
}
