//! Claims after a power cut: an acknowledged one is there, its token is passed by the next one, and
//! no lock keeps anybody out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use runr_core::fs::{Storage, Wait};
use runr_core::ownership::{
    ClaimStore, Claimant, FileClaims, Mode, Now, Outcome, Process, Processes, Record, RunName,
    Target, Token, claim, record_text, release,
};
use runr_core::{Clock, Error, Timestamp};

use crate::judge::{Program, Seen, Step, Verdict, judge_up_to};
use crate::{killed_at_each_call, long, temporaries};

const FOLDER: &str = "/.pi/runner-coordination/acme/shop";

/// The machine; after a power cut it has booted anew.
#[derive(Debug, Clone, Copy)]
struct Machine {
    boot: u32,
}

impl Processes for Machine {
    fn own(&self) -> Process {
        Process {
            pid: 1000,
            start: 17,
            boot_id: format!("boot-{}", self.boot),
            pid_ns: "ns".to_owned(),
            host: "host".to_owned(),
        }
    }

    /// Another process has the number by now.
    fn exists(&self, _: u32) -> bool {
        true
    }

    fn has_ended(&self, _: &Process) -> bool {
        false
    }
}

/// The time is the one of the operation.
#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
}

fn claims(storage: &Storage, boot: u32) -> FileClaims {
    let storage = Storage::clone(storage);
    FileClaims::at(storage, "/", Arc::new(Machine { boot }), Arc::new(Stopped)).wait(Wait::No)
}

fn target() -> Target {
    Target::pr("acme/shop", 17).unwrap()
}

fn at(second: usize) -> Now {
    Timestamp::from_millis(1_770_000_000_000 + 1000 * i64::try_from(second).unwrap()).into()
}

fn plain(run: &str) -> Claimant {
    Claimant::plain(RunName::new(run))
}

fn take_over(storage: &Storage, run: &str, second: usize, boot: u32) -> Result<Outcome, Error> {
    let (claims, machine) = (claims(storage, boot), Machine { boot });
    let mode = Mode::Takeover {
        expect: None,
        only_if_expired: false,
    };
    claim(
        &claims,
        &target(),
        &plain(run),
        &mode,
        &machine,
        &at(second),
    )
}

/// A part of a program, told apart by its place in it.
type Command = fn(&Storage, usize) -> Result<Outcome, Error>;

/// What a program can do to a target that `a` owns: another owner, a sign of life, the end.
const COMMANDS: [Command; 3] = [
    |storage, place| take_over(storage, &format!("run-{place}"), place, 1),
    |storage, place| {
        let claims = claims(storage, 1);
        let owner = owner(&claims)?.unwrap_or_else(|| "new".to_owned());
        let machine = Machine { boot: 1 };
        claim(
            &claims,
            &target(),
            &plain(&owner),
            &Mode::Claim,
            &machine,
            &at(place),
        )
    },
    |storage, place| {
        let claims = claims(storage, 1);
        let owner = owner(&claims)?.unwrap_or_else(|| "nobody".to_owned());
        release(&claims, &target(), &plain(&owner), &at(place))
    },
];

fn owner(claims: &FileClaims) -> Result<Option<String>, Error> {
    let record = claims.read(&target())?;
    Ok(record.and_then(|record| Some(record.owner()?.to_string())))
}

/// The tokens that were shown, by the record they were shown with.
type Shown = Mutex<BTreeMap<String, Token>>;

fn text(record: Option<Record>) -> String {
    record.map_or_else(String::new, |record| record_text(&record))
}

fn read(storage: &Storage) -> Seen {
    let record = claims(storage, 2).read(&target());
    let record = record.map_err(|error| error.to_string())?;
    Ok(vec![text(record)])
}

/// Another process after the cut takes the target over, and takes it over again.
fn next(storage: &Storage, shown: &Shown) -> Result<(), String> {
    let said = |error: Error| format!("{error}, {:?}", error.context());
    let before = claims(storage, 2).read(&target()).map_err(said)?;
    let floor = shown.lock().unwrap().get(&text(before)).copied();
    let first = take_over(storage, "next", 50, 2).map_err(said)?;
    let second = take_over(storage, "last", 51, 2).map_err(said)?;
    if first.token <= floor || second.token <= first.token {
        return Err(format!(
            "{:?} and {:?} after {floor:?}",
            first.token, second.token
        ));
    }
    let left = temporaries(storage, FOLDER);
    let locked = storage
        .stat(format!("{FOLDER}/pr-17.json.lock").as_str().into())
        .is_ok();
    if left.is_empty() && !locked {
        return Ok(());
    }
    Err(format!("{left:?} are left, locked: {locked}"))
}

/// An operation on a claim does many things that need not survive: of what a cut may leave of them
/// a sample must do.
fn sample(short: usize) -> usize {
    if long() { 4096 } else { short }
}

/// Judges a program of commands, told apart by their numbers, perhaps after one whose process dies.
fn judged(
    most: usize,
    before: &dyn Fn(&Storage),
    commands: &[(usize, Command)],
    dying: Option<Step<'_>>,
) -> Verdict {
    let shown = Shown::default();
    let known = |outcome: Outcome| {
        if let Some(token) = outcome.token {
            shown.lock().unwrap().insert(text(outcome.record), token);
        }
    };
    let steps = commands.iter().map(|(place, command)| {
        let known = &known;
        let step: Step<'_> = Box::new(move |storage| {
            known(command(storage, *place).unwrap());
            true
        });
        step
    });
    let program = Program {
        before,
        steps: dying.into_iter().chain(steps).collect(),
        read: &read,
        next: &|storage| next(storage, &shown),
    };
    judge_up_to(sample(most), &program)
}

fn claimed(storage: &Storage) {
    take_over(storage, "a", 0, 1).unwrap();
}

#[test]
fn a_first_claim_with_its_directories_survives_every_power_cut() {
    let commands = [COMMANDS[0], COMMANDS[1], COMMANDS[2]];
    let numbered: Vec<_> = (1..).zip(commands).collect();
    judged(256, &|_| {}, &numbered, None).assert_safe();
}

#[test]
fn every_short_program_of_claims_is_safe_in_every_power_cut() {
    for first in COMMANDS {
        for second in COMMANDS {
            judged(64, &claimed, &[(1, first), (2, second)], None).assert_safe();
        }
    }
}

#[test]
fn a_claim_after_a_killed_one_survives_every_power_cut() {
    let commands = if long() {
        &COMMANDS[..]
    } else {
        &COMMANDS[..1]
    };
    for command in commands {
        let of_the_dead = |storage: &Storage| drop(command(storage, 1));
        killed_at_each_call(of_the_dead, |dying| {
            judged(4, &claimed, &[(2, COMMANDS[0])], Some(dying)).assert_safe();
        });
    }
}
