//! Ids of runs: one check wherever an id is read, one generator for harness runs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Code, Error};
use crate::mutant::without;
use crate::time::Timestamp;

/// The id of a run; safe to use as a file name on every platform.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// Longest id in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks an id: 1 to 128 bytes of `[A-Za-z0-9._-]`, the first alphanumeric, the last not a
    /// dot, and not a device name of Windows.
    ///
    /// # Errors
    /// `E_INVALID_ID`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        check("run_id", text)?;
        Ok(Self(text.to_owned()))
    }

    /// The id of a harness run started at `now`: 14 digits, UTC.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(now.to_compact_string())
    }

    /// The harness ids from `now` on, one per second: what a collision moves to.
    pub fn from_second(now: Timestamp) -> impl Iterator<Item = Self> {
        (0..).map(move |seconds| Self::at(now.plus(Duration::from_secs(seconds))))
    }

    /// Whether this is the id of a harness run: exactly 14 digits.
    #[must_use]
    pub fn is_harness(&self) -> bool {
        is_harness_id(&self.0)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `name` has the form of a harness run id.
#[must_use]
pub fn is_harness_id(name: &str) -> bool {
    name.len() == 14 && name.bytes().all(|b| b.is_ascii_digit())
}

/// The one check of all ids; `field` says which one it is.
pub(crate) fn check(field: &str, text: &str) -> Result<(), Error> {
    let Some(why) = invalid_because(text).filter(|_| !without("id")) else {
        return Ok(());
    };
    let message = format!("Invalid id: {}", text.escape_debug());
    Err(Error::new(Code::InvalidId, message)
        .with("field", field)
        .with("value", text)
        .with("reason", why))
}

fn invalid_because(text: &str) -> Option<&'static str> {
    let first_ok = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    let stem = text.split('.').next().unwrap_or_default();
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > RunId::MAX_LEN {
        Some("it is longer than 128 bytes")
    } else if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    {
        Some("only letters, digits, `.`, `_` and `-` are allowed")
    } else if !first_ok {
        Some("it must start with a letter or a digit")
    } else if text.ends_with('.') {
        Some("it must not end with a dot")
    } else if is_device_name(stem) {
        Some("it is a device name on Windows")
    } else {
        None
    }
}

fn is_device_name(stem: &str) -> bool {
    let stem = stem.to_ascii_lowercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|rest| matches!(rest.as_bytes(), [b'0'..=b'9']))
    };
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for RunId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_their_directory_are_refused() {
        for bad in [
            "", ".", "..", "a/b", "/abs", "-rf", ".hidden", "a.", "con", "NUL.txt", "lpt1", "a\0b",
            "a\nb", "é",
        ] {
            assert_eq!(
                RunId::parse(bad).unwrap_err().code(),
                Code::InvalidId,
                "{bad:?}"
            );
        }
        assert!(RunId::parse(&"a".repeat(129)).is_err());
    }

    #[test]
    fn ordinary_ids_pass() {
        for good in [
            "20260203040506",
            "gh-17",
            "20260203040506-a1b2",
            "con-1",
            "a",
            "A.b_c-d",
        ] {
            assert_eq!(RunId::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_collision_moves_to_the_next_second_across_midnight() {
        let now: Timestamp = "2026-12-31T23:59:59.900Z".parse().unwrap();
        let ids: Vec<_> = RunId::from_second(now)
            .take(2)
            .map(|id| id.to_string())
            .collect();
        assert_eq!(ids, ["20261231235959", "20270101000000"]);
        assert!(RunId::at(now).is_harness());
        assert!(!RunId::parse("gh-17").unwrap().is_harness());
    }
}
