//! Git's own directory of a tree, found without asking git: a worker may have rewritten what git
//! would answer by.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::{Error, Result};

/// Where git keeps what belongs to one working tree.
#[derive(Debug, Clone)]
pub(crate) struct GitDir {
    /// HEAD, index and settings of this tree alone.
    pub(crate) own: Utf8PathBuf,
}

impl GitDir {
    /// The git directory that the `.git` of `tree` is, or names.
    pub(crate) fn of(tree: &Utf8Path) -> Result<Self> {
        let link = tree.join(".git");
        if link.is_dir() {
            return Ok(Self { own: link });
        }
        let text =
            std::fs::read_to_string(&link).map_err(|source| Error::io("read", &link, source))?;
        let target = text.trim_end().strip_prefix("gitdir: ").unwrap_or_default();
        Ok(Self {
            own: tree.join(target),
        })
    }

    /// The index that people and workers see.
    pub(crate) fn index(&self) -> Utf8PathBuf {
        self.own.join("index")
    }
}
