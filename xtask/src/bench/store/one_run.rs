//! The operations on one run, each beside the same thing written plainly.

use camino::Utf8PathBuf;
use runr_core::fs::real;
use runr_core::store::{DataDir, MetaOp, NewRun, RunMeta, RunStore};
use runr_core::{RunId, Timestamp};
use serde_json::json;

use super::super::row::{Pair, Row, Unit, repeated, timed};
use super::super::{Bench, plain};
use super::{folder, grown, new_run, repo_id, said};
use crate::Failure;

/// A flush is short, so that a round needs many to say anything.
const WRITES_PER_ROUND: usize = 40;
const READS_PER_ROUND: usize = 40;
/// A read is too short to be timed alone.
const READS_AT_ONCE: u32 = 50;

const FULL: &str = "full: file and folder";

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    eprintln!("measuring the store: one run ...");
    let folder = folder(bench, "one-run")?;
    let ours = RunStore::data(real(), &DataDir::new(folder.join("data")), &repo_id()?);
    let field = Field {
        new: new_run(0, folder.join("worktree"))?,
        ours,
        peers: folder.join("plain"),
        writes: bench.rounds * WRITES_PER_ROUND,
    };
    field.prepare()?;
    Ok(vec![
        field.updates("RunStore::update_values, 1 KiB", |count| {
            let ops = [MetaOp::Set {
                path: "/pr_number".to_owned(),
                value: json!(count).into(),
            }];
            field.ours.update_values(field.id(), &ops).map(drop)
        })?,
        field.updates("RunStore::update, 1 KiB", |count| {
            let set = |meta: &mut RunMeta| {
                meta.pr_number = Some(count);
                Ok(())
            };
            field.ours.update(field.id(), set).map(drop)
        })?,
        field.creations()?,
        field.reads(bench.rounds)?,
        field.events()?,
    ])
}

/// Our store and the folder of the peer, with the same run in both.
struct Field {
    new: NewRun,
    ours: RunStore,
    peers: Utf8PathBuf,
    writes: usize,
}

impl Field {
    fn id(&self) -> &RunId {
        &self.new.run_id
    }

    fn prepare(&self) -> Result<(), Failure> {
        let text = grown(&self.new)?;
        let paths = self.ours.create(&self.new, false).map_err(said)?;
        std::fs::write(&paths.meta_path, &text).map_err(said)?;
        std::fs::create_dir_all(self.peers.join("run")).map_err(said)?;
        std::fs::write(self.peers.join("run/meta.json"), &text).map_err(said)
    }

    fn updates(
        &self,
        name: &str,
        update: impl Fn(i64) -> runr_core::Result<()>,
    ) -> Result<Row, Failure> {
        let folder = self.peers.join("run");
        let mut count = 1000;
        let mut pair = Pair::measure(
            self.writes,
            || {
                count += 1;
                timed(|| update(count))
            },
            || {
                let change = |text: &mut Vec<u8>| text.rotate_left(1);
                timed(|| plain::update(folder.as_std_path(), "meta.json", change))
            },
        )?;
        let peer = "flock, open, read, write, fdatasync, rename, fsync of the folder";
        Ok(pair.row([name, peer, FULL], Unit::SpeedOfThePeer, Some(">= 0.85x")))
    }

    fn creations(&self) -> Result<Row, Failure> {
        let text = runr_core::store::meta_text(&self.new);
        let runs = self.peers.as_std_path();
        let (mut ours, mut peers) = (1, 1);
        let mut pair = Pair::measure(
            self.writes,
            || {
                let new = new_run(ours, self.new.worktree_path.clone())?;
                ours += 1;
                timed(|| self.ours.create(&new, false).map(drop))
            },
            || {
                let name = format!("20260203040506-{peers:04x}");
                peers += 1;
                timed(|| plain::create(runs, &name, text.as_bytes()))
            },
        )?;
        let names = [
            "RunStore::create",
            "mkdir, mkdir, write, fdatasync, fsync, rename, fsync",
            FULL,
        ];
        Ok(pair.row(names, Unit::SpeedOfThePeer, Some(">= 0.80x")))
    }

    /// Both read the same file.
    fn reads(&self, rounds: usize) -> Result<Row, Failure> {
        let path = self.ours.paths(self.id()).meta_path;
        let mut pair = Pair::measure(
            rounds * READS_PER_ROUND,
            || repeated(READS_AT_ONCE, || self.ours.read(self.id()).map(drop)),
            || {
                repeated(READS_AT_ONCE, || {
                    plain::read(path.as_std_path(), &mut Vec::new())
                })
            },
        )?;
        let names = [
            "RunStore::read, parsed, 1 KiB",
            "open, fstat, read, read, close",
            "none",
        ];
        Ok(pair.row(names, Unit::SpeedOfThePeer, Some(">= 0.50x")))
    }

    fn events(&self) -> Result<Row, Failure> {
        let now = Timestamp::from_millis(0);
        let append = || {
            let data = json!({"cmd": "verify", "args": ["--all"]});
            let appended = self
                .ours
                .append_event(self.id(), "cmd_start", Some(data), now);
            appended.map(drop)
        };
        append().map_err(said)?;
        let events = self.ours.run_dir(self.id()).join("events.jsonl");
        let line = std::fs::read(events).map_err(said)?;
        let peers = self.peers.join("events.jsonl");
        let mut pair = Pair::measure(
            self.writes,
            || timed(append),
            || timed(|| plain::append(peers.as_std_path(), &line, true)),
        )?;
        let names = [
            "RunStore::append_event",
            "open, flock, append, fdatasync, close",
            "synced: fdatasync",
        ];
        Ok(pair.row(names, Unit::SpeedOfThePeer, Some(">= 0.85x")))
    }
}
