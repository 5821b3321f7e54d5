//! Output that comes in pieces, in bounded memory.
//!
//! What is looked at together depends on the text alone and never on how it was cut: whole lines, and
//! of a line that is longer than the window, overlapping windows counted from its beginning.

use std::io::BufRead;

use super::block::Block;
use super::extent::Extent;
use super::hints::Hints;
use super::rules::{Pass, Span, Then};
use super::{REDACTED, Redactor};

/// A longer line is looked at in parts.
const WINDOW: usize = 64 * 1024;
/// A secret that begins in the last bytes of a window is left to the next one.
const OVERLAP: usize = 8 * 1024;
/// How much of what is written already the next window sees, to know what its text begins behind.
const CONTEXT: usize = 16;

/// Redacts a stream. What it holds back is at most a line, or a window of one.
#[derive(Debug)]
pub struct Stream {
    /// Each with what it has written, which is what the next one reads.
    passes: Vec<(Sieve, Vec<u8>)>,
}

impl Stream {
    pub(super) fn new(redactor: &Redactor) -> Self {
        let passes = match (redactor.on, &redactor.exact) {
            (false, _) => &[][..],
            (true, None) => &[Pass::Shapes, Pass::Addresses, Pass::Names],
            (true, Some(_)) => &[Pass::Values, Pass::Shapes, Pass::Addresses, Pass::Names],
        };
        let sieve = |pass: &Pass| (Sieve::new(*pass, redactor.clone()), Vec::new());
        Self {
            passes: passes.iter().map(sieve).collect(),
        }
    }

    /// Takes the next piece; what is certain goes to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        push(&mut self.passes, bytes, out);
    }

    /// The end of the stream; what was held back goes to `out`.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        let mut passes = &mut self.passes[..];
        while let Some(((first, last), rest)) = passes.split_first_mut() {
            last.clear();
            first.finish(last);
            push(rest, last, out);
            passes = rest;
        }
    }
}

fn push(passes: &mut [(Sieve, Vec<u8>)], bytes: &[u8], out: &mut Vec<u8>) {
    match passes {
        [] => out.extend_from_slice(bytes),
        [(only, _)] => only.push(bytes, out),
        [(first, written), rest @ ..] => {
            written.clear();
            first.push(bytes, written);
            push(rest, written, out);
        }
    }
}

/// One pass over a stream.
#[derive(Debug)]
struct Sieve {
    pass: Pass,
    redactor: Redactor,
    /// The line in the making, behind so many bytes of it that are written already.
    pending: Vec<u8>,
    seen: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Text,
    /// Within a secret that is longer than its window.
    Within(Extent),
    Block(Block),
}

impl Sieve {
    fn new(pass: Pass, redactor: Redactor) -> Self {
        Self {
            pass,
            redactor,
            pending: Vec::new(),
            seen: 0,
            state: State::Text,
        }
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.seen + WINDOW - self.pending.len();
            let piece = &rest[..rest.len().min(room)];
            let mut bytes = piece.iter();
            // The line in the making first, then many at once.
            let feed = if self.pending.is_empty() {
                bytes.rposition(|byte| *byte == b'\n')
            } else {
                bytes.position(|byte| *byte == b'\n')
            };
            let (lines, after) = rest.split_at(feed.map_or(piece.len(), |feed| feed + 1));
            rest = after;
            if feed.is_some() && self.pending.is_empty() {
                self.lines(lines, out);
                continue;
            }
            self.pending.extend_from_slice(lines);
            if feed.is_some() {
                self.pending_lines(out);
            } else if self.pending.len() - self.seen == WINDOW || self.in_block() {
                self.window(out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.pending_lines(out);
    }

    fn in_block(&self) -> bool {
        matches!(self.state, State::Block(_))
    }

    fn pending_lines(&mut self, out: &mut Vec<u8>) {
        let mut pending = std::mem::take(&mut self.pending);
        self.lines(&pending, out);
        pending.clear();
        self.pending = pending;
        self.seen = 0;
    }

    /// Writes whole lines; the first one may have a beginning that is written already.
    fn lines(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut rest = text;
        while !rest.is_empty() {
            let written = match &mut self.state {
                State::Block(block) => {
                    let (written, over) = block.take(rest, out);
                    if over {
                        self.state = State::Text;
                    }
                    written
                }
                State::Text | State::Within(_) => self.up_to_block(rest, out),
            };
            // What is behind a block is a line of its own.
            rest = &rest[written..];
            self.seen = 0;
        }
    }

    /// Writes whole lines up to where a block begins; where that is.
    fn up_to_block(&mut self, text: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = self.seen;
        let mut line_start = 0;
        let mut hints = Hints::new(&self.redactor, self.pass, text, at);
        while at < text.len() && !matches!(self.state, State::Block(_)) {
            if matches!(self.state, State::Text) {
                let Some(hint) = hints.next(at) else {
                    out.extend_from_slice(&text[at..]);
                    return text.len();
                };
                // The lines before the one with the hint go as they are.
                let feed = text[at..hint].iter().rposition(|byte| *byte == b'\n');
                if let Some(feed) = feed {
                    out.extend_from_slice(&text[at..=at + feed]);
                    at += feed + 1;
                    line_start = at;
                }
            }
            // The fastest search for a byte that there is in the standard library; it cannot fail.
            let rest = (&text[at..]).skip_until(b'\n');
            let line_end = rest.map_or(text.len(), |len| at + len);
            let line = &text[line_start..line_end];
            let look = Look {
                pass: self.pass,
                redactor: &self.redactor,
                line,
                until: line.len(),
            };
            at = line_start + self.state.part(look, at - line_start, out);
            line_start = at;
        }
        at
    }

    /// Writes what is certain of a line that is longer than the window.
    fn window(&mut self, out: &mut Vec<u8>) {
        let pending = std::mem::take(&mut self.pending);
        let mut at = self.seen;
        if !self.in_block() {
            let until = pending.len() - OVERLAP;
            let look = Look {
                pass: self.pass,
                redactor: &self.redactor,
                line: &pending,
                until,
            };
            at = self.state.part(look, at, out);
        }
        let mut context = at.min(CONTEXT);
        while at < pending.len() {
            let State::Block(block) = &mut self.state else {
                break;
            };
            let (taken, over) = block.take(&pending[at..], out);
            at += taken;
            context = 0;
            if over {
                self.state = State::Text;
            }
        }
        self.pending = pending;
        self.pending.drain(..at - context);
        self.seen = context;
    }
}

/// A part of a line: its secrets that begin before `until` are looked for.
struct Look<'a> {
    pass: Pass,
    redactor: &'a Redactor,
    line: &'a [u8],
    until: usize,
}

impl State {
    /// Writes a part of a line from `from` on; up to where it is written. It ends early where a block
    /// begins.
    fn part(&mut self, look: Look<'_>, from: usize, out: &mut Vec<u8>) -> usize {
        let Look {
            pass,
            redactor,
            line,
            until,
        } = look;
        let mut at = from;
        if let Self::Within(extent) = self {
            let block = pass.block(line, from);
            let end = until.min(block.map_or(line.len(), |block| block.start));
            at += extent.take(&line[from..end]);
            if at == until {
                return at;
            }
            *self = Self::Text;
        }
        for Span { start, end, then } in redactor.spans(pass, line, at, until) {
            out.extend_from_slice(&line[at..start]);
            out.extend_from_slice(REDACTED.as_bytes());
            at = end;
            match then {
                Then::Block => {
                    *self = Self::Block(Block::default());
                    return at;
                }
                Then::More(mut extent, begin) if end == line.len() => {
                    // What it goes on with is for the next window to see, which knows what follows.
                    at = until.max(start).max(begin);
                    extent.take(&line[begin..at]);
                    *self = Self::Within(extent);
                }
                Then::More(..) | Then::Nothing => {}
            }
        }
        if at < until {
            out.extend_from_slice(&line[at..until]);
            at = until;
        }
        at
    }
}
