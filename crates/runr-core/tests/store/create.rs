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

#[cfg(unix)]
#[test]
fn a_data_directory_that_others_may_change_is_refused() {
    use std::fs::{Permissions, create_dir_all, metadata, set_permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let directory = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(directory.path()).unwrap().join("data");
    let (data, repo) = (DataDir::new(&root), RepoId::parse(REPO).unwrap());
    let check = |user| {
        data.check_access(&real(), user)?;
        data.check_repository(&real(), &repo, user)
    };
    check(None).unwrap();
    create_dir_all(data.runs_dir(&repo)).unwrap();
    let all = [
        root.clone(),
        data.repos_dir(),
        data.repo_dir(&repo),
        data.runs_dir(&repo),
    ];
    let set = |path: &Utf8Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
    // As other programs make them.
    all.iter().for_each(|path| set(path, 0o755));
    let owner = metadata(&root).unwrap().uid();
    check(Some(owner)).unwrap();
    for path in &all {
        for mode in [0o775, 0o757] {
            set(path, mode);
            let error = fails(check(Some(owner)), Code::Io, &["cause", "hint"]);
            assert_eq!(error.path(), Some(path.as_path()));
            assert_eq!(
                error.hint_text(),
                Some(format!("chmod go-w '{path}'").as_str())
            );
        }
        set(path, 0o700);
    }
}

#[test]
fn a_new_run_takes_a_name_that_is_free() {
    let world = World::new();
    let create = |run: &str, name: &str| {
        let mut fields = RunFields::default();
        fields.run_id = Some(id(run));
        fields.name = Some(name.to_owned());
        world.store.create_from(&fields, now(), false)
    };
    create("gh-17", "fix").unwrap();
    assert_eq!(
        world.store.read(&id("gh-17")).unwrap().name.as_deref(),
        Some("fix")
    );
    fails(
        create("gh-18", "fix"),
        Code::RunRefAmbiguous,
        &["input", "candidates", "hint"],
    );
    fails(
        create("gh-18", "Fix it"),
        Code::InvalidId,
        &["field", "value"],
    );
    assert!(!world.store.exists(&id("gh-18")).unwrap());
    create("gh-18", "other").unwrap();
}
