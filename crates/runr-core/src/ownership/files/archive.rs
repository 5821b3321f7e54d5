//! The archive of a claim: every change of owner, and every event that left the record.
//!
//! Of several changes with the same token the last one counts: the others were given up after their
//! line was written, and nobody was ever shown their token.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::place::Place;
use crate::error::{Error, Result};
use crate::fs::{Dir, Durability, Journal, Sequenced, Storage};
use crate::json::Written;
use crate::mutant::without;
use crate::ownership::fencing::{Archived, ArchivedKind, Token};
use crate::ownership::model::HistoryEvent;

/// A line of the archive as it stands in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::ownership) struct Line {
    pub(in crate::ownership) token: Token,
    pub(in crate::ownership) kind: ArchivedKind,
    /// As other programs wrote it.
    event: Box<RawValue>,
    seq: u64,
}

impl Sequenced for Line {
    fn seq(&self) -> u64 {
        self.seq
    }
}

impl Line {
    fn new(archived: &Archived, seq: u64) -> Result<Self> {
        let event = RawValue::from_string(on_one_line(archived.event.0.text()));
        Ok(Self {
            token: archived.token,
            kind: archived.kind,
            event: event.map_err(|error| Error::internal(format!("no event: {error}")))?,
            seq,
        })
    }

    /// The event; none if it is beyond what a record may hold.
    pub(in crate::ownership) fn event(&self) -> Option<HistoryEvent> {
        Written::parse(self.event.get()).ok().map(HistoryEvent)
    }
}

/// The archive at a place.
pub(in crate::ownership) fn journal(storage: &Storage, place: &Place) -> Journal<Line> {
    Journal::new(storage.clone(), &place.dir, &place.names.archive)
}

/// Appends lines under the lock. A change of owner is durable then; what only left the record needs
/// no flush, as all that counts of it is in the archive already.
pub(in crate::ownership) fn append(
    journal: &Journal<Line>,
    dir: &dyn Dir,
    archived: &[Archived],
    durability: Durability,
) -> Result<()> {
    if archived.is_empty() {
        return Ok(());
    }
    let is_change = |line: &Archived| line.kind == ArchivedKind::Change;
    let durability = if archived.iter().any(is_change) && !without("change-sync") {
        durability
    } else {
        Durability::None
    };
    let numbered = (0..).zip(archived);
    let mut lines = numbered
        .map(|(seq, line)| Line::new(line, seq))
        .collect::<Result<Vec<_>>>()?;
    let number = |first: u64| {
        lines.iter_mut().for_each(|line| line.seq += first);
        lines
    };
    journal.append_in(dir, number, durability).map(drop)
}

/// A value without the white space around its parts, as that may hold line feeds.
fn on_one_line(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        let kept = in_string || !c.is_ascii_whitespace();
        (in_string, escaped) = match c {
            _ if escaped => (in_string, false),
            '\\' => (in_string, true),
            '"' => (!in_string, false),
            _ => (in_string, false),
        };
        kept
    };
    text.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_white_space_between_the_parts_goes() {
        let text = "{\n  \"a b\": [ 1.50, \"c \\\" d\\\\\" , \"e\" ]\r\n}";
        let line = "{\"a b\":[1.50,\"c \\\" d\\\\\",\"e\"]}";
        assert_eq!(on_one_line(text), line);
    }
}
