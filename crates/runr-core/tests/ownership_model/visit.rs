//! What a program of ours does inside the locks, and how it looks at its claim without them.

use crate::model::Ownership;
use crate::rules::{Answer, Ask, Deed, Question};
use crate::scenario::Without;
use crate::state::{Claim, Fault, Place, State, Visit};
use crate::values::{Archived, Fence, Files, Record};

impl Ownership {
    /// Reads the files, and asks the rules.
    pub(crate) fn decide(&self, state: &mut State, who: u8, ask: Ask) -> Visit {
        let answer = self.answer(state, who, ask, state.files);
        if ask == Ask::Rescue && matches!(answer.deed, Deed::TakesOver(_)) && is_fresh(state) {
            state.fault(Fault::TooEarly);
        }
        let deed = match ask {
            Ask::Act if self.scenario.lacks(Without::TokenCheck) => Deed::Acts,
            _ => answer.deed,
        };
        Visit {
            deed,
            token: answer.token,
            is_new: answer.change.fence.is_some(),
            record: state.files.record,
            todo: answer.change,
            acts: ask == Ask::Act && deed == Deed::Acts,
        }
    }

    fn answer(&self, state: &State, who: u8, ask: Ask, files: Files) -> Answer {
        let program = &state.programs[usize::from(who)];
        let about = self.scenario.programs[usize::from(who)];
        let is_claim = matches!(ask, Ask::Claim | Ask::TakeOver | Ask::Rescue);
        let is_forced = ask == Ask::Rescue && self.scenario.lacks(Without::Lease);
        let holder = files.fence.and_then(|fence| fence.process);
        self.rules.decide(Question {
            files: self.as_shown(files),
            ask: if is_forced { Ask::TakeOver } else { ask },
            run: program.run,
            process: about.guard.then(|| state.process(who)),
            // Who claims anew shows no token but the one that it was given by its environment.
            token: if is_claim {
                program.carried
            } else {
                program.token()
            },
            now: state.now,
            ended: holder.is_some_and(|process| state.has_ended(process)),
        })
    }

    /// The files as the rules are shown them.
    fn as_shown(&self, mut files: Files) -> Files {
        if let (Some(record), true) = (files.record, self.scenario.lacks(Without::Digest)) {
            files.fence = files.fence.map(|fence| fence.fitting(record));
        }
        if self.scenario.lacks(Without::Archive) {
            files.archived = None;
        }
        files
    }

    /// Writes the next file of a change: the archive, the sidecar, the record.
    pub(crate) fn write(&self, state: &mut State, mut visit: Visit) -> Visit {
        let is_late = self.scenario.lacks(Without::FenceFirst) && visit.todo.record.is_some();
        if let Some(Archived { token, .. }) = visit.todo.archive.take() {
            state.files.archived = Some(token);
        } else if let Some(fence) = visit.todo.fence.take_if(|_| !is_late) {
            write_fence(state, fence);
        } else if let Some(record) = visit.todo.record.take() {
            write_record(state, &mut visit, record);
        }
        visit
    }

    /// Gives the locks up, and answers.
    pub(crate) fn leave(&self, state: &mut State, who: u8, visit: Visit) -> Place {
        if state.files.record != visit.record && !state.seen.robbed {
            state.fault(Fault::Lost);
        }
        self.unlock(state, who);
        answered(state, who, visit);
        Place::Outside
    }

    /// Ends a look at the claim without any lock: the record was read before, the sidecar is now.
    pub(crate) fn check(&self, state: &mut State, who: u8, record: Option<Record>) -> Place {
        let files = Files {
            record,
            ..state.files
        };
        if self.answer(state, who, Ask::Effect, files).deed == Deed::Acts {
            return Place::Checked;
        }
        state.programs[usize::from(who)].claim = None;
        Place::Outside
    }

    /// Acts on a resource that takes no token below the highest that it has seen.
    pub(crate) fn effect(&self, state: &mut State, who: u8) -> Place {
        let program = &mut state.programs[usize::from(who)];
        let token = program.token().unwrap_or_default();
        if token >= state.seen.resource {
            state.seen.resource = token;
        } else if self.scenario.lacks(Without::Resource) {
            state.fault(Fault::OlderToken);
        } else {
            program.claim = None;
        }
        Place::Outside
    }
}

/// Whether the owner's process lives and has said so by the present time.
fn is_fresh(state: &State) -> bool {
    let holder = state.files.fence.and_then(|fence| fence.process);
    let owner = state.files.record.and_then(|record| record.owner);
    holder.is_some_and(|process| !state.has_ended(process))
        && owner.is_some_and(|owner| owner.updated >= state.now)
}

fn write_fence(state: &mut State, fence: Fence) {
    let before = state.files.fence.map_or(0, |fence| fence.token);
    if fence.token <= before.max(state.seen.answered) {
        state.fault(Fault::TokenBack);
    }
    state.files.fence = Some(fence);
}

fn write_record(state: &mut State, visit: &mut Visit, record: Record) {
    if state.files.record != visit.record && !state.seen.robbed {
        state.fault(Fault::Overwritten);
    }
    if let Some(token) = visit.token.filter(|_| visit.is_new) {
        state.seen.recorded = token;
    }
    state.write_record(Some(record));
    visit.record = Some(record);
}

/// Does something under the locks, with the token of the claim.
pub(crate) fn act(state: &mut State, who: u8, mut visit: Visit) -> Place {
    let program = &state.programs[usize::from(who)];
    let is_broken = program.claim.is_none_or(|claim| claim.is_broken);
    let is_owner = state.files.owner() == Some(program.run) && !is_broken;
    let token = program.token().unwrap_or_default();
    if !is_owner && !state.seen.robbed {
        state.fault(Fault::NotTheOwner);
    }
    if token < state.seen.acted {
        state.fault(Fault::OlderToken);
    }
    state.seen.acted = state.seen.acted.max(token);
    visit.acts = false;
    Place::Inside(visit)
}

/// The program learns what became of its operation.
fn answered(state: &mut State, who: u8, visit: Visit) {
    let program = &mut state.programs[usize::from(who)];
    let token = visit.token.unwrap_or_default();
    program.claim = match visit.deed {
        Deed::Claims | Deed::Refreshes | Deed::TakesOver(_) => Some(Claim {
            token,
            is_broken: false,
        }),
        Deed::Releases | Deed::Loses => None,
        Deed::Beats | Deed::Signals | Deed::Acts | Deed::Waits => return,
    };
    program.carried = None;
    if visit.deed == Deed::Loses {
        return;
    }
    if token < state.seen.answered || visit.is_new && token == state.seen.answered {
        state.fault(Fault::TokenBack);
    }
    state.seen.answered = state.seen.answered.max(token);
}
