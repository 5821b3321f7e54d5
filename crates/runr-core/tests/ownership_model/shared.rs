//! The same rules over a store past this machine: it has no locks, but stores a change only if the
//! claim is still what was read. Requests arrive late, twice or never, and replies are lost. Whoever
//! gets no reply does not know what became of its request, and begins anew.
//!
//! A store that goes back in time is not in the model: nothing outside remembers its tokens.

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::long;
use crate::promises::{NOTHING_LOST, REFUSED, RESUMED, TOKEN_GROWS};
use crate::rules::{Answer, Ask, Deed, Question, Rules};
use crate::values::{Files, Process, Record, Run};

/// What may happen, and what is left out.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    runs: &'static [Run],
    /// How many operations each program begins.
    operations: u8,
    /// How many requests arrive twice.
    doubles: u8,
    /// How many requests or replies are lost.
    losses: u8,
    without: Option<Without>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    /// Whatever is sent is stored.
    Compare,
    /// Where nobody owns a target, nothing is kept of it.
    Memory,
}

#[derive(Debug)]
struct Shared {
    scenario: Scenario,
    rules: Rules,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    files: Files,
    version: u8,
    programs: Vec<Program>,
    /// The requests under way.
    requests: Vec<Request>,
    doubles: u8,
    losses: u8,
    /// The highest token that was answered, and the highest that the resource has seen.
    answered: u64,
    resource: u64,
    faults: [bool; 2],
}

/// Somebody acted with an older token, or a token was answered again; and a change was lost.
const TOKENS: usize = 0;
const CHANGES: usize = 1;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Program {
    run: Run,
    token: Option<u64>,
    place: Place,
    left: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Outside,
    /// It has read and decided.
    Decided(Request),
    /// It waits for a reply.
    Sent(Request),
    /// Its claim counted when it looked.
    Checked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Request {
    who: u8,
    answer: Answer,
    version: u8,
    read: Option<Record>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A program reads the claim and decides.
    Decide(u8, Ask),
    Send(u8),
    /// The request arrives, and its reply as well.
    Deliver(usize),
    /// The request arrives, and its reply does not.
    LoseReply(usize),
    LoseRequest(usize),
    /// The request is under way twice.
    Double(usize),
    Effect(u8),
}

impl Shared {
    fn decide(&self, state: &mut State, who: u8, ask: Ask) {
        let program = &mut state.programs[usize::from(who)];
        program.left -= 1;
        let answer = self.rules.decide(Question {
            files: state.files,
            ask,
            run: program.run,
            process: Some(Process {
                actor: who,
                life: 0,
            }),
            token: program.token,
            now: 1,
            ended: false,
        });
        match answer.deed {
            Deed::Acts => program.place = Place::Checked,
            Deed::Loses => program.token = None,
            Deed::Waits => {}
            _ => {
                program.place = Place::Decided(Request {
                    who,
                    answer,
                    version: state.version,
                    read: state.files.record,
                });
            }
        }
    }

    /// The store takes a request, or finds that somebody came first.
    fn store(&self, state: &mut State, request: Request) -> bool {
        let Answer { change, deed, .. } = request.answer;
        let lacks = |step| self.scenario.without == Some(step);
        if state.version != request.version && !lacks(Without::Compare) {
            return false;
        }
        state.faults[CHANGES] |= state.files.record != request.read;
        state.version += 1;
        if deed == Deed::Releases && lacks(Without::Memory) {
            state.files = Files::default();
            return true;
        }
        let archived = change.archive.map(|line| line.token);
        state.files = Files {
            record: change.record,
            fence: change.fence.or(state.files.fence),
            archived: archived.or(state.files.archived),
        };
        true
    }
}

impl State {
    /// The program learns what became of its request, if it still wants to know.
    fn reply(&mut self, request: Request, is_stored: Option<bool>) {
        let program = &mut self.programs[usize::from(request.who)];
        if program.place != Place::Sent(request) {
            return;
        }
        program.place = Place::Outside;
        match is_stored {
            Some(true) => {}
            // Somebody came first: it knows what it knew.
            Some(false) => return,
            None => {
                program.token = None;
                return;
            }
        }
        let Answer {
            deed,
            token,
            change,
        } = request.answer;
        program.token = token.filter(|_| deed != Deed::Releases);
        if let Some(token) = token.filter(|_| change.fence.is_some()) {
            self.faults[TOKENS] |= token <= self.answered;
            self.answered = self.answered.max(token);
        }
    }

    fn effect(&mut self, who: u8) {
        let program = &mut self.programs[usize::from(who)];
        program.place = Place::Outside;
        let token = program.token.unwrap_or_default();
        if token >= self.resource {
            self.resource = token;
        } else {
            program.token = None;
        }
    }
}

impl Model for Shared {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let programs = self.scenario.runs.iter().map(|run| Program {
            run: *run,
            token: None,
            place: Place::Outside,
            left: self.scenario.operations,
        });
        vec![State {
            files: Files::default(),
            version: 0,
            programs: programs.collect(),
            requests: Vec::new(),
            doubles: self.scenario.doubles,
            losses: self.scenario.losses,
            answered: 0,
            resource: 0,
            faults: [false; 2],
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for (program, who) in state.programs.iter().zip(0..) {
            match program.place {
                Place::Outside if program.left > 0 => {
                    let asks: &[Ask] = match program.token {
                        None => &[Ask::Claim, Ask::TakeOver],
                        Some(_) => &[Ask::Beat, Ask::Release, Ask::Effect],
                    };
                    steps.extend(asks.iter().map(|ask| Step::Decide(who, *ask)));
                }
                Place::Decided(_) => steps.push(Step::Send(who)),
                Place::Checked => steps.push(Step::Effect(who)),
                Place::Outside | Place::Sent(_) => {}
            }
        }
        for at in 0..state.requests.len() {
            steps.push(Step::Deliver(at));
            if state.losses > 0 {
                steps.extend([Step::LoseReply(at), Step::LoseRequest(at)]);
            }
            if state.doubles > 0 {
                steps.push(Step::Double(at));
            }
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = state.clone();
        match step {
            Step::Decide(who, ask) => self.decide(&mut state, who, ask),
            Step::Send(who) => {
                let place = &mut state.programs[usize::from(who)].place;
                if let Place::Decided(request) = *place {
                    *place = Place::Sent(request);
                    state.requests.push(request);
                }
            }
            Step::Deliver(at) => {
                let request = state.requests.remove(at);
                let is_stored = self.store(&mut state, request);
                state.reply(request, Some(is_stored));
            }
            Step::LoseReply(at) => {
                state.losses -= 1;
                let request = state.requests.remove(at);
                self.store(&mut state, request);
                state.reply(request, None);
            }
            Step::LoseRequest(at) => {
                state.losses -= 1;
                let request = state.requests.remove(at);
                state.reply(request, None);
            }
            Step::Double(at) => {
                state.doubles -= 1;
                state.requests.push(state.requests[at]);
            }
            Step::Effect(who) => state.effect(who),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(TOKEN_GROWS, |_, state: &State| !state.faults[TOKENS]),
            Property::always(NOTHING_LOST, |_, state: &State| !state.faults[CHANGES]),
            Property::sometimes(RESUMED, |_, state: &State| {
                state.requests.iter().any(|request| {
                    let Answer { deed, change, .. } = request.answer;
                    deed == Deed::Refreshes && change.fence.is_some()
                })
            }),
            Property::sometimes(REFUSED, |_, state: &State| {
                let mut programs = state.programs.iter();
                programs.any(|program| {
                    program.place == Place::Checked && program.token < Some(state.resource)
                })
            }),
        ]
    }
}

const SCENARIO: Scenario = Scenario {
    runs: &[0, 1],
    operations: 2,
    doubles: 1,
    losses: 1,
    without: None,
};

fn explore(scenario: Scenario, until: HasDiscoveries) -> impl Checker<Shared> {
    let rules = Rules::default();
    let shared = Shared { scenario, rules };
    let checker = shared.checker().finish_when(until).spawn_bfs().join();
    let states = checker.unique_state_count();
    println!("a shared store: {states} states");
    checker
}

#[track_caller]
fn assert_breaks(scenario: Scenario, promise: &'static str) {
    let until = HasDiscoveries::AnyOf([promise].into());
    let path = explore(scenario, until).assert_any_discovery(promise);
    println!("not: {promise}\n{path}");
}

#[test]
fn a_store_without_locks_keeps_tokens_and_changes_in_order() {
    let scenario = Scenario {
        runs: if long() { &[0, 1, 2] } else { &[0, 1] },
        ..SCENARIO
    };
    explore(scenario, HasDiscoveries::AnyFailures).assert_properties();
}

#[test]
fn the_model_finds_a_store_that_does_not_compare() {
    let without = Some(Without::Compare);
    let scenario = Scenario {
        without,
        ..SCENARIO
    };
    assert_breaks(scenario, NOTHING_LOST);
    assert_breaks(scenario, TOKEN_GROWS);
}

#[test]
fn the_model_finds_a_store_that_forgets_what_nobody_owns() {
    let without = Some(Without::Memory);
    assert_breaks(
        Scenario {
            without,
            ..SCENARIO
        },
        TOKEN_GROWS,
    );
}
