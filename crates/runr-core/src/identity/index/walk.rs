//! The way through the text of an index, piece by piece.
//!
//! The entries are read one by one; what stands around them is put together and checked in the end,
//! as the small document that it is without them. Whatever is unusual, or wrong, ends the walk:
//! then the text has to be scanned as a whole, which also says what is wrong.

use std::ops::Range;

use super::{EntryPlace, FIELDS, check_top, rules};
use crate::json::{Kind, Rows, after_space, scan};

/// How deeply an entry may be nested: it stands in two containers.
const MAX_DEPTH: usize = 125;

#[derive(Debug)]
pub(in crate::identity) struct Walk {
    stage: Stage,
    /// The text without the entries.
    frame: String,
    /// Where in it the `runs` begin.
    begin: usize,
    /// How much of the text was taken.
    taken: usize,
    /// Where the `runs` end.
    end: usize,
    rows: Rows<{ FIELDS.len() }>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the entries.
    Head,
    /// Behind the opening bracket, or behind a comma.
    Entry { first: bool },
    /// Behind the entries.
    Tail,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            stage: Stage::Head,
            frame: String::new(),
            begin: 0,
            taken: 0,
            end: 0,
            rows: Rows::new(FIELDS, MAX_DEPTH),
        }
    }
}

impl Walk {
    /// Takes as much as it can of a text that begins where it stopped the last time, and shows the
    /// entries; how much that was. What is left may only lack its end. An entry is taken together
    /// with the comma or bracket behind it.
    pub(in crate::identity) fn take(
        &mut self,
        text: &str,
        mut each: impl FnMut(EntryPlace),
    ) -> Option<usize> {
        let bytes = text.as_bytes();
        let mut at = 0;
        if self.stage == Stage::Head {
            at = after_bracket(text)?;
            self.frame.push_str(&text[..at]);
            self.begin = at - 1;
            self.stage = Stage::Entry { first: true };
        }
        while let Stage::Entry { first } = self.stage {
            let start = after_space(bytes, at);
            if first && bytes.get(start) == Some(&b']') {
                self.leave(start);
                at = start;
                break;
            }
            let Some(place) = self.rows.read(text, start) else {
                break;
            };
            let end = after_space(bytes, place.span().end);
            match bytes.get(end) {
                Some(b',') => {
                    at = end + 1;
                    self.stage = Stage::Entry { first: false };
                }
                Some(b']') => {
                    at = end;
                    self.leave(end);
                }
                _ => break,
            }
            each(place);
        }
        if self.stage == Stage::Tail {
            self.frame.push_str(&text[at..]);
            at = text.len();
        }
        self.taken += at;
        Some(at)
    }

    /// The text before the entries, once it was taken.
    pub(in crate::identity) fn head(&self) -> &str {
        self.frame.get(..=self.begin).unwrap_or_default()
    }

    /// Whether all entries were taken.
    pub(in crate::identity) fn is_behind_entries(&self) -> bool {
        self.stage == Stage::Tail
    }

    fn leave(&mut self, at: usize) {
        self.end = self.taken + at + 1;
        self.stage = Stage::Tail;
    }

    /// Where the `runs` stand, now that all of the text was taken.
    pub(in crate::identity) fn finish(&self) -> Option<Range<usize>> {
        let tree = scan(&self.frame, &rules().levels(2)).ok()?;
        check_top(&tree).ok()?;
        let runs = tree.root().get("runs")?;
        let is_here = runs.kind() == Kind::Array && runs.span().start == self.begin;
        (is_here && self.stage == Stage::Tail).then_some(self.begin..self.end)
    }
}

/// What lies behind the bracket that opens the `runs`, as it seems; the end tells whether it does.
fn after_bracket(text: &str) -> Option<usize> {
    let key = "\"runs\"";
    let bytes = text.as_bytes();
    let colon = after_space(bytes, text.find(key)? + key.len());
    let bracket = after_space(bytes, colon + 1);
    (bytes.get(colon) == Some(&b':') && bytes.get(bracket) == Some(&b'[')).then_some(bracket + 1)
}
