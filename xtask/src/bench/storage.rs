//! What the two storage primitives cost beyond the system calls they cannot do without.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::{Document, Journal, Sequenced, real};
use serde::{Deserialize, Serialize};

use super::Bench;
use super::row::{Pair, Row, Unit};
use crate::Failure;

/// A flush is short, so that a round needs many to say anything.
const WRITES_PER_ROUND: usize = 40;
/// The size of an ordinary event.
const RECORD: usize = 200;
/// The size of an ordinary document.
const DOCUMENT: usize = 2048;

#[derive(Serialize, Deserialize)]
struct Line {
    seq: u64,
    text: String,
}

impl Sequenced for Line {
    fn seq(&self) -> u64 {
        self.seq
    }
}

pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    eprintln!("measuring storage ...");
    let folder = bench.folder.path().join("storage");
    let folder = Utf8PathBuf::from_path_buf(folder).map_err(|_| "the path is not UTF-8")?;
    std::fs::create_dir_all(&folder).map_err(|why| format!("cannot create {folder}: {why}"))?;
    let rounds = bench.rounds * WRITES_PER_ROUND;
    Ok(vec![appends(&folder, rounds)?, updates(&folder, rounds)?])
}

fn appends(folder: &Utf8Path, rounds: usize) -> Result<Row, Failure> {
    let journal: Journal<Line> = Journal::new(real(), folder, "journal.jsonl");
    let text = "x".repeat(RECORD);
    let line = |seq: u64| Line {
        seq,
        text: text.clone(),
    };
    let plain = folder.join("plain.jsonl");
    let mut seq = 0;
    let mut pair = Pair::measure(
        rounds,
        || timed(|| journal.append(line).map(drop)),
        || {
            seq += 1;
            timed(|| append(plain.as_std_path(), &line(seq)))
        },
    )?;
    let names = [
        "Journal::append, 200 B",
        "open, append, fdatasync, close",
        "synced: fdatasync",
    ];
    Ok(pair.row(names, Unit::SpeedOfThePeer, Some(">= 0.85x")))
}

fn updates(folder: &Utf8Path, rounds: usize) -> Result<Row, Failure> {
    let document = Document::new(real(), folder, "document.json");
    let mut count = 0;
    let plain = folder.join("plain");
    std::fs::create_dir_all(&plain).map_err(|why| format!("cannot create {plain}: {why}"))?;
    let next = |count: usize| format!("{count:0DOCUMENT$}");
    let mut plain_count = 0;
    let mut pair = Pair::measure(
        rounds,
        || {
            count += 1;
            timed(|| document.update(|_| Ok(next(count))).map(drop))
        },
        || {
            plain_count += 1;
            timed(|| replace(plain.as_std_path(), &next(plain_count)))
        },
    )?;
    let names = [
        "Document::update, 2 KB",
        "flock, read, write, fdatasync, rename, fsync of the folder",
        "full: file and folder",
    ];
    Ok(pair.row(names, Unit::SpeedOfThePeer, Some(">= 0.85x")))
}

fn timed<E: std::fmt::Display>(work: impl FnOnce() -> Result<(), E>) -> Result<Duration, Failure> {
    let start = Instant::now();
    work().map_err(|why| why.to_string())?;
    Ok(start.elapsed())
}

fn append(path: &Path, line: &Line) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    let mut file = File::options().append(true).create(true).open(path)?;
    file.write_all(&bytes)?;
    file.sync_data()
}

fn replace(folder: &Path, text: &str) -> std::io::Result<()> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(".lock"))?;
    lock.lock()?;
    let mut old = String::new();
    if let Ok(mut file) = File::open(folder.join("document.json")) {
        file.read_to_string(&mut old)?;
    }
    let temporary = folder.join(".document.json.tmp");
    let mut file = File::create_new(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    std::fs::rename(&temporary, folder.join("document.json"))?;
    File::open(folder)?.sync_all()?;
    lock.unlock()
}
