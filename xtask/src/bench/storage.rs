//! What the two storage primitives cost beyond the system calls they cannot do without.

use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::{Document, Journal, Sequenced, real};
use serde::{Deserialize, Serialize};

use super::row::{Pair, Row, Unit, timed};
use super::{Bench, plain};
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
            timed(|| append_plainly(plain.as_std_path(), &line(seq)))
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
    let peers = plain.join("document.json");
    std::fs::create_dir_all(&plain).map_err(|why| format!("cannot create {plain}: {why}"))?;
    std::fs::write(&peers, "").map_err(|why| format!("cannot write {peers}: {why}"))?;
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
            let change = |text: &mut Vec<u8>| *text = next(plain_count).into_bytes();
            timed(|| plain::update(plain.as_std_path(), "document.json", change))
        },
    )?;
    let names = [
        "Document::update, 2 KB",
        "flock, read, write, fdatasync, rename, fsync of the folder",
        "full: file and folder",
    ];
    Ok(pair.row(names, Unit::SpeedOfThePeer, Some(">= 0.85x")))
}

fn append_plainly(path: &Path, line: &Line) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    plain::append(path, &bytes, false)
}
