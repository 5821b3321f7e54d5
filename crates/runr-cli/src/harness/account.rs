//! The git settings of the user's account. Git goes by them in every repository, and whoever may write
//! them decides what it shows: a filter or an attribute there hides an edit, and is a program as well.
//! So they stay as they are while a run is at work. A resume takes them as it finds them.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::mutant::without;
use runr_core::{Error, Result};

use super::baseline::Prints;
use super::git::Git;
use super::gitdir::rule_print;
use crate::host::Host;
use crate::presence;

/// Settings that name further files.
const LEADING: [&str; 3] = ["include", "attributesfile", "excludesfile"];

/// The files with these settings, as they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    prints: Prints,
}

impl Account {
    /// Looks at the files that git goes by now.
    pub(crate) fn observe(host: &Host, git: &Git) -> Result<Self> {
        let mut prints = Prints::new();
        for path in files(host, git)? {
            let print = rule_print(&path)?;
            prints.insert(path.into_string(), print);
        }
        Ok(Self { prints })
    }

    /// The files that are not as they were.
    pub(crate) fn changed(&self) -> Result<Vec<String>> {
        let mut changed = Vec::new();
        for (path, print) in self.prints.iter().filter(|_| !without("account")) {
            if rule_print(Utf8Path::new(path))? != *print {
                changed.push(path.clone());
            }
        }
        Ok(changed)
    }
}

fn files(host: &Host, git: &Git) -> Result<Vec<Utf8PathBuf>> {
    let Some(home) = host.var("HOME").filter(|home| !home.is_empty()) else {
        return Ok(Vec::new());
    };
    let home = Utf8PathBuf::from(home);
    let xdg = host.var("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty());
    let folder = xdg.map_or_else(|| home.join(".config"), Utf8PathBuf::from);
    let settings = [home.join(".gitconfig"), folder.join("git/config")];
    let mut further = false;
    for path in &settings {
        let read = presence::if_there(std::fs::read(path));
        let text = read.map_err(|source| Error::io("read", path, source))?;
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).to_lowercase();
        further |= LEADING.iter().any(|word| text.contains(word));
    }
    let mut files = settings.to_vec();
    files.extend(["attributes", "ignore"].map(|name| folder.join("git").join(name)));
    if further {
        files.extend(named(git)?);
    }
    Ok(files)
}

/// The files that the settings lead to: those they include, and those with attributes and patterns.
fn named(git: &Git) -> Result<Vec<Utf8PathBuf>> {
    let origins = [
        "config",
        "--null",
        "--global",
        "--includes",
        "--show-origin",
        "--list",
    ];
    let listed = git.run(&origins)?;
    let mut files: Vec<Utf8PathBuf> = listed
        .split_terminator('\0')
        .filter_map(|word| word.strip_prefix("file:"))
        .map(Utf8PathBuf::from)
        .collect();
    for key in ["core.attributesFile", "core.excludesFile"] {
        let args = [
            "config",
            "--null",
            "--global",
            "--includes",
            "--type=path",
            "--get-all",
            key,
        ];
        let (_, paths) = git.ask(&args)?;
        files.extend(paths.split_terminator('\0').map(Utf8PathBuf::from));
    }
    files.sort();
    files.dedup();
    files.retain(|path| path.is_absolute());
    Ok(files)
}
