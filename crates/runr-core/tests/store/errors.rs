//! What goes wrong, as its caller sees it.

use std::io::ErrorKind;
use std::time::Duration;

use runr_core::fs::{Fault, Lasting, Lock, MemoryFs, Storage, Wait};
use runr_core::store::{Candidate, RepoId, RunFields, RunStore, resolve, scan_all};
use runr_core::{Code, RunId};
use serde_json::json;

use crate::world::{REPO, World, fails, id, least, now, set};

#[test]
fn run_dir_exists() {
    let world = World::new();
    world.create("gh-17");
    let mut fields = RunFields::default();
    fields.run_id = Some(id("gh-17"));
    let error = fails(
        world.store.create_from(&fields, now(), false),
        Code::RunDirExists,
        &["run_dir"],
    );
    assert_eq!(error.code().exit(), 3);
}

#[test]
fn run_dir_create_failed_names_the_directory_at_fault() {
    for (nth, key) in [(1, "runs_dir"), (5, "run_dir"), (6, "logs_dir")] {
        let world = World::new();
        // data, repos, the repository, runs; then the run and its logs.
        world.fs.fail_call(
            "create_dir",
            nth,
            Fault::Error(ErrorKind::PermissionDenied),
            Lasting::Once,
        );
        let created = world.store.create_from(&RunFields::default(), now(), false);
        fails(created, Code::RunDirCreateFailed, &[key, "cause"]);
    }
}

#[test]
fn meta_write_failed_names_stage_and_whether_it_counts() {
    for (call, stage, committed) in [
        ("write", "write", false),
        ("sync", "sync", false),
        ("rename", "rename", false),
        ("sync_dir", "sync_dir", true),
    ] {
        let world = World::new();
        let run = world.create("gh-17");
        let text = world.text(&run);
        world
            .fs
            .fail_call(call, 1, Fault::Error(ErrorKind::StorageFull), Lasting::Once);
        let updated = world
            .store
            .update_values(&run, &[set("/pr_number", json!(1))]);
        let error = fails(
            updated,
            Code::MetaWriteFailed,
            &["meta_path", "stage", "committed", "cause", "hint"],
        );
        let form = error.to_json();
        let hint = error.hint_text().unwrap();
        assert_eq!(hint.contains("nothing was changed"), !committed, "{hint}");
        assert_eq!(hint.contains("power cut"), committed, "{hint}");
        assert_eq!(
            (form["stage"].as_str(), form["committed"].as_bool()),
            (Some(stage), Some(committed))
        );
        assert_eq!(world.text(&run) != text, committed);
    }
}

#[test]
fn a_missing_worktree_is_found_before_anything_is_made() {
    let world = World::new();
    let mut fields = RunFields::default();
    fields.worktree_path = "/nowhere".into();
    let error = fails(
        world.store.create_from(&fields, now(), true),
        Code::Internal,
        &["step", "worktree_path"],
    );
    assert_eq!(error.to_json()["step"], "WriteMeta");
    assert_eq!(world.data.stores(&world.fs.storage()).unwrap().len(), 0);
}

#[test]
fn run_not_found_from_every_operation_and_nothing_is_created() {
    let world = World::new();
    world.create("gh-17");
    let missing = id("gh-99");
    let details = ["meta_path"];
    fails(world.store.read(&missing), Code::RunNotFound, &details);
    fails(
        world.store.update(&missing, |_| Ok(())),
        Code::RunNotFound,
        &details,
    );
    fails(
        world.store.update_values(&missing, &[]),
        Code::RunNotFound,
        &details,
    );
    fails(
        world.store.append_event(&missing, "x", None, now()),
        Code::RunNotFound,
        &details,
    );
    fails(world.store.events(&missing, 0), Code::RunNotFound, &details);
    assert_eq!(world.store.ids().unwrap(), [id("gh-17")]);
    // A directory without a document.
    let run = id("gh-17");
    world.dir(&run).unlink("meta.json").unwrap();
    fails(world.store.read(&run), Code::RunNotFound, &details);
    fails(
        world.store.update(&run, |_| Ok(())),
        Code::RunNotFound,
        &details,
    );
    assert!(world.store.scan().unwrap()[0].is_broken());
}

#[test]
fn a_corrupt_document_is_refused_with_its_place_and_left_byte_identical() {
    let deep = least(&format!(",\"x\":{}{}", "[".repeat(127), "]".repeat(127)));
    let deepest = least(&format!(
        ",\"x\":{}{}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    ));
    let large = least(&format!(",\"x\":\"{}\"", "y".repeat(4 << 20)));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("not json", b"{not json".to_vec()),
        ("array", b"[]".to_vec()),
        ("nul bytes", vec![0; 512]),
        ("bom", format!("\u{feff}{}", least("")).into()),
        (
            "two documents",
            format!("{}{}", least(""), least("")).into(),
        ),
        ("NaN", least(",\"x\":NaN").into()),
        (
            "future",
            br#"{"schema_version":"9.9","created_at":"x"}"#.to_vec(),
        ),
        ("no version", br#"{"created_at":"x"}"#.to_vec()),
        ("no time", br#"{"schema_version":"1.0"}"#.to_vec()),
        (
            "duplicate",
            least(",\"title\":\"a\",\"title\":\"b\"").into(),
        ),
        (
            "deep duplicate",
            least(",\"x\":[{\"a\":1,\"\\u0061\":2}]").into(),
        ),
        ("wrong type", least(",\"title\":1").into()),
        ("fraction", least(",\"pr_number\":1.0").into()),
        ("other run", least(",\"run_id\":\"gh-18\"").into()),
        (
            "other repository",
            least(",\"repo_id\":\"0000000000000000\"").into(),
        ),
        ("utf-8", [least("").as_bytes(), b"\xff"].concat()),
        ("deep", deep.into()),
        ("deepest", deepest.into()),
        ("large", large.into()),
    ];
    for (what, bytes) in cases {
        let world = World::new();
        let run = world.write("gh-17", &bytes);
        let error = fails(
            world.store.read(&run),
            Code::StoreCorrupt,
            &["path", "cause"],
        );
        assert_eq!(
            error.path(),
            Some(world.store.paths(&run).meta_path.as_path())
        );
        let form = error.to_json();
        if ["not json", "NaN", "deep", "duplicate", "wrong type"].contains(&what) {
            assert!(
                form["offset"].is_u64() && form["line"].is_u64(),
                "{what}: {form}"
            );
        }
        if what == "future" {
            assert_eq!(form["schema_version"], "9.9");
        }
        fails(
            world.store.update(&run, |_| Ok(())),
            Code::StoreCorrupt,
            &["path", "cause"],
        );
        let record = &world.store.scan().unwrap()[0];
        assert!(record.is_broken(), "{what}");
        assert_eq!(world.bytes(&run), bytes, "{what}");
    }
}

#[test]
fn a_broken_run_resolves_by_id_and_cannot_be_used() {
    let world = World::new();
    world.write("20260110120000-a3f2", b"{");
    let records = world.store.scan().unwrap();
    let candidates: Vec<_> = records.iter().map(Candidate::from).collect();
    let found = resolve("20260110", &candidates, None).unwrap();
    let details = ["run_id", "repo_id", "meta_path", "hint"];
    let error = fails(records[found].usable(), Code::RunBroken, &details);
    assert_eq!(error.to_json()["repo_id"], REPO);
}

#[test]
fn ambiguous_and_missing_references_have_codes_of_their_own() {
    let world = World::new();
    fails(resolve("latest", &[], None), Code::NoRuns, &[]);
    world.create("20260110120000-a3f2");
    world.create("20260110120000-a3ff");
    let records = world.store.scan().unwrap();
    let candidates: Vec<_> = records.iter().map(Candidate::from).collect();
    fails(
        resolve("20260110", &candidates, None),
        Code::RunIdAmbiguous,
        &["input", "candidates"],
    );
    fails(
        resolve("zzzz", &candidates, None),
        Code::RunNotFound,
        &["input"],
    );
    fails(resolve(" \t", &candidates, None), Code::Usage, &[]);
}

#[test]
fn a_held_lock_times_out_and_names_its_file() {
    let world = World::new();
    let run = world.create("gh-17");
    let dir = world.store.run_dir(&run);
    let storage: Storage = world.fs.storage();
    let (locked, wait_for_it) = std::sync::mpsc::channel();
    let (done, wait_for_end) = std::sync::mpsc::channel::<()>();
    let holder = std::thread::spawn(move || {
        let _guard = Lock::acquire(&storage, &dir, ".lock", Wait::No).unwrap();
        locked.send(()).unwrap();
        let _ = wait_for_end.recv();
    });
    wait_for_it.recv().unwrap();
    let store = world
        .store
        .clone()
        .wait(Wait::UpTo(Duration::from_millis(60)));
    let details = ["lock_path", "waited_ms"];
    let error = fails(store.update(&run, |_| Ok(())), Code::LockTimeout, &details);
    assert!(error.is_retryable());
    fails(
        store.append_event(&run, "x", None, now()),
        Code::LockTimeout,
        &details,
    );
    store.read(&run).unwrap();
    done.send(()).unwrap();
    holder.join().unwrap();
}

#[test]
fn bad_ids_never_reach_a_path() {
    for bad in [
        "..",
        "/abs",
        "a/../../b",
        "a\0",
        "a\n",
        "-rf",
        "con",
        &"x".repeat(300),
    ] {
        let run = fails(RunId::parse(bad), Code::InvalidId, &["field", "value"]);
        assert_eq!(run.to_json()["field"], "run_id");
        let repo = fails(RepoId::parse(bad), Code::InvalidId, &["field", "value"]);
        assert_eq!(repo.to_json()["field"], "repo_id");
    }
}

#[test]
fn a_listing_that_fails_is_an_io_error_and_a_warning_among_several() {
    let world = World::new();
    world.create("gh-17");
    world.fs.fail_call(
        "list",
        1,
        Fault::Error(ErrorKind::PermissionDenied),
        Lasting::Once,
    );
    fails(world.store.scan(), Code::Io, &["path", "operation"]);
    let stores = world.data.stores(&world.fs.storage()).unwrap();
    world.fs.fail_call(
        "list",
        1,
        Fault::Error(ErrorKind::PermissionDenied),
        Lasting::Once,
    );
    let (records, warnings) = scan_all(&stores);
    assert_eq!((records.len(), warnings.len()), (0, 1));
}

#[test]
fn a_failed_event_is_not_called_a_meta_json() {
    let world = World::new();
    let run = world.create("gh-17");
    world.fs.fail_call(
        "write",
        1,
        Fault::Error(ErrorKind::StorageFull),
        Lasting::Once,
    );
    let appended = world.store.append_event(&run, "stop", None, now());
    let error = fails(appended, Code::MetaWriteFailed, &["stage", "hint"]);
    let events = world.store.run_dir(&run).join("events.jsonl");
    assert_eq!(error.path(), Some(events.as_path()));
    assert!(!error.context().contains_key("meta_path"), "{error:?}");
}

#[test]
fn a_missing_run_hints_at_the_list_of_its_store() {
    let storage: Storage = MemoryFs::new().into();
    for (root, hint) in [
        ("/data/repos/r1/runs", "runr store ls"),
        ("/shop/.runr/runs", "runr status --all"),
        ("/elsewhere", "runr store ls --runs /elsewhere"),
    ] {
        let store = RunStore::open(storage.clone(), root);
        let error = fails(store.read(&id("gh-17")), Code::RunNotFound, &["meta_path"]);
        assert_eq!(error.hint_text(), Some(hint));
        assert_eq!(error.to_string(), "run not found: gh-17");
    }
}
