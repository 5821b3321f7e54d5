//! The passes over a text, one behind the other: each sees what the one before has left.
//!
//! That order is what makes redacting twice the same as redacting once: a value is judged with the
//! tokens in it blanked already.

use regex::bytes::{Captures, Regex};

use super::extent::Extent;
use super::{Redactor, names, shapes};

/// What a pass looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// The values that were given.
    Values,
    /// What tells itself by how it looks.
    Shapes,
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
    More(Extent),
    /// A private key block begins here; what it holds is found by [`super::block::Block`].
    Block,
}

/// A span with the place that its beginning was told by.
pub(super) type Found = (usize, Span);

impl Redactor {
    /// Whether nothing in these lines is a secret, at a glance.
    pub(super) fn is_clean(&self, pass: Pass, lines: &[u8]) -> bool {
        match pass {
            Pass::Values => !self
                .exact
                .as_ref()
                .is_some_and(|exact| exact.is_match(lines)),
            Pass::Shapes => shapes::is_clean(lines),
            Pass::Names => names::is_clean(lines),
        }
    }

    /// The secrets in a line, or in a part of a long one: those that begin at `from` or later, and
    /// before `until`. In order, none touching another. A block ends the list.
    pub(super) fn spans(&self, pass: Pass, line: &[u8], from: usize, until: usize) -> Vec<Span> {
        let found = match pass {
            Pass::Values => self.values(line, from),
            Pass::Shapes => shapes::find(line, from),
            Pass::Names => names::find(line, from),
        };
        let block = Some(pass).filter(|pass| *pass == Pass::Shapes);
        let block = block.and_then(|_| shapes::key_block(line, from));
        let block = block.filter(|block| block.start < until);
        let limit = block.as_ref().map_or(line.len(), |block| block.start);
        let begins = found.into_iter().filter(|(anchor, _)| *anchor < until);
        let mut spans: Vec<Span> = begins
            .map(|(_, span)| behind_escape(line, span))
            .filter(|span| span.start < span.end.min(limit))
            .map(|span| {
                if span.end > limit {
                    cut(span, limit)
                } else {
                    span
                }
            })
            .collect();
        spans.sort_by_key(|span| span.start);
        spans.dedup_by(|next, kept| joins(kept, next));
        spans.extend(block.map(|block| span(block.start, block.end, Then::Block)));
        spans
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

fn cut(whole: Span, end: usize) -> Span {
    span(whole.start, end, Then::Nothing)
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
pub(super) fn going_on(line: &[u8], start: usize, mut extent: Extent) -> Span {
    let end = start + extent.take(&line[start..]);
    let then = if end == line.len() {
        Then::More(extent)
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
