//! What work items cost in an index of any size.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use camino::Utf8PathBuf;
use runr_core::Timestamp;
use runr_core::fs::{Document, real};
use runr_core::identity::{Flow, IndexEntry, PrepRequest, WorkItems, upsert_index_in};

use super::Bench;
use super::row::{Pair, Row, Unit, timed};
use crate::Failure;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const PEER: &str = "const {readFileSync} = require('fs');
const {runs} = JSON.parse(readFileSync(process.argv[1], 'utf8'));
console.log(runs.find((it) => it.issue_number === Number(process.argv[2])).run_id);";

pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for size in SIZES {
        eprintln!("measuring work items: {size} entries ...");
        let root = bench.folder.path().join(format!("items-{size}"));
        let root = Utf8PathBuf::from_path_buf(root).map_err(|_| "the path is not UTF-8")?;
        fill(&root, size)?;
        rows.push(upsert(bench, &root, size)?);
        rows.push(prep(bench, &root, size)?);
        if size == 100_000 {
            rows.push(resolve(bench, &root, size)?);
            rows.push(memory(bench, &root, size)?);
        }
        std::fs::remove_dir_all(&root).map_err(said)?;
    }
    Ok(rows)
}

/// An index as it grows over the years, and the metadata of the item that is touched.
fn fill(root: &Utf8PathBuf, size: usize) -> Result<(), Failure> {
    let runs = root.join(".runs");
    std::fs::create_dir_all(runs.join(item(size / 2)).join("build")).map_err(said)?;
    std::fs::create_dir_all(root.join(".git")).map_err(said)?;
    let mut text = String::from("{\n  \"version\": 1,\n  \"runs\": [\n");
    for nth in 0..size {
        let comma = if nth + 1 < size { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "    {{\n      \"run_id\": \"{id}\",\n      \"canonical_key\": \"{id}\",\n      \"task_key\": \"{id}\",\n      \
             \"task_title\": \"Make search results appear in the order of part {nth}\",\n      \"issue_number\": {nth},\n      \
             \"pr_number\": null,\n      \"updated_at\": \"2026-02-03T04:05:06Z\",\n      \"status\": \"PENDING\",\n      \
             \"last_flow\": \"build\"\n    }}{comma}",
            id = item(nth),
        );
    }
    text.push_str("  ]\n}\n");
    std::fs::write(runs.join("index.json"), text).map_err(said)
}

fn item(nth: usize) -> String {
    format!("gh-{nth:06}")
}

fn now(nth: usize) -> Timestamp {
    Timestamp::from_millis(1_770_000_000_000 + i64::try_from(nth).unwrap_or(0) * 1000)
}

/// The rule on the text, in a document that is as durable as the peer's copy.
fn upsert(bench: &Bench, root: &Utf8PathBuf, size: usize) -> Result<Row, Failure> {
    let document = Document::new(real(), root.join(".runs"), "index.json").limit(64 << 20);
    let index = root.join(".runs/index.json");
    let mut nth = 0;
    let mut pair = Pair::measure(
        bench.rounds,
        || {
            nth += 1;
            let entry: IndexEntry = serde_json::from_value(serde_json::json!({
                "run_id": item(size / 2), "updated_at": now(nth).to_string(), "last_flow": "gate",
            }))
            .map_err(said)?;
            timed(|| upsert_index_in(&document, &entry).map(drop))
        },
        || timed(|| copy(index.as_std_path())),
    )?;
    let what = format!("upsert_index_in a Document, {size} entries");
    let names = [
        &what,
        "copy, fdatasync, rename, fsync of the folder",
        "full",
    ];
    Ok(pair.row(names, Unit::TimesThePeer, Some("<= 1.3x")))
}

/// Everything: reading, deciding, two documents under one lock.
fn prep(bench: &Bench, root: &Utf8PathBuf, size: usize) -> Result<Row, Failure> {
    let items = WorkItems::open(real(), root);
    let request = PrepRequest::new(Flow::Build).run_id(item(size / 2));
    let index = root.join(".runs/index.json");
    let mut nth = 0;
    let mut pair = Pair::measure(
        bench.rounds,
        || {
            nth += 1;
            timed(|| items.prep(&request, now(nth)).map(drop))
        },
        || timed(|| copy(index.as_std_path())),
    )?;
    let what = format!("WorkItems::prep, {size} entries, metadata included");
    let names = [
        &what,
        "copy, fdatasync, rename, fsync of the folder",
        "full",
    ];
    Ok(pair.row(names, Unit::TimesThePeer, None))
}

fn copy(path: &Path) -> std::io::Result<()> {
    let temporary = path.with_extension("copy");
    std::fs::copy(path, &temporary)?;
    File::open(&temporary)?.sync_data()?;
    std::fs::rename(&temporary, path.with_extension("copied"))?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// A cold process that asks for an issue. The item has no run, which it says after it found it.
fn resolve(bench: &Bench, root: &Utf8PathBuf, size: usize) -> Result<Row, Failure> {
    let wanted = size / 2;
    let ours = || {
        let mut runr = Command::new(&bench.runr);
        runr.args(["status", &format!("#{wanted}")])
            .current_dir(root);
        answers(&mut runr, &item(wanted))
    };
    let peer = || {
        let mut node = Command::new("node");
        node.args(["-e", PEER]).arg(root.join(".runs/index.json"));
        answers(node.arg(wanted.to_string()), &item(wanted))
    };
    let mut pair = Pair::measure(bench.rounds, || timed(ours), || timed(peer))?;
    let what = format!("runr status '#{wanted}', {size} entries, cold process");
    let names = [&what, "a Node script with JSON.parse", "none"];
    Ok(pair.row(names, Unit::SpeedOfThePeer, Some(">= 5x")))
}

fn answers(command: &mut Command, name: &str) -> Result<(), Failure> {
    let output = command
        .output()
        .map_err(|why| format!("cannot start a command: {why}"))?;
    let said = [output.stdout, output.stderr].concat();
    if String::from_utf8_lossy(&said).contains(name) {
        return Ok(());
    }
    Err(format!("{command:?} does not name {name}"))
}

/// The most memory that a whole preparation takes, in times of the index.
fn memory(bench: &Bench, root: &Utf8PathBuf, size: usize) -> Result<Row, Failure> {
    let mut runr = Command::new(&bench.runr);
    runr.args([
        "prep",
        "--flow",
        "build",
        "--no-git",
        "--run-id",
        &item(size / 2),
    ]);
    runr.current_dir(root).stdout(Stdio::null());
    let child = runr
        .spawn()
        .map_err(|why| format!("cannot start runr: {why}"))?;
    let peak = peak_of(child)?;
    let file = std::fs::metadata(root.join(".runs/index.json"))
        .map_err(said)?
        .len();
    let mut row = Row::count(
        format!("runr prep, {size} entries: peak memory in % of the index"),
        0,
    );
    row.figure = 100.0 * peak / f64::from(u32::try_from(file).unwrap_or(u32::MAX));
    row.figure = row.figure.round();
    row.goal = Some("<= 300");
    Ok(row)
}

/// In bytes, as the system last told it while the process lived.
fn peak_of(mut child: Child) -> Result<f64, Failure> {
    let path = format!("/proc/{}/status", child.id());
    let (started, mut peak) = (Instant::now(), 0.0);
    while child.try_wait().map_err(said)?.is_none() {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes =
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        peak = kilobytes.map_or(peak, |kilobytes| f64::max(peak, kilobytes * 1024.0));
        if started.elapsed().as_secs() > 60 {
            return Err("a preparation takes for ever".to_owned());
        }
    }
    Ok(peak)
}

fn said(why: impl std::fmt::Display) -> Failure {
    why.to_string()
}
