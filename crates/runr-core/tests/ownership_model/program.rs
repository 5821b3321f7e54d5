//! A program of ours, step by step. Between any two steps anything else may happen, and it may die
//! at each of them. A pause is no step: a paused program takes none.

use crate::locks::{found, look_again};
use crate::model::Ownership;
use crate::rules::Ask;
use crate::scenario::Without;
use crate::state::{Place, State};
use crate::values::Change;
use crate::visit::act;

/// A step of a program of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Move {
    /// It takes the kernel's lock; for an effect it takes none, and reads the record.
    Start(Ask),
    /// It sees a lock directory that nobody holds any more.
    Judge,
    /// It moves away what stands there by then.
    SetAside,
    /// It looks whether that is what it saw, and puts it back if not.
    LookAgain,
    /// It makes the directory its own without moving it, if it is still the one it saw.
    Inherit,
    /// It sees a lock directory that only a person can remove.
    GiveUp,
    /// It makes the lock directory, reads the files, and decides.
    Enter,
    /// It writes into the lock directory who it is.
    Sign,
    /// It writes the next file.
    Write,
    /// It does under the locks what it came for.
    Act,
    /// It gives the locks up and answers.
    Leave,
    /// It reads the sidecar, without any lock, and decides.
    Check,
    /// It does without any lock what it came for.
    Effect,
    Die,
    /// Its successor begins, for the same run.
    Restart,
}

impl Ownership {
    /// The steps that a program can take.
    pub(crate) fn moves(&self, state: &State, who: u8, moves: &mut Vec<Move>) {
        let program = &state.programs[usize::from(who)];
        if !program.lives {
            moves.extend((program.left > 0).then_some(Move::Restart));
            return;
        }
        match program.place {
            Place::Outside => self.beginnings(state, who, moves),
            Place::Waiting(_) => moves.extend(self.at_the_directory(state)),
            Place::Unsigned(_) => moves.push(Move::Sign),
            Place::Found(..) => moves.push(self.removal()),
            Place::Moved(..) => moves.push(Move::LookAgain),
            Place::Inside(visit) => moves.push(match visit.todo {
                todo if todo != Change::default() => Move::Write,
                _ if visit.acts => Move::Act,
                _ => Move::Leave,
            }),
            Place::Reading(_) => moves.push(Move::Check),
            Place::Checked => moves.push(Move::Effect),
        }
        let is_idle = program.place == Place::Outside && program.claim.is_none();
        if state.left.deaths > 0 && !is_idle {
            moves.push(Move::Die);
        }
    }

    fn beginnings(&self, state: &State, who: u8, moves: &mut Vec<Move>) {
        let program = &state.programs[usize::from(who)];
        let about = self.scenario.programs[usize::from(who)];
        if program.left == 0 {
            return;
        }
        let fits = |ask: &Ask| match ask {
            Ask::Claim => program.claim.is_none() || !about.guard,
            Ask::TakeOver | Ask::Rescue => program.claim.is_none(),
            _ => program.claim.is_some(),
        };
        let locked = state.kernel.is_some() && !self.scenario.lacks(Without::KernelLock);
        let goes = |ask: &Ask| *ask == Ask::Effect || !locked;
        let asks = about.asks.iter().copied();
        let asks = asks.filter(|ask| fits(ask) && goes(ask));
        moves.extend(asks.map(Move::Start));
    }

    /// Takes a step.
    pub(crate) fn advance(&self, state: &mut State, who: u8, step: Move) {
        let at = usize::from(who);
        let place = match (state.programs[at].place, step) {
            (Place::Outside, Move::Start(ask)) => start(state, who, ask),
            (Place::Waiting(ask), Move::Judge) => found(state, ask),
            (Place::Found(ask, found), Move::SetAside) => self.set_aside(state, ask, found),
            (Place::Found(ask, found), Move::Inherit) => self.inherit(state, who, ask, found),
            (Place::Moved(ask, found, moved), Move::LookAgain) => {
                look_again(state, ask, found, moved)
            }
            (Place::Waiting(ask), Move::Enter) => self.enter(state, who, ask),
            (Place::Unsigned(ask), Move::Sign) => self.sign(state, who, ask),
            (Place::Inside(visit), Move::Write) => Place::Inside(self.write(state, visit)),
            (Place::Inside(visit), Move::Act) => act(state, who, visit),
            (Place::Inside(visit), Move::Leave) => self.leave(state, who, visit),
            (Place::Reading(record), Move::Check) => self.check(state, who, record),
            (Place::Checked, Move::Effect) => self.effect(state, who),
            (Place::Waiting(_), Move::GiveUp) => give_up(state, who),
            (_, Move::Die) => die(state, who, self.scenario.programs[at].inherits),
            (Place::Outside, Move::Restart) => restart(state, who),
            (place, step) => panic!("{step:?} in {place:?}"),
        };
        state.programs[at].place = place;
    }
}

fn start(state: &mut State, who: u8, ask: Ask) -> Place {
    state.programs[usize::from(who)].left -= 1;
    if ask == Ask::Effect {
        return Place::Reading(state.files.record);
    }
    state.kernel = Some(who);
    Place::Waiting(ask)
}

/// Gives the kernel's lock back without having done anything.
pub(crate) fn give_up(state: &mut State, who: u8) -> Place {
    state.kernel.take_if(|holder| *holder == who);
    Place::Outside
}

/// The kernel's lock vanishes with it; a lock directory stays.
fn die(state: &mut State, who: u8, inherits: bool) -> Place {
    state.left.deaths -= 1;
    let program = &mut state.programs[usize::from(who)];
    program.lives = false;
    let token = program.claim.take().map(|claim| claim.token);
    program.carried = token.filter(|_| inherits);
    give_up(state, who)
}

fn restart(state: &mut State, who: u8) -> Place {
    let program = &mut state.programs[usize::from(who)];
    program.lives = true;
    program.life += 1;
    Place::Outside
}
