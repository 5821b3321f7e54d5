//! What a run costs whose worker or check prints a gigabyte: time beside `cat`, and memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Bench;
use super::row::{Pair, Row, Unit};
use super::whole_run::{Arena, write};
use crate::Failure;

const SIZE: u64 = 1 << 30;
const MEGABYTE: f64 = 1024.0 * 1024.0;
/// Each round prints a gigabyte twice; more rounds than these tell nothing new.
const ROUNDS: usize = 3;

/// Who prints.
#[derive(Debug, Clone, Copy)]
enum Printer {
    Worker,
    Check,
}

pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    eprintln!("measuring long outputs ...");
    let arena = Arena::new(bench, "output")?;
    let printed = arena.folder().join("printed");
    write_log(&printed)?;
    let mut rows = Vec::new();
    for (printer, name) in [(Printer::Worker, "worker"), (Printer::Check, "check")] {
        let mut peak = 0.0;
        let mut round = 0;
        let mut pair = Pair::measure(
            bench.rounds.min(ROUNDS),
            || {
                round += 1;
                let repo = prepared(&arena, &format!("{name}-{round}"), printer, &printed)?;
                let (time, memory) = run(&arena, &repo)?;
                peak = f64::max(peak, memory);
                drop(std::fs::remove_dir_all(repo));
                Ok(time)
            },
            || cat(&printed, &arena.folder().join("copy")),
        )?;
        let what = format!("run whose {name} prints 1 GB");
        let names = [what.as_str(), "cat into a file", "none"];
        rows.push(pair.row(names, Unit::TimesThePeer, None));
        let mut memory = Row::count(format!("{what}: peak memory in MB"), 0);
        memory.figure = (peak / MEGABYTE).round();
        memory.goal = Some("< 64");
        rows.push(memory);
    }
    Ok(rows)
}

/// Lines as programs log them: none alike, and no secret among them.
fn write_log(path: &Path) -> Result<(), Failure> {
    let fail = |why: std::io::Error| format!("cannot write {}: {why}", path.display());
    let mut file = BufWriter::new(File::create(path).map_err(fail)?);
    let (mut written, mut n) = (0, 0u64);
    while written < SIZE {
        let line = format!(
            "2026-01-02T03:04:{:02}Z INFO build::step[{n}]: compiled src/part{}/module.rs in {} ms, id 3f786850e387550fdab836ed7e6dc881{:08x}\n",
            n % 60,
            n % 977,
            n % 4999,
            n,
        );
        file.write_all(line.as_bytes()).map_err(fail)?;
        written += line.len() as u64;
        n += 1;
    }
    file.flush().map_err(fail)
}

/// A trusted repository in which somebody prints the file.
fn prepared(
    arena: &Arena,
    name: &str,
    printer: Printer,
    printed: &Path,
) -> Result<PathBuf, Failure> {
    let repo = arena.fresh(name)?;
    let cat = format!("cat '{}'", printed.display());
    let done = json!({"status": "ok", "handoff_memo": "written"});
    let (before, check) = match printer {
        Printer::Worker => (format!("{cat}; "), "true".to_owned()),
        Printer::Check => (String::new(), cat),
    };
    let work = format!("{before}echo part > src/part.txt; echo 'BEGIN_JSON{done}END_JSON'");
    let config = json!({
        "agent": {"name": "bench", "version": "1"},
        "scope": {"allowlist": ["src/**"], "denylist": []},
        "verification": {"tier0": [check], "tier1": [], "tier2": []},
        "workers": {"printer": {"bin": "sh", "args": ["-c", work], "output": "text"}},
        "phases": {"plan": "printer", "implement": "printer", "review": "printer"},
    });
    write(
        &repo.join(".runr/runr.config.json"),
        &format!("{config:#}\n"),
    )?;
    let commit = Command::new("git")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args(["commit", "--quiet", "--all", "--message", "who prints"])
        .current_dir(&repo)
        .status();
    let trusted = arena
        .runr(&repo)
        .arg("trust")
        .stdout(Stdio::null())
        .status();
    match (commit, trusted) {
        (Ok(commit), Ok(trusted)) if commit.success() && trusted.success() => Ok(repo),
        ended => Err(format!("cannot prepare {}: {ended:?}", repo.display())),
    }
}

/// The time of a run and the most memory it took.
fn run(arena: &Arena, repo: &Path) -> Result<(Duration, f64), Failure> {
    let mut runr = arena.runr(repo);
    runr.env_remove("RUNR_WORKER_SCRIPT")
        .args([
            "run",
            "--task",
            "task.md",
            "--fast",
            "--skip-doctor",
            "--quiet",
        ])
        .stdout(Stdio::null());
    let fail = |why: std::io::Error| format!("cannot run runr: {why}");
    let start = Instant::now();
    let mut child = runr.spawn().map_err(fail)?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|kb| kb.trim().trim_end_matches(" kB").parse::<f64>().ok());
        peak = f64::max(peak, kilobytes.unwrap_or(0.0) * 1024.0);
        match child.try_wait().map_err(fail)? {
            None => std::thread::sleep(Duration::from_millis(5)),
            Some(ended) if ended.success() => return Ok((start.elapsed(), peak)),
            Some(ended) => return Err(format!("`runr run` ended with {ended}")),
        }
    }
}

fn cat(from: &Path, to: &Path) -> Result<Duration, Failure> {
    let fail = |why: std::io::Error| format!("cannot write {}: {why}", to.display());
    let target = File::create(to).map_err(fail)?;
    let start = Instant::now();
    let status = Command::new("cat").arg(from).stdout(target).status();
    let time = start.elapsed();
    std::fs::remove_file(to).map_err(fail)?;
    match status {
        Ok(status) if status.success() => Ok(time),
        ended => Err(format!("cat ended with {ended:?}")),
    }
}
