//! The files that init writes. What is there already stays, but for the configuration, which is
//! kept aside.

use std::io;

use camino::Utf8Path;
use runr_core::fs::{
    Dir, Durability, Kind, Replacing, Storage, create_dirs, open_dir_if_present, write_atomic,
};
use runr_core::phase::ops::to_text;
use runr_core::phase::owned::IGNORED_BY_INIT;
use runr_core::{Error, Result};
use serde_json::Value;

use crate::presence::is_absent;

const CONFIG: &str = "runr.config.json";
const IGNORE: &str = ".gitignore";

/// No file that people share with us is larger.
pub(super) const LIMIT: u64 = 4 << 20;

const EXAMPLES: [(&str, &str); 3] = [
    (
        "example-bugfix.md",
        "---\ntype: automated\n---\n# Fix a bug\n\n## Goal\nDescribe the wrong behaviour and the right one.\n\n\
         ## Requirements\n- A test shows the bug and passes after the fix\n\n## Success Criteria\n- All checks pass\n\n## Notes\n- What else whoever does it should know\n",
    ),
    (
        "example-feature.md",
        "---\ntype: automated\n---\n# Add a feature\n\n## Goal\nDescribe what a user can do afterwards.\n\n\
         ## Requirements\n- Name inputs, outputs and limits\n\n## Success Criteria\n- Tests cover the new behaviour\n\n## Notes\n- What else whoever does it should know\n",
    ),
    (
        "example-docs.md",
        "---\ntype: automated\nallowlist_add:\n  - docs/**\n  - README.md\n---\n# Improve the documentation\n\n## Goal\n\
         Name the page and its reader.\n\n## Requirements\n- Every command shown works\n\n## Success Criteria\n- A newcomer finds the way\n\n## Notes\n- What else whoever does it should know\n",
    ),
];

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Created,
    Updated,
    Kept,
}

/// What became of the files, the configuration first.
#[derive(Debug, Default)]
pub(super) struct Done {
    config: Vec<(Fate, String)>,
    others: Vec<(Fate, String)>,
}

impl Done {
    pub(super) fn add(&mut self, fate: Fate, path: impl Into<String>) {
        self.others.push((fate, path.into()));
    }

    pub(super) fn keep_config(&mut self) {
        self.config.push((Fate::Kept, format!(".runr/{CONFIG}")));
    }

    pub(super) fn wrote_config(&self) -> bool {
        self.config.iter().any(|(fate, _)| *fate != Fate::Kept)
    }

    fn all(&self) -> impl Iterator<Item = &(Fate, String)> {
        self.config.iter().chain(&self.others)
    }

    /// The files that were written.
    pub(super) fn created(&self) -> Vec<&str> {
        let written = self.all().filter(|(fate, _)| *fate != Fate::Kept);
        written.map(|(_, path)| path.as_str()).collect()
    }

    /// The files that stayed as they were.
    pub(super) fn kept(&self) -> Vec<&str> {
        let kept = self.all().filter(|(fate, _)| *fate == Fate::Kept);
        kept.map(|(_, path)| path.as_str()).collect()
    }

    /// One line per file, for people.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.all().map(|(fate, path)| {
            let word = match fate {
                Fate::Created => "created",
                Fate::Updated => "updated",
                Fate::Kept => "kept",
            };
            format!("{word} {path}")
        })
    }
}

/// Whether anything has the name of the configuration.
pub(super) fn config_is_there(storage: &Storage, root: &Utf8Path) -> Result<bool> {
    let Some(dir) = open_dir_if_present(storage.as_ref(), &root.join(".runr"))? else {
        return Ok(false);
    };
    stat(dir.as_ref(), CONFIG).map(|found| found.is_some())
}

/// Writes tasks, ignore lines and, last, the configuration: an init that failed before it was there
/// can be repeated as it is.
pub(super) fn write_all(
    storage: &Storage,
    root: &Utf8Path,
    config: &Value,
    done: &mut Done,
) -> Result<()> {
    let folder = root.join(".runr");
    let dir = create_dirs(storage, &folder, 0o777, Durability::Full)?;
    let tasks = create_dirs(storage, &folder.join("tasks"), 0o777, Durability::Full)?;
    for (name, text) in EXAMPLES {
        let fate = match stat(tasks.as_ref(), name)? {
            Some(_) => Fate::Kept,
            None => write_whole(tasks.as_ref(), name, text.as_bytes())?,
        };
        done.add(fate, format!(".runr/tasks/{name}"));
    }
    let fate = ignore(storage, root)?;
    done.add(fate, IGNORE);
    let mut kept_aside = None;
    if stat(dir.as_ref(), CONFIG)?.is_some() {
        let old = dir.read(CONFIG, LIMIT);
        let old = old.map_err(|problem| Error::io("read", &folder.join(CONFIG), problem))?;
        kept_aside = keep_aside(dir.as_ref(), &old.bytes)?;
    }
    // No lock: a person runs this, and a lock file would end up in the repository.
    let fate = write_whole(dir.as_ref(), CONFIG, to_text(config)?.as_bytes())?;
    done.config.push((fate, format!(".runr/{CONFIG}")));
    done.config.extend(kept_aside);
    Ok(())
}

/// Keeps an old configuration, unless it is kept already; never in place of another one.
fn keep_aside(dir: &dyn Dir, old: &[u8]) -> Result<Option<(Fate, String)>> {
    let first = format!("{CONFIG}.bak");
    let further = (2..).map(|n| format!("{first}.{n}"));
    for name in std::iter::once(first.clone()).chain(further) {
        if stat(dir, &name)?.is_none() {
            let fate = write_whole(dir, &name, old)?;
            return Ok(Some((fate, format!(".runr/{name}"))));
        }
        if dir.read(&name, LIMIT).is_ok_and(|kept| kept.bytes == old) {
            return Ok(Some((Fate::Kept, format!(".runr/{name}"))));
        }
    }
    Ok(None)
}

/// Adds the missing lines to `.gitignore`; tells whether there were any.
pub(crate) fn ignore_runtime_files(storage: &Storage, root: &Utf8Path) -> Result<bool> {
    ignore(storage, root).map(|fate| fate != Fate::Kept)
}

fn ignore(storage: &Storage, root: &Utf8Path) -> Result<Fate> {
    let dir = open(storage, root)?;
    let mut text = match stat(dir.as_ref(), IGNORE)? {
        None => Vec::new(),
        Some(Kind::File) => {
            let read = dir.read(IGNORE, LIMIT);
            read.map_err(|problem| Error::io("read", &root.join(IGNORE), problem))?
                .bytes
        }
        // Git does not follow a link here either; the first run writes the lines to its own list.
        Some(_) => return Ok(Fate::Kept),
    };
    // Bytes, since comments may be in any encoding.
    let is_known = |wanted: &&str| {
        let mut lines = text.split(|byte| *byte == b'\n');
        lines.any(|line| line.strip_suffix(b"\r").unwrap_or(line) == wanted.as_bytes())
    };
    let missing: Vec<&str> = IGNORED_BY_INIT
        .into_iter()
        .filter(|line| !is_known(line))
        .collect();
    if missing.is_empty() {
        return Ok(Fate::Kept);
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    for line in missing {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    write_whole(dir.as_ref(), IGNORE, &text)
}

/// The directory at `path`.
pub(super) fn open(storage: &Storage, path: &Utf8Path) -> Result<Box<dyn Dir>> {
    let open = storage.open_dir(path);
    open.map_err(|problem| Error::io("open", path, problem))
}

/// What has this name, a link being a link.
pub(super) fn stat(dir: &dyn Dir, name: &str) -> Result<Option<Kind>> {
    match dir.stat(name) {
        Ok(stat) => Ok(Some(stat.kind)),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(Error::io("read", &dir.path().join(name), problem)),
    }
}

/// Writes a file that people share with us: a failure leaves what they had.
pub(super) fn write_whole(dir: &dyn Dir, name: &str, bytes: &[u8]) -> Result<Fate> {
    let (fate, replacing) = match dir.stat(name) {
        Ok(old) if old.kind == Kind::File => (Fate::Updated, Replacing::File(old)),
        Err(problem) if !is_absent(&problem) => {
            return Err(Error::io("read", &dir.path().join(name), problem));
        }
        _ => (Fate::Created, Replacing::Nothing(0o666)),
    };
    write_atomic(dir, name, bytes, replacing, Durability::Full)?;
    Ok(fate)
}
