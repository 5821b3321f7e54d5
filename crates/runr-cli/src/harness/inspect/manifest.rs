//! Changed manifests of a run that may change some packages only.

use camino::Utf8Path;
use runr_core::Result;
use runr_core::mutant::without;
use runr_core::phase::deps::{is_manifest, objection};
use runr_core::phase::rules::ForeignPackages;

use super::Guard;
use crate::harness::git::Git;

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
        let wrong = match present(&git.dir().join(path)) {
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
    let object = format!("{head}:{path}");
    if !git.succeeds(&["cat-file", "-e", &object])? {
        return Ok(None);
    }
    git.run(&["cat-file", "blob", &object]).map(Some)
}

/// The text of a file of the tree; none if it is not there.
fn present(path: &Utf8Path) -> std::result::Result<Option<String>, &'static str> {
    match path.symlink_metadata() {
        Err(_) => Ok(None),
        Ok(metadata) if !metadata.is_file() => Err("it is no regular file"),
        Ok(metadata) if metadata.len() > LIMIT => Err("it is larger than 4 MiB"),
        Ok(_) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err("it cannot be read as text"),
        },
    }
}
