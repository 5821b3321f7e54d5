//! One glob dialect for every list of paths: which paths match, and can two patterns meet.
//!
//! Patterns are repository-relative and `/`-separated, case-sensitive, and cover whole paths:
//!
//! | pattern | matches |
//! |---|---|
//! | `*`, `?` | any run of characters, one character, inside a segment |
//! | `**` as a whole segment | any number of segments, none included; so `dir/**` covers `dir` |
//! | `[ab]`, `[a-z]`, `[!a]`, `[^a]` | one character of the class, or not of it |
//! | `{a,b}`, `{1..3}` | each alternative in turn |
//! | `\*` | the character itself |
//!
//! A wildcard does not match the leading dot of a segment, so that an allowlist never reaches
//! hidden files by accident; [`Dots::Match`] lifts this for lists that forbid. What is not closed
//! (`[a`, `{a`) is literal text. Extended globs such as `@(a|b)` and a leading `!` are literal too.
//!
//! ```
//! use runr_core::glob::{Dots, GlobSet, glob_match, globs_overlap};
//!
//! assert!(glob_match("src/**/*.{ts,tsx}", "src/ui/button.tsx"));
//! assert!(!glob_match("src/**", "src/.cache/x"));
//! assert!(globs_overlap("**/*.rs", "crates/core/**"));
//! let denied = GlobSet::new(["**/*.pem"], Dots::Match)?;
//! assert!(denied.matches(".ssh/key.pem"));
//! # Ok::<(), runr_core::Error>(())
//! ```

mod brace;
mod chars;
mod matcher;
mod overlap;
mod pattern;

pub use matcher::{Dots, GlobSet};
pub use pattern::Glob;

/// Whether `pattern` covers `path`, hidden segments excluded; an unusable pattern covers nothing.
#[must_use]
pub fn glob_match(pattern: &str, path: &str) -> bool {
    Glob::parse(pattern).is_ok_and(|glob| glob.matches(path))
}

/// Whether some path is claimed by both patterns; an unusable pattern may claim anything.
///
/// A pattern without wildcard claims itself and everything below it.
#[must_use]
pub fn globs_overlap(a: &str, b: &str) -> bool {
    match (Glob::parse(a), Glob::parse(b)) {
        (Ok(a), Ok(b)) => a.overlaps(&b),
        _ => true,
    }
}

#[doc(inline)]
pub use globs_overlap as overlap;

#[cfg(test)]
mod tests;
