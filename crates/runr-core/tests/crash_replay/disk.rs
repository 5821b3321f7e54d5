//! What a disk may hold after a power cut.
//!
//! Bytes of a file are certain once the file was synced; before that any prefix of what was written
//! may be there. A change of names is certain once its directory was synced; before that it may
//! have happened or not, whatever became of the changes around it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use runr_core::fs::{Dir, MemoryFs, Open, Storage};

use crate::long;
use crate::random::Random;
use crate::record::{Naming, Node, Op, Writing};

/// More states of one moment than this are sampled, unless fewer are wanted.
pub(crate) const MOST: usize = 4096;

/// A file or directory with all that is in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tree {
    File(Vec<u8>),
    Dir(u32, BTreeMap<String, Self>),
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(bytes) => String::from_utf8_lossy(bytes).fmt(f),
            Self::Dir(_, entries) => entries.fmt(f),
        }
    }
}

type Names = BTreeMap<String, Node>;

#[derive(Debug, Default)]
struct Directory {
    certain: Names,
    open: Vec<Naming>,
}

#[derive(Debug, Default)]
struct Regular {
    certain: Vec<u8>,
    open: Vec<Writing>,
}

/// A disk under the operations so far.
#[derive(Debug)]
pub(crate) struct Disk {
    root: u64,
    dirs: BTreeMap<u64, Directory>,
    files: BTreeMap<u64, Regular>,
}

impl Disk {
    pub(crate) fn new(root: u64) -> Self {
        Self {
            root,
            dirs: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Names(dir, naming) => self.dirs.entry(*dir).or_default().open.push(naming.clone()),
            Op::Bytes(file, writing) => {
                let file = self.files.entry(*file).or_default();
                file.open.push(writing.clone());
            }
            Op::SyncDir(dir) => self.dirs.entry(*dir).or_default().sync(),
            Op::SyncFile(file) => self.files.entry(*file).or_default().sync(),
            Op::Begin | Op::Acknowledged | Op::GivenUp => {}
        }
    }

    /// Makes everything certain.
    pub(crate) fn settle(&mut self) {
        self.dirs.values_mut().for_each(Directory::sync);
        self.files.values_mut().for_each(Regular::sync);
    }

    /// All that may be left if the power is cut now; a sample if that is more than `most`.
    pub(crate) fn after_a_cut(&self, random: &mut Random, most: usize) -> BTreeSet<Tree> {
        let contents: BTreeMap<u64, Vec<Vec<u8>>> = self
            .files
            .iter()
            .map(|(ino, file)| (*ino, file.possible()))
            .collect();
        let namings = self.dirs.values().flat_map(|dir| &dir.open).map(|_| 2);
        let sizes: Vec<usize> = namings.chain(contents.values().map(Vec::len)).collect();
        let count = sizes.iter().try_fold(1usize, |all, n| all.checked_mul(*n));
        let tree = |choice: &[usize]| self.chosen(choice, &contents);
        match count {
            Some(count) if count <= most => (0..count)
                .map(|number| tree(&digits(number, &sizes)))
                .collect(),
            _ => (0..most)
                .map(|_| tree(&sizes.iter().map(|n| random.below(*n)).collect::<Vec<_>>()))
                .collect(),
        }
    }

    /// `choice` says of every open change of names whether it happened, and of every file which of
    /// its contents it has.
    fn chosen(&self, choice: &[usize], contents: &BTreeMap<u64, Vec<Vec<u8>>>) -> Tree {
        let mut choice = choice.iter();
        let mut names = BTreeMap::new();
        for (ino, dir) in &self.dirs {
            let mut present = dir.certain.clone();
            for naming in &dir.open {
                if choice.next() == Some(&1) {
                    naming.apply(&mut present);
                }
            }
            names.insert(*ino, present);
        }
        let bytes: BTreeMap<u64, &Vec<u8>> = contents
            .iter()
            .zip(choice)
            .map(|((ino, contents), chosen)| (*ino, &contents[*chosen]))
            .collect();
        tree(Node::Dir(self.root, 0o755), &names, &bytes)
    }
}

fn tree(node: Node, names: &BTreeMap<u64, Names>, bytes: &BTreeMap<u64, &Vec<u8>>) -> Tree {
    match node {
        Node::File(ino) => Tree::File(bytes.get(&ino).map_or_else(Vec::new, |it| (*it).clone())),
        Node::Dir(ino, mode) => {
            let entries = names.get(&ino).into_iter().flatten();
            let entry = |(name, node): (&String, &Node)| (name.clone(), tree(*node, names, bytes));
            Tree::Dir(mode, entries.map(entry).collect())
        }
    }
}

/// A number as one digit for each size.
fn digits(mut number: usize, sizes: &[usize]) -> Vec<usize> {
    let digit = |size: &usize| {
        let digit = number % size;
        number /= size;
        digit
    };
    sizes.iter().map(digit).collect()
}

impl Directory {
    fn sync(&mut self) {
        for naming in self.open.drain(..) {
            naming.apply(&mut self.certain);
        }
    }
}

impl Naming {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(name, node) => {
                names.insert(name.clone(), *node);
            }
            Self::Move(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Regular {
    fn sync(&mut self) {
        for writing in self.open.drain(..) {
            writing.apply(&mut self.certain);
        }
    }

    fn possible(&self) -> Vec<Vec<u8>> {
        let mut present = self.certain.clone();
        let mut possible = BTreeSet::from([present.clone()]);
        for writing in &self.open {
            if let Writing::Append(bytes) = writing {
                for len in cuts(bytes) {
                    possible.insert([&present, &bytes[..len]].concat());
                }
            }
            writing.apply(&mut present);
            possible.insert(present.clone());
        }
        possible.into_iter().collect()
    }
}

impl Writing {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Append(new) => bytes.extend_from_slice(new),
            Self::Cut(len) => bytes.resize(*len, 0),
        }
    }
}

/// Where a write may be cut off: anywhere; in the short form at its ends, in its middle and around
/// the ends of its first lines.
fn cuts(bytes: &[u8]) -> BTreeSet<usize> {
    if long() {
        return (0..bytes.len()).collect();
    }
    let feeds = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let lines = feeds.take(3).flat_map(|(at, _)| [at, at + 1]);
    let last = bytes.len().saturating_sub(1);
    [1, bytes.len() / 2, last]
        .into_iter()
        .chain(lines)
        .collect()
}

impl Tree {
    /// A file system that holds exactly this.
    pub(crate) fn storage(&self) -> Storage {
        let storage: Storage = MemoryFs::new().into();
        if let Self::Dir(_, entries) = self {
            fill(storage.open_dir("/".into()).unwrap().as_ref(), entries);
        }
        storage
    }
}

fn fill(dir: &dyn Dir, entries: &BTreeMap<String, Tree>) {
    for (name, tree) in entries {
        match tree {
            Tree::File(bytes) => {
                let mut file = dir.open(name, Open::CreateNew(0o600)).unwrap();
                assert_eq!(file.write(bytes).unwrap(), bytes.len());
                file.close().unwrap();
            }
            Tree::Dir(mode, entries) => {
                dir.create_dir(name, *mode).unwrap();
                fill(dir.open_dir(name).unwrap().as_ref(), entries);
            }
        }
    }
}
