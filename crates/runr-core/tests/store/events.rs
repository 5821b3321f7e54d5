//! The events of a run.

use runr_core::fs::Open;
use runr_core::phase::event::{Event, Record};
use runr_core::phase::model::Phase;
use runr_core::phase::ops::RunFiles;
use runr_core::{Code, Timestamp};
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

#[test]
fn times_never_go_back_when_the_clock_does() {
    let world = World::new();
    let run = world.create("gh-17");
    let back = |ms: i64| Timestamp::from_millis(now().as_millis() - ms);
    let append = |at| {
        let event = world.store.append_event(&run, "e", None, at).unwrap();
        event.timestamp
    };
    assert_eq!(append(now()), "2026-01-10T12:00:00.500Z");
    assert_eq!(append(back(3_600_000)), "2026-01-10T12:00:00.500Z");
    assert_eq!(append(back(-1)), "2026-01-10T12:00:00.501Z");
    // Lines of other programs count, in whatever form they write a time; what is none does not.
    let dir = world.dir(&run);
    dir.unlink("events.jsonl").unwrap();
    let foreign = "{\"event\":\"a\",\"timestamp\":\"2026-01-10T14:00:00+01:00\"}\n";
    put(dir.as_ref(), "events.jsonl", foreign.as_bytes());
    assert_eq!(append(now()), "2026-01-10T13:00:00.000Z");
    dir.unlink("events.jsonl").unwrap();
    put(dir.as_ref(), "events.jsonl", b"{\"timestamp\":\"soon\"}\n");
    assert_eq!(append(now()), "2026-01-10T12:00:00.500Z");
    // A timeline has the same rule, within one write, too.
    let files = RunFiles::new(world.fs.storage(), run, dir.path());
    let note = || Event::PhaseStart { phase: Phase::Plan };
    files.append(now(), "test", &note()).unwrap();
    let at = [back(1_000), back(-1_000), back(500)];
    let build = |i: usize, seq| Record::new(seq, at[i], "test", &note());
    let records = files.timeline().append_batch(3, build).unwrap();
    let times: Vec<_> = records.iter().map(|record| record.timestamp).collect();
    assert_eq!(times, [now(), back(-1_000), back(-1_000)]);
    assert_eq!(files.records().unwrap()[1..], records);
}
