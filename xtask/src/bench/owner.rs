//! What claims cost: beside the protocol of the programs that share the record, and by themselves.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::{Durability, real};
use runr_core::ownership::{
    Claimant, FileClaims, Mode, Process, Processes, RunName, Target, assert_owner, claim,
};
use runr_core::{Clock, Timestamp};

use super::Bench;
use super::row::{Pair, Row, Unit, repeated, timed};
use crate::Failure;

/// Refreshes of a round; both begin anew with ten events in each.
const REFRESHES: u32 = 10;
/// Asserts of a round.
const ASSERTS: u32 = 2_000;
/// Lines of a long archive.
const EVENTS: usize = 1_000_000;
const PEER: &str = include_str!("owner.js");

pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    eprintln!("measuring ownership ...");
    let folder = bench.folder.path().join("owner");
    let folder = Utf8PathBuf::from_path_buf(folder).map_err(|_| "the path is not UTF-8")?;
    let rounds = bench.rounds * 10;
    Ok(vec![
        refresh(&folder, rounds, Durability::Full, ">= 1x")?,
        refresh(&folder, rounds, Durability::None, ">= 5x")?,
        flat(&folder, rounds)?,
        assert(&folder, bench.rounds)?,
        process(bench, &folder)?,
    ])
}

/// A claim of its own folder.
struct Place {
    claims: FileClaims,
    target: Target,
    caller: Claimant,
    record: Utf8PathBuf,
}

impl Place {
    fn new(root: &Utf8Path, durability: Durability) -> Result<Self, Failure> {
        std::fs::create_dir_all(root).map_err(said)?;
        let system = Arc::new(System);
        let claims = FileClaims::at(real(), root, Arc::clone(&system) as _, system as _);
        let target = Target::pr("acme/shop", 17).map_err(said)?;
        let place = Self {
            record: claims.path(&target),
            claims: claims.durability(durability),
            target,
            caller: Claimant::plain(RunName::new("run-1")),
        };
        place.refresh()?;
        Ok(place)
    }

    /// Begins anew with ten events.
    fn begin(&self) -> Result<(), Failure> {
        let text = std::fs::read_to_string(&self.record).map_err(said)?;
        let mut record: serde_json::Value = serde_json::from_str(&text).map_err(said)?;
        let event = record["history"][0].clone();
        record["history"] = vec![event; 10].into();
        let text = serde_json::to_string_pretty(&record).map_err(said)?;
        std::fs::write(&self.record, text + "\n").map_err(said)
    }

    fn refresh(&self) -> Result<(), Failure> {
        let now = System.now().into();
        let (target, caller) = (&self.target, &self.caller);
        let outcome = claim(&self.claims, target, caller, &Mode::Claim, &System, &now);
        if outcome.map_err(said)?.ok() {
            Ok(())
        } else {
            Err("the claim was refused".into())
        }
    }

    /// The time of a refresh.
    fn round(&self) -> Result<Duration, Failure> {
        self.begin()?;
        repeated(REFRESHES, || self.refresh())
    }
}

fn refresh(
    folder: &Utf8Path,
    rounds: usize,
    durability: Durability,
    goal: &'static str,
) -> Result<Row, Failure> {
    let name = format!("{durability:?}").to_lowercase();
    let ours = Place::new(&folder.join(&name), durability)?;
    let mut peer = Peer::start(&folder.join(format!("{name}-peer.json")))?;
    let mut pair = Pair::measure(rounds, || ours.round(), || peer.round())?;
    let durability = format!("ours: {name}, the peer's: none");
    let names = [
        "claim that refreshes, 10 events",
        "a Node script: directory lock, whole rewrite",
        &durability,
    ];
    Ok(pair.row(names, Unit::SpeedOfThePeer, Some(goal)))
}

/// A long archive beside a short one.
fn flat(folder: &Utf8Path, rounds: usize) -> Result<Row, Failure> {
    let short = Place::new(&folder.join("short"), Durability::Full)?;
    let long = Place::new(&folder.join("long"), Durability::Full)?;
    lengthen(&long)?;
    // Full histories: from here on every refresh moves an event to the archive.
    for place in [&short, &long] {
        for _ in 0..60 {
            place.refresh()?;
        }
    }
    let mut pair = Pair::measure(
        rounds,
        || repeated(REFRESHES, || long.refresh()),
        || repeated(REFRESHES, || short.refresh()),
    )?;
    let names = [
        "refresh, 1,000,000 events archived",
        "10 events archived",
        "full",
    ];
    Ok(pair.row(names, Unit::TimesThePeer, Some("<= 1.1x")))
}

fn lengthen(place: &Place) -> Result<(), Failure> {
    let archive = place.record.with_extension("history.jsonl");
    let text = std::fs::read_to_string(&archive).map_err(said)?;
    let line = text.lines().next().ok_or("the archive is empty")?;
    let (before, _) = line
        .rsplit_once("\"seq\":")
        .ok_or("the archive has no numbers")?;
    let mut text = String::new();
    for seq in 1..=EVENTS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{before}\"seq\":{seq}}}");
    }
    std::fs::write(&archive, text).map_err(said)
}

fn assert(folder: &Utf8Path, rounds: usize) -> Result<Row, Failure> {
    let place = Place::new(&folder.join("assert"), Durability::Full)?;
    place.begin()?;
    let ours = || assert_owner(&place.claims, &place.target, &place.caller, true).map(drop);
    let peer = || -> Result<(), Failure> {
        let text = std::fs::read(&place.record).map_err(said)?;
        serde_json::from_slice::<serde_json::Value>(&text)
            .map(drop)
            .map_err(said)
    };
    let mut pair = Pair::measure(
        rounds,
        || repeated(ASSERTS, ours),
        || repeated(ASSERTS, peer),
    )?;
    let names = ["assert, 10 events", "read and parse the record", "none"];
    Ok(pair.row(names, Unit::TimesThePeer, Some("<= 1.5x")))
}

/// A whole process that refreshes a claim.
fn process(bench: &Bench, folder: &Utf8Path) -> Result<Row, Failure> {
    // A repository of its own: claims are kept where all worktrees around a directory share them.
    let root = folder.join("process");
    silently(Command::new("git").args(["init", "--quiet"]).arg(&root))?;
    let ours = || {
        let mut runr = Command::new(&bench.runr);
        runr.args([
            "owner",
            "claim",
            "--repo",
            "acme/shop",
            "--pr",
            "17",
            "--run-id",
            "run-1",
        ]);
        silently(runr.current_dir(&root))
    };
    let peer = || silently(Command::new("node").args(["-e", "0"]));
    let mut pair = Pair::measure(bench.rounds, || timed(ours), || timed(peer))?;
    let names = ["runr owner claim, a process", "node -e 0", "ours: full"];
    Ok(pair.row(names, Unit::TimesThePeer, Some("<= 0.15x")))
}

fn silently(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.map_err(|why| format!("cannot start {command:?}: {why}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}"))
    }
}

/// The other program, compiled and waiting.
struct Peer {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Peer {
    fn start(file: &Utf8Path) -> Result<Self, Failure> {
        let mut child = Command::new("node")
            .args(["-e", PEER, "--"])
            .arg(file)
            .arg(REFRESHES.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| format!("cannot start node: {why}"))?;
        let stdin = child.stdin.take().ok_or("node has no standard input")?;
        let stdout = child.stdout.take().ok_or("node has no standard output")?;
        let mut peer = Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
        };
        let ready = peer.line()?;
        if ready == "ready" {
            Ok(peer)
        } else {
            Err(format!("the peer said `{ready}`"))
        }
    }

    fn round(&mut self) -> Result<Duration, Failure> {
        self.stdin.write_all(b"\n").map_err(said)?;
        let line = self.line()?;
        let nanos: f64 = line
            .parse()
            .map_err(|_| format!("the peer said `{line}`"))?;
        Ok(Duration::from_secs_f64(nanos / 1e9))
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).map_err(said)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// This machine, as far as the benchmarks ask.
#[derive(Debug)]
struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or_default())
    }
}

impl Processes for System {
    fn own(&self) -> Process {
        Process {
            pid: std::process::id(),
            start: 1,
            boot_id: "bench".to_owned(),
            pid_ns: String::new(),
            host: "bench".to_owned(),
        }
    }

    fn exists(&self, _: u32) -> bool {
        true
    }

    fn has_ended(&self, _: &Process) -> bool {
        false
    }
}

fn said(why: impl std::fmt::Display) -> Failure {
    why.to_string()
}
