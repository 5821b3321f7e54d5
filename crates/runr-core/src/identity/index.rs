//! `index.json`: the list that points to all work items.
//!
//! Other programs write it too, and it grows large. So it is read in one pass, only the few fields
//! that are looked at get a place in memory, and an upsert is one replaced or inserted piece of text.

#[cfg(test)]
pub(super) mod tests;
mod walk;

use std::borrow::Cow;
use std::ops::Range;

pub(super) use self::walk::Walk;
use super::meta::{blank, unreadable};
use super::reference::{RunRef, parse_digits};
use crate::error::{Code, Error, Result};
use crate::json::{Bom, Kind, Node, Place, Rules, Token, Tree, scan};

/// Largest index, in bytes.
pub(super) const INDEX_LIMIT: usize = 64 << 20;

/// The fields of an entry that are looked at.
const FIELDS: [&str; 5] = [
    "run_id",
    "issue_number",
    "pr_number",
    "canonical_key",
    "github_repo",
];

const RUN_ID: usize = 0;
const ISSUE_NUMBER: usize = 1;
const PR_NUMBER: usize = 2;
const CANONICAL_KEY: usize = 3;
const GITHUB_REPO: usize = 4;

/// Where an entry stands, and the fields of it that are looked at.
pub(super) type EntryPlace = Place<{ FIELDS.len() }>;

/// An index that was read.
#[derive(Debug)]
pub struct Index<'t> {
    /// Nothing if there is no index yet.
    text: Option<&'t str>,
    /// How long the text is, even if it is blank.
    length: usize,
    /// Where its `runs` stand, if it has any.
    runs: Option<Range<usize>>,
    entries: Vec<EntryPlace>,
}

/// What the text around the entries may be; those are checked, but stay opaque.
pub(super) fn rules() -> Rules {
    Rules::default().max_bytes(INDEX_LIMIT).bom(Bom::Keep)
}

impl<'t> Index<'t> {
    /// Reads the text of an index; a missing or blank one is empty.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` with the place; `E_INDEX_VERSION`.
    pub fn read(text: Option<&'t str>) -> Result<Self> {
        let length = text.map_or(0, str::len);
        match text.filter(|text| !blank(text)) {
            None => Ok(Self {
                text: None,
                length,
                runs: None,
                entries: Vec::new(),
            }),
            Some(text) => Self::walked(text).map_or_else(|| Self::scanned(text), Ok),
        }
    }

    /// Reads a text of the usual form.
    fn walked(text: &'t str) -> Option<Self> {
        let mut walk = Walk::default();
        let mut entries = Vec::new();
        if text.len() > INDEX_LIMIT {
            return None;
        }
        walk.take(text, |place| entries.push(place))?;
        Some(Self {
            text: Some(text),
            length: text.len(),
            runs: Some(walk.finish()?),
            entries,
        })
    }

    /// Reads a text of any form, or says what is wrong with it.
    fn scanned(text: &'t str) -> Result<Self> {
        // The document, its `runs`, an entry, a field.
        let rules = rules().levels(3).members(&FIELDS);
        let tree = scan(text, &rules).map_err(|bad| unreadable("index.json", &bad))?;
        check_top(&tree)?;
        let runs = tree.root().get("runs");
        let entries = runs.into_iter().flat_map(Node::elements).map(entry_place);
        Ok(Self {
            text: Some(text),
            length: text.len(),
            runs: runs.map(Node::span),
            entries: entries.collect(),
        })
    }

    /// The text that was read.
    pub(super) fn text(&self) -> Option<&'t str> {
        self.text
    }

    /// How long it is.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Where the `runs` stand, if there are any.
    pub(super) fn runs(&self) -> Option<Range<usize>> {
        self.runs.clone()
    }

    /// The entries, in the order of the file.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let text = self.text.unwrap_or_default();
        self.entries.iter().map(move |place| Row { text, place })
    }

    /// Whether there is an entry for this id.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.rows().any(|row| row.is_called(id))
    }
}

fn entry_place(node: Node<'_>) -> EntryPlace {
    let mut fields = [const { None }; FIELDS.len()];
    for member in node.members() {
        let key = member.key();
        if let Some(nth) = FIELDS.iter().position(|name| *name == key) {
            fields[nth] = Some(member.value.span());
        }
    }
    Place::new(node.span(), fields)
}

/// What stands around the entries must be known, or nothing can be promised.
fn check_top(tree: &Tree<'_>) -> Result<()> {
    let root = tree.root();
    let corrupt = |reason: &str| {
        Err(Error::new(
            Code::StoreCorrupt,
            format!("cannot use index.json: {reason}"),
        ))
    };
    if root.kind() != Kind::Object {
        return corrupt("it is no JSON object");
    }
    if let Some(repeated) = root.repeated_key() {
        return corrupt(&format!("the key {} is repeated", repeated.key_text()));
    }
    match root.get("version") {
        Some(version) if version.text() != "1" => {
            let message = format!("index.json has version {}, not 1", version.text());
            return Err(Error::new(Code::IndexVersion, message)
                .with("version", version.to_value())
                .hint("a newer runr may know this version; nothing was changed"));
        }
        _ => {}
    }
    match root.get("runs") {
        Some(runs) if runs.kind() != Kind::Array => corrupt("`runs` is no array"),
        _ => Ok(()),
    }
}

/// An entry, as far as it is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'t> {
    text: &'t str,
    place: &'t EntryPlace,
}

impl<'t> Row<'t> {
    /// An entry in a text.
    pub(super) fn new(text: &'t str, place: &'t EntryPlace) -> Self {
        Self { text, place }
    }

    /// Where it stands.
    pub(super) fn span(self) -> Range<usize> {
        self.place.span()
    }

    fn field(self, nth: usize) -> Option<Token<'t>> {
        let span = self.place.field(nth)?;
        Some(Token(&self.text[span]))
    }

    pub(super) fn is_called(self, id: &str) -> bool {
        self.field(RUN_ID).is_some_and(|it| it.is_str(id))
    }

    /// Its id, whether it may be used or not.
    pub(super) fn id(self) -> Option<Cow<'t, str>> {
        self.field(RUN_ID)?.as_str()
    }

    /// The repository it says it belongs to.
    pub(super) fn repo(self) -> Option<Cow<'t, str>> {
        self.field(GITHUB_REPO)?.as_str()
    }

    /// How well it fits a reference, the best being 1: by the number of its own kind, by its key, by
    /// its id, or (4) by any of them of the other kind.
    pub(super) fn rank(self, reference: &RunRef) -> Option<u8> {
        let number_of = |field: &str| match field {
            "issue_number" => self.field(ISSUE_NUMBER),
            _ => self.field(PR_NUMBER),
        };
        let has_number = |field| number_of(field).is_some_and(|it| is_number(it, reference.number));
        let has_key = |item: &str| {
            self.field(CANONICAL_KEY)
                .is_some_and(|key| key.is_str(item))
        };
        let (kind, other) = (reference.kind, reference.kind.other());
        let (own_item, other_item) = (&reference.candidate, &reference.crossed);
        match () {
            () if has_number(kind.field()) => Some(1),
            () if has_key(own_item) => Some(2),
            () if self.is_called(own_item) => Some(3),
            () if has_number(other.field())
                || has_key(other_item)
                || self.is_called(other_item) =>
            {
                Some(4)
            }
            () => None,
        }
    }
}

/// Whether a value is this number: an integer, or, as some have written it, a string of digits.
pub(super) fn is_number(value: Token<'_>, number: u64) -> bool {
    match value.as_str() {
        Some(text) => parse_digits(&text) == Some(number),
        // Nothing else that is no string can be read as a number without a sign.
        None => value.text().parse() == Ok(number),
    }
}
