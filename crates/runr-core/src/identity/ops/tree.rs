//! The directories of the work items, as a resolution reads them.

use std::io::ErrorKind;

use camino::Utf8Path;

use super::{META, misplaced, subdirectory};
use crate::error::{Error, Result};
use crate::fs::{Dir, Kind};
use crate::identity::meta::META_LIMIT;
use crate::identity::resolve::RunTree;
use crate::identity::rules::is_item_id;

pub(super) struct DiskTree<'a> {
    pub(super) runs: &'a Utf8Path,
    /// Nothing if there is no directory yet.
    pub(super) dir: Option<&'a dyn Dir>,
}

impl RunTree for DiskTree<'_> {
    fn exists(&self, id: &str) -> Result<bool> {
        let Some(dir) = self.dir else {
            return Ok(false);
        };
        match dir.stat(id) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("stat", &self.runs.join(id), error)),
        }
    }

    fn names(&self) -> Result<Vec<String>> {
        let Some(dir) = self.dir else {
            return Ok(Vec::new());
        };
        let entries = dir
            .list()
            .map_err(|error| Error::io("list", self.runs, error))?;
        let directories = entries.into_iter().filter(|entry| entry.kind == Kind::Dir);
        let mut names: Vec<_> = directories
            .map(|entry| entry.name)
            .filter(|name| is_item_id(name))
            .collect();
        names.sort();
        Ok(names)
    }

    fn meta(&self, id: &str) -> Result<Option<String>> {
        let Some(dir) = self
            .dir
            .map(|dir| subdirectory(dir, id))
            .transpose()?
            .flatten()
        else {
            return Ok(None);
        };
        let path = self.runs.join(id).join(META);
        match dir.read(META, META_LIMIT as u64) {
            Ok(contents) => String::from_utf8(contents.bytes)
                .map(Some)
                .map_err(|_| misplaced(&path, "is no text")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path, error)),
        }
    }
}
