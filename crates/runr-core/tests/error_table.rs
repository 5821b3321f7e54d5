//! The table of errors of the store, row by row: each is provoked through the public face and must
//! come with its exit status, its details and, where there is a way out, a hint.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

#[allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part of this module"
)]
#[path = "store/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;

use runr_core::fs::{Fault, Lasting, Wait};
use runr_core::store::{Candidate, Holder, RepoId, RunFields, RunMeta, RunStore, resolve};
use runr_core::{Code, Error, RunId};
use serde_json::json;

use world::{World, id, least, now, put, set};

/// How one error comes about, and what it must say.
struct Row {
    code: Code,
    exit: u8,
    what: &'static str,
    details: &'static [&'static str],
    hint: bool,
    provoke: fn(&World) -> Error,
}

macro_rules! rows {
    ($($code:ident $exit:literal $what:literal [$($detail:ident)*] $hint:tt $provoke:expr;)*) => {
        fn rows() -> Vec<Row> {
            vec![$(Row {
                code: Code::$code,
                exit: $exit,
                what: $what,
                details: &[$(stringify!($detail)),*],
                hint: stringify!($hint) == "hint",
                provoke: $provoke,
            }),*]
        }
    };
}

rows! {
    RunDirExists 3 "a taken name" [run_dir] - |world| {
        world.create("gh-17");
        create(world, Some("gh-17"))
    };
    RunDirCreateFailed 1 "no parents" [runs_dir cause] - |world| {
        fail(world, "create_dir", 1);
        create(world, None)
    };
    RunDirCreateFailed 1 "no run" [run_dir cause] - |world| {
        fail(world, "create_dir", 5);
        create(world, None)
    };
    RunDirCreateFailed 1 "no logs" [logs_dir cause] - |world| {
        fail(world, "create_dir", 6);
        create(world, None)
    };
    MetaWriteFailed 1 "a new document" [meta_path stage committed cause] - |world| {
        fail(world, "write", 1);
        create(world, None)
    };
    MetaWriteFailed 1 "the list of runs" [meta_path stage committed cause] - |world| {
        world.create("gh-16");
        fail(world, "sync_dir", 2);
        create(world, None)
    };
    MetaWriteFailed 1 "an update" [meta_path stage committed cause] - |world| {
        let run = world.create("gh-17");
        fail(world, "sync", 1);
        set_field(world, &run, "/x", "1")
    };
    MetaWriteFailed 1 "an update over the limit" [meta_path stage committed cause] - |world| {
        let run = world.create("gh-17");
        let grow = |meta: &mut RunMeta| {
            meta.title = "x".repeat(4 << 20);
            Ok(())
        };
        world.store.update(&run, grow).unwrap_err()
    };
    MetaWriteFailed 1 "an event" [path stage committed cause] hint |world| {
        let run = world.create("gh-17");
        fail(world, "write", 1);
        append(world, &run)
    };
    Internal 1 "a missing worktree" [step worktree_path] - |world| create_in(world, "/nowhere");
    Internal 1 "a worktree that is a file" [step worktree_path] - |world| {
        let root = world.fs.storage().open_dir("/".into()).unwrap();
        put(root.as_ref(), "file", b"");
        create_in(world, "/file")
    };
    Internal 1 "a worktree nobody may look at" [step worktree_path] - |world| {
        fail(world, "stat", 1);
        create_in(world, "/")
    };
    RunNotFound 4 "read" [meta_path] hint |world| world.store.read(&id("a")).unwrap_err();
    RunNotFound 4 "update" [meta_path] hint |world| set_field(world, &id("a"), "/x", "1");
    RunNotFound 4 "events" [meta_path] hint |world| world.store.events(&id("a"), 0).unwrap_err();
    RunNotFound 4 "append" [meta_path] hint |world| append(world, &id("a"));
    RunNotFound 4 "resolve" [input] - |world| resolved(world, "gh-17");
    NoRuns 4 "the latest of none" [] hint |world| resolved(world, "latest");
    StoreCorrupt 1 "no JSON" [path offset line cause] hint |world| {
        let run = world.write("gh-17", b"{\"schema_version\" 1}");
        world.store.read(&run).unwrap_err()
    };
    StoreCorrupt 1 "a later version" [path schema_version cause] hint |world| {
        let run = world.write("gh-17", br#"{"schema_version":"2.0","created_at":"x"}"#);
        set_field(world, &run, "/x", "1")
    };
    StoreCorrupt 1 "an empty document" [path offset cause] hint |world| {
        let run = world.write("gh-17", b"");
        world.store.read(&run).unwrap_err()
    };
    StoreCorrupt 1 "a document of zeros" [path offset cause] hint |world| {
        let run = world.write("gh-17", &[0; 512]);
        world.store.read(&run).unwrap_err()
    };
    StoreCorrupt 1 "a document over the limit" [path limit cause] hint |world| {
        let run = world.write("gh-17", &vec![b' '; (4 << 20) + 1]);
        world.store.read(&run).unwrap_err()
    };
    StoreCorrupt 1 "a line that is no event" [path offset line cause] hint |world| {
        let run = world.create("gh-17");
        put(world.dir(&run).as_ref(), "events.jsonl", b"{}\nnonsense\n");
        world.store.events(&run, 0).unwrap_err()
    };
    StoreCorrupt 1 "a last line that is no event" [path offset cause] hint |world| {
        let run = world.create("gh-17");
        put(world.dir(&run).as_ref(), "events.jsonl", b"{}\nnonsense\n");
        append(world, &run)
    };
    RunBroken 1 "a document that is needed" [run_id repo_id meta_path] hint |world| {
        world.write("gh-17", b"{");
        world.store.scan().unwrap()[0].usable().unwrap_err()
    };
    RunIdAmbiguous 2 "a prefix of two" [input candidates] hint |world| {
        world.create("20260110120000-a3f2");
        world.create("20260110120000-a3ff");
        resolved(world, "20260110")
    };
    RunRefAmbiguous 2 "a name of two" [input candidates] hint |world| {
        let named = least(r#","name":"fix""#);
        world.write("gh-17", named.as_bytes());
        world.write("gh-18", named.as_bytes());
        resolved(world, "fix")
    };
    RunRefAmbiguous 2 "a taken name" [input candidates] hint |world| {
        world.write("gh-17", least(r#","name":"fix""#).as_bytes());
        let other = world.create("gh-18");
        set_field(world, &other, "/name", "fix")
    };
    LockTimeout 1 "the lock of a run" [lock_path waited_ms] hint |world| {
        let run = world.create("gh-17");
        let impatient = world.store.clone().wait(Wait::No);
        let mut refused = None;
        let update = || impatient.update(&run, |_| Ok(())).unwrap_err();
        world.store.update(&run, |_| {
            refused = std::thread::scope(|scope| scope.spawn(update).join()).ok();
            Ok(())
        }).unwrap();
        refused.unwrap()
    };
    LockTimeout 1 "the lock of a repository" [lock_path waited_ms holder] hint |world| {
        let take = || {
            let holder = Holder::new(1, "here", now(), "push");
            world.store.lock_repository(&holder, Duration::from_millis(20), &|_| true)
        };
        let _guard = take().unwrap();
        std::thread::scope(|scope| scope.spawn(take).join()).unwrap().unwrap_err()
    };
    LockTimeout 1 "a lock of another program" [lock_path waited_ms holder] hint |world| {
        world.create("gh-17");
        let repo = world.fs.storage().open_dir("/data/repos/abcd1234ef567890".into()).unwrap();
        put(repo.as_ref(), ".lock", br#"{"pid":77,"created_at":"x","cmd":"merge"}"#);
        let holder = Holder::new(1, "here", now(), "push");
        world.store.lock_repository(&holder, Duration::ZERO, &|_| true).unwrap_err()
    };
    InvalidId 2 "a run id" [field value] - |_| RunId::parse("..").unwrap_err();
    InvalidId 2 "a repository id" [field value] - |_| RepoId::parse("a/b").unwrap_err();
    InvalidId 2 "a name" [field value] - |world| {
        let run = world.create("gh-17");
        set_field(world, &run, "/name", "Fix It")
    };
    Io 1 "a list" [path operation cause] - |world| {
        world.create("gh-17");
        fail(world, "list", 1);
        world.store.scan().unwrap_err()
    };
    Io 1 "events" [path operation cause] - |world| {
        let run = world.create("gh-17");
        fail(world, "open", 1);
        world.store.events(&run, 0).unwrap_err()
    };
    Io 1 "a lock file" [path operation cause] - |world| {
        let run = world.create("gh-17");
        fail(world, "open_lock", 1);
        append(world, &run)
    };
    Usage 2 "a blank reference" [] - |world| resolved(world, " ");
    Usage 2 "a field that never changes" [field] - |world| {
        let run = world.create("gh-17");
        set_field(world, &run, "/run_id", "gh-18")
    };
    Usage 2 "a run of another repository" [field] - |world| {
        let mut fields = RunFields::default();
        fields.repo_id = Some("0000000000000000".into());
        world.store.create_from(&fields, now(), false).unwrap_err()
    };
}

/// Rows that need git and a working tree: `store_errors` of the black-box tests provokes them.
const BY_THE_HARNESS: &[Code] = &[Code::TreeBusy, Code::WorktreeMissing, Code::NotARepo];

/// Codes of the other parts. A new code belongs here, above, or into a row.
#[rustfmt::skip]
const OF_OTHER_PARTS: &[Code] = &[
    Code::TargetInvalid, Code::ConfigInvalid, Code::TaskInvalid, Code::ConfigNotFound,
    Code::TaskNotFound, Code::WorkerNotFound, Code::OrchNotFound, Code::NoOrch, Code::RunActive,
    Code::ConfigExists, Code::WorktreeDirty, Code::Unverified, Code::GuardViolation,
    Code::Fingerprint, Code::GitTooOld, Code::CallLate, Code::Untrusted, Code::OwnershipLost,
    Code::MetaShape, Code::IndexVersion, Code::RunPath, Code::RecordSchema,
    Code::RecordTargetMismatch,
];

fn create(world: &World, run_id: Option<&str>) -> Error {
    let mut fields = RunFields::default();
    fields.run_id = run_id.map(id);
    world.store.create_from(&fields, now(), false).unwrap_err()
}

fn create_in(world: &World, worktree: &str) -> Error {
    let mut fields = RunFields::default();
    fields.worktree_path = worktree.into();
    world.store.create_from(&fields, now(), true).unwrap_err()
}

fn set_field(world: &World, run: &RunId, path: &str, value: &str) -> Error {
    let changes = [set(path, json!(value))];
    world.store.update_values(run, &changes).unwrap_err()
}

fn append(world: &World, run: &RunId) -> Error {
    world.store.append_event(run, "x", None, now()).unwrap_err()
}

fn resolved(world: &World, reference: &str) -> Error {
    let records = world.store.scan().unwrap();
    let candidates: Vec<_> = records.iter().map(Candidate::from).collect();
    resolve(reference, &candidates, None).unwrap_err()
}

/// Lets the nth of these calls from now on fail.
fn fail(world: &World, call: &'static str, nth: usize) {
    let denied = Fault::Error(ErrorKind::PermissionDenied);
    world.fs.fail_call(call, nth, denied, Lasting::Once);
}

#[test]
fn every_row_comes_with_its_exit_status_its_details_and_its_hint() {
    let mut wrong = Vec::new();
    for row in rows() {
        let error = (row.provoke)(&World::new());
        let form = error.to_json();
        let missing = |key: &&&str| form[**key].is_null();
        let told = [
            error.code() == row.code && error.code().exit() == row.exit,
            !row.details.iter().any(|key| missing(&key)),
            !row.hint || form["hint"].is_string(),
            !error.to_string().is_empty() && !error.to_string().contains('\n'),
        ];
        if told.contains(&false) {
            wrong.push(format!("{} ({}): {form}", row.code, row.what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_code_of_the_store_is_without_a_row() {
    let names = |codes: &[Code]| -> BTreeSet<&str> { codes.iter().map(|it| it.as_str()).collect() };
    let rows = names(&rows().iter().map(|row| row.code).collect::<Vec<_>>());
    let elsewhere = names(&[BY_THE_HARNESS, OF_OTHER_PARTS].concat());
    assert!(rows.is_disjoint(&elsewhere));
    let known: BTreeSet<_> = rows.union(&elsewhere).copied().collect();
    assert_eq!(known, names(Code::ALL));
}

#[test]
fn what_a_detail_says_is_what_went_wrong() {
    let world = World::new();
    world.create("gh-17");
    let taken = create(&world, Some("gh-17")).to_json();
    assert_eq!(taken["run_dir"], "/data/repos/abcd1234ef567890/runs/gh-17");
    let missing = world.store.read(&id("gh-18")).unwrap_err().to_json();
    assert_eq!(
        missing["meta_path"],
        "/data/repos/abcd1234ef567890/runs/gh-18/meta.json"
    );
    fail(&world, "list", 1);
    let denied = world.store.scan().unwrap_err();
    let cause = denied.io_source().unwrap().to_string();
    assert_eq!(denied.to_json()["cause"], cause);
    let two = ["gh-1777", "gh-1778"].map(|run| world.create(run));
    let ambiguous = resolved(&world, "gh-177");
    for (index, run) in two.iter().enumerate() {
        assert!(ambiguous.to_string().contains(run.as_str()), "{ambiguous}");
        let candidates = &ambiguous.to_json()["candidates"];
        assert_eq!(candidates[index]["run_id"], run.as_str());
    }
}

#[test]
fn a_run_of_another_repository_is_refused_before_anything_is_made() {
    let world = World::new();
    let mut fields = RunFields::default();
    fields.repo_id = Some(world::REPO.into());
    let other = RepoId::parse("r1").unwrap();
    let other = RunStore::data(world.fs.storage(), &world.data, &other);
    other.create_from(&fields, now(), false).unwrap_err();
    assert!(world.data.stores(&world.fs.storage()).unwrap().is_empty());
    world.store.create_from(&fields, now(), false).unwrap();
}
