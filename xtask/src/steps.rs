//! Running commands one after another: each step is named, timed and counted.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;

/// The steps run so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

struct Step {
    name: String,
    time: Duration,
    ok: bool,
    tests: Tally,
}

/// How many tests passed and failed, by the words of the runner itself.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
}

impl Steps {
    /// Runs a command, shows its output as it comes, and counts the tests it reports.
    pub(crate) fn run(&mut self, name: &str, command: &mut Command) -> Result<(), Failure> {
        self.step(name, |tests| stream(command, tests))
    }

    /// Runs a piece of work that is no single command.
    pub(crate) fn check(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.step(name, |_| work())
    }

    fn step(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Tally) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        println!("==> {name}");
        let start = Instant::now();
        let mut tests = Tally::default();
        let result = work(&mut tests);
        let time = start.elapsed();
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        println!("<== {name}: {word} in {:.1} s", time.as_secs_f64());
        self.done.push(Step {
            name: name.to_owned(),
            time,
            ok: result.is_ok(),
            tests,
        });
        result.map_err(|why| format!("{name}: {why}"))
    }

    /// Prints every step with its time and, as the last line, the sum of all tests. Whether all is
    /// well.
    pub(crate) fn summary(&self) -> bool {
        println!();
        let mut sum = Tally::default();
        for step in &self.done {
            let word = if step.ok { "ok" } else { "FAILED" };
            println!(
                "{:>8.1} s  {word:<6}  {:>5}  {}",
                step.time.as_secs_f64(),
                step.tests.shown(),
                step.name
            );
            sum.passed += step.tests.passed;
            sum.failed += step.tests.failed;
        }
        let total: Duration = self.done.iter().map(|step| step.time).sum();
        println!("{:>8.1} s  in all", total.as_secs_f64());
        let broken = self.done.iter().filter(|step| !step.ok).count();
        println!("{broken} of {} steps failed", self.done.len());
        println!("{} passed, {} failed", sum.passed, sum.failed);
        // A runner that fails without saying how many tests did is a failure all the same.
        broken == 0 && sum.failed == 0
    }
}

/// A command that runs in a directory of the checkout.
pub(crate) fn command(program: impl AsRef<Path>, args: &[&str], directory: &Path) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(args).current_dir(directory);
    command
}

fn stream(command: &mut Command, tests: &mut Tally) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|why| format!("cannot start {program}: {why}"))?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(|why| format!("cannot read from {program}: {why}"))?;
            let line = String::from_utf8_lossy(&line);
            // A reader of this output that went away is no reason to stop testing.
            drop(writeln!(std::io::stdout(), "{line}"));
            if let Some(found) = Tally::read(&line) {
                tests.passed += found.passed;
                tests.failed += found.failed;
            }
        }
    }
    let status = child
        .wait()
        .map_err(|why| format!("cannot wait for {program}: {why}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} ended with {status}"))
    }
}

impl Tally {
    /// How many tests ran; nothing for a step that runs none.
    fn shown(self) -> String {
        match self.passed + self.failed {
            0 => String::new(),
            count => count.to_string(),
        }
    }

    /// The counts in a summary line of cargo, pytest or node, if the line is one.
    fn read(line: &str) -> Option<Self> {
        let line = line.trim().trim_matches('=').trim();
        let words: Vec<&str> = line
            .split([' ', ';', ','])
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            ["test", "result:", ..] => Some(Self {
                passed: before(&words, "passed"),
                failed: before(&words, "failed"),
            }),
            // `3 failed, 75 passed in 0.67s`, with or without further words in between.
            [first, .., "in", time] if number(first).is_some() && time.ends_with('s') => {
                Some(Self {
                    passed: before(&words, "passed"),
                    failed: before(&words, "failed")
                        + before(&words, "error")
                        + before(&words, "errors"),
                })
            }
            ["#" | "ℹ", "pass", count] => Some(Self {
                passed: number(count)?,
                failed: 0,
            }),
            // A test that was cut off by its file's end did not pass either.
            ["#" | "ℹ", "fail" | "cancelled", count] => Some(Self {
                passed: 0,
                failed: number(count)?,
            }),
            _ => None,
        }
    }
}

/// The number that stands before a word, or nothing found, which is zero.
fn before(words: &[&str], word: &str) -> u64 {
    words
        .windows(2)
        .find(|pair| pair[1] == word)
        .and_then(|pair| number(pair[0]))
        .unwrap_or(0)
}

fn number(word: &str) -> Option<u64> {
    word.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn read(line: &str) -> Option<(u64, u64)> {
        Tally::read(line).map(|tally| (tally.passed, tally.failed))
    }

    #[test]
    fn the_summary_lines_of_all_runners_are_counted() {
        let cargo =
            "test result: ok. 12 passed; 1 failed; 0 ignored; 0 measured; finished in 0.14s";
        assert_eq!(read(cargo), Some((12, 1)));
        assert_eq!(read("75 failed, 6 passed in 0.67s"), Some((6, 75)));
        assert_eq!(
            read("===== 6 passed, 1 skipped in 0.67s ====="),
            Some((6, 0))
        );
        assert_eq!(read("1 error in 0.10s"), Some((0, 1)));
        assert_eq!(read("ℹ pass 28"), Some((28, 0)));
        assert_eq!(read("# fail 2"), Some((0, 2)));
        assert_eq!(read("ℹ cancelled 1"), Some((0, 1)));
    }

    #[test]
    fn other_lines_are_not_counted() {
        for line in [
            "",
            "running 3 tests",
            "ok 3 - a passed test",
            "Finished in 3 s",
            "# tests 4",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
