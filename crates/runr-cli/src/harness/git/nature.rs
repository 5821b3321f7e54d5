//! How git tells that a file was changed. Whoever may write the settings of the user's account could
//! have it look away, so nothing of this is left to them.

use std::sync::OnceLock;

use camino::Utf8Path;
use runr_core::mutant::without;
use runr_core::{Error, Result};

use crate::presence;
use crate::repository::shared_config;

/// Everything that is known of a file counts.
pub(super) const SUSPICIOUS: [&str; 6] = [
    "-c",
    "core.trustctime=true",
    "-c",
    "core.checkStat=default",
    "-c",
    "core.ignoreStat=false",
];

/// What most file systems can do. Git notes in the settings of the repository where it is otherwise.
const USUAL: [(&str, &str); 3] = [
    ("filemode", "core.fileMode=true"),
    ("symlinks", "core.symlinks=true"),
    ("ignorecase", "core.ignoreCase=false"),
];

/// By these the settings of a repository can stand elsewhere.
const ELSEWHERE: [&str; 2] = ["include", "worktreeconfig"];

/// The options for what the repository of `dir` says nothing of; what it says counts anyway.
pub(super) fn options<'a>(
    known: &'a OnceLock<Vec<&'static str>>,
    dir: &Utf8Path,
) -> Result<&'a [&'static str]> {
    if let Some(known) = known.get() {
        return Ok(known);
    }
    let Some(path) = shared_config(dir)?.filter(|_| !without("stat-settings")) else {
        return Ok(&[]);
    };
    let read = presence::if_there(std::fs::read(&path));
    let text = read.map_err(|source| Error::io("read", &path, source))?;
    let text = text.unwrap_or_default();
    Ok(known.get_or_init(|| unsaid(&String::from_utf8_lossy(&text))))
}

fn unsaid(config: &str) -> Vec<&'static str> {
    let config = config.to_lowercase();
    if ELSEWHERE.iter().any(|word| config.contains(word)) {
        return Vec::new();
    }
    let unsaid = USUAL.iter().filter(|(key, _)| !config.contains(key));
    unsaid.flat_map(|(_, setting)| ["-c", *setting]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_repository_says_of_its_file_system_counts() {
        let usual = "[core]\n\tfilemode = true\n\tbare = false\n";
        let links = ["-c", "core.symlinks=true", "-c", "core.ignoreCase=false"];
        assert_eq!(unsaid(usual), links);
        assert_eq!(unsaid(&format!("{usual}\tsymLinks = false\n")), links[2..]);
        assert_eq!(unsaid("")[..2], ["-c", "core.fileMode=true"]);
        for elsewhere in [
            "[include]\n\tpath = x\n",
            "[extensions]\nworktreeConfig = true\n",
        ] {
            assert!(unsaid(elsewhere).is_empty(), "{elsewhere}");
        }
    }
}
