use super::*;

fn id() -> RunId {
    RunId::parse("20260110120000-a3f2").unwrap()
}

fn parse(text: &str) -> Result<RunMeta, BadMeta> {
    parse_meta(text, &id(), Some("abcd1234ef567890"))
}

const LEAST: &str = r#"{"schema_version":"1.0","created_at":"2026-01-10T12:00:00Z""#;

fn with(rest: &str) -> Result<RunMeta, BadMeta> {
    parse(&format!("{LEAST},{rest}}}"))
}

#[test]
fn a_document_of_another_run_or_repository_is_refused() {
    assert!(with(r#""run_id":"20260110120000-a3f2""#).is_ok());
    assert!(with(r#""run_id":"20260110120000-a3f3""#).is_err());
    assert!(with(r#""repo_id":"0000000000000000""#).is_err());
    let other = format!("{LEAST},\"repo_id\":\"0000000000000000\"}}");
    assert!(parse_meta(&other, &id(), None).is_ok());
}

#[test]
fn wrong_types_and_fractions_are_refused_and_null_is_absent() {
    for wrong in [
        r#""title":1"#,
        r#""pr_number":1.5"#,
        r#""pr_number":1.0"#,
        r#""pr_number":1e2"#,
        r#""pr_number":"1""#,
        r#""flags":[]"#,
        r#""flags":{"abandoned":"yes"}"#,
        r#""setup":{"exit_code":0.5}"#,
    ] {
        assert!(with(wrong).is_err(), "{wrong}");
    }
    let meta = with(r#""title":null,"flags":null,"pr_number":0,"Title":"x""#).unwrap();
    assert_eq!(
        (meta.title.as_str(), meta.flags, meta.pr_number),
        ("", None, None)
    );
}

#[test]
fn versions_other_than_1_are_named() {
    for (version, good) in [
        ("1", true),
        ("1.7", true),
        ("9.9", false),
        ("10", false),
        ("", false),
    ] {
        let text = format!(r#"{{"schema_version":"{version}","created_at":"x"}}"#);
        assert_eq!(parse(&text).is_ok(), good, "{version}");
    }
    let error = parse(r#"{"schema_version":"9.9","created_at":"x"}"#).unwrap_err();
    assert_eq!(error.schema_version.as_deref(), Some("9.9"));
    assert!(parse(r#"{"schema_version":"1.0"}"#).is_err());
    assert!(parse(r#"{"schema_version":"1.0","created_at":""}"#).is_err());
}

#[test]
fn repeated_keys_are_refused_at_every_level() {
    assert!(with(r#""created_at":"y""#).is_err());
    assert!(with(r#""x":[{"a":1,"a":2}]"#).is_err());
    assert!(with(r#""x":[{"a":1},{"a":2}]"#).is_ok());
}

#[test]
fn nesting_is_read_to_127_levels() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        with(&format!(r#""x":{open}{close}"#))
    };
    assert!(nested(127).is_ok());
    assert!(nested(128).is_err());
    assert!(nested(100_000).is_err());
}

#[test]
fn more_than_one_value_is_refused_with_its_place() {
    let error = parse(&format!("{LEAST}}}\n{{}}")).unwrap_err();
    let place = error.place.unwrap();
    assert_eq!((place.line, place.column), (2, 1));
    for text in ["", "null", "\u{feff}{}", "{} x"] {
        assert!(parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_name_stands_in_for_a_missing_title() {
    let meta = with(r#""name":"fix-search""#).unwrap();
    assert_eq!(meta.title, "fix-search");
    assert_eq!(meta.name.as_deref(), Some("fix-search"));
}
