//! Every call of the storage fails once, and from then on; afterwards the old or the new state
//! stands, and the next operation works.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

mod documents;
mod follow;
mod journals;
mod runs;
mod stages;

use std::io::ErrorKind;

use runr_core::fs::{Dir, Fault, FaultFs, Journal, Lasting, MemoryFs, Open, Sequenced, Storage};
use runr_core::{Code, Error};
use serde::{Deserialize, Serialize};

const FAULTS: [Fault; 4] = [
    Fault::Error(ErrorKind::StorageFull),
    Fault::Error(ErrorKind::Interrupted),
    Fault::Short,
    Fault::Torn,
];

/// Runs `round` with each fault in each call, until the calls are used up. A round gets a fresh
/// file system and prepares it before it calls the given function, which lays the fault; and it
/// is told how many temporary files may be left: none while we live.
fn every_call_fails(mut round: impl FnMut(&FaultFs, &dyn Fn(), usize)) {
    for lasting in [Lasting::Once, Lasting::FromThenOn] {
        for fault in FAULTS {
            // An interruption without end is waited out for ever, as it must be.
            if lasting == Lasting::FromThenOn && fault == Fault::Error(ErrorKind::Interrupted) {
                continue;
            }
            let mut rounds = 0;
            for nth in 1.. {
                let fs = FaultFs::new(MemoryFs::new().into());
                let laid = std::cell::Cell::new(false);
                let lay = || {
                    fs.fail(nth, fault, lasting);
                    laid.set(true);
                };
                round(&fs, &lay, usize::from(lasting == Lasting::FromThenOn));
                assert!(laid.get());
                rounds = nth;
                if !REACHED.with(std::cell::Cell::take) {
                    break;
                }
            }
            assert!(rounds > 10, "only {rounds} calls");
        }
    }
}

thread_local! {
    static REACHED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Ends the fault; to be called by each round.
fn heal(fs: &FaultFs) {
    REACHED.with(|reached| reached.set(fs.heal()));
}

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
