//! What stood in a tree before a worker touched it: prints of files that no diff would show.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;

use camino::Utf8Path;
use runr_core::mutant::without;
use runr_core::phase::ops::{RunFiles, to_text};
use runr_core::phase::owned::is_own_output;
use runr_core::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::account::Account;
use super::git::TreeStatus;
use super::index::Flags;
use crate::presence;

/// Where a run keeps its baseline.
const BASELINE: &str = "baseline.json";
/// Files above this size are compared by size and times only.
const HASH_LIMIT: u64 = 1024 * 1024;
/// Lists of files may be long, but not without limit.
const LIST_LIMIT: u64 = 64 * 1024 * 1024;

/// Enough of a file to tell whether it was changed; nothing for a file that is not there.
pub(crate) type Print = Option<FilePrint>;
/// Prints by repository-relative path.
pub(crate) type Prints = BTreeMap<String, Print>;

/// Enough of an existing file to tell whether it was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilePrint {
    size: u64,
    sha256: Option<String>,
    /// Only where the content was not hashed.
    times: Option<(i64, i64, i64, i64)>,
    #[serde(default)]
    mode: Mode,
}

/// What kind of file it is, and who may run it; not known of a print that an earlier version took,
/// and then no difference to any.
#[derive(Debug, Clone, Copy, Default, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Mode(Option<u32>);

impl Mode {
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        const KIND_AND_RUN: u32 = 0o170_111;
        Self((!without("file-mode")).then(|| metadata.mode() & KIND_AND_RUN))
    }
}

impl PartialEq for Mode {
    fn eq(&self, other: &Self) -> bool {
        self.0.zip(other.0).is_none_or(|(one, other)| one == other)
    }
}

/// The prints of `paths` in `tree`.
pub(crate) fn prints<'a>(
    tree: &Utf8Path,
    paths: impl IntoIterator<Item = &'a String>,
) -> Result<Prints> {
    let print = |path: &'a String| Ok((path.clone(), print_of(&tree.join(path))?));
    paths.into_iter().map(print).collect()
}

/// The print of one file. A file that may not be read is told by size and times, too.
pub(crate) fn print_of(path: &Utf8Path) -> Result<Print> {
    let failed = |source| Error::io("inspect", path, source);
    let Some(metadata) = presence::link_metadata(path)? else {
        return Ok(None);
    };
    let sha256 = if metadata.is_symlink() {
        let target = std::fs::read_link(path).map_err(failed)?;
        Some(super::hex(&Sha256::digest(
            target.as_os_str().as_encoded_bytes(),
        )))
    } else if metadata.is_file() && metadata.len() <= HASH_LIMIT {
        let bytes = readable(path).map_err(failed)?;
        bytes.map(|bytes| super::hex(&Sha256::digest(bytes)))
    } else {
        None
    };
    let times = sha256.is_none().then(|| times_of(&metadata));
    Ok(Some(FilePrint {
        size: metadata.len(),
        sha256,
        times,
        mode: Mode::of(&metadata),
    }))
}

/// What is in a file; `None` if it may not be read. Any other failure may pass, and a print that was
/// taken without the content would be called a change later.
pub(crate) fn readable(path: &Utf8Path) -> std::io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Err(problem) if problem.kind() == std::io::ErrorKind::PermissionDenied => Ok(None),
        read => read.map(Some),
    }
}

/// The print of such a file that holds just this.
pub(crate) fn print_of_text(bytes: &[u8], like: &Metadata) -> Print {
    Some(FilePrint {
        size: bytes.len() as u64,
        sha256: Some(super::hex(&Sha256::digest(bytes))),
        times: None,
        mode: Mode::of(like),
    })
}

fn times_of(metadata: &Metadata) -> (i64, i64, i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

/// One value that stands for the content of all these files.
pub(crate) fn digest(prints: &Prints) -> String {
    let mut hasher = Sha256::new();
    for (path, print) in prints {
        hasher.update(path);
        hasher.update(format!("\0{print:?}\0"));
    }
    super::hex(&hasher.finalize())
}

/// What stood in the tree before a worker touched it and would not show in a diff.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// Denied files that git ignores, and runr's own files.
    pub(crate) guarded: Prints,
    /// The user's uncommitted changes under `--allow-dirty`; never committed by a run.
    pub(crate) dirty: Prints,
    /// What git goes by; empty where it is not known.
    #[serde(default)]
    pub(crate) rules: Prints,
    /// What was copied into the worktree: whatever git makes of it later, it is never committed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) copied: BTreeSet<String>,
    /// The settings of the user's account. Of this session: a resume takes them as they are.
    #[serde(skip)]
    pub(crate) account: Account,
    /// The flags that the user had set in the index.
    #[serde(default)]
    pub(crate) flags: Flags,
}

impl Baseline {
    /// Keeps the baseline for a resume. One that never had entries needs no file.
    pub(crate) fn save(&self, files: &RunFiles) -> Result<()> {
        let document = files.cache(BASELINE).limit(LIST_LIMIT);
        if *self == Self::default() && document.read()?.is_none() {
            return Ok(());
        }
        document.replace(&to_text(self)?)
    }

    /// The baseline of a run, if one was kept.
    pub(crate) fn read(files: &RunFiles) -> Result<Option<Self>> {
        let Some(text) = files.cache(BASELINE).limit(LIST_LIMIT).read()? else {
            return Ok(None);
        };
        serde_json::from_str(&text).map(Some).map_err(|problem| {
            let path = files.dir().join(BASELINE);
            Error::new(
                runr_core::Code::StoreCorrupt,
                format!("Run state is corrupt: {path}"),
            )
            .at(path)
            .with("line", problem.line())
        })
    }

    /// The rules of git that are not as they were.
    pub(crate) fn changed_rules(&self, now: &Prints) -> Vec<String> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let names: BTreeSet<&String> = self.rules.keys().chain(now.keys()).collect();
        let differs = |name: &&&String| self.rules.get(**name) != now.get(**name);
        names.iter().filter(differs).map(|n| (*n).clone()).collect()
    }

    /// Takes the user's uncommitted work in the user's checkout as it is, where the user has changed
    /// it since a run has left `left` there; what a worker did to it before stays a change. `moved`
    /// says whether there are commits which nobody has judged.
    pub(crate) fn take_over(
        &mut self,
        left: &Leftover,
        tree: &Utf8Path,
        status: &TreeStatus,
        moved: bool,
    ) -> Result<()> {
        let changed: BTreeSet<&String> = status.changed.iter().collect();
        let mut kept = Prints::new();
        for (path, print) in std::mem::take(&mut self.dirty) {
            if changed.contains(&path) {
                let now = print_of(&tree.join(&path))?;
                let is_as_left = left.files.get(&path) == Some(&now);
                kept.insert(path, if is_as_left { print } else { now });
            } else if moved && !left.knows(&path) {
                kept.insert(path, print);
            }
        }
        self.dirty = kept;
        Ok(())
    }

    /// Takes up files that are watched from now on.
    pub(crate) fn extend(&mut self, watched: Prints) {
        for (path, print) in watched {
            self.guarded.entry(path).or_insert(print);
        }
    }
}

/// What a run left uncommitted in the user's checkout, so that a resume can tell its own work from
/// the user's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leftover {
    files: Prints,
}

impl Leftover {
    const FILE: &'static str = "leftover.json";

    /// Notes what differs from HEAD now.
    pub(crate) fn write(files: &RunFiles, tree: &Utf8Path, status: &TreeStatus) -> Result<()> {
        let own = |path: &&String| !is_own_output(path);
        let left = Self {
            files: prints(tree, status.changed.iter().filter(own))?,
        };
        let document = files.cache(Self::FILE).limit(LIST_LIMIT);
        document.replace(&to_text(&left)?)
    }

    /// What was noted; nothing counts as the run's own if the note is missing or unreadable.
    pub(crate) fn read(files: &RunFiles) -> Result<Self> {
        let text = files.cache(Self::FILE).limit(LIST_LIMIT).read()?;
        let left = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(left.unwrap_or_default())
    }

    /// Whether the run left a change in this file.
    pub(crate) fn knows(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The changes that are not as the run left them.
    pub(crate) fn strange(&self, tree: &Utf8Path, status: &TreeStatus) -> Result<Vec<String>> {
        let mut strange = Vec::new();
        for path in &status.changed {
            let init = path == ".gitignore" || path.starts_with(".runr/");
            let known = self.files.get(path);
            if !init && !is_own_output(path) && known != Some(&print_of(&tree.join(path))?) {
                strange.push(path.clone());
            }
        }
        Ok(strange)
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    #[test]
    fn a_print_sees_a_change_of_content_but_not_of_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("f")).unwrap();
        std::fs::write(&path, "one").unwrap();
        let first = print_of(&path).unwrap();
        std::fs::write(&path, "one").unwrap();
        assert_eq!(print_of(&path).unwrap(), first);
        std::fs::write(&path, "two").unwrap();
        assert_ne!(print_of(&path).unwrap(), first);
        assert_eq!(print_of(&path.with_extension("gone")).unwrap(), None);
        assert_eq!(print_of(&path.join("below/a/file")).unwrap(), None);
    }

    #[test]
    fn a_print_sees_another_kind_of_file_with_the_same_text() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("f")).unwrap();
        std::fs::write(&path, "one").unwrap();
        let file = print_of(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        assert_ne!(print_of(&path).unwrap(), file);
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("one", &path).unwrap();
        let link = print_of(&path).unwrap();
        assert_ne!(link, file);
        let text = serde_json::to_string(&link.clone().unwrap()).unwrap();
        let (fields, _) = text.rsplit_once(",\"mode\"").unwrap();
        let old: FilePrint = serde_json::from_str(&format!("{fields}}}")).unwrap();
        assert!(link == Some(old.clone()) && file == Some(old));
    }

    #[test]
    fn the_digest_tells_a_missing_file_from_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Utf8Path::from_path(dir.path()).unwrap();
        let paths = vec!["a".to_owned()];
        let missing = digest(&prints(tree, &paths).unwrap());
        std::fs::write(tree.join("a"), "").unwrap();
        assert_ne!(digest(&prints(tree, &paths).unwrap()), missing);
    }
}
