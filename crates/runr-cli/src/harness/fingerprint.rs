//! The environment a run began in, as far as it decides what checks and workers do.
//!
//! Files tell the package manager and the lockfile. Workers are asked for their versions before a run
//! anyway. The one process besides is `node --version`, for trees with a `package.json`.

use std::collections::BTreeMap;

use camino::Utf8Path;
use runr_core::phase::fingerprint::{Difference, compare_fingerprints};
use runr_core::phase::ops::{RunFiles, to_text};
use runr_core::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ping::{self, Versions};
use super::worker;
use crate::host::Host;

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
    pub(crate) fn take(host: &Host, tree: &Utf8Path, versions: Versions) -> Self {
        let node_version = tree
            .join("package.json")
            .is_file()
            .then(|| worker::find_on_path(host, "node"))
            .flatten()
            .and_then(|node| ping::version_of_binary(host, &node).ok());
        let sha256 = |name: &str| {
            let bytes = std::fs::read(tree.join(name)).ok()?;
            Some(super::hex(&Sha256::digest(bytes)))
        };
        let versions = versions.into_iter().map(|(name, said)| (name, Some(said)));
        Self {
            node_version,
            worker_versions: versions.collect(),
            ..Self::default()
        }
        .with_lockfile(sha256)
    }

    /// The same with another lockfile; `sha256` knows what is in a file.
    pub(crate) fn with_lockfile(&self, sha256: impl Fn(&str) -> Option<String>) -> Self {
        let found = LOCKFILES
            .iter()
            .find_map(|(name, manager)| Some((sha256(name)?, *manager)));
        let (hash, manager) = found.unzip();
        Self {
            package_manager: manager.map(str::to_owned),
            lockfile_hash: hash.map(|hash| hash.chars().take(16).collect()),
            ..self.clone()
        }
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
        Fingerprint::default().with_lockfile(|name| {
            let found = lockfile.iter().find(|(known, _)| *known == name);
            found.map(|(_, hash)| (*hash).to_owned())
        })
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
