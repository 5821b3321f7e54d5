//! Files that cannot be used, under another name: `<file>.broken-<n>`. Nothing is overwritten.

use std::io;

use crate::error::{Error, Result};
use crate::fs::{Dir, Kind, Open, Stat, read_range, write_all};

/// How many names are tried.
const MAX_NAMES: usize = 1000;
/// Copied in pieces of this size, as nobody knows how large such a file is.
const PIECE: u64 = 1 << 20;

/// Keeps a file under another name, durably: a copy if it stays, so that there is one at every
/// moment. What is no regular file cannot be copied.
pub(super) fn keep(dir: &dyn Dir, name: &str, aside: &str, stays: bool) -> Result<()> {
    let failed = |error| Error::io("keep", &dir.path().join(name), error);
    let stat = dir.stat(name).map_err(failed)?;
    if !stays || stat.kind != Kind::File {
        return rename(dir, name, aside)
            .and_then(|()| dir.sync())
            .map_err(failed);
    }
    let unfinished = format!(".{aside}.tmp");
    copy(dir, name, &unfinished, &stat)
        .and_then(|()| rename(dir, &unfinished, aside))
        .inspect_err(|_| drop(dir.unlink(&unfinished)))
        .and_then(|()| dir.sync())
        .map_err(failed)
}

fn copy(dir: &dyn Dir, from: &str, to: &str, stat: &Stat) -> io::Result<()> {
    let source = dir.open(from, Open::Read)?;
    let mut copy = match dir.open(to, Open::CreateNew(stat.mode)) {
        // Of a repair that was killed.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            dir.unlink(to)?;
            dir.open(to, Open::CreateNew(stat.mode))?
        }
        other => other?,
    };
    let mut copied = 0;
    while copied < stat.size {
        let piece = read_range(source.as_ref(), copied, PIECE.min(stat.size - copied))?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_all(copy.as_mut(), &piece)?;
        copied += piece.len() as u64;
    }
    copy.sync()?;
    copy.close()
}

fn rename(dir: &dyn Dir, from: &str, to: &str) -> io::Result<()> {
    match dir.rename_no_replace(from, to) {
        // Under the lock of the claim a name that is free stays free.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => dir.rename(from, to),
        other => other,
    }
}

/// The first free name for `name`.
pub(super) fn name_for(dir: &dyn Dir, name: &str) -> Result<String> {
    for n in 1..=MAX_NAMES {
        let aside = format!("{name}.broken-{n}");
        match dir.stat(&aside) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(aside),
            Err(error) => return Err(Error::io("stat", &dir.path().join(&aside), error)),
        }
    }
    let taken = io::ErrorKind::AlreadyExists.into();
    Err(Error::io("create", &dir.path().join(name), taken))
}
