//! Journals after a power cut.

use runr_core::fs::{Journal, Open, Sequenced, Storage};
use serde::{Deserialize, Serialize};

use crate::judge::{Program, Seen, Step, Verdict, judge};
use crate::killed_at_each_call;

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    seq: u64,
    text: String,
}

impl Sequenced for Note {
    fn seq(&self) -> u64 {
        self.seq
    }
}

fn journal(storage: &Storage) -> Journal<Note> {
    Journal::new(storage.clone(), "/", "notes.jsonl")
}

fn append(storage: &Storage, text: &str) -> runr_core::Result<Note> {
    let text = text.to_owned();
    journal(storage).append(|seq| Note { seq, text })
}

fn appended(text: &'static str) -> Step<'static> {
    Box::new(move |storage| {
        append(storage, text).unwrap();
        true
    })
}

fn read(storage: &Storage) -> Seen {
    let notes = journal(storage).replay(0);
    let notes = notes.map_err(|damage| damage.to_string())?;
    Ok(notes.into_iter().map(|note| note.text).collect())
}

fn next(storage: &Storage) -> Result<(), String> {
    let mut wanted = read(storage)?;
    append(storage, "next").map_err(|error| error.to_string())?;
    wanted.push("next".to_owned());
    let present = read(storage)?;
    if present == wanted {
        Ok(())
    } else {
        Err(format!("{present:?} instead of {wanted:?}"))
    }
}

fn judged(before: &dyn Fn(&Storage), steps: Vec<Step<'_>>) -> Verdict {
    let (read, next) = (&read, &next);
    judge(&Program {
        before,
        steps,
        read,
        next,
    })
}

#[test]
fn an_acknowledged_record_survives_every_power_cut() {
    let three = || vec![appended("a"), appended("b"), appended("c")];
    judged(&|_| {}, three()).assert_safe();
    let old = |storage: &Storage| drop(append(storage, "old").unwrap());
    judged(&old, three()).assert_safe();
}

#[test]
fn a_record_after_a_torn_tail_survives_every_power_cut() {
    for torn in ["{", "{\"seq\":2,\"text\":\"never acknowledged\"}"] {
        let before = |storage: &Storage| {
            append(storage, "old").unwrap();
            let dir = storage.open_dir("/".into()).unwrap();
            let mut file = dir.open("notes.jsonl", Open::Append).unwrap();
            assert_eq!(file.write(torn.as_bytes()).unwrap(), torn.len());
        };
        judged(&before, vec![appended("a"), appended("b")]).assert_safe();
    }
}

#[test]
fn a_record_after_a_killed_writer_survives_every_power_cut() {
    let empty: &dyn Fn(&Storage) = &|_| {};
    let old: &dyn Fn(&Storage) = &|storage| drop(append(storage, "old").unwrap());
    for before in [empty, old] {
        let of_the_dead = |storage: &Storage| drop(append(storage, "of the dead"));
        killed_at_each_call(of_the_dead, |dying| {
            judged(before, vec![dying, appended("a")]).assert_safe();
        });
    }
}

#[test]
fn a_batch_is_there_after_every_power_cut_or_in_its_first_whole_records() {
    let batch: Step<'_> = Box::new(|storage| {
        let note = |_, seq| Note {
            seq,
            text: "of three".to_owned(),
        };
        journal(storage).append_batch(3, note).unwrap();
        true
    });
    // Fewer than all three may be left of a batch that nobody was told of.
    let whole = |storage: &Storage| -> Seen {
        let mut seen = read(storage)?;
        let unfinished = seen.iter().filter(|text| *text == "of three").count() % 3;
        seen.truncate(seen.len() - unfinished);
        Ok(seen)
    };
    let verdict = judge(&Program {
        before: &|storage| drop(append(storage, "old").unwrap()),
        steps: vec![batch],
        read: &whole,
        next: &next,
    });
    verdict.assert_safe();
}
