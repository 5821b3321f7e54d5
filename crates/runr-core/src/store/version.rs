//! Changes by a program that may not hold a lock while it thinks: read, think, save if nobody else
//! has saved meanwhile.

use serde::Serialize;
use serde_json::Value;

use super::difference::{Numbers, difference, view};
use super::model::RunMeta;
use super::ops::{RunStore, corrupt};
use super::rules::parse_meta;
use super::update::apply;
use crate::error::Result;
use crate::hash::sha256_hex;
use crate::id::RunId;
use crate::json::Written;

/// A document, and what tells this state of its file from every other one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Versioned {
    /// The SHA-256 of the text of the file.
    pub version: String,
    /// The document as plain JSON.
    pub document: Value,
}

impl RunStore {
    /// Reads the document of a run, to be given back to [`save_version`](Self::save_version).
    /// Takes no lock.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_version(&self, id: &RunId) -> Result<Versioned> {
        let paths = self.paths(id);
        let text = self.read_text(&paths)?;
        let meta =
            parse_meta(&text, id, self.repo_id()).map_err(|bad| corrupt(&paths.meta_path, bad))?;
        Ok(Versioned {
            version: sha256_hex(&text),
            document: view(&meta.to_text())?,
        })
    }

    /// Changes the document of a run to what a program whose numbers are floats made of `version`;
    /// `None`, and nothing is changed, if the file has another version by now. What the program
    /// left alone stays as it is written, also a number that it saw rounded.
    ///
    /// # Errors
    /// As [`update_document`](Self::update_document); `E_USAGE` for a new integer that is not exact
    /// as a float.
    pub fn save_version(
        &self,
        id: &RunId,
        version: &str,
        document: &Written,
    ) -> Result<Option<RunMeta>> {
        let mut same = true;
        let meta = self.rewrite(id, |text, old| {
            same = sha256_hex(text) == version;
            if !same {
                return Ok(old.clone());
            }
            let changes = difference(&old.to_text(), document.text(), Numbers::Floats)?;
            apply(old, &changes)
        })?;
        Ok(same.then_some(meta))
    }
}
