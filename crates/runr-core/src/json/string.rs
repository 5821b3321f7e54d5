//! Strings between their text in a document and their meaning.

use std::borrow::Cow;
use std::fmt::Write;

/// A JSON string: everything but quote, backslash and control characters stays raw.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text);
    out
}

/// Appends a JSON string.
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') {
        let (raw, special) = rest.split_at(at);
        out.push_str(raw);
        let mut chars = special.chars();
        push_char(out, chars.next().unwrap_or_default());
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Appends a JSON string that is given in UTF-16 units: lone surrogates as `\udxxx`, everything else
/// raw where it may be.
pub(crate) fn push_quoted_units(out: &mut String, units: &[u16]) {
    out.push('"');
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(c) => push_char(out, c),
            Err(lone) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", lone.unpaired_surrogate());
            }
        }
    }
    out.push('"');
}

/// Appends a character as it stands in a JSON string.
pub(crate) fn push_char(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c < ' ' => {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// One piece of a string that was scanned before: what stands between two escapes, or an escape.
enum Piece<'t> {
    Raw(&'t str),
    Char(char),
    /// A surrogate without its other half.
    Lone(u16),
}

/// The pieces of a string token, quotes included. The token is valid: it was scanned.
fn pieces(token: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = token
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or_default();
    std::iter::from_fn(move || {
        let Some(escape) = rest.strip_prefix('\\') else {
            let end = rest.find('\\').unwrap_or(rest.len());
            let (raw, after) = rest.split_at(end);
            rest = after;
            return (!raw.is_empty()).then_some(Piece::Raw(raw));
        };
        let (piece, after) = match escape.split_at_checked(1)? {
            ("b", after) => (Piece::Char('\u{8}'), after),
            ("f", after) => (Piece::Char('\u{c}'), after),
            ("n", after) => (Piece::Char('\n'), after),
            ("r", after) => (Piece::Char('\r'), after),
            ("t", after) => (Piece::Char('\t'), after),
            ("u", after) => unicode(after)?,
            (same, after) => (Piece::Char(same.chars().next()?), after),
        };
        rest = after;
        Some(piece)
    })
}

/// What stands after `\u`: four digits, and the second half of a pair if there is one.
fn unicode(text: &str) -> Option<(Piece<'_>, &str)> {
    let (first, after) = unit(text)?;
    if let Some(c) = char::from_u32(u32::from(first)) {
        return Some((Piece::Char(c), after));
    }
    if (0xd800..0xdc00).contains(&first)
        && let Some((second, after_pair)) = after.strip_prefix("\\u").and_then(unit)
        && let Some(Ok(c)) = char::decode_utf16([first, second]).next()
    {
        return Some((Piece::Char(c), after_pair));
    }
    Some((Piece::Lone(first), after))
}

fn unit(text: &str) -> Option<(u16, &str)> {
    let (digits, after) = text.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, after))
}

/// The meaning of a string token; `None` if half of a surrogate pair stands alone in it.
pub(super) fn decode(token: &str) -> Option<Cow<'_, str>> {
    if !token.contains('\\') {
        return Some(Cow::Borrowed(&token[1..token.len() - 1]));
    }
    let mut out = String::with_capacity(token.len());
    for piece in pieces(token) {
        match piece {
            Piece::Raw(raw) => out.push_str(raw),
            Piece::Char(c) => out.push(c),
            Piece::Lone(_) => return None,
        }
    }
    Some(Cow::Owned(out))
}

/// The meaning of a string token, with U+FFFD for lone surrogates.
pub(super) fn decode_lossy(token: &str) -> String {
    let mut out = String::with_capacity(token.len());
    for piece in pieces(token) {
        match piece {
            Piece::Raw(raw) => out.push_str(raw),
            Piece::Char(c) => out.push(c),
            Piece::Lone(_) => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out
}

/// The meaning of a string token in UTF-16 units, lone surrogates included.
pub(crate) fn units(token: &str) -> Vec<u16> {
    let mut out = Vec::with_capacity(token.len());
    for piece in pieces(token) {
        match piece {
            Piece::Raw(raw) => out.extend(raw.encode_utf16()),
            Piece::Char(c) => out.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            Piece::Lone(unit) => out.push(unit),
        }
    }
    out
}

/// What two string tokens share exactly if they mean the same: lone surrogates stay apart from
/// each other and from every character.
pub(crate) fn identity(token: &str) -> Cow<'_, str> {
    if !token.contains('\\') {
        return Cow::Borrowed(&token[1..token.len() - 1]);
    }
    let mut out = String::with_capacity(token.len());
    for piece in pieces(token) {
        match piece {
            // No decoded string contains an unescaped backslash of this shape: backslashes of the
            // text itself are doubled.
            Piece::Raw(raw) => out.push_str(raw),
            Piece::Char('\\') => out.push_str("\\\\"),
            Piece::Char(c) => out.push(c),
            Piece::Lone(unit) => {
                let _ = write!(out, "\\{unit:04x}");
            }
        }
    }
    Cow::Owned(out)
}
