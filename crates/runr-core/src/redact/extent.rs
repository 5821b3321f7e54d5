//! How far a secret goes once its beginning is found.

/// What ends a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Anything but letters, digits and the punctuation of tokens.
    Token,
    /// A blank, a quote, a backslash or a control character.
    Word,
    /// The quote it began with; in double quotes an escaped one is a part of it.
    Quoted {
        quote: u8,
        /// Whether a backslash has a meaning here, and the last byte was one that has.
        escapes: bool,
        escaped: bool,
    },
    /// A quote, a backslash or a control character; blanks belong to it.
    Line,
}

impl Extent {
    /// How many of the next bytes belong to the secret. Fewer than all: it ends there.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let ends = |byte: u8| byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f);
        match self {
            Self::Token => count(bytes, is_token),
            Self::Word => count(bytes, |b| !(ends(b) || matches!(b, b' ' | b'\'' | b'`'))),
            Self::Line => count(bytes, |b| !ends(b)),
            Self::Quoted {
                quote,
                escapes,
                escaped,
            } => count(bytes, |b| {
                if *escaped {
                    *escaped = false;
                    return b >= 0x20;
                }
                *escaped = *escapes && b == b'\\';
                *escaped || !(ends(b) || b == *quote)
            }),
        }
    }
}

fn count(bytes: &[u8], mut belongs: impl FnMut(u8) -> bool) -> usize {
    let end = bytes.iter().position(|byte| !belongs(*byte));
    end.unwrap_or(bytes.len())
}

pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-' | b'.' | b'~')
}
