//! Disks without room, without inodes, or that may not be written; processes without files.
//!
//! Whatever is missing: what was there stays, the error has its code, and with what was missing
//! the same command succeeds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::form::{Budget, is_root, long, skip, succeeds};
use crate::kept::{Found, Kept, RUN};
use crate::mount::Mount;
use crate::runs::{brought_to_its_end, is_ours, runnable};
use crate::support::{Command, Output, Random, Sandbox, seed};

const NEEDS_ROOT: &str = "needs root, and leave to mount";

/// The commands that write, each time with something new, and what may be said of a failure.
fn commands() -> Vec<(Vec<String>, &'static [&'static str])> {
    static TIMES: AtomicUsize = AtomicUsize::new(2);
    let n = TIMES.fetch_add(1, Ordering::Relaxed);
    let number = format!("/n={n}");
    // Does not fit into a page.
    let text = format!("/text={n}{}", "x".repeat(9_000));
    let new = format!("new-{n}");
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    // A document that cannot be read is that for an update, too.
    const WRITE: &[&str] = &["E_META_WRITE_FAILED", "E_STORE_CORRUPT", "E_IO"];
    const CREATE: &[&str] = &["E_META_WRITE_FAILED", "E_RUN_DIR_CREATE_FAILED", "E_IO"];
    vec![
        (words(&["set", RUN, &number]), WRITE),
        (words(&["set", RUN, &text]), WRITE),
        (words(&["events", RUN, "--append", "push"]), WRITE),
        (words(&["new", "--run-id", &new, "--title", "t"]), CREATE),
    ]
}

/// How the commands that write are started.
type Start<'a> = &'a dyn Fn(Command) -> Command;

/// Runs each command that writes; how many were refused. What was refused left the old.
fn write_all(kept: &Kept<'_>, start: Start<'_>, errors: &[i64]) -> usize {
    let mut refused = 0;
    for (words, codes) in commands() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let before = kept.found();
        let output = start(kept.command(&words)).output();
        let found = kept.found();
        assert!(
            found.leftovers.is_empty(),
            "{:?}: {output}",
            found.leftovers
        );
        if output.code == Some(0) {
            assert_ne!(found, before, "{output}");
            continue;
        }
        refused += 1;
        assert_refused(&output, codes, errors);
        assert_eq!(found, before, "{output}");
    }
    refused
}

fn assert_refused(output: &Output, codes: &[&str], errors: &[i64]) -> Value {
    assert_eq!(output.code, Some(1), "{output}");
    let error = output.json();
    let code = error["code"].as_str().unwrap();
    assert!(codes.contains(&code), "{output}");
    // The cause of a directory that was not made stands in its text.
    if let Some(errno) = error["errno"].as_i64() {
        assert!(errors.contains(&errno), "{output}");
    }
    error
}

fn as_it_is(command: Command) -> Command {
    command
}

#[test]
fn a_disk_without_room_keeps_the_old_and_takes_the_new_when_there_is_room() {
    let sandbox = Sandbox::bare();
    let data = sandbox.scratch().join("data");
    let Some(disk) = Mount::memory(&data, "size=64k") else {
        return skip("a full disk", NEEDS_ROOT);
    };
    let kept = Kept::at(&sandbox, &data).with_run();
    let (used, _) = disk.pages();
    let mut refused = Vec::new();
    for free in 0..8 {
        fs::remove_dir_all(data.join("repos")).unwrap();
        let kept = kept.clone().with_run();
        disk.change(&format!("size={}k", 4 * (used + free)));
        refused.push(write_all(&kept, &as_it_is, &[28]));
        disk.change("size=64k");
        // Nothing of a failure stands in the way.
        assert_eq!(write_all(&kept, &as_it_is, &[]), 0);
    }
    println!("refused of four, by free pages: {refused:?}");
    // An event may fit into the page that is there.
    assert!(refused[0] >= 3 && refused[7] == 0);
}

#[test]
fn a_disk_without_inodes_keeps_the_old() {
    let sandbox = Sandbox::bare();
    let mut refused = Vec::new();
    for inodes in 8..16 {
        let data = sandbox.scratch().join(format!("data{inodes}"));
        let Some(disk) = Mount::memory(&data, "size=64k") else {
            return skip("a disk without inodes", NEEDS_ROOT);
        };
        let kept = Kept::at(&sandbox, &data);
        disk.change(&format!("nr_inodes={inodes}"));
        // The first run finds no room either, and is made when there is some.
        let output = kept.store(&["new", "--run-id", RUN, "--title", "t"]);
        if output.code != Some(0) {
            let codes = ["E_RUN_DIR_CREATE_FAILED", "E_META_WRITE_FAILED", "E_IO"];
            assert_refused(&output, &codes, &[28]);
            assert_eq!(kept.found(), Found::default(), "{output}");
            disk.change("nr_inodes=64");
            kept.store(&["new", "--run-id", RUN, "--title", "t"])
                .exits(0);
            disk.change("nr_inodes=11");
        }
        refused.push(write_all(&kept, &as_it_is, &[28]));
        disk.change("nr_inodes=64");
        assert_eq!(kept.store(&["set", RUN, "/n=5"]).code, Some(0));
    }
    println!("refused of four, by inodes: {refused:?}");
    assert!(refused.iter().any(|n| *n > 0));
}

/// A run in the data directory of a plain sandbox.
fn on_disk(sandbox: &Sandbox) -> Kept<'_> {
    Kept::at(sandbox, sandbox.scratch().join("data")).with_run()
}

#[test]
fn a_limit_of_file_sizes_is_an_error_and_no_signal() {
    if !succeeds(&["prlimit", "--fsize=1000000", "true"]) {
        return skip("a limit of file sizes", "needs `prlimit`");
    }
    let sandbox = Sandbox::bare();
    let mut refused = Vec::new();
    for size in [0, 1, 100, 200, 250, 300, 400, 1_000, 20_000] {
        let kept = on_disk(&sandbox);
        let limit = format!("--fsize={size}");
        let start = |command: Command| command.under(&["prlimit", &limit]);
        // 27: File too large. Taken as an error, and not as the end.
        refused.push(write_all(&kept, &start, &[27]));
        if size == 0 {
            let output = start(kept.command(&["set", RUN, "/n=0"])).output();
            let error = assert_refused(&output, &["E_META_WRITE_FAILED"], &[27]);
            assert_eq!(
                (&error["stage"], &error["committed"]),
                (&json!("write"), &json!(false))
            );
        }
        fs::remove_dir_all(&kept.data).unwrap();
    }
    println!("refused of four, by the limit: {refused:?}");
    assert_eq!((refused[0], refused[8]), (4, 0));
}

#[test]
fn a_process_that_may_open_few_files_keeps_the_old() {
    if !succeeds(&["prlimit", "--nofile=100", "true"]) {
        return skip("a limit of open files", "needs `prlimit`");
    }
    let sandbox = Sandbox::bare();
    let mut refused = Vec::new();
    for files in 3..12 {
        let kept = on_disk(&sandbox);
        let limit = format!("--nofile={files}");
        let start = |command: Command| command.under(&["prlimit", &limit]);
        // The loader needs files, too: below its need nobody can say anything.
        if start(kept.command(&["ls"])).output().code != Some(127) {
            refused.push(write_all(&kept, &start, &[24]));
        }
        fs::remove_dir_all(&kept.data).unwrap();
    }
    println!("refused of four, by open files: {refused:?}");
    assert!(refused[0] > 0 && refused.ends_with(&[0]), "{refused:?}");
}

/// A file or directory that not even root may change, until this is dropped.
struct Immutable(PathBuf);

impl Immutable {
    fn new(path: PathBuf) -> Option<Self> {
        succeeds(&["chattr", "+i", path.to_str().unwrap()]).then_some(Self(path))
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        succeeds(&["chattr", "-i", self.0.to_str().unwrap()]);
    }
}

fn run_dir(kept: &Kept<'_>) -> PathBuf {
    let paths = kept.store(&["path", RUN]).exits(0).json();
    paths["run_dir"].as_str().unwrap().into()
}

#[test]
fn an_immutable_file_or_directory_is_left() {
    let sandbox = Sandbox::bare();
    let kept = on_disk(&sandbox);
    let dir = run_dir(&kept);
    for path in [dir.join("meta.json"), dir.join("events.jsonl"), dir] {
        let Some(guard) = Immutable::new(path) else {
            return skip(
                "immutable files",
                "needs `chattr`, root and a disk that can",
            );
        };
        // 1: Operation not permitted.
        assert!(write_all(&kept, &as_it_is, &[1]) > 0);
        drop(guard);
        assert_eq!(write_all(&kept, &as_it_is, &[]), 0);
    }
}

#[test]
fn a_disk_that_may_only_be_read_is_read() {
    let sandbox = Sandbox::bare();
    let kept = on_disk(&sandbox);
    let data = kept.data.to_str().unwrap();
    let Some(disk) = Mount::new(&kept.data, &["--bind", data]) else {
        return skip("a disk that may only be read", NEEDS_ROOT);
    };
    disk.change("bind,ro");
    // 30: Read-only file system.
    assert_eq!(write_all(&kept, &as_it_is, &[30]), 4);
    let shown = kept.store(&["show", RUN]).exits(0).json();
    assert_eq!(shown["n"], 1);
    let listed = kept.store(&["ls"]).exits(0).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    disk.change("bind,rw");
    assert_eq!(write_all(&kept, &as_it_is, &[]), 0);
}

#[test]
fn another_user_is_refused_and_changes_nothing() {
    use std::os::unix::fs::PermissionsExt;
    const OTHER: [&str; 4] = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    const NAME: &str = "another user";
    if !is_root() || !succeeds(&[&OTHER[..], &["true"]].concat()) {
        return skip(NAME, "needs root and `setpriv`");
    }
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let sandbox = Sandbox::bare();
    open(sandbox.repo().parent().unwrap(), 0o755).unwrap();
    let start = |command: Command| command.under(&OTHER);
    if start(sandbox.runr(&["--version"])).output().code != Some(0) {
        return skip(NAME, "another user cannot reach the binary");
    }
    let kept = on_disk(&sandbox);
    // 13: Permission denied.
    assert_eq!(write_all(&kept, &start, &[13]), 4);
    // Who may read, reads; and may still not write.
    let dir = run_dir(&kept);
    for dir in dir.ancestors().take_while(|dir| *dir != sandbox.scratch()) {
        open(dir, 0o755).unwrap();
    }
    open(&dir.join("meta.json"), 0o644).unwrap();
    assert_eq!(write_all(&kept, &start, &[13]), 4);
    let shown = start(kept.command(&["show", RUN])).output().exits(0).json();
    assert_eq!(shown["n"], 1);
}

/// Puts the repository on a disk of its own.
fn on_a_disk_of_its_own(sandbox: &Sandbox) -> Option<Mount> {
    let (repo, aside) = (sandbox.repo(), sandbox.repo().with_extension("aside"));
    fs::rename(&repo, &aside).unwrap();
    let disk = Mount::memory(&repo, "size=16m");
    if disk.is_some() {
        crate::form::copy_dir(&aside, &repo);
    }
    disk
}

#[test]
fn a_run_on_a_full_disk_stops_and_is_brought_to_its_end_when_there_is_room() {
    const NAME: &str = "a run on a full disk";
    let seed = seed();
    let sandbox = runnable(2);
    let Some(disk) = on_a_disk_of_its_own(&sandbox) else {
        return skip(NAME, NEEDS_ROOT);
    };
    let before = disk.pages().0;
    let run = sandbox.run(&["--worktree"], 0);
    let expected = sandbox.checkpoints(&run.id);
    let takes = disk.pages().0 - before;
    drop((disk, sandbox));
    let mut cases: Vec<u64> = (0..=takes).collect();
    Random::new(seed).shuffle(&mut cases);
    println!("{NAME}: it takes {takes} pages, seed {seed}");
    let budget = Budget::short(Duration::from_secs(6));
    let (mut done, mut stopped) = (0, 0);
    for free in cases {
        if !budget.is_left() {
            break;
        }
        let what = format!("{free} free pages");
        let sandbox = runnable(2);
        let disk = on_a_disk_of_its_own(&sandbox).unwrap();
        disk.change(&format!("size={}k", 4 * (disk.pages().0 + free)));
        let output = sandbox.run_command(&["--worktree"]).output();
        assert!(is_ours(&output), "{what}: {output}");
        stopped += usize::from(output.code != Some(0));
        disk.change("size=16m");
        let id = brought_to_its_end(&sandbox, &output, &what);
        assert_eq!(sandbox.checkpoints(&id), expected, "{what}: {output}");
        done += 1;
    }
    println!("{done} runs, {stopped} of them stopped, seed {seed}");
    assert!(stopped > 0 && (done > takes || !long()));
}
