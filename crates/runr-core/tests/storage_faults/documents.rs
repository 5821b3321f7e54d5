//! A document whose write fails: the old or the new text, and what a write costs.

use runr_core::fs::{Document, Fault, FaultFs, Lasting, MemoryFs};
use runr_core::identity::{IndexEntry, upsert_index, upsert_index_in};
use runr_core::{Code, Error};

use crate::{bytes_of, committed, every_call_fails, heal, is_clear, open, temporaries, write_raw};

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

/// So large that it is changed while it is copied.
fn large_index() -> String {
    let entry = |nth| format!("    {{\n      \"run_id\": \"item-{nth:05}\"\n    }}");
    let entries: Vec<_> = (0..8_000).map(entry).collect();
    format!(
        "{{\n  \"version\": 1,\n  \"runs\": [\n{}\n  ]\n}}\n",
        entries.join(",\n")
    )
}

#[test]
fn a_failed_change_of_a_large_index_leaves_the_old_or_the_new_text() {
    let entry = |nth: usize| -> IndexEntry {
        serde_json::from_value(serde_json::json!({
            "run_id": format!("item-{nth:05}"),
            "updated_at": "2026-02-03T04:05:06Z",
            "last_flow": "build",
        }))
        .unwrap()
    };
    let old = large_index();
    let upserted = |text: &str, nth| upsert_index(Some(text), &entry(nth)).unwrap().text;
    let new = upserted(&old, 4_000);
    every_call_fails(|fs, lay, leftovers| {
        let document = Document::new(fs.storage(), "/", "index.json");
        document.create(&old).unwrap();
        lay();
        let result = upsert_index_in(&document, &entry(4_000));
        heal(fs);
        let text = document.read().unwrap().unwrap();
        let is_new = match &result {
            Ok(upserted) => upserted.changed,
            Err(error) => {
                is_clear(error);
                committed(error)
            }
        };
        assert!(text == if is_new { &*new } else { &*old }, "{result:?}");
        assert!(temporaries(open(fs, "/").as_ref()) <= leftovers);
        upsert_index_in(&document, &entry(9_000)).unwrap();
        let next = document.read().unwrap().unwrap();
        assert!(next == upserted(&text, 9_000));
        assert_eq!(temporaries(open(fs, "/").as_ref()), 0);
    });
}

#[test]
fn a_change_of_a_large_index_is_synced_like_any_other() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let document = Document::new(fs.storage(), "/", "index.json");
    document.create(&large_index()).unwrap();
    drop(fs.take_calls());
    let entry = serde_json::json!({
        "run_id": "item-04000", "updated_at": "2026-02-03T04:05:06Z", "last_flow": "build",
    });
    upsert_index_in(&document, &serde_json::from_value(entry).unwrap()).unwrap();
    let calls = fs.take_calls();
    assert_eq!(FaultFs::flushes(&calls), 2, "{calls:?}");
    let count = |call| calls.iter().filter(|it| **it == call).count();
    // Once over the file in two windows, and once into the new one.
    assert_eq!((count("open"), count("write")), (2, 2), "{calls:?}");
    assert_eq!(calls.last(), Some(&"close_dir"));
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
