//! A store in memory whose calls can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use runr_core::fs::{Dir, FaultFs, MemoryFs, Open};
use runr_core::store::{DataDir, MetaOp, RepoId, RunFields, RunStore, Suffixes};
use runr_core::{Code, Error, Result, RunId, Timestamp};
use serde_json::Value;
pub(crate) const REPO: &str = "abcd1234ef567890";

pub(crate) fn now() -> Timestamp {
    "2026-01-10T12:00:00.500Z".parse().unwrap()
}

pub(crate) fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

/// Counts from 1.
#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicU64);

impl Suffixes for Counting {
    fn next(&self) -> Result<u64> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

pub(crate) struct World {
    pub(crate) fs: FaultFs,
    pub(crate) data: DataDir,
    pub(crate) store: RunStore,
}

impl World {
    pub(crate) fn new() -> Self {
        let fs = FaultFs::new(MemoryFs::new().into());
        let data = DataDir::new("/data");
        let store = RunStore::data(fs.storage(), &data, &RepoId::parse(REPO).unwrap())
            .with_suffixes(Arc::new(Counting::default()));
        Self { fs, data, store }
    }

    pub(crate) fn create(&self, run_id: &str) -> RunId {
        let mut fields = RunFields::default();
        fields.run_id = Some(id(run_id));
        fields.title = "Improve search".into();
        self.store.create_from(&fields, now(), false).unwrap();
        id(run_id)
    }

    /// A run with this text for a `meta.json`.
    pub(crate) fn write(&self, run_id: &str, text: &[u8]) -> RunId {
        let run = self.create(run_id);
        let dir = self.dir(&run);
        dir.unlink("meta.json").unwrap();
        put(dir.as_ref(), "meta.json", text);
        run
    }

    pub(crate) fn dir(&self, run: &RunId) -> Box<dyn Dir> {
        self.fs
            .storage()
            .open_dir(&self.store.run_dir(run))
            .unwrap()
    }

    pub(crate) fn bytes(&self, run: &RunId) -> Vec<u8> {
        self.dir(run).read("meta.json", 10 << 20).unwrap().bytes
    }

    pub(crate) fn text(&self, run: &RunId) -> String {
        String::from_utf8(self.bytes(run)).unwrap()
    }
}

pub(crate) fn put(dir: &dyn Dir, name: &str, mut bytes: &[u8]) {
    let mut file = dir.open(name, Open::CreateNew(0o644)).unwrap();
    while !bytes.is_empty() {
        let written = file.write(bytes).unwrap();
        bytes = &bytes[written..];
    }
    file.close().unwrap();
}

pub(crate) fn least(rest: &str) -> String {
    format!(r#"{{"schema_version":"1.0","created_at":"2026-01-10T12:00:00Z"{rest}}}"#)
}

pub(crate) fn set(path: &str, value: Value) -> MetaOp {
    MetaOp::Set {
        path: path.into(),
        value: value.into(),
    }
}

pub(crate) fn unset(path: &str) -> MetaOp {
    MetaOp::Unset { path: path.into() }
}

#[track_caller]
pub(crate) fn fails<T: std::fmt::Debug>(result: Result<T>, code: Code, details: &[&str]) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error:?}");
    let form = error.to_json();
    for key in details {
        assert!(!form[*key].is_null(), "no {key} in {form}");
    }
    error
}
