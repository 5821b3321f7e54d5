//! What a candidate becomes before it may name a directory.

use serde::{Deserialize, Serialize};

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
