//! The names of branches.

use std::fmt;
use std::fmt::Write;

use super::{invalid, is_white};
use crate::error::Result;
use crate::json::{Node, quote};

/// The name of a branch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BranchName(String);

/// So many bytes leave room in a file name for what is put around it.
const MAX_ENCODED: usize = 200;

impl BranchName {
    /// The name of a branch, as git would have it.
    ///
    /// # Errors
    /// `E_TARGET_INVALID`.
    pub fn parse(text: &str) -> Result<Self> {
        let name = Self(text.to_owned());
        if is_branch(text) && name.encoded().len() <= MAX_ENCODED {
            Ok(name)
        } else {
            Err(refused(&quote(text)))
        }
    }

    /// The name that a JSON value is.
    pub(super) fn from_json(node: Option<Node<'_>>) -> Result<Self> {
        match node.and_then(Node::as_str) {
            Some(text) => Self::parse(&text),
            None => Err(refused(node.map_or("undefined", Node::text))),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a part of a file name: everything but letters, digits, `_` and `-` of ASCII as `%XX`.
    pub(super) fn encoded(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
                out.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    }
}

/// Whether git would call a branch so.
fn is_branch(text: &str) -> bool {
    let is_bad = |c: char| {
        c.is_control() || is_white(c) || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
    };
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && std::path::Path::new(part)
                .extension()
                .is_none_or(|extension| extension != "lock")
    };
    text != "@"
        && !text.starts_with('-')
        && !text.ends_with('.')
        && !text.contains("..")
        && !text.contains("@{")
        && !text.contains(is_bad)
        && text.split('/').all(is_part)
}

fn refused(value: &str) -> crate::Error {
    invalid("branch", value, "name a branch that git would accept")
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_branch_is_its_own_and_stays_in_its_directory() {
        for (name, encoded) in [
            ("main", "main"),
            ("Feature/x_1-b", "Feature%2Fx_1-b"),
            ("v1.json", "v1%2Ejson"),
            ("a%2Fb", "a%252Fb"),
            ("\u{e4}", "%C3%A4"),
        ] {
            assert_eq!(BranchName::parse(name).unwrap().encoded(), encoded);
        }
    }

    #[test]
    fn what_git_would_not_call_a_branch_is_refused() {
        for name in [
            "",
            "@",
            "-x",
            "a b",
            "a..b",
            "a.",
            ".a",
            "a/.b",
            "a.lock",
            "a/b.lock/c",
            "/a",
            "a/",
            "a//b",
            "a~b",
            "a^b",
            "a:b",
            "a?b",
            "a*b",
            "a[b",
            "a\\b",
            "a@{b",
            "a\u{7f}",
            "a\nb",
            &"x".repeat(201),
            &"\u{e4}".repeat(34),
        ] {
            assert!(BranchName::parse(name).is_err(), "{name:?}");
        }
        assert!(BranchName::parse(&"x".repeat(200)).is_ok());
    }
}
