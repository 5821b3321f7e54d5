//! Runs after a power cut: created, changed, named, and what happened to them.

use std::collections::BTreeSet;

use runr_core::fs::{Kind, Storage};
use runr_core::store::{MetaOp, NewRun, RunStore};
use runr_core::{Error, RunId, Timestamp};

use crate::judge::{Program, Seen, Step, Verdict, judge};
use crate::{killed_at_each_call, temporaries};

const RUNS: &str = "/repo/runs";

fn store(storage: &Storage) -> RunStore {
    RunStore::open(storage.clone(), RUNS)
}

fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

fn create(storage: &Storage, run: &str) -> Result<(), Error> {
    let new = NewRun {
        run_id: id(run),
        repo_id: String::new(),
        title: "t".into(),
        runner: "r".into(),
        runner_cmd: "c".into(),
        parent_branch: "main".into(),
        branch: "b".into(),
        worktree_path: "/w".into(),
        created_at: Timestamp::from_millis(0),
    };
    store(storage).create(&new, false).map(drop)
}

fn change(storage: &Storage, run: &str, number: i64) -> Result<(), Error> {
    let changed = store(storage).update(&id(run), |meta| {
        meta.pr_number = Some(number);
        Ok(())
    });
    changed.map(drop)
}

fn name(storage: &Storage, run: &str, name: &str) -> Result<(), Error> {
    let op = MetaOp::Set {
        path: "/name".into(),
        value: serde_json::Value::from(name).into(),
    };
    store(storage).update_values(&id(run), &[op]).map(drop)
}

fn happen(storage: &Storage, run: &str, what: &str) -> Result<(), Error> {
    let now = Timestamp::from_millis(0);
    let appended = store(storage).append_event(&id(run), what, None, now);
    appended.map(drop)
}

/// Every run that can be seen is complete.
fn read(storage: &Storage) -> Seen {
    let store = store(storage);
    let said = |error: Error| error.to_string();
    let mut seen = Vec::new();
    for record in store.scan().map_err(said)? {
        let paths = store.paths(&record.run_id);
        let Some(meta) = &record.meta else {
            return Err(record.problem.unwrap_or_default());
        };
        let logs = storage.stat(&paths.logs_dir);
        if logs.map_err(|error| error.to_string())?.kind != Kind::Dir {
            return Err(format!("{} is no directory", paths.logs_dir));
        }
        seen.push(serde_json::to_string(meta).unwrap());
        let events = store.events(&record.run_id, 0).map_err(said)?;
        seen.extend(events.into_iter().map(|event| event.event));
    }
    Ok(seen)
}

/// Changes all runs and creates another one.
fn next(storage: &Storage) -> Result<(), String> {
    let said = |error: Error| error.to_string();
    let store = store(storage);
    let runs = store.ids().map_err(said)?;
    for run in runs.iter().map(RunId::as_str) {
        change(storage, run, 99).map_err(said)?;
        happen(storage, run, "next").map_err(said)?;
        let left = temporaries(storage, &format!("{RUNS}/{run}"));
        if !left.is_empty() {
            return Err(format!("{left:?} are left in {run}"));
        }
    }
    create(storage, "next").map_err(said)?;
    let complete = store.ids().map_err(said)?;
    let unfinished = temporaries(storage, RUNS);
    // `.<run>-<random>.tmp`, for each run once.
    let of = |name: &String| Some(name.strip_prefix('.')?.rsplit_once('-')?.0.to_owned());
    let of: BTreeSet<_> = unfinished.iter().filter_map(of).collect();
    if complete.len() == runs.len() + 1 && of.len() == unfinished.len() {
        read(storage).map(drop)
    } else {
        Err(format!("{complete:?} and {unfinished:?} after {runs:?}"))
    }
}

fn judged(before: &dyn Fn(&Storage), steps: Vec<Step<'_>>) -> Verdict {
    let (read, next) = (&read, &next);
    judge(&Program {
        before,
        steps,
        read,
        next,
    })
}

fn step<'a>(change: impl Fn(&Storage) -> Result<(), Error> + 'a) -> Step<'a> {
    Box::new(move |storage| {
        change(storage).unwrap();
        true
    })
}

#[test]
fn a_first_run_with_its_parents_survives_every_power_cut() {
    let verdict = judged(
        &|_| {},
        vec![
            step(|storage| create(storage, "one")),
            step(|storage| change(storage, "one", 1)),
            step(|storage| happen(storage, "one", "first")),
        ],
    );
    verdict.assert_safe();
}

/// Longer programs find no more: a file system forgets by the next sync what it did before.
const LENGTH: u32 = 3;

/// A part of a program, told apart by its place in it.
type Command = fn(&Storage, usize) -> Result<(), Error>;

/// What a program can do to a store that holds the run `one`.
const COMMANDS: [Command; 4] = [
    |storage, place| create(storage, &format!("run-{place}")),
    |storage, place| change(storage, "one", place as i64),
    |storage, place| name(storage, "one", &format!("name-{place}")),
    |storage, place| happen(storage, "one", &format!("event {place}")),
];

#[test]
fn every_short_program_is_safe_in_every_power_cut() {
    for number in 0..COMMANDS.len().pow(LENGTH) {
        let commands: Vec<_> = (0..LENGTH)
            .map(|place| COMMANDS[number / COMMANDS.len().pow(place) % COMMANDS.len()])
            .collect();
        let numbered = commands.into_iter().zip(1..);
        let steps = numbered.map(|(command, place)| step(move |storage| command(storage, place)));
        let verdict = judged(&|storage| create(storage, "one").unwrap(), steps.collect());
        verdict.assert_safe();
    }
}

/// What is seen of the run `two`. What became of `one` is nobody's business, if it is whole.
fn second(storage: &Storage) -> Seen {
    let mut seen = read(storage)?;
    seen.retain(|row| row.contains("\"two\""));
    Ok(seen)
}

/// The verdicts on a creation that is killed at each of its calls, followed by another one.
fn killed_creations(before: &dyn Fn(&Storage)) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let of_the_dead = |storage: &Storage| drop(create(storage, "one"));
    killed_at_each_call(of_the_dead, |dying| {
        verdicts.push(judge(&Program {
            before,
            steps: vec![dying, step(|storage| create(storage, "two"))],
            read: &second,
            next: &next,
        }));
    });
    verdicts
}

#[test]
fn a_run_after_a_killed_creation_survives_every_power_cut() {
    let verdicts = killed_creations(&|storage| create(storage, "zero").unwrap());
    verdicts.iter().for_each(Verdict::assert_safe);
}

#[test]
fn a_killed_first_creation_tears_nothing_and_is_in_nobodys_way() {
    let verdicts = killed_creations(&|_| {});
    for verdict in &verdicts {
        let harmless = verdict.torn.is_none() && verdict.stuck.is_none();
        assert!(harmless, "{verdict}");
    }
    // A program trusts the directories it finds. If the one before was killed between making such
    // a directory and syncing its parent, and the power is cut before the system has written it
    // back by itself, all in it is lost: one moment for each of the two directories.
    let lost = verdicts.iter().filter(|verdict| verdict.lost.is_some());
    assert!(lost.count() <= 2);
}
