//! Where a text could have a secret. Nearly all of what programs print has none, and is not looked at
//! more closely.

use super::Redactor;
use super::rules::Pass;

/// Tells where the next thing stands, at a place or behind it, that could be a secret or a part of one.
pub(super) type Way = fn(&Redactor, &[u8], usize) -> Option<usize>;

/// The places that a pass has to look at, one behind the other.
pub(super) struct Hints<'a> {
    redactor: &'a Redactor,
    text: &'a [u8],
    /// Each way with the place it has found, which is kept until it is passed by.
    ways: Vec<(Way, Option<usize>)>,
}

impl<'a> Hints<'a> {
    pub(super) fn new(redactor: &'a Redactor, pass: Pass, text: &'a [u8], from: usize) -> Self {
        let found = |way: &Way| (*way, way(redactor, text, from));
        Self {
            redactor,
            text,
            ways: pass.ways().iter().map(found).collect(),
        }
    }

    /// The next place from `at` on, which never goes back.
    pub(super) fn next(&mut self, at: usize) -> Option<usize> {
        for (way, place) in &mut self.ways {
            if place.is_some_and(|place| place < at) {
                *place = way(self.redactor, self.text, at);
            }
        }
        self.ways.iter().filter_map(|(_, place)| *place).min()
    }
}
