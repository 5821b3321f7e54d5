//! Every call of the storage fails once, and from then on; afterwards the old or the new state
//! stands, and the next operation works.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

mod every_call;

use std::io::ErrorKind;

use runr_core::fs::{
    CancelFlag, Dir, Document, Fault, FaultFs, Journal, Lasting, MemoryFs, Open, Poll, Sequenced,
    Storage,
};
use runr_core::store::{NewRun, RunStore};
use runr_core::{Code, Error, RunId, Timestamp};
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

#[test]
fn a_failed_document_update_leaves_the_old_or_the_new_text() {
    every_call_fails(|fs, lay, leftovers| {
        let document = Document::new(fs.storage(), "/", "doc");
        document.create("old").unwrap();
        lay();
        let result = document.update(|_| Ok("a longer new text".into()));
        heal(fs);
        let text = document.read().unwrap().unwrap();
        match &result {
            Ok(update) => assert_eq!(update.text, text),
            Err(error) => {
                is_clear(error);
                let expected = if committed(error) {
                    "a longer new text"
                } else {
                    "old"
                };
                assert_eq!(text, expected, "{error:?}");
            }
        }
        assert!(temporaries(open(fs, "/").as_ref()) <= leftovers);
        document
            .update(|old| Ok(format!("{}!", old.unwrap())))
            .unwrap();
        assert_eq!(document.read().unwrap().unwrap(), format!("{text}!"));
        assert_eq!(temporaries(open(fs, "/").as_ref()), 0);
    });
}

#[test]
fn a_failed_document_creation_leaves_none_or_the_whole() {
    every_call_fails(|fs, lay, leftovers| {
        let document = Document::new(fs.storage(), "/", "doc");
        lay();
        let result = document.create("new");
        heal(fs);
        let text = document.read().unwrap();
        match &result {
            Ok(()) => assert_eq!(text.as_deref(), Some("new")),
            Err(error) => {
                is_clear(error);
                assert_eq!(text.is_some(), committed(error), "{error:?}");
            }
        }
        assert!(temporaries(open(fs, "/").as_ref()) <= leftovers);
        document.replace("next").unwrap();
        assert_eq!(document.read().unwrap().as_deref(), Some("next"));
        assert_eq!(temporaries(open(fs, "/").as_ref()), 0);
    });
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

#[test]
fn a_failed_append_loses_nothing_and_the_next_one_works() {
    for before in [0, 2] {
        every_call_fails(|fs, lay, _| {
            let notes = journal(fs.storage());
            for _ in 0..before {
                notes.append(note("acknowledged")).unwrap();
            }
            lay();
            let result = notes.append(note("in doubt"));
            heal(fs);
            let there = notes.replay(0).unwrap().len();
            match &result {
                Ok(record) => assert_eq!(record.seq, before + 1),
                Err(error) => is_clear(error),
            }
            let visible = result.as_ref().map_or_else(committed, |_| true);
            assert_eq!(there as u64, before + u64::from(visible), "{result:?}");
            notes.append(note("next")).unwrap();
            let all = notes.replay(0).unwrap();
            assert_eq!(all.len(), there + 1);
            assert!(
                all.iter()
                    .take(before as usize)
                    .all(|note| note.text == "acknowledged")
            );
        });
    }
}

#[test]
fn a_record_that_could_not_be_synced_is_taken_back() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let notes = journal(fs.storage());
    notes.append(note("first")).unwrap();
    fs.fail_call("sync", 1, Fault::Torn, Lasting::Once);
    let error = notes.append(note("second")).unwrap_err();
    assert_eq!(error.to_json()["stage"], "sync");
    assert!(!committed(&error));
    assert_eq!(notes.replay(0).unwrap().len(), 1);
}

#[test]
fn a_failed_batch_leaves_whole_records_or_none() {
    every_call_fails(|fs, lay, _| {
        let notes = journal(fs.storage());
        lay();
        let result = notes.append_batch(3, |i, seq| note(&format!("{i}"))(seq));
        heal(fs);
        let there = notes.replay(0).unwrap().len();
        if result.is_ok() {
            assert_eq!(there, 3);
        }
        notes.append(note("next")).unwrap();
        assert_eq!(notes.replay(0).unwrap().len(), there + 1);
    });
}

fn new_run(id: &str) -> NewRun {
    NewRun {
        run_id: RunId::parse(id).unwrap(),
        repo_id: String::new(),
        title: "t".into(),
        runner: "r".into(),
        runner_cmd: "c".into(),
        parent_branch: "main".into(),
        branch: "b".into(),
        worktree_path: "/w".into(),
        created_at: Timestamp::from_millis(0),
    }
}

#[test]
fn a_failed_creation_leaves_no_run_or_a_complete_one() {
    every_call_fails(|fs, lay, leftovers| {
        let store = RunStore::open(fs.storage(), "/a/runs");
        let id = RunId::parse("one").unwrap();
        lay();
        let result = store.create(&new_run("one"), false);
        heal(fs);
        let there = !store.ids().unwrap().is_empty();
        if there {
            store.read(&id).unwrap();
        }
        match &result {
            Ok(_) => assert!(there),
            Err(error) => {
                is_clear(error);
                assert_eq!(there, committed(error), "{error:?}");
            }
        }
        if let Ok(dir) = fs.storage().open_dir("/a/runs".into()) {
            assert!(temporaries(dir.as_ref()) <= leftovers);
        }
        let next = if there { "two" } else { "one" };
        store.create(&new_run(next), false).unwrap();
        store.read(&RunId::parse(next).unwrap()).unwrap();
    });
}

#[test]
fn a_failed_update_of_a_run_leaves_the_old_or_the_new_document() {
    every_call_fails(|fs, lay, leftovers| {
        let store = RunStore::open(fs.storage(), "/runs");
        let id = RunId::parse("one").unwrap();
        store.create(&new_run("one"), false).unwrap();
        let old = store.read(&id).unwrap();
        lay();
        let result = store.update(&id, |meta| {
            meta.stop_requested();
            Ok(())
        });
        heal(fs);
        let present = store.read(&id).unwrap();
        match &result {
            Ok(meta) => assert_eq!(*meta, present),
            Err(error) => {
                is_clear(error);
                assert_eq!(present != old, committed(error), "{error:?}");
            }
        }
        assert!(temporaries(open(fs, "/runs/one").as_ref()) <= leftovers);
        let next = store.update(&id, |meta| {
            meta.pr_number = Some(7);
            Ok(())
        });
        assert_eq!(next.unwrap(), store.read(&id).unwrap());
        assert_eq!(temporaries(open(fs, "/runs/one").as_ref()), 0);
    });
}

#[test]
fn a_failed_event_is_there_or_not_and_the_next_one_works() {
    every_call_fails(|fs, lay, _| {
        let store = RunStore::open(fs.storage(), "/runs");
        let id = RunId::parse("one").unwrap();
        let now = Timestamp::from_millis(0);
        store.create(&new_run("one"), false).unwrap();
        store.append_event(&id, "first", None, now).unwrap();
        lay();
        let result = store.append_event(&id, "second", None, now);
        heal(fs);
        let names = || -> Vec<String> {
            let events = store.events(&id, 0).unwrap();
            events.into_iter().map(|event| event.event).collect()
        };
        let there = names().len() == 2;
        match &result {
            Ok(_) => assert!(there),
            Err(error) => {
                is_clear(error);
                assert_eq!(there, committed(error), "{error:?}");
            }
        }
        store.append_event(&id, "third", None, now).unwrap();
        let expected = if there {
            vec!["first", "second", "third"]
        } else {
            vec!["first", "third"]
        };
        assert_eq!(names(), expected);
    });
}

#[test]
fn without_the_rename_a_failed_creation_can_be_repeated() {
    every_call_fails(|fs, lay, _| {
        let plain = FaultFs::new(fs.storage());
        let unsupported = Fault::Error(ErrorKind::Unsupported);
        plain.fail_call("rename_no_replace", 1, unsupported, Lasting::FromThenOn);
        let store = RunStore::open(plain.storage(), "/runs");
        lay();
        let result = store.create(&new_run("one"), false);
        heal(fs);
        let id = RunId::parse("one").unwrap();
        match (&result, store.read(&id)) {
            (Ok(_), read) => drop(read.unwrap()),
            (Err(error), Ok(_)) => assert!(committed(error), "{error:?}"),
            (Err(error), Err(read)) => {
                is_clear(error);
                assert_eq!(read.code(), Code::RunNotFound);
                // A disk that died for good leaves an abandoned creation.
                if !store.exists(&id).unwrap() {
                    store.create(&new_run("one"), false).unwrap();
                }
            }
        }
    });
}

#[test]
fn an_update_costs_exactly_18_calls_of_which_two_reach_the_disk() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let document = Document::new(fs.storage(), "/", "meta.json").mode(0o600);
    document.create("old").unwrap();
    drop(fs.take_calls());
    document.update(|_| Ok("new".into())).unwrap();
    let calls = fs.take_calls();
    assert_eq!(FaultFs::flushes(&calls), 2);
    let expected = [
        "open_dir",
        "open_lock",
        "fstat",
        "try_lock",
        "stat", // the lock
        "open",
        "fstat",
        "read",
        "close", // the old text
        "open",
        "write",
        "sync",
        "close",
        "rename",
        "sync_dir", // the new one
        "unlock",
        "close_lock",
        "close_dir",
    ];
    assert_eq!(calls, expected);
    assert_eq!(calls.len(), 18);

    document.update(|_| Ok("new".into())).unwrap();
    assert_eq!(FaultFs::flushes(&fs.take_calls()), 1);
    document.read().unwrap();
    let expected = ["open_dir", "open", "fstat", "read", "close", "close_dir"];
    assert_eq!(fs.take_calls(), expected);
}

#[test]
fn an_append_costs_one_flush_and_the_first_one_two() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let notes = journal(fs.storage());
    notes.append(note("first")).unwrap();
    assert_eq!(FaultFs::flushes(&fs.take_calls()), 2);
    for _ in 0..200 {
        notes.append(note(&"x".repeat(100))).unwrap();
    }
    drop(fs.take_calls());
    notes.append(note("last")).unwrap();
    let expected = [
        "open_dir",
        "open_lock",
        "fstat",
        "try_lock",
        "stat", // the lock
        "open",
        "fstat",
        "read",
        "write",
        "sync",
        "close", // however long the journal is
        "unlock",
        "close_lock",
        "close_dir",
    ];
    assert_eq!(fs.take_calls(), expected);
    notes.append_batch(50, |_, seq| note("batch")(seq)).unwrap();
    assert_eq!(FaultFs::flushes(&fs.take_calls()), 1);
}

#[test]
fn text_synced_by_nobody_is_synced_before_an_equal_update_is_acknowledged() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let document = Document::new(fs.storage(), "/", "doc");
    document.create("old").unwrap();
    fs.fail_call("sync_dir", 1, Fault::Torn, Lasting::Once);
    let error = document.update(|_| Ok("new".into())).unwrap_err();
    assert!(committed(&error));
    assert_eq!(error.to_json()["stage"], "sync_dir");
    drop(fs.take_calls());
    assert!(!document.update(|_| Ok("new".into())).unwrap().changed);
    assert!(fs.take_calls().contains(&"sync_dir"));
}

#[test]
fn a_torn_last_line_is_ignored_and_then_cut_off() {
    let whole = b"{\"seq\":1,\"text\":\"a\"}\n";
    for torn in [&b"{"[..], b"{\"seq\":2,\"text\":\"b\"}", &[b'x'; 900_000]] {
        let fs = FaultFs::new(MemoryFs::new().into());
        write_raw(&fs, &[whole, torn].concat());
        let notes = journal(fs.storage());
        assert_eq!(notes.replay(0).unwrap().len(), 1);
        assert_eq!(notes.append(note("b")).unwrap().seq, 2);
        assert_eq!(
            bytes_of(&fs),
            b"{\"seq\":1,\"text\":\"a\"}\n{\"seq\":2,\"text\":\"b\"}\n"
        );
    }
}

#[test]
fn a_journal_that_is_all_torn_begins_anew() {
    let fs = FaultFs::new(MemoryFs::new().into());
    write_raw(&fs, b"{\"se");
    let notes = journal(fs.storage());
    assert_eq!(notes.replay(0).unwrap(), []);
    drop(fs.take_calls());
    assert_eq!(notes.append(note("a")).unwrap().seq, 1);
    assert_eq!(FaultFs::flushes(&fs.take_calls()), 2);
}

#[test]
fn damage_in_the_middle_is_reported_with_its_place_and_left_alone() {
    let good = |seq: u64| format!("{{\"seq\":{seq},\"text\":\"\"}}\n");
    let cases = [
        (format!("{}rubbish\n{}", good(1), good(3)), 2, good(1).len()),
        (format!("{}{}", good(1), good(3)), 2, good(1).len()),
        (format!("{}{}", good(1), good(1)), 2, good(1).len()),
        (format!("{}\n{}", good(1), good(2)), 2, good(1).len()),
        (good(2), 1, 0),
        (
            format!("{}{}\n", good(1), "x".repeat(1 << 20)),
            2,
            good(1).len(),
        ),
        (
            format!("{}{}", good(1), "x".repeat((1 << 20) + 1)),
            2,
            good(1).len(),
        ),
    ];
    for (text, line, offset) in cases {
        let fs = FaultFs::new(MemoryFs::new().into());
        write_raw(&fs, text.as_bytes());
        let error = journal(fs.storage()).replay(0).unwrap_err();
        let json = error.to_json();
        assert_eq!(error.code(), Code::StoreCorrupt);
        assert_eq!(
            (&json["line"], &json["offset"]),
            (&line.into(), &offset.into()),
            "{json}"
        );
        assert_eq!(bytes_of(&fs), text.as_bytes());
    }
}

#[test]
fn an_append_after_a_bad_last_line_writes_nothing() {
    let too_long = format!("{}\n", "x".repeat(3 << 20));
    for text in ["rubbish\n", "{\"seq\":0,\"text\":\"\"}\n", "\n", &too_long] {
        let fs = FaultFs::new(MemoryFs::new().into());
        write_raw(&fs, text.as_bytes());
        let error = journal(fs.storage()).append(note("a")).unwrap_err();
        assert_eq!(error.code(), Code::StoreCorrupt);
        assert!(error.to_json()["offset"].is_number());
        assert_eq!(bytes_of(&fs), text.as_bytes());
    }
}

#[test]
fn a_record_over_the_limit_is_refused_before_anything_is_written() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let notes = journal(fs.storage());
    let frame = "{\"seq\":1,\"text\":\"\"}".len();
    let longest = "x".repeat((1 << 20) - frame);
    let error = notes.append(note(&format!("{longest}x"))).unwrap_err();
    assert_eq!(error.code(), Code::MetaWriteFailed);
    assert_eq!(error.to_json()["stage"], "limit");
    assert_eq!(bytes_of(&fs), b"");
    notes.append(note(&longest)).unwrap();
    assert_eq!(notes.append(note("next")).unwrap().seq, 2);
    assert_eq!(notes.replay(0).unwrap().len(), 2);
}

#[test]
fn replay_crosses_the_pieces_it_reads() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let notes = journal(fs.storage());
    for size in [300_000, 10, 262_000, 100, 1_000_000, 5] {
        notes.append(note(&"x".repeat(size))).unwrap();
    }
    let sizes: Vec<_> = notes
        .replay(1)
        .unwrap()
        .iter()
        .map(|note| note.text.len())
        .collect();
    assert_eq!(sizes, [10, 262_000, 100, 1_000_000, 5]);
}

#[test]
fn follow_hands_over_what_is_there_and_what_is_appended() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let notes = journal(fs.storage());
    let cancel = CancelFlag::new();
    let mut follow = notes.follow(1, Poll::new(std::time::Duration::ZERO, cancel.clone()));
    let appender = {
        let notes = notes.clone();
        std::thread::spawn(move || {
            for i in 1..=50 {
                notes.append(note(&i.to_string())).unwrap();
            }
        })
    };
    for seq in 2..=50 {
        assert_eq!(follow.next().unwrap().unwrap().seq, seq);
    }
    appender.join().unwrap();
    cancel.cancel();
    assert!(follow.next().is_none());
    assert!(follow.next().is_none());
}

#[test]
fn follow_reads_only_what_was_appended() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let notes = journal(fs.storage());
    notes
        .append_batch(1000, |_, seq| note(&"x".repeat(1000))(seq))
        .unwrap();
    let poll = Poll::new(std::time::Duration::ZERO, CancelFlag::new());
    let mut follow = notes.follow(999, poll);
    follow.next().unwrap().unwrap();
    notes.append(note("new")).unwrap();
    drop(fs.take_calls());
    follow.next().unwrap().unwrap();
    assert_eq!(fs.take_calls(), ["fstat", "read"]);
}

#[test]
fn follow_ends_at_damage_after_the_records_before_it() {
    let fs = FaultFs::new(MemoryFs::new().into());
    write_raw(&fs, b"{\"seq\":1,\"text\":\"\"}\nrubbish\n");
    let poll = Poll::new(std::time::Duration::ZERO, CancelFlag::new());
    let mut follow = journal(fs.storage()).follow(0, poll);
    assert_eq!(follow.next().unwrap().unwrap().seq, 1);
    assert_eq!(
        follow.next().unwrap().unwrap_err().code(),
        Code::StoreCorrupt
    );
    assert!(follow.next().is_none());
}

#[test]
fn an_unreadable_document_is_reported_and_left_alone() {
    let fs = FaultFs::new(MemoryFs::new().into());
    write_raw(&fs, b"ab\xffcd");
    let document = Document::new(fs.storage(), "/", "notes.jsonl").limit(10);
    let error = document
        .update(|_| panic!("must not be called"))
        .unwrap_err();
    assert_eq!(error.code(), Code::StoreCorrupt);
    assert_eq!(error.to_json()["offset"], 2);
    assert_eq!(bytes_of(&fs), b"ab\xffcd");
    write_raw(&fs, b"12345678901");
    assert_eq!(document.read().unwrap_err().code(), Code::StoreCorrupt);
    let error = document.replace("12345678901").unwrap_err();
    assert_eq!(error.to_json()["stage"], "limit");
}

#[test]
fn a_failed_or_panicking_change_leaves_the_document_as_it_was() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let document = Document::new(fs.storage(), "/", "doc");
    document.create("old").unwrap();
    let refused = document.update(|_| Err(Error::new(Code::Usage, "no")));
    assert_eq!(refused.unwrap_err().code(), Code::Usage);
    let inner = document.clone();
    let panicking = std::thread::spawn(move || inner.update(|_| panic!("on purpose")));
    assert!(panicking.join().is_err());
    let nested = document.update(|_| document.read().map(Option::unwrap_or_default));
    assert_eq!(nested.unwrap().text, "old");
    let nested = document.update(|_| Ok(document.update(|_| Ok(String::new()))?.text));
    assert_eq!(nested.unwrap_err().to_json()["reentrant"], true);
    assert_eq!(document.read().unwrap().as_deref(), Some("old"));
}
