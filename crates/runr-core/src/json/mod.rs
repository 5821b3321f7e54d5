//! JSON as text: looked at and edited without printing it anew.
//!
//! Files that other programs share must keep every byte that nobody changed: the spelling of a
//! number, an escape, a blank line, a repeated key in an entry that is not ours. So a document is
//! not parsed into values here but cut into spans: [`scan`] checks it in one pass and returns a
//! [`Tree`] of places in the text, and an [`Editor`] replaces or inserts only the spans in question.
//!
//! The scan is iterative and refuses what is too large or nested too deeply, so no document can
//! exhaust the stack. What is no JSON is reported with its offset, line and column; nothing is ever
//! repaired.
//!
//! Accepted on purpose: escaped lone surrogates (`"\ud800"`), numbers of any length and size, and
//! repeated keys. Whoever works on an object asks it for its repeated keys.
//!
//! ```
//! use runr_core::json::{Editor, Rules, Step, scan};
//!
//! let text = "{\n  \"n\": 1e3,\n\n  \"tags\": [\"a\"]\n}\n";
//! let tree = scan(text, &Rules::default())?;
//! assert_eq!(tree.root().get("n").unwrap().text(), "1e3");
//!
//! let mut editor = Editor::new(text, Rules::default())?;
//! editor.set(&[Step::Key("by")], "\"me\"")?;
//! editor.append(&[Step::Key("tags")], "\"b\"")?;
//! let edited = "{\n  \"n\": 1e3,\n\n  \"tags\": [\"a\", \"b\"],\n  \"by\": \"me\"\n}\n";
//! assert_eq!(editor.finish(), edited);
//! # Ok::<(), runr_core::json::BadJson>(())
//! ```

mod ecma;
mod edit;
mod error;
mod layout;
mod rows;
mod scan;
mod string;
mod token;
mod tree;
mod words;
mod written;

pub(crate) use ecma::{compact, pretty};
pub use edit::{Editor, Step};
pub(crate) use edit::{Splice, insertion, mean_the_same};
pub use error::BadJson;
pub(crate) use layout::{gap_before, push_laid_out};
pub(crate) use rows::{Place, Rows};
pub use scan::{Bom, Rules, scan, scan_bytes};
pub use string::quote;
pub(crate) use string::{
    identity as string_identity, push_quoted, push_quoted_units, units as string_units,
};
pub(crate) use token::Token;
pub use tree::{Kind, Member, Node, Tree, number_eq};
pub(crate) use words::after_space;
pub use written::Written;

#[cfg(test)]
mod tests;
