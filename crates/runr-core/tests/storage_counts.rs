//! What the operations of the run store cost, in calls and flushes.
//!
//! Flushes are what takes time, and calls are what a program can save; both are exact here, unlike
//! times. The calls of the file system layer are counted in memory; on Linux the system calls of a
//! process are counted from outside too, by strace.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

use runr_core::fs::{FaultFs, MemoryFs};
use runr_core::store::{MetaOp, NewRun, RunStore};
use runr_core::{RunId, Timestamp};
use serde_json::json;

const RUNS: usize = 50;

fn id(nth: usize) -> RunId {
    RunId::parse(&format!("run-{nth}")).unwrap()
}

fn new_run(nth: usize) -> NewRun {
    NewRun {
        run_id: id(nth),
        repo_id: "abcd1234ef567890".into(),
        title: "Improve search".into(),
        runner: "claude".into(),
        runner_cmd: "claude --verbose".into(),
        parent_branch: "main".into(),
        branch: "runr/improve-search".into(),
        worktree_path: "/w".into(),
        created_at: Timestamp::from_millis(0),
    }
}

fn create(store: &RunStore, nth: usize) {
    store.create(&new_run(nth), false).unwrap();
}

fn update(store: &RunStore, nth: usize, count: i64) {
    let set = MetaOp::Set {
        path: "/pr_number".into(),
        value: json!(count).into(),
    };
    store.update_values(&id(nth), &[set]).unwrap();
}

fn append(store: &RunStore, nth: usize) {
    let now = Timestamp::from_millis(0);
    store.append_event(&id(nth), "stop", None, now).unwrap();
}

/// A store in memory with one run, its calls counted.
fn counted() -> (RunStore, FaultFs) {
    let fs = FaultFs::new(MemoryFs::new().into());
    let store = RunStore::open(fs.storage(), "/runs");
    create(&store, 0);
    drop(fs.take_calls());
    (store, fs)
}

const UPDATE: [&str; 18] = [
    "open_dir",
    "open_lock",
    "fstat",
    "try_lock",
    "stat", // the lock
    "open",
    "fstat",
    "read",
    "close", // the old text
    "open",
    "write",
    "sync",
    "close",
    "rename",
    "sync_dir", // the new one
    "unlock",
    "close_lock",
    "close_dir",
];

#[test]
fn an_update_of_a_run_costs_18_calls_and_two_flushes() {
    let (store, fs) = counted();
    update(&store, 0, 1);
    assert_eq!(fs.take_calls(), UPDATE);
    let changed = store.update(&id(0), |meta| {
        meta.pr_number = Some(2);
        Ok(())
    });
    changed.unwrap();
    let calls = fs.take_calls();
    assert_eq!(calls, UPDATE);
    assert_eq!(FaultFs::flushes(&calls), 2);
}

#[test]
fn a_creation_costs_14_calls_and_three_flushes() {
    let (store, fs) = counted();
    create(&store, 1);
    let calls = fs.take_calls();
    assert_eq!(FaultFs::flushes(&calls), 3, "{calls:?}");
    assert_eq!(calls.len(), 14, "{calls:?}");
}

#[test]
fn an_event_costs_one_flush_and_the_first_one_two() {
    let (store, fs) = counted();
    append(&store, 0);
    assert_eq!(FaultFs::flushes(&fs.take_calls()), 2);
    for _ in 0..100 {
        append(&store, 0);
        let calls = fs.take_calls();
        assert_eq!(FaultFs::flushes(&calls), 1, "{calls:?}");
        // However many there are.
        assert_eq!(calls.len(), 14, "{calls:?}");
    }
}

#[test]
fn a_read_costs_three_calls_and_five_if_the_document_is_large() {
    let (store, fs) = counted();
    store.read(&id(0)).unwrap();
    assert_eq!(fs.take_calls(), ["open_file", "read", "close"]);
    let long = store.update(&id(0), |meta| {
        meta.title = "long ".repeat(2000);
        Ok(())
    });
    long.unwrap();
    drop(fs.take_calls());
    store.read(&id(0)).unwrap();
    let expected = ["open_file", "read", "fstat", "read", "close"];
    assert_eq!(fs.take_calls(), expected);
}

#[test]
fn a_scan_costs_three_calls_for_each_run_and_three_for_the_list() {
    let (store, fs) = counted();
    (1..RUNS).for_each(|nth| create(&store, nth));
    drop(fs.take_calls());
    assert_eq!(store.scan().unwrap().len(), RUNS);
    let calls = fs.take_calls();
    let each = ["open_in", "read", "close"];
    let expected = ["open_dir", "list"]
        .into_iter()
        .chain(each.into_iter().cycle().take(3 * RUNS))
        .chain(["close_dir"]);
    assert!(calls.iter().copied().eq(expected), "{calls:?}");
}

/// From outside: the same operations on the real disk, in a process of their own.
#[cfg(target_os = "linux")]
mod system_calls {
    use std::env;
    use std::process::{Command, Stdio};

    use camino::Utf8Path;
    use runr_core::fs::real;

    use super::*;

    /// A file that does not exist: looking for it marks a place among the calls.
    const MARK: &str = "/runr-mark-between-the-calls";

    fn mark() {
        assert!(std::fs::metadata(MARK).is_err());
    }

    /// What the traced process does; in the parent this test has nothing to say.
    #[test]
    fn played_by_a_traced_child() {
        let Ok(dir) = env::var("RUNR_TEST_TRACED_DIR") else {
            return;
        };
        let store = RunStore::open(real(), Utf8Path::new(&dir).join("runs"));
        (0..RUNS).for_each(|nth| create(&store, nth));
        update(&store, 0, 1);
        append(&store, 0);
        let operations: [&dyn Fn(); 5] = [
            &|| update(&store, 0, 2),
            &|| create(&store, RUNS),
            &|| append(&store, 0),
            &|| drop(store.read(&id(0)).unwrap()),
            &|| drop(store.scan().unwrap()),
        ];
        for operation in operations {
            mark();
            operation();
        }
        mark();
    }

    /// The calls between the marks, by name.
    fn traced() -> Vec<Vec<String>> {
        let keep = tempfile::tempdir().unwrap();
        let log = keep.path().join("calls");
        let status = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=%file,%desc", "-o"])
            .arg(&log)
            .arg(env::current_exe().unwrap())
            .args(["system_calls::played_by_a_traced_child", "--exact"])
            .env("RUNR_TEST_TRACED_DIR", keep.path())
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        let log = std::fs::read_to_string(log).unwrap();
        let mut parts: Vec<Vec<String>> = log.split(MARK).map(names).collect();
        // Before the first mark and after the last one.
        parts.remove(0);
        parts.pop();
        parts
    }

    /// Whether calls can be traced here; containers may forbid it.
    fn can_trace() -> bool {
        let traced = Command::new("strace")
            .args(["-qq", "-o", "/dev/null", "true"])
            .status();
        traced.is_ok_and(|status| status.success())
    }

    fn names(part: &str) -> Vec<String> {
        // The first line is what is left of the mark. Memory is no concern of the disk, and debug
        // builds look whether a handle is open before they close it.
        let lines = part.lines().skip(1).filter_map(|line| {
            let call = line.split_whitespace().nth(1)?;
            Some(call.split('(').next()?.to_owned())
        });
        let mut names: Vec<_> = lines
            .filter(|name| !["mmap", "fcntl"].contains(&name.as_str()))
            .collect();
        // The line of the next mark has only begun.
        names.pop();
        names
    }

    fn flushes(calls: &[String]) -> usize {
        let flushes = calls.iter().filter(|name| name.ends_with("sync"));
        flushes.count()
    }

    #[test]
    fn the_kernel_sees_no_more_calls_than_that() {
        if !can_trace() {
            eprintln!("SKIPPED: no working strace, so the system calls were not counted");
            return;
        }
        let parts = traced();
        let [update, create, event, read, scan] = &parts[..] else {
            panic!("{parts:?}");
        };
        assert_eq!((update.len(), flushes(update)), (18, 2), "{update:?}");
        assert_eq!((create.len(), flushes(create)), (14, 3), "{create:?}");
        assert_eq!((event.len(), flushes(event)), (14, 1), "{event:?}");
        assert!(read.len() <= 7 && flushes(read) == 0, "{read:?}");
        assert_eq!(flushes(scan), 0, "{scan:?}");
        if read.len() > 3 {
            eprintln!("SKIPPED: no working openat2, so a scan needs more calls for each run");
            return;
        }
        // A run is added by the creation; the list is opened, read twice, and closed.
        let listing = scan.len() - 3 * (RUNS + 1);
        assert!(listing <= 8, "{listing}: {scan:?}");
    }
}
