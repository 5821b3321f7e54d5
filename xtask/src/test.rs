//! Everything that must hold before a merge.

use std::process::ExitCode;

use crate::built::cargo;
use crate::steps::Steps;
use crate::{Failure, examples, mutants, node, python};

/// A part of the tests that can be run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Rust,
    Examples,
    Python,
    Node,
}

impl Part {
    const ALL: [Self; 4] = [Self::Rust, Self::Examples, Self::Python, Self::Node];

    fn parse(word: &str) -> Option<Self> {
        match word {
            "rust" => Some(Self::Rust),
            "examples" => Some(Self::Examples),
            "python" => Some(Self::Python),
            "node" => Some(Self::Node),
            _ => None,
        }
    }
}

/// Runs the parts asked for; a failed part does not keep the others from running.
pub(crate) fn run(words: &[&str]) -> ExitCode {
    let (parts, long) = match parse(words) {
        Ok(chosen) => chosen,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            return ExitCode::from(2);
        }
    };
    let mut steps = Steps::default();
    // All builds come first: some tests of a package start the others, too.
    let built: Vec<Part> = parts
        .into_iter()
        .filter(|part| report(build(*part, &mut steps)))
        .collect();
    for part in built {
        report(test(part, &mut steps, long));
    }
    if steps.summary() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn build(part: Part, steps: &mut Steps) -> Result<(), Failure> {
    match part {
        Part::Rust | Part::Examples => Ok(()),
        Part::Python => python::build(steps),
        Part::Node => node::build(steps).and_then(|()| node::unchanged_declarations(steps)),
    }
}

fn test(part: Part, steps: &mut Steps, long: bool) -> Result<(), Failure> {
    match part {
        Part::Rust => rust(steps, long),
        Part::Examples => examples::test(steps),
        Part::Python => python::test(steps),
        Part::Node => node::test(steps, long),
    }
}

/// Whether it went well; says so if not.
fn report(done: Result<(), Failure>) -> bool {
    match done {
        Ok(()) => true,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            false
        }
    }
}

fn parse(words: &[&str]) -> Result<(Vec<Part>, bool), Failure> {
    let mut parts = Vec::new();
    let mut long = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--long" => long = true,
            "--only" => {
                let name = words
                    .next()
                    .ok_or("--only needs rust, examples, python or node")?;
                parts.push(Part::parse(name).ok_or(format!("there is no part {name}"))?);
            }
            _ => return Err(format!("unknown argument {word}")),
        }
    }
    if parts.is_empty() {
        parts = Part::ALL.to_vec();
    }
    Ok((parts, long))
}

/// Form, lints, all tests of the workspace (units, examples in the documentation, black box), and
/// whether the tests notice what they must. None needs the others, so all are run.
fn rust(steps: &mut Steps, long: bool) -> Result<(), Failure> {
    let form = steps.run("rust: form", &mut cargo(&["fmt", "--all", "--check"]));
    let lints = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny=warnings",
    ];
    let lints = steps.run("rust: lints", &mut cargo(&lints));
    let mut tests = cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    if long {
        tests.env("RUNR_TEST_LONG", "1");
    }
    let tests = steps.run("rust: tests", &mut tests);
    let mutants = steps.check("rust: mutants", || mutants::run(&[]));
    form.and(lints).and(tests).and(mutants)
}

#[cfg(test)]
mod tests {
    use super::{Part, parse};

    #[test]
    fn every_part_is_run_unless_some_are_named() {
        assert_eq!(parse(&[]), Ok((Part::ALL.to_vec(), false)));
        assert_eq!(
            parse(&["--long", "--only", "node", "--only", "rust"]),
            Ok((vec![Part::Node, Part::Rust], true))
        );
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        for words in [&["--only"][..], &["--only", "go"], &["--lon"], &["rust"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
