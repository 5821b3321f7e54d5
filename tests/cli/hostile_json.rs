//! Hostile JSON under the command line: refused, never written over, in bounded memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::hostile::{REPO, RUN, Text, texts};
use crate::support::{Output, Shop, least};

/// The directory of a run with this document, made by hand.
fn place(shop: &Shop, id: &str, document: &[u8]) -> PathBuf {
    let dir = shop.data().join("repos").join(REPO).join("runs").join(id);
    fs::create_dir_all(dir.join("logs")).unwrap();
    fs::write(dir.join("meta.json"), document).unwrap();
    dir
}

/// Which field a change sets.
fn changes(id: &str) -> Value {
    json!({"run_id": id, "set": {"/pr_number": 5}})
}

#[test]
fn hostile_documents_are_refused_and_stay_as_they_are() {
    let shop = Shop::new();
    let documents = texts("documents", "refused");
    let id = |index: usize| format!("run-{index}");
    let dirs: Vec<_> = documents
        .iter()
        .enumerate()
        .map(|(index, text)| place(&shop, &id(index), &text.bytes))
        .collect();
    for (index, Text { name, here, .. }) in documents.iter().enumerate() {
        for (function, arguments) in [
            ("store_read", json!({"run_id": id(index)})),
            ("store_update", changes(&id(index))),
        ] {
            let output = shop.call(function, arguments).output().exits(1);
            let error = output.error_json("E_STORE_CORRUPT", "store_corrupt");
            let damage = here.filter(|here| *here > 0);
            assert!(
                damage.is_none_or(|here| error["offset"] == here),
                "{name}: {error}"
            );
        }
    }
    let rows = shop.json(&["ls"]);
    let rows = rows["data"].as_array().unwrap();
    assert_eq!(rows.len(), documents.len());
    assert!(rows.iter().all(|row| row["broken"] == true), "{rows:?}");
    // What looks at all runs looks at all of these.
    for args in [
        &["show", "run-1", "--json"][..],
        &["show", "run-1"],
        &["set", "run-1", "pr_number=5"],
        &["set", "run-1", "--unset", "/title", "--json"],
    ] {
        let output = shop.store(args).output().exits(1);
        assert!(output.text().contains("unusable"), "{output}");
    }
    assert_eq!(shop.json(&["resolve", "run-1"])["broken"], true);
    assert_eq!(shop.json(&["path", "run-1"])["run_id"], "run-1");
    shop.store(&["events", "run-1", "--append", "stop"])
        .output()
        .exits(0);
    shop.runr(&["doctor"]).output();
    for (dir, Text { name, bytes, .. }) in dirs.iter().zip(&documents) {
        assert!(fs::read(dir.join("meta.json")).unwrap() == *bytes, "{name}");
    }
    // A repair puts a usable document in its place, but never loses a byte.
    shop.runr(&["doctor", "--fix"]).output();
    let mut left = Vec::new();
    contents(dirs[0].ancestors().nth(2).unwrap(), &mut left);
    for Text { name, bytes, .. } in &documents {
        assert!(left.contains(bytes), "{name}");
    }
}

fn contents(dir: &Path, files: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents(&path, files);
        } else {
            files.push(fs::read(path).unwrap());
        }
    }
}

#[test]
fn odd_documents_are_kept_in_their_spelling() {
    let shop = Shop::new();
    for (
        index,
        Text {
            name, bytes, keeps, ..
        },
    ) in texts("documents", "kept").iter().enumerate()
    {
        let id = format!("run-{index}");
        let file = place(&shop, &id, bytes).join("meta.json");
        shop.call("store_read", json!({"run_id": id}))
            .output()
            .exits(0);
        assert_eq!(&fs::read(&file).unwrap(), bytes, "{name}");
        shop.call("store_update", changes(&id)).output().exits(0);
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.contains(keeps) && text.contains("\"pr_number\": 5"),
            "{name}: {text}"
        );
    }
    let rows = shop.json(&["ls"]);
    assert!(
        rows["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["broken"] == false)
    );
}

#[test]
fn hostile_lines_are_refused_and_stay_as_they_are() {
    let shop = Shop::new();
    for (index, Text { name, bytes, .. }) in texts("events", "refused").iter().enumerate() {
        let id = format!("run-{index}");
        let file = place(&shop, &id, least("").as_bytes()).join("events.jsonl");
        let whole = [b"{\"event\":\"a\"}\n", &bytes[..], b"\n"].concat();
        fs::write(&file, &whole).unwrap();
        for (function, arguments) in [
            ("store_events", json!({"run_id": id})),
            ("store_append_event", json!({"run_id": id, "name": "stop"})),
        ] {
            let output = shop.call(function, arguments).output().exits(1);
            let error = output.error_json("E_STORE_CORRUPT", "store_corrupt");
            // Where a line that is too long begins, a writer does not look for.
            if function == "store_events" || bytes.len() <= 1 << 20 {
                assert_eq!(error["offset"], 14, "{name}: {error}");
            }
        }
        assert!(fs::read(&file).unwrap() == whole, "{name}");
    }
}

/// Runs a command that may have so much memory for its data, in KiB, and no more.
fn within(shop: &Shop, kib: usize, args: &[&str], stdin: &str) -> Output {
    let limited = format!("ulimit -d {kib}; exec \"$@\"");
    let words = [&["-c", &limited, "sh", env!("CARGO_BIN_EXE_runr")], args].concat();
    shop.sandbox
        .command("/bin/sh")
        .args(&words)
        .env("RUNR_DATA_DIR", shop.data())
        .stdin(stdin)
        .limit(Duration::from_secs(20))
        .output()
}

/// Whether this system has no such limit.
fn not_limited() -> bool {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: the memory of a command is limited on Linux only");
    }
    !cfg!(target_os = "linux")
}

/// What a command needs for itself, whatever it reads.
const BASE: usize = 8 << 10;
/// The limit of a document.
const LIMIT: usize = 4 << 10;

#[test]
fn what_is_too_large_is_refused_in_three_times_the_memory_of_the_limit() {
    if not_limited() {
        return;
    }
    let shop = Shop::new();
    let run = place(&shop, RUN, least("").as_bytes());
    let (meta, events) = (run.join("meta.json"), run.join("events.jsonl"));
    let sized = |file: &Path, size: u64| {
        // The length counts; a hole takes no space.
        fs::File::create(file).unwrap().set_len(size).unwrap();
    };
    let asks: [(&str, Value); 4] = [
        ("store_read", json!({"run_id": RUN})),
        ("store_update", changes(RUN)),
        ("store_events", json!({"run_id": RUN})),
        ("store_append_event", json!({"run_id": RUN, "name": "stop"})),
    ];
    let ask = |asks: &[(&str, Value)], exit: i32, what: &str| {
        for (function, arguments) in asks {
            let mut arguments = arguments.clone();
            arguments["data_store"] = json!({});
            let stdin = arguments.to_string();
            let output = within(&shop, BASE + 3 * LIMIT, &["call", function], &stdin);
            assert_eq!(output.code, Some(exit), "{what}: {output}");
            if exit != 0 {
                output.error_json("E_STORE_CORRUPT", "store_corrupt");
            }
        }
    };
    let string = |len: usize| least(&format!(",\"x\":\"{}\"", "y".repeat(len)));
    fs::write(&meta, string((4 << 20) + 1 - string(0).len())).unwrap();
    ask(&asks[..2], 1, "one byte too many");
    fs::write(&meta, string(10_000_000)).unwrap();
    ask(&asks[..2], 1, "one string of 10 MB");
    sized(&meta, 100_000_000);
    ask(&asks[..2], 1, "100 MB");
    for (what, text) in [
        ("a line of 10 MB", format!("{}\n", "y".repeat(10_000_000))),
        ("10 MB without a line feed", "y".repeat(10_000_000)),
        (
            "a record of 10 MB",
            format!("{{\"data\":\"{}\"}}\n", "y".repeat(10_000_000)),
        ),
    ] {
        fs::write(&events, &text).unwrap();
        ask(&asks[2..], 1, what);
        assert!(fs::read_to_string(&events).unwrap() == text, "{what}");
    }
    sized(&events, 100_000_000);
    ask(&asks[2..], 1, "100 MB of zeros");
    assert_eq!(fs::metadata(&events).unwrap().len(), 100_000_000);

    // As large as may be; and the limit is one: more than it gives is not to be had.
    fs::write(&meta, string((4 << 20) - string(0).len())).unwrap();
    let list = within(&shop, BASE + 3 * LIMIT, &["store", "ls"], "").exits(0);
    assert!(!list.stdout.contains("broken"), "{list}");
    let starved = within(&shop, BASE, &["store", "ls"], "");
    assert_ne!(starved.code, Some(0), "{starved}");
}

#[test]
fn a_document_within_the_limit_is_not_blown_up() {
    if not_limited() {
        return;
    }
    let shop = Shop::new();
    let deep = format!(
        "{}{}0{}",
        "[".repeat(120),
        "0,".repeat(1_000_000),
        "]".repeat(120)
    );
    place(&shop, RUN, least(&format!(",\"x\":{deep}")).as_bytes());
    for args in [&["show", RUN][..], &["set", RUN, "pr_number=5"]] {
        let words = [&["store"], args].concat();
        within(&shop, 32 * LIMIT, &words, "").exits(0);
    }
}
