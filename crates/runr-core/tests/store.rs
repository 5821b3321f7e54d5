//! The store through its public face: what changes, what stays, and every error it can give.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use camino::Utf8Path;
use runr_core::fs::{Dir, Fault, FaultFs, Lasting, Lock, MemoryFs, Open, Storage, Wait, real};
use runr_core::store::{
    Candidate, DataDir, Holder, MetaOp, RepoId, RunFields, RunMeta, RunStore, Suffixes,
    apply_meta_ops, list_order, resolve, scan_all,
};
use runr_core::{Code, Error, Result, RunId, Timestamp};
use serde_json::{Value, json};

const REPO: &str = "abcd1234ef567890";

fn now() -> Timestamp {
    "2026-01-10T12:00:00.500Z".parse().unwrap()
}

fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

/// Counts from 1.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Suffixes for Counting {
    fn next(&self) -> Result<u64> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

struct World {
    fs: FaultFs,
    data: DataDir,
    store: RunStore,
}

impl World {
    fn new() -> Self {
        let fs = FaultFs::new(MemoryFs::new().into());
        let data = DataDir::new("/data");
        let store = RunStore::data(fs.storage(), &data, &RepoId::parse(REPO).unwrap())
            .with_suffixes(Arc::new(Counting::default()));
        Self { fs, data, store }
    }

    fn create(&self, run_id: &str) -> RunId {
        let mut fields = RunFields::default();
        fields.run_id = Some(id(run_id));
        fields.title = "Improve search".into();
        self.store.create_from(&fields, now(), false).unwrap();
        id(run_id)
    }

    /// A run with this text for a `meta.json`.
    fn write(&self, run_id: &str, text: &[u8]) -> RunId {
        let run = self.create(run_id);
        let dir = self.dir(&run);
        dir.unlink("meta.json").unwrap();
        put(dir.as_ref(), "meta.json", text);
        run
    }

    fn dir(&self, run: &RunId) -> Box<dyn Dir> {
        self.fs
            .storage()
            .open_dir(&self.store.run_dir(run))
            .unwrap()
    }

    fn bytes(&self, run: &RunId) -> Vec<u8> {
        self.dir(run).read("meta.json", 10 << 20).unwrap().bytes
    }

    fn text(&self, run: &RunId) -> String {
        String::from_utf8(self.bytes(run)).unwrap()
    }
}

fn put(dir: &dyn Dir, name: &str, mut bytes: &[u8]) {
    let mut file = dir.open(name, Open::CreateNew(0o644)).unwrap();
    while !bytes.is_empty() {
        let written = file.write(bytes).unwrap();
        bytes = &bytes[written..];
    }
    file.close().unwrap();
}

fn least(rest: &str) -> String {
    format!(r#"{{"schema_version":"1.0","created_at":"2026-01-10T12:00:00Z"{rest}}}"#)
}

fn set(path: &str, value: Value) -> MetaOp {
    MetaOp::Set {
        path: path.into(),
        value,
    }
}

fn unset(path: &str) -> MetaOp {
    MetaOp::Unset { path: path.into() }
}

#[track_caller]
fn fails<T: std::fmt::Debug>(result: Result<T>, code: Code, details: &[&str]) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error:?}");
    let form = error.to_json();
    for key in details {
        assert!(!form[*key].is_null(), "no {key} in {form}");
    }
    error
}

// ----- creating -----

#[test]
fn what_is_not_given_is_generated() {
    let world = World::new();
    let mut fields = RunFields::default();
    fields.title = "Fix the Login".into();
    let paths = world.store.create_from(&fields, now(), false).unwrap();
    assert_eq!(paths.run_id.as_str(), "20260110120000-0001");
    assert_eq!(
        paths.meta_path,
        "/data/repos/abcd1234ef567890/runs/20260110120000-0001/meta.json"
    );
    let meta = world.store.read(&paths.run_id).unwrap();
    assert_eq!(meta.branch, "runr/fix-the-login-0001");
    assert_eq!(meta.repo_id, REPO);
    assert_eq!(meta.created_at, "2026-01-10T12:00:00Z");
}

#[test]
fn a_generated_id_that_is_taken_is_drawn_anew_at_most_eight_times() {
    #[derive(Debug)]
    struct Same;
    impl Suffixes for Same {
        fn next(&self) -> Result<u64> {
            Ok(7)
        }
    }
    let world = World::new();
    // Each attempt draws once for the id and once for the unfinished directory, unless taken.
    for suffix in ["0001", "0002", "0003"] {
        world.create(&format!("20260110120000-{suffix}"));
    }
    let store = RunStore::data(
        world.fs.storage(),
        &world.data,
        &RepoId::parse(REPO).unwrap(),
    );
    let counting = store.clone().with_suffixes(Arc::new(Counting::default()));
    let paths = counting
        .create_from(&RunFields::default(), now(), false)
        .unwrap();
    assert_eq!(paths.run_id.as_str(), "20260110120000-0004");
    let stuck = store.with_suffixes(Arc::new(Same));
    stuck
        .create_from(&RunFields::default(), now(), false)
        .unwrap();
    let error = stuck.create_from(&RunFields::default(), now(), false);
    fails(error, Code::RunDirExists, &["run_dir"]);
}

#[test]
fn everything_in_a_data_directory_is_for_its_owner_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let data = DataDir::new(Utf8Path::from_path(temporary.path()).unwrap().join("data"));
    let store = RunStore::data(real(), &data, &RepoId::parse(REPO).unwrap());
    let mut fields = RunFields::default();
    fields.run_id = Some(id("gh-17"));
    let paths = store.create_from(&fields, now(), false).unwrap();
    store
        .append_event(&id("gh-17"), "cmd_start", None, now())
        .unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = |path: &Utf8Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        let mut dir = Some(paths.run_dir.as_path());
        while let Some(path) = dir.filter(|path| path.starts_with(data.path())) {
            assert_eq!(mode(path), 0o700, "{path}");
            dir = path.parent();
        }
        for name in ["meta.json", "events.jsonl", ".lock"] {
            assert_eq!(mode(&paths.run_dir.join(name)), 0o600, "{name}");
        }
    }
}

// ----- updating -----

#[test]
fn an_update_keeps_what_it_does_not_know_in_its_spelling() {
    let world = World::new();
    let run = world.write(
        "gh-17",
        least(
            r#","pr_number":0,"X":1,"n":123456789012345678901234,"e":1e3,"o":{"b":[1.50,{"z":"\u0041\ud800"}],"a":null},
            "flags":{"later":-0,"needs_attention":true},"title":"\ud800!","runner":null"#,
        )
        .as_bytes(),
    );
    let meta = world.store.update(&run, |meta| {
        meta.pushed(Some((12, "https://x/12")), now());
        Ok(())
    });
    assert_eq!(meta.unwrap().unknown.get("X"), Some(json!(1)));
    let expected = r#"{
  "schema_version": "1.0",
  "run_id": "gh-17",
  "repo_id": "abcd1234ef567890",
  "title": "\ud800!",
  "runner": "",
  "runner_cmd": "",
  "parent_branch": "",
  "branch": "",
  "worktree_path": "",
  "created_at": "2026-01-10T12:00:00Z",
  "flags": {
    "needs_attention": true,
    "later": -0
  },
  "pr_number": 12,
  "pr_url": "https://x/12",
  "last_push_at": "2026-01-10T12:00:00Z",
  "X": 1,
  "n": 123456789012345678901234,
  "e": 1e3,
  "o": {
    "b": [
      1.50,
      {
        "z": "\u0041\ud800"
      }
    ],
    "a": null
  }
}
"#;
    assert_eq!(world.text(&run), expected);
}

#[test]
fn an_update_that_changes_nothing_leaves_every_byte() {
    let world = World::new();
    let text = least(r#"  ,"x" : [ 1 ] "#);
    let run = world.write("gh-17", text.as_bytes());
    world.store.update(&run, |_| Ok(())).unwrap();
    world
        .store
        .update_values(&run, &[set("/x", json!([1])), unset("/y/z")])
        .unwrap();
    world.store.update_document(&run, Ok).unwrap();
    assert_eq!(world.text(&run), text);
}

#[test]
fn a_document_given_back_changes_only_what_differs() {
    let world = World::new();
    let run = world.write(
        "gh-17",
        least(r#","big":123456789012345678901234,"o":{"a":1.50,"b":2,"s/l~t":1},"pr_number":3"#)
            .as_bytes(),
    );
    let meta = world.store.update_document(&run, |mut document| {
        document["o"]["b"] = json!(3);
        document["o"]["s/l~t"] = json!(2);
        document["new"] = json!({"k": []});
        document.as_object_mut().unwrap().shift_remove("pr_number");
        Ok(document)
    });
    assert_eq!(meta.unwrap().pr_number, None);
    let text = world.text(&run);
    assert!(text.contains("\"big\": 123456789012345678901234"), "{text}");
    assert!(
        text.contains("\"a\": 1.50,\n    \"b\": 3,\n    \"s/l~t\": 2\n"),
        "{text}"
    );
    assert!(
        text.ends_with("\"new\": {\n    \"k\": []\n  }\n}\n"),
        "{text}"
    );
    let not_an_object = world.store.update_document(&run, |_| Ok(json!([])));
    fails(not_an_object, Code::Usage, &[]);
    assert_eq!(world.text(&run), text);
}

#[test]
fn compare_and_set_changes_nothing_behind_anybodys_back() {
    let world = World::new();
    let run = world.create("gh-17");
    let seen = json!(world.store.read(&run).unwrap());
    let mut wanted = seen.clone();
    wanted["pr_number"] = json!(1);
    world
        .store
        .update_values(&run, &[set("/x", json!(1))])
        .unwrap();
    let text = world.text(&run);
    assert_eq!(world.store.replace_if(&run, &seen, wanted).unwrap(), None);
    assert_eq!(world.text(&run), text);
    let seen = json!(world.store.read(&run).unwrap());
    let mut wanted = seen.clone();
    wanted["pr_number"] = json!(1);
    let after = world
        .store
        .replace_if(&run, &seen, wanted)
        .unwrap()
        .unwrap();
    assert_eq!(after.pr_number, Some(1));
    assert_eq!(after.unknown.get("x"), Some(json!(1)));
}

#[test]
fn fields_that_never_change_are_refused_from_every_side() {
    let world = World::new();
    let run = world.create("gh-17");
    let text = world.text(&run);
    for (field, value) in [
        ("run_id", "gh-18"),
        ("repo_id", "0000000000000000"),
        ("schema_version", "1.1"),
        ("created_at", "2026-01-11T00:00:00Z"),
    ] {
        let path = format!("/{field}");
        fails(
            world.store.update_values(&run, &[set(&path, json!(value))]),
            Code::Usage,
            &[],
        );
        fails(
            world.store.update_values(&run, &[unset(&path)]),
            Code::Usage,
            &[],
        );
        fails(
            apply_meta_ops(&text, &[set(&path, json!(value))]),
            Code::Usage,
            &[],
        );
        let given = world.store.update_document(&run, |mut document| {
            document[field] = json!(value);
            Ok(document)
        });
        fails(given, Code::Usage, &[]);
    }
    let typed: [fn(&mut RunMeta); 4] = [
        |meta| meta.run_id = id("gh-18"),
        |meta| meta.repo_id = "0".into(),
        |meta| meta.schema_version = "1.1".into(),
        |meta| meta.created_at = "x".into(),
    ];
    for change in typed {
        let changed = world.store.update(&run, |meta| {
            change(meta);
            Ok(())
        });
        fails(changed, Code::Usage, &["field"]);
    }
    assert_eq!(world.text(&run), text);
}

#[test]
fn a_value_of_the_wrong_type_or_a_path_to_nowhere_is_a_usage_error() {
    let world = World::new();
    let run = world.create("gh-17");
    let text = world.text(&run);
    for op in [
        set("/pr_number", json!("12")),
        set("/pr_number", json!(1.5)),
        set("/flags", json!([])),
        set("/flags/abandoned", json!("yes")),
        set("/title/x", json!(1)),
        set("pr_number", json!(1)),
        set("/", json!(1)),
        set("", json!({})),
        unset("x"),
    ] {
        fails(
            world.store.update_values(&run, std::slice::from_ref(&op)),
            Code::Usage,
            &[],
        );
    }
    assert_eq!(world.text(&run), text);
}

#[test]
fn a_failing_or_panicking_function_leaves_the_file_and_frees_the_lock() {
    let world = World::new();
    let run = world.create("gh-17");
    let text = world.text(&run);
    let failed = world.store.update(&run, |meta| {
        meta.stop_requested();
        Err(Error::new(Code::Usage, "mine"))
    });
    assert_eq!(fails(failed, Code::Usage, &[]).to_string(), "mine");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.store.update(&run, |meta| {
            meta.stop_requested();
            panic!("mine too")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(world.text(&run), text);
    world
        .store
        .update(&run, |meta| {
            meta.stop_requested();
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_update_within_an_update_is_refused_at_once() {
    let world = World::new();
    let (run, other) = (world.create("gh-17"), world.create("gh-18"));
    let start = std::time::Instant::now();
    let nested = world.store.update(&run, |_| {
        world.store.update(&other, |meta| {
            meta.stop_requested();
            Ok(())
        })?;
        world.store.update(&run, |_| Ok(())).map(drop)
    });
    let error = fails(nested, Code::LockTimeout, &["lock_path", "reentrant"]);
    assert!(!error.is_retryable());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_name_follows_its_rule_and_belongs_to_one_active_run() {
    let world = World::new();
    let (a, b) = (world.create("gh-17"), world.create("gh-18"));
    let name =
        |run: &RunId, name: &str| world.store.update_values(run, &[set("/name", json!(name))]);
    fails(name(&a, "Not A Name"), Code::InvalidId, &["field", "value"]);
    name(&a, "fix").unwrap();
    name(&a, "fix").unwrap();
    fails(
        name(&b, "fix"),
        Code::RunRefAmbiguous,
        &["input", "candidates"],
    );
    world
        .store
        .update(&a, |meta| {
            meta.archived(now());
            Ok(())
        })
        .unwrap();
    name(&b, "fix").unwrap();
}

// ----- the table of errors -----

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
            &["meta_path", "stage", "committed"],
        );
        let form = error.to_json();
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

// ----- lists -----

#[test]
fn a_list_is_newest_first_and_broken_last_over_all_repositories() {
    let world = World::new();
    let other = RunStore::data(
        world.fs.storage(),
        &world.data,
        &RepoId::parse("r0").unwrap(),
    );
    let at = |store: &RunStore, run_id: &str, time: &str| {
        let mut fields = RunFields::default();
        fields.run_id = Some(id(run_id));
        fields.created_at = Some(time.parse().unwrap());
        store.create_from(&fields, now(), false).unwrap();
    };
    at(&world.store, "old", "2026-01-01T00:00:00Z");
    at(&world.store, "new-b", "2026-01-03T00:00:00Z");
    at(&other, "new-a", "2026-01-03T00:00:00Z");
    world.write("aaa-broken", b"{");
    let (mut records, warnings) = scan_all(&world.data.stores(&world.fs.storage()).unwrap());
    assert!(warnings.is_empty());
    let ids = |records: &[runr_core::store::Record]| -> Vec<String> {
        records
            .iter()
            .map(|record| record.run_id.to_string())
            .collect()
    };
    assert_eq!(ids(&records), ["aaa-broken", "new-b", "old", "new-a"]);
    records.sort_by(list_order);
    assert_eq!(ids(&records), ["new-a", "new-b", "old", "aaa-broken"]);
    let row = json!(records[3].row(None, false));
    assert_eq!(row["title"], "<broken>");
    assert_eq!(
        (&row["runner"], &row["created_at"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&row["broken"], &row["derived_status"]),
        (&json!(true), &json!("broken"))
    );
    let repo = world
        .fs
        .storage()
        .open_dir("/data/repos/r0".into())
        .unwrap();
    put(
        repo.as_ref(),
        "repo.json",
        br#"{"repo_key":"github:a/b","origin_url":"u","schema_version":"1.0"}"#,
    );
    let known = other.repo_record();
    assert_eq!(
        records[0].row(known.as_ref(), false).repo_key,
        Some("github:a/b")
    );
}

#[test]
fn a_missing_data_directory_is_an_empty_list() {
    let world = World::new();
    assert!(world.data.stores(&world.fs.storage()).unwrap().is_empty());
    assert!(world.store.scan().unwrap().is_empty());
}

// ----- events -----

#[test]
fn events_are_numbered_and_written_with_the_number_last() {
    let world = World::new();
    let run = world.create("gh-17");
    world
        .store
        .append_event(&run, "cmd_start", Some(json!({"cmd": "push"})), now())
        .unwrap();
    world.store.append_event(&run, "stop", None, now()).unwrap();
    let bytes = world.dir(&run).read("events.jsonl", 4096).unwrap().bytes;
    let expected = r#"{"schema_version":"1.0","timestamp":"2026-01-10T12:00:00.500Z","repo_id":"abcd1234ef567890","run_id":"gh-17","event":"cmd_start","data":{"cmd":"push"},"seq":1}
{"schema_version":"1.0","timestamp":"2026-01-10T12:00:00.500Z","repo_id":"abcd1234ef567890","run_id":"gh-17","event":"stop","seq":2}
"#;
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    let since = world.store.events(&run, 1).unwrap();
    assert_eq!((since.len(), since[0].event.as_str()), (1, "stop"));
}

#[test]
fn events_of_another_program_count_by_their_place() {
    let world = World::new();
    let run = world.create("gh-17");
    let foreign = r#"{"schema_version":"1.0","timestamp":"2026-01-10T12:00:00Z","repo_id":"r","run_id":"gh-17","event":"stop"}"#;
    put(
        world.dir(&run).as_ref(),
        "events.jsonl",
        format!("{foreign}\n{foreign}\n").as_bytes(),
    );
    let seqs = || -> Vec<u64> {
        world
            .store
            .events(&run, 0)
            .unwrap()
            .iter()
            .map(|event| event.seq)
            .collect()
    };
    assert_eq!(seqs(), [1, 2]);
    let ours = world
        .store
        .append_event(&run, "clean_started", None, now())
        .unwrap();
    assert_eq!(ours.seq, 3);
    assert_eq!(seqs(), [1, 2, 3]);
    let mut file = world.dir(&run).open("events.jsonl", Open::Append).unwrap();
    file.write(format!("{foreign}\n").as_bytes()).unwrap();
    drop(file);
    assert_eq!(
        world
            .store
            .append_event(&run, "x", None, now())
            .unwrap()
            .seq,
        5
    );
    assert_eq!(seqs(), [1, 2, 3, 4, 5]);
}

#[test]
fn damaged_events_are_named_with_their_place_and_left_alone() {
    let world = World::new();
    let run = world.create("gh-17");
    put(
        world.dir(&run).as_ref(),
        "events.jsonl",
        b"{\"event\":\"a\"}\nnonsense\n",
    );
    fails(
        world.store.events(&run, 0),
        Code::StoreCorrupt,
        &["offset", "line"],
    );
    fails(
        world.store.append_event(&run, "b", None, now()),
        Code::StoreCorrupt,
        &["offset"],
    );
}

// ----- the repository lock -----

fn holder(pid: u32) -> Holder {
    Holder::new(pid, "here", now(), "push")
}

#[test]
fn the_repository_lock_excludes_and_names_its_holder() {
    let world = World::new();
    let wait = Duration::from_millis(60);
    let guard = world
        .store
        .lock_repository(&holder(4711), wait, &|_| true)
        .unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| world.store.lock_repository(&holder(1), wait, &|_| true));
        let error = fails(
            other.join().unwrap(),
            Code::LockTimeout,
            &["lock_path", "waited_ms"],
        );
        assert_eq!(error.to_json()["holder"]["pid"], 4711);
        assert!(
            error
                .to_string()
                .contains("by process 4711 since 2026-01-10"),
            "{error}"
        );
    });
    // Runs are updated all the same.
    let run = world.create("gh-17");
    world.store.update(&run, |_| Ok(())).unwrap();
    drop(guard);
    drop(
        world
            .store
            .lock_repository(&holder(1), wait, &|_| true)
            .unwrap(),
    );
}

#[test]
fn a_lock_file_of_another_program_is_honoured_while_its_process_lives() {
    let world = World::new();
    world.create("gh-17");
    let repo = world
        .fs
        .storage()
        .open_dir("/data/repos/abcd1234ef567890".into())
        .unwrap();
    let text = r#"{"pid":77,"created_at":"2026-01-10T11:00:00Z","cmd":"merge"}"#;
    put(repo.as_ref(), ".lock", text.as_bytes());
    let wait = Duration::from_millis(120);
    let error = fails(
        world
            .store
            .lock_repository(&holder(1), wait, &|pid| pid == 77),
        Code::LockTimeout,
        &["lock_path", "waited_ms", "holder"],
    );
    let form = error.to_json();
    assert_eq!(
        form["holder"],
        json!({"pid": 77, "since": "2026-01-10T11:00:00Z", "cmd": "merge"})
    );
    drop(
        world
            .store
            .lock_repository(&holder(1), wait, &|_| false)
            .unwrap(),
    );
    let left = repo.read(".lock", 4096).unwrap().bytes;
    assert_eq!(left, text.as_bytes(), "not ours to remove");
}

#[test]
fn a_lock_file_that_cannot_be_read_does_not_block_for_ever() {
    let world = World::new();
    world.create("gh-17");
    let repo = world
        .fs
        .storage()
        .open_dir("/data/repos/abcd1234ef567890".into())
        .unwrap();
    put(repo.as_ref(), ".lock", b"");
    let start = std::time::Instant::now();
    let wait = Duration::from_secs(10);
    drop(
        world
            .store
            .lock_repository(&holder(1), wait, &|_| true)
            .unwrap(),
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}
