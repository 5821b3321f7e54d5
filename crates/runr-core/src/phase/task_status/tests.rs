use serde_json::{Value, json};

use super::*;
use crate::error::Code;
use crate::fs::{Durability, MemoryFs, Storage, create_dirs};

const TASK: &str = ".runr/tasks/a.md";

fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_770_000_000_000 + seconds * 1000)
}

fn ended<'a>(run_id: &'a RunId, reason: &'a StopReason) -> TaskEvent<'a> {
    TaskEvent::Ended {
        run_id,
        reason,
        error: Some("\n  what went wrong\nand more"),
        checkpoint: None,
    }
}

#[test]
fn a_run_takes_a_task_from_pending_to_its_end() {
    let run = id("20260101000000");
    let begun = TaskEntry::default().after(&TaskEvent::Begun { run_id: &run });
    assert_eq!(begun.status, TaskStatus::InProgress);
    for (reason, status) in [
        (StopReason::Complete, TaskStatus::Completed),
        (StopReason::GuardViolation, TaskStatus::Failed),
        (StopReason::VerificationFailedMaxRetries, TaskStatus::Failed),
        (StopReason::Interrupted, TaskStatus::Stopped),
        (StopReason::StalledTimeout, TaskStatus::Stopped),
    ] {
        let end = begun.after(&ended(&run, &reason));
        assert_eq!(end.status, status, "{reason}");
        assert_eq!(end.last_stop_reason, Some(reason.to_string()));
        assert_eq!(end.last_error_summary.as_deref(), Some("what went wrong"));
        let again = end.after(&TaskEvent::Begun { run_id: &run });
        assert_eq!(again, begun, "a resume forgets the trouble");
    }
}

#[test]
fn the_run_that_began_last_speaks_for_a_task() {
    let (old, new) = (id("20260101000000"), id("20260102000000"));
    let both = TaskEntry::default()
        .after(&TaskEvent::Begun { run_id: &old })
        .after(&TaskEvent::Begun { run_id: &new });
    assert_eq!(both.after(&ended(&old, &StopReason::Interrupted)), both);
    let done = both.after(&ended(&old, &StopReason::Complete));
    assert_eq!(done.status, TaskStatus::Completed);
    assert_eq!(done.last_run_id.as_deref(), Some(old.as_str()));
    let stays = done.after(&ended(&new, &StopReason::Interrupted));
    assert_eq!(stays, done, "what is done stays done");
}

#[test]
fn a_commit_is_remembered_beyond_a_run_without_one() {
    let run = id("20260101000000");
    let begun = TaskEntry::default().after(&TaskEvent::Begun { run_id: &run });
    let stopped = begun.after(&TaskEvent::Ended {
        run_id: &run,
        reason: &StopReason::Interrupted,
        error: None,
        checkpoint: Some("abc"),
    });
    let again = stopped.after(&TaskEvent::Begun { run_id: &run });
    let failed = again.after(&ended(&run, &StopReason::GuardViolation));
    assert_eq!(failed.last_checkpoint_sha.as_deref(), Some("abc"));
}

#[test]
fn a_file_made_anew_has_all_fields_and_the_next_change_keeps_the_first_date() {
    let run = id("20260101000000");
    let begun = [TaskEvent::Begun { run_id: &run }];
    let text = record_events(None, TASK, &begun, at(0)).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value,
        json!({"schema_version": 1, "tasks": {TASK: {
            "status": "in_progress",
            "first_seen_at": at(0).to_string(),
            "last_updated_at": at(0).to_string(),
            "last_run_id": run.as_str(),
            "last_checkpoint_sha": null,
            "last_error_summary": null,
            "last_stop_reason": null,
        }}})
    );
    let text = record_events(Some(&text), TASK, &[TaskEvent::Done], at(9)).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let entry = &value["tasks"][TASK];
    assert_eq!(entry["first_seen_at"], at(0).to_string());
    assert_eq!(entry["last_updated_at"], at(9).to_string());
    assert_eq!(
        read_entries(&text).unwrap()[TASK].status,
        TaskStatus::Completed
    );
    let same = record_events(Some(&text), TASK, &[TaskEvent::Done], at(20)).unwrap();
    assert_eq!(same, text, "what changes nothing writes nothing");
}

#[test]
fn what_others_wrote_keeps_its_spelling() {
    let text = "{\"schema_version\": 1,\n \"by\": 1e3, \"tasks\": {\n  \"b.md\": {\"status\": \"failed\", \"x\": [1 ,2]},\n  \
                \".runr/tasks/a.md\": {\"status\": \"pending\", \"mine\": \"\\u00e4\"}}}";
    let after = record_events(Some(text), TASK, &[TaskEvent::Done], at(0)).unwrap();
    for kept in [
        "\"by\": 1e3",
        "\"b.md\": {\"status\": \"failed\", \"x\": [1 ,2]}",
        "\"mine\": \"\\u00e4\"",
    ] {
        assert!(after.contains(kept), "{kept} in {after}");
    }
    assert_eq!(
        read_entries(&after).unwrap()[TASK].status,
        TaskStatus::Completed
    );
}

#[test]
fn what_is_no_status_file_is_named_with_its_place_and_never_replaced() {
    for (text, line, reason) in [
        ("", 1, ""),
        ("{\n", 2, ""),
        ("[]", 1, "not an object"),
        ("{\n\"tasks\": {}}", 1, "`schema_version`"),
        (
            "{\n\"schema_version\": 2, \"tasks\": {}}",
            2,
            "`schema_version`",
        ),
        ("{\"schema_version\": 1,\n\"tasks\": []}", 2, "`tasks`"),
        (
            "{\"schema_version\": 1, \"tasks\": {\n\"a\": 1}}",
            2,
            "not an object",
        ),
        (
            "{\"schema_version\": 1, \"tasks\": {\n\"a\": {\"status\": \"done\"}}}",
            2,
            "`status`",
        ),
        (
            "{\"schema_version\": 1, \"tasks\": {\n\"a\": {\"status\": \"failed\", \"last_run_id\": 1}}}",
            2,
            "`last_run_id`",
        ),
        (
            "{\"schema_version\": 1, \"tasks\": {\"a\": {\"status\": \"failed\"},\n\"a\": {\"status\": \"failed\"}}}",
            2,
            "twice",
        ),
    ] {
        let bad = read_entries(text).unwrap_err();
        assert!(
            bad.line == line && bad.reason.contains(reason),
            "{text}: {bad}"
        );

        let storage: Storage = MemoryFs::new().into();
        create_dirs(&storage, "/r/.runr".into(), 0o777, Durability::None).unwrap();
        let file = TaskStatusFile::open(storage.clone(), "/r".into());
        file.document.create(text).unwrap();
        let error = file.note(TASK, &[TaskEvent::Done], at(0)).unwrap_err();
        assert_eq!(error.code(), Code::StoreCorrupt, "{text}");
        assert_eq!(error.context()["line"], line);
        assert_eq!(file.document.read().unwrap().as_deref(), Some(text));
    }
}
