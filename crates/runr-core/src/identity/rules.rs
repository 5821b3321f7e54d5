//! The names of work items: what may name a directory, and what comes next.

use serde::{Deserialize, Serialize};

use super::model::Flow;
use super::reference::MAX_NUMBER;
use crate::error::{Code, Error, Result};

/// Longest id of a work item, in characters.
const MAX_LEN: usize = 50;

/// A candidate and the id it became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sanitized {
    /// `a-z`, `0-9` and single `-`; empty when nothing usable was left.
    pub id: String,
    /// The candidate exactly as given.
    pub original: String,
    /// Whether the id differs from the candidate.
    pub changed: bool,
    /// Whether characters were dropped or cut off.
    pub lossy: bool,
}

/// Turns any text into the id of a work item. Applying it twice changes nothing more.
///
/// ```
/// let id = runr_core::identity::sanitize("Feat/Auth v2!");
/// assert_eq!((id.id.as_str(), id.lossy), ("feat-auth-v2", true));
/// ```
#[must_use]
pub fn sanitize(text: &str) -> Sanitized {
    let mut lossy = false;
    let mut id = String::new();
    for c in text.chars() {
        let kept = match c.to_ascii_lowercase() {
            c if c.is_whitespace() || matches!(c, '_' | '/' | '\\') => '-',
            c @ ('a'..='z' | '0'..='9' | '-') => c,
            _ => {
                lossy = true;
                continue;
            }
        };
        if kept != '-' || !id.ends_with('-') {
            id.push(kept);
        }
    }
    let trimmed = id.trim_matches('-');
    lossy |= trimmed.len() > MAX_LEN;
    // Only ASCII is left, so bytes are characters.
    let cut = trimmed[..trimmed.len().min(MAX_LEN)].trim_end_matches('-');
    let id = if is_device_name(cut) {
        format!("run-{cut}")
    } else {
        cut.to_owned()
    };
    Sanitized {
        changed: id != text,
        original: text.to_owned(),
        id,
        lossy,
    }
}

/// Whether an id that stands in a file may be used: ids are read from there, but never trusted.
#[must_use]
pub fn is_item_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next();
    text.len() <= 100
        && first.is_some_and(|byte| byte.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// # Errors
/// `E_INVALID_ID`.
pub(super) fn check_item_id(text: &str) -> Result<()> {
    if is_item_id(text) {
        return Ok(());
    }
    let message = format!("not an id of a work item: `{}`", text.escape_debug());
    Err(Error::new(Code::InvalidId, message)
        .with("field", "run_id")
        .with("value", text))
}

/// The id of the `number`th version of a work item; never longer than an id may be.
#[must_use]
pub fn with_version(id: &str, number: u64) -> String {
    let suffix = format!("-v{number}");
    let kept: String = id.chars().take(MAX_LEN - suffix.len()).collect();
    format!("{}{suffix}", kept.trim_end_matches('-'))
}

/// Which version of another work item an id names, by its form.
pub(super) fn version(id: &str) -> Option<(&str, u64)> {
    let (stem, digits) = id.rsplit_once("-v")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let number = plain.then(|| digits.parse().ok()).flatten()?;
    // Beyond that nothing can be counted.
    ((2..MAX_NUMBER).contains(&number) && !stem.is_empty()).then_some((stem, number))
}

/// Of the flows that usually come before, those that have left no directory. Advice only: the list
/// is the same for every flow.
#[must_use]
pub fn missing_upstream_flows(present: &[String], flow: Flow) -> Vec<String> {
    let missing = |name: &&str| *name != flow.as_str() && !present.iter().any(|it| it == name);
    let names = ["signal", "plan", "build", "gate", "deploy"];
    names
        .into_iter()
        .filter(missing)
        .map(str::to_owned)
        .collect()
}

fn is_device_name(id: &str) -> bool {
    let numbered = |prefix: &str| {
        id.strip_prefix(prefix)
            .is_some_and(|digit| matches!(digit.as_bytes(), [b'1'..=b'9']))
    };
    matches!(id, "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn recorded_candidates_become_their_ids() {
        for (text, id, lossy) in [
            ("Fix Login_Bug", "fix-login-bug", false),
            ("UPPER/lower", "upper-lower", false),
            ("one//two", "one-two", false),
            ("gate-9", "gate-9", false),
            ("../outside", "outside", true),
            ("CON", "run-con", false),
            ("---", "", false),
            ("東京", "", true),
        ] {
            let got = sanitize(text);
            assert_eq!((got.id.as_str(), got.lossy), (id, lossy), "{text:?}");
            assert_eq!(got.changed, text != id);
        }
        assert_eq!(sanitize(&"x".repeat(51)).id, "x".repeat(50));
    }

    #[test]
    fn versions_fit_into_an_id() {
        assert_eq!(with_version("login", 2), "login-v2");
        let long = "x".repeat(46) + "-yyy";
        assert_eq!(with_version(&long, 2), "x".repeat(46) + "-v2");
        assert_eq!(with_version(&"x".repeat(50), 10).len(), 50);
        assert_eq!(version("login-v3"), Some(("login", 3)));
        for text in [
            "login",
            "login-v1",
            "login-v02",
            "login-v",
            "-v2",
            "login-v2x",
            "login-v18446744073709551615",
        ] {
            assert_eq!(version(text), None, "{text}");
        }
    }

    #[test]
    fn ids_from_files_are_not_trusted() {
        for id in ["gh-7", "Issue_38.ci", "a", "x-v2"] {
            assert!(is_item_id(id), "{id}");
        }
        let long = "x".repeat(101);
        for id in [
            "", "..", ".x", "-rf", "a/b", "../x", "a\\b", "a\0", "é", &long,
        ] {
            assert!(!is_item_id(id), "{id}");
        }
    }

    #[test]
    fn missing_flows_are_a_fixed_list() {
        let missing = missing_upstream_flows(&["signal".to_owned()], Flow::Build);
        assert_eq!(missing, ["plan", "gate", "deploy"]);
        let missing = missing_upstream_flows(&[], Flow::Review);
        assert_eq!(missing, ["signal", "plan", "build", "gate", "deploy"]);
    }

    proptest! {
        #[test]
        fn an_id_is_a_fixed_point_and_cannot_leave_its_directory(text in any::<String>()) {
            let once = sanitize(&text).id;
            prop_assert_eq!(&sanitize(&once).id, &once);
            prop_assert!(once.len() <= MAX_LEN && !once.contains("--"));
            prop_assert!(once.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            prop_assert!(!once.starts_with('-') && !once.ends_with('-'));
        }
    }
}
