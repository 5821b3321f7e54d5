//! What a tree shows, as opposed to what a worker says: the facts the scope guard judges.

use std::collections::BTreeMap;
use std::fs::Metadata;

use camino::Utf8Path;
use runr_core::phase::ops::{RunFiles, to_text};
use runr_core::phase::owned::{
    check_owned_paths, is_init_gitignore_change, is_own_output, is_protected,
};
use runr_core::phase::rules::Inspection;
use runr_core::phase::scope::ScopeRules;
use runr_core::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::git::{Git, TreeStatus};
use super::start::BASELINE;

/// Files above this size are compared by size and times only.
const HASH_LIMIT: u64 = 1024 * 1024;

/// Enough of a file to tell whether it was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Print {
    size: u64,
    sha256: Option<String>,
    /// Only where the content was not hashed.
    times: Option<(i64, i64, i64, i64)>,
}

/// What stood in the tree before a worker touched it and would not show in a diff.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// Denied files that git ignores, and runr's own files.
    pub(crate) guarded: BTreeMap<String, Print>,
    /// The user's uncommitted changes under `--allow-dirty`; never committed by a run.
    pub(crate) dirty: BTreeMap<String, Print>,
}

impl Baseline {
    /// Keeps the baseline for a resume. One that never had entries needs no file.
    pub(crate) fn save(&self, files: &RunFiles) -> Result<()> {
        if *self == Self::default() && files.cache(BASELINE).read()?.is_none() {
            return Ok(());
        }
        files.cache(BASELINE).replace(&to_text(self)?)
    }
}

/// What a run left uncommitted in the user's checkout, so that a resume can tell its own work from
/// the user's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leftover {
    files: BTreeMap<String, Print>,
}

impl Leftover {
    const FILE: &'static str = "leftover.json";

    /// Notes what differs from HEAD now.
    pub(crate) fn write(files: &RunFiles, tree: &Utf8Path, status: &TreeStatus) -> Result<()> {
        let files_left = prints(
            tree,
            status.changed.iter().filter(|path| !is_own_output(path)),
        )?;
        files
            .cache(Self::FILE)
            .replace(&to_text(&Self { files: files_left })?)
    }

    /// What was noted; nothing counts as the run's own if the note is missing or unreadable.
    pub(crate) fn read(files: &RunFiles) -> Result<Self> {
        let text = files.cache(Self::FILE).read()?;
        Ok(text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default())
    }

    /// The changes that are not as the run left them.
    pub(crate) fn strange(&self, tree: &Utf8Path, status: &TreeStatus) -> Result<Vec<String>> {
        let mut strange = Vec::new();
        for path in &status.changed {
            let init = path == ".gitignore" || path.starts_with(".runr/");
            // A file that is gone has no print, neither then nor now.
            let gone = !self.files.contains_key(path) && print_of(&tree.join(path))?.is_none();
            if !init && !is_own_output(path) && !gone && !unchanged(tree, path, &self.files)? {
                strange.push(path.clone());
            }
        }
        Ok(strange)
    }
}

/// The rules a tree is judged by.
pub(crate) struct Guard {
    pub(crate) scope: ScopeRules,
    pub(crate) env_allowlist: Vec<String>,
    pub(crate) owns: Vec<String>,
}

impl Guard {
    pub(crate) fn new(scope: ScopeRules, env_allowlist: Vec<String>, owns: Vec<String>) -> Self {
        Self {
            scope,
            env_allowlist,
            owns,
        }
    }

    /// Whether a file that no diff shows must be watched.
    fn is_guarded(&self, path: &str) -> bool {
        if is_own_output(path) || self.scope.is_noise(path) {
            return false;
        }
        is_protected(path) || self.scope.is_denied(path)
    }

    /// The prints of everything that must not change unseen.
    pub(crate) fn guarded_prints(
        &self,
        tree: &Utf8Path,
        status: &TreeStatus,
    ) -> Result<BTreeMap<String, Print>> {
        let watched = status
            .ignored
            .iter()
            .chain(&status.changed)
            .filter(|path| self.is_guarded(path));
        prints(tree, watched)
    }

    /// The prints of the user's own uncommitted changes.
    pub(crate) fn dirty_prints(
        &self,
        tree: &Utf8Path,
        status: &TreeStatus,
    ) -> Result<BTreeMap<String, Print>> {
        let own = status
            .changed
            .iter()
            .filter(|path| !is_own_output(path) && !self.scope.is_noise(path));
        prints(tree, own)
    }
}

fn prints<'a>(
    tree: &Utf8Path,
    paths: impl Iterator<Item = &'a String>,
) -> Result<BTreeMap<String, Print>> {
    let mut prints = BTreeMap::new();
    for path in paths {
        if let Some(print) = print_of(&tree.join(path))? {
            prints.insert(path.clone(), print);
        }
    }
    Ok(prints)
}

fn print_of(path: &Utf8Path) -> Result<Option<Print>> {
    let failed = |source| Error::io("inspect", path, source);
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(problem) => return Err(failed(problem)),
    };
    let sha256 = if metadata.is_symlink() {
        let target = path.read_link_utf8().map_err(failed)?;
        Some(super::hex(&Sha256::digest(target.as_str())))
    } else if metadata.is_file() && metadata.len() <= HASH_LIMIT {
        Some(super::hex(&Sha256::digest(
            std::fs::read(path).map_err(failed)?,
        )))
    } else {
        None
    };
    let times = if sha256.is_none() {
        Some(times_of(&metadata))
    } else {
        None
    };
    Ok(Some(Print {
        size: metadata.len(),
        sha256,
        times,
    }))
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

/// A tree as it was looked at, with the verdict.
pub(crate) struct Seen {
    pub(crate) status: TreeStatus,
    pub(crate) verdict: Inspection,
    /// What a checkpoint stages: exactly what was judged.
    pub(crate) to_commit: Vec<String>,
}

/// Looks at the tree and judges everything that differs from `expected_head`.
pub(crate) fn inspect(
    git: &Git,
    guard: &Guard,
    baseline: &Baseline,
    expected_head: &str,
) -> Result<Seen> {
    let status = git.status()?;
    let tree = git.dir();
    let (committed, history) = committed_since(git, &status, expected_head)?;
    let mut changed = status.changed.clone();
    changed.extend(
        committed
            .into_iter()
            .filter(|path| !status.changed.contains(path)),
    );

    let mut judged = Vec::new();
    let mut protected = Vec::new();
    for path in changed {
        if is_own_output(&path) || is_noise_of_init(git, &path, expected_head) {
            continue;
        }
        if path.ends_with('/') {
            protected.push(path); // A repository inside the repository: its files cannot be judged.
        } else if is_protected(&path) {
            if !baseline.guarded.contains_key(&path) || !unchanged(tree, &path, &baseline.guarded)?
            {
                protected.push(path);
            }
        } else if !unchanged(tree, &path, &baseline.dirty)? {
            judged.push(path);
        }
    }
    let now = guard.guarded_prints(tree, &status)?;
    let hidden = now
        .iter()
        .filter(|(path, print)| baseline.guarded.get(*path) != Some(print));
    let gone = baseline
        .guarded
        .keys()
        .filter(|path| !now.contains_key(*path));
    let mut unseen: Vec<&String> = hidden.map(|(path, _)| path).chain(gone).collect();
    unseen.retain(|path| !judged.contains(path) && !protected.contains(path));
    protected.extend(unseen.into_iter().cloned().collect::<Vec<_>>());

    let scope = guard.scope.check(&judged);
    let owned = (!guard.owns.is_empty())
        .then(|| check_owned_paths(&judged, &guard.owns, Some(&guard.env_allowlist)))
        .transpose()?;
    let to_commit = scope
        .semantic_changed
        .iter()
        .filter(|p| !baseline.dirty.contains_key(*p))
        .cloned()
        .collect();
    Ok(Seen {
        status,
        verdict: Inspection {
            scope,
            protected,
            owned,
            history,
        },
        to_commit,
    })
}

fn committed_since(
    git: &Git,
    status: &TreeStatus,
    expected: &str,
) -> Result<(Vec<String>, Option<String>)> {
    if status.head == expected {
        return Ok((Vec::new(), None));
    }
    let touched = git.touched_between(expected, &status.head)?;
    let history = if git.is_ancestor(expected, &status.head)? {
        None
    } else {
        Some(format!(
            "the history was rewritten: {} is no longer part of it",
            &expected[..expected.len().min(7)]
        ))
    };
    Ok((touched, history))
}

fn unchanged(tree: &Utf8Path, path: &str, known: &BTreeMap<String, Print>) -> Result<bool> {
    match known.get(path) {
        None => Ok(false),
        Some(print) => Ok(print_of(&tree.join(path))?.as_ref() == Some(print)),
    }
}

/// Whether `path` is `.gitignore` and nothing but the lines of `init` were added since `head`.
pub(crate) fn is_noise_of_init(git: &Git, path: &str, head: &str) -> bool {
    if path != ".gitignore" {
        return false;
    }
    let Ok(now) = std::fs::read_to_string(git.dir().join(path)) else {
        return false;
    };
    // Absent before: then every line must be one of ours.
    let before = git
        .run(&["show", &format!("{head}:{path}")])
        .unwrap_or_default();
    is_init_gitignore_change(&before, &now)
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
    }
}
