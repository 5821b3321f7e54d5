//! The passes over a text, one behind the other: each sees what the one before has left.
//!
//! That order is what makes redacting twice the same as redacting once: a value is judged with the
//! tokens in it blanked already.

use std::ops::Range;

use regex::bytes::{Captures, Regex};

use super::extent::Extent;
use super::hints::Way;
use super::random::next_random;
use super::words::next_word;
use super::{Redactor, addresses, names, shapes};

/// What a pass looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// The values that were given.
    Values,
    /// What tells itself by how it looks.
    Shapes,
    /// Passwords in addresses.
    Addresses,
    /// What tells itself by the name it is given to.
    Names,
}

/// A part of a text that is to be replaced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    /// What goes on behind the text that was looked at.
    pub(super) then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// So far as this extent goes, counted from a place in the text.
    More(Extent, usize),
    /// A private key block begins here; what it holds is found by [`super::block::Block`].
    Block,
}

/// A span with the place that its beginning was told by.
pub(super) type Found = (usize, Span);

impl Pass {
    /// How to find the places that this pass has to look at.
    pub(super) fn ways(self) -> &'static [Way] {
        match self {
            Self::Values => &[Redactor::next_value],
            Self::Shapes => &[
                |_, text, from| shapes::next(text, from),
                |_, text, from| next_random(text, from).map(|run| run.start),
            ],
            Self::Addresses => &[|_, text, from| addresses::next(text, from)],
            Self::Names => &[|_, text, from| next_word(text, from)],
        }
    }

    /// Where the next private key block begins, which ends whatever goes on up to there.
    pub(super) fn block(self, line: &[u8], from: usize) -> Option<Range<usize>> {
        match self {
            Self::Shapes => shapes::key_block(line, from),
            Self::Values | Self::Addresses | Self::Names => None,
        }
    }
}

impl Redactor {
    /// The secrets in a line, or in a part of a long one: those that begin at `from` or later, and
    /// before `until`. In order, none touching another. A block ends the list.
    pub(super) fn spans(&self, pass: Pass, line: &[u8], from: usize, until: usize) -> Vec<Span> {
        let block = pass.block(line, from);
        // Nothing is judged by what a block holds, which is gone when it is judged again.
        let text = &line[..block.as_ref().map_or(line.len(), |block| block.start)];
        let found = match pass {
            Pass::Values => self.values(text, from),
            Pass::Shapes => shapes::find(text, from),
            Pass::Addresses => addresses::find(text, from),
            Pass::Names => names::find(text, from),
        };
        let begins = found.into_iter().filter(|(anchor, _)| *anchor < until);
        let mut spans: Vec<Span> = begins
            .map(|(_, span)| behind_escape(text, span))
            .filter(|span| span.start < span.end)
            .collect();
        spans.sort_by_key(|span| span.start);
        spans.dedup_by(|next, kept| joins(kept, next));
        let block = block.filter(|block| block.start < until);
        spans.extend(block.map(|block| span(block.start, block.end, Then::Block)));
        spans
    }

    fn next_value(&self, text: &[u8], from: usize) -> Option<usize> {
        let exact = self.exact.as_ref()?;
        exact.find_at(text, from).map(|value| value.start())
    }

    fn values(&self, line: &[u8], from: usize) -> Vec<Found> {
        let mut found = Vec::new();
        if let Some(exact) = &self.exact {
            each(exact, line, from, |hit| {
                let (start, end) = (start_of(hit), end_of(hit));
                found.push((start, span(start, end, Then::Nothing)));
                end
            });
        }
        found
    }
}

pub(super) fn span(start: usize, end: usize, then: Then) -> Span {
    Span { start, end, then }
}

fn joins(kept: &mut Span, next: &mut Span) -> bool {
    let joins = next.start <= kept.end;
    if joins && next.end > kept.end {
        (kept.end, kept.then) = (next.end, next.then);
    } else if joins && next.end == kept.end && kept.then == Then::Nothing {
        kept.then = next.then;
    }
    joins
}

/// The span from `start` as far as it goes in this text.
pub(super) fn going_on(line: &[u8], start: usize, extent: Extent) -> Span {
    let mut whole = extent;
    let end = start + whole.take(&line[start..]);
    let then = if end == line.len() {
        Then::More(extent, start)
    } else {
        Then::Nothing
    };
    span(start, end, then)
}

/// A letter behind a backslash belongs to it, as in `\n` or `\u000a`, and stays.
fn behind_escape(line: &[u8], span: Span) -> Span {
    let escaped = (1..=5).filter_map(|back| {
        let slash = span.start.checked_sub(back)?;
        let long = line.get(slash + 1) == Some(&b'u');
        (line[slash] == b'\\').then_some(slash + if long { 6 } else { 2 })
    });
    let start = escaped.fold(span.start, usize::max);
    Span {
        start: start.min(span.end),
        ..span
    }
}

/// Gives every match to `judge`, which tells where to go on.
pub(super) fn each(
    pattern: &Regex,
    line: &[u8],
    from: usize,
    mut judge: impl FnMut(&Captures<'_>) -> usize,
) {
    let mut at = from;
    while at <= line.len() {
        let Some(found) = pattern.captures_at(line, at) else {
            return;
        };
        at = judge(&found).max(at + 1);
    }
}

/// Where a group of a match begins; the end of the match if it has none.
pub(super) fn at_group(found: &Captures<'_>, name: &str) -> usize {
    found
        .name(name)
        .map_or(end_of(found), |group| group.start())
}

pub(super) fn start_of(found: &Captures<'_>) -> usize {
    found.get(0).map_or(0, |whole| whole.start())
}

pub(super) fn end_of(found: &Captures<'_>) -> usize {
    found.get(0).map_or(0, |whole| whole.end())
}

#[expect(
    clippy::expect_used,
    reason = "constant patterns, compiled by the tests"
)]
pub(super) fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("constant pattern")
}
