use serde_json::{Value, json};

use super::*;
use crate::phase::event::{Event, Record, RunStarted, Stop};
use crate::phase::state::fold;

const COMMIT: &str = "1111111111111111111111111111111111111111";
const TREE: &str = "2222222222222222222222222222222222222222";

fn records(events: &[Event]) -> Vec<Record> {
    let at = Timestamp::from_millis(0);
    let record = |(seq, event)| Record::new(seq, at, "supervisor", event);
    (1..).zip(events).map(record).collect()
}

fn stop(reason: StopReason) -> Event {
    Event::Stop(Box::new(Stop {
        reason,
        error: None,
        ticks_used: 1,
        cause: None,
        retry_at: None,
        other_run: None,
        log: None,
        overdue: None,
    }))
}

fn events() -> Vec<Event> {
    vec![
        Event::RunStarted(Box::new(RunStarted {
            run_id: "20260101000000".into(),
            base_sha: TREE.into(),
            ..RunStarted::default()
        })),
        Event::CheckpointComplete {
            commit: COMMIT.into(),
            milestone_index: 0,
            tree: TREE.into(),
            sidecar_written: true,
        },
        stop(StopReason::GuardViolation),
    ]
}

fn file(path: &str) -> FileReceipt {
    FileReceipt {
        path: path.into(),
        bytes: Some(2),
        sha256: "ab".repeat(32),
    }
}

fn made() -> (Receipt, State, Story) {
    let records = records(&events());
    let (state, story) = (fold(&records), Story::of(&records));
    let files = Files {
        artifacts: [("diff".to_owned(), file("diff.patch"))].into(),
        logs: vec![file("logs/verify/m01-a1-tier0-1.log")],
        timeline: file("timeline.jsonl"),
    };
    let end = story.end.clone().unwrap();
    let receipt = Receipt::new(&state, &story, &end, Totals::default(), files);
    (receipt, state, story)
}

fn parsed(receipt: &Value) -> Result<Receipt> {
    Receipt::parse(&receipt.to_string(), Utf8Path::new("receipt.json"))
}

#[test]
fn a_receipt_says_how_the_run_ended_and_reads_itself_back() {
    let (receipt, ..) = made();
    let text = json!(receipt);
    assert_eq!(text["terminal_state"], "failed");
    assert_eq!(text["stop_seq"], 3);
    assert_eq!(
        text["milestones"],
        json!([{"index": 0, "tree": TREE, "commit": COMMIT}])
    );
    assert_eq!(text["files_changed"], 0);
    assert_eq!(parsed(&text).unwrap(), receipt);
}

#[test]
fn a_receipt_that_leads_out_of_its_directory_is_refused() {
    let good = json!(made().0);
    for path in [
        "../x",
        "/etc/passwd",
        "logs/../../x",
        "",
        "a//b",
        "./a",
        "a\nb",
    ] {
        for place in [
            "/artifacts_written/diff/path",
            "/logs/0/path",
            "/timeline/path",
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap() = json!(path);
            let error = parsed(&bad).unwrap_err();
            assert_eq!(error.code(), Code::StoreCorrupt, "{path:?} at {place}");
        }
    }
}

#[test]
fn what_is_no_object_id_never_reaches_git() {
    let good = json!(made().0);
    let long = "a".repeat(41);
    for id in [
        "--output=x",
        "HEAD",
        "",
        long.as_str(),
        &COMMIT.replace('1', "G"),
    ] {
        for place in ["/milestones/0/commit", "/milestones/0/tree"] {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap() = json!(id);
            assert_eq!(parsed(&bad).unwrap_err().code(), Code::StoreCorrupt, "{id}");
        }
    }
}

#[test]
fn a_receipt_of_a_later_version_is_refused() {
    let mut later = json!(made().0);
    later["schema_version"] = json!(2);
    assert!(
        parsed(&later)
            .unwrap_err()
            .to_string()
            .contains("version 2")
    );
}

#[test]
fn a_receipt_belongs_to_the_stop_it_describes() {
    let (receipt, state, story) = made();
    let id = receipt.run_id.clone();
    let check = |receipt: Option<&Receipt>, state: &State, story: &Story| {
        check_receipt(&id, receipt, state, story).status
    };
    assert_eq!(check(Some(&receipt), &state, &story), Status::Ok);
    assert_eq!(check(None, &state, &story), Status::Missing);
    let other = |change: &dyn Fn(&mut Receipt)| {
        let mut other = receipt.clone();
        change(&mut other);
        check(Some(&other), &state, &story)
    };
    assert_eq!(other(&|r| r.stop_seq = 2), Status::Changed);
    assert_eq!(other(&|r| r.run_id = "x".into()), Status::Changed);
    assert_eq!(other(&|r| r.base_sha = COMMIT.into()), Status::Changed);
    assert_eq!(other(&|r| r.milestones.clear()), Status::Changed);
    assert_eq!(
        other(&|r| r.stop_reason = StopReason::Complete),
        Status::Changed
    );
    assert_eq!(other(&|r| r.usage.cost_usd = Some(1.0)), Status::Changed);

    let mut on = story.clone();
    on.resumed = true;
    assert_eq!(check(Some(&receipt), &state, &on), Status::Changed);
}

#[test]
fn a_file_is_compared_by_its_length_first() {
    let receipt = file("a");
    let status = |found| check_file(Kind::Log, &receipt, found).status;
    let hashed = |sha256: &str| Found::File {
        sha256: sha256.into(),
    };
    assert_eq!(status(hashed(&receipt.sha256)), Status::Ok);
    assert_eq!(status(hashed("cd")), Status::Changed);
    assert_eq!(status(Found::OtherLength(3)), Status::Changed);
    assert_eq!(status(Found::Unreadable("a link".into())), Status::Changed);
    assert_eq!(status(Found::Nothing), Status::Missing);
}

#[test]
fn a_checkpoint_is_its_commit_and_its_tree() {
    let receipt = &made().0.milestones[0];
    let status = |found| check_commit(receipt, found).status;
    let commit = |tree: &str, whole| FoundCommit::Commit {
        tree: tree.into(),
        whole,
    };
    assert_eq!(status(commit(TREE, true)), Status::Ok);
    assert_eq!(status(commit(TREE, false)), Status::Missing);
    assert_eq!(status(commit(COMMIT, true)), Status::Changed);
    assert_eq!(status(FoundCommit::Other("tag".into())), Status::Changed);
    assert_eq!(status(FoundCommit::Nothing), Status::Missing);
}
