//! What a data directory knows of the repositories it keeps runs of: `repo.json` beside the runs of
//! each, and `repo_index.json` over all.
//!
//! Other programs write these files too. What they keep in them is kept, and a file that cannot be
//! understood is left as it is.

use std::collections::BTreeMap;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::names::{RepoId, repo_key};
use super::ops::corrupt;
use super::places::DataDir;
use super::print::LAID_OUT;
use super::rules::BadMeta;
use crate::error::{Code, Error, Result};
use crate::fs::{Document, Durability, Storage, create_dirs};
use crate::json::{Kind, Node, Rules, Tree, push_laid_out, quote, scan};
use crate::time::Timestamp;

const SCHEMA_VERSION: &str = "1.0";
const INDEX: &str = "repo_index.json";
const RECORD: &str = "repo.json";
/// A file `.lock` beside `repo.json` would be the lock of another program.
const LOCK: &str = ".runr.lock";

/// A repository as it was seen: where, and from where it was cloned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Repository {
    /// Its id, which follows from its key.
    pub repo_id: RepoId,
    /// What tells it from other repositories.
    pub repo_key: String,
    /// The address of its origin; empty if it has none.
    pub origin_url: String,
    /// Its absolute root, without `.` and `..` in it.
    pub repo_root: Utf8PathBuf,
}

impl Repository {
    /// The repository at `root` whose origin is `origin_url`.
    ///
    /// # Errors
    /// `E_USAGE` if `root` is no absolute path.
    pub fn new(origin_url: &str, root: &Utf8Path) -> Result<Self> {
        if !root.is_absolute() {
            let message = format!("the root of a repository must be absolute, not `{root}`");
            return Err(Error::new(Code::Usage, message));
        }
        let repo_root = cleaned(root);
        let repo_key = repo_key(origin_url, &repo_root);
        Ok(Self {
            repo_id: RepoId::of_key(&repo_key),
            repo_key,
            origin_url: origin_url.trim().to_owned(),
            repo_root,
        })
    }

    /// The machine of its origin; empty if it has none.
    fn origin_host(&self) -> &str {
        let url = self.origin_url.as_str();
        let authority = match url.split_once("://") {
            Some((_, rest)) => rest.split('/').next().unwrap_or_default(),
            // `user@host:path`; anything else is a path.
            None => match url.split_once(':') {
                Some((authority, _)) if authority.contains('@') => authority,
                _ => "",
            },
        };
        let host = authority.rsplit('@').next().unwrap_or_default();
        host.split(':').next().unwrap_or_default()
    }
}

/// A path without `.`, `..` and repeated slashes; links are not looked at.
fn cleaned(path: &Utf8Path) -> Utf8PathBuf {
    let mut clean = Utf8PathBuf::new();
    for component in path.components() {
        match component {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// A repository of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IndexedRepository {
    /// What tells it from other repositories.
    pub repo_key: String,
    /// Its id.
    pub repo_id: String,
    /// Where it was seen, the last place first.
    pub paths: Vec<String>,
}

/// Reads a `repo_index.json` to show it; an older one calls its repositories `entries`.
///
/// # Errors
/// [`BadMeta`].
pub fn read_repo_index(text: &str) -> Result<Vec<IndexedRepository>, BadMeta> {
    let tree = scan(text, &Rules::default())?;
    let root = document(&tree)?;
    let repos = object(root, "repos")?;
    let repos = match repos {
        None => object(root, "entries")?,
        found => found,
    };
    let read = |(repo_key, entry): (String, Node<'_>)| IndexedRepository {
        repo_key,
        repo_id: text_of(entry, "repo_id").unwrap_or_default(),
        paths: paths_of(entry).unwrap_or_default(),
    };
    Ok(repos
        .map(fields)
        .unwrap_or_default()
        .into_iter()
        .map(read)
        .collect())
}

/// The text of a `repo_index.json`, or of a new one, in which a repository was seen at `now`: its
/// root stands first among its paths, once. The keys are sorted.
///
/// # Errors
/// [`BadMeta`] if `text` is no index of version 1.0.
pub fn touch_repo_index(
    text: Option<&str>,
    repository: &Repository,
    now: Timestamp,
) -> Result<String, BadMeta> {
    let tree = scan(
        text.unwrap_or(EMPTY),
        &Rules::default().max_bytes(INDEX_LIMIT),
    )?;
    let root = document(&tree)?;
    let repos = object(root, "repos")?.map(fields).unwrap_or_default();
    let present = repos.get(&repository.repo_key).copied();
    let mut paths = match present {
        Some(entry) if entry.kind() != Kind::Object => {
            return Err(BadMeta::new("the entry of the repository is not an object"));
        }
        Some(entry) => {
            paths_of(entry).ok_or_else(|| BadMeta::new("`paths` is not a list of texts"))?
        }
        None => Vec::new(),
    };
    paths.retain(|path| *path != repository.repo_root);
    paths.insert(0, repository.repo_root.to_string());
    let paths: Vec<_> = paths.iter().map(|path| quote(path)).collect();
    let entry = Object::default()
        .text("repo_id", repository.repo_id.as_str())
        .raw("paths", &format!("[{}]", paths.join(",")))
        .text("last_seen_at", &now.to_seconds_string())
        .others(present);
    let mut texts: BTreeMap<_, _> = repos
        .iter()
        .map(|(key, node)| (key.clone(), node.text().to_owned()))
        .collect();
    texts.insert(repository.repo_key.clone(), entry.compact());
    let repos = texts
        .iter()
        .fold(Object::default(), |repos, (key, text)| repos.raw(key, text));
    let index = Object::default()
        .text("schema_version", SCHEMA_VERSION)
        .raw("repos", &repos.compact())
        .others(Some(root));
    index.laid_out()
}

/// The text of a `repo.json`, or of a new one, of a repository that was seen at `now`.
///
/// # Errors
/// [`BadMeta`] if `text` is no record of version 1.0, or of another repository.
pub fn touch_repo_record(
    text: Option<&str>,
    repository: &Repository,
    now: Timestamp,
) -> Result<String, BadMeta> {
    let tree = text.map(|text| scan(text, &Rules::default())).transpose()?;
    let old = tree.as_ref().map(document).transpose()?;
    let kept = |key: &str| old.and_then(|old| text_of(old, key));
    if kept("repo_id").is_some_and(|id| id != repository.repo_id.as_str()) {
        return Err(BadMeta::new("`repo_id` is not that of the directory"));
    }
    let capabilities = old
        .map(|old| object(old, "capabilities"))
        .transpose()?
        .flatten();
    let authed = capabilities.and_then(|it| it.get("gh_authed")?.as_bool());
    let (url, host) = (repository.origin_url.as_str(), repository.origin_host());
    let now = now.to_seconds_string();
    let capabilities = Object::default()
        .flag("github_origin", repository.repo_key.starts_with("github:"))
        .text("origin_host", host)
        .flag("gh_authed", authed.unwrap_or_default())
        .others(capabilities);
    let record = Object::default()
        .text("schema_version", SCHEMA_VERSION)
        .text("repo_key", &repository.repo_key)
        .text("repo_id", repository.repo_id.as_str())
        .text("repo_root_last_seen", repository.repo_root.as_str())
        .text(
            "agency_json_path",
            &kept("agency_json_path").unwrap_or_default(),
        )
        .flag("origin_present", !url.is_empty())
        .text("origin_url", url)
        .text("origin_host", host)
        .raw("capabilities", &capabilities.compact())
        .text(
            "created_at",
            &kept("created_at").unwrap_or_else(|| now.clone()),
        )
        .text("updated_at", &now)
        .others(old);
    record.laid_out()
}

impl DataDir {
    /// Notes that a repository was seen, in its `repo.json` and in the index, durably and each
    /// under its lock. Returns the directory of the repository.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` for a file that cannot be understood, which stays as it is;
    /// `E_META_WRITE_FAILED`; `E_LOCK_TIMEOUT`; `E_IO`.
    pub fn touch_repository(
        &self,
        storage: &Storage,
        repository: &Repository,
        now: Timestamp,
    ) -> Result<Utf8PathBuf> {
        let dir = self.repo_dir(&repository.repo_id);
        create_dirs(storage, &dir, 0o700, Durability::Full)?;
        self.document(storage, &dir, RECORD, |text| {
            touch_repo_record(text, repository, now)
        })?;
        self.document(storage, self.path(), INDEX, |text| {
            touch_repo_index(text, repository, now)
        })?;
        Ok(dir)
    }

    /// The repositories of the index, as far as it can be read.
    #[must_use]
    pub fn indexed_repositories(&self, storage: &Storage) -> Vec<IndexedRepository> {
        let index = Document::new(storage.clone(), self.path(), INDEX).limit(INDEX_LIMIT as u64);
        let text = index.read().ok().flatten();
        text.and_then(|text| read_repo_index(&text).ok())
            .unwrap_or_default()
    }

    fn document(
        &self,
        storage: &Storage,
        dir: &Utf8Path,
        name: &str,
        touch: impl FnOnce(Option<&str>) -> Result<String, BadMeta>,
    ) -> Result<()> {
        let document = Document::new(storage.clone(), dir, name)
            .lock_name(LOCK)
            .limit(INDEX_LIMIT as u64)
            .mode(0o600);
        let touched =
            document.update(|text| touch(text).map_err(|bad| corrupt(&document.path(), bad)));
        touched.map(drop)
    }
}

const INDEX_LIMIT: usize = 64 << 20;
const EMPTY: &str = r#"{"schema_version":"1.0"}"#;

/// The root of a document of our version.
fn document<'t>(tree: &'t Tree<'t>) -> Result<Node<'t>, BadMeta> {
    let root = tree.root();
    if root.kind() != Kind::Object {
        return Err(BadMeta::new("it is not a JSON object"));
    }
    if let Some(repeated) = tree.repeated_key() {
        let reason = format!("the key {} is repeated", repeated.key_text());
        return Err(BadMeta::new(reason));
    }
    match text_of(root, "schema_version").as_deref() {
        Some(SCHEMA_VERSION) => Ok(root),
        None | Some("") => Err(BadMeta::new("`schema_version` is missing or empty")),
        Some(other) => Err(BadMeta {
            schema_version: Some(other.to_owned()),
            ..BadMeta::new(format!("version {other} of the format is unknown"))
        }),
    }
}

fn object<'t>(node: Node<'t>, key: &str) -> Result<Option<Node<'t>>, BadMeta> {
    match node.get(key) {
        None => Ok(None),
        Some(found) if found.kind() == Kind::Null => Ok(None),
        Some(found) if found.kind() == Kind::Object => Ok(Some(found)),
        Some(_) => Err(BadMeta::new(format!("`{key}` is not an object"))),
    }
}

fn fields(object: Node<'_>) -> BTreeMap<String, Node<'_>> {
    let members = object.members();
    members
        .map(|member| (member.key_lossy(), member.value))
        .collect()
}

fn text_of(node: Node<'_>, key: &str) -> Option<String> {
    node.get(key)?.as_str_lossy()
}

/// None if they are no list of texts.
fn paths_of(entry: Node<'_>) -> Option<Vec<String>> {
    match entry.get("paths") {
        None => Some(Vec::new()),
        Some(paths) if paths.kind() == Kind::Null => Some(Vec::new()),
        Some(paths) if paths.kind() == Kind::Array => {
            paths.elements().map(Node::as_str_lossy).collect()
        }
        Some(_) => None,
    }
}

/// An object in the making: the fields of ours first, then those of others as they are written.
#[derive(Default)]
struct Object {
    keys: Vec<String>,
    members: Vec<String>,
}

impl Object {
    fn raw(mut self, key: &str, text: &str) -> Self {
        self.members.push(format!("{}:{text}", quote(key)));
        self.keys.push(key.to_owned());
        self
    }

    fn text(self, key: &str, value: &str) -> Self {
        self.raw(key, &quote(value))
    }

    fn flag(self, key: &str, value: bool) -> Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// The members of an old object that have no new value.
    fn others(mut self, old: Option<Node<'_>>) -> Self {
        for member in old.into_iter().flat_map(Node::members) {
            if !self.keys.iter().any(|key| member.is_called(key)) {
                let text = member.value.text();
                self.members.push(format!("{}:{text}", member.key_text()));
            }
        }
        self
    }

    fn compact(&self) -> String {
        format!("{{{}}}", self.members.join(","))
    }

    /// The text of a file.
    fn laid_out(&self) -> Result<String, BadMeta> {
        let compact = self.compact();
        let tree = scan(&compact, &Rules::default().max_bytes(usize::MAX))?;
        let mut out = String::new();
        push_laid_out(&mut out, tree.root(), "", LAID_OUT);
        out.push('\n');
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
