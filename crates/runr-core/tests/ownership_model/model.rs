//! The model: who can do what, in which order, and what is promised.

use stateright::{Model, Property};

use crate::program::Move;
use crate::promises;
use crate::rules::Rules;
use crate::scenario::{Operator, Scenario};
use crate::state::State;
use crate::values::Tick;
use crate::writer::WriterMove;

/// The protocol of a claim, as far as a scenario goes.
#[derive(Debug)]
pub(crate) struct Ownership {
    pub(crate) scenario: Scenario,
    pub(crate) rules: Rules,
    /// What the exploration must come by.
    reaches: &'static [&'static str],
}

/// One step of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Program(u8, Move),
    Writer(u8, WriterMove),
    /// The clock is set, or goes on.
    Clock(Tick),
    /// The sidecar is deleted.
    LoseSidecar,
    /// The operator removes the lock directory.
    RemoveByHand,
}

impl Ownership {
    pub(crate) fn new(scenario: Scenario, reaches: &'static [&'static str]) -> Self {
        Self {
            scenario,
            reaches,
            rules: Rules::default(),
        }
    }

    fn of_the_world(&self, state: &State, steps: &mut Vec<Step>) {
        let left = &state.left;
        if left.jumps > 0 {
            let times = (0..=2).filter(|time| *time != state.now);
            steps.extend(times.map(Step::Clock));
        }
        if left.losses > 0 && state.files.fence.is_some() {
            steps.push(Step::LoseSidecar);
        }
        let reachable = state.dir.is_some_and(|dir| match self.scenario.operator {
            Operator::Absent => false,
            Operator::Careful => !state.is_alive(dir.by),
            Operator::Rash => true,
        });
        if left.hands > 0 && reachable {
            steps.push(Step::RemoveByHand);
        }
    }
}

impl Model for Ownership {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.scenario)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        let mut moves = Vec::new();
        for who in 0..state.programs.len() as u8 {
            self.moves(state, who, &mut moves);
            steps.extend(moves.drain(..).map(|step| Step::Program(who, step)));
        }
        let mut moves = Vec::new();
        for who in 0..state.writers.len() as u8 {
            Self::writer_moves(state, who, &mut moves);
            steps.extend(moves.drain(..).map(|step| Step::Writer(who, step)));
        }
        self.of_the_world(state, steps);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = state.clone();
        match step {
            Step::Program(who, step) => self.advance(&mut state, who, step),
            Step::Writer(who, step) => self.advance_writer(&mut state, who, step),
            Step::Clock(time) => {
                state.left.jumps -= 1;
                state.now = time;
            }
            Step::LoseSidecar => {
                state.left.losses -= 1;
                state.files.fence = None;
            }
            Step::RemoveByHand => {
                state.left.hands -= 1;
                let removed = state.dir.take();
                state.seen.robbed |= removed.is_some_and(|dir| state.is_alive(dir.by));
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = promises::sometimes();
        properties.retain(|property| self.reaches.contains(&property.name));
        properties.extend(promises::always());
        properties
    }
}
