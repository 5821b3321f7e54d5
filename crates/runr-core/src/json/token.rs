//! A value by its text alone.

use std::borrow::Cow;

use super::string;

/// The text of a value that was scanned before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'t>(pub(crate) &'t str);

impl<'t> Token<'t> {
    /// The string it is, unless half of a surrogate pair stands alone in it.
    pub(crate) fn as_str(self) -> Option<Cow<'t, str>> {
        self.is_string().then(|| string::decode(self.0)).flatten()
    }

    /// Whether it is this string.
    pub(crate) fn is_str(self, wanted: &str) -> bool {
        let text = self.0;
        // The usual string holds no escape.
        self.is_string()
            && (&text[1..text.len() - 1] == wanted && !wanted.contains('\\')
                || text.contains('\\') && self.as_str().is_some_and(|found| found == wanted))
    }

    /// Its text, exactly as it is written.
    pub(crate) fn text(self) -> &'t str {
        self.0
    }

    fn is_string(self) -> bool {
        self.0.starts_with('"')
    }
}
