//! Files in memory, and the claims kept in one of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::error::Result;
use crate::ownership::claim_store::{Change, ClaimStore, Snapshot, Swap, Version};
use crate::ownership::target::Target;
use crate::ownership::{read_record, record_text};

pub(super) type Files = BTreeMap<String, String>;

/// The folder `<cwd>`.
#[derive(Debug, Clone, Default)]
pub(super) struct Folder(Arc<Mutex<Files>>);

impl Folder {
    pub(super) fn files(&self) -> Files {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let mut files = self.0.lock().unwrap();
        files.insert(path.to_owned(), text.to_owned());
    }

    pub(super) fn remove(&self, path: &str) {
        self.0.lock().unwrap().remove(path);
    }

    /// The claims in the file that a call names, or that a target has.
    pub(super) fn claims(&self, path: Option<&str>, target: &Target) -> OneFile {
        let slug = target.slug();
        let usual = || {
            let (owner, name, stem) = (slug.owner(), slug.name(), target.file_stem());
            format!(".pi/runner-coordination/{owner}/{name}/{stem}.json")
        };
        let named = path.map(|path| path.strip_prefix("<cwd>/").unwrap().to_owned());
        OneFile {
            folder: self.clone(),
            path: named.unwrap_or_else(usual),
        }
    }
}

/// Claims as one file holds them: a record, and nothing beside it.
#[derive(Debug)]
pub(super) struct OneFile {
    folder: Folder,
    path: String,
}

impl OneFile {
    fn text(&self) -> Option<String> {
        self.folder.files().remove(&self.path)
    }
}

impl ClaimStore for OneFile {
    fn location(&self, _: &Target) -> String {
        format!("<cwd>/{}", self.path)
    }

    fn load(&self, target: &Target) -> Result<Snapshot> {
        let text = self.text();
        let record = text.as_deref().map(|text| read_record(text, target));
        let mut snapshot = Snapshot::of_record(record.transpose()?.flatten());
        snapshot.version = Version::new(text.unwrap_or_default());
        Ok(snapshot)
    }

    fn compare_and_set(&self, _: &Target, read: &Version, change: &Change) -> Result<Swap> {
        if self.text().unwrap_or_default() != read.as_str() {
            return Ok(Swap::Conflict);
        }
        let text = record_text(&change.record);
        self.folder.write(&self.path, &text);
        Ok(Swap::Stored(Version::new(text)))
    }
}
