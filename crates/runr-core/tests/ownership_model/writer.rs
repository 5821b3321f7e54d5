//! A writer that knows neither tokens nor the kernel's lock, step by step: it makes the lock
//! directory, writes its name into it, reads the record, writes the whole of it anew, and removes
//! whatever then stands under the name of the directory.

use crate::model::Ownership;
use crate::state::{Dir, Fault, Holder, State, WriterPlace};
use crate::values::Process;

/// A step of such a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum WriterMove {
    /// It makes the lock directory, to claim the target or to take it over.
    Start {
        takes_over: bool,
    },
    /// It says in the directory who it is, and reads the record.
    Sign,
    /// It writes the record.
    Write,
    /// It removes the directory.
    Unlock,
    Die,
}

impl Ownership {
    /// The steps that a writer can take.
    pub(crate) fn writer_moves(state: &State, who: u8, moves: &mut Vec<WriterMove>) {
        let writer = &state.writers[usize::from(who)];
        match writer.place {
            // It waits for the directory to vanish, and never removes one.
            WriterPlace::Outside if writer.left == 0 || state.dir.is_some() => return,
            WriterPlace::Outside => {
                moves.extend([false, true].map(|takes_over| WriterMove::Start { takes_over }));
                return;
            }
            WriterPlace::Unsigned { .. } => moves.push(WriterMove::Sign),
            WriterPlace::Inside { write: Some(_), .. } => moves.push(WriterMove::Write),
            WriterPlace::Inside { write: None, .. } => moves.push(WriterMove::Unlock),
        }
        if state.left.writer_deaths > 0 {
            moves.push(WriterMove::Die);
        }
    }

    /// Takes a step.
    pub(crate) fn advance_writer(&self, state: &mut State, who: u8, step: WriterMove) {
        let at = usize::from(who);
        let place = match (state.writers[at].place, step) {
            (_, WriterMove::Start { takes_over }) => start(state, who, takes_over),
            (WriterPlace::Unsigned { takes_over }, WriterMove::Sign) => {
                self.sign_foreign(state, who, takes_over)
            }
            (WriterPlace::Inside { read, write }, WriterMove::Write) => {
                if state.files.record != read && !state.seen.robbed {
                    state.fault(Fault::Overwritten);
                }
                state.write_record(write);
                WriterPlace::Inside {
                    read: write,
                    write: None,
                }
            }
            (_, WriterMove::Unlock) => {
                state.dir = None;
                WriterPlace::Outside
            }
            (_, WriterMove::Die) => {
                state.left.writer_deaths -= 1;
                WriterPlace::Outside
            }
            (place, step) => panic!("{step:?} in {place:?}"),
        };
        state.writers[at].place = place;
    }

    /// It writes under the name of the directory, whoever made what stands there.
    fn sign_foreign(&self, state: &mut State, who: u8, takes_over: bool) -> WriterPlace {
        if state.dir.is_none() {
            return WriterPlace::Outside;
        }
        state.dir = Some(Dir {
            by: holder(state, who),
            signed: true,
        });
        let run = state.writers[usize::from(who)].run;
        let read = state.files.record;
        WriterPlace::Inside {
            read,
            write: self.rules.foreign(read, run, takes_over, state.now),
        }
    }
}

fn start(state: &mut State, who: u8, takes_over: bool) -> WriterPlace {
    let writer = &mut state.writers[usize::from(who)];
    writer.left -= 1;
    writer.life += 1;
    state.dir = Some(Dir {
        by: holder(state, who),
        signed: false,
    });
    WriterPlace::Unsigned { takes_over }
}

fn holder(state: &State, who: u8) -> Holder {
    Holder::Writer(Process {
        actor: who,
        life: state.writers[usize::from(who)].life,
    })
}
