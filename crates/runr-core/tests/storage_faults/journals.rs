//! An append that fails loses nothing, and what a torn or damaged journal is worth.

use runr_core::Code;
use runr_core::fs::{Fault, FaultFs, Lasting, MemoryFs};

use crate::{bytes_of, committed, every_call_fails, heal, is_clear, journal, note, write_raw};

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
fn a_record_that_lies_about_its_number_is_not_written() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let notes = journal(fs.storage());
    notes.append(note("first")).unwrap();
    let before = bytes_of(&fs);
    let error = notes.append(|_| note("second")(3)).unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert_eq!(bytes_of(&fs), before);
    assert_eq!(notes.append(note("second")).unwrap().seq, 2);
}
