//! Whether git can merge without a working tree.

use runr_core::{Code, Error, Result};

use crate::harness::Git;

/// The first git whose `merge-tree` takes the base of a merge.
const NEEDED: Version = Version {
    major: 2,
    minor: 40,
};

/// A version of git, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl Version {
    /// What `git --version` says.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = text.split(' ').nth(2)?;
        let mut parts = number.split('.').map(|part| part.trim().parse());
        match (parts.next()?, parts.next()?) {
            (Ok(major), Ok(minor)) => Some(Self { major, minor }),
            _ => None,
        }
    }
}

/// Refuses a git that is too old. One that does not say its version is tried.
///
/// # Errors
/// `E_GIT_TOO_OLD`, `E_IO`.
pub(crate) fn require(git: &Git) -> Result<()> {
    let text = git.run(&["--version"])?;
    match Version::parse(&text) {
        Some(version) if version < NEEDED => {
            let number = text.trim().trim_start_matches("git version ");
            Err(Error::new(
                Code::GitTooOld,
                format!("git {number} is too old, 2.40 needed"),
            )
            .with("version", number)
            .hint("install a newer git"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let version = |text: &str| Version::parse(text);
        assert!(version("git version 2.39.5 (Apple Git-154)\n").unwrap() < NEEDED);
        assert!(version("git version 2.9\n").unwrap() < NEEDED);
        for enough in [
            "git version 2.40\n",
            "git version 2.47.3",
            "git version 2.100.0.windows.1",
            "git version 3.0.rc1",
        ] {
            assert!(version(enough).unwrap() >= NEEDED, "{enough}");
        }
        for unknown in ["", "git version", "git version next", "hub version 2 1"] {
            assert_eq!(version(unknown), None, "{unknown}");
        }
    }
}
