//! Reading a journal forward, from where the last look ended.

use camino::Utf8PathBuf;
use serde::de::DeserializeOwned;

use super::{MAX_LINE, Sequenced};
use crate::error::{Error, Result};
use crate::fs::dir::{File, read_range};
use crate::fs::document::corrupt;
use crate::mutant::without;

/// Read in pieces of this size, so that memory does not grow with the journal.
const PIECE: u64 = 256 << 10;

/// How far a journal was read: up to the end of a whole line.
#[derive(Debug)]
pub(super) struct Reader {
    path: Utf8PathBuf,
    offset: u64,
    line: u64,
    last_seq: u64,
}

impl Reader {
    pub(super) fn new(path: Utf8PathBuf) -> Self {
        Self {
            path,
            offset: 0,
            line: 0,
            last_seq: 0,
        }
    }

    /// Hands over all whole records after those already read.
    pub(super) fn read_on<R: Sequenced + DeserializeOwned>(
        &mut self,
        file: &dyn File,
        mut take: impl FnMut(R),
    ) -> Result<()> {
        let io = |error| Error::io("read", &self.path, error);
        let stat = file.stat().and_then(|stat| stat.regular()).map_err(io)?;
        if stat.size < self.offset && !without("cut-journal") {
            return Err(self.corrupt("it was cut after it had been read"));
        }
        // What lies beyond this size was appended meanwhile, and is left to the next look.
        let mut piece = PIECE;
        while self.offset < stat.size {
            let left = stat.size - self.offset;
            let bytes = read_range(file, self.offset, piece.min(left))
                .map_err(|error| Error::io("read", &self.path, error))?;
            let before = self.offset;
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                if let Some(line) = line.strip_suffix(b"\n") {
                    take(self.record(line)?);
                }
            }
            if self.offset == before {
                if bytes.len() > MAX_LINE {
                    let reason = format!("a line is longer than {MAX_LINE} bytes");
                    return Err(self.corrupt(&reason));
                }
                if bytes.len() as u64 == left || bytes.is_empty() {
                    // A last line without a line feed: not written, or not yet.
                    break;
                }
                piece = MAX_LINE as u64 + 1;
            }
        }
        Ok(())
    }

    fn record<R: Sequenced + DeserializeOwned>(&mut self, line: &[u8]) -> Result<R> {
        if line.len() > MAX_LINE {
            let reason = format!("a line is longer than {MAX_LINE} bytes");
            return Err(self.corrupt(&reason));
        }
        let mut record = R::parse(line).map_err(|bad| {
            let error = self.corrupt(&format!("a line is no record ({})", bad.reason));
            bad.describe(error)
        })?;
        let expected = self.last_seq + 1;
        let is_next = record.seq() == expected || (record.seq() == 0 && record.adopt(expected));
        if !is_next && !without("gap") {
            let reason = format!("record {} stands where {expected} must", record.seq());
            return Err(self.corrupt(&reason));
        }
        self.last_seq = expected;
        self.offset += line.len() as u64 + 1;
        self.line += 1;
        Ok(record)
    }

    /// Damage in the line that begins at the present offset.
    fn corrupt(&self, reason: &str) -> Error {
        let place = format!("{reason}, line {}, offset {}", self.line + 1, self.offset);
        corrupt(&self.path, &place)
            .with("offset", self.offset)
            .with("line", self.line + 1)
    }
}
