//! Every call of the storage fails once, and from then on; afterwards the old or the new state
//! stands, and the next operation works.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

mod documents;
#[path = "../every_call/mod.rs"]
mod every_call;
mod follow;
mod journals;
mod runs;
mod stages;

use runr_core::fs::{Dir, FaultFs, Journal, Open, Sequenced, Storage};
use runr_core::{Code, Error};
use serde::{Deserialize, Serialize};

use every_call::{every_call_fails, heal};

fn committed(error: &Error) -> bool {
    error.to_json()["committed"] == true
}

/// One clear error: a code that a failing disk may have, an operation and a path.
fn is_clear(error: &Error) {
    let codes = [Code::Io, Code::MetaWriteFailed, Code::RunDirCreateFailed];
    assert!(codes.contains(&error.code()), "{error:?}");
    assert!(
        error.path().is_some() && error.operation().is_some(),
        "{error:?}"
    );
    if error.code() == Code::MetaWriteFailed {
        let json = error.to_json();
        assert!(
            json["stage"].is_string() && json["committed"].is_boolean(),
            "{json}"
        );
    }
}

fn open(fs: &FaultFs, path: &str) -> Box<dyn Dir> {
    fs.storage().open_dir(path.into()).unwrap()
}

fn temporaries(dir: &dyn Dir) -> usize {
    let entries = dir.list().unwrap();
    entries
        .iter()
        .filter(|entry| entry.name.ends_with(".tmp"))
        .count()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    seq: u64,
    text: String,
}

impl Sequenced for Note {
    fn seq(&self) -> u64 {
        self.seq
    }
}

fn note(text: &str) -> impl Fn(u64) -> Note {
    move |seq| Note {
        seq,
        text: text.to_owned(),
    }
}

fn journal(storage: Storage) -> Journal<Note> {
    Journal::new(storage, "/", "notes.jsonl")
}

fn bytes_of(fs: &FaultFs) -> Vec<u8> {
    open(fs, "/").read("notes.jsonl", 1 << 30).unwrap().bytes
}

fn write_raw(fs: &FaultFs, bytes: &[u8]) {
    let dir = open(fs, "/");
    drop(dir.unlink("notes.jsonl"));
    let mut file = dir.open("notes.jsonl", Open::CreateNew(0o600)).unwrap();
    assert_eq!(file.write(bytes).unwrap(), bytes.len());
    file.close().unwrap();
}
