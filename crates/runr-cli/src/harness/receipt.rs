//! What a run leaves behind at a stop: pages for people, the diff, and the receipt of it all.
//!
//! Nothing of it is synced to the disk: after a power cut it can be made again, and a check says
//! what is missing. It is written after the stop is durable, and no failure here changes the outcome.

mod check;
mod diff;
mod files;

use std::collections::BTreeMap;

use camino::Utf8Path;
use runr_core::fs::{Document, Durability, Lock, LockGuard, Wait};
use runr_core::phase::config::{Capture, Receipts};
use runr_core::phase::handoff::{Page, Told, pages};
use runr_core::phase::ops::{OWNER_LOCK, RunFiles, to_text};
use runr_core::phase::receipt::{Changes, FileReceipt, Files, MAX_RECEIPT, RECEIPT, Receipt};
use runr_core::phase::report::{kpi_text, report_with_state};
use runr_core::phase::state::State;
use runr_core::phase::stop::StopReason;
use runr_core::phase::story::Story;
use runr_core::{Error, Result};
use sha2::{Digest, Sha256};

use self::diff::{Diff, capture};
use super::git::Git;
use super::snapshot::Snapshot;

pub(crate) use check::verify;

/// How a run ended, for those who tell of it.
#[derive(Default)]
pub(crate) struct Ending {
    pub(crate) story: Story,
    /// What the checkpoints change, if that could be found out.
    pub(crate) changes: Option<Changes>,
    /// Why there is no receipt.
    pub(crate) problem: Option<Error>,
}

/// Writes what a run leaves behind at its stop.
pub(crate) fn leave(files: &RunFiles, state: &State, git: &Git) -> Ending {
    let mut ending = Ending::default();
    ending.problem = try_leave(files, state, git, &mut ending).err();
    ending
}

/// Writes what a stopped run should have left and has not, because its driver died at that moment.
pub(crate) fn repair(files: &RunFiles, state: &State, git: &Git) {
    let Some(end) = files
        .records()
        .ok()
        .and_then(|records| Story::of(&records).end)
    else {
        return;
    };
    let of_this_stop = |receipt: Receipt| receipt.stop_seq == end.seq;
    if read(files).is_ok_and(|receipt| receipt.is_some_and(of_this_stop)) {
        return;
    }
    if let Ok(Some(_driving)) = Lock::try_acquire(files.storage(), files.dir(), OWNER_LOCK) {
        leave(files, state, git);
    }
}

/// The receipt, if there is one.
fn read(files: &RunFiles) -> Result<Option<Receipt>> {
    let text = document(files, RECEIPT).limit(MAX_RECEIPT).read()?;
    let path = files.dir().join(RECEIPT);
    text.map(|text| Receipt::parse(&text, &path)).transpose()
}

fn try_leave(files: &RunFiles, state: &State, git: &Git, ending: &mut Ending) -> Result<()> {
    let records = files.records()?;
    ending.story = Story::of(&records);
    let story = &ending.story;
    let end = story.end.as_ref();
    let end = end.ok_or_else(|| Error::internal("the run has not stopped"))?;
    let tip = state.checkpoint_commit_sha.as_deref();
    let diff = capture(git, files, &state.base_sha, tip);
    let logs = files::logs(files, story)?;
    let sizes = logs
        .iter()
        .filter_map(|log| Some((log.path.clone(), log.bytes?)));
    let told = Told {
        state,
        story,
        end,
        changes: diff.as_ref().ok().map(|diff| &diff.changes),
        figures: &kpi_text(&report_with_state(&state.run_id, &records, state, end.at)),
        output: &failing_output(files, state, story),
        sizes: &sizes.collect(),
    };
    let mut written = write(files, &pages(told)?, &end.stop.reason)?;
    // Without the diff a receipt would say that nothing was changed.
    let Diff { changes, patch } = diff?;
    written.extend(patch.map(|patch| ("diff".to_owned(), patch)));
    written.extend(files::earlier_artifacts(files)?);
    let totals = changes.totals;
    let told_of = Files {
        artifacts: written,
        logs,
        timeline: files::timeline(files, end.seq)?,
    };
    let receipt = Receipt::new(state, story, end, totals, told_of);
    document(files, RECEIPT)
        .limit(MAX_RECEIPT)
        .replace(&to_text(&receipt)?)?;
    ending.changes = Some(changes);
    Ok(())
}

/// Writes the pages under one lock and tells what they are.
fn write(
    files: &RunFiles,
    pages: &[Page],
    reason: &StopReason,
) -> Result<BTreeMap<String, FileReceipt>> {
    let held = Lock::acquire(files.storage(), files.dir(), ".lock", Wait::USUAL)?;
    files::private_dir(files, "handoffs")?;
    files::private_dir(files, "artifacts")?;
    if *reason == StopReason::Complete {
        // It told of a stop that is overcome.
        files::forget_stop_page(files);
    }
    let receipts = pages
        .iter()
        .map(|page| Ok((page.name.clone(), write_page(files, page, &held)?)));
    receipts.collect()
}

fn write_page(files: &RunFiles, page: &Page, held: &LockGuard) -> Result<FileReceipt> {
    document(files, &page.path).replace_under(held, &page.text)?;
    Ok(FileReceipt {
        path: page.path.clone(),
        bytes: Some(page.text.len() as u64),
        sha256: super::hex(&Sha256::digest(&page.text)),
    })
}

/// A file of the run directory that can be made again. What may hold the words of workers and
/// commands is for its owner alone.
fn document(files: &RunFiles, path: &str) -> Document {
    let path = files.dir().join(path);
    let name = path.file_name().unwrap_or_default();
    let dir = path.parent().unwrap_or(files.dir());
    let mode = if dir == files.dir() { 0o666 } else { 0o600 };
    Document::new(files.storage().clone(), dir, name)
        .durability(Durability::None)
        .mode(mode)
}

/// The end of what the failed check printed, as far as it may be copied.
fn failing_output(files: &RunFiles, state: &State, story: &Story) -> String {
    let of_stop = story.end.as_ref().and_then(|end| end.stop.log.as_ref());
    let of_check = story.failure.as_ref();
    let of_check = of_check.and_then(|failure| failure.result.as_ref());
    let Some(log) = of_stop.or(of_check.map(|result| &result.log)) else {
        return String::new();
    };
    // What may not be known may not be copied either.
    let Ok(snapshot) = Snapshot::read(files, state.snapshot_sha256.as_deref()) else {
        return String::new();
    };
    let limit = kept(&snapshot.config.receipts).map(|kept| kept.min(SHOWN));
    let log = files.dir().join(Utf8Path::new(log));
    let tail = limit.map(|limit| super::process::tail_of(&log, limit));
    tail.and_then(std::result::Result::ok).unwrap_or_default()
}

/// Enough for the lines that a page shows.
const SHOWN: u64 = 16 * 1024;

/// How much of a command's output may be copied out of its log; `None` for nothing.
pub(crate) fn kept(receipts: &Receipts) -> Option<u64> {
    match receipts.capture_cmd_output {
        Capture::Full => Some(u64::MAX),
        Capture::Truncated => Some(receipts.max_output_bytes),
        Capture::MetadataOnly => None,
    }
}
