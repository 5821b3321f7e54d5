//! Storage under real processes: many at once, and killed in the middle.
//!
//! The children are this test binary again, in a role that the environment names.
//! `RUNR_TEST_LONG=1` runs the full counts, `RUNR_TEST_SEED` repeats a kill loop.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::{Document, Journal, Lock, Sequenced, Wait, real};
use runr_core::store::{DataDir, NewRun, RepoId, RunFields, RunMeta, RunStore};
use runr_core::{Code, RunId, Timestamp};
use serde::{Deserialize, Serialize};

const LONG_WAIT: Wait = Wait::UpTo(Duration::from_secs(120));

fn long() -> bool {
    env::var_os("RUNR_TEST_LONG").is_some()
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    seq: u64,
    by: String,
}

impl Sequenced for Note {
    fn seq(&self) -> u64 {
        self.seq
    }
}

fn counter(dir: &Utf8Path) -> Document {
    Document::new(real(), dir, "count.json").wait(LONG_WAIT)
}

fn journal(dir: &Utf8Path) -> Journal<Note> {
    Journal::new(real(), dir, "notes.jsonl").wait(LONG_WAIT)
}

fn number(text: Option<&str>) -> u64 {
    text.map_or(0, |text| text.trim().parse().expect("a torn counter"))
}

fn increment(document: &Document) -> u64 {
    let update = document.update(|text| Ok(format!("{}\n", number(text) + 1)));
    number(Some(&update.unwrap().text))
}

fn append(journal: &Journal<Note>, by: &str) -> u64 {
    let note = |seq| Note {
        seq,
        by: by.to_owned(),
    };
    journal.append(note).unwrap().seq
}

fn create(dir: &Utf8Path, id: &str) {
    let new = NewRun {
        run_id: RunId::parse(id).unwrap(),
        repo_id: String::new(),
        title: String::new(),
        runner: String::new(),
        runner_cmd: String::new(),
        parent_branch: String::new(),
        branch: String::new(),
        worktree_path: "/w".into(),
        created_at: Timestamp::from_millis(0),
    };
    RunStore::open(real(), dir.join("runs"))
        .create(&new, false)
        .unwrap();
}

/// One run that all children change.
fn shared_run(dir: &Utf8Path) -> (RunStore, RunId) {
    let store = RunStore::open(real(), dir.join("runs")).wait(LONG_WAIT);
    (store, RunId::parse("gh-17").unwrap())
}

/// What the children do; in the parent this test has nothing to say.
#[test]
fn played_by_a_child() {
    let (Ok(role), Ok(dir)) = (env::var("RUNR_TEST_ROLE"), env::var("RUNR_TEST_DIR")) else {
        return;
    };
    let dir = Utf8Path::new(&dir);
    let (role, amount) = role.split_once(' ').unwrap();
    let amount: u64 = amount.parse().unwrap();
    match role {
        "count" => {
            for _ in 0..amount {
                increment(&counter(dir));
            }
        }
        "update" => {
            let (store, run) = shared_run(dir);
            for _ in 0..amount {
                let updated = store.update(&run, |meta| {
                    meta.pr_number = Some(meta.pr_number.unwrap_or(0) + 1);
                    Ok(())
                });
                updated.unwrap();
            }
        }
        "append" => {
            let by = std::process::id().to_string();
            for _ in 0..amount {
                append(&journal(dir), &by);
            }
        }
        "hold" => {
            let _guard = Lock::acquire(&real(), dir, ".lock", LONG_WAIT).unwrap();
            println!("\nheld");
            thread::sleep(Duration::from_secs(amount));
        }
        "name" => take_names(dir, amount),
        "queue" => queue(dir, Duration::from_millis(amount)),
        "work" => work(dir, amount),
        other => panic!("no role {other}"),
    }
}

/// Takes one name after the other, for a new run or for one that is there, and reports which it
/// got.
fn take_names(dir: &Utf8Path, amount: u64) {
    let repo = RepoId::parse("r1").unwrap();
    let store = RunStore::data(real(), &DataDir::new(dir), &repo).wait(LONG_WAIT);
    for round in 0..amount {
        let name = format!("name-{round}");
        let mut fields = RunFields::default();
        let new = RunId::parse(&format!("run-{}-{round}", std::process::id())).unwrap();
        fields.run_id = Some(new.clone());
        let taken = if (u64::from(std::process::id()) + round) % 2 == 0 {
            fields.name = Some(name);
            store
                .create_from(&fields, Timestamp::from_millis(0), false)
                .map(drop)
        } else {
            store
                .create_from(&fields, Timestamp::from_millis(0), false)
                .unwrap();
            let set = |meta: &mut RunMeta| {
                meta.name = Some(name);
                Ok(())
            };
            store.update(&new, set).map(drop)
        };
        match taken {
            Ok(()) => println!("\ngot {round}"),
            Err(error) => assert_eq!(error.code(), Code::RunRefAmbiguous, "{error}"),
        }
    }
}

/// Takes the lock again and again, and reports how many others came before each time.
fn queue(dir: &Utf8Path, time: Duration) {
    let turns = Document::new(real(), dir, "turns").lock_name(".unused");
    let count = || number(turns.read().unwrap().as_deref());
    let end = Instant::now() + time;
    while Instant::now() < end {
        let (asked, before) = (Instant::now(), count());
        let guard = Lock::acquire(&real(), dir, ".lock", LONG_WAIT).unwrap();
        let (granted, now) = (Instant::now(), count());
        turns.replace(&format!("{}\n", now + 1)).unwrap();
        let held = granted.elapsed();
        drop(guard);
        let waited = granted - asked;
        println!(
            "\nturn {} {} {}",
            now - before,
            waited.as_micros(),
            held.as_micros()
        );
    }
}

/// Updates, appends and creates until it is killed, and reports what is done.
fn work(dir: &Utf8Path, round: u64) {
    println!("\nready");
    for i in 0.. {
        println!("\ncount {}", increment(&counter(dir)));
        println!("\nappend {}", append(&journal(dir), "w"));
        if i % 4 == 0 {
            create(dir, &format!("run-{round}-{i}"));
            println!("\ncreate run-{round}-{i}");
        }
    }
}

fn start(role: &str, dir: &Utf8Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "played_by_a_child",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("RUNR_TEST_ROLE", role)
        .env("RUNR_TEST_DIR", dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

/// Starts `n` children in the same role; their output, once all have succeeded.
fn all(n: usize, role: &str, dir: &Utf8Path) -> Vec<String> {
    let children: Vec<_> = (0..n).map(|_| start(role, dir)).collect();
    let outputs = children.into_iter().map(|(mut child, mut stdout)| {
        let mut output = String::new();
        stdout.read_to_string(&mut output).unwrap();
        assert!(child.wait().unwrap().success(), "{output}");
        output
    });
    outputs.collect()
}

fn wait_for(line: &str, stdout: &mut BufReader<ChildStdout>) {
    let mut lines = stdout.by_ref().lines();
    assert!(lines.any(|read| read.unwrap() == line), "no line {line}");
}

/// A directory on a disk, not in memory.
fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().to_str().unwrap().into();
    (dir, path)
}

#[test]
fn eight_processes_of_200_updates_lose_none() {
    let (_keep, dir) = directory();
    all(8, "count 200", &dir);
    assert_eq!(number(counter(&dir).read().unwrap().as_deref()), 1600);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2, "leftovers");
}

#[test]
fn eight_processes_of_200_updates_of_one_run_lose_none() {
    let (_keep, dir) = directory();
    create(&dir, "gh-17");
    all(8, "update 200", &dir);
    let (store, run) = shared_run(&dir);
    assert_eq!(store.read(&run).unwrap().pr_number, Some(1600));
}

#[test]
fn a_name_that_several_processes_take_at_once_belongs_to_one_run() {
    let (_keep, dir) = directory();
    let rounds = if long() { 100 } else { 20 };
    let outputs = all(4, &format!("name {rounds}"), &dir);
    let mut got: Vec<u64> = outputs
        .iter()
        .flat_map(|output| output.lines())
        .filter_map(|line| line.strip_prefix("got ")?.parse().ok())
        .collect();
    got.sort_unstable();
    assert_eq!(got, (0..rounds).collect::<Vec<_>>());
}

#[test]
fn eight_processes_append_without_gaps_and_keep_their_own_order() {
    let (_keep, dir) = directory();
    all(8, "append 50", &dir);
    let notes = journal(&dir).replay(0).unwrap();
    assert_eq!(notes.len(), 400);
    let mut by: Vec<_> = notes.iter().map(|note| note.by.clone()).collect();
    by.sort();
    for of_one in by.chunks(50) {
        assert_eq!(of_one.first(), of_one.last());
    }
}

#[test]
fn sixteen_contenders_are_all_served() {
    let (_keep, dir) = directory();
    let millis = if long() { 10_000 } else { 1_500 };
    let outputs = all(16, &format!("queue {millis}"), &dir);
    let (mut turns, mut waits, mut holds) = (Vec::new(), Vec::new(), Vec::new());
    let mut served = Vec::new();
    for output in &outputs {
        let before = turns.len();
        for line in output.lines().filter_map(|line| line.strip_prefix("turn ")) {
            let numbers: Vec<u64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
            turns.push(numbers[0]);
            waits.push(numbers[1]);
            holds.push(numbers[2]);
        }
        served.push(turns.len() - before);
    }
    turns.sort_unstable();
    waits.sort_unstable();
    let p99 = |sorted: &[u64]| sorted[sorted.len() * 99 / 100];
    let fair_us = 16 * holds.iter().sum::<u64>() / holds.len() as u64;
    println!(
        "{} turns, {:?} to {:?} per process; others in between: p50 {}, p99 {}, most {}; \
         wait p99 {} us, fair share {fair_us} us",
        turns.len(),
        served.iter().min(),
        served.iter().max(),
        turns[turns.len() / 2],
        p99(&turns),
        turns[turns.len() - 1],
        p99(&waits),
    );
    assert!(served.iter().all(|n| *n > 0), "{served:?}");
    if long() {
        // In turns rather than in time: a slow disk is not unfair.
        assert!(p99(&turns) < 4 * 16, "p99 is {} turns", p99(&turns));
    }
}

#[test]
fn a_held_lock_times_out_and_a_killed_holder_frees_it() {
    let (_keep, dir) = directory();
    let (mut child, mut stdout) = start("hold 600", &dir);
    wait_for("held", &mut stdout);
    assert!(Lock::is_held(&real(), &dir, ".lock").unwrap());
    assert!(Lock::try_acquire(&real(), &dir, ".lock").unwrap().is_none());
    let short = Wait::UpTo(Duration::from_millis(100));
    let error = Lock::acquire(&real(), &dir, ".lock", short).unwrap_err();
    assert_eq!(error.code(), Code::LockTimeout);
    child.kill().unwrap();
    child.wait().unwrap();
    let guard = Lock::acquire(&real(), &dir, ".lock", LONG_WAIT).unwrap();
    assert!(Lock::is_held(&real(), &dir, ".lock").unwrap());
    drop(guard);
}

/// A generator of no great quality, so that a seed repeats a test everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    env::var("RUNR_TEST_SEED").map_or_else(
        |_| u64::from(now.unwrap().subsec_nanos()) | 1,
        |seed| seed.parse().unwrap(),
    )
}

#[test]
fn killed_writers_tear_nothing_and_lose_nothing_acknowledged() {
    let (_keep, dir) = directory();
    let seed = seed();
    let mut random = Random(seed);
    let start_time = Instant::now();
    let (most, budget) = if long() {
        (2_000, Duration::from_secs(3_600))
    } else {
        (2_000, Duration::from_secs(10))
    };
    let mut kills = 0;
    // What has been acknowledged so far: the counter, and the journal's last number.
    let (mut counted, mut appended) = (0, 0);
    while kills < most && start_time.elapsed() < budget {
        let (mut child, mut stdout) = start(&format!("work {kills}"), &dir);
        wait_for("ready", &mut stdout);
        thread::sleep(Duration::from_micros(random.below(12_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        let mut output = String::new();
        stdout.read_to_string(&mut output).unwrap();
        let context = format!("seed {seed}, kill {kills}");
        let last = |what: &str, or: u64| {
            let mut acks = output.lines().filter_map(|line| line.strip_prefix(what));
            acks.next_back().map_or(or, |ack| ack.parse().unwrap_or(or))
        };
        counted = last("count ", counted);
        appended = last("append ", appended);
        let count = number(counter(&dir).read().unwrap().as_deref());
        assert!(
            (counted..=counted + 1).contains(&count),
            "{context}: {counted} {count}"
        );
        let notes = journal(&dir).replay(0).unwrap().len() as u64;
        assert!(
            (appended..=appended + 1).contains(&notes),
            "{context}: {appended} {notes}"
        );
        let runs = check_runs(&dir, &output, &context);
        std::fs::remove_dir_all(&runs).unwrap();
        let names = std::fs::read_dir(&dir).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        let leftovers = names
            .iter()
            .filter(|name| name.to_str().unwrap().ends_with(".tmp"));
        assert!(leftovers.count() <= 1, "{context}: {names:?}");
        // The next writers find no lock in their way.
        counted = number(Some(
            &counter(&dir)
                .wait(Wait::No)
                .update(|text| Ok(format!("{}\n", number(text) + 1)))
                .unwrap()
                .text,
        ));
        appended = append(&journal(&dir).wait(Wait::No), "p");
        assert_eq!((counted, appended), (count + 1, notes + 1), "{context}");
        assert!(!dir.join(".count.json.tmp").exists(), "{context}");
    }
    println!("{kills} kills, {counted} updates, {appended} records, seed {seed}");
    assert!(!long() || kills == most, "only {kills} kills");
}

/// Every run that can be seen is complete, and every acknowledged one can be seen.
fn check_runs(dir: &Utf8Path, output: &str, context: &str) -> Utf8PathBuf {
    let root = dir.join("runs");
    std::fs::create_dir_all(&root).unwrap();
    let store = RunStore::open(real(), &root);
    let ids = store.ids().unwrap();
    for id in &ids {
        store.read(id).unwrap();
    }
    for id in output
        .lines()
        .filter_map(|line| line.strip_prefix("create "))
    {
        // The last line may have been cut by the kill.
        let acknowledged = output.contains(&format!("create {id}\n"));
        let there = ids.iter().any(|there| there.as_str() == id);
        assert!(there || !acknowledged, "{context}: {id}");
    }
    root
}
