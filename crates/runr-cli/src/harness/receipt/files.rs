//! The files of a run directory, read and hashed without ever following a link out of it.

use std::collections::BTreeMap;
use std::io;

use camino::Utf8Path;
use runr_core::fs::{Dir, File, Kind, Open};
use runr_core::phase::ops::{RunFiles, TIMELINE};
use runr_core::phase::receipt::FileReceipt;
use runr_core::phase::story::Story;
use runr_core::{Error, Result};
use sha2::{Digest, Sha256};

use crate::harness::hex;

const PIECE: usize = 64 * 1024;

/// What still grows when the run has ended: the output of the driver itself, and of the command that
/// is told of every stop.
const GROWING: [&str; 2] = ["logs/driver.log", "logs/notify.log"];

/// SHA-256 of the first `length` bytes of a file.
pub(super) fn hash_of(file: &dyn File, length: u64) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < length {
        let wanted = usize::try_from(length - at).unwrap_or(PIECE).min(PIECE);
        match file.read_at(&mut piece[..wanted], at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                hasher.update(&piece[..n]);
                at += n as u64;
            }
        }
    }
    Ok(hex(&hasher.finalize()))
}

/// Every log of the run: what was recorded with a hash has that one, the others are hashed now.
pub(super) fn logs(files: &RunFiles, story: &Story) -> Result<Vec<FileReceipt>> {
    let known: BTreeMap<&str, &str> = story
        .logs
        .iter()
        .map(|log| (log.path.as_str(), log.sha256.as_str()))
        .collect();
    let mut found: BTreeMap<String, FileReceipt> = known
        .iter()
        .map(|(path, sha256)| {
            let gone = FileReceipt {
                path: (*path).to_owned(),
                bytes: None,
                sha256: (*sha256).to_owned(),
            };
            ((*path).to_owned(), gone)
        })
        .collect();
    let dir = files.dir();
    let failed = |source| Error::io("look through the logs of", dir, source);
    let Some(logs) = open(files, "logs").map_err(failed)? else {
        return Ok(found.into_values().collect());
    };
    let mut look = |dir: &dyn Dir, below: &str, name: &str| -> io::Result<()> {
        let path = format!("{below}/{name}");
        if GROWING.contains(&path.as_str()) || path.contains(char::is_control) {
            return Ok(());
        }
        let file = dir.open(name, Open::Read)?;
        let bytes = file.stat()?.size;
        let sha256 = match known.get(path.as_str()) {
            Some(sha256) => (*sha256).to_owned(),
            None => hash_of(file.as_ref(), bytes)?,
        };
        let receipt = FileReceipt {
            path: path.clone(),
            bytes: Some(bytes),
            sha256,
        };
        found.insert(path, receipt);
        Ok(())
    };
    for entry in logs.list().map_err(failed)? {
        match entry.kind {
            Kind::File => look(logs.as_ref(), "logs", &entry.name).map_err(failed)?,
            Kind::Dir => {
                let below = format!("logs/{}", entry.name);
                let inner = logs.open_dir(&entry.name).map_err(failed)?;
                for entry in inner.list().map_err(failed)? {
                    if entry.kind == Kind::File {
                        look(inner.as_ref(), &below, &entry.name).map_err(failed)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found.into_values().collect())
}

/// The artifacts that were made while the run was at work.
pub(super) fn earlier_artifacts(files: &RunFiles) -> Result<Vec<(String, FileReceipt)>> {
    const NAMES: [(&str, &str); 4] = [
        ("task", "task.md"),
        ("tests_tier0", "tests_tier0.log"),
        ("tests_tier1", "tests_tier1.log"),
        ("tests_tier2", "tests_tier2.log"),
    ];
    let failed = |source| Error::io("read the artifacts of", files.dir(), source);
    let Some(dir) = open(files, "artifacts").map_err(failed)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (name, file) in NAMES {
        match dir.open(file, Open::Read) {
            Ok(open) => {
                let bytes = open
                    .stat()
                    .and_then(|stat| stat.regular())
                    .map_err(failed)?
                    .size;
                let receipt = FileReceipt {
                    path: format!("artifacts/{file}"),
                    bytes: Some(bytes),
                    sha256: hash_of(open.as_ref(), bytes).map_err(failed)?,
                };
                found.push((name.to_owned(), receipt));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(found)
}

/// The timeline up to the record `seq`, which is as many lines.
pub(super) fn timeline(files: &RunFiles, seq: u64) -> Result<FileReceipt> {
    let path = files.dir().join(TIMELINE);
    let bytes = files
        .storage()
        .open_file_beneath(files.dir(), &path)
        .and_then(|file| length_of_lines(file.as_ref(), seq).map(|bytes| (file, bytes)))
        .and_then(|(file, bytes)| Ok((bytes, hash_of(file.as_ref(), bytes)?)));
    let (bytes, sha256) = bytes.map_err(|source| Error::io("read", &path, source))?;
    Ok(FileReceipt {
        path: TIMELINE.to_owned(),
        bytes: Some(bytes),
        sha256,
    })
}

fn length_of_lines(file: &dyn File, lines: u64) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let (mut at, mut seen) = (0, 0);
    while seen < lines {
        let length = file.read_at(&mut piece, at)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (offset, byte) in piece[..length].iter().enumerate() {
            seen += u64::from(*byte == b'\n');
            if seen == lines {
                return Ok(at + offset as u64 + 1);
            }
        }
        at += length as u64;
    }
    Ok(at)
}

/// A directory of the run, if there is one.
fn open(files: &RunFiles, name: &str) -> io::Result<Option<Box<dyn Dir>>> {
    match files
        .storage()
        .open_dir_beneath(files.dir(), &files.dir().join(name))
    {
        Ok(dir) => Ok(Some(dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a directory of the run for its owner alone, unless it is there.
pub(super) fn private_dir(files: &RunFiles, name: &str) -> Result<()> {
    let made =
        files
            .storage()
            .open_dir(files.dir())
            .and_then(|dir| match dir.create_dir(name, 0o700) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                made => made,
            });
    made.map_err(|source| Error::io("create", &Utf8Path::new(files.dir()).join(name), source))
}

/// Removes the page of an earlier stop; a page that stays is out of date, no more.
pub(super) fn forget_stop_page(files: &RunFiles) {
    if let Ok(Some(dir)) = open(files, "handoffs") {
        drop(dir.unlink("stop.md"));
    }
}
