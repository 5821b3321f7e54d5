//! Creating runs.

use camino::Utf8Path;
use std::sync::Arc;

use runr_core::fs::real;
use runr_core::store::{DataDir, RepoId, RunFields, RunStore, Suffixes};
use runr_core::{Code, Result};

use crate::world::{Counting, REPO, World, fails, id, now};

#[test]
fn what_is_not_given_is_generated() {
    let world = World::new();
    let mut fields = RunFields::default();
    fields.title = "Fix the Login".into();
    let paths = world.store.create_from(&fields, now(), false).unwrap();
    assert_eq!(paths.run_id.as_str(), "20260110120000-0001");
    assert_eq!(
        paths.meta_path,
        "/data/repos/abcd1234ef567890/runs/20260110120000-0001/meta.json"
    );
    let meta = world.store.read(&paths.run_id).unwrap();
    assert_eq!(meta.branch, "runr/fix-the-login-0001");
    assert_eq!(meta.repo_id, REPO);
    assert_eq!(meta.created_at, "2026-01-10T12:00:00Z");
}

#[test]
fn a_generated_id_that_is_taken_is_drawn_anew_at_most_eight_times() {
    #[derive(Debug)]
    struct Same;
    impl Suffixes for Same {
        fn next(&self) -> Result<u64> {
            Ok(7)
        }
    }
    let world = World::new();
    // Each attempt draws once for the id and once for the unfinished directory, unless taken.
    for suffix in ["0001", "0002", "0003"] {
        world.create(&format!("20260110120000-{suffix}"));
    }
    let store = RunStore::data(
        world.fs.storage(),
        &world.data,
        &RepoId::parse(REPO).unwrap(),
    );
    let counting = store.clone().with_suffixes(Arc::new(Counting::default()));
    let paths = counting
        .create_from(&RunFields::default(), now(), false)
        .unwrap();
    assert_eq!(paths.run_id.as_str(), "20260110120000-0004");
    let stuck = store.with_suffixes(Arc::new(Same));
    stuck
        .create_from(&RunFields::default(), now(), false)
        .unwrap();
    let error = stuck.create_from(&RunFields::default(), now(), false);
    fails(error, Code::RunDirExists, &["run_dir"]);
}

#[test]
fn everything_in_a_data_directory_is_for_its_owner_alone() {
    let temporary = tempfile::tempdir().unwrap();
    let data = DataDir::new(Utf8Path::from_path(temporary.path()).unwrap().join("data"));
    let store = RunStore::data(real(), &data, &RepoId::parse(REPO).unwrap());
    let mut fields = RunFields::default();
    fields.run_id = Some(id("gh-17"));
    let paths = store.create_from(&fields, now(), false).unwrap();
    store
        .append_event(&id("gh-17"), "cmd_start", None, now())
        .unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = |path: &Utf8Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        let mut dir = Some(paths.run_dir.as_path());
        while let Some(path) = dir.filter(|path| path.starts_with(data.path())) {
            assert_eq!(mode(path), 0o700, "{path}");
            dir = path.parent();
        }
        for name in ["meta.json", "events.jsonl", ".lock"] {
            assert_eq!(mode(&paths.run_dir.join(name)), 0o600, "{name}");
        }
    }
}
