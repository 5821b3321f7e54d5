//! The end of a journal: all an append has to read.

use camino::Utf8Path;
use serde::de::DeserializeOwned;

use super::reader::Reader;
use super::{BadRecord, MAX_LINE, Sequenced};
use crate::error::{Error, Result};
use crate::fs::dir::{File, Stat, read_range};
use crate::fs::document::corrupt;

/// Read at first; most records are shorter.
const WINDOW: u64 = 4096;
/// A last whole line and a torn one after it, both of full length, and the line feed before them.
const MAX_WINDOW: u64 = 2 * (MAX_LINE as u64 + 1) + 1;

/// Where a journal ends.
#[derive(Debug)]
pub(super) struct Tail<R> {
    /// What the file was when it was looked at.
    pub(super) stat: Stat,
    /// The last record.
    pub(super) last: Option<R>,
    /// The number of the last record; 0 if there is none.
    pub(super) last_seq: u64,
    /// The end of the last whole line.
    pub(super) end: u64,
    /// Whether anything follows it.
    pub(super) torn: bool,
}

pub(super) fn read<R: Sequenced + DeserializeOwned>(
    file: &dyn File,
    path: &Utf8Path,
) -> Result<Tail<R>> {
    let io = |error| Error::io("read", path, error);
    let stat = file.stat().and_then(|stat| stat.regular()).map_err(io)?;
    let size = stat.size;
    let mut window = WINDOW.min(size);
    loop {
        let start = size - window;
        let bytes = read_range(file, start, window).map_err(io)?;
        if let Some((line, end)) = last_line(&bytes, start == 0) {
            let end_offset = start + end as u64;
            let begin = start + line.start as u64;
            let (last, numbered) = record_at::<R>(&bytes[line], begin, path)?;
            return Ok(Tail {
                stat,
                last_seq: if numbered {
                    last.seq()
                } else {
                    count::<R>(file, path)?
                },
                last: Some(last),
                end: end_offset,
                torn: end_offset < size,
            });
        }
        if start == 0 {
            return Ok(Tail {
                stat,
                last: None,
                last_seq: 0,
                end: 0,
                torn: size > 0,
            });
        }
        if window >= MAX_WINDOW {
            let reason = format!("its last line is longer than {MAX_LINE} bytes");
            return Err(corrupt(path, &reason).with("offset", start));
        }
        window = (window * 4).min(MAX_WINDOW).min(size);
    }
}

/// The last whole line without its line feed, and the offset after it; `None` if it does not
/// begin within `bytes`.
fn last_line(bytes: &[u8], from_start: bool) -> Option<(std::ops::Range<usize>, usize)> {
    let feed = bytes.iter().rposition(|byte| *byte == b'\n')?;
    match bytes[..feed].iter().rposition(|byte| *byte == b'\n') {
        Some(before) => Some((before + 1..feed, feed + 1)),
        None if from_start => Some((0..feed, feed + 1)),
        None => None,
    }
}

/// The number of the last line where it bears none: all lines have to be counted.
fn count<R: Sequenced + DeserializeOwned>(file: &dyn File, path: &Utf8Path) -> Result<u64> {
    let mut last = 0;
    Reader::new(path.to_owned()).read_on(file, |record: R| last = record.seq())?;
    Ok(last)
}

/// The record of a line, and whether it bears a number; some may do without.
fn record_at<R: Sequenced + DeserializeOwned>(
    line: &[u8],
    offset: u64,
    path: &Utf8Path,
) -> Result<(R, bool)> {
    let bad = match R::parse(line) {
        Ok(record) if record.seq() > 0 => return Ok((record, true)),
        Ok(mut record) => {
            if record.adopt(1) {
                return Ok((record, false));
            }
            BadRecord::new("it has the number 0")
        }
        Err(bad) => bad,
    };
    let reason = format!("its last line is no record ({})", bad.reason);
    Err(bad.describe(corrupt(path, &reason).with("offset", offset)))
}
