//! The top directory of a repository, read once: names, and the text of manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use camino::Utf8Path;
use runr_core::fs::{Contents, Kind, Storage};
use runr_core::{Error, Result};

/// No manifest that a person wrote is larger; lists of dependencies with hashes come close.
const LIMIT: u64 = 4 << 20;

/// The manifests whose text matters, beside `requirements*.txt`.
const MANIFESTS: [&str; 12] = [
    "package.json",
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    "Cargo.toml",
    "go.mod",
    "GNUmakefile",
    "makefile",
    "Makefile",
    "justfile",
    "Justfile",
    ".justfile",
];

/// The text of a manifest, or why there is none.
type Text = Result<String, &'static str>;

/// What lies in the top directory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repository {
    /// The name of the directory.
    pub(crate) name: String,
    files: BTreeSet<String>,
    manifests: BTreeMap<String, Text>,
    directories: BTreeSet<String>,
    packages: BTreeSet<String>,
}

impl Repository {
    /// Looks at the directory `root`. What stands under the name of a manifest is opened only if it
    /// is a file, so that a pipe makes nobody wait.
    ///
    /// # Errors
    /// `E_IO` if the directory itself cannot be read.
    pub(crate) fn read(storage: &Storage, root: &Utf8Path) -> Result<Self> {
        let failed = |problem| Error::io("read", root, problem);
        let dir = storage.open_dir(root).map_err(failed)?;
        let mut found = Self {
            name: root.file_name().unwrap_or("project").to_owned(),
            ..Self::default()
        };
        for entry in dir.list().map_err(failed)? {
            let path = root.join(&entry.name);
            let kind = match entry.kind {
                // A directory that is a link is a file to git; its content is not ours to change.
                Kind::Link => storage
                    .stat(&path)
                    .map(|stat| stat.kind)
                    .ok()
                    .filter(|kind| *kind == Kind::File),
                kind => Some(kind),
            };
            if is_manifest(&entry.name) {
                let text = match kind {
                    Some(Kind::File) => read(storage, &path),
                    Some(Kind::Dir) => Err("a directory"),
                    Some(_) => Err("not a file"),
                    None => Err("a link that leads to no file"),
                };
                found.manifests.insert(entry.name.clone(), text);
            }
            match kind {
                Some(Kind::File) => drop(found.files.insert(entry.name)),
                Some(Kind::Dir) => {
                    let init = storage.stat(&path.join("__init__.py"));
                    if init.is_ok_and(|stat| stat.kind == Kind::File) {
                        found.packages.insert(entry.name.clone());
                    }
                    found.directories.insert(entry.name);
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// The text of a manifest, or why it has none; nothing if there is no such manifest.
    pub(super) fn manifest(&self, name: &str) -> Option<Result<&str, &&'static str>> {
        self.manifests.get(name).map(|text| text.as_deref())
    }

    /// Whether there is a file of this name.
    pub(super) fn has_file(&self, name: &str) -> bool {
        self.files.contains(name)
    }

    /// The first of these files that is there.
    pub(super) fn first_file<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        names.iter().copied().find(|name| self.has_file(name))
    }

    /// The first of all files that begin so.
    pub(super) fn file_like(&self, start: &str) -> Option<&str> {
        let mut names = self.files.range(start.to_owned()..);
        let first = names.next().map(String::as_str);
        first.filter(|name| name.starts_with(start))
    }

    /// The names of all lists of requirements, in order.
    pub(super) fn requirements(&self) -> impl Iterator<Item = &str> {
        let names = self.manifests.keys().map(String::as_str);
        names.filter(|name| is_requirements(name))
    }

    /// Whether there is a directory of this name.
    pub(super) fn has_directory(&self, name: &str) -> bool {
        self.directories.contains(name)
    }

    /// Whether the directory of this name is a Python package.
    pub(super) fn is_package(&self, name: &str) -> bool {
        self.packages.contains(name)
    }
}

fn is_manifest(name: &str) -> bool {
    MANIFESTS.contains(&name) || is_requirements(name)
}

fn is_requirements(name: &str) -> bool {
    name.starts_with("requirements") && name.ends_with(".txt")
}

fn read(storage: &Storage, path: &Utf8Path) -> Text {
    let contents = read_file(storage, path).map_err(|problem| match problem.kind() {
        io::ErrorKind::FileTooLarge => "larger than 4 MiB",
        _ => "it cannot be read",
    })?;
    let text = String::from_utf8(contents.bytes).map_err(|_| "not UTF-8")?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Reads a file, where a link leads if it is one.
fn read_file(storage: &Storage, path: &Utf8Path) -> io::Result<Contents> {
    let path = storage.real_path(path)?;
    let (dir, name) = path
        .parent()
        .zip(path.file_name())
        .ok_or(io::ErrorKind::InvalidInput)?;
    storage.open_dir(dir)?.read(name, LIMIT)
}

#[cfg(test)]
impl Repository {
    /// A directory `name` with these files; what ends in `/` is a directory.
    pub(super) fn of<'a>(name: &str, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut made = Self {
            name: name.to_owned(),
            ..Self::default()
        };
        for (path, text) in files {
            match path.rsplit_once('/') {
                Some((dir, file)) => {
                    made.directories.insert(dir.to_owned());
                    if file == "__init__.py" {
                        made.packages.insert(dir.to_owned());
                    }
                }
                None => {
                    made.files.insert(path.to_owned());
                    if is_manifest(path) {
                        made.manifests.insert(path.to_owned(), Ok(text.to_owned()));
                    }
                }
            }
        }
        made
    }
}
