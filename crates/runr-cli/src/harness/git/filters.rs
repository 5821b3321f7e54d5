//! Clean and smudge filters: git runs them whenever it looks at content, so those that a repository
//! brings along are left out, and so are the other [`programs`] that it names. Those of the user's own
//! settings, such as git-lfs, stay.

use std::process::{Command, Output, Stdio};

use camino::Utf8Path;
use runr_core::mutant::without;
use runr_core::{Error, Result};

use super::programs;
use crate::repository::shared_config;

/// What must stand in the configuration of a repository that sets a filter there, or elsewhere.
const SIGNS: [&str; 3] = ["filter", "include", "worktreeconfig"];

const FILTERS: &str = r"filter\..*\.(clean|smudge|process|required)";

/// A setting and its value.
pub(super) type Setting = (String, String);

/// The settings under which the repository's own filters do not run. `start` starts git there.
///
/// # Errors
/// `E_IO` if they cannot be told.
pub(super) fn overrides(dir: &Utf8Path, start: impl FnOnce() -> Command) -> Result<Vec<Setting>> {
    if without("repository-filters") || !may_set_filters(dir)? {
        return Ok(Vec::new());
    }
    let mut command = start();
    command.args([
        "config",
        "--null",
        "--show-scope",
        "--includes",
        "--get-regexp",
        &format!("^({FILTERS}|{})$", programs::KEYS.join("|")),
    ]);
    let listed = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let Output { status, stdout, .. } =
        listed.map_err(|source| Error::io("start git in", dir, source))?;
    match status.code() {
        Some(_) => Ok(harmless(&stdout)),
        None => {
            let killed = std::io::Error::other(format!("git config ended with {status}"));
            Err(Error::io("read the filters of", dir, killed))
        }
    }
}

/// Whether the shared configuration can lead to a filter; a look at it is cheaper than a process.
fn may_set_filters(dir: &Utf8Path) -> Result<bool> {
    let Some(path) = shared_config(dir)? else {
        return Ok(true);
    };
    // Git can tell why it cannot be read.
    Ok(std::fs::read(path).map_or(true, |text| {
        let text = String::from_utf8_lossy(&text).to_lowercase();
        let mut signs = SIGNS.iter().chain(&programs::SIGNS);
        signs.any(|sign| text.contains(sign))
    }))
}

/// For everything that the repository sets: what the user has set instead, else nothing.
fn harmless(listed: &[u8]) -> Vec<Setting> {
    let listed = String::from_utf8_lossy(listed);
    let mut words = listed.split_terminator('\0');
    let (mut users, mut own) = (Vec::new(), Vec::new());
    while let (Some(scope), Some(setting)) = (words.next(), words.next()) {
        let (key, value) = setting.split_once('\n').unwrap_or((setting, "true"));
        match scope {
            "local" | "worktree" => own.push(key.to_owned()),
            _ => users.push((key.to_owned(), value.to_owned())),
        }
    }
    own.sort();
    own.dedup();
    let (away, own): (Vec<_>, Vec<_>) = own.into_iter().partition(|key| programs::leads_away(key));
    let nowhere = programs::nowhere().take_while(|_| !away.is_empty());
    let replaced = own.into_iter().map(|key| {
        let users = users.iter().rfind(|(name, _)| *name == key);
        let nothing = if key.ends_with(".required") {
            "false"
        } else {
            programs::driver(&key).unwrap_or_default()
        };
        let value = users.map_or(nothing, |(_, value)| value).to_owned();
        (key, value)
    });
    replaced.chain(nowhere).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_repository_sets_is_what_the_user_has_set_or_nothing() {
        let listed = b"global\0filter.lfs.clean\ngit-lfs clean\0local\0filter.lfs.clean\nevil\0\
            worktree\0filter.a=b.process\nevil\0local\0filter.x.required\0";
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            harmless(listed),
            [
                set("filter.a=b.process", ""),
                set("filter.lfs.clean", "git-lfs clean"),
                set("filter.x.required", "false"),
            ]
        );
        let listed = b"global\0merge.a.driver\nmine\0local\0merge.a.driver\nevil\0\
            local\0merge.b.driver\nevil\0global\0core.sshcommand\nssh -4\0";
        let merges = harmless(listed);
        assert_eq!(merges[0], set("merge.a.driver", "mine"));
        assert!(merges[1].1.starts_with("git merge-file"), "{merges:?}");
        assert_eq!(merges.len(), 2, "what the user has set leads where it may");
        for key in [
            "remote.o.uploadpack",
            "core.sshcommand",
            "credential.helper",
        ] {
            let away = harmless(format!("local\0{key}\nevil\0").as_bytes());
            assert!(away.contains(&set("protocol.ssh.allow", "never")), "{key}");
        }
    }
}
