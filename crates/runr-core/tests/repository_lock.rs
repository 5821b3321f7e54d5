//! The lock of a repository among processes, some of which die with it: never two holders.
//!
//! The children are this test binary again, in a role that the environment names.
//! Short form: 150 rounds. `RUNR_TEST_LONG=1`: 3,000. `RUNR_TEST_SEED` repeats the choices.

#![cfg(unix)]
#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::Timestamp;
use runr_core::fs::real;
use runr_core::store::{DataDir, Holder, RepoId, RunStore};
use rustix::process::{Pid, test_kill_process};

const CONTENDERS: usize = 8;
const WAIT: Duration = Duration::from_secs(20);
const REPOSITORY: &str = "abcd1234ef567890";

fn store(dir: &Utf8Path) -> RunStore {
    let repository = RepoId::parse(REPOSITORY).unwrap();
    RunStore::data(real(), &DataDir::new(dir), &repository)
}

/// The file by which other programs mark their lock.
fn foreign(dir: &Utf8Path) -> Utf8PathBuf {
    dir.join("repos").join(REPOSITORY).join(".lock")
}

/// Whether there is such a process; one that nobody has asked for yet counts.
fn exists(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// What the children do; in the parent this test has nothing to say.
#[test]
fn played_by_a_child() {
    let (Ok(role), Ok(dir)) = (env::var("RUNR_TEST_ROLE"), env::var("RUNR_TEST_DIR")) else {
        return;
    };
    let dir = Utf8Path::new(&dir);
    for round in std::io::stdin().lines() {
        let round = round.unwrap();
        let me = std::process::id();
        let holder = Holder::new(me, "here", Timestamp::from_millis(0), &role);
        let _lock = store(dir).lock_repository(&holder, WAIT, &exists).unwrap();
        be_alone(dir, &role);
        if role == "victim" {
            println!("\nheld {round}");
            thread::sleep(Duration::from_secs(600));
        }
        fs::remove_file(dir.join("alone")).unwrap();
        println!("\ndone {round}");
    }
}

/// Proves that nobody else holds the lock: by a file that only one can make. A victim's is taken
/// away once that victim is dead.
fn be_alone(dir: &Utf8Path, role: &str) {
    let path = dir.join("alone");
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        if let Ok(mut file) = made {
            return write!(file, "{role} {}", std::process::id()).unwrap();
        }
        let other = fs::read_to_string(&path).unwrap_or_default();
        let victim = other.strip_prefix("victim ").map(|pid| pid.parse());
        match victim {
            Some(Ok(pid)) if !exists(pid) => fs::remove_file(&path).unwrap(),
            // It dies: the kernel frees its locks before its number.
            Some(Ok(_)) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
            _ => panic!("two holders: {other:?} and {role} {}", std::process::id()),
        }
    }
}

/// A child that waits for the word to take the lock; dropped, it is killed.
struct Player {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Player {
    fn start(role: &str, dir: &Utf8Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "played_by_a_child",
                "--exact",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("RUNR_TEST_ROLE", role)
            .env("RUNR_TEST_DIR", dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take().unwrap(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    fn go(&mut self, round: u64) {
        writeln!(self.stdin, "{round}").unwrap();
    }

    fn says(&mut self, words: &str) {
        let said = self.lines.by_ref().any(|line| line.unwrap() == words);
        assert!(said, "a child ended without `{words}`");
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
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

/// What another program left, by the victim's number, which is another one's once that is dead.
fn leave_foreign(path: &Utf8Path, choice: u64, victim: u32, dead: u32) {
    let text = |pid: u32| format!("{{\"pid\":{pid},\"created_at\":\"2026-01-10T11:00:00Z\"}}\n");
    match choice {
        // It is waited for as long as it may be one that is being written.
        0 => fs::write(path, "").unwrap(),
        1..=6 => fs::write(path, text(dead)).unwrap(),
        7..=12 => fs::write(path, text(victim)).unwrap(),
        _ => drop(fs::remove_file(path)),
    }
}

#[test]
fn eight_processes_that_meet_a_dead_holder_are_never_two_holders() {
    let seed = seed();
    let rounds = if env::var_os("RUNR_TEST_LONG").is_some() {
        3_000
    } else {
        150
    };
    println!("{rounds} rounds, seed {seed}: repeat with RUNR_TEST_SEED={seed}");
    let mut random = Random(seed);
    let keep = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = Utf8Path::from_path(keep.path()).unwrap();
    let mut contenders: Vec<Player> = (0..CONTENDERS)
        .map(|_| Player::start("contender", dir))
        .collect();
    let mut first = Player::start("victim", dir);
    first.kill();
    let mut dead = first.child.id();
    for round in 0..rounds {
        let mut victim = Player::start("victim", dir);
        let file = foreign(dir);
        drop(fs::remove_file(&file));
        victim.go(round);
        victim.says(&format!("held {round}"));
        leave_foreign(&file, random.below(20), victim.child.id(), dead);
        let left = fs::read(&file).ok();
        // Some come while it lives, some meet what it left.
        let early = usize::try_from(random.below(CONTENDERS as u64 + 1)).unwrap();
        contenders[..early].iter_mut().for_each(|one| one.go(round));
        thread::sleep(Duration::from_micros(random.below(3_000)));
        victim.kill();
        contenders[early..].iter_mut().for_each(|one| one.go(round));
        for contender in &mut contenders {
            contender.says(&format!("done {round}"));
        }
        assert_eq!(fs::read(&file).ok(), left, "not ours to make or remove");
        assert!(!dir.join("alone").exists(), "round {round}, seed {seed}");
        dead = victim.child.id();
    }
}
