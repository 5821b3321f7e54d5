//! The places of the values in a text.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::Range;

use serde_json::{Map, Number, Value};

use super::string;
use super::token::Token;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of JSON")]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// A value's place, in the order of the text: after a container come the values in it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) key_start: u32,
    pub(super) key_end: u32,
    /// The first entry after this one and all it contains.
    pub(super) next: u32,
}

/// A document that was scanned.
#[derive(Debug, Clone)]
pub struct Tree<'t> {
    pub(super) text: &'t str,
    pub(super) entries: Vec<Entry>,
}

impl<'t> Tree<'t> {
    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The value that the document is.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Node {
            tree: self,
            index: 0,
        }
    }

    /// The first member, in the order of the text, whose key stands in its object before.
    #[must_use]
    pub fn repeated_key(&self) -> Option<Member<'_>> {
        let nodes = (0..self.entries.len()).map(|index| Node { tree: self, index });
        nodes
            .filter(|node| node.kind() == Kind::Object)
            .find_map(Node::repeated_key)
    }
}

/// A value in a document.
#[derive(Debug, Clone, Copy)]
pub struct Node<'t> {
    tree: &'t Tree<'t>,
    index: usize,
}

/// A member of an object.
#[derive(Debug, Clone, Copy)]
pub struct Member<'t> {
    /// Its value.
    pub value: Node<'t>,
}

impl<'t> Node<'t> {
    fn entry(self) -> &'t Entry {
        &self.tree.entries[self.index]
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.entry().kind
    }

    /// Where it stands, in bytes.
    #[must_use]
    pub fn span(self) -> Range<usize> {
        let entry = self.entry();
        entry.start as usize..entry.end as usize
    }

    /// Its text, exactly as it is written.
    #[must_use]
    pub fn text(self) -> &'t str {
        &self.tree.text[self.span()]
    }

    /// The values directly in it; none in what is no container or lies below the deepest level
    /// that was asked for.
    pub fn elements(self) -> impl Iterator<Item = Node<'t>> {
        let end = self.entry().next as usize;
        let mut index = self.index + 1;
        std::iter::from_fn(move || {
            let node = (index < end).then_some(Self { index, ..self })?;
            index = node.entry().next as usize;
            Some(node)
        })
    }

    /// The members of an object; nothing for anything else.
    pub fn members(self) -> impl Iterator<Item = Member<'t>> {
        let object = self.kind() == Kind::Object;
        self.elements()
            .filter(move |_| object)
            .map(|value| Member { value })
    }

    /// The first member with this key.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Self> {
        self.members()
            .find(|member| member.is_called(key))
            .map(|member| member.value)
    }

    /// The last member with this key: the one that counts for an ECMAScript reader.
    #[must_use]
    pub fn get_last(self, key: &str) -> Option<Self> {
        self.members()
            .filter(|member| member.is_called(key))
            .last()
            .map(|member| member.value)
    }

    /// The first member of this object whose key stands in it before.
    #[must_use]
    pub fn repeated_key(self) -> Option<Member<'t>> {
        /// Up to this number it is cheaper to compare all keys than to hash them.
        const FEW: usize = 32;
        let members: Vec<_> = self.members().collect();
        let key = |member: &Member<'t>| string::identity(member.key_text());
        let keys: Vec<_> = members.iter().map(key).collect();
        let mut seen = HashSet::new();
        let is_repeated = |at: &usize| match keys.len() {
            0..=FEW => keys[..*at].contains(&keys[*at]),
            _ => !seen.insert(&keys[*at]),
        };
        let repeated = (0..keys.len()).find(is_repeated)?;
        members.get(repeated).copied()
    }

    /// The string it is, unless half of a surrogate pair stands alone in it.
    #[must_use]
    pub fn as_str(self) -> Option<Cow<'t, str>> {
        self.token().as_str()
    }

    /// Whether it is this string.
    #[must_use]
    pub fn is_str(self, wanted: &str) -> bool {
        self.token().is_str(wanted)
    }

    /// Its text, which knows what it is.
    pub(crate) fn token(self) -> Token<'t> {
        Token(self.text())
    }

    /// The string it is, with U+FFFD for halves of surrogate pairs.
    #[must_use]
    pub fn as_str_lossy(self) -> Option<String> {
        (self.kind() == Kind::String).then(|| string::decode_lossy(self.text()))
    }

    /// The integer it is; a fraction or an exponent makes none, even if its value is whole.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self.kind() {
            Kind::Number => self.text().parse().ok(),
            _ => None,
        }
    }

    /// The truth value it is.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.text() == "true")
    }

    /// The value for those who calculate with it.
    ///
    /// What such a value cannot hold is approximated: of repeated keys the last counts, lone
    /// surrogates become U+FFFD, integers beyond 64 bits become floats, and numbers beyond a float
    /// become strings.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self.kind() {
            Kind::Null => Value::Null,
            Kind::Bool => Value::Bool(self.text() == "true"),
            Kind::Number => match self.text().parse::<Number>() {
                Ok(number) => Value::Number(number),
                Err(_) => Value::String(self.text().to_owned()),
            },
            Kind::String => Value::String(string::decode_lossy(self.text())),
            // As deep as the scan allowed, no deeper.
            Kind::Array => self.elements().map(Self::to_value).collect(),
            Kind::Object => {
                let members = self.members();
                Value::Object(
                    members
                        .map(|member| (member.key_lossy(), member.value.to_value()))
                        .collect::<Map<_, _>>(),
                )
            }
        }
    }

    /// Whether both mean the same: the order of members, white space, escapes and the spelling of
    /// fractions do not count. `1` and `1.0` differ, as readers may tell them apart.
    #[must_use]
    pub fn same_as(self, other: Node<'_>) -> bool {
        if self.kind() != other.kind() {
            return false;
        }
        match self.kind() {
            Kind::Null => true,
            Kind::Bool => self.text() == other.text(),
            Kind::Number => number_eq(self.text(), other.text()),
            Kind::String => string::identity(self.text()) == string::identity(other.text()),
            Kind::Array => {
                self.elements().count() == other.elements().count()
                    && self
                        .elements()
                        .zip(other.elements())
                        .all(|(a, b)| a.same_as(b))
            }
            Kind::Object => self.same_members(other),
        }
    }

    fn same_members(self, other: Node<'_>) -> bool {
        if self.repeated_key().is_some() || other.repeated_key().is_some() {
            return self.text() == other.text();
        }
        let sorted = |node: Node<'_>| {
            let mut members: Vec<_> = node
                .members()
                .map(|member| {
                    (
                        string::identity(member.key_text()).into_owned(),
                        member.value.index,
                    )
                })
                .collect();
            members.sort();
            members
        };
        let (ours, theirs) = (sorted(self), sorted(other));
        ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|((key, a), (other_key, b))| {
                let (a, b) = (Self { index: *a, ..self }, Node { index: *b, ..other });
                key == other_key && a.same_as(b)
            })
    }
}

impl<'t> Member<'t> {
    /// Where its key stands, quotes included.
    #[must_use]
    pub fn key_span(self) -> Range<usize> {
        let entry = self.value.entry();
        entry.key_start as usize..entry.key_end as usize
    }

    /// Its key as it is written, quotes included.
    #[must_use]
    pub fn key_text(self) -> &'t str {
        &self.value.tree.text[self.key_span()]
    }

    /// Its key, with U+FFFD for halves of surrogate pairs; borrowed if it holds no escape.
    #[must_use]
    pub fn key(self) -> Cow<'t, str> {
        let text = self.key_text();
        let bare = &text[1..text.len() - 1];
        if bare.contains('\\') {
            Cow::Owned(string::decode_lossy(text))
        } else {
            Cow::Borrowed(bare)
        }
    }

    /// Its key, with U+FFFD for halves of surrogate pairs.
    #[must_use]
    pub fn key_lossy(self) -> String {
        string::decode_lossy(self.key_text())
    }

    /// Whether this is its key.
    #[must_use]
    pub fn is_called(self, key: &str) -> bool {
        let text = self.key_text();
        // The usual key holds no escape.
        &text[1..text.len() - 1] == key && !key.contains('\\')
            || text.contains('\\') && self.key_exact().is_some_and(|found| found == key)
    }

    /// Its key, unless half of a surrogate pair stands alone in it.
    pub(crate) fn key_exact(self) -> Option<Cow<'t, str>> {
        string::decode(self.key_text())
    }
}

/// Whether two numbers are the same: integers if they are spelled alike, fractions also if they
/// have exactly the same value.
#[must_use]
pub fn number_eq(a: &str, b: &str) -> bool {
    let is_fraction = |text: &str| text.contains(['.', 'e', 'E']);
    a == b || (is_fraction(a) && is_fraction(b) && Decimal::of(a).cmp_value(&Decimal::of(b)))
}

/// A number as a whole mantissa without zeros at its ends, and an exponent to the base ten.
struct Decimal {
    negative: bool,
    digits: String,
    exponent: Option<i64>,
}

impl Decimal {
    fn of(text: &str) -> Self {
        let negative = text.starts_with('-');
        let text = text.trim_start_matches('-');
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0').trim_end_matches('0');
        let trailing = all.len() - all.trim_end_matches('0').len();
        let shift = i64::try_from(trailing)
            .ok()
            .zip(i64::try_from(fraction.len()).ok());
        let exponent = exponent.parse::<i64>().ok().zip(shift);
        Self {
            negative,
            digits: significant.to_owned(),
            exponent: exponent.and_then(|(exponent, (trailing, fraction))| {
                exponent.checked_add(trailing)?.checked_sub(fraction)
            }),
        }
    }

    /// Zero has many exponents; its sign counts. An exponent beyond counting equals nothing.
    fn cmp_value(&self, other: &Self) -> bool {
        self.negative == other.negative
            && self.digits.cmp(&other.digits) == Ordering::Equal
            && (self.digits.is_empty()
                || (self.exponent.is_some() && self.exponent == other.exponent))
    }
}
