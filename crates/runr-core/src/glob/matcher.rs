//! Matching by translation to one regular expression per list.

use std::collections::HashSet;
use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};

use super::chars::CharSet;
use super::pattern::{Glob, Segment, Segments, Token, literal};
use crate::error::{Code, Error, Result};

/// Compiled size in bytes that a list of patterns may reach.
const SIZE_LIMIT: usize = 64 << 20;
/// Cache of the matcher in bytes: a few hundred patterns stay on the fast path.
const CACHE_SIZE: usize = 16 << 20;

/// Whether wildcards match a leading dot of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dots {
    /// They do not: for lists that allow.
    Skip,
    /// They do: for lists that forbid, which a hidden directory must not slip through.
    Match,
}

/// Many patterns, compiled together to answer whether any of them covers a path.
#[derive(Debug, Clone)]
pub struct GlobSet {
    literals: HashSet<String>,
    regex: Option<Regex>,
}

impl GlobSet {
    /// Compiles `patterns`.
    ///
    /// # Errors
    /// `E_CONFIG_INVALID` if a pattern cannot be parsed or all together are too large.
    pub fn new<I>(patterns: I, dots: Dots) -> Result<Self>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut literals = HashSet::new();
        let mut wild = Vec::new();
        for pattern in patterns {
            for segments in Glob::parse(pattern.as_ref())?.alternatives() {
                match literal(segments) {
                    Some(path) => {
                        literals.insert(path);
                    }
                    None => wild.push(segments.clone()),
                }
            }
        }
        let regex = (!wild.is_empty())
            .then(|| compile(&wild, dots))
            .transpose()?;
        Ok(Self { literals, regex })
    }

    /// Whether some pattern covers `path`.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        !path.is_empty()
            && (self.literals.contains(path)
                || (self.regex.as_ref()).is_some_and(|regex| regex.is_match(path.as_bytes())))
    }
}

/// One expression for all alternatives, for whole paths.
pub(super) fn compile(alternatives: &[Segments], dots: Dots) -> Result<Regex> {
    let each: Vec<_> = (alternatives.iter())
        .map(|segments| translate(segments, dots))
        .collect();
    RegexBuilder::new(&format!(r"\A(?:{})\z", each.join("|")))
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(CACHE_SIZE)
        .build()
        .map_err(|_| Error::new(Code::ConfigInvalid, "the patterns are too large together"))
}

fn translate(segments: &[Segment], dots: Dots) -> String {
    let any = match dots {
        Dots::Skip => "(?-u:[^/.][^/]*)",
        Dots::Match => "(?-u:[^/]+)",
    };
    let mut out = String::new();
    let mut separator = "";
    for (i, segment) in segments.iter().enumerate() {
        let (first, last) = (i == 0, i + 1 == segments.len());
        // Writing to a string cannot fail.
        let _ = match segment {
            Segment::One(tokens) => write!(out, "{separator}{}", translate_one(tokens, dots)),
            Segment::AnyDepth if first && last => write!(out, "{any}(?:/{any})*"),
            Segment::AnyDepth if last => write!(out, "(?:/{any})*"),
            Segment::AnyDepth => write!(out, "{separator}(?:{any}/)*"),
        };
        separator = match segment {
            Segment::One(_) => "/",
            Segment::AnyDepth => "",
        };
    }
    out
}

fn translate_one(tokens: &[Token], dots: Dots) -> String {
    let [Token::Run, rest @ ..] = tokens else {
        return translate_from_start(tokens, dots);
    };
    let tail = translate_tokens(rest);
    match dots {
        Dots::Match if rest.is_empty() => "(?-u:[^/]+)".to_owned(),
        Dots::Match => format!("(?-u:[^/]*){tail}"),
        Dots::Skip if rest.is_empty() => "(?-u:[^/.][^/]*)".to_owned(),
        // Where the run is empty, the next token stands at the start and must not be the dot.
        Dots::Skip if rest[0] == Token::Literal('.') => format!("(?-u:[^/.][^/]*){tail}"),
        Dots::Skip => {
            let at_start = translate_from_start(rest, dots);
            format!("(?:(?-u:[^/.][^/]*){tail}|{at_start})")
        }
    }
}

fn translate_from_start(tokens: &[Token], dots: Dots) -> String {
    match tokens {
        [Token::Class(set), rest @ ..] if dots == Dots::Skip => {
            set.without_dot().to_regex() + &translate_tokens(rest)
        }
        _ => translate_tokens(tokens),
    }
}

fn translate_tokens(tokens: &[Token]) -> String {
    let one = |token: &Token| match token {
        Token::Literal(c) => regex::escape(c.encode_utf8(&mut [0; 4])),
        Token::Class(set) if *set == CharSet::any() => "[^/]".to_owned(),
        Token::Class(set) => set.to_regex(),
        Token::Run => "(?-u:[^/]*)".to_owned(),
    };
    tokens.iter().map(one).collect()
}
