//! `run_meta.json`, as far as it is looked at.

use crate::error::{Code, Error, Result};
use crate::json::{BadJson, Bom, Kind, Node, Rules, Tree, scan};

/// Largest `run_meta.json`, in bytes.
pub(super) const META_LIMIT: usize = 4 << 20;

pub(super) fn rules() -> Rules {
    Rules::default().max_bytes(META_LIMIT).bom(Bom::Keep)
}

/// Whether a text counts as no document at all.
pub(super) fn blank(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// A text that cannot be used, and its place.
pub(super) fn unreadable(file: &str, bad: &BadJson) -> Error {
    Error::new(Code::StoreCorrupt, format!("cannot parse {file}: {bad}"))
        .with("offset", bad.offset)
        .with("line", bad.line)
        .with("column", bad.column)
        .with("cause", bad.reason.as_str())
        .hint("repair the file by hand or take it from version control; nothing was changed")
}

/// The metadata of a work item.
#[derive(Debug)]
pub(super) struct Meta<'t> {
    tree: Tree<'t>,
}

impl<'t> Meta<'t> {
    /// Scans the text; nothing for a blank one.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` with the place.
    pub(super) fn read(text: &'t str) -> Result<Option<Self>> {
        if blank(text) {
            return Ok(None);
        }
        let file = "run_meta.json";
        let tree = scan(text, &rules().levels(2)).map_err(|bad| unreadable(file, &bad))?;
        let root = tree.root();
        let at = |offset| BadJson::at(text.as_bytes(), offset, "");
        if root.kind() != Kind::Object {
            let reason = "it is no JSON object".to_owned();
            return Err(unreadable(
                file,
                &BadJson {
                    reason,
                    ..at(root.span().start)
                },
            ));
        }
        if let Some(repeated) = root.repeated_key() {
            let reason = format!("the key {} is repeated", repeated.key_text());
            let place = at(repeated.key_span().start);
            return Err(unreadable(file, &BadJson { reason, ..place }));
        }
        Ok(Some(Self { tree }))
    }

    /// Whether the key is there at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.tree.root().get(key).is_some()
    }

    /// The value of a field that says something.
    pub(super) fn get(&self, key: &str) -> Option<Node<'_>> {
        let value = self.tree.root().get(key)?;
        (value.kind() != Kind::Null).then_some(value)
    }

    /// The text of a field.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.get(key)?.as_str().map(Into::into)
    }

    /// The texts in a field that is a list.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        let Some(list) = self.get(key) else {
            return Vec::new();
        };
        let texts = list.elements().filter_map(Node::as_str);
        texts.map(Into::into).collect()
    }
}
