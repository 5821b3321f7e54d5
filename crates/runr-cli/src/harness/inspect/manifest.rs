//! Changed manifests of a run that may change some packages only.

use camino::Utf8Path;
use runr_core::mutant::without;
use runr_core::phase::deps::{is_manifest, objection};
use runr_core::phase::rules::ForeignPackages;
use runr_core::{Error, Result};

use super::Guard;
use crate::harness::baseline::readable;
use crate::harness::git::Git;
use crate::presence;

/// A manifest above this size is not read.
const LIMIT: u64 = 4 * 1024 * 1024;

/// The manifests among `changed` that say something else of other packages than `head` did.
pub(super) fn foreign_packages(
    git: &Git,
    guard: &Guard,
    head: &str,
    changed: &[String],
) -> Result<ForeignPackages> {
    let mut found = ForeignPackages::default();
    let Some(allowed) = guard
        .packages
        .as_deref()
        .filter(|_| !without("listed-packages"))
    else {
        return Ok(found);
    };
    for path in changed.iter().filter(|path| is_manifest(path)) {
        let before = committed(git, head, path)?;
        let wrong = match present(&git.dir().join(path))? {
            Ok(after) => objection(path, before.as_deref(), after.as_deref(), allowed),
            Err(why) => Some(format!("{path}: {why}")),
        };
        if let Some(wrong) = wrong {
            found.manifests.push(path.clone());
            found.objections.push(wrong);
        }
    }
    Ok(found)
}

/// The text of a file in a commit; none if it is not there.
fn committed(git: &Git, head: &str, path: &str) -> Result<Option<String>> {
    let args = [
        "--literal-pathspecs",
        "ls-tree",
        "-z",
        "--full-tree",
        head,
        "--",
        path,
    ];
    let listed = git.run(&args)?;
    let entry = listed.split(['\t', '\0']).next().unwrap_or_default();
    match entry.split(' ').collect::<Vec<_>>().as_slice() {
        [_, "blob", object] => git.run(&["cat-file", "blob", object]).map(Some),
        _ => Ok(None),
    }
}

/// The text of a file of the tree, none if it is not there; or why it is no manifest.
fn present(path: &Utf8Path) -> Result<std::result::Result<Option<String>, &'static str>> {
    let Some(metadata) = presence::link_metadata(path)? else {
        return Ok(Ok(None));
    };
    if !metadata.is_file() {
        return Ok(Err("it is no regular file"));
    }
    if metadata.len() > LIMIT {
        return Ok(Err("it is larger than 4 MiB"));
    }
    let bytes = readable(path).map_err(|source| Error::io("read", path, source))?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.map(Some).ok_or("it cannot be read as text"))
}
