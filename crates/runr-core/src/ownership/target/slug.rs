//! The names of repositories.

use std::fmt;

use super::{invalid, is_white, trim};
use crate::error::Result;
use crate::json::{Node, quote};

/// A repository as `owner/name`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slug {
    owner: String,
    name: String,
}

impl Slug {
    /// Reads a slug by the rules of the record.
    ///
    /// # Errors
    /// `E_TARGET_INVALID`.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text).ok_or_else(|| refused(&quote(text)))
    }

    /// The slug that a JSON value is.
    pub(super) fn from_json(node: Option<Node<'_>>) -> Result<Self> {
        let text = node.and_then(Node::as_str);
        text.and_then(|text| Self::read(&text))
            .ok_or_else(|| refused(node.map_or("undefined", Node::text)))
    }

    fn read(text: &str) -> Option<Self> {
        let (owner, name) = trim(text).split_once('/')?;
        (is_segment(owner) && is_segment(name)).then(|| Self {
            // The whole of Unicode, with the final sigma and the dotted I, as the format has it.
            owner: owner.to_lowercase(),
            name: name.to_lowercase(),
        })
    }

    /// The owner of the repository.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What may not stand here would lead out of the directory of the records; the rest is as it is.
fn is_segment(text: &str) -> bool {
    let is_bad = |c| matches!(c, '/' | '\\') || is_white(c);
    !matches!(text, "" | "." | "..") && !text.contains(is_bad)
}

fn refused(value: &str) -> crate::Error {
    invalid("repository", value, "write it as owner/name")
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn a_slug_is_trimmed_and_lower_cased_and_nothing_else() {
        for (text, slug) in [
            ("\u{feff} Owner/Repo\n", "owner/repo"),
            ("-o/--r", "-o/--r"),
            ("....x/.git", "....x/.git"),
            ("o%2f/re", "o%2f/re"),
            ("o\u{85}w/\u{85}", "o\u{85}w/\u{85}"),
            ("\u{d6}/\u{212a}", "\u{f6}/k"),
            ("A\u{3a3}/B\u{130}", "a\u{3c2}/bi\u{307}"),
        ] {
            assert_eq!(Slug::parse(text).unwrap().to_string(), slug, "{text:?}");
        }
    }

    #[test]
    fn a_slug_that_could_lead_elsewhere_is_refused() {
        for text in [
            "",
            "/",
            "owner",
            "owner/",
            "/repo",
            "owner//repo",
            "o/r/x",
            "./r",
            "o/..",
            "o\\x/r",
            "o w/r",
            "o/r\u{a0}x",
            "o/r\u{2028}x",
            "o\u{feff}x/r",
        ] {
            let error = Slug::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::TargetInvalid, "{text:?}");
            assert!(error.to_string().starts_with(&quote(text)), "{error}");
        }
    }
}
