//! Text as the other programs of the record see it.

use std::fmt;

use crate::json::{Kind, Node, Written};

/// Text in UTF-16 units, where half of a surrogate pair may stand alone: an exit reason is cut after
/// 500 units wherever that is, and must survive.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Text(Vec<u16>);

impl Text {
    /// The string that a JSON value is.
    #[must_use]
    pub fn of(node: Node<'_>) -> Option<Self> {
        (node.kind() == Kind::String).then(|| Self(crate::json::string_units(node.text())))
    }

    /// Without ECMAScript white space at both ends. U+FEFF is white space there, U+0085 is not.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        let start = self.0.iter().position(|unit| !is_space(*unit));
        let end = self.0.iter().rposition(|unit| !is_space(*unit));
        match (start, end) {
            (Some(start), Some(end)) => Self(self.0[start..=end].to_vec()),
            _ => Self::default(),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// At most the first `units` UTF-16 units.
    #[must_use]
    pub fn cut(mut self, units: usize) -> Self {
        self.0.truncate(units);
        self
    }

    /// The text as a JSON string: lone surrogates as `\udxxx`, everything else raw where it may be.
    #[must_use]
    pub fn quoted(&self) -> String {
        let mut out = String::with_capacity(self.0.len() + 2);
        crate::json::push_quoted_units(&mut out, &self.0);
        out
    }
}

/// A text without ECMAScript white space at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_white)
}

/// Whether a character is ECMAScript white space.
pub(super) fn is_white(c: char) -> bool {
    u16::try_from(u32::from(c)).is_ok_and(is_space)
}

/// `WhiteSpace` and `LineTerminator` of ECMAScript; all of them are single units.
fn is_space(unit: u16) -> bool {
    matches!(unit, 0x09..=0x0d | 0x20 | 0xa0 | 0x1680 | 0x2000..=0x200a | 0x2028 | 0x2029 | 0x202f | 0x205f | 0x3000 | 0xfeff)
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

impl From<&Text> for Written {
    fn from(text: &Text) -> Self {
        Self::trusted(text.quoted())
    }
}

/// With U+FFFD for lone surrogates.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf16_lossy(&self.0))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.quoted())
    }
}
