//! Names that lead astray, and things planted under the names of a store: refused or replaced by
//! rule, and nothing outside is touched.

#![cfg(unix)]
#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

#[path = "../../../tests/hostile/canary.rs"]
mod canary;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use canary::{Plant, look};
use runr_core::fs::real;
use runr_core::store::{DataDir, Holder, RepoId, RunFields, RunStore};
use runr_core::{Code, Result, RunId, Timestamp};

/// Longer than a lock file of another program may stay unreadable.
const PATIENCE: Duration = Duration::from_millis(400);
const REPO: &str = "abcd1234ef567890";

fn now() -> Timestamp {
    "2026-01-10T12:00:00.500Z".parse().unwrap()
}

fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

/// A store with the runs `gh-17` and `gh-18`, and a second one outside, which is the canary.
struct World {
    temporary: tempfile::TempDir,
    store: RunStore,
}

impl World {
    fn new() -> Self {
        // A disk in memory, where there is one: what is planted matters, not that it lasts.
        let in_memory = tempfile::tempdir_in("/dev/shm");
        let temporary = in_memory.or_else(|_| tempfile::tempdir()).unwrap();
        for place in ["data", "outside"] {
            let data = DataDir::new(Utf8Path::from_path(temporary.path()).unwrap().join(place));
            let store = RunStore::data(real(), &data, &RepoId::parse(REPO).unwrap());
            for run in ["gh-17", "gh-18"] {
                create(&store, run).unwrap();
                store.append_event(&id(run), "stop", None, now()).unwrap();
                let holder = Holder::new(1, "here", now(), "push");
                drop(
                    store
                        .lock_repository(&holder, Duration::ZERO, &|_| true)
                        .unwrap(),
                );
                fs::write(store.run_dir(&id(run)).join(".meta.json.tmp"), "half").unwrap();
            }
        }
        let data = DataDir::new(Utf8Path::from_path(temporary.path()).unwrap().join("data"));
        let store = RunStore::data(real(), &data, &RepoId::parse(REPO).unwrap());
        let foreign = temporary.path().join("outside/repos").join(REPO);
        fs::write(foreign.join(".lock"), r#"{"pid":1}"#).unwrap();
        Self { temporary, store }
    }

    /// The place with this name in the store, its like outside, and its like elsewhere inside.
    fn place(&self, name: &str) -> (PathBuf, PathBuf, PathBuf) {
        let repo = |base: &str, id: &str| self.temporary.path().join(base).join("repos").join(id);
        let at = |repo: PathBuf, name: &str| match name {
            "" => repo,
            name => repo.join(name),
        };
        let inside = match name {
            "" | "runs" => at(repo("data", "other"), name),
            name => at(repo("data", REPO), &name.replace("gh-17", "gh-18")),
        };
        let at_home = |base: &str| at(repo(base, REPO), name);
        (at_home("data"), at_home("outside"), inside)
    }
}

fn create(store: &RunStore, run: &str) -> Result<()> {
    let mut fields = RunFields::default();
    fields.run_id = Some(id(run));
    store.create_from(&fields, now(), false).map(drop)
}

/// Every operation on the run that somebody planted something in.
fn operations(store: &RunStore) -> Vec<(&'static str, Result<()>)> {
    let run = id("gh-17");
    let holder = Holder::new(1, "here", now(), "push");
    let change = |number| {
        store.update(&run, |meta| {
            meta.pr_number = Some(number);
            Ok(())
        })
    };
    vec![
        ("read", store.read(&run).map(drop)),
        ("events", store.events(&run, 0).map(drop)),
        ("scan", store.scan().map(drop)),
        ("update", change(1).map(drop)),
        (
            "append",
            store.append_event(&run, "x", None, now()).map(drop),
        ),
        ("create", create(store, "gh-19")),
        ("create again", create(store, "gh-17")),
        (
            "lock",
            store
                .lock_repository(&holder, PATIENCE, &|_| false)
                .map(drop),
        ),
    ]
}

/// Whether an operation works although this is planted here.
fn works(operation: &str, place: &str, plant: Plant) -> bool {
    let linked = plant == Plant::HardLink;
    match (place, operation) {
        (_, "create again") => false,
        ("" | "runs", "lock") => place == "runs",
        ("" | "runs", _) => false,
        ("runs/gh-17", "read" | "events" | "update" | "append") => false,
        ("runs/gh-17/meta.json", "read" | "update") => linked,
        ("runs/gh-17/events.jsonl", "events" | "append") => linked,
        ("runs/gh-17/.lock", "update" | "append") => linked,
        ("runs/gh-17/.meta.json.tmp", "update") => plant != Plant::Directory,
        (".runr.lock", "lock") => linked,
        _ => true,
    }
}

/// The result, unless it takes so long that it must be waiting for somebody else.
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, answer) = mpsc::channel();
    std::thread::spawn(move || send.send(work()));
    let limit = Duration::from_secs(20);
    answer
        .recv_timeout(limit)
        .unwrap_or_else(|_| panic!("{what} hangs"))
}

#[test]
fn what_is_planted_in_a_store_is_refused_or_replaced_and_nothing_outside_is_touched() {
    const REFUSALS: [Code; 5] = [
        Code::StoreCorrupt,
        Code::Io,
        Code::MetaWriteFailed,
        Code::RunDirCreateFailed,
        Code::RunDirExists,
    ];
    let places = [
        "",
        "runs",
        "runs/gh-17",
        "runs/gh-17/meta.json",
        "runs/gh-17/events.jsonl",
        "runs/gh-17/logs",
        "runs/gh-17/.lock",
        "runs/gh-17/.meta.json.tmp",
        ".runr.lock",
        ".runr.lock.info",
        ".lock",
    ];
    for place in places {
        for plant in Plant::ALL {
            let world = World::new();
            let (path, outside, inside) = world.place(place);
            let is_at_home = plant == Plant::Directory && outside.is_dir();
            if is_at_home || !plant.plant(&path, &outside, &inside) {
                continue;
            }
            let canary = world.temporary.path().join("outside");
            let (before, beside) = (look(&canary), inside.exists().then(|| look(&inside)));
            let store = world.store.clone();
            let what = format!("{plant:?} at `{place}`");
            for (operation, answer) in in_time(&what, move || operations(&store)) {
                let expected = works(operation, place, plant);
                assert_eq!(answer.is_ok(), expected, "{operation}, {what}: {answer:?}");
                let code = answer.err().map(|error| error.code());
                if place.ends_with("meta.json") && ["read", "update"].contains(&operation) {
                    assert!(code.is_none_or(|code| code == Code::StoreCorrupt), "{what}");
                }
                assert!(
                    code.is_none_or(|code| REFUSALS.contains(&code)),
                    "{operation}, {what}"
                );
            }
            assert!(look(&canary) == before, "{what} leads outside");
            if place.ends_with(".tmp") {
                let is_left = path.symlink_metadata().is_ok();
                assert_eq!(is_left, plant == Plant::Directory, "{what}");
            }
            if let (Plant::LinkIn, Some(beside)) = (plant, beside) {
                assert!(look(&inside) == beside, "{what} leads elsewhere");
            }
        }
    }
}

#[test]
fn a_data_directory_may_lie_behind_a_link() {
    let world = World::new();
    let link = world.temporary.path().join("link");
    symlink(world.temporary.path().join("data"), &link).unwrap();
    let link = Utf8PathBuf::from_path_buf(link).unwrap();
    let store = RunStore::data(real(), &DataDir::new(link), &RepoId::parse(REPO).unwrap());
    create(&store, "gh-19").unwrap();
    store.update(&id("gh-17"), |_| Ok(())).unwrap();
    assert_eq!(
        store.ids().unwrap(),
        [id("gh-17"), id("gh-18"), id("gh-19")]
    );
    assert!(world.store.exists(&id("gh-19")).unwrap());
}

#[test]
fn a_link_in_the_list_of_repositories_is_no_repository() {
    let world = World::new();
    let repos = world.temporary.path().join("data/repos");
    symlink(
        world.temporary.path().join("outside/repos").join(REPO),
        repos.join("r1"),
    )
    .unwrap();
    let data = Utf8PathBuf::from_path_buf(world.temporary.path().join("data")).unwrap();
    let stores = DataDir::new(data).stores(&real()).unwrap();
    let ids: Vec<_> = stores.iter().map(RunStore::repo_id).collect();
    assert_eq!(ids, [Some(REPO)]);
}

#[test]
fn ids_that_differ_only_in_case_are_two_runs_or_one_is_refused() {
    let world = World::new();
    let folds = Path::new(&world.store.run_dir(&id("GH-17"))).exists();
    let twin = create(&world.store, "GH-17");
    if folds {
        assert_eq!(twin.unwrap_err().code(), Code::RunDirExists);
        return;
    }
    twin.unwrap();
    let change = |run: &str, number| {
        let changed = world.store.update(&id(run), |meta| {
            meta.pr_number = Some(number);
            Ok(())
        });
        changed.unwrap();
    };
    change("GH-17", 1);
    change("gh-17", 2);
    assert_eq!(world.store.read(&id("GH-17")).unwrap().pr_number, Some(1));
    assert_eq!(world.store.read(&id("gh-17")).unwrap().pr_number, Some(2));
}

#[test]
fn names_that_are_no_plain_ids_are_none() {
    let long = "x".repeat(300);
    for bad in [
        "",
        ".",
        "..",
        "/abs",
        "a/../../b",
        "a\\b",
        "a\0",
        "a\n",
        "a\r",
        "-rf",
        "--help",
        ".hidden",
        "a.",
        "a ",
        " a",
        "con",
        "NUL",
        "com1.txt",
        "lpt9",
        "a:b",
        "a*",
        "~",
        "$HOME",
        "`id`",
        "%00",
        "\u{ff47}h-17",
        "gh\u{2011}17",
        "gh\u{2215}17",
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{202e}71-hg",
        "\u{feff}gh-17",
        "gh-17\u{200b}",
        &long,
    ] {
        for (error, field) in [
            (RunId::parse(bad).unwrap_err(), "run_id"),
            (RepoId::parse(bad).unwrap_err(), "repo_id"),
        ] {
            assert_eq!(error.code(), Code::InvalidId, "{bad:?}");
            assert_eq!(error.to_json()["field"], field);
            assert!(!error.to_string().contains(char::is_control), "{error:?}");
        }
    }
}
