//! Where claims are kept, and under which assumptions.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::Wait;
use runr_core::ownership::{FileClaims, Slug};
use runr_core::{Code, Error, Result};
use serde_json::Value;

use crate::host::Host;
use crate::presence;
use crate::processes::SystemProcesses;
use crate::repository::{shared_repository, shared_root};

const CONFIG: &str = ".runr/runr.config.json";

/// Which directory the records of a working directory lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RootRule {
    /// That which all checkouts of the repository share.
    #[default]
    Git,
    /// The working directory itself, as the first release of the format had it.
    Cwd,
}

/// Where claims are kept.
#[derive(Debug, Clone)]
pub(crate) struct ClaimPlace {
    root: Utf8PathBuf,
    file: Option<Utf8PathBuf>,
    single_host: Option<bool>,
}

impl ClaimPlace {
    /// With the repository around a directory.
    ///
    /// # Errors
    /// `E_IO`.
    pub(crate) fn around(host: &Host, dir: &Utf8Path) -> Result<Self> {
        Self::of(host, dir, RootRule::Git)
    }

    /// With a directory, by a rule.
    ///
    /// # Errors
    /// `E_IO` if it cannot be seen where the repository is.
    pub(crate) fn of(host: &Host, dir: &Utf8Path, rule: RootRule) -> Result<Self> {
        let dir = host.cwd.join(dir);
        Ok(Self {
            root: match rule {
                RootRule::Git => shared_root(&dir)?,
                RootRule::Cwd => dir,
            },
            file: None,
            single_host: None,
        })
    }

    /// In this file, whatever the target.
    pub(crate) fn file(mut self, file: Option<Utf8PathBuf>) -> Self {
        self.file = file;
        self
    }

    /// Says whether all who share the records run on this host; else the configuration does.
    pub(crate) fn single_host(mut self, single_host: Option<bool>) -> Self {
        self.single_host = single_host;
        self
    }

    /// The claims there, for those who only look.
    pub(crate) fn to_look(&self, host: &Host) -> FileClaims {
        let claims = FileClaims::at(
            host.storage.clone(),
            self.root.clone(),
            Arc::new(SystemProcesses),
            host.clock.clone(),
        );
        match &self.file {
            Some(file) => claims.file(host.cwd.join(file)),
            None => claims,
        }
    }

    /// The claims there.
    ///
    /// # Errors
    /// `E_CONFIG_INVALID`, `E_IO`.
    pub(crate) fn claims(&self, host: &Host) -> Result<FileClaims> {
        let single_host = self
            .single_host
            .map_or_else(|| single_host(&self.root), Ok)?;
        Ok(self
            .to_look(host)
            .single_host(single_host)
            .wait(Wait::Cancellable {
                up_to: std::time::Duration::from_secs(10),
                cancel: host.cancel.clone(),
            }))
    }
}

/// What the configuration below `root` says about hosts; true if it says nothing. The rest of it is
/// not looked at: claims work beside a configuration that needs mending.
///
/// # Errors
/// `E_CONFIG_INVALID` if nobody can tell what it says, `E_IO`.
fn single_host(root: &Utf8Path) -> Result<bool> {
    let path = root.join(CONFIG);
    let Some(text) = presence::text(&path)? else {
        return Ok(true);
    };
    let invalid = |pointer: &str, problem: String| {
        Error::new(
            Code::ConfigInvalid,
            format!("Invalid config: {pointer}: {problem}"),
        )
        .at(&path)
        .hint("mend it, or say --single-host true or false")
    };
    let config: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| invalid("", error.to_string()))?;
    const POINTER: &str = "/coordination/single_host";
    match config.pointer(POINTER) {
        None => Ok(true),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(invalid(POINTER, "must be true or false".to_owned())),
    }
}

/// The repository that is meant around a directory unless another one is named: that of its origin;
/// a repository without one is called `local/<its id>`.
///
/// # Errors
/// `E_IO` for a configuration of git that cannot be read.
pub(crate) fn default_slug(host: &Host, dir: &Utf8Path) -> Result<Slug> {
    let repository = shared_repository(&host.cwd.join(dir))?;
    match Slug::of_origin(&repository.origin_url) {
        Some(slug) => Ok(slug),
        None => Slug::parse(&format!("local/{}", repository.repo_id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_says_whether_all_run_on_one_host() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        assert!(single_host(root).unwrap());
        std::fs::create_dir(root.join(".runr")).unwrap();
        for (text, expected) in [
            (r#"{"coordination": {"single_host": false}}"#, Some(false)),
            (r#"{"coordination": {"single_host": true}}"#, Some(true)),
            (r#"{"scope": 5}"#, Some(true)),
            (r#"{"coordination": {"single_host": "no"}}"#, None),
            ("{", None),
        ] {
            std::fs::write(root.join(CONFIG), text).unwrap();
            match (single_host(root), expected) {
                (Ok(found), Some(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(error), None) => assert_eq!(error.code(), Code::ConfigInvalid, "{text}"),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }
}
