//! `index.json`: the list that points to all work items.
//!
//! Other programs write it too, and it grows large. So it is scanned once, only the few fields that
//! are looked at get a place in memory, and an upsert is one replaced or inserted piece of text.

use std::borrow::Cow;

use super::meta::{blank, unreadable};
use super::reference::{RunRef, parse_digits};
use crate::error::{Code, Error, Result};
use crate::json::{Bom, Kind, Node, Rules, Tree, scan};

/// Largest index, in bytes.
pub(super) const INDEX_LIMIT: usize = 64 << 20;

/// An index that was scanned.
#[derive(Debug)]
pub struct Index<'t> {
    /// Nothing if there is no index yet.
    pub(super) tree: Option<Tree<'t>>,
}

fn rules() -> Rules {
    // The document, its `runs`, an entry, a field.
    Rules::default()
        .max_bytes(INDEX_LIMIT)
        .bom(Bom::Keep)
        .levels(3)
        .members(&[
            "run_id",
            "issue_number",
            "pr_number",
            "canonical_key",
            "github_repo",
        ])
}

impl<'t> Index<'t> {
    /// Scans the text of an index; a missing or blank one is empty.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` with the place; `E_INDEX_VERSION`.
    pub fn read(text: Option<&'t str>) -> Result<Self> {
        let Some(text) = text.filter(|text| !blank(text)) else {
            return Ok(Self { tree: None });
        };
        let tree = scan(text, &rules()).map_err(|bad| unreadable("index.json", &bad))?;
        check_top(&tree)?;
        Ok(Self { tree: Some(tree) })
    }

    pub(super) fn runs(&self) -> Option<Node<'_>> {
        self.tree.as_ref()?.root().get("runs")
    }

    /// The entries, in the order of the file.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.runs()
            .into_iter()
            .flat_map(Node::elements)
            .map(Row::of)
    }

    /// Whether there is an entry for this id.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.rows().any(|row| row.is_called(id))
    }
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
#[derive(Debug, Clone)]
pub(super) struct Row<'t> {
    pub(super) node: Node<'t>,
    run_id: Option<Node<'t>>,
    issue_number: Option<Node<'t>>,
    pr_number: Option<Node<'t>>,
    canonical_key: Option<Node<'t>>,
    github_repo: Option<Node<'t>>,
}

impl<'t> Row<'t> {
    fn of(node: Node<'t>) -> Self {
        let mut row = Self {
            node,
            run_id: None,
            issue_number: None,
            pr_number: None,
            canonical_key: None,
            github_repo: None,
        };
        for member in node.members() {
            let field = match member.key_text() {
                "\"run_id\"" => &mut row.run_id,
                "\"issue_number\"" => &mut row.issue_number,
                "\"pr_number\"" => &mut row.pr_number,
                "\"canonical_key\"" => &mut row.canonical_key,
                "\"github_repo\"" => &mut row.github_repo,
                spelled if spelled.contains('\\') => match member.key().as_ref() {
                    "run_id" => &mut row.run_id,
                    "issue_number" => &mut row.issue_number,
                    "pr_number" => &mut row.pr_number,
                    "canonical_key" => &mut row.canonical_key,
                    "github_repo" => &mut row.github_repo,
                    _ => continue,
                },
                _ => continue,
            };
            *field = Some(member.value);
        }
        row
    }

    pub(super) fn is_called(&self, id: &str) -> bool {
        self.run_id.is_some_and(|it| it.is_str(id))
    }

    /// Its id, whether it may be used or not.
    pub(super) fn id(&self) -> Option<Cow<'t, str>> {
        self.run_id?.as_str()
    }

    /// The repository it says it belongs to.
    pub(super) fn repo(&self) -> Option<Cow<'t, str>> {
        self.github_repo?.as_str()
    }

    /// How well it fits a reference, the best being 1: by the number of its own kind, by its key, by
    /// its id, or (4) by any of them of the other kind.
    pub(super) fn rank(&self, reference: &RunRef) -> Option<u8> {
        let number_of = |field: &str| match field {
            "issue_number" => self.issue_number,
            _ => self.pr_number,
        };
        let has_number = |field| number_of(field).is_some_and(|it| is_number(it, reference.number));
        let has_key = |item: &str| self.canonical_key.is_some_and(|key| key.is_str(item));
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
pub(super) fn is_number(value: Node<'_>, number: u64) -> bool {
    match value.kind() {
        Kind::Number => value.text().parse() == Ok(number),
        Kind::String => value.as_str().as_deref().and_then(parse_digits) == Some(number),
        _ => false,
    }
}
