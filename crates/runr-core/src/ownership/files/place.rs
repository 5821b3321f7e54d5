//! Where the files of a claim are.

use camino::{Utf8Path, Utf8PathBuf};

use crate::ownership::target::Target;

/// Below the root that claims share.
const FOLDER: &str = ".pi/runner-coordination";

/// The files of a claim, all in one directory. Their names derive from the one of the record.
///
/// ```
/// use runr_core::ownership::Place;
///
/// let place = Place::of("/repo/claims/pr-17.json").shared();
/// assert_eq!(place.fence(), "/repo/claims/pr-17.fence.json");
/// assert_eq!(place.lock_directory().unwrap(), "/repo/claims/pr-17.json.lock");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub(in crate::ownership) dir: Utf8PathBuf,
    pub(in crate::ownership) names: Names,
}

/// The names in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ownership) struct Names {
    pub(in crate::ownership) record: String,
    pub(in crate::ownership) fence: String,
    pub(in crate::ownership) archive: String,
    pub(in crate::ownership) lock: String,
    /// Where other programs lock the record, if any write it.
    pub(in crate::ownership) lock_dir: Option<String>,
}

impl Place {
    /// The files around this record, which no other program writes: `<record>.oslock` is its lock.
    #[must_use]
    pub fn of(record: impl AsRef<Utf8Path>) -> Self {
        let record = record.as_ref();
        let dir = match record.parent() {
            Some(parent) if !parent.as_str().is_empty() => parent.to_owned(),
            _ => Utf8PathBuf::from("."),
        };
        let name = record.file_name().unwrap_or_default();
        let stem = name.strip_suffix(".json").unwrap_or(name);
        Self {
            dir,
            names: Names {
                record: name.to_owned(),
                fence: format!("{stem}.fence.json"),
                archive: format!("{stem}.history.jsonl"),
                lock: format!("{name}.oslock"),
                lock_dir: None,
            },
        }
    }

    /// The files of a target below the root that all programs share.
    pub(super) fn of_target(root: &Utf8Path, target: &Target) -> Self {
        let slug = target.slug();
        let dir = root.join(FOLDER).join(slug.owner()).join(slug.name());
        Self::of(dir.join(format!("{}.json", target.file_stem()))).shared()
    }

    /// The same, where other programs write the record, too: they are kept out by the directory
    /// `<record>.lock`.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.names.lock_dir = Some(format!("{}.lock", self.names.record));
        self
    }

    /// Sets the lock file, where the directory has one already.
    #[must_use]
    pub fn locked_by(mut self, name: &str) -> Self {
        name.clone_into(&mut self.names.lock);
        self
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> Utf8PathBuf {
        self.dir.join(&self.names.record)
    }

    /// The token and the holder.
    #[must_use]
    pub fn fence(&self) -> Utf8PathBuf {
        self.dir.join(&self.names.fence)
    }

    /// What happened, for ever.
    #[must_use]
    pub fn archive(&self) -> Utf8PathBuf {
        self.dir.join(&self.names.archive)
    }

    /// The lock directory, if there is one.
    #[must_use]
    pub fn lock_directory(&self) -> Option<Utf8PathBuf> {
        let name = self.names.lock_dir.as_ref();
        name.map(|name| self.dir.join(name))
    }
}
