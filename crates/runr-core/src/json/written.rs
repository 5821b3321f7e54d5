//! A value that keeps the way it is written.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::error::BadJson;
use super::scan::{Bom, Rules, scan};
use super::string::{push_quoted, quote};
use super::tree::Node;

/// A JSON value as text, so that its numbers keep their spelling: `1.50` stays `1.50`, and an
/// integer may have any length.
///
/// ```
/// use runr_core::json::Written;
///
/// assert_eq!(Written::parse(" 1.50\n")?.text(), "1.50");
/// assert_eq!(Written::from(serde_json::json!([1, "a"])).text(), "[1,\"a\"]");
/// # Ok::<(), runr_core::json::BadJson>(())
/// ```
///
/// A copy shares the text.
#[derive(Clone)]
pub struct Written {
    /// The text, perhaps with others around it that were written together.
    source: Arc<str>,
    span: Range<usize>,
}

impl Written {
    /// Takes the text of a value; white space around it is left out.
    ///
    /// # Errors
    /// [`BadJson`] if it is none.
    pub fn parse(text: &str) -> Result<Self, BadJson> {
        let tree = scan(text, &Rules::default().levels(0).bom(Bom::Refuse))?;
        Ok(tree.root().written())
    }

    /// A text that was put together as a value.
    pub(crate) fn trusted(text: String) -> Self {
        // Whatever its size: what is too large is refused where it is written.
        let rules = Rules::default().levels(0).max_bytes(text.len());
        debug_assert!(scan(&text, &rules).is_ok(), "{text}");
        Self::whole(text.into())
    }

    /// An object with these members, in this order.
    #[must_use]
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let mut out = String::from("{");
        for (key, value) in members {
            separate(&mut out, "{");
            push_quoted(&mut out, key);
            out.push(':');
            out.push_str(value.text());
        }
        out.push('}');
        Self::whole(out.into())
    }

    /// An array of these elements.
    #[must_use]
    pub fn array<'a>(elements: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut out = String::from("[");
        for element in elements {
            separate(&mut out, "[");
            out.push_str(element.text());
        }
        out.push(']');
        Self::whole(out.into())
    }

    /// All of a text that is a value.
    fn whole(source: Arc<str>) -> Self {
        let span = 0..source.len();
        Self { source, span }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.source[self.span.clone()]
    }
}

/// A comma, unless nothing stands in the container yet.
fn separate(out: &mut String, open: &str) {
    if out != open {
        out.push(',');
    }
}

impl Node<'_> {
    /// The value as it is written.
    #[must_use]
    pub fn written(self) -> Written {
        Written::whole(self.text().into())
    }

    /// The values directly in it as they are written, all in one text that they share.
    pub(crate) fn written_elements(self) -> Vec<Written> {
        let source: Arc<str> = self.text().into();
        let start = self.span().start;
        let inside = |span: Range<usize>| span.start - start..span.end - start;
        let element = |node: Self| Written {
            source: Arc::clone(&source),
            span: inside(node.span()),
        };
        self.elements().map(element).collect()
    }
}

impl PartialEq for Written {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Written {}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Written").field(&self.text()).finish()
    }
}

impl From<Value> for Written {
    fn from(value: Value) -> Self {
        Self::whole(value.to_string().into())
    }
}

impl From<&str> for Written {
    fn from(text: &str) -> Self {
        Self::whole(quote(text).into())
    }
}

impl From<bool> for Written {
    fn from(value: bool) -> Self {
        Self::whole(value.to_string().into())
    }
}

/// `null` for nothing.
impl<T: Into<Self>> From<Option<T>> for Written {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(|| Self::whole("null".into()), Into::into)
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
