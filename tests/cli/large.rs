//! A repository of a hundred thousand files.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Config, Sandbox, Script, ok};

const DIRECTORIES: usize = 1_000;
const FILES: usize = 100;
/// How many looks of git at the same tree a run may take.
const LOOKS: u32 = 30;

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// Takes a minute, most of which is git adding the files: only with `RUNR_TEST_LONG=1`.
#[test]
fn a_run_in_a_repository_of_a_hundred_thousand_files_completes() {
    if std::env::var_os("RUNR_TEST_LONG").is_none() {
        eprintln!("skipped: set RUNR_TEST_LONG=1");
        return;
    }
    let sandbox = Sandbox::with(&Config::new().allow(&["src/**", "many/d7/**"]));
    for directory in 0..DIRECTORIES {
        let place = sandbox.repo().join(format!("many/d{directory}"));
        fs::create_dir_all(&place).unwrap();
        for file in 0..FILES {
            fs::write(
                place.join(format!("f{file}.txt")),
                format!("{directory} {file}\n"),
            )
            .unwrap();
        }
    }
    let (_, add) = timed(|| sandbox.git(&["add", "-A"]));
    sandbox.git(&["commit", "-q", "-m", "many files"]);
    let (_, status) = timed(|| sandbox.git(&["status", "--porcelain", "-uall", "--ignored"]));
    let mut files = json!({"src/new.txt": "new\n"});
    for file in 0..FILES {
        files[format!("many/d7/f{file}.txt")] = json!("changed\n");
    }
    sandbox.script(&Script::one(ok(files)));
    let base = sandbox.head();
    let command = sandbox.run_command(&[]).limit(Duration::from_secs(600));
    let (output, run) = timed(|| command.output().exits(0));
    let id = sandbox.started(output).id;
    assert_eq!(
        sandbox.changed(&base, &format!("runr/{id}")).len(),
        FILES + 1
    );
    eprintln!("git status {status:?}, git add of all {add:?}, a run {run:?}");
    assert!(run < status * LOOKS, "git status {status:?}, a run {run:?}");
}
