//! What the checkpoints of a run change, from one git: the numbers and the patch.
//!
//! The patch may be of any size, so it goes from git to the disk in pieces.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::phase::ops::RunFiles;
use runr_core::phase::receipt::{Changes, FileReceipt, is_bulky};
use runr_core::redact::{Redactor, Stream};
use runr_core::{Error, Result};
use sha2::{Digest, Sha256};

use crate::harness::git::{Git, installed};
use crate::harness::hex;

const PATCH: &str = "diff.patch";
const PACKED: &str = "diff.patch.gz";
/// A longer line of git's list of files is cut.
const MAX_LINE: usize = 64 * 1024;

/// The difference between two commits.
#[derive(Default)]
pub(super) struct Diff {
    pub(super) changes: Changes,
    pub(super) patch: Option<FileReceipt>,
}

/// Writes the patch from `base` to `tip` without its secrets, and removes that of an earlier stop.
pub(super) fn capture(git: &Git, files: &RunFiles, base: &str, tip: Option<&str>) -> Result<Diff> {
    let dir = files.dir();
    let Some(tip) = tip.filter(|tip| *tip != base) else {
        remove(&dir.join(PATCH))?;
        remove(&dir.join(PACKED))?;
        return Ok(Diff::default());
    };
    let loose = dir.join(format!(".{PATCH}.tmp"));
    remove(&loose)?;
    let failed = |source| Error::io("write", &loose, source);
    let mut reader = Reader::new(create(&loose).map_err(failed)?, files.redactor());
    // Plumbing with every choice spelled out: the user's settings must not change the form.
    let args = [
        "diff-tree",
        "-r",
        "--no-commit-id",
        "--numstat",
        "-p",
        "--full-index",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--no-relative",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--end-of-options",
        base,
        tip,
    ];
    git.stream(&args, |piece| reader.take(piece))?;
    let (changes, patch) = reader.finish().map_err(failed)?;
    let bulky = is_bulky(patch.bytes, patch.lines, changes.totals.files_changed);
    let packed = if bulky { pack(dir, &loose) } else { None };
    let (from, written, name, stale) = match packed {
        Some((path, packed)) => (path, packed, PACKED, PATCH),
        None => (loose.clone(), patch, PATCH, PACKED),
    };
    std::fs::rename(&from, dir.join(name)).map_err(|source| Error::io("rename", &from, source))?;
    remove(&dir.join(stale))?;
    remove(&loose)?;
    Ok(Diff {
        changes,
        patch: Some(FileReceipt {
            path: name.to_owned(),
            bytes: Some(written.bytes),
            sha256: hex(&written.hash.finalize()),
        }),
    })
}

/// The same in the form of gzip; `None` on a system without that program, where the patch stays as
/// it is.
fn pack(dir: &Utf8Path, loose: &Utf8Path) -> Option<(Utf8PathBuf, Patch)> {
    let path = dir.join(format!(".{PACKED}.tmp"));
    remove(&path).ok()?;
    let mut packed = Patch::new(create(&path).ok()?);
    let done = run_gzip(loose, &mut packed);
    if done.is_some() {
        return Some((path, packed));
    }
    // A part of a patch is worth nothing.
    drop(remove(&path));
    None
}

fn run_gzip(loose: &Utf8Path, packed: &mut Patch) -> Option<()> {
    let mut gzip = Command::new(installed("gzip")?)
        .args(["-n", "-c"])
        .env_remove("GZIP")
        .stdin(File::open(loose).ok()?)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let copied = gzip.stdout.take().map(|mut from| packed.copy(&mut from));
    let status = gzip.wait().ok()?;
    copied?.ok()?;
    status.success().then_some(())
}

fn create(path: &Utf8Path) -> io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

fn remove(path: &Utf8Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Takes git's words apart: first a line for each file, then an empty one, then the patch.
struct Reader {
    changes: Changes,
    /// The line that has no end yet; absent once the patch began.
    line: Option<Vec<u8>>,
    sieve: Stream,
    /// What has passed the sieve; kept for its room alone.
    clean: Vec<u8>,
    patch: Patch,
}

/// A patch as it is written, in one form or the other.
struct Patch {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
    lines: u64,
}

impl Reader {
    fn new(file: File, redactor: &Redactor) -> Self {
        Self {
            changes: Changes::default(),
            line: Some(Vec::new()),
            sieve: redactor.stream(),
            clean: Vec::new(),
            patch: Patch::new(file),
        }
    }

    fn take(&mut self, mut piece: &[u8]) -> io::Result<()> {
        while let Some(line) = &mut self.line {
            let end = piece.iter().position(|byte| *byte == b'\n');
            let part = &piece[..end.unwrap_or(piece.len())];
            let room = MAX_LINE.saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            let Some(end) = end else {
                return Ok(());
            };
            piece = &piece[end + 1..];
            if line.is_empty() {
                self.line = None;
            } else {
                self.changes.add(&String::from_utf8_lossy(line));
                line.clear();
            }
        }
        self.clean.clear();
        self.sieve.push(piece, &mut self.clean);
        self.patch.take(&self.clean)
    }

    fn finish(mut self) -> io::Result<(Changes, Patch)> {
        self.clean.clear();
        self.sieve.finish(&mut self.clean);
        self.patch.take(&self.clean)?;
        self.patch.file.flush()?;
        Ok((self.changes, self.patch))
    }
}

impl Patch {
    fn new(file: File) -> Self {
        Self {
            file: BufWriter::new(file),
            hash: Sha256::new(),
            bytes: 0,
            lines: 0,
        }
    }

    fn copy(&mut self, from: &mut impl Read) -> io::Result<()> {
        let mut piece = vec![0; MAX_LINE];
        loop {
            match from.read(&mut piece)? {
                0 => return self.file.flush(),
                length => self.take(&piece[..length])?,
            }
        }
    }

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        self.lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_ends_and_the_patch_begins_wherever_the_pieces_are_cut() {
        let text = b"1\t2\tsrc/a.txt\n-\t-\tlogo.png\n\ndiff --git a/src/a.txt\n\n+1\t2\tno file\n";
        for size in 1..=text.len() {
            let dir = tempfile::tempdir().unwrap();
            let path = Utf8PathBuf::from_path_buf(dir.path().join("patch")).unwrap();
            let mut reader = Reader::new(create(&path).unwrap(), &Redactor::off());
            for piece in text.chunks(size) {
                reader.take(piece).unwrap();
            }
            let (changes, patch) = reader.finish().unwrap();
            assert_eq!(changes.totals.files_changed, 2, "pieces of {size}");
            assert_eq!((patch.bytes, patch.lines), (37, 3), "pieces of {size}");
            let written = std::fs::read(&path).unwrap();
            assert_eq!(written, b"diff --git a/src/a.txt\n\n+1\t2\tno file\n");
        }
    }
}
