//! The tasks of the repository: `cargo xtask <task>`. One module per task.

mod bench;
mod built;
mod demo;
mod dev;
mod dist;
mod examples;
mod faults;
mod mutants;
mod node;
mod places;
mod python;
mod steps;
mod test;
mod vectors;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask <task>

  test     everything that must hold before a merge
             --only rust|examples|python|node   one part (may be repeated)
             --long                    full counts instead of short forms
  dev      build both bindings for this checkout
  dist     one wheel and one npm tarball into dist/
  vectors  --from DIR: copy the recorded vectors into tests/vectors/
  demo     three tasks in a fresh repository, one of which is stopped; no account, no network
             --json   the last line is about the run of two milestones
  bench    medians beside those of a peer; prints goals, judges nothing
             --json   the rows as JSON
             --rounds N   9 unless told
             --only startup|run|loop|storage|..   one part (may be repeated)
  faults   the suites that break storage and kill processes
             --long   full counts instead of short forms
  mutants  leaves out the safety steps one by one: a test must fail each time
             STEP...  these steps only
";

/// What went wrong, in a sentence for the terminal.
type Failure = String;

fn main() -> ExitCode {
    if mutants::is_rustc() {
        return mutants::rustc();
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.split_first() {
        // It prints its own verdict: the sum of all tests must be the last line.
        Some((&"test", rest)) => return test::run(rest),
        Some((&"dev", [])) => dev::run(),
        Some((&"dist", [])) => dist::run(),
        Some((&"vectors", rest)) => vectors::run(rest),
        Some((&"demo", rest)) => demo::run(rest),
        Some((&"bench", rest)) => bench::run(rest),
        // Not in the usage: what the benchmarks start themselves.
        Some((&"bench-crowd", rest)) => bench::be_one_of_many(rest),
        Some((&"faults", rest)) => faults::run(rest),
        Some((&"mutants", rest)) => mutants::run(rest),
        Some((&"help" | &"--help" | &"-h", _)) => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
