//! Sets of characters, as classes and `?` denote them.

use std::iter::Peekable;
use std::str::Chars;

/// A set of characters that never holds `/`: disjoint inclusive ranges in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CharSet(Vec<(char, char)>);

/// Everything a segment may hold: all characters but `/`. The gap of the surrogates, which are
/// no characters, keeps negation exact.
const SEGMENT: [(char, char); 3] = [('\0', '.'), ('0', '\u{D7FF}'), ('\u{E000}', '\u{10FFFF}')];

impl CharSet {
    /// What `?` matches.
    pub(super) fn any() -> Self {
        Self(SEGMENT.to_vec())
    }

    /// Just `c`.
    pub(super) fn one(c: char) -> Self {
        Self(vec![(c, c)])
    }

    /// Reads a class behind its `[`, up to and including the `]`; none if it is not a class,
    /// because it is not closed, runs backwards or holds nothing.
    pub(super) fn parse(chars: &mut Peekable<Chars<'_>>) -> Option<Self> {
        let negated = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
        let mut ranges = Vec::new();
        loop {
            let from = match chars.next()? {
                // As the first character, `]` stands for itself.
                ']' if !ranges.is_empty() => break,
                '\\' => chars.next()?,
                c => c,
            };
            let mut ahead = chars.clone();
            let to = match (ahead.next(), ahead.next()) {
                (Some('-'), Some(']')) => from,
                (Some('-'), Some(to)) => {
                    *chars = ahead;
                    if to == '\\' { chars.next()? } else { to }
                }
                _ => from,
            };
            if from > to {
                return None;
            }
            ranges.push((from, to));
        }
        let listed = Self::within_a_segment(&ranges);
        let set = if negated { listed.complement() } else { listed };
        (!set.0.is_empty()).then_some(set)
    }

    fn within_a_segment(ranges: &[(char, char)]) -> Self {
        let mut clipped = Vec::new();
        for &(from, to) in ranges {
            let parts = SEGMENT.map(|(low, high)| (from.max(low), to.min(high)));
            clipped.extend(parts.into_iter().filter(|(from, to)| from <= to));
        }
        clipped.sort_unstable();
        let mut merged: Vec<(char, char)> = Vec::new();
        for (from, to) in clipped {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }

    fn complement(&self) -> Self {
        let mut rest = Vec::new();
        for (low, high) in SEGMENT {
            let mut next = Some(low);
            for &(from, to) in self
                .0
                .iter()
                .filter(|(from, _)| (low..=high).contains(from))
            {
                if let (Some(start), Some(end)) = (next, before(from))
                    && start <= end
                {
                    rest.push((start, end));
                }
                next = after(to);
            }
            if let Some(start) = next.filter(|start| *start <= high) {
                rest.push((start, high));
            }
        }
        Self(rest)
    }

    /// This set without the dot, which a wildcard does not match at the start of a segment.
    pub(super) fn without_dot(&self) -> Self {
        self.shared_with(&Self::one('.').complement())
    }

    fn shared_with(&self, other: &Self) -> Self {
        let mut shared = Vec::new();
        for &(from, to) in &self.0 {
            for &(low, high) in &other.0 {
                if from.max(low) <= to.min(high) {
                    shared.push((from.max(low), to.min(high)));
                }
            }
        }
        Self(shared)
    }

    /// Whether `c` is in the set.
    pub(super) fn contains(&self, c: char) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&c))
    }

    /// Whether some character is in both sets.
    pub(super) fn meets(&self, other: &Self) -> bool {
        !self.shared_with(other).0.is_empty()
    }

    /// The set as a class of the `regex` crate.
    pub(super) fn to_regex(&self) -> String {
        if self.0.is_empty() {
            return r"[^\s\S]".to_owned();
        }
        let range = |(from, to): &(char, char)| {
            format!(r"\x{{{:X}}}-\x{{{:X}}}", u32::from(*from), u32::from(*to))
        };
        format!("[{}]", self.0.iter().map(range).collect::<String>())
    }
}

fn before(c: char) -> Option<char> {
    u32::from(c).checked_sub(1).and_then(char::from_u32)
}

fn after(c: char) -> Option<char> {
    char::from_u32(u32::from(c) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Option<CharSet> {
        CharSet::parse(&mut text.chars().peekable())
    }

    fn holds(text: &str, c: char) -> bool {
        class(text).unwrap().contains(c)
    }

    #[test]
    fn a_class_holds_what_it_lists_and_nothing_else() {
        assert!(holds("abc]", 'b') && !holds("abc]", 'd'));
        assert!(holds("a-c]", 'b') && !holds("a-c]", '-'));
        assert!(holds("a-]", '-') && holds("-a]", '-') && holds("]a]", ']'));
        assert!(holds(r"\]x]", ']') && holds(r"a-\c]", 'b'));
        assert!(!holds("+-9]", '/'), "a class never crosses a segment");
    }

    #[test]
    fn negation_is_exact_and_never_adds_the_slash() {
        assert!(!holds("!a]", 'a') && holds("!a]", 'b') && holds("^a]", '.'));
        assert!(!holds("!a]", '/'));
        assert!(holds("!a-y]", 'z') && holds("!a-y]", '\u{10FFFF}') && holds("!a-y]", '\0'));
        let twice = class("!a]").unwrap().complement();
        assert_eq!(twice, CharSet::one('a'));
    }

    #[test]
    fn what_is_no_class_is_left_to_the_caller() {
        for literal in ["a", "", "]", "z-a]", "/]", "!", r"a\"] {
            assert_eq!(class(literal), None, "{literal:?}");
        }
    }
}
