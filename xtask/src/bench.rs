//! The benchmarks: everything is measured beside a peer in the same run.
//!
//! Absolute times do not travel from one machine to the next, ratios do. Goals are printed, never
//! judged: a busy machine must not fail a build.

mod machine;
mod recording;
mod replay;
mod row;
mod startup;
mod storage;
mod whole_run;

use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use crate::Failure;
use crate::built::{self, Profile};

/// What all benchmarks share.
#[derive(Debug)]
pub(crate) struct Bench {
    runr: PathBuf,
    /// On the disk of the target folder, since a temporary directory may be in memory, where a
    /// flush costs nothing.
    folder: TempDir,
    rounds: usize,
}

/// Measures, and prints a table or JSON.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let (rounds, as_json) = parse(words)?;
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
    for part in [startup::measure, whole_run::measure, storage::measure] {
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

fn parse(words: &[&str]) -> Result<(usize, bool), Failure> {
    let mut rounds = 9;
    let mut as_json = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--json" => as_json = true,
            "--rounds" => {
                let number = words.next().and_then(|number| number.parse().ok());
                rounds = number
                    .filter(|number| *number > 0)
                    .ok_or("--rounds needs a number from 1 on")?;
            }
            _ => return Err("usage: cargo xtask bench [--json] [--rounds N]".into()),
        }
    }
    Ok((rounds, as_json))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn rounds_are_a_number_and_unknown_words_are_refused() {
        assert_eq!(parse(&[]), Ok((9, false)));
        assert_eq!(parse(&["--json", "--rounds", "3"]), Ok((3, true)));
        for words in [
            &["--rounds"][..],
            &["--rounds", "0"],
            &["--rounds", "x"],
            &["x"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
