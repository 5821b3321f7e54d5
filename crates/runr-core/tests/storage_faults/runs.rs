//! A run whose creation, change or event fails.

use std::io::ErrorKind;

use runr_core::fs::{Fault, FaultFs, Lasting};
use runr_core::store::{NewRun, RunStore};
use runr_core::{Code, RunId, Timestamp};

use crate::{committed, every_call_fails, heal, is_clear, open, temporaries};

pub(crate) fn new_run(id: &str) -> NewRun {
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
            // A document that cannot be read is that for an update, too.
            Err(error) if error.code() == Code::StoreCorrupt => {
                assert_eq!(error.operation(), Some("read"));
                assert_eq!(present, old);
            }
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
