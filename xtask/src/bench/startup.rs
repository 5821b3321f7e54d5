//! What it costs to start the program at all.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Bench;
use super::row::{Pair, Row, Unit};
use super::whole_run::Arena;
use crate::Failure;

/// A start is short, so that a round needs several to say anything.
const STARTS_PER_ROUND: usize = 10;

pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    eprintln!("measuring starts ...");
    let empty = empty_program(bench)?;
    let arena = Arena::new(bench, "startup")?;
    let repo = arena.fresh("one-run")?;
    arena.run(&repo)?;
    let commands: [&[&str]; 2] = [&["--version"], &["status", "--json"]];
    commands
        .into_iter()
        .map(|args| {
            let name = format!("runr {}", args.join(" "));
            let mut pair = Pair::measure(
                bench.rounds * STARTS_PER_ROUND,
                || timed(arena.runr(&repo).args(args)),
                || timed(Command::new(&empty).current_dir(&repo)),
            )?;
            let names = [name.as_str(), "an empty Rust program", "none"];
            Ok(pair.row(names, Unit::TimesThePeer, Some("<= 2x")))
        })
        .collect()
}

fn timed(command: &mut Command) -> Result<Duration, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command
        .status()
        .map_err(|why| format!("cannot start {:?}: {why}", command.get_program()))?;
    let time = start.elapsed();
    if status.success() {
        Ok(time)
    } else {
        Err(format!("{command:?} ended with {status}"))
    }
}

/// The least a Rust program can do.
fn empty_program(bench: &Bench) -> Result<PathBuf, Failure> {
    let source = bench.folder.path().join("empty.rs");
    let program = bench.folder.path().join("empty");
    std::fs::write(&source, "fn main() {}\n")
        .map_err(|why| format!("cannot write {}: {why}", source.display()))?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let status = Command::new(rustc)
        .args(["-O", "-C", "strip=symbols", "-o"])
        .args([&program as &Path, &source])
        .status()
        .map_err(|why| format!("cannot start rustc: {why}"))?;
    if status.success() {
        Ok(program)
    } else {
        Err(format!("rustc ended with {status}"))
    }
}
