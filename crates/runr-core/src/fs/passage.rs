//! A large document that is changed while it is copied.
//!
//! The old file is read in pieces that fit the caches of a processor, and each goes on to the new
//! file while it is there. Neither the old nor the new text is ever in memory as a whole: at 32 MiB
//! the page faults alone would cost more than the copy.

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use super::dir::{Dir, File, Open, Stat};
use super::write::{Durability, Replacement, Replacing};
use crate::error::Result;

/// How much is read at once, unless what has to be seen together is longer. A smaller file is not
/// changed in passing.
pub(super) const WINDOW: usize = 256 << 10;

/// A piece of a text, and what is to stand in its place.
pub(crate) type Change = (Range<usize>, String);

/// A text that passes by, and one change that is to be made to it.
pub(crate) trait Passage {
    /// Looks at a text that begins where it stopped the last time; how far it went. Nothing if the
    /// change cannot be made in passing.
    fn take(&mut self, text: &str) -> Option<usize>;

    /// The change, as soon as it is known: it lies in what was taken last.
    fn change(&self) -> Option<&Change>;

    /// Whether that is the change after all, now that all of the text was taken.
    fn holds(&self) -> bool;
}

/// How much is read at once, and how long the text may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) window: usize,
    pub(super) limit: u64,
}

/// How a change in passing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    /// The file holds the new text.
    Changed,
    /// The file is as it was: it is missing, small, unusual, or cannot be read.
    Declined,
}

/// Changes the file `name` in `dir`, if it is large, and can be changed in passing. The caller
/// holds the lock that guards it.
///
/// # Errors
/// As [`write_atomic`](super::write_atomic).
pub(super) fn change_in_passing(
    dir: &dyn Dir,
    name: &str,
    Sizes { window, limit }: Sizes,
    durability: Durability,
    passage: &mut dyn Passage,
) -> Result<Passed> {
    let Ok((file, stat)) = open_large(dir, name, window as u64, limit) else {
        return Ok(Passed::Declined);
    };
    let source = Source::new(file.as_ref(), stat.size, window);
    let begin = || Replacement::begin(dir, name, Replacing::File(stat), durability);
    match copy(source, passage, limit, begin)? {
        Some(new) => new.commit().map(|()| Passed::Changed),
        None => Ok(Passed::Declined),
    }
}

/// The new file with all of the text, if that could be changed in passing.
fn copy<'d>(
    mut source: Source<'_>,
    passage: &mut dyn Passage,
    mut room: u64,
    begin: impl Fn() -> Result<Replacement<'d>>,
) -> Result<Option<Replacement<'d>>> {
    let mut new = None;
    while source.fill().is_ok() && !source.is_done() {
        let Some((taken, piece)) = source.pass(passage) else {
            break;
        };
        let Some(left) = room.checked_sub(piece.len() as u64) else {
            break;
        };
        room = left;
        let new = match &mut new {
            Some(new) => new,
            none => none.insert(begin()?),
        };
        new.write(piece.as_bytes())?;
        if !source.advance(taken) {
            break;
        }
    }
    Ok(new.filter(|_| source.is_done() && passage.holds()))
}

/// The file, unless it is so small that there is nothing to gain.
fn open_large(
    dir: &dyn Dir,
    name: &str,
    small: u64,
    limit: u64,
) -> io::Result<(Box<dyn File>, Stat)> {
    let file = dir.open(name, Open::Read)?;
    let stat = file.stat()?.regular()?;
    if stat.size <= small || stat.size > limit {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok((file, stat))
}

/// The old file, seen through a window that moves on.
struct Source<'a> {
    file: &'a dyn File,
    size: u64,
    /// How much was read.
    read: u64,
    window: Vec<u8>,
    filled: usize,
    /// Where in the file the window begins.
    base: usize,
}

impl<'a> Source<'a> {
    fn new(file: &'a dyn File, size: u64, window: usize) -> Self {
        Self {
            file,
            size,
            read: 0,
            window: vec![0; window],
            filled: 0,
            base: 0,
        }
    }

    /// Reads until the window is full, or the file at its end.
    fn fill(&mut self) -> io::Result<()> {
        while self.filled < self.window.len() && !self.is_read() {
            let room = &mut self.window[self.filled..];
            let left = usize::try_from(self.size - self.read).unwrap_or(usize::MAX);
            let length = room.len().min(left);
            match self.file.read_at(&mut room[..length], self.read) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    self.filled += length;
                    self.read += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn is_read(&self) -> bool {
        self.read >= self.size
    }

    fn is_done(&self) -> bool {
        self.is_read() && self.filled == 0
    }

    /// The text in the window, without a character that is cut at its end; nothing if it is none.
    fn text(&self) -> Option<&str> {
        let bytes = self.window.get(..self.filled)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) if error.error_len().is_none() && !self.is_read() => {
                std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()
            }
            Err(_) => None,
        }
    }

    /// How much of the text in the window was taken, and what is to be written for it.
    fn pass(&self, passage: &mut dyn Passage) -> Option<(usize, Cow<'_, str>)> {
        let text = self.text()?;
        let taken = passage.take(text)?;
        let piece = text.get(..taken)?;
        // The change was made already if it lies before the window.
        let is_here = |change: &&Change| change.0.start >= self.base;
        let Some((range, new)) = passage.change().filter(is_here) else {
            return Some((taken, Cow::Borrowed(piece)));
        };
        let before = piece.get(..range.start - self.base)?;
        let after = piece.get(range.end - self.base..)?;
        Some((taken, Cow::Owned([before, new, after].concat())))
    }

    /// Moves the window on; whether it can.
    fn advance(&mut self, taken: usize) -> bool {
        if taken == 0 {
            // What has to be seen together is longer than the window.
            self.window.resize(self.window.len() * 2, 0);
        }
        self.window.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        self.base += taken;
        taken > 0 || !self.is_read()
    }
}
