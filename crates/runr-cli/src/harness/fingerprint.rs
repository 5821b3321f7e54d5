//! The environment a run began in, as far as it decides what checks and workers do.
//!
//! Files tell the package manager and the lockfile. Workers are asked for their versions before a run
//! anyway. The one process besides is `node --version`, for trees with a `package.json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};

use camino::Utf8Path;
use runr_core::phase::fingerprint::{Difference, compare_fingerprints};
use runr_core::phase::ops::{RunFiles, to_text};
use runr_core::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ping::{self, Versions};
use super::worker;
use crate::host::Host;
use crate::presence;

/// Where a run keeps it.
const FILE: &str = "env.fingerprint.json";

/// The lockfiles that are looked for, the first one counts, and whose they are.
pub(crate) const LOCKFILES: [(&str, &str); 11] = [
    ("package-lock.json", "npm"),
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("Cargo.lock", "cargo"),
    ("uv.lock", "uv"),
    ("poetry.lock", "poetry"),
    ("go.sum", "go"),
    ("Gemfile.lock", "bundler"),
    ("composer.lock", "composer"),
];

/// What an environment is known by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    node_version: Option<String>,
    package_manager: Option<String>,
    lockfile_hash: Option<String>,
    worker_versions: BTreeMap<String, Option<String>>,
}

impl Fingerprint {
    /// That of the present environment, and of the files in `tree`.
    ///
    /// # Errors
    /// `E_IO` for a lockfile that cannot be read: without it this would be another environment.
    pub(crate) fn take(host: &Host, tree: &Utf8Path, versions: Versions) -> Result<Self> {
        let manifest = presence::metadata(&tree.join("package.json"))?;
        let node_version = manifest
            .filter(|found| found.is_file())
            .and_then(|_| worker::find_on_path(host, "node"))
            .and_then(|node| ping::version_of_binary(host, &node).ok());
        let versions = versions.into_iter().map(|(name, said)| (name, Some(said)));
        Self {
            node_version,
            worker_versions: versions.collect(),
            ..Self::default()
        }
        .with_lockfile(|name| sha256_of(&tree.join(name)))
    }

    /// The same with another lockfile; `sha256` knows what is in a file.
    fn with_lockfile(&self, sha256: impl Fn(&str) -> Result<Option<String>>) -> Result<Self> {
        let mut same = self.clone();
        for (name, manager) in LOCKFILES {
            if let Some(hash) = sha256(name)? {
                same.package_manager = Some(manager.to_owned());
                same.lockfile_hash = Some(hash.chars().take(16).collect());
                break;
            }
        }
        Ok(same)
    }

    /// The same with the lockfile of another one.
    pub(crate) fn with_lockfile_of(&self, other: &Self) -> Self {
        Self {
            package_manager: other.package_manager.clone(),
            lockfile_hash: other.lockfile_hash.clone(),
            ..self.clone()
        }
    }

    pub(crate) fn has_lockfile_of(&self, other: &Self) -> bool {
        self.lockfile_hash == other.lockfile_hash
    }

    /// What differs now. A worker that was not asked for its version, then or now, does not.
    pub(crate) fn differences(&self, now: &Self) -> Result<Vec<Difference>> {
        let mut before = self.clone();
        let asked = |name: &String, _: &mut Option<String>| now.worker_versions.contains_key(name);
        before.worker_versions.retain(asked);
        let value = |of: &Self| {
            serde_json::to_value(of)
                .map_err(|e| Error::internal(format!("cannot print a fingerprint: {e}")))
        };
        Ok(compare_fingerprints(&value(&before)?, &value(now)?))
    }

    /// Keeps it for a resume.
    pub(crate) fn write(&self, files: &RunFiles) -> Result<()> {
        files.cache(FILE).replace(&to_text(self)?)
    }

    /// That of a run; absent where none was taken.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT`.
    pub(crate) fn read(files: &RunFiles) -> Result<Option<Self>> {
        let Some(text) = files.cache(FILE).read()? else {
            return Ok(None);
        };
        serde_json::from_str(&text).map(Some).map_err(|problem| {
            let path = files.dir().join(FILE);
            let message = format!("Run state is corrupt: {path}");
            Error::new(Code::StoreCorrupt, message)
                .hint(format!("remove {path} to go on without the comparison"))
                .at(path)
                .with("line", problem.line())
        })
    }
}

/// The digest of a regular file, however large it is; nothing else is opened.
fn sha256_of(path: &Utf8Path) -> Result<Option<String>> {
    if !presence::metadata(path)?.is_some_and(|found| found.is_file()) {
        return Ok(None);
    }
    let failed = |source| Error::io("read", path, source);
    let mut file = File::open(path).map_err(failed)?;
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(Some(super::hex(&hasher.finalize()))),
            Ok(length) => hasher.update(&piece[..length]),
            Err(problem) if problem.kind() == ErrorKind::Interrupted => {}
            Err(problem) => return Err(failed(problem)),
        }
    }
}

/// The refusal of a run whose environment is another one.
pub(crate) fn refusal(run_id: &str, differences: &[Difference]) -> Error {
    let fields: Vec<&str> = differences.iter().map(|it| it.field.as_str()).collect();
    let message = format!("Environment has changed: {}", fields.join(", "));
    Error::new(Code::Fingerprint, message)
        .with("run_id", run_id)
        .with("differences", serde_json::json!(differences))
        .hint(format!("runr resume {run_id} --force goes on with it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(lockfile: &[(&str, &str)]) -> Fingerprint {
        let hash_of = |name: &str| {
            let found = lockfile.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, hash)| (*hash).to_owned()))
        };
        Fingerprint::default().with_lockfile(hash_of).unwrap()
    }

    #[test]
    fn the_first_lockfile_says_whose_it_is() {
        let both = with(&[("Cargo.lock", "c"), ("yarn.lock", "0123456789abcdef0123")]);
        assert_eq!(both.package_manager.as_deref(), Some("yarn"));
        assert_eq!(both.lockfile_hash.as_deref(), Some("0123456789abcdef"));
        assert_eq!(with(&[]), Fingerprint::default());
    }

    #[test]
    fn a_worker_that_is_not_asked_makes_no_difference() {
        let of = |versions: &[(&str, &str)]| Fingerprint {
            worker_versions: versions
                .iter()
                .map(|(name, said)| ((*name).to_owned(), Some((*said).to_owned())))
                .collect(),
            ..Fingerprint::default()
        };
        let both = of(&[("claude", "1"), ("codex", "1")]);
        assert_eq!(both.differences(&of(&[])).unwrap(), []);
        assert_eq!(of(&[]).differences(&both).unwrap(), []);
        let newer = both.differences(&of(&[("claude", "2")])).unwrap();
        assert_eq!(newer.len(), 1);
        assert_eq!(newer[0].field, "worker:claude");
    }
}
