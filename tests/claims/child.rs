//! Children: this test binary again, in a role that the environment names.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use runr_cli::ownership::{OwnOptions, Ownership};
use runr_core::Code;
use runr_core::ownership::Target;

use crate::support::{Command, Sandbox, wait_until};

/// A child with this role. What it prints follows an empty line, as the runner has begun one.
pub(crate) fn play(sandbox: &Sandbox, role: &str, name: &str) -> Command {
    let binary = std::env::current_exe().unwrap();
    sandbox
        .command(binary.to_str().unwrap())
        .args(&["--exact", "child::played_by_a_child", "--nocapture", "-q"])
        .env("RUNR_TEST_ROLE", role)
        .env("RUNR_TEST_NAME", name)
        .env("RUNR_TEST_DIR", sandbox.scratch())
        .limit(Duration::from_secs(120))
}

/// What the children do; in the parent this test has nothing to say.
#[test]
fn played_by_a_child() {
    let variable = |name: &str| std::env::var(format!("RUNR_TEST_{name}")).ok();
    let (Some(role), Some(name), Some(dir)) = (variable("ROLE"), variable("NAME"), variable("DIR"))
    else {
        return;
    };
    let dir = PathBuf::from(dir);
    match role.split_once(' ').unwrap_or((&role, "")) {
        ("hold", millis) => hold(&dir, &name, Duration::from_millis(millis.parse().unwrap())),
        ("contend", turns) => contend(&dir, &name, turns.parse().unwrap()),
        (other, _) => panic!("no role {other}"),
    }
}

fn acquire(name: &str, ttl: Duration) -> runr_core::Result<Ownership> {
    let options = OwnOptions {
        ttl,
        ..OwnOptions::default()
    };
    Ownership::acquire(Target::pr("acme/shop", 17)?, name, options)
}

/// Holds the claim; for every line on standard input it tries to act.
fn hold(dir: &Path, name: &str, ttl: Duration) {
    let owner = acquire(name, ttl).unwrap();
    println!("\nholds {}", owner.token());
    for _ in std::io::stdin().lock().lines() {
        let acted = owner.act(|| append(dir, "acted", name));
        match acted {
            Ok(()) => println!("acted"),
            Err(error) => println!("refused {}", error.code()),
        }
    }
    // Whoever took over must not be disturbed by the end of this one.
    drop(owner);
}

/// Claims, acts and releases until all have had so many turns together; every turn is one line of
/// the file `turns`. It begins when all are there: a wait for a start is no wait for a turn.
fn contend(dir: &Path, name: &str, wanted: usize) {
    let inside = dir.join("inside");
    append(dir, "present", name);
    wait_until("all are there", Duration::from_secs(60), || {
        lines(dir, "present") == crate::crowd::PROCESSES
    });
    let mut operations = Operations::default();
    while lines(dir, "turns") < wanted {
        let owner = match operations.note(|| acquire(name, Duration::from_secs(60))) {
            Ok(owner) => owner,
            Err(error) if error.code() == Code::OwnershipLost => continue,
            Err(error) => panic!("{}", error.to_json()),
        };
        let acted = operations.note(|| {
            owner.act(|| {
                // Two at once would both want to create it.
                fs::File::create_new(&inside).expect("two owners inside");
                append(dir, "turns", name);
                fs::remove_file(&inside).unwrap();
            })
        });
        acted.unwrap();
        operations.note(|| owner.release(None)).unwrap();
    }
    fs::write(dir.join(format!("operations-{name}")), operations.text).unwrap();
}

/// When each operation of a process began and ended, in nanoseconds by the clock that all share.
#[derive(Default)]
struct Operations {
    text: String,
}

impl Operations {
    fn note<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let began = now();
        let done = operation();
        writeln!(self.text, "{began} {}", now()).unwrap();
        done
    }
}

fn lines(dir: &Path, file: &str) -> usize {
    let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
    text.lines().count()
}

fn append(dir: &Path, file: &str, line: &str) {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join(file));
    writeln!(file.unwrap(), "{line}").unwrap();
}
