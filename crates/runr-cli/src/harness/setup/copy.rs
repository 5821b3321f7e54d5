//! Copying files that git does not carry from the main checkout into a worktree.

use std::collections::HashSet;
use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::CancelFlag;
use runr_core::mutant::without;
use runr_core::phase::include::{INCLUDE_FILE, IncludeRules, MAX_COPIED, may_copy};
use runr_core::{Code, Error, Result};

use crate::harness::git::Git;
use crate::presence;

/// A longer list of patterns is not one that a person wrote.
const LIST_LIMIT: u64 = 1024 * 1024;

/// How the copying ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Copied {
    /// These files were copied.
    All(Vec<String>),
    OutOfTime,
    Cancelled,
}

/// The rules that the main checkout and the configuration hold now.
pub(crate) fn rules(main: &Utf8Path, globs: &[String]) -> Result<IncludeRules> {
    let path = main.join(INCLUDE_FILE);
    let text = match presence::link_metadata(&path)? {
        Some(found) if found.is_file() && found.len() <= LIST_LIMIT => {
            presence::text(&path)?.unwrap_or_default()
        }
        Some(_) => {
            let message = format!("Invalid config: {path}: not a plain file of at most 1 MiB");
            return Err(Error::new(Code::ConfigInvalid, message).at(&path));
        }
        None => String::new(),
    };
    IncludeRules::new(&text, globs)
}

/// The files of the main checkout that are to be copied, in order: those that git does not track and
/// the rules cover.
pub(crate) fn listed(main: &Git, rules: &IncludeRules) -> Result<Vec<String>> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let args = [
        "ls-files",
        "--others",
        "-z",
        "--",
        ".",
        ":(exclude,top).runr",
        ":(exclude,top).runr-worktrees",
    ];
    let text = main.run(&args)?;
    // A name that is no text cannot be told from another one.
    let is_named = |path: &&str| !path.is_empty() && !path.contains('\u{FFFD}');
    let mut paths: Vec<String> = text
        .split('\0')
        .filter(is_named)
        .filter(|path| may_copy(path) && rules.covers(path))
        .map(str::to_owned)
        .collect();
    paths.sort_unstable();
    if paths.len() > MAX_COPIED {
        let message = format!(
            "{INCLUDE_FILE} and worktree.copy cover {} files, {MAX_COPIED} are the most",
            paths.len()
        );
        return Err(Error::new(Code::ConfigInvalid, message)
            .hint("name fewer files, and let worktree.setup make the rest"));
    }
    Ok(paths)
}

/// Copies these files; what the worktree has of its own is left alone, unless it is in `replaceable`.
pub(crate) fn copy(
    main: &Utf8Path,
    tree: &Utf8Path,
    paths: Vec<String>,
    replaceable: &HashSet<&String>,
    deadline: Instant,
    cancel: &CancelFlag,
) -> Result<Copied> {
    let mut dirs = Dirs {
        main,
        tree,
        known: HashSet::new(),
    };
    let mut copied = Vec::new();
    for path in paths {
        if cancel.is_cancelled() {
            return Ok(Copied::Cancelled);
        }
        if Instant::now() >= deadline {
            return Ok(Copied::OutOfTime);
        }
        let to = tree.join(&path);
        let failed = |source| Error::io("copy into the worktree", &to, source);
        let there = presence::link_metadata(&to)?;
        if there.is_some() && !replaceable.contains(&path) {
            continue; // Git has put it there.
        }
        if let Some(source) = presence::link_metadata(&main.join(&path))? {
            dirs.make_above(&path)?;
            if there.is_some() {
                std::fs::remove_file(&to).map_err(failed)?;
            }
            if copy_one(&main.join(&path), &source, &to).map_err(failed)? {
                copied.push(path);
            }
        }
    }
    Ok(Copied::All(copied))
}

/// Copies one file with its mode, or a link as the link it is; anything else has no content.
fn copy_one(from: &Utf8Path, source: &Metadata, to: &Utf8Path) -> io::Result<bool> {
    if source.is_symlink() {
        std::os::unix::fs::symlink(std::fs::read_link(from)?, to)?;
    } else if source.is_file() {
        // Shares the blocks where the file system can.
        std::fs::copy(from, to)?;
    }
    Ok(source.is_symlink() || source.is_file())
}

/// The directories of the worktree that are known to be its own.
struct Dirs<'a> {
    main: &'a Utf8Path,
    tree: &'a Utf8Path,
    known: HashSet<Utf8PathBuf>,
}

impl Dirs<'_> {
    /// Makes the directories above `path`, as open as those of the main checkout. None of them may be
    /// a link: what is behind it is not the worktree.
    fn make_above(&mut self, path: &str) -> Result<()> {
        let above = Utf8Path::new(path).parent();
        let mut dirs: Vec<&Utf8Path> = above.map_or(Vec::new(), |dir| dir.ancestors().collect());
        dirs.retain(|dir| !dir.as_str().is_empty() && !self.known.contains(*dir));
        for dir in dirs.into_iter().rev() {
            self.make(dir).map_err(|source| {
                Error::io("make a directory for copies", &self.tree.join(dir), source)
            })?;
            self.known.insert(dir.to_owned());
        }
        Ok(())
    }

    fn make(&self, dir: &Utf8Path) -> io::Result<()> {
        let to = self.tree.join(dir);
        match presence::if_there(to.symlink_metadata())? {
            Some(there) if there.is_dir() || without("copy-links") => Ok(()),
            Some(_) => Err(io::Error::other("what stands there is no directory")),
            None => {
                let mode = self.main.join(dir).metadata()?.permissions().mode();
                DirBuilder::new().mode(mode & 0o777 | 0o700).create(to)
            }
        }
    }
}
