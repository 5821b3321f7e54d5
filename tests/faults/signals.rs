//! Signals at any moment: kills, stops, requests to end, and a standard output that is gone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;

use crate::form::{Budget, each, long};
use crate::kept::{Kept, RUN};
use crate::support::{Random, Running, Sandbox, seed};

fn kept(sandbox: &Sandbox) -> Kept<'_> {
    Kept::at(sandbox, sandbox.scratch().join("data")).with_run()
}

/// The file of the lock under which the run is changed.
fn lock_file(kept: &Kept<'_>) -> PathBuf {
    let paths = kept.store(&["path", RUN]).exits(0).json();
    Path::new(paths["run_dir"].as_str().unwrap()).join(".lock")
}

fn is_held(lock: &Path) -> bool {
    let file = File::open(lock).unwrap();
    flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
}

/// A shell that changes the run for ever.
fn writers(kept: &Kept<'_>) -> Running {
    let sandbox = kept.sandbox;
    let words = ["-c", "while \"$@\" >/dev/null; do :; done", "sh"];
    let runr = env!("CARGO_BIN_EXE_runr");
    let change = [runr, "store", "events", RUN, "--append", "push"];
    let shell = sandbox.command("sh").args(&words).args(&change);
    shell.env("RUNR_DATA_DIR", &kept.data).spawn()
}

/// Stops the writers at a moment in which one of them holds the lock.
fn stop_a_holder(writers: &Running, lock: &Path, random: &mut Random) {
    for _ in 0..1_000 {
        std::thread::sleep(random.moment(Duration::from_millis(20)));
        writers.signal_all(Signal::STOP);
        // A signal takes effect when the process runs next.
        std::thread::sleep(Duration::from_millis(10));
        if is_held(lock) {
            return;
        }
        writers.signal_all(Signal::CONT);
    }
    panic!("no writer was ever caught with the lock");
}

#[test]
fn a_stopped_holder_of_a_lock_is_named_and_then_waited_for() {
    let sandbox = Sandbox::bare();
    let kept = kept(&sandbox);
    let lock = lock_file(&kept);
    let writers = writers(&kept);
    stop_a_holder(&writers, &lock, &mut Random::new(seed()));
    // Readers take no lock.
    kept.store(&["show", RUN]).exits(0);
    kept.store(&["events", RUN]).exits(0);
    let refused = kept.store(&["set", RUN, "/n=2"]).exits(1);
    let error = refused.error_json("E_LOCK_TIMEOUT", "lock_timeout");
    assert_eq!(error["lock_path"], lock.to_str().unwrap());
    assert_eq!(error["retryable"], true);
    assert_eq!(kept.number(), 1);
    let waiting = kept.command(&["set", RUN, "/n=3"]).spawn();
    writers.signal_all(Signal::CONT);
    waiting.wait().exits(0);
    assert_eq!(kept.number(), 3);
    writers.signal_all(Signal::KILL);
}

#[test]
fn a_signal_at_any_moment_leaves_the_old_or_the_new() {
    let seed = seed();
    let mut random = Random::new(seed);
    let sandbox = Sandbox::bare();
    let kept = kept(&sandbox);
    let started = Instant::now();
    kept.store(&["set", RUN, "/n=2"]).exits(0);
    let takes = started.elapsed();
    let rounds = if long() { 2_000 } else { 60 };
    for n in 3..rounds {
        let mut running = kept.command(&["set", RUN, &format!("/n={n}")]).spawn();
        let signal = [Signal::TERM, Signal::INT, Signal::HUP, Signal::XFSZ][n % 4];
        std::thread::sleep(random.moment(takes));
        if !running.has_ended() {
            running.signal(signal);
        }
        let output = running.wait();
        let what = format!("{signal:?}, seed {seed}: {output}");
        match output.code {
            Some(0) => assert_eq!(kept.number(), n as u64, "{what}"),
            // It ended before it listened, and so before it did anything; or it was asked to end.
            None | Some(1 | 130 | 143) => assert_ne!(kept.number(), n as u64, "{what}"),
            _ => panic!("{what}"),
        }
        assert!(kept.found().leftovers.is_empty(), "{what}");
    }
}

#[test]
fn a_result_that_cannot_be_printed_takes_nothing_back() {
    let sandbox = Sandbox::bare();
    let kept = kept(&sandbox);
    let runr = env!("CARGO_BIN_EXE_runr");
    // A closed pipe keeps the exit status; a disk without room for the result has its own.
    for (n, script, code) in [
        (2, "{ \"$@\"; echo status $? >&2; } | true", 0),
        (3, "\"$@\" >&-; echo status $? >&2", 0),
        (4, "\"$@\" > /dev/full; echo status $? >&2", 5),
    ] {
        let number = format!("/n={n}");
        let words = ["-c", script, "sh", runr, "store", "set", RUN, &number];
        let command = sandbox.command("sh").args(&words);
        let output = command.env("RUNR_DATA_DIR", &kept.data).output();
        assert_eq!(output.stderr, format!("status {code}\n"), "{output}");
        assert_eq!(kept.number(), n, "{script}: {output}");
    }
}

/// What one lane asked for, and what it was granted.
struct Lane<'a> {
    kept: Kept<'a>,
    asked: u64,
    set: u64,
    appended: (u64, u64),
    created: Vec<String>,
}

impl<'a> Lane<'a> {
    fn new(sandbox: &'a Sandbox, number: usize) -> Self {
        let data = sandbox.scratch().join(format!("lane{number}"));
        if data.exists() {
            fs::remove_dir_all(&data).unwrap();
        }
        Self {
            kept: Kept::at(sandbox, data).with_run(),
            asked: 1,
            set: 1,
            appended: (1, 1),
            created: Vec::new(),
        }
    }

    /// Starts a command that writes, and kills it at the moment; whether it died of that.
    fn kill_one(&mut self, kind: usize, moment: Duration) -> bool {
        self.asked += 1;
        let number = format!("/n={}", self.asked);
        let id = format!("new-{}", self.asked);
        let running = match kind {
            0 => self.kept.command(&["set", RUN, &number]),
            1 => self.kept.command(&["events", RUN, "--append", "push"]),
            _ => self.kept.command(&["new", "--run-id", &id, "--title", "t"]),
        }
        .spawn();
        std::thread::sleep(moment);
        // It may have ended, but it has not been asked for yet: the signal meets nobody else.
        running.signal(Signal::KILL);
        let acknowledged = running.wait().code == Some(0);
        match (kind, acknowledged) {
            (0, true) => self.set = self.asked,
            (1, true) => self.appended = (self.appended.0 + 1, self.appended.1 + 1),
            (1, false) => self.appended.1 += 1,
            (2, true) => self.created.push(id),
            _ => {}
        }
        !acknowledged
    }

    /// All files are whole, and nothing that was acknowledged is missing.
    fn check(&mut self, what: &str) {
        let found = self.kept.found();
        let number = self.kept.number();
        assert!(
            (self.set..=self.asked).contains(&number),
            "{what}: {number}"
        );
        let events = self.kept.events();
        let (least, most) = self.appended;
        assert!((least..=most).contains(&events), "{what}: {events}");
        for id in &self.created {
            assert!(found.documents.contains_key(id), "{what}: {id} is lost");
        }
        let leftovers = found.unfinished_files();
        assert!(leftovers <= 1, "{what}: {:?}", found.leftovers);
        // The next writers find nothing in their way, and clear up.
        self.asked += 1;
        let next = self
            .kept
            .store(&["set", RUN, &format!("/n={}", self.asked)]);
        assert_eq!(next.code, Some(0), "{what}: {next}");
        self.set = self.asked;
        assert_eq!(self.kept.found().unfinished_files(), 0, "{what}");
        self.appended = (events, events);
    }
}

#[test]
fn killed_commands_tear_nothing_and_lose_nothing_acknowledged() {
    /// Kills in one store; then it gets too full.
    const KILLS: usize = 50;
    let seed = seed();
    println!("killed commands: seed {seed}: repeat with RUNR_TEST_SEED={seed}");
    let sandbox = Sandbox::bare();
    let started = Instant::now();
    drop(kept(&sandbox));
    let takes = started.elapsed() / 3;
    let stores = if long() { 3_000 } else { 100 };
    let cases: Vec<u64> = (0..stores).collect();
    let killed = std::sync::atomic::AtomicUsize::new(0);
    let budget = Budget::short(Duration::from_secs(6));
    each(&cases, budget, |number, case| {
        let mut random = Random::new(seed.wrapping_add(*case));
        let mut lane = Lane::new(&sandbox, number);
        for kill in 0..KILLS {
            let died = lane.kill_one(random.below(3), random.moment(takes));
            killed.fetch_add(usize::from(died), std::sync::atomic::Ordering::Relaxed);
            lane.check(&format!("seed {seed}, store {case}, kill {kill}"));
        }
    });
    let killed = killed.into_inner();
    println!("{killed} kills in {:?}, seed {seed}", started.elapsed());
    assert!(killed >= if long() { 100_000 } else { 50 });
}
