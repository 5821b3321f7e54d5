//! The events of a run.

use runr_core::Code;
use runr_core::fs::Open;
use serde_json::json;

use crate::world::{World, fails, now, put};

#[test]
fn events_are_numbered_and_written_with_the_number_last() {
    let world = World::new();
    let run = world.create("gh-17");
    world
        .store
        .append_event(&run, "cmd_start", Some(json!({"cmd": "push"})), now())
        .unwrap();
    world.store.append_event(&run, "stop", None, now()).unwrap();
    let bytes = world.dir(&run).read("events.jsonl", 4096).unwrap().bytes;
    let expected = r#"{"schema_version":"1.0","timestamp":"2026-01-10T12:00:00.500Z","repo_id":"abcd1234ef567890","run_id":"gh-17","event":"cmd_start","data":{"cmd":"push"},"seq":1}
{"schema_version":"1.0","timestamp":"2026-01-10T12:00:00.500Z","repo_id":"abcd1234ef567890","run_id":"gh-17","event":"stop","seq":2}
"#;
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    let since = world.store.events(&run, 1).unwrap();
    assert_eq!((since.len(), since[0].event.as_str()), (1, "stop"));
}

#[test]
fn events_of_another_program_count_by_their_place() {
    let world = World::new();
    let run = world.create("gh-17");
    let foreign = r#"{"schema_version":"1.0","timestamp":"2026-01-10T12:00:00Z","repo_id":"r","run_id":"gh-17","event":"stop"}"#;
    put(
        world.dir(&run).as_ref(),
        "events.jsonl",
        format!("{foreign}\n{foreign}\n").as_bytes(),
    );
    let seqs = || -> Vec<u64> {
        world
            .store
            .events(&run, 0)
            .unwrap()
            .iter()
            .map(|event| event.seq)
            .collect()
    };
    assert_eq!(seqs(), [1, 2]);
    let ours = world
        .store
        .append_event(&run, "clean_started", None, now())
        .unwrap();
    assert_eq!(ours.seq, 3);
    assert_eq!(seqs(), [1, 2, 3]);
    let mut file = world.dir(&run).open("events.jsonl", Open::Append).unwrap();
    file.write(format!("{foreign}\n").as_bytes()).unwrap();
    drop(file);
    assert_eq!(
        world
            .store
            .append_event(&run, "x", None, now())
            .unwrap()
            .seq,
        5
    );
    assert_eq!(seqs(), [1, 2, 3, 4, 5]);
}

#[test]
fn damaged_events_are_named_with_their_place_and_left_alone() {
    let world = World::new();
    let run = world.create("gh-17");
    put(
        world.dir(&run).as_ref(),
        "events.jsonl",
        b"{\"event\":\"a\"}\nnonsense\n",
    );
    fails(
        world.store.events(&run, 0),
        Code::StoreCorrupt,
        &["offset", "line"],
    );
    fails(
        world.store.append_event(&run, "b", None, now()),
        Code::StoreCorrupt,
        &["offset"],
    );
}
