//! Output that comes in pieces, in bounded memory.
//!
//! What is looked at together depends on the text alone and never on how it was cut: whole lines, and
//! of a line that is longer than the window, overlapping windows counted from its beginning.

use super::block::Block;
use super::extent::Extent;
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
    passes: Vec<Sieve>,
    between: Vec<u8>,
}

impl Stream {
    pub(super) fn new(redactor: &Redactor) -> Self {
        let passes = match (redactor.on, &redactor.exact) {
            (false, _) => &[][..],
            (true, None) => &[Pass::Shapes, Pass::Names],
            (true, Some(_)) => &[Pass::Values, Pass::Shapes, Pass::Names],
        };
        let sieve = |pass: &Pass| Sieve::new(*pass, redactor.clone());
        Self {
            passes: passes.iter().map(sieve).collect(),
            between: Vec::new(),
        }
    }

    /// Takes the next piece; what is certain goes to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        push(&mut self.passes, &mut self.between, bytes, out);
    }

    /// The end of the stream; what was held back goes to `out`.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        let mut passes = &mut self.passes[..];
        while let Some((first, rest)) = passes.split_first_mut() {
            let mut last = Vec::new();
            first.finish(&mut last);
            push(rest, &mut self.between, &last, out);
            passes = rest;
        }
    }
}

/// What one pass writes is what the next one reads.
fn push(passes: &mut [Sieve], between: &mut Vec<u8>, bytes: &[u8], out: &mut Vec<u8>) {
    match passes {
        [] => out.extend_from_slice(bytes),
        [only] => only.push(bytes, out),
        [first, rest @ ..] => {
            let mut written = std::mem::take(between);
            written.clear();
            first.push(bytes, &mut written);
            push(rest, between, &written, out);
            *between = written;
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
            let (piece, after) = rest.split_at(rest.len().min(room));
            rest = after;
            let before = self.pending.len();
            self.pending.extend_from_slice(piece);
            if let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') {
                self.lines(before + end + 1, out);
            } else if self.pending.len() - self.seen == WINDOW || self.in_block() {
                self.window(out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.lines(self.pending.len(), out);
    }

    fn in_block(&self) -> bool {
        matches!(self.state, State::Block(_))
    }

    /// Writes the whole lines up to `end`.
    fn lines(&mut self, end: usize, out: &mut Vec<u8>) {
        let pending = std::mem::take(&mut self.pending);
        let mut at = self.seen;
        if matches!(self.state, State::Text) && self.redactor.is_clean(self.pass, &pending[..end]) {
            out.extend_from_slice(&pending[at..end]);
            at = end;
        }
        // The first line may have a beginning that is written already; the others have none.
        let mut line_start = 0;
        while at < end {
            if let State::Block(block) = &mut self.state {
                let (taken, over) = block.take(&pending[at..end], out);
                at += taken;
                line_start = at;
                if over {
                    self.state = State::Text;
                }
                continue;
            }
            let feed = pending[at..end].iter().position(|byte| *byte == b'\n');
            let line_end = feed.map_or(end, |feed| at + feed + 1);
            let line = &pending[line_start..line_end];
            if matches!(self.state, State::Text) && self.redactor.is_clean(self.pass, line) {
                out.extend_from_slice(&pending[at..line_end]);
                (at, line_start) = (line_end, line_end);
                continue;
            }
            at = line_start + self.part(line, at - line_start, line.len(), out);
            line_start = at;
        }
        self.seen = 0;
        self.pending = pending;
        self.pending.drain(..end);
    }

    /// Writes what is certain of a line that is longer than the window.
    fn window(&mut self, out: &mut Vec<u8>) {
        let pending = std::mem::take(&mut self.pending);
        let mut at = self.seen;
        if !self.in_block() {
            let until = pending.len() - OVERLAP;
            at = self.part(&pending, at, until, out);
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

    /// Writes the part of a line that begins at `from` and whose secrets begin before `until`; up to
    /// where it is written. It ends early where a block begins.
    fn part(&mut self, line: &[u8], from: usize, until: usize, out: &mut Vec<u8>) -> usize {
        let mut at = from;
        if let State::Within(extent) = &mut self.state {
            at += extent.take(&line[from..]);
            if at == line.len() {
                return at;
            }
            self.state = State::Text;
        }
        for Span { start, end, then } in self.redactor.spans(self.pass, line, at, until) {
            out.extend_from_slice(&line[at..start]);
            out.extend_from_slice(REDACTED.as_bytes());
            at = end;
            match then {
                Then::Block => {
                    self.state = State::Block(Block::default());
                    return at;
                }
                Then::More(extent) if end == line.len() => self.state = State::Within(extent),
                Then::More(_) | Then::Nothing => {}
            }
        }
        if at < until {
            out.extend_from_slice(&line[at..until]);
            at = until;
        }
        at
    }
}
