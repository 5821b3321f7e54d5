//! Records as other programs leave them.

use super::*;

fn pr() -> Target {
    Target::pr("owner/repo", 17).unwrap()
}

/// A record with these members besides the ones it cannot do without.
fn with(members: &str) -> Record {
    let text =
        format!(r#"{{"schemaVersion":2,"target":{{"repo":"owner/repo","pr":17}},{members}}}"#);
    read_record(&text, &pr()).unwrap().unwrap()
}

fn refused(text: &str) -> Code {
    read_record(text, &pr()).unwrap_err().code()
}

fn now() -> Now {
    Now::from(crate::Timestamp::from_millis(1_780_648_468_365))
}

#[test]
fn a_new_record_has_the_form_of_the_format() {
    let record = create(&pr(), RunName::new(" run-1 "), &now());
    let text = record_text(&record);
    assert_eq!(
        text,
        r#"{
  "schemaVersion": 2,
  "target": {
    "repo": "owner/repo",
    "pr": 17
  },
  "activeRun": {
    "runId": "run-1",
    "claimedAt": "2026-06-05T08:34:28.365Z",
    "updatedAt": "2026-06-05T08:34:28.365Z"
  },
  "previousRun": null,
  "history": [
    {
      "type": "claim",
      "runId": "run-1",
      "at": "2026-06-05T08:34:28.365Z"
    }
  ],
  "exitSignals": []
}
"#
    );
    assert_eq!(read_record(&text, &pr()).unwrap(), Some(record));
}

#[test]
fn null_is_no_record_and_nothing_else_is() {
    assert_eq!(read_record(" null\n", &pr()).unwrap(), None);
    for text in [
        "",
        "  ",
        "{",
        "nul",
        "5",
        "\"x\"",
        "\u{feff}null",
        "null null",
    ] {
        assert_eq!(refused(text), Code::StoreCorrupt, "{text:?}");
    }
}

#[test]
fn limits_of_size_and_depth_are_refused_as_corrupt() {
    let history = |element: &str| {
        format!(
            r#"{{"schemaVersion":2,"target":{{"repo":"owner/repo","pr":17}},"history":[{element}]}}"#
        )
    };
    let deep = |levels: usize| history(&("[".repeat(levels) + &"]".repeat(levels)));
    assert!(read_record(&deep(125), &pr()).is_ok());
    assert_eq!(refused(&deep(126)), Code::StoreCorrupt);
    let large = |bytes: usize| history(&format!("\"{}\"", "x".repeat(bytes)));
    assert!(read_record(&large((4 << 20) - 200), &pr()).is_ok());
    assert_eq!(refused(&large(4 << 20)), Code::StoreCorrupt);
}

#[test]
fn the_schema_is_a_number_whose_value_is_known() {
    for version in ["1", "2", "2.0", "0.2e1", "1, \"schemaVersion\": 2"] {
        let text = format!(
            r#"{{"schemaVersion": {version}, "target": {{"repo": "owner/repo", "pr": 17}}}}"#
        );
        assert!(read_record(&text, &pr()).unwrap().is_some(), "{version}");
    }
    for version in [
        "0",
        "3",
        "2.5",
        "\"2\"",
        "null",
        "true",
        "[2]",
        "1e400",
        "2, \"schemaVersion\": 3",
    ] {
        let text = format!(
            r#"{{"schemaVersion": {version}, "target": {{"repo": "owner/repo", "pr": 17}}}}"#
        );
        assert_eq!(refused(&text), Code::RecordSchema, "{version}");
    }
    assert_eq!(refused("{}"), Code::RecordSchema);
    assert_eq!(refused("[]"), Code::RecordSchema);
}

#[test]
fn the_target_must_be_the_one_that_was_asked_for() {
    let of = |target: &str| format!(r#"{{"schemaVersion":1,"target":{target}}}"#);
    for target in [
        r#"{"repo": " OWNER/Repo", "pr": "0x11"}"#,
        r#"{"pr": [[17]], "repo": "x", "repo": "owner/repo", "kind": "issue"}"#,
    ] {
        assert!(read_record(&of(target), &pr()).is_ok(), "{target}");
    }
    for (target, code) in [
        ("null", Code::StoreCorrupt),
        ("\"owner/repo#17\"", Code::StoreCorrupt),
        ("[]", Code::TargetInvalid),
        (r#"{"repo": "owner/repo"}"#, Code::TargetInvalid),
        (r#"{"repo": "bad slug/x", "pr": 17}"#, Code::TargetInvalid),
        (
            r#"{"repo": "owner/repo", "pr": 18}"#,
            Code::RecordTargetMismatch,
        ),
    ] {
        assert_eq!(refused(&of(target)), code, "{target}");
    }
}

#[test]
fn the_record_of_an_issue_says_that_it_is_one() {
    let issue = Target::issue("owner/repo", 17).unwrap();
    let text = record_text(&create(&issue, None, &now()));
    assert!(text.contains("\"kind\": \"issue\""), "{text}");
    assert!(read_record(&text, &issue).is_ok());
    let error = read_record(&record_text(&create(&pr(), None, &now())), &issue).unwrap_err();
    assert_eq!(error.code(), Code::RecordTargetMismatch);
    assert!(error.to_string().contains("owner/repo#17"), "{error}");
    assert!(error.to_string().contains("owner/repo issue 17"), "{error}");
}

#[test]
fn what_has_the_wrong_type_is_as_good_as_absent() {
    for active in [
        "5",
        "\"run-1\"",
        "[\"run-1\"]",
        "{}",
        r#"{"runId": " "}"#,
        r#"{"runId": 5}"#,
    ] {
        assert_eq!(
            with(&format!(r#""activeRun": {active}"#)).active_run,
            None,
            "{active}"
        );
        assert_eq!(
            with(&format!(r#""previousRun": {active}"#)).previous_run,
            None,
            "{active}"
        );
    }
    let active = with(
        r#""activeRun": {"runId": "a", "runId": " b ", "claimedAt": 5, "updatedAt": "", "x": 1}"#,
    );
    assert_eq!(
        Written::from(active.active_run.as_ref()).text(),
        r#"{"runId":"b","claimedAt":null,"updatedAt":""}"#
    );
    let previous =
        with(r#""previousRun": {"runId": "a", "replacedAt": "x", "replacedByRunId": " "}"#);
    assert_eq!(
        Written::from(previous.previous_run.as_ref()).text(),
        r#"{"runId":"a","replacedAt":"x","replacedByRunId":null}"#
    );
}

#[test]
fn exit_signals_without_a_run_vanish_and_reasons_are_cut_again() {
    let long = format!("{}\\ud83d\\ude80", "q".repeat(499));
    let record = with(&format!(
        r#""exitSignals": [null, 5, "run-1", [], {{}}, {{"runId": ""}}, {{"runId": ["a"]}},
            {{"runId": " a ", "at": 5, "reason": 5}}, {{"runId": "b", "at": "t", "reason": " r ", "x": 1}},
            {{"runId": "c", "reason": "{long}"}}]"#
    ));
    let cut = format!(
        r#"{{"runId":"c","at":null,"reason":"{}\ud83d"}}"#,
        "q".repeat(499)
    );
    assert_eq!(
        Written::from(record.exit_signals.as_slice()).text(),
        format!(
            r#"[{{"runId":"a","at":null,"reason":null}},{{"runId":"b","at":"t","reason":"r"}},{cut}]"#
        )
    );
    assert!(
        with(r#""exitSignals": {"a": {"runId": "a"}}"#)
            .exit_signals
            .is_empty()
    );
}

#[test]
fn the_history_is_kept_whatever_it_holds_and_printed_as_others_would() {
    let record =
        with(r#""history": [1.0, { "b":1 , "2":2, "b":3 }, [ ], "\u00e9\ud800", null, 1E400]"#);
    assert_eq!(record.history.len(), 6);
    let text = record_text(&record);
    let expected = "  \"history\": [\n    1,\n    {\n      \"2\": 2,\n      \"b\": 3\n    },\n    [],\n    \"\u{e9}\\ud800\",\n    null,\n    null\n  ],\n";
    assert!(text.contains(expected), "{text}");
    assert_eq!(
        record_text(&read_record(&text, &pr()).unwrap().unwrap()),
        text
    );
    assert!(with(r#""history": {"a": 1}"#).history.is_empty());
    assert!(with(r#""history": null, "lease": 1"#).history.is_empty());
}

#[test]
fn a_record_that_would_be_too_large_to_read_is_written_without_indentation() {
    let element = format!(
        "{}{}{}",
        "[".repeat(100),
        "1,".repeat(99_999) + "1",
        "]".repeat(100)
    );
    let record = with(&format!(r#""history": [{element}]"#));
    let text = record_text(&record);
    assert!(text.len() < 1 << 20, "{}", text.len());
    assert_eq!(read_record(&text, &pr()).unwrap(), Some(record));
}

#[test]
fn the_json_form_has_no_line_break_and_the_same_keys() {
    let record = create(&pr(), RunName::new("r"), &now());
    let text = record_text(&record);
    assert_eq!(record.to_json().text(), one_line(&text));
}

fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim_start)
        .collect::<String>()
        .replace("\": ", "\":")
}
