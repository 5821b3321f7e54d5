//! How values are laid out: new ones in the manner of the text around them.

use super::tree::{Kind, Node};

/// The manner of a document.
#[derive(Debug, Clone)]
pub(super) struct Style {
    /// The line break of the document.
    pub(super) newline: &'static str,
    /// One level of indentation.
    pub(super) unit: String,
    /// What stands between a key and its value.
    pub(super) colon: String,
    /// Whether its members stand on lines of their own.
    pub(super) multiline: bool,
    /// At this length a text has become too long to go on with.
    pub(super) limit: usize,
}

impl Style {
    /// The manner of a document, as far as its root shows one.
    pub(super) fn of(text: &str, root: Node<'_>) -> Self {
        let newline = match text.find('\n') {
            Some(feed) if text[..feed].ends_with('\r') => "\r\n",
            _ => "\n",
        };
        let first = root.elements().next();
        let gap = match (first, root.members().next()) {
            (_, Some(member)) => gap_before(text, member.key_span().start),
            (Some(element), None) => gap_before(text, element.span().start),
            (None, None) => "\n",
        };
        let unit = match gap.rsplit_once('\n') {
            Some((_, indentation)) if !indentation.is_empty() => indentation,
            _ => "  ",
        };
        let colon = root.members().next().map(|member| {
            let between = member.key_span().end..member.value.span().start;
            usual_colon(&text[between])
        });
        Self {
            newline,
            unit: unit.to_owned(),
            colon: colon.unwrap_or(": ").to_owned(),
            multiline: gap.contains('\n'),
            limit: usize::MAX,
        }
    }

    /// The same with members side by side.
    pub(super) fn inline(&self) -> Self {
        Self {
            multiline: false,
            ..self.clone()
        }
    }

    /// What follows a comma between values that stand side by side.
    pub(super) fn beside(&self) -> &'static str {
        if self.colon.ends_with(':') { "" } else { " " }
    }
}

/// What stands between a key and its value, unless it is a line break.
pub(super) fn usual_colon(between: &str) -> &str {
    if between.contains('\n') {
        ": "
    } else {
        between
    }
}

/// The white space that ends at `offset`.
pub(crate) fn gap_before(text: &str, offset: usize) -> &str {
    let before = &text[..offset];
    let end = before.trim_end_matches([' ', '\t', '\n', '\r']).len();
    &before[end..]
}

/// The indentation of the line that `offset` lies in.
pub(super) fn line_indentation(text: &str, offset: usize) -> &str {
    let start = text[..offset].rfind('\n').map_or(0, |feed| feed + 1);
    let line = text[start..].trim_start_matches('\u{feff}');
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Appends a value: its keys and scalars as they are written, the white space in this manner.
pub(super) fn push_in_style(out: &mut String, node: Node<'_>, style: &Style, indentation: &str) {
    let (open, close) = match node.kind() {
        Kind::Object => ('{', '}'),
        Kind::Array => ('[', ']'),
        _ => return out.push_str(node.text()),
    };
    out.push(open);
    let deeper = format!("{indentation}{}", style.unit);
    let mut empty = true;
    let mut separate = |out: &mut String| {
        if !empty {
            out.push(',');
        }
        if style.multiline {
            out.push_str(style.newline);
            out.push_str(&deeper);
        } else if !empty {
            out.push_str(style.beside());
        }
        empty = false;
    };
    // As deep as the scan allowed, no deeper.
    if node.kind() == Kind::Object {
        for member in node.members() {
            if out.len() > style.limit {
                break;
            }
            separate(out);
            out.push_str(member.key_text());
            out.push_str(&style.colon);
            push_in_style(out, member.value, style, &deeper);
        }
    } else {
        for element in node.elements() {
            if out.len() > style.limit {
                break;
            }
            separate(out);
            push_in_style(out, element, style, &deeper);
        }
    }
    if !empty && style.multiline {
        out.push_str(style.newline);
        out.push_str(indentation);
    }
    out.push(close);
}

/// Appends a value in the canonical manner: two spaces, line feeds, one space after a colon. Where
/// the text would become longer than `limit`, the value stays as it is written: indentation alone
/// can make a small text of many levels a hundred times as large.
pub(crate) fn push_laid_out(out: &mut String, node: Node<'_>, indentation: &str, limit: usize) {
    let style = Style {
        newline: "\n",
        unit: "  ".to_owned(),
        colon: ": ".to_owned(),
        multiline: true,
        limit,
    };
    let start = out.len();
    push_in_style(out, node, &style, indentation);
    if out.len() > limit {
        out.truncate(start);
        out.push_str(node.text());
    }
}
