//! The model tells ways of writing a file apart, so its word about ours means something.

use runr_core::fs::{Dir, Open, Storage};

use crate::judge::{Program, Seen, Verdict, judge};

const OLD: &str = "the old text";
const NEW: &str = "a new and longer text";

fn judged(write: fn(&dyn Dir)) -> Verdict {
    let root = |storage: &Storage| storage.open_dir("/".into()).unwrap();
    let read = |storage: &Storage| -> Seen {
        let contents = root(storage).read("doc", 100);
        let bytes = contents.map_err(|error| error.to_string())?.bytes;
        Ok(vec![String::from_utf8(bytes).unwrap()])
    };
    judge(&Program {
        before: &|storage| put(root(storage).as_ref(), "doc", OLD, false),
        steps: vec![Box::new(|storage: &Storage| {
            write(root(storage).as_ref());
            true
        })],
        read: &read,
        next: &|_| Ok(()),
    })
}

fn put(dir: &dyn Dir, name: &str, text: &str, sync: bool) {
    let mut file = dir.open(name, Open::CreateNew(0o600)).unwrap();
    file.write(text.as_bytes()).unwrap();
    if sync {
        file.sync().unwrap();
    }
    file.close().unwrap();
}

#[test]
fn a_write_in_place_is_torn_and_lost() {
    let verdict = judged(|dir| {
        let mut file = dir.open("doc", Open::Append).unwrap();
        file.truncate(0).unwrap();
        file.write(NEW.as_bytes()).unwrap();
        file.close().unwrap();
    });
    assert!(
        verdict.torn.is_some() && verdict.lost.is_some(),
        "{verdict}"
    );
}

#[test]
fn a_rename_without_a_sync_is_torn_and_lost() {
    let verdict = judged(|dir| {
        put(dir, "tmp", NEW, false);
        dir.rename("tmp", "doc").unwrap();
    });
    assert!(
        verdict.torn.is_some() && verdict.lost.is_some(),
        "{verdict}"
    );
}

#[test]
fn a_synced_file_is_never_torn_but_its_rename_can_be_lost() {
    let verdict = judged(|dir| {
        put(dir, "tmp", NEW, true);
        dir.rename("tmp", "doc").unwrap();
    });
    assert!(
        verdict.torn.is_none() && verdict.lost.is_some(),
        "{verdict}"
    );
}

#[test]
fn a_synced_file_in_a_synced_directory_is_safe() {
    let verdict = judged(|dir| {
        put(dir, "tmp", NEW, true);
        dir.rename("tmp", "doc").unwrap();
        dir.sync().unwrap();
    });
    verdict.assert_safe();
}
