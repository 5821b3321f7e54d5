//! Changes of a `meta.json`, one after the other.

use std::borrow::Cow;

use serde_json::Value;

use super::difference::{Numbers, difference, view};
use super::model::RunMeta;
use super::names::check_name;
use super::naming::taken_name;
use super::ops::{META, META_MODE, RunStore, corrupt, of_meta, unreadable};
use super::rules::{BadMeta, parse_loose, parse_meta};
use crate::error::{Code, Error, Result};
use crate::fs::{Document, Wait};
use crate::id::RunId;
use crate::json::{Editor, Kind, Node, Rules, Step, Written, scan};
use crate::mutant::without;

/// A change of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetaOp {
    /// Sets a field, and makes the objects around it.
    Set {
        /// Names of fields, each with a slash before it.
        path: String,
        /// The new value, in the spelling it is to have.
        value: Written,
    },
    /// Removes a field.
    Unset {
        /// Names of fields, each with a slash before it.
        path: String,
    },
}

impl MetaOp {
    /// Reads a JSON array of `{"op": "set", "path", "value"}` and `{"op": "unset", "path"}`.
    ///
    /// # Errors
    /// `E_USAGE`.
    pub fn list(text: &str) -> Result<Vec<Self>> {
        let usage = |reason: String| Error::new(Code::Usage, format!("not a change: {reason}"));
        let tree = scan(text, &Rules::default()).map_err(|bad| usage(bad.to_string()))?;
        if tree.root().kind() != Kind::Array {
            return Err(usage("the changes are no list".to_owned()));
        }
        let ops = tree.root().elements().map(Self::read);
        ops.map(|op| op.map_err(usage)).collect()
    }

    fn read(op: Node<'_>) -> Result<Self, String> {
        let text = |key: &str| op.get(key).and_then(Node::as_str).map(Cow::into_owned);
        let path = text("path").ok_or("`path` is no text")?;
        let known = |keys: &[&str]| {
            let mut members = op.members();
            match members.find(|member| !keys.iter().any(|key| member.is_called(key))) {
                None => Ok(()),
                Some(unknown) => Err(format!("unknown field {}", unknown.key_text())),
            }
        };
        match text("op").as_deref() {
            Some("set") => {
                known(&["op", "path", "value"])?;
                let value = op.get("value").ok_or("`value` is missing")?;
                let value = value.written();
                Ok(Self::Set { path, value })
            }
            Some("unset") => {
                known(&["op", "path"])?;
                Ok(Self::Unset { path })
            }
            _ => Err("`op` is neither `set` nor `unset`".to_owned()),
        }
    }
}

/// Applies changes to the text of a `meta.json` and returns its new text.
///
/// # Errors
/// `E_STORE_CORRUPT` if the text is no `meta.json`; `E_USAGE` for a path that leads nowhere, a
/// value of the wrong type, or a field that never changes; `E_INVALID_ID` for a bad name.
pub fn apply_meta_ops(text: &str, ops: &[MetaOp]) -> Result<String> {
    let old = parse_loose(text).map_err(|bad| corrupt("meta.json".into(), bad))?;
    let new = apply(&old, ops)?;
    check(&old, &new)?;
    Ok(if new == old {
        text.to_owned()
    } else {
        new.to_text()
    })
}

pub(super) fn apply(old: &RunMeta, ops: &[MetaOp]) -> Result<RunMeta> {
    let usage = |path: &str, reason: String| {
        Error::new(Code::Usage, format!("cannot change `{path}`: {reason}")).with("field", path)
    };
    // In the canonical text there is no null in the way of a path.
    let text = old.to_text();
    // What is too large is refused when it is written, by the limit of the file.
    let rules = Rules::default().max_bytes(usize::MAX);
    let mut editor = Editor::new(text.as_str(), rules)
        .map_err(|bad| Error::internal(format!("meta.json was printed wrong: {bad}")))?;
    for op in ops {
        let (MetaOp::Set { path, .. } | MetaOp::Unset { path }) = op;
        let keys = keys(path)?;
        let steps: Vec<_> = keys.iter().map(|key| Step::Key(key)).collect();
        let changed = match op {
            MetaOp::Set { value, .. } => editor.set(&steps, value.text()),
            MetaOp::Unset { .. } => editor.remove(&steps),
        };
        changed.map_err(|bad| usage(path, bad.reason))?;
    }
    if editor.text() == text {
        // As it is, not as it would be printed.
        return Ok(old.clone());
    }
    let same = std::iter::zip(spellings(&text), spellings(editor.text()));
    let changed = std::iter::zip(FIXED, same).find(|(_, (old, new))| old != new);
    if let Some((field, _)) = changed.filter(|_| !without("fixed-fields")) {
        return Err(never_changes(field));
    }
    let named = |bad: BadMeta| {
        let message = format!("meta.json cannot become this: {}", bad.reason);
        Error::new(Code::Usage, message).with("cause", bad.reason)
    };
    parse_meta(editor.text(), &old.run_id, None).map_err(named)
}

/// The names in a path; `~1` stands for a slash in a name and `~0` for a tilde.
fn keys(path: &str) -> Result<Vec<String>> {
    let names = path.strip_prefix('/').filter(|names| !names.is_empty());
    let Some(names) = names else {
        let message = format!("`{}` is no path of fields", path.escape_debug());
        return Err(Error::new(Code::Usage, message)
            .with("field", path)
            .hint("a path begins with a slash: /flags/needs_attention"));
    };
    let name = |name: &str| name.replace("~1", "/").replace("~0", "~");
    Ok(names.split('/').map(name).collect())
}

/// What says which run this is, and is never changed nor removed.
const FIXED: [&str; 4] = ["schema_version", "run_id", "repo_id", "created_at"];

fn never_changes(field: &str) -> Error {
    Error::new(Code::Usage, format!("`{field}` never changes")).with("field", field)
}

/// The values of the fields that never change, as they are written.
fn spellings(text: &str) -> [Option<String>; 4] {
    let tree = scan(text, &Rules::default().levels(1)).ok();
    FIXED.map(|field| Some(tree.as_ref()?.root().get(field)?.text().to_owned()))
}

/// What no update may do.
fn check(old: &RunMeta, new: &RunMeta) -> Result<()> {
    let same = [
        old.schema_version == new.schema_version,
        old.run_id == new.run_id,
        old.repo_id == new.repo_id,
        old.created_at == new.created_at,
    ];
    if let Some((field, _)) = FIXED
        .into_iter()
        .zip(same)
        .find(|(_, same)| !same && !without("fixed-fields"))
    {
        return Err(never_changes(field));
    }
    match &new.name {
        Some(name) if old.name.as_ref() != Some(name) => check_name(name),
        _ => Ok(()),
    }
}

impl RunStore {
    /// Changes the document of a run. `f` runs under the lock of the run, so no change of another
    /// process comes between; it must not call the store. If it fails or panics, or if nothing
    /// differs afterwards, the file stays as it was. Returns the document as it stands.
    ///
    /// # Errors
    /// The error of `f`; `E_USAGE` if a field was changed that never changes; `E_INVALID_ID` and
    /// `E_RUN_REF_AMBIGUOUS` for a bad or a taken name; `E_RUN_NOT_FOUND`; `E_STORE_CORRUPT`;
    /// `E_META_WRITE_FAILED`; `E_LOCK_TIMEOUT`; `E_IO`.
    pub fn update(
        &self,
        id: &RunId,
        f: impl FnOnce(&mut RunMeta) -> Result<()>,
    ) -> Result<RunMeta> {
        self.rewrite(id, |_, old| {
            let mut new = old.clone();
            f(&mut new)?;
            Ok(new)
        })
    }

    /// Sets and removes fields by their paths.
    ///
    /// # Errors
    /// As [`update`](Self::update) and [`apply_meta_ops`].
    pub fn update_values(&self, id: &RunId, ops: &[MetaOp]) -> Result<RunMeta> {
        self.rewrite(id, |_, old| apply(old, ops))
    }

    /// Changes the document of a run as a JSON object: what `f` leaves alone stays as it is
    /// written.
    ///
    /// # Errors
    /// As [`update`](Self::update); `E_USAGE` if `f` does not return an object of the right shape.
    pub fn update_document<T: Into<Written>>(
        &self,
        id: &RunId,
        f: impl FnOnce(Value) -> Result<T>,
    ) -> Result<RunMeta> {
        self.rewrite(id, |_, old| {
            let before = old.to_text();
            let after = f(view(&before)?)?.into();
            apply(old, &difference(&before, after.text(), Numbers::Exact)?)
        })
    }

    /// `f` gets the text of the file and what it says. Where it takes a name, the names of the
    /// repository are locked until the document is written.
    pub(super) fn rewrite(
        &self,
        id: &RunId,
        f: impl FnOnce(&str, &RunMeta) -> Result<RunMeta>,
    ) -> Result<RunMeta> {
        let (mut names, mut contended) = (None, None);
        let new = self.rewrite_with(id, |text, old| {
            let new = f(text, old)?;
            check(old, &new)?;
            if let Some(name) = taken_name(old, &new) {
                // Not waited for: whoever has it may be waiting for the lock of this run.
                match self.lock_names(Wait::No) {
                    Err(error) if error.code() == Code::LockTimeout => {
                        contended = Some((text.to_owned(), name.to_owned(), new));
                        return Ok(old.clone());
                    }
                    locked => names = locked?,
                }
                self.check_free(name, id)?;
            }
            Ok(new)
        });
        drop(names);
        match contended {
            None => new,
            Some((text, name, new_meta)) => {
                new?;
                new_name(self, id, &text, &name, new_meta)
            }
        }
    }

    /// Writes what `f` makes of the document, under the lock of the run.
    fn rewrite_with(
        &self,
        id: &RunId,
        f: impl FnOnce(&str, &RunMeta) -> Result<RunMeta>,
    ) -> Result<RunMeta> {
        let paths = self.paths(id);
        let mut after = None;
        let document = Document::new(self.storage.clone(), &paths.run_dir, META)
            .mode(META_MODE)
            .wait(self.wait.clone());
        let updated = document.update(|text| {
            let text = text.ok_or_else(|| self.not_found(id))?;
            let old = parse_meta(text, id, self.repo_id())
                .map_err(|bad| corrupt(&paths.meta_path, bad))?;
            let new = f(text, &old)?;
            let printed = if new == old {
                text.to_owned()
            } else {
                new.to_text()
            };
            after = Some(new);
            Ok(printed)
        });
        updated.map_err(|error| match error.path() {
            Some(path) if path == paths.meta_path && error.code() == Code::Io => {
                unreadable(&paths.meta_path, error)
            }
            _ => self.unless_missing(id, of_meta(error, &paths.meta_path)),
        })?;
        after.ok_or_else(|| Error::internal("an update returned no document"))
    }
}

/// Writes a document with a new name when the names of the repository were locked by somebody
/// else: they come first now, and what was made of `text` counts only while that is still there.
fn new_name(store: &RunStore, id: &RunId, text: &str, name: &str, new: RunMeta) -> Result<RunMeta> {
    let _names = store.lock_names(store.wait.clone())?;
    store.rewrite_with(id, |present, _| {
        if present != text {
            let message = format!("run {id} was changed while its new name was waited for");
            return Err(Error::new(Code::LockTimeout, message)
                .with("run_id", id.as_str())
                .hint("nothing was changed; try again"));
        }
        store.check_free(name, id)?;
        Ok(new)
    })
}
