//! An upsert into an index that passes by.

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::{IndexEntry, Pointer, beside, update, upsert_index};
use crate::error::Result;
use crate::fs::{Change, Changed, Document, Passage};
use crate::identity::index::{Row, Walk};
use crate::json::gap_before;

/// What an upsert of an index file did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upserted {
    /// Whether the file differs from what was there.
    pub changed: bool,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Adds a work item to an index file, or brings its entry up to date, as [`upsert_index`] does with
/// its text, under the lock of the document. A large index is changed while it is copied, and is
/// never in memory as a whole.
///
/// # Errors
/// As [`upsert_index`] and [`Document::update`]; the file stays as it is then.
pub fn upsert_index_in(document: &Document, entry: &IndexEntry) -> Result<Upserted> {
    let mut notes = Vec::new();
    let changed = document.change(Upserting::new(entry.pointer()?), |text| {
        let outcome = upsert_index(text, entry)?;
        notes = outcome.notes;
        Ok(outcome.text)
    })?;
    Ok(match changed {
        Changed::AsAWhole(update) => Upserted {
            changed: update.changed,
            notes,
        },
        Changed::InPassing(passage) => Upserted {
            changed: true,
            notes: passage.notes,
        },
    })
}

/// An upsert that looks at one entry after the other.
struct Upserting {
    pointer: Pointer,
    new: String,
    walk: Walk,
    /// How much was taken.
    base: usize,
    found: bool,
    /// Whether the entries are sorted, as far as they were seen, and the id of the last one.
    sorted: bool,
    before: String,
    change: Option<Change>,
    /// Whether it is an entry inserted among sorted ones: it stays right only if all of them are.
    needs_order: bool,
    notes: Vec<String>,
}

impl Upserting {
    fn new(pointer: Pointer) -> Self {
        Self {
            new: pointer.new_entry(),
            pointer,
            walk: Walk::default(),
            base: 0,
            found: false,
            sorted: true,
            before: String::new(),
            change: None,
            needs_order: false,
            notes: Vec::new(),
        }
    }

    /// Looks at one entry; what it has to do with the change.
    fn look(&mut self, row: Row<'_>) -> Part {
        if self.found {
            return Part::None;
        }
        if row.is_called(&self.pointer.run_id) {
            self.found = true;
            return Part::Itself;
        }
        if !self.sorted {
            return Part::None;
        }
        match row.id() {
            Some(id) if *self.before <= *id => {
                self.before.clear();
                self.before.push_str(&id);
            }
            _ => self.sorted = false,
        }
        if self.sorted && self.before > self.pointer.run_id {
            return Part::Greater;
        }
        Part::None
    }

    /// Settles the change as soon as what was seen allows it. Nothing if that is not what the
    /// entries before led to.
    fn decide(&mut self, text: &str, seen: Seen) -> Option<()> {
        if let Some(span) = seen.own {
            let edit = update(&text[span.clone()], self.base + span.start, &self.pointer).ok()?;
            // What changes nothing is not written.
            if self.change.is_some() || edit.splice.1 == text[span] {
                return None;
            }
            self.notes = edit.notes;
            self.change = Some(edit.splice);
            return Some(());
        }
        if self.found || self.change.is_some() {
            return Some(());
        }
        if let Some(span) = seen.greater.filter(|_| self.sorted) {
            self.change = Some(self.insertion(text, span, true)?);
            self.needs_order = true;
        } else if self.walk.is_behind_entries() {
            self.change = Some(self.insertion(text, seen.last?, false)?);
        }
        Some(())
    }

    /// What inserts the new entry before or behind another one.
    fn insertion(&self, text: &str, beside_it: Range<usize>, before: bool) -> Option<Change> {
        let gap = gap_before(text, beside_it.start);
        let (head, entry) = (self.walk.head(), &text[beside_it.clone()]);
        let (range, new) = beside(head, gap, entry, &self.new, before).ok()??;
        let start = self.base + beside_it.start;
        Some((start + range.start..start + range.end, new))
    }
}

/// What an entry has to do with the change.
enum Part {
    None,
    /// It is the one to bring up to date.
    Itself,
    /// A new one would stand before it.
    Greater,
}

/// The entries in a text that a decision needs.
#[derive(Default)]
struct Seen {
    own: Option<Range<usize>>,
    /// The first one that a new one would stand before.
    greater: Option<Range<usize>>,
    last: Option<Range<usize>>,
}

impl Passage for Upserting {
    fn take(&mut self, text: &str) -> Option<usize> {
        let mut walk = std::mem::take(&mut self.walk);
        let mut seen = Seen::default();
        let taken = walk.take(text, |place| {
            let row = Row::new(text, &place);
            match self.look(row) {
                Part::Itself => seen.own = Some(row.span()),
                Part::Greater if seen.greater.is_none() => seen.greater = Some(row.span()),
                _ => {}
            }
            seen.last = Some(row.span());
        })?;
        self.walk = walk;
        self.decide(text, seen)?;
        self.base += taken;
        Some(taken)
    }

    fn change(&self) -> Option<&Change> {
        self.change.as_ref()
    }

    fn holds(&self) -> bool {
        let is_right = self.sorted || !self.needs_order;
        self.change.is_some() && is_right && self.walk.finish().is_some()
    }
}
