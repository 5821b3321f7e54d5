use super::*;
use crate::fs::{Durability, Fault, FaultFs, Lasting, MemoryFs, Open, create_dirs, real};
use crate::store::create::{Unpublished, publish};
use crate::store::model::NewRun;
use crate::time::Timestamp;

fn now() -> Timestamp {
    "2026-02-03T04:05:06.789Z".parse().unwrap()
}

fn run(id: &RunId) -> NewRun {
    NewRun {
        run_id: id.clone(),
        repo_id: "abcd1234ef567890".into(),
        title: "Improve search".into(),
        runner: "claude".into(),
        runner_cmd: "claude --verbose".into(),
        parent_branch: "main".into(),
        branch: "runr/improve-search".into(),
        worktree_path: "/w".into(),
        created_at: now(),
    }
}

fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

/// A store in memory, and the file system under it.
fn store() -> (RunStore, FaultFs) {
    let fs = FaultFs::new(MemoryFs::new().into());
    (RunStore::open(fs.storage(), "/runs"), fs)
}

#[test]
fn a_created_run_is_read_back() {
    let (store, _) = store();
    let paths = store.create(&run(&id("gh-17")), false).unwrap();
    assert_eq!(paths.meta_path, "/runs/gh-17/meta.json");
    let meta = store.read(&id("gh-17")).unwrap();
    assert_eq!(meta.created_at, "2026-02-03T04:05:06Z");
    assert_eq!(meta.worktree_path, "/w");
    assert_eq!(store.ids().unwrap(), [id("gh-17")]);
}

#[test]
fn the_first_run_costs_three_flushes_and_one_per_parent_and_the_next_three() {
    let (_, fs) = store();
    let store = RunStore::open(fs.storage(), "/a/b/runs");
    store.create(&run(&id("one")), false).unwrap();
    assert_eq!(FaultFs::flushes(&fs.take_calls()), 3 + 3);
    store.create(&run(&id("two")), false).unwrap();
    let calls = fs.take_calls();
    assert_eq!(FaultFs::flushes(&calls), 3);
    let expected = [
        "open_dir",
        "stat",
        "create_dir",
        "open_dir",
        "create_dir",
        "open",
        "write",
        "sync",
        "close",
        "sync_dir",
        "close_dir",
        "rename_no_replace",
        "sync_dir",
        "close_dir",
    ];
    assert_eq!(calls, expected);
}

#[test]
fn a_taken_name_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(directory.path()).unwrap();
    let store = RunStore::open(real(), root);
    std::fs::write(root.join("file"), "mine").unwrap();
    std::fs::create_dir(root.join("empty")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", root.join("dangling")).unwrap();
    for name in ["file", "empty", "dangling"] {
        if cfg!(not(unix)) && name == "dangling" {
            continue;
        }
        let error = store.create(&run(&id(name)), false).unwrap_err();
        assert_eq!(error.code(), Code::RunDirExists, "{name}");
        assert_eq!(error.to_json()["run_dir"], root.join(name).as_str());
    }
    assert_eq!(std::fs::read_to_string(root.join("file")).unwrap(), "mine");
    let names = std::fs::read_dir(root).unwrap().count();
    assert_eq!(names, if cfg!(unix) { 3 } else { 2 });
}

#[test]
fn a_name_taken_in_the_last_moment_is_found_by_the_rename() {
    let (store, fs) = store();
    store.create(&run(&id("gh-17")), false).unwrap();
    // The look beforehand is made blind: it is the rename that must refuse.
    let root = fs.storage().open_dir("/runs".into()).unwrap();
    let paths = store.paths(&id("gh-17"));
    let refused = publish(
        root.as_ref(),
        ".gh-17-0.tmp",
        &paths,
        "{}",
        Modes::REPOSITORY,
    );
    let Err(Unpublished::Error(error)) = refused else {
        panic!("published");
    };
    assert_eq!(error.code(), Code::RunDirExists);
    assert_eq!(root.list().unwrap().len(), 1);
    store.read(&id("gh-17")).unwrap();
}

#[test]
fn without_such_a_rename_the_run_is_made_in_place() {
    let (store, fs) = store();
    let unsupported = Fault::Error(io::ErrorKind::Unsupported);
    fs.fail_call("rename_no_replace", 1, unsupported, Lasting::FromThenOn);
    store.create(&run(&id("gh-17")), false).unwrap();
    store.read(&id("gh-17")).unwrap();
    let again = store.create(&run(&id("gh-17")), false).unwrap_err();
    assert_eq!(again.code(), Code::RunDirExists);
    assert!(fs.heal());
    let root = fs.storage().open_dir("/runs".into()).unwrap();
    assert_eq!(root.list().unwrap().len(), 1);
}

#[test]
fn a_harness_run_moves_to_the_next_free_second() {
    let (store, _) = store();
    let ids: Vec<_> = (0..3)
        .map(|_| store.create_harness_run(now(), run).unwrap().run_id)
        .collect();
    let expected = ["20260203040506", "20260203040507", "20260203040508"];
    assert_eq!(ids, expected.map(id));
}

#[test]
fn threads_that_start_runs_in_one_second_get_one_each() {
    let directory = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(directory.path()).unwrap();
    let store = RunStore::open(real(), root.join("runs"));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| store.create_harness_run(now(), run).unwrap());
        }
    });
    let ids = store.ids().unwrap();
    assert_eq!(ids.len(), 8);
    for id in ids {
        store.read(&id).unwrap();
    }
    assert_eq!(std::fs::read_dir(root.join("runs")).unwrap().count(), 8);
}

#[test]
fn a_missing_worktree_stops_the_creation_before_anything_is_made() {
    let (store, fs) = store();
    let error = store.create(&run(&id("gh-17")), true).unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    let json = error.to_json();
    assert_eq!(
        (&json["step"], &json["worktree_path"]),
        (&"WriteMeta".into(), &"/w".into())
    );
    assert!(fs.storage().open_dir("/runs".into()).is_err());

    let root = fs.storage().open_dir("/".into()).unwrap();
    drop(root.open("w", Open::CreateNew(0o600)).unwrap());
    assert!(store.create(&run(&id("gh-17")), true).is_err());
    root.unlink("w").unwrap();
    root.create_dir("w", 0o755).unwrap();
    store.create(&run(&id("gh-17")), true).unwrap();
}

#[test]
fn what_is_not_there_is_not_found() {
    let (store, _) = store();
    assert_eq!(store.ids().unwrap(), []);
    assert!(!store.exists(&id("gh-17")).unwrap());
    let error = store.read(&id("gh-17")).unwrap_err();
    assert_eq!(error.code(), Code::RunNotFound);
    assert_eq!(error.to_string(), "run not found: gh-17");
}

#[test]
fn a_broken_document_is_reported_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(directory.path()).unwrap();
    let store = RunStore::open(real(), root);
    let cases: [&[u8]; 5] = [b"", b"{", b"\xff", b"{}", &[b' '; (4 << 20) + 1]];
    for (i, bytes) in cases.into_iter().enumerate() {
        let id = id(&format!("run-{i}"));
        let path = store.create(&run(&id), false).unwrap().meta_path;
        std::fs::write(&path, bytes).unwrap();
        let error = store.read(&id).unwrap_err();
        assert_eq!(error.code(), Code::StoreCorrupt, "case {i}");
        assert_eq!(error.path(), Some(path.as_path()));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    let path = store.create(&run(&id("dir")), false).unwrap().meta_path;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        store.read(&id("dir")).unwrap_err().code(),
        Code::RunNotFound
    );
    std::fs::create_dir(&path).unwrap();
    assert_eq!(
        store.read(&id("dir")).unwrap_err().code(),
        Code::StoreCorrupt
    );
}

#[test]
fn only_directories_with_valid_ids_are_runs() {
    let (store, fs) = store();
    store.create(&run(&id("b")), false).unwrap();
    store.create(&run(&id("a")), false).unwrap();
    let root = fs.storage().open_dir("/runs".into()).unwrap();
    root.create_dir(".c-0123.tmp", 0o777).unwrap();
    root.create_dir("no valid id", 0o777).unwrap();
    drop(root.open("file", Open::CreateNew(0o600)).unwrap());
    assert_eq!(store.ids().unwrap(), [id("a"), id("b")]);
    assert!(store.exists(&id("file")).unwrap());
}

#[test]
fn the_repository_is_compared_where_the_path_names_it() {
    let fs: Storage = MemoryFs::new().into();
    let place = Utf8Path::new("/data/repos/0000000000000000/runs/a");
    create_dirs(&fs, place, 0o700, Durability::None).unwrap();
    let text = crate::store::meta_text(&run(&id("a")));
    let foreign = Document::new(Storage::clone(&fs), place, META);
    foreign.create(&text).unwrap();
    let other = RunStore::open(Storage::clone(&fs), place.parent().unwrap());
    assert_eq!(other.read(&id("a")).unwrap_err().code(), Code::StoreCorrupt);
    let right = RunStore::open(fs, "/data/repos/abcd1234ef567890/runs");
    right.create(&run(&id("a")), false).unwrap();
    right.read(&id("a")).unwrap();
}

#[test]
fn names_of_unfinished_directories_come_from_the_given_source() {
    #[derive(Debug)]
    struct Fixed;
    impl Suffixes for Fixed {
        fn next(&self) -> Result<u64> {
            Ok(0xabc)
        }
    }
    let (store, fs) = store();
    let store = store.with_suffixes(Arc::new(Fixed));
    let root = create_dirs(&fs.storage(), "/runs".into(), 0o777, Durability::None).unwrap();
    root.create_dir(".gh-17-0000000000000abc.tmp", 0o777)
        .unwrap();
    let error = store.create(&run(&id("gh-17")), false).unwrap_err();
    assert_eq!(error.code(), Code::RunDirCreateFailed);
}

#[cfg(unix)]
#[test]
fn documents_and_logs_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(directory.path()).unwrap();
    let store = RunStore::open(real(), root.join(".runr/runs"));
    let paths = store.create(&run(&id("gh-17")), false).unwrap();
    let mode = |path: &Utf8Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&paths.meta_path), 0o600);
    assert_eq!(mode(&paths.logs_dir), 0o700);
}
