//! Following a journal to its end, and to its damage.

use runr_core::Code;
use runr_core::fs::{CancelFlag, FaultFs, MemoryFs, Open, Poll};

use crate::{journal, note, open, write_raw};

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
fn follow_ends_when_what_it_has_read_is_cut_off() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let notes = journal(fs.storage());
    notes.append_batch(2, |_, seq| note("")(seq)).unwrap();
    // Raised: should the cut go unnoticed, the next look is the last.
    let cancel = CancelFlag::new();
    cancel.cancel();
    let mut follow = notes.follow(0, Poll::new(std::time::Duration::ZERO, cancel));
    follow.next().unwrap().unwrap();
    follow.next().unwrap().unwrap();
    let mut file = open(&fs, "/").open("notes.jsonl", Open::Append).unwrap();
    file.truncate(3).unwrap();
    let error = follow.next().unwrap().unwrap_err();
    assert_eq!(error.code(), Code::StoreCorrupt);
    assert!(follow.next().is_none());
}
