//! Tests of the tests: leaves out the safety steps of the core and of the harness, one at a time. Each time
//! the test that stands for the step must fail.
//!
//! The steps are the places that ask `without("step")`. One build with
//! `--cfg runr_mutants` holds them all and is told by `RUNR_MUTANT` which one to leave out, so a
//! step more costs one run of one test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::built::cargo;
use crate::{Failure, places};

/// Tells this program that it is called in place of rustc.
const AS_RUSTC: &str = "RUNR_XTASK_AS_RUSTC";
/// A test that takes longer than this without a step has noticed that it is missing.
const HUNG: Duration = Duration::from_secs(60);

/// The test program of the library's own tests.
const LIBRARY: &str = "runr_core";

/// The test programs of the command line; all others are the core's.
const OF_THE_COMMAND_LINE: [&str; 3] = ["cli", "kills", "faults"];

/// The package of a test program.
fn package(program: &str) -> &'static str {
    if OF_THE_COMMAND_LINE.contains(&program) {
        "runr-cli"
    } else {
        "runr-core"
    }
}

/// Where the test programs are.
type Programs = BTreeMap<String, PathBuf>;

/// A safety step, and the test that must fail without it.
#[derive(Debug, Clone, Copy)]
struct Mutant {
    step: &'static str,
    program: &'static str,
    test: &'static str,
}

fn table() -> impl Iterator<Item = Mutant> {
    let lines = include_str!("mutants.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (step, path) = line.split_once(' ')?;
            let (program, test) = path.trim().split_once("::")?;
            Some(Mutant {
                step,
                program,
                test,
            })
        })
}

/// Leaves out the steps that are named, or all.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    if let Some(unknown) = words
        .iter()
        .find(|word| table().all(|it| it.step != **word))
    {
        return Err(format!("there is no step {unknown}"));
    }
    let chosen = |mutant: &Mutant| words.is_empty() || words.contains(&mutant.step);
    let mutants: Vec<_> = table().filter(chosen).collect();
    let programs = build(&mutants)?;
    all_hold(&mutants, &programs)?;
    let mut survived = Vec::new();
    for mutant in mutants {
        let start = Instant::now();
        let Mutant {
            step,
            program,
            test,
        } = mutant;
        let word = match outcome(mutant, &programs)? {
            Outcome::Failed => "killed by",
            Outcome::Hung => "hung in",
            Outcome::Passed => {
                survived.push(step);
                "SURVIVED"
            }
        };
        let time = start.elapsed().as_secs_f64();
        println!("{time:>6.1} s  {step:<17} {word} {program}::{test}");
    }
    if survived.is_empty() {
        return Ok(());
    }
    let survived = survived.join(", ");
    Err(format!(
        "no test notices that these are missing: {survived}"
    ))
}

/// Builds the test programs with all steps in question; where each one is.
///
/// Cargo calls this program in place of rustc for the crates of the workspace, and keeps what it
/// makes apart from what rustc makes, as it does for clippy. So nothing else has to be built anew.
fn build(mutants: &[Mutant]) -> Result<Programs, Failure> {
    let mut programs = Programs::new();
    for of in ["runr-core", "runr-cli"] {
        let named = mutants.iter().map(|mutant| mutant.program);
        let wanted: BTreeSet<_> = named.filter(|program| package(program) == of).collect();
        if !wanted.is_empty() {
            programs.append(&mut build_of(of, &wanted)?);
        }
    }
    Ok(programs)
}

fn build_of(package: &str, wanted: &BTreeSet<&str>) -> Result<Programs, Failure> {
    let this = std::env::current_exe().map_err(|why| format!("where am I? {why}"))?;
    let mut build = cargo(&["test", "--no-run", "--quiet", "--locked"]);
    build.args(["--package", package]);
    for program in wanted {
        match *program {
            LIBRARY => build.arg("--lib"),
            program => build.args(["--test", program]),
        };
    }
    let output = build
        .arg("--message-format=json-render-diagnostics")
        .env("RUSTC_WORKSPACE_WRAPPER", this)
        .env(AS_RUSTC, "1")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| format!("cannot start cargo: {why}"))?;
    if !output.status.success() {
        return Err("cannot build the mutants".into());
    }
    let program = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let path = message["executable"].as_str()?;
        Some((message["target"]["name"].as_str()?.to_owned(), path.into()))
    };
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages.lines().filter_map(program).collect())
}

/// Whether cargo calls this program in place of rustc.
pub(crate) fn is_rustc() -> bool {
    std::env::var_os(AS_RUSTC).is_some()
}

/// Rustc, with the safety steps in question.
pub(crate) fn rustc() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(rustc) = words.next() else {
        return ExitCode::from(2);
    };
    let status = Command::new(rustc)
        .args(words)
        .args(["--cfg", "runr_mutants"])
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn tests(program: &str, names: &[&str], programs: &Programs) -> Result<Command, Failure> {
    let path = programs
        .get(program)
        .ok_or_else(|| format!("there is no test program {program}"))?;
    let mut tests = Command::new(path);
    tests
        .arg("--exact")
        .args(names)
        .current_dir(places::root().join("crates").join(package(program)))
        .env_remove("RUNR_TEST_LONG")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    Ok(tests)
}

/// A test that fails anyway, or that is not there, would kill everything.
fn all_hold(mutants: &[Mutant], programs: &Programs) -> Result<(), Failure> {
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for mutant in mutants {
        named.entry(mutant.program).or_default().insert(mutant.test);
    }
    for (program, names) in named {
        let names: Vec<_> = names.into_iter().collect();
        let output = tests(program, &names, programs)?
            .output()
            .map_err(|why| format!("cannot run {program}: {why}"))?;
        let output = String::from_utf8_lossy(&output.stdout);
        if !output.contains(&format!("ok. {} passed", names.len())) {
            let all = names.join(", ");
            return Err(format!(
                "with all steps, {program} must pass {all}\n{output}"
            ));
        }
    }
    Ok(())
}

enum Outcome {
    Passed,
    Failed,
    Hung,
}

fn outcome(mutant: Mutant, programs: &Programs) -> Result<Outcome, Failure> {
    let wrong = |why| format!("cannot run {}: {why}", mutant.test);
    let mut child = tests(mutant.program, &[mutant.test], programs)?
        .env("RUNR_MUTANT", mutant.step)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(wrong)?;
    let end = Instant::now() + HUNG;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().map_err(wrong)? {
            return Ok(if status.success() {
                Outcome::Passed
            } else {
                Outcome::Failed
            });
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().and_then(|()| child.wait()).map_err(wrong)?;
    Ok(Outcome::Hung)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_that_can_be_left_out_has_a_test_and_every_test_a_step() {
        let mut asked = BTreeSet::new();
        let sources = ["crates/runr-core/src", "crates/runr-cli/src"];
        let mut folders = sources.map(|source| places::root().join(source)).to_vec();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(path).unwrap();
                for call in ["without(\"", "minding(\"", "no_links(\""] {
                    let steps = text.split(call).skip(1);
                    let steps = steps.filter_map(|rest| rest.split_once('"'));
                    asked.extend(steps.map(|(step, _)| step.to_owned()));
                }
            }
        }
        let listed: BTreeSet<_> = table().map(|mutant| mutant.step.to_owned()).collect();
        assert_eq!(asked, listed);
        assert_eq!(table().count(), listed.len(), "a step is listed twice");
    }
}
