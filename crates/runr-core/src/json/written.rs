//! A value that keeps the way it is written.

use std::fmt;

use serde_json::Value;

use super::error::BadJson;
use super::scan::{Bom, Rules, scan};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written(String);

impl Written {
    /// Takes the text of a value; white space around it is left out.
    ///
    /// # Errors
    /// [`BadJson`] if it is none.
    pub fn parse(text: &str) -> Result<Self, BadJson> {
        let tree = scan(text, &Rules::default().levels(0).bom(Bom::Refuse))?;
        Ok(tree.root().written())
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Node<'_> {
    /// The value as it is written.
    #[must_use]
    pub fn written(self) -> Written {
        Written(self.text().to_owned())
    }
}

impl From<Value> for Written {
    fn from(value: Value) -> Self {
        Self(value.to_string())
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
