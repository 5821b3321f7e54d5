//! An upsert into an index that passes by.

#[cfg(test)]
mod tests;

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
    /// The text before the entries.
    head: Option<String>,
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
            head: None,
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
}

enum Part {
    None,
    Itself,
    Greater,
}

impl Passage for Upserting {
    fn take(&mut self, text: &str) -> Option<usize> {
        let mut walk = std::mem::take(&mut self.walk);
        let (mut own, mut greater, mut last) = (None, None, None);
        let taken = walk.take(text, |place| {
            let row = Row::new(text, &place);
            match self.look(row) {
                Part::Itself => own = Some(row.span()),
                Part::Greater if greater.is_none() => greater = Some(row.span()),
                _ => {}
            }
            last = Some(row.span());
        })?;
        let head = self.head.get_or_insert_with(|| walk.head().to_owned());
        let beside = |span: std::ops::Range<usize>, before| {
            let gap = gap_before(text, span.start);
            let (range, new) = beside(head, gap, &text[span.clone()], &self.new, before).ok()??;
            let start = self.base + span.start;
            Some((start + range.start..start + range.end, new))
        };
        if let Some(span) = own {
            let edit = update(&text[span.clone()], self.base + span.start, &self.pointer).ok()?;
            let is_same = edit.splice.1 == text[span];
            if is_same || self.change.is_some() {
                return None;
            }
            self.notes = edit.notes;
            self.change = Some(edit.splice);
        } else if !self.found && self.change.is_none() {
            if self.sorted
                && let Some(span) = greater
            {
                self.change = Some(beside(span, true)?);
                self.needs_order = true;
            } else if walk.is_behind_entries() {
                self.change = Some(beside(last?, false)?);
            }
        }
        self.base += taken;
        self.walk = walk;
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
