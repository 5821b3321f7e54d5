//! Changes of a `meta.json`, one after the other.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::model::RunMeta;
use super::names::check_name;
use super::ops::{META, META_MODE, RunStore, corrupt};
use super::rules::{BadMeta, parse_loose, parse_meta};
use crate::error::{Code, Error, Result};
use crate::fs::Document;
use crate::id::RunId;
use crate::json::{Editor, Rules, Step, scan};

/// A change of one field.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum MetaOp {
    /// Sets a field, and makes the objects around it.
    Set {
        /// Names of fields, each with a slash before it.
        path: String,
        /// The new value.
        value: Value,
    },
    /// Removes a field.
    Unset {
        /// Names of fields, each with a slash before it.
        path: String,
    },
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

fn apply(old: &RunMeta, ops: &[MetaOp]) -> Result<RunMeta> {
    let usage = |path: &str, reason: String| {
        Error::new(Code::Usage, format!("cannot change `{path}`: {reason}")).with("field", path)
    };
    // In the canonical text there is no null in the way of a path.
    let text = old.to_text();
    let mut editor = Editor::new(text.as_str(), Rules::default())
        .map_err(|bad| Error::internal(format!("meta.json was printed wrong: {bad}")))?;
    for op in ops {
        let (MetaOp::Set { path, .. } | MetaOp::Unset { path }) = op;
        let keys = keys(path)?;
        let steps: Vec<_> = keys.iter().map(|key| Step::Key(key)).collect();
        let changed = match op {
            MetaOp::Set { value, .. } => editor.set(&steps, &value.to_string()),
            MetaOp::Unset { .. } => editor.remove(&steps),
        };
        changed.map_err(|bad| usage(path, bad.reason))?;
    }
    if editor.text() == text {
        // As it is, not as it would be printed.
        return Ok(old.clone());
    }
    let same = std::iter::zip(spellings(&text), spellings(editor.text()));
    if let Some((field, _)) = std::iter::zip(FIXED, same).find(|(_, (old, new))| old != new) {
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
    if let Some((field, _)) = FIXED.into_iter().zip(same).find(|(_, same)| !same) {
        return Err(never_changes(field));
    }
    match &new.name {
        Some(name) if old.name.as_ref() != Some(name) => check_name(name),
        _ => Ok(()),
    }
}

/// The changes that lead from one view of a document to another.
fn difference(old: &Map<String, Value>, new: &Map<String, Value>, path: &str) -> Vec<MetaOp> {
    let mut ops = Vec::new();
    let keys: BTreeSet<_> = new.keys().collect();
    for key in old.keys().filter(|key| !keys.contains(key)) {
        let path = below(path, key);
        ops.push(MetaOp::Unset { path });
    }
    for (key, value) in new {
        let path = below(path, key);
        match (old.get(key), value) {
            (Some(before), after) if before == after => {}
            (Some(Value::Object(before)), Value::Object(after)) => {
                ops.extend(difference(before, after, &path));
            }
            (_, value) => ops.push(MetaOp::Set {
                path,
                value: value.clone(),
            }),
        }
    }
    ops
}

fn below(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A document as programs see it: plain JSON, known fields first.
fn view(meta: &RunMeta) -> Result<Map<String, Value>> {
    match serde_json::to_value(meta) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Error::internal("a meta.json has no JSON form")),
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
        self.rewrite(id, |old| {
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
        self.rewrite(id, |old| apply(old, ops))
    }

    /// Changes the document of a run as a JSON object: what `f` leaves alone stays as it is
    /// written.
    ///
    /// # Errors
    /// As [`update`](Self::update); `E_USAGE` if `f` does not return an object of the right shape.
    pub fn update_document(
        &self,
        id: &RunId,
        f: impl FnOnce(Value) -> Result<Value>,
    ) -> Result<RunMeta> {
        self.rewrite(id, |old| {
            let before = view(old)?;
            match f(Value::Object(before.clone()))? {
                Value::Object(after) => apply(old, &difference(&before, &after, "")),
                _ => Err(Error::new(
                    Code::Usage,
                    "the document must stay a JSON object",
                )),
            }
        })
    }

    /// Changes the document of a run to `new` if it still is `expected`; `None` if it is not.
    ///
    /// # Errors
    /// As [`update_document`](Self::update_document).
    pub fn replace_if(&self, id: &RunId, expected: &Value, new: Value) -> Result<Option<RunMeta>> {
        let mut differs = false;
        let meta = self.update_document(id, |present| {
            differs = present != *expected;
            Ok(if differs { present } else { new })
        })?;
        Ok((!differs).then_some(meta))
    }

    fn rewrite(&self, id: &RunId, f: impl FnOnce(&RunMeta) -> Result<RunMeta>) -> Result<RunMeta> {
        let paths = self.paths(id);
        let mut after = None;
        let document = Document::new(self.storage.clone(), &paths.run_dir, META)
            .mode(META_MODE)
            .wait(self.wait.clone());
        let updated = document.update(|text| {
            let text = text.ok_or_else(|| self.not_found(id))?;
            let old = parse_meta(text, id, self.repo_id())
                .map_err(|bad| corrupt(paths.meta_path.clone(), bad))?;
            let new = f(&old)?;
            check(&old, &new)?;
            self.check_free(&old, &new)?;
            let printed = if new == old {
                text.to_owned()
            } else {
                new.to_text()
            };
            after = Some(new);
            Ok(printed)
        });
        updated.map_err(|error| self.unless_missing(id, error))?;
        after.ok_or_else(|| Error::internal("an update returned no document"))
    }

    /// A new name must not be that of another active run. Two processes that take the same name
    /// in the same moment both succeed, unless they hold the repository lock.
    fn check_free(&self, old: &RunMeta, new: &RunMeta) -> Result<()> {
        let Some(name) = new.name.as_deref().filter(|_| old.name != new.name) else {
            return Ok(());
        };
        let records = self.scan()?;
        let taken = records.iter().find(|record| {
            let meta = record.meta.as_ref().filter(|meta| meta.is_active());
            record.run_id != new.run_id && meta.is_some_and(|it| it.name.as_deref() == Some(name))
        });
        match taken {
            None => Ok(()),
            Some(other) => Err(Error::new(
                Code::RunRefAmbiguous,
                format!("the run {} has the name `{name}`", other.run_id),
            )
            .with("input", name)
            .with("candidates", vec![other.run_id.as_str()])),
        }
    }
}
