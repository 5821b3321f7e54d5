//! Repair of a claim: what cannot be used is kept, what is known is told again, and nobody who lives
//! is disturbed.

use std::collections::BTreeMap;

use runr_core::fs::{Dir, Fault, FaultFs, Kind, Lasting, Lock, MemoryFs, Storage, Wait};
use runr_core::ownership::{
    ClaimStore, Deed, Mode, Record, Repaired, Token, examine, heartbeat, repair,
};
use runr_core::{Code, Result};
use serde_json::json;

use crate::every_call::{every_call_fails, heal};
use crate::world::{
    ARCHIVE, FENCE, FOLDER, LOCK, RECORD, World, guard, plain, put, real_world, target,
};

fn impatient(storage: Storage) -> World {
    World::new(storage).with(|claims| claims.wait(Wait::No))
}

/// Claims of `a`, taken over by `b`.
fn taken() -> World {
    let world = impatient(MemoryFs::new().into());
    world.claim("a").unwrap();
    world.take_over("b").unwrap();
    world
}

fn mend(world: &World) -> Result<Repaired> {
    let planned = examine(&world.claims, &target(), &world.now());
    let before = tree(world.dir().as_ref());
    let same = examine(&world.claims, &target(), &world.now());
    assert_eq!(tree(world.dir().as_ref()), before, "a look changes nothing");
    let repaired = repair(&world.claims, &target(), &world.now());
    match (&planned, &same, &repaired) {
        (Ok(planned), Ok(same), Ok(repaired)) => {
            let deeds = |it: &Repaired| {
                it.actions
                    .iter()
                    .map(|it| (it.deed, it.path.clone()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                (deeds(planned), planned.ok()),
                (deeds(repaired), repaired.ok())
            );
            assert_eq!(deeds(same), deeds(planned));
        }
        _ => assert_eq!(planned.is_ok(), repaired.is_ok()),
    }
    repaired
}

fn deeds(repaired: &Repaired) -> Vec<Deed> {
    assert!(repaired.ok(), "{repaired:?}");
    repaired.actions.iter().map(|action| action.deed).collect()
}

/// All files, and what is in them; directories end with a slash.
fn tree(dir: &dyn Dir) -> BTreeMap<String, Vec<u8>> {
    let mut tree = BTreeMap::new();
    for entry in dir.list().unwrap() {
        if entry.kind == Kind::Dir {
            tree.insert(format!("{}/", entry.name), Vec::new());
            let within = dir.open_dir(&entry.name).unwrap();
            let names = self::tree(within.as_ref()).into_iter();
            tree.extend(names.map(|(name, bytes)| (format!("{}/{name}", entry.name), bytes)));
        } else if entry.kind == Kind::File {
            tree.insert(
                entry.name.clone(),
                dir.read(&entry.name, 1 << 30).unwrap().bytes,
            );
        }
    }
    tree
}

fn record(world: &World) -> Record {
    world.claims.read(&target()).unwrap().unwrap()
}

/// A record but for the times when its owner was heard of, and its exit signals.
fn known(mut record: Record) -> Record {
    record.exit_signals.clear();
    if let Some(active) = &mut record.active_run {
        active.updated_at = None;
    }
    record
}

#[test]
fn where_nothing_is_wrong_nothing_is_done() {
    let world = impatient(MemoryFs::new().into());
    let repaired = repair(&world.claims, &target(), &world.now()).unwrap();
    assert_eq!(repaired.to_json(), json!({"ok": true, "actions": []}));
    assert!(
        world.storage.open_dir(FOLDER.into()).is_err(),
        "nothing was made"
    );
    let world = taken();
    let before = tree(world.dir().as_ref());
    assert_eq!(deeds(&mend(&world).unwrap()), []);
    assert_eq!(tree(world.dir().as_ref()), before);
}

#[test]
fn a_lock_directory_goes_unless_its_holder_is_seen_to_live() {
    let gone = [
        None,
        Some("{}"),
        Some("{x"),
        Some("{\"pid\":4242}"),
        // What lives here is another process than the one on that host.
        Some("{\"pid\":7,\"host\":\"other-host\",\"boot\":\"b\",\"nonce\":\"1\"}"),
    ];
    for owner in gone {
        let world = taken().with(|claims| claims.single_host(false));
        world.machine.lives(7, true);
        world.lock(owner);
        assert_eq!(world.claim("b").unwrap_err().code(), Code::LockTimeout);
        let repaired = mend(&world).unwrap();
        assert_eq!(deeds(&repaired), [Deed::LockRemoved], "{owner:?}");
        assert_eq!(repaired.actions[0].path, format!("{FOLDER}/{LOCK}"));
        assert!(!world.has_lock());
        assert!(world.claim("b").unwrap().ok());
    }
    for owner in ["{\"pid\":7}", "{\"pid\":7,\"host\":\"this-host\"}"] {
        let world = taken();
        world.machine.lives(7, true);
        world.lock(Some(owner));
        world.put(RECORD, "rubbish");
        let before = tree(world.dir().as_ref());
        let refused = mend(&world).unwrap();
        assert!(!refused.ok() && refused.actions.is_empty());
        let json = refused.to_json();
        assert_eq!(
            (&json["ok"], &json["error"]),
            (&json!(false), &json!("live_holder"))
        );
        assert!(
            json["message"].as_str().unwrap().contains("process 7"),
            "{json}"
        );
        assert_eq!(tree(world.dir().as_ref()), before);
    }
}

#[test]
fn what_else_stands_in_the_place_of_a_lock_directory_is_moved_aside() {
    let world = taken();
    world.put(LOCK, "whose is this?");
    let repaired = mend(&world).unwrap();
    assert_eq!(deeds(&repaired), [Deed::LockMoved]);
    assert_eq!(world.text(&format!("{LOCK}.broken-1")), "whose is this?");
    assert!(world.claim("b").unwrap().ok());
}

#[test]
fn while_an_operation_runs_nothing_is_repaired() {
    let world = taken();
    world.put(RECORD, "rubbish");
    let lock = format!("{RECORD}.oslock");
    let held = Lock::acquire(&world.storage, FOLDER.into(), &lock, Wait::No).unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| repair(&world.claims, &target(), &world.now()).unwrap());
        assert!(!other.join().unwrap().ok());
    });
    // This thread would wait for itself.
    let reentrant = repair(&world.claims, &target(), &world.now()).unwrap_err();
    assert_eq!(reentrant.context()["reentrant"], true);
    drop(held);
    assert!(mend(&world).unwrap().ok());
}

#[test]
fn a_broken_record_is_kept_and_told_again_by_the_archive() {
    let world = taken();
    let before = record(&world);
    let token = world.token().unwrap();
    for (n, rubbish) in ["", "rubbish", "[]", "{\"schemaVersion\":2}"]
        .into_iter()
        .enumerate()
    {
        world.put(RECORD, rubbish);
        assert!(world.claims.read(&target()).is_err());
        let repaired = mend(&world).unwrap();
        assert_eq!(deeds(&repaired), [Deed::RecordKept, Deed::RecordRebuilt]);
        assert_eq!(world.text(&format!("{RECORD}.broken-{}", n + 1)), rubbish);
        assert_eq!(known(record(&world)), known(before.clone()));
        // Its owner has lost nothing.
        assert_eq!(world.token(), Some(token));
        let owner = plain("b").with_token(Some(token));
        let beat = heartbeat(&world.claims, &target(), &owner, &world.now());
        assert!(beat.unwrap().ok());
    }
}

#[test]
fn a_record_that_is_no_file_or_too_large_is_moved_aside() {
    let (_keep, world) = real_world();
    world.claim("a").unwrap();
    world.take_over("b").unwrap();
    let before = record(&world);
    let path = world.claims.path(&target());
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(100 << 20).unwrap();
    let expected = [Deed::RecordKept, Deed::RecordRebuilt];
    assert_eq!(deeds(&mend_real(&world)), expected);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(deeds(&mend_real(&world)), expected);
    let aside = |n: u8| std::fs::metadata(format!("{path}.broken-{n}")).unwrap();
    assert_eq!(aside(1).len(), 100 << 20);
    assert!(aside(2).is_dir());
    assert_eq!(known(record(&world)), known(before));
}

fn mend_real(world: &World) -> Repaired {
    repair(&world.claims, &target(), &world.now()).unwrap()
}

#[test]
fn the_history_is_the_one_of_the_archive() {
    let world = taken();
    for nth in 0..40 {
        world.take_over(&format!("run-{nth}")).unwrap();
        world.release(&format!("run-{nth}")).unwrap();
    }
    let before = record(&world);
    assert_eq!(before.history.len(), 50);
    world.put(RECORD, "rubbish");
    mend(&world).unwrap();
    assert_eq!(known(record(&world)), known(before));

    // Signs of life are known only once they have left the record.
    world.claim("long").unwrap();
    for _ in 0..120 {
        world.claim("long").unwrap();
    }
    let owner = record(&world).active_run.unwrap();
    world.put(RECORD, "rubbish");
    mend(&world).unwrap();
    let after = record(&world);
    assert_eq!(after.history.len(), 50);
    assert_eq!(after.active_run.unwrap().claimed_at, owner.claimed_at);
    let kinds: Vec<_> = after
        .history
        .iter()
        .map(|event| event.0.text().to_owned())
        .collect();
    assert!(
        kinds.iter().all(|event| event.contains("refresh")),
        "{kinds:?}"
    );
}

#[test]
fn a_change_that_was_given_up_is_not_told() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let world = impatient(fs.storage());
    world.claim("a").unwrap();
    let before = record(&world);
    // The archive is written, the sidecar not: the first file that is made is the lock's.
    fs.fail_call("rename", 1, Fault::Torn, Lasting::Once);
    world.take_over("b").unwrap_err();
    assert!(fs.heal());
    assert_eq!(world.archived().len(), 2);
    world.put(RECORD, "rubbish");
    mend(&world).unwrap();
    assert_eq!(known(record(&world)), known(before.clone()));
    // Nor when another change has got its token.
    world.take_over("c").unwrap();
    world.put(RECORD, "rubbish");
    mend(&world).unwrap();
    let after = record(&world);
    assert_eq!(after.owner().unwrap().to_string(), "c");
    assert_eq!(after.previous_run.unwrap().run_id.to_string(), "a");
    assert_eq!(after.history.len(), 2);
}

#[test]
fn a_change_whose_process_died_before_the_record_was_written_is_not_told_after_an_adoption() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let world = impatient(fs.storage());
    world.claim("a").unwrap();
    // The sidecar is renamed, the record not, and nothing is put back.
    fs.fail_call("rename", 2, Fault::Torn, Lasting::FromThenOn);
    world.take_over("b").unwrap_err();
    assert!(fs.heal());
    assert!(world.claim("a").unwrap().ok());
    let before = record(&world);
    world.put(RECORD, "rubbish");
    mend(&world).unwrap();
    let after = record(&world);
    assert_eq!(
        after.active_run.unwrap().claimed_at,
        before.active_run.unwrap().claimed_at
    );
    assert_eq!(after.previous_run, None);
}

#[test]
fn without_an_archive_the_sidecar_tells_the_owner_and_without_both_nobody_is_it() {
    let world = taken();
    world.dir().unlink(ARCHIVE).unwrap();
    let token = world.token();
    world.put(RECORD, "rubbish");
    let expected = [Deed::RecordKept, Deed::SidecarRebuilt, Deed::RecordRebuilt];
    assert_eq!(deeds(&mend(&world).unwrap()), expected);
    assert_eq!(world.owner().unwrap(), "b");
    assert!(world.token() > token);

    let world = taken();
    world.dir().unlink(ARCHIVE).unwrap();
    world.dir().unlink(FENCE).unwrap();
    world.put(RECORD, "rubbish");
    assert_eq!(deeds(&mend(&world).unwrap()), [Deed::RecordKept]);
    assert_eq!(world.owner(), None);
    assert_eq!(world.text(&format!("{RECORD}.broken-1")), "rubbish");
    assert!(world.claim("c").unwrap().ok());
}

#[test]
fn a_record_of_a_later_version_is_not_broken() {
    let world = taken();
    let newer = world
        .text(RECORD)
        .replace("\"schemaVersion\": 2", "\"schemaVersion\": 3");
    world.put(RECORD, &newer);
    let before = tree(world.dir().as_ref());
    assert_eq!(mend(&world).unwrap_err().code(), Code::RecordSchema);
    assert_eq!(tree(world.dir().as_ref()), before);
    // One that has no version at all is.
    world.put(
        RECORD,
        &newer.replace("\"schemaVersion\": 3", "\"schemaVersion\": \"x\""),
    );
    assert!(mend(&world).unwrap().ok());
    assert_eq!(world.owner().unwrap(), "b");
}

#[test]
fn a_lost_sidecar_gets_a_token_above_all_that_are_known() {
    let high = Token(8_000_000_000_000_000);
    let told = format!("{{\"token\":{high}}}");
    for (text, above) in [
        (None, None),
        (Some("rubbish"), None),
        (Some(told.as_str()), Some(high)),
    ] {
        let world = taken();
        let before = world.token();
        let record = world.text(RECORD);
        match text {
            None => world.dir().unlink(FENCE).unwrap(),
            Some(text) => world.put(FENCE, text),
        }
        let repaired = mend(&world).unwrap();
        let kept = text.map(|_| Deed::SidecarKept);
        let expected: Vec<_> = kept.into_iter().chain([Deed::SidecarRebuilt]).collect();
        assert_eq!(deeds(&repaired), expected);
        assert!(world.token() > before.max(above));
        assert_eq!(world.text(RECORD), record);
        if let Some(text) = text {
            assert_eq!(world.text(&format!("{FENCE}.broken-1")), text);
        }
        // The one who had it must ask anew.
        let owner = plain("b").with_token(before);
        let beat = heartbeat(&world.claims, &target(), &owner, &world.now());
        assert!(!beat.unwrap().ok());
        assert!(world.claim("b").unwrap().ok());
        assert_eq!(deeds(&mend(&world).unwrap()), []);
    }
}

#[test]
fn a_record_that_nobody_fenced_needs_no_sidecar() {
    let world = taken();
    world.dir().unlink(FENCE).unwrap();
    world.dir().unlink(ARCHIVE).unwrap();
    assert_eq!(deeds(&mend(&world).unwrap()), []);
}

#[test]
fn a_damaged_archive_is_kept_and_goes_on_after_its_good_lines() {
    let world = taken();
    let token = world.token().unwrap();
    let damaged = world.text(ARCHIVE) + "rubbish\n";
    world.put(ARCHIVE, &damaged);
    assert_eq!(world.take_over("c").unwrap_err().code(), Code::StoreCorrupt);
    let repaired = mend(&world).unwrap();
    assert_eq!(deeds(&repaired), [Deed::ArchiveKept, Deed::ArchiveMended]);
    assert_eq!(world.text(&format!("{ARCHIVE}.broken-1")), damaged);
    assert_eq!(world.token(), Some(token));
    let [.., (_, takeover, _), (_, last, event)] = &world.archived()[..] else {
        panic!("{:?}", world.archived());
    };
    assert_eq!(
        (takeover, last, event.as_str()),
        (&token.0, &token.0, "adopt")
    );
    // The owner is known even to the next repair, and has lost nothing.
    world.put(RECORD, "rubbish");
    mend(&world).unwrap();
    assert_eq!(world.owner().unwrap(), "b");
    assert_eq!(world.token(), Some(token));
    assert!(world.take_over("c").unwrap().token > Some(token));
}

#[test]
fn all_files_at_once() {
    let world = taken();
    let token = world.token();
    world.put(RECORD, "rubbish");
    world.put(FENCE, "rubbish");
    let damaged = world.text(ARCHIVE) + "rubbish\n";
    world.put(ARCHIVE, &damaged);
    world.lock(None);
    let expected = [
        Deed::LockRemoved,
        Deed::RecordKept,
        Deed::SidecarKept,
        Deed::ArchiveKept,
        Deed::ArchiveMended,
        Deed::SidecarRebuilt,
        Deed::RecordRebuilt,
    ];
    assert_eq!(deeds(&mend(&world).unwrap()), expected);
    assert_eq!(world.owner().unwrap(), "b");
    assert!(world.token() > token);
    assert_eq!(deeds(&mend(&world).unwrap()), []);
}

#[test]
fn a_guard_that_is_seen_to_live_is_not_disturbed() {
    let world = taken();
    world.machine.lives(7, true);
    let mode = crate::world::takeover();
    world.claim_as(&guard("c", 7), &mode).unwrap();
    world.put(RECORD, "rubbish");
    let before = tree(world.dir().as_ref());
    let refused = mend(&world).unwrap();
    assert!(refused.living.unwrap().contains("process 7 of the run c"));
    assert_eq!(tree(world.dir().as_ref()), before);
    world.machine.lives(7, false);
    assert!(mend(&world).unwrap().ok());
    assert_eq!(world.owner().unwrap(), "c");
    // What does not touch its claim is done beside it.
    world.machine.lives(7, true);
    world.put(ARCHIVE, "rubbish\n");
    assert_eq!(
        deeds(&mend(&world).unwrap()),
        [Deed::ArchiveKept, Deed::ArchiveMended]
    );
    let resumed = world.claim_as(&guard("c", 7), &Mode::Claim);
    assert!(resumed.unwrap().ok());
}

#[test]
fn a_repair_that_fails_anywhere_loses_nothing_and_the_next_one_finishes_it() {
    every_call_fails(|fs, lay, _| {
        let world = impatient(fs.storage());
        world.claim("a").unwrap();
        let token = world.take_over("b").unwrap().token;
        let broken = [
            (RECORD, "a record"),
            (FENCE, "a sidecar"),
            (ARCHIVE, "an archive\n"),
        ];
        let archived = world.text(ARCHIVE);
        for (name, text) in broken {
            world.put(
                name,
                &format!("{}{text}", if name == ARCHIVE { &archived } else { "" }),
            );
        }
        world.lock(Some("{\"pid\":4242}"));
        lay();
        let result = repair(&world.claims, &target(), &world.now());
        heal(fs);
        if let Err(error) = result {
            let codes = [Code::Io, Code::MetaWriteFailed, Code::StoreCorrupt];
            assert!(codes.contains(&error.code()), "{error:?}");
        }
        let finished = repair(&world.claims, &target(), &world.now()).unwrap();
        assert!(finished.ok());
        let tree = tree(world.dir().as_ref());
        for (_, text) in broken {
            let is_kept = tree.values().any(|bytes| bytes.ends_with(text.as_bytes()));
            assert!(is_kept, "{text} is lost: {:?}", tree.keys());
        }
        assert_eq!(world.owner().unwrap(), "b");
        assert!(world.take_over("c").unwrap().token > token);
        assert!(
            !tree
                .keys()
                .any(|name| name.ends_with(".tmp") || name.ends_with(".lock/"))
        );
    });
}

#[test]
fn of_names_that_are_taken_none_is_overwritten() {
    let world = taken();
    put(
        world.dir().as_ref(),
        &format!("{RECORD}.broken-1"),
        b"older",
    );
    world.put(RECORD, "rubbish");
    let repaired = mend(&world).unwrap();
    assert_eq!(
        repaired.actions[0].path,
        format!("{FOLDER}/{RECORD}.broken-2")
    );
    assert_eq!(world.text(&format!("{RECORD}.broken-1")), "older");
}
