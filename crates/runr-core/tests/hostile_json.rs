//! Hostile JSON in the files of a run: refused with its place or kept with its spelling, and never
//! written over.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics where it fails"
)]

#[path = "../../../tests/hostile/mod.rs"]
mod hostile;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part of this module"
)]
#[path = "store/world.rs"]
mod world;

use hostile::{RUN, Text, texts};
use runr_core::json::Written;
use runr_core::store::{Candidate, resolve};
use runr_core::{Code, Error, Result};
use serde_json::{Value, json};
use world::{World, id, least, now, put, set};

/// What every way to change a run answers.
fn changes(world: &World) -> Vec<(&'static str, Result<()>)> {
    let (store, run) = (&world.store, id(RUN));
    let seen = json!({});
    vec![
        ("update", store.update(&run, |_| Ok(())).map(drop)),
        (
            "update_values",
            store
                .update_values(&run, &[set("/pr_number", json!(5))])
                .map(drop),
        ),
        (
            "update_document",
            store
                .update_document(&run, |it| Ok(Written::from(it)))
                .map(drop),
        ),
        (
            "save_version",
            store.save_version(&run, "", &seen.into()).map(drop),
        ),
    ]
}

#[track_caller]
fn is_corrupt(name: &str, error: &Error, here: Option<u64>) {
    assert_eq!(error.code(), Code::StoreCorrupt, "{name}: {error:?}");
    let form = error.to_json();
    assert!(
        form["path"].is_string() && form["cause"].is_string(),
        "{form}"
    );
    match here {
        Some(0) => assert!(
            form["offset"].is_null() || form["offset"] == 0,
            "{name}: {form}"
        ),
        Some(here) => assert_eq!(form["offset"], here, "{name}: {form}"),
        None => {}
    }
}

#[test]
fn a_hostile_document_is_refused_with_its_place_and_never_written_over() {
    for Text {
        name, bytes, here, ..
    } in texts("documents", "refused")
    {
        let world = World::new();
        let run = world.write(RUN, &bytes);
        is_corrupt(&name, &world.store.read(&run).unwrap_err(), here);
        for (_, answer) in changes(&world) {
            is_corrupt(&name, &answer.unwrap_err(), here);
        }
        let records = world.store.scan().unwrap();
        assert!(records[0].is_broken(), "{name}");
        let candidates: Vec<_> = records.iter().map(Candidate::from).collect();
        assert_eq!(resolve(RUN, &candidates, None).unwrap(), 0);
        // Events have a file of their own.
        world.store.append_event(&run, "stop", None, now()).unwrap();
        assert_eq!(world.bytes(&run), bytes, "{name}");
    }
}

#[test]
fn an_odd_document_is_kept_in_its_spelling() {
    for Text {
        name, bytes, keeps, ..
    } in texts("documents", "kept")
    {
        let world = World::new();
        let run = world.write(RUN, &bytes);
        world
            .store
            .read(&run)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        world.store.update(&run, |_| Ok(())).unwrap();
        world.store.update_document(&run, Ok).unwrap();
        assert_eq!(world.bytes(&run), bytes, "{name}: nothing was to change");
        let changed = world
            .store
            .update_values(&run, &[set("/pr_number", json!(5))]);
        assert_eq!(changed.unwrap().pr_number, Some(5));
        let text = world.text(&run);
        assert!(text.contains(&keeps), "{name}: no {keeps} in {text}");
        world
            .store
            .update_document(&run, |mut document| {
                document["pr_number"] = json!(6);
                Ok(document)
            })
            .unwrap();
        assert_eq!(
            world.text(&run),
            text.replace("\"pr_number\": 5", "\"pr_number\": 6")
        );
    }
}

/// Every known field with a value of each kind it must not have.
#[test]
fn a_known_field_of_the_wrong_type_is_refused_with_its_place() {
    let texts = "schema_version run_id repo_id title name runner runner_cmd parent_branch branch \
        worktree_path created_at tmux_session_name pr_url last_push_at last_verify_at \
        last_report_sync_at last_report_hash flags.needs_attention_reason setup.command \
        setup.log_path setup.output_summary archive.archived_at archive.merged_at";
    let integers = "pr_number setup.exit_code setup.duration_ms";
    let truths = "flags.setup_failed flags.tmux_failed flags.needs_attention flags.abandoned \
        setup.timed_out setup.output_ok";
    let kinds = [
        (texts, "1 true [] {}"),
        (integers, "\"1\" 1.0 1e2 9223372036854775808 true [] {}"),
        (truths, "\"true\" 1 [] {}"),
        ("flags setup archive", "\"x\" 1 true []"),
    ];
    let mut tried = 0;
    for (fields, wrong) in kinds {
        for field in fields.split_whitespace() {
            for value in wrong.split_whitespace() {
                let member = match field.split_once('.') {
                    Some((outer, inner)) => format!(",\"{outer}\":{{\"{inner}\":{value}}}"),
                    None => format!(",\"{field}\":{value}"),
                };
                // A field that must be there is replaced, not repeated.
                let whole = least("")
                    .trim_end_matches('}')
                    .replace(&format!("\"{field}\""), "\"x\"");
                let text = format!("{whole}{member}}}");
                let here = text.rfind(value).unwrap() as u64;
                let world = World::new();
                let run = world.write(RUN, text.as_bytes());
                let error = world.store.read(&run).unwrap_err();
                let cause = error.to_json()["cause"].clone();
                is_corrupt(&text, &error, Some(here));
                assert!(cause.as_str().unwrap().contains(field), "{text}: {cause}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 23 * 4 + 3 * 7 + 6 * 4 + 3 * 4);
}

#[test]
fn a_hostile_line_is_refused_by_readers_and_writers_and_left() {
    for Text { name, bytes, .. } in texts("events", "refused") {
        let good = b"{\"event\":\"stop\"}\n";
        for (before, after) in [(&b""[..], &b""[..]), (good, b""), (good, good)] {
            let world = World::new();
            let run = world.create(RUN);
            let whole = [before, &bytes, b"\n", after].concat();
            put(world.dir(&run).as_ref(), "events.jsonl", &whole);
            let error = world.store.events(&run, 0).unwrap_err();
            is_corrupt(&name, &error, Some(before.len() as u64));
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(error.to_json()["line"], line, "{name}");
            let appended = world.store.append_event(&run, "x", None, now());
            if after.is_empty() {
                is_corrupt(&name, &appended.unwrap_err(), None);
                let file = world.dir(&run).read("events.jsonl", 20 << 20).unwrap();
                assert!(file.bytes == whole, "{name}");
            }
        }
    }
}

#[test]
fn an_odd_line_is_read_and_left_as_it_is() {
    for Text { name, bytes, .. } in texts("events", "kept") {
        let world = World::new();
        let run = world.create(RUN);
        let whole = [&bytes[..], b"\n", &bytes, b"\n"].concat();
        put(world.dir(&run).as_ref(), "events.jsonl", &whole);
        let events = world.store.events(&run, 0);
        let events = events.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((events.len(), events[1].seq), (2, 2), "{name}");
        let appended = world.store.append_event(&run, "x", None, now()).unwrap();
        assert_eq!(appended.seq, 3, "{name}");
        let file = world.dir(&run).read("events.jsonl", 20 << 20).unwrap();
        assert!(file.bytes.starts_with(&whole), "{name}");
        assert_eq!(world.store.events(&run, 2).unwrap(), [appended]);
    }
}

#[test]
fn an_event_of_another_program_tells_all_it_knows() {
    let world = World::new();
    let run = world.create(RUN);
    let line = r#"{"event":"stop","timestamp":"t","run_id":"r","repo_id":"q","data":{"n":1e400,"s":"\ud800!"}}"#;
    put(
        world.dir(&run).as_ref(),
        "events.jsonl",
        format!("{line}\n").as_bytes(),
    );
    let event = &world.store.events(&run, 0).unwrap()[0];
    assert_eq!(
        (
            &*event.event,
            &*event.timestamp,
            &*event.run_id,
            &*event.repo_id,
            event.seq
        ),
        ("stop", "t", "r", "q", 1)
    );
    assert_eq!(event.data, Some(json!({"n": "1e400", "s": "\u{fffd}!"})));
    assert_eq!(json!(event)["schema_version"], Value::String(String::new()));
}

#[test]
fn a_later_version_is_named() {
    let world = World::new();
    let run = world.create(RUN);
    let later = "{\"schema_version\":\"2.0\",\"event\":\"x\"}\n";
    put(world.dir(&run).as_ref(), "events.jsonl", later.as_bytes());
    for error in [
        world.store.events(&run, 0).unwrap_err(),
        world
            .store
            .append_event(&run, "x", None, now())
            .unwrap_err(),
    ] {
        assert_eq!(error.to_json()["schema_version"], "2.0", "{error}");
    }
}

/// The canonical layout of deeply nested lists takes a hundred times the space of the text.
#[test]
fn a_document_near_the_limit_is_read_and_changed_or_refused_but_never_blown_up() {
    let deep = format!(
        "{}{}0{}",
        "[".repeat(120),
        "0,".repeat(300_000),
        "]".repeat(120)
    );
    let world = World::new();
    let run = world.write(RUN, least(&format!(",\"x\":{deep}")).as_bytes());
    let meta = world.store.read(&run).unwrap();
    assert!(meta.to_text().len() < 2 << 20, "{}", meta.to_text().len());
    let changed = world
        .store
        .update_values(&run, &[set("/pr_number", json!(5))]);
    assert_eq!(changed.unwrap().pr_number, Some(5));
    assert!(world.text(&run).contains(&deep), "as it was written");
    // Nothing can be added to a document that is full.
    let room = (4 << 20) - world.bytes(&run).len();
    let filled = world.write(
        "gh-18",
        least(&format!(",\"x\":\"{}\"", "y".repeat((4 << 20) - 80))).as_bytes(),
    );
    let text = world.bytes(&filled);
    let error = world.store.update(&filled, |meta| {
        meta.title = "z".repeat(room);
        Ok(())
    });
    assert_eq!(error.unwrap_err().code(), Code::MetaWriteFailed);
    let error = world
        .store
        .update_values(&filled, &[set("/y", json!("z".repeat(room)))]);
    assert_eq!(error.unwrap_err().code(), Code::Usage);
    assert_eq!(world.bytes(&filled), text);
}
