//! A pattern, parsed once: alternatives of segments of tokens.

use std::fmt;
use std::sync::OnceLock;

use regex::bytes::Regex;
use serde::{Serialize, Serializer};

use super::brace::{self, MAX_ALTERNATIVES};
use super::chars::CharSet;
use super::matcher::{self, Dots};
use crate::error::{Code, Error, Result};

/// The longest pattern in bytes; longer than any path a system accepts.
const MAX_LEN: usize = 4_096;

/// A parsed pattern.
#[derive(Clone)]
pub struct Glob {
    text: String,
    alternatives: Vec<Segments>,
    allowing: OnceLock<Option<Regex>>,
    denying: OnceLock<Option<Regex>>,
}

/// One alternative of a pattern.
pub(super) type Segments = Vec<Segment>;

/// What stands between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// `**`: any number of segments, none included.
    AnyDepth,
    /// Exactly one segment.
    One(Vec<Token>),
}

/// A piece of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// The character itself.
    Literal(char),
    /// One character of a set: `?` or a class.
    Class(CharSet),
    /// `*`: any run of characters.
    Run,
}

impl Glob {
    /// Parses a pattern. A leading `./` means nothing and is dropped.
    ///
    /// # Errors
    /// `E_CONFIG_INVALID` if it is longer than 4,096 bytes or its braces expand to more than
    /// 1,000 alternatives.
    pub fn parse(text: &str) -> Result<Self> {
        let refused = |why: String| {
            let shown: String = text.chars().take(80).collect();
            Error::new(
                Code::ConfigInvalid,
                format!("unusable pattern `{shown}`: {why}"),
            )
        };
        if text.len() > MAX_LEN {
            return Err(refused(format!("longer than {MAX_LEN} bytes")));
        }
        let expanded = brace::expand(text).map_err(|brace::TooMany| {
            refused(format!(
                "it stands for more than {MAX_ALTERNATIVES} patterns"
            ))
        })?;
        Ok(Self {
            text: text.to_owned(),
            alternatives: expanded.iter().map(|one| parse_segments(one)).collect(),
            allowing: OnceLock::new(),
            denying: OnceLock::new(),
        })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern covers `path`; wildcards pass over hidden segments.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.covers(path, Dots::Skip)
    }

    /// Whether the pattern covers `path`, hidden segments included: for lists that forbid.
    #[must_use]
    pub fn matches_hidden(&self, path: &str) -> bool {
        self.covers(path, Dots::Match)
    }

    fn covers(&self, path: &str, dots: Dots) -> bool {
        let compiled = match dots {
            Dots::Skip => &self.allowing,
            Dots::Match => &self.denying,
        };
        let regex = compiled.get_or_init(|| matcher::compile(&self.alternatives, dots).ok());
        // A pattern too large to compile allows nothing and forbids everything.
        regex.as_ref().map_or(dots == Dots::Match, |regex| {
            !path.is_empty() && regex.is_match(path.as_bytes())
        })
    }

    pub(super) fn alternatives(&self) -> &[Segments] {
        &self.alternatives
    }
}

fn parse_segments(pattern: &str) -> Segments {
    let pattern = pattern.trim_start_matches("./");
    let mut segments = Segments::new();
    for text in pattern.split('/') {
        let segment = if text == "**" {
            Segment::AnyDepth
        } else {
            Segment::One(parse_tokens(text))
        };
        if segment != Segment::AnyDepth || segments.last() != Some(&Segment::AnyDepth) {
            segments.push(segment);
        }
    }
    segments
}

fn parse_tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if tokens.last() == Some(&Token::Run) => {}
            '*' => tokens.push(Token::Run),
            '?' => tokens.push(Token::Class(CharSet::any())),
            '[' => {
                let mut ahead = chars.clone();
                if let Some(set) = CharSet::parse(&mut ahead) {
                    chars = ahead;
                    tokens.push(Token::Class(set));
                } else {
                    tokens.push(Token::Literal('['));
                }
            }
            '\\' => tokens.push(Token::Literal(chars.next().unwrap_or('\\'))),
            c => tokens.push(Token::Literal(c)),
        }
    }
    tokens
}

/// The path an alternative stands for, if it holds no wildcard.
pub(super) fn literal(segments: &[Segment]) -> Option<String> {
    let mut path = String::new();
    for (i, segment) in segments.iter().enumerate() {
        let Segment::One(tokens) = segment else {
            return None;
        };
        if i > 0 {
            path.push('/');
        }
        for token in tokens {
            let Token::Literal(c) = token else {
                return None;
            };
            path.push(*c);
        }
    }
    Some(path)
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Glob").field(&self.text).finish()
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
