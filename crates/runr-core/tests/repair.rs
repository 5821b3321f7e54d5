//! Repairing the runs of a store: what is done, what is left alone, and that nothing is lost
//! whatever fails on the way.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

mod every_call;

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::{
    Dir, Durability, Fault, FaultFs, Kind, Lasting, Lock, MemoryFs, Open, Wait, create_dirs, real,
};
use runr_core::store::{DataDir, Diagnosis, Finding, Holder, Remedy, RepoId, RunFields, RunStore};
use runr_core::{Code, RunId, Timestamp};

use every_call::{every_call_fails, heal};

const REPO: &str = "abcd1234ef567890";
const RUN: &str = "20260110120000-a3f2";

fn now() -> Timestamp {
    "2026-03-03T10:20:30Z".parse().unwrap()
}

fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

/// A data directory in memory, where every directory dates from 1970.
struct World {
    fs: FaultFs,
    store: RunStore,
}

impl World {
    fn new() -> Self {
        Self::on(&FaultFs::new(MemoryFs::new().into()))
    }

    fn on(fs: &FaultFs) -> Self {
        let repo = RepoId::parse(REPO).unwrap();
        let store = RunStore::data(fs.storage(), &DataDir::new("/data"), &repo);
        let fs = fs.clone();
        Self { fs, store }
    }

    /// A file in the directory of runs, with its directories.
    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.store.runs_dir().join(path);
        let dir = self.mkdir(path.parent().unwrap());
        let mut file = dir
            .open(path.file_name().unwrap(), Open::CreateNew(0o600))
            .unwrap();
        assert_eq!(file.write(bytes).unwrap(), bytes.len());
        file.close().unwrap();
    }

    fn mkdir(&self, path: impl AsRef<Utf8Path>) -> Box<dyn Dir> {
        let path = self.store.runs_dir().join(path);
        create_dirs(&self.fs.storage(), &path, 0o700, Durability::None).unwrap()
    }

    fn create(&self, run: &str) {
        let mut fields = RunFields::default();
        fields.run_id = Some(id(run));
        fields.title = "Improve search".into();
        self.store.create_from(&fields, now(), false).unwrap();
    }

    fn diagnose(&self) -> Vec<Finding> {
        self.store.diagnose(now())
    }

    fn repair(&self) -> Vec<Finding> {
        let holder = Holder::new(1, "here", now(), "test");
        let wait = Duration::from_millis(20);
        self.store.repair(now(), &holder, wait, &|_| false)
    }

    /// Repairs, and expects that all that was found is done.
    fn repair_all(&self) -> Vec<Finding> {
        let findings = self.repair();
        for finding in &findings {
            assert!(finding.done && finding.error.is_none(), "{finding:?}");
        }
        let clean = self.diagnose();
        assert!(clean.is_empty(), "{clean:?}");
        findings
    }

    /// The one repair that is done in this store.
    fn repair_one(&self) -> Finding {
        let mut findings = self.repair_all();
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    }

    /// Every file with its bytes, every directory without; what locks leave is left out.
    fn snapshot(&self) -> BTreeMap<Utf8PathBuf, Option<Vec<u8>>> {
        let mut all = BTreeMap::new();
        let root = self.fs.storage().open_dir("/data".into());
        walk(root.unwrap().as_ref(), &mut all);
        all.retain(|path, _| !path.as_str().contains(".lock"));
        all
    }

    fn text(&self, path: &str) -> String {
        let path = self.store.runs_dir().join(path);
        String::from_utf8(self.snapshot()[&path].clone().unwrap()).unwrap()
    }
}

fn walk(dir: &dyn Dir, all: &mut BTreeMap<Utf8PathBuf, Option<Vec<u8>>>) {
    for entry in dir.list().unwrap() {
        let path = dir.path().join(&entry.name);
        if entry.kind == Kind::Dir {
            all.insert(path, None);
            walk(dir.open_dir(&entry.name).unwrap().as_ref(), all);
        } else {
            let bytes = dir.read(&entry.name, 1 << 30).unwrap().bytes;
            all.insert(path, Some(bytes));
        }
    }
}

fn kinds(findings: &[Finding]) -> Vec<(Diagnosis, Remedy)> {
    let kinds = findings.iter().map(|it| (it.diagnosis, it.remedy));
    kinds.collect()
}

#[test]
fn a_healthy_store_is_not_touched() {
    let world = World::new();
    assert!(world.repair().is_empty(), "no store at all");
    world.create(RUN);
    let event = world.store.append_event(&id(RUN), "x", None, now());
    event.unwrap();
    drop(world.fs.take_calls());
    assert!(world.repair().is_empty());
    let calls = world.fs.take_calls();
    let changing = [
        "write",
        "create_dir",
        "rename",
        "rename_no_replace",
        "move_no_replace",
        "unlink",
        "remove_dir",
        "truncate",
        "sync",
    ];
    assert!(
        !calls.iter().any(|call| changing.contains(call)),
        "{calls:?}"
    );
}

#[test]
fn a_diagnosis_changes_nothing_and_a_second_repair_does_nothing() {
    let world = World::new();
    every_case(&world);
    let before = world.snapshot();
    let found = kinds(&world.diagnose());
    assert_eq!(world.snapshot(), before);
    let repaired = world.repair();
    assert_eq!(kinds(&repaired), found);
    let after = world.snapshot();
    let left = world.repair();
    assert_eq!(world.snapshot(), after);
    assert!(left.iter().all(|it| !it.remedy.is_automatic() && !it.done));
    let expected = [
        (Diagnosis::MetaNewer, Remedy::Update),
        (Diagnosis::JournalDamaged, Remedy::Inspect),
    ];
    assert_eq!(kinds(&left), expected);
}

#[test]
fn an_abandoned_creation_is_removed() {
    for files in [
        &[][..],
        &["logs/"],
        &[".lock", "owner.lock", ".meta.json.tmp", "logs/"],
    ] {
        let world = World::new();
        world.create("20260101000000-0000");
        let before = world.snapshot();
        world.mkdir(RUN);
        for file in files {
            match file.strip_suffix('/') {
                Some(dir) => drop(world.mkdir(format!("{RUN}/{dir}"))),
                None => world.put(&format!("{RUN}/{file}"), b"1"),
            }
        }
        let finding = world.repair_one();
        assert_eq!(finding.diagnosis, Diagnosis::Abandoned, "{files:?}");
        assert_eq!(finding.run_id, Some(id(RUN)));
        assert_eq!(world.snapshot(), before, "{files:?}");
    }
}

#[test]
fn a_directory_that_holds_anything_gets_a_document_instead() {
    for file in [
        "events.jsonl",
        "timeline.jsonl",
        "artifacts/task.md",
        "logs/setup.log",
        "handoffs/x",
    ] {
        let world = World::new();
        world.put(&format!("{RUN}/{file}"), b"");
        let finding = world.repair_one();
        let expected = (Diagnosis::MetaMissing, Remedy::Rebuild, None);
        assert_eq!((finding.diagnosis, finding.remedy, finding.kept), expected);
        let meta = world.store.read(&id(RUN)).unwrap();
        assert_eq!(meta.created_at, "2026-01-10T12:00:00Z");
        assert_eq!(meta.repo_id, REPO);
        world.text(&format!("{RUN}/{file}"));
    }
}

#[test]
fn a_damaged_document_is_kept_beside_the_new_one_byte_for_byte() {
    let too_deep = format!("{{\"x\":{}", "[".repeat(200));
    for damaged in [
        &b""[..],
        b"{\"title\": \"torn",
        b"{\"title\": \"not utf-8 \xff\"}",
        b"[]",
        b"{\"schema_version\":\"1.0\",\"title\":\"t\",\"pr_number\":1.5}",
        too_deep.as_bytes(),
        &vec![b' '; (4 << 20) + 1],
    ] {
        let world = World::new();
        world.put(&format!("{RUN}/meta.json"), damaged);
        let finding = world.repair_one();
        assert_eq!(finding.diagnosis, Diagnosis::MetaBroken);
        let kept = world
            .store
            .run_dir(&id(RUN))
            .join("meta.json.broken-20260303102030");
        assert_eq!(finding.kept.as_ref(), Some(&kept));
        assert_eq!(world.snapshot()[&kept].as_deref(), Some(damaged));
        world.store.read(&id(RUN)).unwrap();
    }
}

#[test]
fn what_is_called_meta_json_and_is_a_directory_is_moved_aside() {
    let world = World::new();
    world.put(&format!("{RUN}/meta.json/deep"), b"1");
    let kept = world.repair_one().kept.unwrap();
    assert_eq!(world.text(kept.join("deep").as_str()), "1");
    world.store.read(&id(RUN)).unwrap();
}

#[test]
fn no_copy_takes_the_name_of_another_and_an_equal_one_is_enough() {
    let world = World::new();
    world.put(&format!("{RUN}/meta.json.broken-20260303102030"), b"older");
    world.put(&format!("{RUN}/meta.json"), b"{");
    let kept = world.repair_one().kept.unwrap();
    assert_eq!(kept.file_name(), Some("meta.json.broken-20260303102030-2"));
    assert_eq!(
        world.text(&format!("{RUN}/meta.json.broken-20260303102030")),
        "older"
    );

    let world = World::new();
    // As a repair leaves it that was killed after the copy.
    world.put(&format!("{RUN}/meta.json.broken-20250101000000"), b"{");
    world.put(&format!("{RUN}/meta.json"), b"{");
    let kept = world.repair_one().kept.unwrap();
    assert_eq!(kept.file_name(), Some("meta.json.broken-20250101000000"));
}

#[test]
fn what_cannot_be_moved_aside_stays_where_it_is() {
    let large = vec![b' '; (4 << 20) + 1];
    // One rename tells who holds the repository, one moves the document, one writes the new one.
    for nth in 1..=3 {
        let world = World::new();
        world.put(&format!("{RUN}/meta.json"), &large);
        world
            .fs
            .fail_call("rename", nth, Fault::Torn, Lasting::Once);
        let findings = world.repair();
        assert!(world.fs.heal());
        assert_eq!(findings[0].done, nth == 1);
        let all = world.snapshot();
        let there = all.values().flatten().filter(|bytes| **bytes == large);
        assert_eq!(there.count(), 1, "{nth}");
    }
}

#[test]
fn a_document_of_a_later_version_is_never_touched() {
    for newer in [
        "{\"schema_version\":\"2.0\"}",
        "{\"schema_version\": \"2.0\", \"torn",
    ] {
        let world = World::new();
        world.put("gh-17/meta.json", newer.as_bytes());
        let before = world.snapshot();
        let findings = world.repair();
        let expected = [(Diagnosis::MetaNewer, Remedy::Update)];
        assert_eq!(kinds(&findings), expected);
        assert!(!findings[0].done);
        assert_eq!(world.snapshot(), before);
    }
}

#[test]
fn a_directory_that_tells_nothing_is_moved_away_whole() {
    let world = World::new();
    for taken in ["gh-17-20260303102030", "gh-17-20260303102030-2"] {
        let path = format!("/data/repos/{REPO}/quarantine/{taken}");
        drop(world.mkdir(path));
    }
    world.put("gh-17/meta.json", b"{");
    world.put("gh-17/.meta.json.tmp", b"half");
    world.put("gh-17/logs/setup.log", b"log");
    let finding = world.repair_one();
    assert_eq!(finding.remedy, Remedy::Quarantine);
    let kept = finding.kept.unwrap();
    let expected = format!("/data/repos/{REPO}/quarantine/gh-17-20260303102030-3");
    assert_eq!(kept, expected);
    let all = world.snapshot();
    for (name, text) in [
        ("meta.json", "{"),
        (".meta.json.tmp", "half"),
        ("logs/setup.log", "log"),
    ] {
        assert_eq!(
            all[&kept.join(name)].as_deref(),
            Some(text.as_bytes()),
            "{name}"
        );
    }
    assert!(world.store.ids().unwrap().is_empty());
}

#[test]
fn where_nothing_can_be_moved_without_replacing_it_stays() {
    let world = World::new();
    world.put("gh-17/meta.json", b"{");
    let before = world.text("gh-17/meta.json");
    let unsupported = Fault::Error(std::io::ErrorKind::Unsupported);
    world
        .fs
        .fail_call("move_no_replace", 1, unsupported, Lasting::FromThenOn);
    let finding = world.repair().remove(0);
    assert_eq!(finding.error.unwrap().code(), Code::Io);
    assert!(!finding.done);
    assert_eq!(world.text("gh-17/meta.json"), before);
}

#[test]
fn a_run_that_somebody_drives_is_not_touched() {
    let world = World::new();
    for (run, file) in [
        ("20260101000000", "meta.json"),
        (RUN, "events.jsonl"),
        ("gh-17", "owner.lock"),
    ] {
        world.put(&format!("{run}/{file}"), b"");
        world.put(&format!("{run}/.x.tmp"), b"");
    }
    let drivers: Vec<_> = world.store.ids().unwrap();
    let drivers = drivers.iter().map(|id| {
        let dir = world.store.run_dir(id);
        Lock::acquire(&world.fs.storage(), &dir, "owner.lock", Wait::No).unwrap()
    });
    let drivers: Vec<_> = drivers.collect();
    let before = world.snapshot();
    let findings = world.repair();
    let waiting = |diagnosis| (diagnosis, Remedy::Wait);
    let expected = [
        Diagnosis::MetaBroken,
        Diagnosis::MetaMissing,
        Diagnosis::Abandoned,
    ];
    assert_eq!(kinds(&findings), expected.map(waiting));
    assert_eq!(world.snapshot(), before);
    drop(drivers);
    assert_eq!(world.repair_all().len(), 5);
}

#[test]
fn a_temporary_file_goes_unless_its_writer_may_live() {
    let world = World::new();
    world.create(RUN);
    let clean = world.snapshot();
    world.put(&format!("{RUN}/.events.jsonl.tmp"), b"half");
    let dir = world.store.run_dir(&id(RUN));
    let writer = Lock::acquire(&world.fs.storage(), &dir, ".lock", Wait::No).unwrap();
    assert!(world.diagnose().is_empty());
    drop(writer);
    let finding = world.repair_one();
    assert_eq!(finding.diagnosis, Diagnosis::Leftover);
    assert_eq!(finding.path, dir.join(".events.jsonl.tmp"));
    assert_eq!(world.snapshot(), clean);
}

#[test]
fn an_unfinished_directory_goes_after_an_hour_unless_it_holds_more() {
    let world = World::new();
    world.create(RUN);
    let clean = world.snapshot();
    world.put(".gh-17-0123.tmp/meta.json", b"{}");
    world.mkdir(".gh-17-0123.tmp/logs");
    world.mkdir(".gh-18-0123.tmp");
    world.put(".index.json.tmp", b"half");
    // The file system in memory says that everything was made in 1970.
    let minutes = |minutes: u64| Timestamp::from_millis(0).plus(Duration::from_secs(60 * minutes));
    assert!(world.store.diagnose(minutes(60)).is_empty());
    assert_eq!(world.store.diagnose(minutes(61)).len(), 3);
    let findings = world.repair_all();
    assert!(
        findings
            .iter()
            .all(|it| it.diagnosis == Diagnosis::Leftover && it.run_id.is_none())
    );
    assert_eq!(world.snapshot(), clean);

    for more in [".gh-17-0123.tmp/logs/setup.log", ".gh-17-0123.tmp/other"] {
        let world = World::new();
        world.put(".gh-17-0123.tmp/meta.json", b"{}");
        world.put(more, b"of worth");
        let before = world.snapshot();
        let findings = world.repair();
        assert!(findings[0].error.is_some() && !findings[0].done);
        assert_eq!(world.snapshot(), before);
    }
}

#[test]
fn a_torn_tail_of_a_journal_is_nothing_and_other_damage_is_only_named() {
    let world = World::new();
    world.create(RUN);
    let line = "{\"seq\": 1}\n";
    world.put(
        &format!("{RUN}/events.jsonl"),
        format!("{line}{{\"seq").as_bytes(),
    );
    world.put(
        &format!("{RUN}/timeline.jsonl"),
        format!("{line}{{\"seq").as_bytes(),
    );
    assert!(world.diagnose().is_empty());
    world.create("20260110120000-bbbb");
    world.put(
        "20260110120000-bbbb/events.jsonl",
        b"damage\n{\"seq\": 2}\n",
    );
    world.create("20260110120000-cccc");
    world.put(
        "20260110120000-cccc/timeline.jsonl",
        b"{\"seq\": 1}\n{\"seq\": 3}\n",
    );
    let before = world.snapshot();
    let expected = [(Diagnosis::JournalDamaged, Remedy::Inspect); 2];
    assert_eq!(kinds(&world.repair()), expected);
    assert_eq!(world.snapshot(), before);
}

#[test]
fn a_repository_that_somebody_locks_is_left_alone_and_said_so() {
    let world = World::new();
    world.put(&format!("{RUN}/meta.json"), b"{");
    let before = world.snapshot();
    let holder = Holder::new(4711, "here", now(), "other");
    let other = world
        .store
        .lock_repository(&holder, Duration::ZERO, &|_| true);
    let finding = std::thread::scope(|scope| {
        let repair = scope.spawn(|| world.repair().remove(0));
        repair.join().unwrap()
    });
    drop(other.unwrap());
    assert_eq!(finding.error.unwrap().code(), Code::LockTimeout);
    let mut after = world.snapshot();
    after.retain(|path, _| !path.as_str().contains(".lock"));
    assert_eq!(after, before);
    world.repair_one();
}

#[test]
fn what_the_system_does_not_show_is_named_and_left() {
    let world = World::new();
    world.create(RUN);
    world.put("gh-17/meta.json", b"{");
    let before = world.snapshot();
    let denied = Fault::Error(std::io::ErrorKind::PermissionDenied);
    world.fs.fail_call("list", 1, denied, Lasting::FromThenOn);
    let findings = world.repair();
    world.fs.heal();
    assert_eq!(kinds(&findings), [(Diagnosis::Unreadable, Remedy::Inspect)]);
    assert_eq!(findings[0].error.as_ref().unwrap().code(), Code::Io);
    assert_eq!(world.snapshot(), before);

    // The second directory that is listed is that of the first run; the others are shown.
    world.fs.fail_call("list", 2, denied, Lasting::Once);
    let found = world.diagnose().into_iter();
    let found: Vec<_> = found.map(|it| (it.run_id, it.diagnosis)).collect();
    let expected = [
        (Some(id(RUN)), Diagnosis::Unreadable),
        (Some(id("gh-17")), Diagnosis::MetaBroken),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_creation_in_place_is_not_taken_for_one_that_was_given_up() {
    let world = World::new();
    world.create("20260101000000-0000");
    let unsupported = Fault::Error(std::io::ErrorKind::Unsupported);
    world
        .fs
        .fail_call("rename_no_replace", 1, unsupported, Lasting::FromThenOn);
    // Who repairs holds the lock of the repository meanwhile; so must who creates in place.
    let holder = Holder::new(4711, "here", now(), "repair");
    let repair = world
        .store
        .lock_repository(&holder, Duration::ZERO, &|_| true);
    let store = world.store.clone().wait(Wait::No);
    let mut fields = RunFields::default();
    fields.run_id = Some(id(RUN));
    let created = std::thread::scope(|scope| {
        let create = scope.spawn(|| store.create_from(&fields, now(), false));
        create.join().unwrap()
    });
    assert_eq!(created.unwrap_err().code(), Code::LockTimeout);
    assert!(!store.exists(&id(RUN)).unwrap());
    drop(repair.unwrap());
    store.create_from(&fields, now(), false).unwrap();
}

/// A thing that can be wrong.
struct Case {
    run: &'static str,
    /// The files in its directory.
    files: &'static [(&'static str, &'static str)],
    /// What nobody may lose, wherever it stands in the end.
    worth: &'static [&'static str],
    /// The title of the run after the repair; none if there is no run any more, or none to read.
    title: Option<&'static str>,
}

const CASES: [Case; 11] = [
    Case {
        run: "20260101000000-0000",
        files: &[("meta.json", GOOD), (".meta.json.tmp", "half")],
        worth: &[GOOD],
        title: Some("good"),
    },
    Case {
        run: "20260102000000-0000",
        files: &[(".lock", ""), ("logs", "")],
        worth: &[],
        title: None,
    },
    Case {
        run: "20260104000000-0000",
        files: &[("events.jsonl", EVENT)],
        worth: &[EVENT],
        title: Some("of the event"),
    },
    Case {
        run: "20260105000000-0000",
        files: &[
            ("meta.json", TORN),
            ("timeline.jsonl", STARTED),
            ("owner.lock", ""),
        ],
        worth: &[TORN, STARTED],
        title: Some("of the timeline"),
    },
    Case {
        run: "20260106000000-0000",
        files: &[("meta.json", WRONG)],
        worth: &[WRONG],
        title: Some("kept"),
    },
    Case {
        run: "20260107000000-0000",
        files: &[("meta.json/deep", "deep")],
        worth: &["deep"],
        title: Some(""),
    },
    Case {
        run: "20260108000000-0000",
        files: &[("meta.json", NEWER)],
        worth: &[NEWER],
        title: None,
    },
    Case {
        run: "20260109000000-0000",
        files: &[("meta.json", GOOD), ("events.jsonl", "damage\n")],
        worth: &[GOOD, "damage\n"],
        title: Some("good"),
    },
    Case {
        run: "gh-17",
        files: &[("meta.json", TORN), ("logs/setup.log", "log of gh-17")],
        worth: &[TORN, "log of gh-17"],
        title: None,
    },
    Case {
        run: "gh-18",
        files: &[("logs/setup.log", "log of gh-18")],
        worth: &["log of gh-18"],
        title: None,
    },
    Case {
        run: ".gh-19-0123.tmp",
        files: &[("meta.json", "{}"), ("logs", "")],
        worth: &[],
        title: None,
    },
];

const GOOD: &str =
    r#"{"schema_version": "1.0", "title": "good", "created_at": "2026-01-01T00:00:00Z"}"#;
const TORN: &str = r#"{"title": "torn"#;
const WRONG: &str =
    r#"{"schema_version": "1.0", "title": "kept", "pr_number": "17", "theirs": 1e400}"#;
const NEWER: &str = r#"{"schema_version": "2.0"}"#;
const EVENT: &str = "{\"timestamp\": \"2026-01-04T00:00:09Z\", \"event\": \"x\", \"data\": {\"title\": \"of the event\"}}\n";
const STARTED: &str = "{\"seq\": 1, \"timestamp\": \"2026-01-05T00:00:07Z\", \"type\": \"run_started\", \"payload\": {\"task\": \"of the timeline\"}}\n";

impl Case {
    fn put(&self, world: &World) {
        for (name, text) in self.files {
            match *name {
                "logs" => drop(world.mkdir(format!("{}/logs", self.run))),
                name => world.put(&format!("{}/{name}", self.run), text.as_bytes()),
            }
        }
    }

    #[track_caller]
    fn nothing_is_lost(&self, world: &World) {
        let all = world.snapshot();
        for worth in self.worth {
            let there = all
                .values()
                .flatten()
                .any(|bytes| bytes == worth.as_bytes());
            assert!(there, "{worth} is gone from {:?}", all.keys());
        }
    }

    #[track_caller]
    fn is_repaired(&self, world: &World) {
        self.nothing_is_lost(world);
        let meta = RunId::parse(self.run).and_then(|id| world.store.read(&id));
        assert_eq!(meta.ok().map(|meta| meta.title).as_deref(), self.title);
        let all = world.snapshot();
        let left = all.keys().filter(|path| path.as_str().ends_with(".tmp"));
        assert_eq!(left.count(), 0, "{:?}", all.keys());
        // Once, however often the repair began.
        let is_kept = |path: &&Utf8PathBuf| {
            let place = path.parent().and_then(Utf8Path::file_name);
            place == Some("quarantine") || path.file_name().unwrap().contains(".broken-")
        };
        assert!(all.keys().filter(is_kept).count() <= 1, "{:?}", all.keys());
    }
}

fn every_case(world: &World) {
    for case in CASES {
        case.put(world);
    }
}

#[test]
fn every_case_ends_as_it_should() {
    let world = World::new();
    every_case(&world);
    assert_eq!(kinds(&world.repair()).len(), CASES.len());
    let runs: Vec<_> = world.store.ids().unwrap();
    assert_eq!(runs.len(), CASES.len() - 4, "{runs:?}");
    for case in CASES {
        case.nothing_is_lost(&world);
    }
}

#[test]
fn a_repair_that_fails_anywhere_loses_nothing_and_the_next_one_finishes_it() {
    for case in CASES {
        every_call_fails(|fs, lay, _| {
            let world = World::on(fs);
            case.put(&world);
            lay();
            let findings = world.repair();
            heal(fs);
            case.nothing_is_lost(&world);
            // What is said to be done is done, and what is not done has a reason.
            for finding in &findings {
                let tried =
                    finding.remedy.is_automatic() || finding.diagnosis == Diagnosis::Unreadable;
                assert_eq!(
                    finding.error.is_some(),
                    tried && !finding.done,
                    "{finding:?}"
                );
            }
            let left = world.repair();
            assert!(
                left.iter().all(|it| it.done || !it.remedy.is_automatic()),
                "{left:?}"
            );
            case.is_repaired(&world);
            let after = world.snapshot();
            world.repair();
            assert_eq!(world.snapshot(), after);
        });
    }
}

#[cfg(unix)]
#[test]
fn on_a_real_disk_age_and_links_count() {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::time::SystemTime;

    let root = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(root.path())
        .unwrap()
        .canonicalize_utf8()
        .unwrap();
    let runs = root.join("runs");
    let store = RunStore::open(real(), &runs);
    for name in [".old-0.tmp", ".young-0.tmp", "20260101000000"] {
        fs::create_dir_all(runs.join(name)).unwrap();
    }
    fs::write(root.join("theirs.json"), "theirs").unwrap();
    symlink(
        root.join("theirs.json"),
        runs.join("20260101000000/meta.json"),
    )
    .unwrap();
    let hour = Duration::from_secs(2 * 3600);
    let old = File::open(runs.join(".old-0.tmp")).unwrap();
    old.set_modified(SystemTime::now() - hour).unwrap();

    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap());
    let holder = Holder::new(1, "here", now, "test");
    let findings = store.repair(now, &holder, Duration::ZERO, &|_| false);
    assert!(findings.iter().all(|it| it.done), "{findings:?}");
    let expected = [
        (Diagnosis::MetaBroken, Remedy::Rebuild),
        (Diagnosis::Leftover, Remedy::Remove),
    ];
    assert_eq!(kinds(&findings), expected);
    assert!(!runs.join(".old-0.tmp").exists());
    assert!(runs.join(".young-0.tmp").exists());
    let kept = findings[0].kept.as_ref().unwrap();
    assert_eq!(fs::read_link(kept).unwrap(), root.join("theirs.json"));
    assert_eq!(
        fs::read_to_string(root.join("theirs.json")).unwrap(),
        "theirs"
    );
    store.read(&id("20260101000000")).unwrap();
}
