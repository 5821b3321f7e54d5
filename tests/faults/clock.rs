//! Clocks that jump, stand still or are wrong, and processes in namespaces of their own.
//!
//! The clock of a child is set by a small library that is loaded before all others and answers for
//! the system's; it reads a file, so that the clock can be moved while the child runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::form::{long, skip, succeeds};
use crate::kept::{Kept, RUN};
use crate::runs::{brought_to_its_end, is_ours};
use crate::support::{Command, Random, Running, Sandbox, Script, seed, wait_until};

/// `=N`: the clock stands at N seconds; `N`: it is N seconds ahead.
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    const char *path = getenv("RUNR_TEST_CLOCK");
    if (clock != CLOCK_REALTIME || !path) return result;
    char text[32] = "";
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return result;
    if (read(file, text, sizeof text - 1) > 0) {
        if (text[0] == '=') { now->tv_sec = atoll(text + 1); now->tv_nsec = 0; }
        else now->tv_sec += atoll(text);
    }
    close(file);
    return result;
}
"#;

const HOUR: i64 = 3_600;
const TEN_YEARS: i64 = 10 * 366 * 24 * HOUR;

/// A clock for children.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// `None` where no library can be made.
    fn new(dir: &Path) -> Option<Self> {
        let (source, library) = (dir.join("clock.c"), dir.join("clock.so"));
        fs::write(&source, LIBRARY).unwrap();
        let (from, to) = (source.to_str().unwrap(), library.to_str().unwrap());
        let made = succeeds(&["cc", "-shared", "-fPIC", "-o", to, from, "-ldl"]);
        let file = dir.join("clock");
        let clock = Self { library, file };
        clock.set("0");
        made.then_some(clock)
    }

    fn set(&self, text: &str) {
        // At once, as a clock jumps.
        let next = self.file.with_extension("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, &self.file).unwrap();
    }

    fn tell(&self, command: Command) -> Command {
        command
            .env("LD_PRELOAD", &self.library)
            .env("RUNR_TEST_CLOCK", &self.file)
    }
}

/// The test is skipped where there is no clock.
fn clock(sandbox: &Sandbox, test: &str) -> Option<Clock> {
    let clock = Clock::new(&sandbox.scratch());
    if clock.is_none() {
        skip(test, "needs `cc` for a clock of its own");
    }
    clock
}

/// Ahead, back, and standing still; the last ones are as wrong as a clock can be.
fn settings() -> Vec<String> {
    let jumps = [0, HOUR, -HOUR, TEN_YEARS, -TEN_YEARS, 0];
    let mut settings: Vec<String> = jumps.iter().map(ToString::to_string).collect();
    for stands in ["=1700000000", "=0", "=-5", "=253402300799", "=999999999999"] {
        settings.push(stands.to_owned());
    }
    settings
}

/// The times of the lines of a journal.
fn times(text: &str) -> Vec<String> {
    let time = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        value["timestamp"].as_str().unwrap().to_owned()
    };
    text.lines().map(time).collect()
}

/// All times have one form, in which the order of the texts is that of the times.
fn assert_in_order(text: &str) {
    let times = times(text);
    assert!(times.is_sorted(), "{text}");
}

#[test]
fn a_clock_that_jumps_leaves_a_kept_run_whole_and_its_events_in_order() {
    let sandbox = Sandbox::bare();
    let Some(clock) = clock(&sandbox, "a clock that jumps") else {
        return;
    };
    let kept = Kept::at(&sandbox, sandbox.scratch().join("data")).with_run();
    let store = |words: &[&str]| clock.tell(kept.command(words)).output().exits(0);
    for (n, setting) in settings().iter().enumerate() {
        clock.set(setting);
        store(&["set", RUN, &format!("/n={n}")]);
        let event = store(&["events", RUN, "--append", "push"]).json();
        assert_eq!(event["seq"], n + 2, "at {setting}");
        // Two in one second of a clock that stands.
        let ids = [(); 2].map(|()| store(&["new", "--title", "t"]).json()["run_id"].clone());
        assert_ne!(ids[0], ids[1]);
        for id in &ids {
            store(&["show", id.as_str().unwrap()]);
        }
        let listed = store(&["ls"]).json();
        assert_eq!(listed["data"].as_array().unwrap().len(), 2 * n + 3);
        assert_in_order(&store(&["events", RUN]).stdout);
    }
}

fn sleepy() -> Sandbox {
    let script = Script::happy(1).sleeping("plan", 150);
    Sandbox::scripted(&script.sleeping("implement", 150).sleeping("review", 150))
}

/// Moves the clock to and fro until the run has ended.
fn disturb(clock: &Clock, random: &mut Random, ended: &AtomicBool) {
    let settings = settings();
    while !ended.load(Ordering::SeqCst) {
        clock.set(&settings[random.below(settings.len())]);
        std::thread::sleep(random.moment(Duration::from_millis(120)));
    }
    clock.set("0");
}

#[test]
fn a_clock_that_jumps_during_a_run_loses_nothing_and_its_times_never_go_back() {
    let seed = seed();
    println!("a clock that jumps: seed {seed}: repeat with RUNR_TEST_SEED={seed}");
    let mut random = Random::new(seed);
    for _ in 0..if long() { 100 } else { 4 } {
        let sandbox = sleepy();
        let Some(clock) = clock(&sandbox, "a clock that jumps during a run") else {
            return;
        };
        let ended = AtomicBool::new(false);
        let output = std::thread::scope(|scope| {
            scope.spawn(|| disturb(&clock, &mut random, &ended));
            let run = clock.tell(sandbox.run_command(&["--worktree"])).spawn();
            let output = run.wait();
            ended.store(true, Ordering::SeqCst);
            output
        });
        let what = format!("clocks of seed {seed}");
        assert!(is_ours(&output), "{what}: {output}");
        let id = brought_to_its_end(&sandbox, &output, &what);
        assert_eq!(sandbox.checkpoints(&id).len(), 1, "{what}: {output}");
        assert_in_order(&sandbox.timeline_text(&id));
        assert_eq!(sandbox.status(&id)["liveness"], "stopped");
    }
}

/// A run that waits for its worker.
fn waiting(wrapper: &[&str]) -> (Sandbox, String, Running) {
    let sandbox = Sandbox::scripted(&Script::happy(1).sleeping("implement", 60_000));
    let run = sandbox.run_command(&["--worktree"]);
    let run = if wrapper.is_empty() {
        run
    } else {
        run.under(wrapper)
    };
    let running = run.spawn();
    let mut id = None;
    wait_until("the implementer is called", Duration::from_secs(20), || {
        let called = |id: &String| {
            sandbox.events_so_far(id).iter().any(|event| {
                event.kind == "worker_call_started" && event.payload["stage"] == "implement"
            })
        };
        id = sandbox.run_ids().pop().filter(called);
        id.is_some()
    });
    (sandbox, id.unwrap(), running)
}

/// Says the truth about a live run, and refuses to take it over.
fn assert_live(sandbox: &Sandbox, id: &str, what: &str, from: impl Fn(Command) -> Command) {
    let status = from(sandbox.runr(&["status", id])).output().exits(0).json();
    assert_eq!(status["liveness"], "running", "{what}: {status}");
    let before = sandbox.timeline_text(id);
    let resume = from(sandbox.runr(&["resume", id])).output();
    resume.exits(3).says("Error: Run is still running");
    assert_eq!(sandbox.timeline_text(id), before, "{what}");
}

#[test]
fn a_held_run_is_not_taken_over_whatever_the_clock_says() {
    let (sandbox, id, running) = waiting(&[]);
    if let Some(clock) = clock(&sandbox, "a held run and a wrong clock") {
        for setting in settings() {
            clock.set(&setting);
            let from = |command| clock.tell(command);
            assert_live(&sandbox, &id, &setting, from);
        }
    }
    running.signal_all(rustix::process::Signal::KILL);
}

const PROCESSES: [&str; 4] = ["unshare", "--pid", "--fork", "--kill-child"];
const PROCESSES_SEEN: [&str; 5] = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const TIME: [&str; 4] = [
    "unshare",
    "--time",
    "--boottime=1000000",
    "--monotonic=1000000",
];

/// Whether there are such namespaces here.
fn can(wrapper: &[&str]) -> bool {
    let can = succeeds(&[wrapper, &["true"]].concat());
    if !can {
        skip(&wrapper.join(" "), "needs root and namespaces");
    }
    can
}

#[test]
fn an_owner_in_another_namespace_is_not_called_dead() {
    let namespaces = [&PROCESSES[..], &PROCESSES_SEEN, &TIME];
    for namespace in namespaces.into_iter().filter(|namespace| can(namespace)) {
        let what = namespace.join(" ");
        let (sandbox, id, running) = waiting(namespace);
        // From outside, and from a third place.
        assert_live(&sandbox, &id, &what, |command| command);
        for other in namespaces.into_iter().filter(|other| can(other)) {
            assert_live(&sandbox, &id, &what, |command| command.under(other));
        }
        running.signal_all(rustix::process::Signal::KILL);
        let killed = Instant::now();
        wait_until("the dead owner is seen", Duration::from_secs(5), || {
            sandbox.status(&id)["liveness"] == "stale"
        });
        println!("{what}: seen dead after {:?}", killed.elapsed());
    }
}

#[test]
fn a_reader_in_a_namespace_sees_a_live_owner_outside() {
    let (sandbox, id, running) = waiting(&[]);
    for namespace in [&PROCESSES[..], &PROCESSES_SEEN, &TIME] {
        if can(namespace) {
            let what = namespace.join(" ");
            assert_live(&sandbox, &id, &what, |command| command.under(namespace));
        }
    }
    running.signal_all(rustix::process::Signal::KILL);
}
