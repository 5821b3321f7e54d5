//! The benchmarks: everything is measured beside a peer in the same run.
//!
//! Absolute times do not travel from one machine to the next, ratios do. Goals are printed, never
//! judged: a busy machine must not fail a build.

mod event_loop;
mod install;
mod items;
mod machine;
mod owner;
mod plain;
mod recording;
mod replay;
mod row;
mod scope;
mod startup;
mod storage;
mod store;
mod whole_run;

pub(crate) use store::be_one_of_many;

use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use crate::Failure;
use crate::built::{self, Profile};
use row::Row;

/// What all benchmarks share.
#[derive(Debug)]
pub(crate) struct Bench {
    runr: PathBuf,
    /// On the disk of the target folder, since a temporary directory may be in memory, where a
    /// flush costs nothing.
    folder: TempDir,
    rounds: usize,
}

type Part = fn(&Bench) -> Result<Vec<Row>, Failure>;

/// The parts, in the order of the table.
const PARTS: [(&str, Part); 9] = [
    ("startup", startup::measure),
    ("run", whole_run::measure),
    ("loop", event_loop::measure),
    ("storage", storage::measure),
    ("store", store::measure),
    ("items", items::measure),
    ("owner", owner::measure),
    ("scope", scope::measure),
    ("install", install::measure),
];

/// Measures, and prints a table or JSON.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let Options {
        rounds,
        as_json,
        parts,
    } = parse(words)?;
    if cfg!(debug_assertions) {
        // The storage is measured in this very process: it must be built as it is shipped.
        return again_in_release(words);
    }
    eprintln!("building runr ...");
    let runr = built::runr(Profile::Release)?;
    let beside = runr.parent().unwrap_or(&runr);
    let folder = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(beside)
        .map_err(|why| format!("cannot make a folder in {}: {why}", beside.display()))?;
    let bench = Bench {
        runr,
        folder,
        rounds,
    };
    let facts = machine::facts(&bench);
    let mut rows = Vec::new();
    for (_, part) in PARTS.into_iter().filter(|(name, _)| parts.contains(name)) {
        rows.extend(part(&bench)?);
    }
    if as_json {
        println!(
            "{:#}",
            json!({"machine": facts, "rounds": rounds, "rows": rows})
        );
    } else {
        for (name, value) in &facts {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            println!("{name}: {value}");
        }
        println!("rounds: {rounds}, medians; the order changes from round to round\n");
        print!("{}", row::table(&rows));
    }
    Ok(())
}

fn again_in_release(words: &[&str]) -> Result<(), Failure> {
    let mut release = built::cargo(&["run", "--quiet", "--release", "--package", "xtask", "--"]);
    let status = release
        .arg("bench")
        .args(words)
        .status()
        .map_err(|why| format!("cannot start cargo: {why}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!(
            "the release build of this task ended with {status}"
        ))
    }
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    rounds: usize,
    as_json: bool,
    parts: Vec<&'static str>,
}

fn parse(words: &[&str]) -> Result<Options, Failure> {
    let (mut rounds, mut as_json, mut parts) = (9, false, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--json" => as_json = true,
            "--only" => {
                let wanted = words.next();
                let known = PARTS.map(|(name, _)| name);
                let part = known.into_iter().find(|name| Some(name) == wanted);
                parts.push(part.ok_or(format!("--only needs one of {}", known.join(", ")))?);
            }
            "--rounds" => {
                let number = words.next().and_then(|number| number.parse().ok());
                rounds = number
                    .filter(|number| *number > 0)
                    .ok_or("--rounds needs a number from 1 on")?;
            }
            _ => return Err("usage: cargo xtask bench [--json] [--rounds N] [--only PART]".into()),
        }
    }
    if parts.is_empty() {
        parts.extend(PARTS.map(|(name, _)| name));
    }
    Ok(Options {
        rounds,
        as_json,
        parts,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn rounds_are_a_number_and_unknown_words_are_refused() {
        assert_eq!(parse(&[]).unwrap().rounds, 9);
        let options = parse(&["--json", "--rounds", "3"]).unwrap();
        assert_eq!((options.rounds, options.as_json), (3, true));
        for words in [
            &["--rounds"][..],
            &["--rounds", "0"],
            &["--rounds", "x"],
            &["--only"],
            &["--only", "x"],
            &["x"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn all_parts_are_measured_unless_some_are_chosen() {
        assert_eq!(parse(&[]).unwrap().parts.len(), super::PARTS.len());
        let chosen = parse(&["--only", "store", "--only", "startup"]).unwrap();
        assert_eq!(chosen.parts, ["store", "startup"]);
    }
}
