//! Many processes that update one run at the same time.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use runr_core::RunId;
use runr_core::fs::{Wait, real};
use runr_core::store::RunStore;

use super::super::row::{Pair, Row, Unit};
use super::super::{Bench, plain};
use super::{folder, grown, new_run, said};
use crate::Failure;

const PROCESSES: usize = 8;
const UPDATES: usize = 200;
/// Nobody gives up on a slow disk.
const PATIENT: Wait = Wait::UpTo(Duration::from_secs(120));

/// What a process of the crowd updates.
const OURS: &str = "ours";
const PLAIN: &str = "plain";

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    eprintln!("measuring the store: many processes, one run ...");
    let folder = folder(bench, "crowd")?;
    let runs = folder.join("runs");
    let new = new_run(0, folder.join("worktree"))?;
    let store = RunStore::open(real(), &runs);
    let paths = store.create(&new, false).map_err(said)?;
    std::fs::write(&paths.meta_path, grown(&new)?).map_err(said)?;
    let before = count_of(&store, &new.run_id)?;
    // The peer counts in the first digits of a file of the same size.
    let size = std::fs::metadata(&paths.meta_path).map_err(said)?.len();
    let size = usize::try_from(size).map_err(said)?;
    std::fs::write(folder.join("meta.json"), format!("{:<size$}", "00000000")).map_err(said)?;

    let mut pair = Pair::measure(
        bench.rounds,
        || crowd(OURS, paths.run_dir.as_std_path()),
        || crowd(PLAIN, folder.as_std_path()),
    )?;
    let made = i64::try_from(bench.rounds * PROCESSES * UPDATES).map_err(said)?;
    let lost = before + made - count_of(&store, &new.run_id)?;
    if lost != 0 {
        return Err(format!("{lost} of {made} updates were lost"));
    }
    let what = format!("{PROCESSES} processes x {UPDATES} RunStore::update of one run");
    let peer = "the same number of processes, written plainly";
    let names = [&what, peer, "full: file and folder"];
    Ok(vec![pair.row(
        names,
        Unit::SpeedOfThePeer,
        Some(">= 0.80x"),
    )])
}

fn count_of(store: &RunStore, id: &RunId) -> Result<i64, Failure> {
    Ok(store.read(id).map_err(said)?.pr_number.unwrap_or_default())
}

/// The time from the first start to the last end.
fn crowd(who: &str, folder: &Path) -> Result<Duration, Failure> {
    let this = std::env::current_exe().map_err(said)?;
    let start = Instant::now();
    let children: Result<Vec<Child>, Failure> =
        (0..PROCESSES).map(|_| spawn(&this, who, folder)).collect();
    let statuses: Vec<_> = children?
        .into_iter()
        .map(|mut child| child.wait())
        .collect();
    let time = start.elapsed();
    for status in statuses {
        let status = status.map_err(said)?;
        if !status.success() {
            return Err(format!("a process of the crowd ended with {status}"));
        }
    }
    Ok(time)
}

fn spawn(this: &PathBuf, who: &str, folder: &Path) -> Result<Child, Failure> {
    let mut child = Command::new(this);
    child.args(["bench-crowd", who]).arg(folder);
    child.stdin(Stdio::null()).stdout(Stdio::null());
    child
        .spawn()
        .map_err(|why| format!("cannot start {}: {why}", this.display()))
}

/// What a process of the crowd does; its words come from [`spawn`].
pub(crate) fn be_one_of_many(words: &[&str]) -> Result<(), Failure> {
    let &[who, folder] = words else {
        return Err("usage: cargo xtask bench".into());
    };
    for _ in 0..UPDATES {
        match who {
            OURS => count_up(Utf8Path::new(folder))?,
            _ => {
                let change = |text: &mut Vec<u8>| count_up_plainly(text);
                plain::update(Path::new(folder), "meta.json", change).map_err(said)?;
            }
        }
    }
    Ok(())
}

fn count_up(run_dir: &Utf8Path) -> Result<(), Failure> {
    let (Some(runs), Some(id)) = (run_dir.parent(), run_dir.file_name()) else {
        return Err(format!("{run_dir} is no run"));
    };
    let store = RunStore::open(real(), runs).wait(PATIENT);
    let id = RunId::parse(id).map_err(said)?;
    let counted = store.update(&id, |meta| {
        meta.pr_number = meta.pr_number.map(|count| count + 1);
        Ok(())
    });
    counted.map(drop).map_err(said)
}

fn count_up_plainly(text: &mut [u8]) {
    for digit in text.iter_mut().take(8).rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
}
