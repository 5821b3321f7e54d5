//! What is wrong with a text, and where.

/// A text that is no JSON, breaks a limit, or cannot be edited as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}, line {line}, column {column}")]
pub struct BadJson {
    /// What is wrong.
    pub reason: String,
    /// The place in bytes from the beginning.
    pub offset: usize,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
}

impl BadJson {
    /// The place is found in `text`; what follows `offset` does not matter, so it may be broken.
    pub(crate) fn at(text: &[u8], offset: usize, reason: impl Into<String>) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |feed| feed + 1);
        let is_first_of_char = |byte: &&u8| **byte & 0xc0 != 0x80;
        Self {
            reason: reason.into(),
            offset,
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            column: 1 + before[line_start..].iter().filter(is_first_of_char).count(),
        }
    }
}
