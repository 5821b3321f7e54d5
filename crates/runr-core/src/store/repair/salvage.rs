//! What a lost or damaged `meta.json` becomes.

use std::collections::HashMap;

use super::clues::Clues;
use crate::id::RunId;
use crate::json::{Bom, Kind, Node, Rules, quote, scan};
use crate::store::rules::parse_meta;

/// The text of a new document: the good fields of the damaged text, if that is a JSON object, and what the
/// clues say of the rest. `None` if nobody knows when the run was created: then nothing is known.
pub(super) fn rebuilt(
    id: &RunId,
    repo_id: Option<&str>,
    damaged: Option<&str>,
    clues: &Clues,
) -> Option<String> {
    let mut members = damaged.map_or_else(Members::default, |text| good_members(text, id, repo_id));
    members.add_missing("schema_version", "1.0");
    members.add_missing("run_id", id.as_str());
    if let Some(repo_id) = repo_id {
        members.add_missing("repo_id", repo_id);
    }
    for (field, value) in clues.iter() {
        members.add_missing(field, value);
    }
    // Strictly: without a time of creation it is refused.
    let text = parse_meta(&members.to_text(), id, repo_id).ok()?.to_text();
    parse_meta(&text, id, repo_id).ok().map(|_| text)
}

/// Members of an object as they are written; of a repeated key the last one.
#[derive(Debug, Default)]
struct Members {
    texts: Vec<(String, String)>,
    places: HashMap<String, usize>,
}

impl Members {
    fn put(&mut self, key: String, key_text: &str, value: String) {
        match self.places.get(&key) {
            Some(place) => self.texts[*place].1 = value,
            None => {
                self.places.insert(key, self.texts.len());
                self.texts.push((key_text.to_owned(), value));
            }
        }
    }

    fn add_missing(&mut self, key: &str, value: &str) {
        if !self.places.contains_key(key) {
            self.put(key.to_owned(), &quote(key), quote(value));
        }
    }

    fn to_text(&self) -> String {
        let members = self.texts.iter();
        let members: Vec<_> = members
            .map(|(key, value)| format!("{key}:{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

/// The members that a strict reader takes, each by itself.
fn good_members(text: &str, id: &RunId, repo_id: Option<&str>) -> Members {
    let mut good = Members::default();
    let Ok(tree) = scan(text, &Rules::default().bom(Bom::Keep)) else {
        return good;
    };
    let is_good = |key: &str, key_text: &str, value: &str| {
        let mut alone = Members::default();
        alone.put(key.to_owned(), key_text, value.to_owned());
        alone.add_missing("schema_version", "1.0");
        alone.add_missing("created_at", "-");
        parse_meta(&alone.to_text(), id, repo_id).is_ok()
    };
    for member in tree.root().members() {
        let (key, key_text) = (member.key_lossy(), member.key_text());
        if member.value.kind() == Kind::Null {
            continue; // Which is as good as absent, and something may be known.
        }
        let whole = member.value.text();
        if is_good(&key, key_text, whole) {
            good.put(key, key_text, whole.to_owned());
        } else if member.value.kind() == Kind::Object {
            let inner = good_parts(member.value, |part| is_good(&key, key_text, part));
            good.put(key, key_text, inner);
        }
    }
    good
}

/// An object of those members that are good in an object of their own.
fn good_parts(object: Node<'_>, is_good: impl Fn(&str) -> bool) -> String {
    let mut parts = Members::default();
    for member in object.members() {
        let mut alone = Members::default();
        let (key, key_text) = (member.key_lossy(), member.key_text());
        alone.put(key.clone(), key_text, member.value.text().to_owned());
        if is_good(&alone.to_text()) {
            parts.put(key, key_text, member.value.text().to_owned());
        }
    }
    parts.to_text()
}

/// The version of the format, if a later runr wrote it: a first number above 1, in whatever form.
/// A text that is damaged may still say so, and is not touched then.
pub(super) fn newer_version(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let version = match scan(&text, &Rules::default().bom(Bom::Keep).levels(1)) {
        Ok(tree) => tree.root().get("schema_version")?.text().to_owned(),
        Err(_) => {
            let (_, after) = text.split_once("\"schema_version\"")?;
            let value = after.trim_start().strip_prefix(':')?.trim_start();
            value.split(['\n', ',', '}']).next()?.to_owned()
        }
    };
    let version = version.trim().trim_matches('"').trim_start_matches('v');
    let end = version.find(|c: char| !c.is_ascii_digit());
    let first = version[..end.unwrap_or(version.len())].trim_start_matches('0');
    let is_newer = !first.is_empty() && first != "1";
    is_newer.then(|| version.to_owned())
}
