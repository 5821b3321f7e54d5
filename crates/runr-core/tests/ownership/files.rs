//! Where claims stand, and what their files say.

use runr_core::Code;
use runr_core::fs::{Durability, FaultFs, MemoryFs, Storage};
use runr_core::json::Written;
use runr_core::ownership::{
    Archived, ArchivedKind, Change, ClaimStore, HistoryEvent, Place, Snapshot, Status, Swap,
    Target, Token, Verdict, assert_owner, record_text,
};

use crate::world::{
    ARCHIVE, FENCE, FOLDER, LOCK, RECORD, World, names, plain, put, real_world, target,
};

fn memory() -> World {
    World::new(MemoryFs::new().into())
}

fn verdict(outcome: runr_core::Result<runr_core::ownership::Outcome>) -> Verdict {
    outcome.unwrap().verdict
}

#[test]
fn each_kind_of_target_has_its_own_files() {
    let claims = memory().claims;
    let path = |text: &str| claims.path(&Target::parse(text).unwrap());
    assert_eq!(path("Acme/Shop#17"), format!("{FOLDER}/pr-17.json"));
    assert_eq!(
        path("acme/shop@feature/x"),
        format!("{FOLDER}/branch-feature%2Fx.json")
    );
    let issue = Target::issue("acme/shop", 17).unwrap();
    assert_eq!(claims.path(&issue), format!("{FOLDER}/issue-17.json"));
}

#[test]
fn a_claim_leaves_record_sidecar_archive_and_the_kernels_lock() {
    let world = memory();
    let outcome = world.claim("a").unwrap();
    let lock = format!("{RECORD}.oslock");
    assert_eq!(world.names(), [FENCE, ARCHIVE, RECORD, &lock]);
    assert_eq!(world.text(RECORD), record_text(&outcome.record.unwrap()));
    let fence: serde_json::Value = serde_json::from_str(&world.text(FENCE)).unwrap();
    assert_eq!(fence["token"], outcome.token.unwrap().0);
    assert_eq!(fence["holder"]["runId"], "a");
    assert_eq!(
        world.text(ARCHIVE),
        format!(
            "{{\"token\":{},\"kind\":\"change\",\"event\":{{\"type\":\"claim\",\"runId\":\"a\",\
             \"at\":\"2026-02-02T02:40:00.000Z\"}},\"seq\":1}}\n",
            outcome.token.unwrap()
        )
    );
}

#[test]
fn a_life_of_a_claim() {
    let world = memory();
    assert_eq!(verdict(world.claim("a")), Verdict::Done(Status::ClaimedNew));
    assert_eq!(verdict(world.claim("a")), Verdict::Done(Status::Refreshed));
    assert!(!world.claim("b").unwrap().ok());
    assert_eq!(world.owner().unwrap(), "a");
    assert_eq!(
        verdict(world.take_over("b")),
        Verdict::Done(Status::TakenOver)
    );
    assert!(!world.release("a").unwrap().ok());
    assert_eq!(verdict(world.release("b")), Verdict::Done(Status::Released));
    assert_eq!(world.owner(), None);
    let events: Vec<_> = world
        .archived()
        .into_iter()
        .map(|(_, _, event)| event)
        .collect();
    assert_eq!(events, ["claim", "takeover", "release"]);
}

#[test]
fn a_look_makes_nothing_and_a_release_of_nothing_only_the_folder() {
    let world = memory();
    assert_eq!(world.owner(), None);
    assert_eq!(
        world.claims.load(&target()).unwrap(),
        Snapshot::of_record(None)
    );
    let assert = |required| assert_owner(&world.claims, &target(), &plain("a"), required);
    assert!(assert(false).unwrap().ok());
    assert!(!assert(true).unwrap().ok());
    assert!(names(world.storage.open_dir("/".into()).unwrap().as_ref()).is_empty());
    assert_eq!(
        verdict(world.release("a")),
        Verdict::Done(Status::ReleaseNoop)
    );
    assert_eq!(world.names(), [format!("{RECORD}.oslock")]);
}

#[test]
fn a_file_of_the_callers_choice_has_its_kin_beside_it() {
    let world = memory().with(|claims| claims.file("/state/own.json"));
    world.claim("a").unwrap();
    assert_eq!(world.claims.location(&target()), "/state/own.json");
    let kin = [
        "own.fence.json",
        "own.history.jsonl",
        "own.json",
        "own.json.oslock",
    ];
    assert_eq!(world.names(), kin);
    let bare = world.with(|claims| claims.file("/state/claim"));
    bare.claim("a").unwrap();
    let kin = [
        "claim",
        "claim.fence.json",
        "claim.history.jsonl",
        "claim.oslock",
    ];
    assert_eq!(bare.names()[..4], kin);
}

#[test]
fn a_record_that_is_ours_alone_needs_no_lock_directory() {
    let place = Place::of("/orch/owner.json").locked_by(".lock");
    assert_eq!(place.lock_directory(), None);
    let fs = FaultFs::new(MemoryFs::new().into());
    let world = World::new(fs.storage()).with(|claims| claims.place(place));
    world.claim("a").unwrap();
    assert!(!fs.take_calls().contains(&"rename_no_replace"));
    let kin = [
        ".lock",
        "owner.fence.json",
        "owner.history.jsonl",
        "owner.json",
    ];
    assert_eq!(world.names(), kin);
}

#[test]
fn a_foreign_record_is_adopted_under_a_token_of_its_own() {
    let world = memory();
    world.claim("a").unwrap();
    let before = world.token().unwrap();
    let text = world.text(RECORD).replace("\"a\"", "\"stranger\"");
    world.put(RECORD, &text);
    assert_eq!(world.owner().unwrap(), "stranger");
    let refused = world.claim("b").unwrap();
    assert!(!refused.ok());
    let taken = world.take_over("b").unwrap().token.unwrap();
    assert!(taken > before);
    let events: Vec<_> = world
        .archived()
        .into_iter()
        .map(|(_, _, event)| event)
        .collect();
    assert_eq!(events, ["claim", "adopt", "takeover"]);
}

#[test]
fn a_token_that_is_lost_with_the_sidecar_is_passed_by_the_next_one() {
    let world = memory();
    for run in ["a", "b", "c"] {
        world.take_over(run).unwrap();
    }
    let before = world.token().unwrap();
    for lost in [None, Some("rubbish"), Some("{\"token\":1}"), Some("null")] {
        match lost {
            None => world.dir().unlink(FENCE).unwrap(),
            Some(rubbish) => world.put(FENCE, rubbish),
        }
        let snapshot = world.claims.load(&target()).unwrap();
        assert_eq!((snapshot.fence, snapshot.highest.is_some()), (None, true));
        assert!(world.take_over("d").unwrap().token.unwrap() > before);
    }
}

#[test]
fn a_change_is_stored_only_in_the_state_that_was_read() {
    let world = memory();
    world.claim("a").unwrap();
    let (claims, target) = (&world.claims, target());
    let read = claims.load(&target).unwrap();
    let change = Change {
        archive: Vec::new(),
        fence: None,
        record: read.record.clone().unwrap(),
    };
    world.claim("a").unwrap();
    let late = claims.compare_and_set(&target, &read.version, &change);
    assert_eq!(late.unwrap(), Swap::Conflict);
    let read = claims.load(&target).unwrap();
    let Swap::Stored(version) = claims
        .compare_and_set(&target, &read.version, &change)
        .unwrap()
    else {
        panic!("nobody came first");
    };
    assert_eq!(claims.load(&target).unwrap().version, version);
}

#[test]
fn a_failed_decision_changes_nothing_and_gives_the_locks_back() {
    let world = memory();
    world.claim("a").unwrap();
    let before = world.text(RECORD);
    let failed = world.claims.update(&target(), &mut |_| {
        assert!(world.has_lock());
        // Whoever is under the lock must not ask for it.
        let error = world.claim("a").unwrap_err();
        assert_eq!(error.context()["reentrant"], true);
        Err(error)
    });
    assert_eq!(failed.unwrap_err().code(), Code::LockTimeout);
    assert!(!world.has_lock());
    assert_eq!(world.text(RECORD), before);
    world.claim("a").unwrap();
}

#[test]
fn a_record_that_would_be_too_large_is_refused_before_anything_is_written() {
    let world = memory();
    world.claim("a").unwrap();
    let files = [RECORD, FENCE, ARCHIVE];
    let before = files.map(|name| world.text(name));
    let large = HistoryEvent(Written::parse(&format!("\"{}\"", "x".repeat(3 << 20))).unwrap());
    let stored = world.claims.update(&target(), &mut |snapshot| {
        let mut record = snapshot.record.clone().unwrap();
        record.history.extend([large.clone(), large.clone()]);
        Ok(Some(Change {
            archive: vec![Archived {
                token: Token(1),
                kind: ArchivedKind::Change,
                event: record.history[0].clone(),
            }],
            fence: snapshot.fence.clone(),
            record,
        }))
    });
    let error = stored.unwrap_err();
    assert_eq!(error.code(), Code::MetaWriteFailed);
    assert_eq!(
        (&error.context()["stage"], &error.context()["committed"]),
        (&"limit".into(), &false.into())
    );
    assert_eq!(files.map(|name| world.text(name)), before);
}

#[cfg(unix)]
#[test]
fn the_mode_of_a_record_is_kept() {
    let (_keep, world) = real_world();
    world.claim("a").unwrap();
    let dir = world.dir();
    std::fs::set_permissions(
        world.claims.path(&target()),
        std::os::unix::fs::PermissionsExt::from_mode(0o640),
    )
    .unwrap();
    world.take_over("b").unwrap();
    assert_eq!(dir.stat(RECORD).unwrap().mode, 0o640);
}

#[cfg(unix)]
#[test]
fn below_the_root_no_link_is_followed_and_above_it_every_one() {
    let (keep, world) = real_world();
    let outside = tempfile::tempdir().unwrap();
    let path = keep.path().join("repo");
    std::fs::create_dir(&path).unwrap();
    std::os::unix::fs::symlink(&path, keep.path().join("link")).unwrap();
    let link = camino::Utf8PathBuf::from_path_buf(keep.path().join("link")).unwrap();
    let linked = World::at(Storage::clone(&world.storage), link.clone());
    linked.claim("a").unwrap();
    linked.claim("a").unwrap();
    assert_eq!(linked.owner().unwrap(), "a");

    let trap = keep.path().join("trap");
    std::fs::create_dir(&trap).unwrap();
    std::os::unix::fs::symlink(outside.path(), trap.join(".pi")).unwrap();
    let within = outside.path().join("runner-coordination/acme/shop");
    std::fs::create_dir_all(&within).unwrap();
    let trap = camino::Utf8PathBuf::from_path_buf(trap).unwrap();
    let trapped = World::at(Storage::clone(&world.storage), trap);
    assert_eq!(trapped.claim("a").unwrap_err().code(), Code::Io);
    assert_eq!(std::fs::read_dir(within).unwrap().count(), 0);

    // A file that the caller names is where he says, and so is what is missing of its directory.
    let chosen = world.with(|claims| claims.file(link.join("new/state/own.json")));
    chosen.claim("a").unwrap();
    chosen.claim("a").unwrap();
    assert_eq!(chosen.owner().unwrap(), "a");
    assert!(path.join("new/state/own.json").exists());
    let direct = chosen
        .clone()
        .with(|claims| claims.file(link.join("own.json")));
    direct.claim("b").unwrap();
    assert_eq!(direct.owner().unwrap(), "b");
    assert!(path.join("own.json").exists());
}

#[test]
fn relative_paths_are_taken_from_the_working_directory() {
    // Nothing is written: the paths alone are of interest.
    let world = World::at(MemoryFs::new().into(), ".").with(|claims| claims.file("own.json"));
    assert_eq!(world.claims.path(&target()), "./own.json");
    let world = World::at(MemoryFs::new().into(), "").with(|it| it.durability(Durability::None));
    world.claim("a").unwrap();
    assert_eq!(world.owner().unwrap(), "a");
}

#[test]
fn what_a_dead_writer_left_goes_with_the_next_write() {
    let world = memory();
    world.claim("a").unwrap();
    let dir = world.dir();
    put(dir.as_ref(), &format!(".{RECORD}.tmp"), b"torn");
    put(dir.as_ref(), &format!(".{FENCE}.tmp"), b"torn");
    for left in [format!(".{LOCK}.tmp"), format!(".{LOCK}.gone.tmp")] {
        dir.create_dir(&left, 0o755).unwrap();
        put(dir.open_dir(&left).unwrap().as_ref(), "owner.json", b"{");
    }
    world.take_over("b").unwrap();
    assert!(
        !world.names().iter().any(|name| name.starts_with('.')),
        "{:?}",
        world.names()
    );
}
