//! Where things are: the data directory, and everything below it. Nothing here looks at the disk.

use camino::{Utf8Path, Utf8PathBuf};

use super::names::RepoId;
use crate::error::{Code, Error, Result};
use crate::id::RunId;

/// The kinds of system that keep data in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Os {
    /// Linux and the other Unix systems.
    Unix,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl Os {
    /// The system this program was built for.
    #[must_use]
    pub const fn present() -> Self {
        if cfg!(target_os = "macos") {
            Self::MacOs
        } else if cfg!(windows) {
            Self::Windows
        } else {
            Self::Unix
        }
    }

    /// The system with this name: `macos` or `darwin`, `windows` or `win32`, and every other name
    /// for Unix.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "macos" | "darwin" => Self::MacOs,
            "windows" | "win32" => Self::Windows,
            _ => Self::Unix,
        }
    }

    fn is_absolute(self, path: &str) -> bool {
        let drive = || {
            let mut chars = path.chars();
            chars.next().is_some_and(|c| c.is_ascii_alphabetic())
                && chars.next() == Some(':')
                && matches!(chars.next(), Some('/' | '\\'))
        };
        match self {
            Self::Windows => drive() || path.starts_with("\\\\"),
            _ => path.starts_with('/'),
        }
    }
}

/// The data directory: `RUNR_DATA_DIR`, else `AGENCY_DATA_DIR`, else the system's place for data.
/// `env` looks up a variable; an empty one counts as missing. Nothing is created or expanded.
///
/// # Errors
/// `E_USAGE` if one of the two variables is a relative path, or if there is no home to start from.
pub fn data_dir(
    env: impl Fn(&str) -> Option<String>,
    home: Option<&Utf8Path>,
    os: Os,
) -> Result<Utf8PathBuf> {
    let var = |name: &str| env(name).filter(|value| !value.is_empty());
    for name in ["RUNR_DATA_DIR", "AGENCY_DATA_DIR"] {
        if let Some(path) = var(name) {
            return match os.is_absolute(&path) {
                true => Ok(path.into()),
                false => Err(Error::new(
                    Code::Usage,
                    format!("`{name}` must be an absolute path, not `{path}`"),
                )),
            };
        }
    }
    let home = || {
        let home = home.filter(|home| !home.as_str().is_empty());
        home.ok_or_else(|| {
            Error::new(Code::Usage, "there is no home directory").hint("set RUNR_DATA_DIR")
        })
    };
    match os {
        Os::MacOs => Ok(home()?.join("Library/Application Support/runr")),
        Os::Windows => match var("LOCALAPPDATA") {
            Some(local) => Ok(format!("{}\\runr", local.trim_end_matches('\\')).into()),
            None => Ok(format!("{}\\AppData\\Local\\runr", home()?).into()),
        },
        // A relative value is ignored, as the XDG base directory rules ask.
        Os::Unix => match var("XDG_DATA_HOME").filter(|path| os.is_absolute(path)) {
            Some(xdg) => Ok(Utf8PathBuf::from(xdg).join("runr")),
            None => Ok(home()?.join(".local/share/runr")),
        },
    }
}

/// A data directory, as a place that others are found from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(Utf8PathBuf);

impl DataDir {
    /// The data directory at `path`.
    #[must_use]
    pub fn new(path: impl Into<Utf8PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.0
    }

    /// The index of repositories.
    #[must_use]
    pub fn repo_index_path(&self) -> Utf8PathBuf {
        self.0.join("repo_index.json")
    }

    /// The directory of all repositories.
    #[must_use]
    pub fn repos_dir(&self) -> Utf8PathBuf {
        self.0.join("repos")
    }

    /// The directory of a repository.
    #[must_use]
    pub fn repo_dir(&self, repo: &RepoId) -> Utf8PathBuf {
        self.repos_dir().join(repo.as_str())
    }

    /// The record of a repository.
    #[must_use]
    pub fn repo_record_path(&self, repo: &RepoId) -> Utf8PathBuf {
        self.repo_dir(repo).join("repo.json")
    }

    /// The runs of a repository.
    #[must_use]
    pub fn runs_dir(&self, repo: &RepoId) -> Utf8PathBuf {
        self.repo_dir(repo).join("runs")
    }

    /// The directory of a run.
    #[must_use]
    pub fn run_dir(&self, repo: &RepoId, run: &RunId) -> Utf8PathBuf {
        self.runs_dir(repo).join(run.as_str())
    }

    /// The `meta.json` of a run.
    #[must_use]
    pub fn run_meta_path(&self, repo: &RepoId, run: &RunId) -> Utf8PathBuf {
        self.run_dir(repo, run).join("meta.json")
    }

    /// The log files of a run.
    #[must_use]
    pub fn run_logs_dir(&self, repo: &RepoId, run: &RunId) -> Utf8PathBuf {
        self.run_dir(repo, run).join("logs")
    }

    /// The events of a run.
    #[must_use]
    pub fn events_path(&self, repo: &RepoId, run: &RunId) -> Utf8PathBuf {
        self.run_dir(repo, run).join("events.jsonl")
    }

    /// The evidence of the last verification of a run.
    #[must_use]
    pub fn verify_record_path(&self, repo: &RepoId, run: &RunId) -> Utf8PathBuf {
        self.run_dir(repo, run).join("verify_record.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(env: &[(&str, &str)], home: &str, os: Os) -> Result<Utf8PathBuf> {
        let env: std::collections::HashMap<_, _> = env.iter().copied().collect();
        let lookup = |name: &str| env.get(name).map(|value| (*value).to_owned());
        data_dir(lookup, Some(home.into()), os)
    }

    #[test]
    fn the_first_place_that_is_set_wins() {
        for (env, os, expected) in [
            (vec![], Os::Unix, "/h/.local/share/runr"),
            (vec![("XDG_DATA_HOME", "/x")], Os::Unix, "/x/runr"),
            (
                vec![("XDG_DATA_HOME", "x")],
                Os::Unix,
                "/h/.local/share/runr",
            ),
            (
                vec![("XDG_DATA_HOME", "/x")],
                Os::MacOs,
                "/h/Library/Application Support/runr",
            ),
            (
                vec![("AGENCY_DATA_DIR", "/a"), ("XDG_DATA_HOME", "/x")],
                Os::Unix,
                "/a",
            ),
            (
                vec![("AGENCY_DATA_DIR", "/a"), ("RUNR_DATA_DIR", "/r")],
                Os::MacOs,
                "/r",
            ),
            (
                vec![("AGENCY_DATA_DIR", "/a"), ("RUNR_DATA_DIR", "")],
                Os::Unix,
                "/a",
            ),
            (vec![("LOCALAPPDATA", "C:\\l")], Os::Windows, "C:\\l\\runr"),
            (vec![("RUNR_DATA_DIR", "D:\\d")], Os::Windows, "D:\\d"),
        ] {
            assert_eq!(dir(&env, "/h", os).unwrap(), expected, "{env:?}");
        }
    }

    #[test]
    fn relative_data_directories_and_a_missing_home_are_usage_errors() {
        for name in ["RUNR_DATA_DIR", "AGENCY_DATA_DIR"] {
            for value in ["data", "~/data", "./d"] {
                let error = dir(&[(name, value)], "/h", Os::Unix).unwrap_err();
                assert_eq!(error.code(), Code::Usage, "{name} {value}");
            }
        }
        assert!(dir(&[("RUNR_DATA_DIR", "/d")], "/h", Os::Windows).is_err());
        assert_eq!(dir(&[], "", Os::Unix).unwrap_err().code(), Code::Usage);
        assert_eq!(dir(&[("RUNR_DATA_DIR", "/d")], "", Os::Unix).unwrap(), "/d");
    }

    #[test]
    fn every_path_is_below_the_data_directory() {
        let data = DataDir::new("/d");
        let (repo, run) = (RepoId::parse("r1").unwrap(), RunId::parse("a").unwrap());
        assert_eq!(data.repo_index_path(), "/d/repo_index.json");
        assert_eq!(data.repo_record_path(&repo), "/d/repos/r1/repo.json");
        assert_eq!(
            data.run_meta_path(&repo, &run),
            "/d/repos/r1/runs/a/meta.json"
        );
        assert_eq!(data.run_logs_dir(&repo, &run), "/d/repos/r1/runs/a/logs");
        assert_eq!(
            data.events_path(&repo, &run),
            "/d/repos/r1/runs/a/events.jsonl"
        );
        let record = data.verify_record_path(&repo, &run);
        assert_eq!(record, "/d/repos/r1/runs/a/verify_record.json");
        for bad in ["..", "a/b", "", ".x", "con"] {
            let error = RepoId::parse(bad).unwrap_err();
            assert_eq!(error.context()["field"], "repo_id");
        }
    }
}
