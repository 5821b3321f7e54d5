//! Lists of runs.

use runr_core::store::{RepoId, RunFields, RunStore, Seen, list_order, scan_all};
use serde_json::{Value, json};

use crate::world::{World, id, now, put};

#[test]
fn a_list_is_newest_first_and_broken_last_over_all_repositories() {
    let world = World::new();
    let other = RunStore::data(
        world.fs.storage(),
        &world.data,
        &RepoId::parse("r0").unwrap(),
    );
    let at = |store: &RunStore, run_id: &str, time: &str| {
        let mut fields = RunFields::default();
        fields.run_id = Some(id(run_id));
        fields.created_at = Some(time.parse().unwrap());
        store.create_from(&fields, now(), false).unwrap();
    };
    at(&world.store, "old", "2026-01-01T00:00:00Z");
    at(&world.store, "new-b", "2026-01-03T00:00:00Z");
    at(&other, "new-a", "2026-01-03T00:00:00Z");
    world.write("aaa-broken", b"{");
    let (mut records, warnings) = scan_all(&world.data.stores(&world.fs.storage()).unwrap());
    assert!(warnings.is_empty());
    let ids = |records: &[runr_core::store::Record]| -> Vec<String> {
        records
            .iter()
            .map(|record| record.run_id.to_string())
            .collect()
    };
    assert_eq!(ids(&records), ["aaa-broken", "new-b", "old", "new-a"]);
    records.sort_by(list_order);
    assert_eq!(ids(&records), ["new-a", "new-b", "old", "aaa-broken"]);
    let row = json!(records[3].row(None, Seen::default()));
    assert_eq!(row["title"], "<broken>");
    assert_eq!(
        (&row["runner"], &row["created_at"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&row["broken"], &row["derived_status"]),
        (&json!(true), &json!("broken"))
    );
    let repo = world
        .fs
        .storage()
        .open_dir("/data/repos/r0".into())
        .unwrap();
    put(
        repo.as_ref(),
        "repo.json",
        br#"{"repo_key":"github:a/b","origin_url":"u","schema_version":"1.0"}"#,
    );
    let known = other.repo_record();
    assert_eq!(
        records[0].row(known.as_ref(), Seen::default()).repo_key,
        Some("github:a/b")
    );
}

#[test]
fn a_missing_data_directory_is_an_empty_list() {
    let world = World::new();
    assert!(world.data.stores(&world.fs.storage()).unwrap().is_empty());
    assert!(world.store.scan().unwrap().is_empty());
}
