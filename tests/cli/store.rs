//! A damaged record is reported where it is damaged, and left as it is.

use std::fs;
use std::ops::Range;

use crate::support::{Output, Sandbox, Script};

/// A finished run whose timeline is replaced by what `damage` makes of its lines.
fn damaged(damage: impl Fn(&mut Vec<String>)) -> (Sandbox, String) {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree", "--max-ticks", "3"], 1);
    let mut lines: Vec<String> = sandbox
        .timeline_text(&run.id)
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(lines.len() > 5, "{lines:?}");
    damage(&mut lines);
    fs::write(
        sandbox.run_dir(&run.id).join("timeline.jsonl"),
        lines.join("\n") + "\n",
    )
    .unwrap();
    // The cache would spare the reader the journal.
    fs::remove_file(sandbox.run_dir(&run.id).join("state.json")).unwrap();
    (sandbox, run.id)
}

/// Byte range of a line in the timeline.
fn line_range(sandbox: &Sandbox, id: &str, line: usize) -> Range<u64> {
    let text = sandbox.timeline_text(id);
    let start: usize = text.lines().take(line).map(|line| line.len() + 1).sum();
    let length = text.lines().nth(line).unwrap().len() + 1;
    start as u64..(start + length) as u64
}

/// Every command that reads the journal names the place; none changes a byte of it.
#[track_caller]
fn assert_corrupt(sandbox: &Sandbox, id: &str, bad_line: usize) {
    let range = line_range(sandbox, id, bad_line);
    let before = sandbox.timeline_text(id);
    let named = |output: Output| {
        let error = output
            .exits(1)
            .error_json("E_STORE_CORRUPT", "store_corrupt");
        let offset = error["offset"]
            .as_u64()
            .unwrap_or_else(|| panic!("no offset: {error}"));
        assert!(
            range.contains(&offset),
            "offset {offset} is outside of the bad line {range:?}: {error}"
        );
    };
    named(sandbox.runr(&["report", id, "--json"]).output());
    named(sandbox.runr(&["status", id, "--json"]).output());
    let human = sandbox.runr(&["resume", id]).output().exits(1);
    let first = human
        .stderr
        .lines()
        .find(|line| line.starts_with("Error: "))
        .unwrap_or_default();
    assert!(
        first.starts_with("Error: Run state is corrupt: ") && first.contains("timeline.jsonl"),
        "{human}"
    );
    assert!(human.stderr.contains("offset"), "{human}");
    assert_eq!(sandbox.timeline_text(id), before, "not a byte is touched");
    assert!(
        !sandbox.run_dir(id).join("state.json").exists(),
        "no state is made up"
    );
}

#[test]
fn a_line_that_is_not_json_is_located() {
    let (sandbox, id) = damaged(|lines| lines[3] = "\u{0}\u{0}garbage".to_owned());
    assert_corrupt(&sandbox, &id, 3);
}

#[test]
fn a_gap_in_the_sequence_is_located() {
    let (sandbox, id) = damaged(|lines| drop(lines.remove(2)));
    assert_corrupt(&sandbox, &id, 2);
}

#[test]
fn a_repeated_line_is_located() {
    let (sandbox, id) = damaged(|lines| lines.insert(2, lines[1].clone()));
    assert_corrupt(&sandbox, &id, 2);
}

#[test]
fn a_torn_last_line_is_no_damage() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree", "--max-ticks", "3"], 1);
    let whole = sandbox.timeline_text(&run.id);
    let report = sandbox.report(&run.id);
    let torn = format!("{whole}{{\"seq\":{},\"timest", whole.lines().count() + 1);
    let path = sandbox.run_dir(&run.id).join("timeline.jsonl");
    fs::write(&path, &torn).unwrap();
    assert_eq!(sandbox.report(&run.id), report);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        torn,
        "a reader repairs nothing"
    );

    sandbox.runr(&["resume", &run.id]).output().exits(0);
    assert!(
        sandbox.timeline_text(&run.id).starts_with(&whole),
        "no whole line is lost"
    );
    assert!(
        sandbox.timeline(&run.id).len() > whole.lines().count(),
        "the torn line is gone, the sequence goes on"
    );
    assert_eq!(sandbox.status(&run.id)["stop_reason"], "complete");
}

#[test]
fn an_unreadable_state_is_reported_and_left() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&["--worktree", "--max-ticks", "3"], 1);
    let path = sandbox.run_dir(&run.id).join("state.json");
    fs::write(&path, "{\"phase\": \"IMPL").unwrap();
    sandbox
        .runr(&["status", &run.id, "--json"])
        .output()
        .exits(1)
        .error_json("E_STORE_CORRUPT", "store_corrupt");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"phase\": \"IMPL");
}
