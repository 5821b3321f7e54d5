//! Finding all runs of a large store.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use runr_core::fs::real;
use runr_core::store::{DataDir, RunStore};
use serde_json::Value;

use super::super::row::{Pair, Row, Unit, timed};
use super::super::{Bench, plain};
use super::{folder, grown, new_run, repo_id, said};
use crate::Failure;

const RUNS: u32 = 10_000;
const PEER: &str = include_str!("list.py");

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    eprintln!("measuring the store: {RUNS} runs ...");
    let data = DataDir::new(folder(bench, "many")?);
    let store = RunStore::data(real(), &data, &repo_id()?);
    fill(&data, store.runs_dir())?;
    let mut rows = vec![scan(bench, &store)?];
    rows.extend(lists(bench, &data)?);
    std::fs::remove_dir_all(data.path()).map_err(said)?;
    Ok(rows)
}

/// Without flushes: only reading is measured. Of every second run the worktree is there.
fn fill(data: &DataDir, runs: &Utf8Path) -> Result<(), Failure> {
    let present = data.path().to_owned();
    for nth in 0..RUNS {
        let worktree = match nth % 2 {
            0 => present.clone(),
            _ => present.join(format!("worktrees/{nth:04x}")),
        };
        let new = new_run(nth, worktree)?;
        let dir = runs.join(new.run_id.as_str());
        std::fs::create_dir_all(&dir).map_err(said)?;
        std::fs::write(dir.join("meta.json"), grown(&new)?).map_err(said)?;
    }
    let record = r#"{"repo_key": "github:example/search", "origin_url": "git@github.com:example/search.git"}"#;
    std::fs::write(data.repo_record_path(&repo_id()?), record).map_err(said)
}

fn scan(bench: &Bench, store: &RunStore) -> Result<Row, Failure> {
    let runs = store.runs_dir().as_std_path();
    let mut pair = Pair::measure(
        bench.rounds,
        || {
            timed(|| match store.scan() {
                Ok(records) if records.iter().any(|record| record.is_broken()) => {
                    Err("a run is broken".to_owned())
                }
                Ok(records) if records.len() == RUNS as usize => Ok(()),
                Ok(records) => Err(format!("{} runs were found", records.len())),
                Err(why) => Err(said(why)),
            })
        },
        || timed(|| plain::read_all(runs, "meta.json").map(drop)),
    )?;
    let what = format!("RunStore::scan, {RUNS} runs, parsed");
    let names = [&what, "list, then open, read, close each, warm", "none"];
    Ok(pair.row(names, Unit::TimesThePeer, Some("<= 3x")))
}

/// Cold processes over warm files.
fn lists(bench: &Bench, data: &DataDir) -> Result<Vec<Row>, Failure> {
    let script = bench.folder.path().join("list.py");
    std::fs::write(&script, PEER).map_err(said)?;
    let python = python()?;
    let ours = |form: &str| {
        let mut runr = Command::new(&bench.runr);
        runr.args(["store", "--data-dir"]).arg(data.path());
        runr.arg("ls");
        if form == "json" {
            runr.arg("--json");
        }
        runr
    };
    let peer = |form: &str| {
        // Without the packages of the user, which it does not need, it starts sooner.
        let mut peer = Command::new(&python);
        peer.args(["-I", "-S"]).arg(&script);
        peer.arg(data.path()).arg(form);
        peer
    };
    same_answer(ours("json"), peer("json"))?;
    ["json", "table"]
        .into_iter()
        .map(|form| {
            let mut pair =
                Pair::measure(bench.rounds, || printed(ours(form)), || printed(peer(form)))?;
            let what = match form {
                "json" => format!("runr store ls --json, {RUNS} runs"),
                _ => format!("runr store ls, {RUNS} runs"),
            };
            let names = [&what, "python3: os.scandir and json, same rows", "none"];
            Ok(pair.row(names, Unit::TimesThePeer, Some("<= 0.5x")))
        })
        .collect()
}

/// The real interpreter: a version manager may stand in front of it, which is slow.
fn python() -> Result<PathBuf, Failure> {
    let output = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .map_err(|why| format!("cannot start python3, the peer: {why}"))?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.success() && !path.is_empty() {
        true => Ok(path.into()),
        false => Err(format!("python3 ended with {}", output.status)),
    }
}

/// The time until the process has ended; what it prints goes to a file, so that nobody has to
/// read at the same time.
fn printed(mut command: Command) -> Result<Duration, Failure> {
    let file = tempfile::tempfile().map_err(said)?;
    command.stdin(Stdio::null()).stdout(file);
    let start = Instant::now();
    let status = command
        .status()
        .map_err(|why| format!("cannot start {:?}: {why}", command.get_program()))?;
    let time = start.elapsed();
    match status.success() {
        true => Ok(time),
        false => Err(format!("{command:?} ended with {status}")),
    }
}

/// The peer must do the same work: its rows are ours.
fn same_answer(ours: Command, peer: Command) -> Result<(), Failure> {
    let rows = |mut command: Command| -> Result<Vec<Value>, Failure> {
        let output = command.output().map_err(said)?;
        let answer: Value = serde_json::from_slice(&output.stdout).map_err(said)?;
        Ok(answer["data"].as_array().cloned().unwrap_or_default())
    };
    let (ours, peers) = (rows(ours)?, rows(peer)?);
    let same = |(ours, peers): (&Value, &Value)| ours == peers;
    let first = std::iter::zip(&ours, &peers).position(|pair| !same(pair));
    match first {
        None if ours.len() == peers.len() => Ok(()),
        None => Err(format!(
            "{} rows and {} of the peer",
            ours.len(),
            peers.len()
        )),
        Some(at) => Err(format!(
            "row {at}: {} but the peer says {}",
            ours[at], peers[at]
        )),
    }
}
