//! Names made of other names: repositories, branches.

use std::fmt;

use camino::Utf8Path;
use serde::Serialize;

use crate::error::{Code, Error, Result};
use crate::hash::sha256_hex;
use crate::id::{RunId, check};

/// Longest title in the name of a branch, in bytes.
const SLUG_LIMIT: usize = 30;

/// The id of a repository; a directory name below `repos/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RepoId(String);

impl RepoId {
    /// Checks an id, by the rules for run ids.
    ///
    /// # Errors
    /// `E_INVALID_ID`.
    pub fn parse(text: &str) -> Result<Self> {
        check("repo_id", text)?;
        Ok(Self(text.to_owned()))
    }

    /// The id of the repository with this key: 16 hex digits of its SHA-256.
    #[must_use]
    pub fn of_key(key: &str) -> Self {
        Self(sha256_hex(key)[..16].to_owned())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What tells a repository from others: `github:<owner>/<repo>` if its origin is on GitHub, else
/// `path:` and the SHA-256 of its absolute root.
///
/// ```
/// use runr_core::store::repo_key;
///
/// let key = repo_key("git@github.com:acme/shop.git", "/home/me/shop".into());
/// assert_eq!(key, "github:acme/shop");
/// ```
#[must_use]
pub fn repo_key(origin_url: &str, repo_root: &Utf8Path) -> String {
    match on_github(origin_url.trim()) {
        Some(name) => format!("github:{name}"),
        None => format!("path:{}", sha256_hex(repo_root.as_str())),
    }
}

/// The id of a repository.
#[must_use]
pub fn repo_id(origin_url: &str, repo_root: &Utf8Path) -> RepoId {
    RepoId::of_key(&repo_key(origin_url, repo_root))
}

/// `<owner>/<repo>` of the two forms of address that count.
fn on_github(url: &str) -> Option<&str> {
    let name = if url.contains("://") {
        url.strip_prefix("https://github.com/")?
    } else {
        let (user, rest) = url.split_once('@')?;
        let name = rest.strip_prefix("github.com:")?;
        (!user.is_empty()).then_some(name)?
    };
    let name = name.strip_suffix(".git").unwrap_or(name);
    let (owner, repo) = name.split_once('/')?;
    let is_part = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        !part.is_empty() && part.bytes().all(allowed)
    };
    (is_part(owner) && is_part(repo)).then_some(name)
}

/// What tells the runs of one second apart: the part after the last `-`, if it has four bytes.
#[must_use]
pub fn short_id(run_id: &str) -> &str {
    match run_id.rsplit_once('-') {
        Some((_, short)) if short.len() == 4 => short,
        _ => "xxxx",
    }
}

/// A title as a part of a branch name: at most 30 bytes of `a-z`, `0-9` and single `-`.
#[must_use]
pub fn slug(title: &str) -> String {
    let mut slug = String::new();
    for c in title.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            // Neither at the beginning nor twice.
            _ if slug.is_empty() || slug.ends_with('-') => {}
            c if c.is_whitespace() || c == '_' || c == '-' => slug.push('-'),
            _ => {}
        }
    }
    // Only ASCII is left, so bytes are characters.
    slug.truncate(SLUG_LIMIT);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "untitled" } else { slug }.to_owned()
}

/// The branch of a run: `<prefix>/<slug>-<short id>`.
///
/// ```
/// use runr_core::store::branch_name;
///
/// let branch = branch_name("Fix the login!", "20260110120000-a3f2", "runr");
/// assert_eq!(branch, "runr/fix-the-login-a3f2");
/// ```
#[must_use]
pub fn branch_name(title: &str, run_id: &str, prefix: &str) -> String {
    format!("{prefix}/{}-{}", slug(title), short_id(run_id))
}

/// Checks the name of a run: 2 to 40 bytes, words of `a-z` and `0-9` with single `-` between them,
/// the first beginning with a letter.
///
/// # Errors
/// `E_INVALID_ID` with the field `name`.
pub fn check_name(name: &str) -> Result<()> {
    let is_word = |word: &str| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !word.is_empty() && word.bytes().all(allowed)
    };
    let fits = (2..=40).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.split('-').all(is_word);
    if fits {
        return Ok(());
    }
    let message = format!("Invalid name: {}", name.escape_debug());
    Err(Error::new(Code::InvalidId, message)
        .with("field", "name")
        .with("value", name)
        .with(
            "reason",
            "2 to 40 of `a-z`, `0-9` and single `-`, a letter first",
        ))
}

/// The id of a store run that starts now: the time, and what tells it from others of that second.
pub(super) fn store_run_id(now: crate::time::Timestamp, random: u64) -> Result<RunId> {
    RunId::parse(&format!(
        "{}-{:04x}",
        now.to_compact_string(),
        random & 0xffff
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_forms_of_a_github_address_count() {
        let key = |url: &str| repo_key(url, "/r".into());
        for good in [
            "git@github.com:Acme/w.x_y-z.git",
            "  org-1@github.com:Acme/w.x_y-z \n",
            "https://github.com/Acme/w.x_y-z",
            "https://github.com/Acme/w.x_y-z.git",
        ] {
            assert_eq!(key(good), "github:Acme/w.x_y-z", "{good}");
        }
        for other in [
            "",
            "ssh://git@github.com/acme/w.git",
            "http://github.com/acme/w",
            "https://github.com/acme/w/",
            "https://github.com/acme/w/x",
            "https://github.com/acme/.git",
            "https://github.com/acme",
            "https://me@github.com/acme/w",
            "git@gitlab.com:acme/w.git",
            "@github.com:acme/w",
            "https://github.com/ac me/w",
        ] {
            assert!(key(other).starts_with("path:"), "{other}");
        }
        assert_eq!(key("https://github.com/a/b.git.git"), "github:a/b.git");
    }

    #[test]
    fn a_slug_is_short_and_plain() {
        for (title, expected) in [
            ("  --My__Feature\u{a0}2!  ", "my-feature-2"),
            ("İstanbul \u{212a}ube", "istanbul-kube"),
            ("é", "untitled"),
            (
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbb",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
        ] {
            assert_eq!(slug(title), expected, "{title:?}");
        }
        assert_eq!(short_id("20260203040506"), "xxxx");
        assert_eq!(short_id("gh-1777"), "1777");
    }

    #[test]
    fn names_follow_their_rule() {
        for good in ["ab", "a1", "fix-search-2"] {
            check_name(good).unwrap();
        }
        let long = "a".repeat(41);
        for bad in ["", "a", "1a", "A-b", "a--b", "-ab", "ab-", "a_b", &long] {
            let error = check_name(bad).unwrap_err();
            assert_eq!(error.code(), Code::InvalidId);
            assert_eq!(error.context()["field"], "name");
        }
    }
}
