//! A repository in a temporary directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use runr_core::fs::real;
use runr_core::identity::{Branch, Flow, PrepReport, PrepRequest, WorkItems};
use serde_json::{Value, json};

pub(crate) struct Place {
    dir: tempfile::TempDir,
}

/// Every file and its bytes, every directory.
pub(crate) type Contents = BTreeMap<PathBuf, Option<Vec<u8>>>;

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// What a case begins with.
    pub(crate) fn of(state: &Value) -> Option<Self> {
        let place = Self::new();
        if let Some(name) = state["real"].as_str() {
            copy_real(name, place.root().as_std_path())?;
        }
        for dir in state["dirs"].as_array().unwrap() {
            place.dir(dir.as_str().unwrap());
        }
        for (path, content) in state["files"].as_object().unwrap() {
            let text = match content["text"].as_str() {
                Some(text) => text.to_owned(),
                None => format!("{:#}\n", content["json"]),
            };
            place.file(path, &text);
        }
        Some(place)
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.dir.path()).unwrap()
    }

    pub(crate) fn items(&self) -> WorkItems {
        WorkItems::open(real(), self.root())
    }

    pub(crate) fn prep(&self, request: &PrepRequest, now: &str) -> PrepReport {
        self.items().prep(request, now.parse().unwrap()).unwrap()
    }

    pub(crate) fn dir(&self, path: &str) {
        fs::create_dir_all(self.root().join(path)).unwrap();
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// What is there, without lock files.
    pub(crate) fn contents(&self) -> Contents {
        let mut contents = Contents::new();
        collect(self.dir.path(), Path::new(""), &mut contents);
        contents.retain(|path, _| !path.ends_with(".lock"));
        contents
    }
}

fn collect(dir: &Path, seen_from: &Path, contents: &mut Contents) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = seen_from.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            contents.insert(path.clone(), None);
            collect(&entry.path(), &path, contents);
        } else {
            contents.insert(path, Some(fs::read(entry.path()).unwrap_or_default()));
        }
    }
}

/// The time of every preparation that does not care.
pub(crate) const NOW: &str = "2026-02-03T04:05:06Z";

pub(crate) fn build() -> PrepRequest {
    PrepRequest::new(Flow::Build)
}

pub(crate) fn prep(place: &Place, request: &PrepRequest) -> PrepReport {
    place.prep(request, NOW)
}

pub(crate) fn named(name: &str, upstream: Option<&str>) -> Branch {
    Branch::Named {
        name: name.to_owned(),
        upstream: upstream.map(str::to_owned),
    }
}

pub(crate) fn meta(place: &Place, id: &str) -> Value {
    serde_json::from_str(&place.text(&format!(".runs/{id}/run_meta.json"))).unwrap()
}

pub(crate) fn item(place: &Place, id: &str, fields: Value) {
    place.file(&format!(".runs/{id}/run_meta.json"), &fields.to_string());
}

pub(crate) fn index(place: &Place, entries: Value) {
    let index = json!({"version": 1, "runs": entries});
    place.file(".runs/index.json", &index.to_string());
}

/// Where recordings of real repositories lie, which are not ours to copy into this one: named by
/// the environment, or beside the checkout.
pub(crate) fn real_trees() -> Option<PathBuf> {
    let beside = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/real-runs"
    );
    let named = std::env::var_os("RUNR_REAL_RUNS").map(PathBuf::from);
    Some(named.unwrap_or_else(|| beside.into())).filter(|path| path.is_dir())
}

/// Copies a real tree; nothing if it is not on this machine, which is said aloud.
pub(crate) fn copy_real(name: &str, to: &Path) -> Option<()> {
    let Some(trees) = real_trees() else {
        eprintln!("SKIPPED: {name} needs the real trees (RUNR_REAL_RUNS)");
        return None;
    };
    let tree = trees.join(name);
    let layout = fs::read_to_string(tree.join("layout.json")).unwrap();
    let layout: Value = serde_json::from_str(&layout).unwrap();
    for dir in layout["dirs"].as_array().unwrap() {
        fs::create_dir_all(to.join(dir.as_str().unwrap())).unwrap();
    }
    let mut contents = Contents::new();
    collect(&tree.join(".runs"), Path::new(".runs"), &mut contents);
    for (path, bytes) in contents {
        if let Some(bytes) = bytes {
            fs::create_dir_all(to.join(&path).parent().unwrap()).unwrap();
            fs::write(to.join(path), bytes).unwrap();
        }
    }
    Some(())
}
