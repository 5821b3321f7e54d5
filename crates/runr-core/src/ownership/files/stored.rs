//! The record and its sidecar between their files and what they mean.

use std::io;

use camino::Utf8Path;

use super::archive::{self, Line};
use super::place::Place;
use crate::error::{Code, Error, Result};
use crate::fs::{
    Contents, Dir, Durability, Journal, Kind, MAX_DOCUMENT, Replacing, Stat, write_atomic,
    write_failed,
};
use crate::hash::sha256_hex;
use crate::mutant::without;
use crate::ownership::claim_store::{Change, Snapshot, Version};
use crate::ownership::fencing::{Archived, Fence};
use crate::ownership::model::Record;
use crate::ownership::record::{read_record, record_text};
use crate::ownership::target::Target;

/// More than a sidecar ever needs.
const MAX_FENCE: u64 = 64 << 10;
/// The mode of new files, less the umask.
const MODE: u32 = 0o666;

/// The files of a claim in their open directory.
#[derive(Debug)]
pub(in crate::ownership) struct Files<'a> {
    pub(in crate::ownership) dir: &'a dyn Dir,
    pub(in crate::ownership) place: &'a Place,
    pub(in crate::ownership) target: &'a Target,
    pub(in crate::ownership) archive: Journal<Line>,
    pub(in crate::ownership) durability: Durability,
}

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ownership) struct Text {
    pub(in crate::ownership) text: String,
    stat: Stat,
}

/// A claim as it was read, and the files it was read from.
#[derive(Debug)]
pub(in crate::ownership) struct Loaded {
    pub(in crate::ownership) snapshot: Snapshot,
    record: Option<Text>,
    fence: Option<Text>,
}

impl Loaded {
    /// Files that could be read, whatever they mean.
    pub(in crate::ownership) fn of(record: Option<Text>, fence: Option<Text>) -> Self {
        Self {
            snapshot: Snapshot::of_record(None),
            record,
            fence,
        }
    }
}

impl Files<'_> {
    pub(in crate::ownership) fn load(&self) -> Result<Loaded> {
        let text = self.read_text()?;
        let record = match &text {
            Some(text) => self.read_record(&text.text)?,
            None => None,
        };
        let fence_text = self.read_fence_text()?;
        let fence = fence_text.as_ref().and_then(|it| read_fence(&it.text));
        let highest = match &fence {
            Some(fence) => Some(fence.token),
            None => {
                let last = self.archive.last_in(self.dir);
                last.map_err(|error| self.hinted(error, &self.place.names.archive))?
                    .map(|line| line.token)
            }
        };
        Ok(Loaded {
            snapshot: Snapshot {
                record,
                fence,
                highest,
                version: version(of(text.as_ref()), of(fence_text.as_ref())),
            },
            record: text,
            fence: fence_text,
        })
    }

    /// The record alone.
    pub(super) fn record(&self) -> Result<Option<Record>> {
        match self.read_text()? {
            None => Ok(None),
            Some(text) => self.read_record(&text.text),
        }
    }

    /// The record in a text.
    pub(in crate::ownership) fn read_record(&self, text: &str) -> Result<Option<Record>> {
        let path = self.place.record();
        read_record(text, self.target).map_err(|error| unusable(error, &path, self.target))
    }

    /// The text of the record.
    pub(in crate::ownership) fn read_text(&self) -> Result<Option<Text>> {
        let path = self.place.record();
        let name = &self.place.names.record;
        let bad = |reason: &str| unusable(bad_record(&path, reason), &path, self.target);
        match self.dir.read(name, MAX_DOCUMENT) {
            Ok(contents) => match Text::of(contents) {
                Some(text) => Ok(Some(text)),
                None => Err(bad("it is not UTF-8")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(bad(&format!("it is larger than {MAX_DOCUMENT} bytes")))
            }
            Err(_) if is_in_the_way(self.dir, name) => Err(bad("it is not a regular file")),
            Err(error) => Err(Error::io("read", &path, error)),
        }
    }

    /// The text of the sidecar; none if it has none that could be one.
    pub(in crate::ownership) fn read_fence_text(&self) -> Result<Option<Text>> {
        let name = &self.place.names.fence;
        match self.dir.read(name, MAX_FENCE) {
            Ok(contents) => Ok(Text::of(contents)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(None),
            Err(_) if is_in_the_way(self.dir, name) => Ok(None),
            // A disk that fails is no sidecar lost: whoever owns the target would lose it.
            Err(error) => Err(Error::io("read", &self.place.fence(), error)),
        }
    }

    /// Stores a change, each part durably before the next: a token that anybody is shown is in the
    /// archive and in the sidecar.
    pub(in crate::ownership) fn store(&self, before: &Loaded, change: &Change) -> Result<Version> {
        let record = record_text(&change.record);
        let path = self.place.record();
        if record.len() as u64 > MAX_DOCUMENT && !without("record-limit") {
            let cause = format!(
                "{} bytes are over the limit of {MAX_DOCUMENT}",
                record.len()
            );
            return Err(write_failed(&path, "limit", &cause, false));
        }
        if without("sidecar-first") {
            self.write_record(before, &record)?;
        }
        let fence = self.store_sidecar(before, &change.archive, change.fence.as_ref())?;
        self.write_record(before, &record).inspect_err(|error| {
            if fence.is_some() && !is_committed(error) {
                self.restore_fence(before);
            }
        })?;
        let fence = fence.as_deref().or(of(before.fence.as_ref()));
        Ok(version(Some(&record), fence))
    }

    /// Stores what belongs to a change besides the record; the text of the new sidecar.
    pub(in crate::ownership) fn store_sidecar(
        &self,
        before: &Loaded,
        archived: &[Archived],
        fence: Option<&Fence>,
    ) -> Result<Option<String>> {
        let fence = fence.map(fence_text);
        if let Some(fence) = fence.as_ref().filter(|_| without("archive-first")) {
            self.write_fence(before, fence)?;
        }
        archive::append(&self.archive, self.dir, archived, self.durability)
            .map_err(|error| unchanged(self.hinted(error, &self.place.names.archive)))?;
        if let Some(fence) = &fence {
            self.write_fence(before, fence)?;
        }
        Ok(fence)
    }

    fn write_record(&self, before: &Loaded, text: &str) -> Result<()> {
        self.write(&self.place.names.record, text, before.record.as_ref())
    }

    fn write_fence(&self, before: &Loaded, text: &str) -> Result<()> {
        let written = self.write(&self.place.names.fence, text, before.fence.as_ref());
        written.map_err(|error| {
            if is_committed(&error) {
                self.restore_fence(before);
            }
            unchanged(self.hinted(error, &self.place.names.fence))
        })
    }

    /// Says how to get rid of what is in the way.
    fn hinted(&self, error: Error, name: &str) -> Error {
        if error.code() == Code::StoreCorrupt || is_in_the_way(self.dir, name) {
            return error.hint(super::broken_hint(self.target));
        }
        error
    }

    /// Puts the old sidecar back, as the record is the old one: its owner has lost nothing. Best
    /// effort; where it fails, the next operation adopts the record under another token.
    fn restore_fence(&self, before: &Loaded) {
        if without("sidecar-restore") {
            return;
        }
        let name = &self.place.names.fence;
        match &before.fence {
            Some(old) => drop(self.write(name, &old.text, Some(old))),
            None => drop(self.dir.unlink(name)),
        }
    }

    fn write(&self, name: &str, text: &str, old: Option<&Text>) -> Result<()> {
        let replacing = old.map_or(Replacing::Nothing(MODE), |old| Replacing::File(old.stat));
        write_atomic(self.dir, name, text.as_bytes(), replacing, self.durability)
    }
}

impl Text {
    fn of(contents: Contents) -> Option<Self> {
        let stat = contents.stat;
        let text = String::from_utf8(contents.bytes).ok()?;
        Some(Self { text, stat })
    }
}

fn of(text: Option<&Text>) -> Option<&str> {
    text.map(|text| text.text.as_str())
}

/// Whether something stands there that cannot be a file of a claim.
pub(in crate::ownership) fn is_in_the_way(dir: &dyn Dir, name: &str) -> bool {
    dir.stat(name).is_ok_and(|stat| stat.kind != Kind::File)
}

/// The sidecar in a text, if it is one.
pub(in crate::ownership) fn read_fence(text: &str) -> Option<Fence> {
    serde_json::from_str(text).ok()
}

fn fence_text(fence: &Fence) -> String {
    // Numbers and strings always have a JSON form.
    serde_json::to_string_pretty(fence).unwrap_or_default() + "\n"
}

/// Which texts were read.
fn version(record: Option<&str>, fence: Option<&str>) -> Version {
    let mut bytes = Vec::new();
    for text in [record, fence] {
        bytes.push(u8::from(text.is_some()));
        bytes.extend(text.map_or(0, str::len).to_le_bytes());
        bytes.extend(text.unwrap_or_default().as_bytes());
    }
    Version::new(sha256_hex(bytes))
}

fn bad_record(path: &Utf8Path, reason: &str) -> Error {
    crate::fs::corrupt(path, reason)
}

/// The error of a record that cannot be used, with its place and the way out.
fn unusable(error: Error, path: &Utf8Path, target: &Target) -> Error {
    let message = format!("{path}: {error}");
    let error = error.reworded(message).at(path).during("read");
    match error.code() {
        Code::RecordSchema => error,
        _ => error.hint(super::broken_hint(target)),
    }
}

fn is_committed(error: &Error) -> bool {
    error.context().get("committed") == Some(&true.into())
}

/// What was written is no claim yet.
fn unchanged(error: Error) -> Error {
    if is_committed(&error) {
        return error
            .with("committed", false)
            .hint("the claim is as it was; run it again");
    }
    error
}
