//! A tree that nothing may touch, and things planted to make somebody touch it.
#![allow(
    dead_code,
    reason = "each test binary uses its own part of this module"
)]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// What can be planted under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    LinkOut,
    LinkIn,
    Dangling,
    Pipe,
    Device,
    Directory,
    HardLink,
}

impl Plant {
    pub(crate) const ALL: [Self; 7] = [
        Self::LinkOut,
        Self::LinkIn,
        Self::Dangling,
        Self::Pipe,
        Self::Device,
        Self::Directory,
        Self::HardLink,
    ];

    /// Puts it in the place of `path`. `outside` and `inside` are what links lead to, of the kind
    /// that stood there. False, with a word about it, where this machine or this place has none.
    pub(crate) fn plant(self, path: &Path, outside: &Path, inside: &Path) -> bool {
        remove(path);
        match self {
            Self::LinkOut => symlink(outside, path).unwrap(),
            Self::LinkIn => symlink(inside, path).unwrap(),
            Self::Dangling => symlink(path.with_file_name("not-there"), path).unwrap(),
            Self::Directory => fs::create_dir(path).unwrap(),
            Self::HardLink if outside.is_dir() => return false,
            Self::HardLink => fs::hard_link(outside, path)
                .unwrap_or_else(|why| panic!("{}: {why}", outside.display())),
            Self::Pipe => node(path, FileType::Fifo, 0).unwrap(),
            Self::Device => {
                // The one that swallows everything.
                let null = rustix::fs::makedev(1, 3);
                if let Err(why) = node(path, FileType::CharacterDevice, null) {
                    eprintln!("skipped: this user makes no devices ({why})");
                    return false;
                }
            }
        }
        true
    }
}

fn node(path: &Path, kind: FileType, device: rustix::fs::Dev) -> rustix::io::Result<()> {
    let name = CString::new(path.to_str().unwrap()).unwrap();
    mknodat(CWD, &name, kind, Mode::from_raw_mode(0o644), device)
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

/// Everything below a directory: kind and mode, and the bytes of files or the target of links.
pub(crate) fn look(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let stat = path.symlink_metadata().unwrap();
        let bytes = if stat.is_file() {
            fs::read(&path).unwrap()
        } else if stat.is_symlink() {
            fs::read_link(&path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes()
        } else {
            Vec::new()
        };
        if stat.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        found.insert(path, (stat.mode(), bytes));
    }
    found
}
