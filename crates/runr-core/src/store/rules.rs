//! The text of `meta.json`: written in one canonical form, read strictly.

use std::fmt::Write;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::model::{Archive, Flags, NewRun, RunMeta, Setup};
use crate::id::RunId;

/// The version of the format that is written.
pub(super) const SCHEMA_VERSION: &str = "1.0";

/// The text of a new `meta.json`: two spaces of indentation, only those characters escaped that
/// must be, one final line feed.
#[must_use]
pub fn meta_text(new: &NewRun) -> String {
    let created_at = new.created_at.to_seconds_string();
    let fields = [
        ("schema_version", SCHEMA_VERSION),
        ("run_id", new.run_id.as_str()),
        ("repo_id", &new.repo_id),
        ("title", &new.title),
        ("runner", &new.runner),
        ("runner_cmd", &new.runner_cmd),
        ("parent_branch", &new.parent_branch),
        ("branch", &new.branch),
        ("worktree_path", new.worktree_path.as_str()),
        ("created_at", &created_at),
    ];
    let mut out = String::from("{");
    for (i, (key, value)) in fields.into_iter().enumerate() {
        out.push_str(if i == 0 { "\n  " } else { ",\n  " });
        push_string(&mut out, key);
        out.push_str(": ");
        push_string(&mut out, value);
    }
    out.push_str("\n}\n");
    out
}

/// Appends a JSON string; everything but quote, backslash and control characters stays raw.
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Why a text is no `meta.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadMeta {
    /// What is wrong.
    pub reason: String,
    /// Where, as line and column counted from 1, if it is one place.
    pub place: Option<(usize, usize)>,
    /// The version of the format, if that is what is wrong.
    pub schema_version: Option<String>,
}

impl BadMeta {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            place: None,
            schema_version: None,
        }
    }
}

/// Reads the `meta.json` of the run whose directory is called `id`, in a store of the repository
/// `repo_id` if it is a store of one repository.
///
/// Unknown fields are allowed, `null` counts as absent, and missing texts are empty, except for
/// `schema_version` and `created_at`.
///
/// # Errors
/// [`BadMeta`], if it is not exactly one JSON object without repeated keys, nested at most 127
/// deep, with known fields of the right types, for this run, in a version that begins with 1.
pub fn parse_meta(text: &str, id: &RunId, repo_id: Option<&str>) -> Result<RunMeta, BadMeta> {
    let value = serde_json::from_str::<Strict>(text).map_err(|error| BadMeta {
        place: Some((error.line(), error.column())),
        ..BadMeta::new(error.to_string())
    })?;
    let Value::Object(map) = value.0 else {
        return Err(BadMeta::new("it is not a JSON object"));
    };
    let fields = Fields(&map, "");
    let schema_version = schema_version(&fields)?;
    let run_id = fields.text("run_id")?;
    if run_id.as_ref().is_some_and(|found| found != id.as_str()) {
        return Err(BadMeta::new("`run_id` is not the name of the directory"));
    }
    let found_repo_id = fields.text("repo_id")?;
    if let (Some(found), Some(expected)) = (&found_repo_id, repo_id)
        && found != expected
    {
        return Err(BadMeta::new("`repo_id` is not that of the store"));
    }
    let created_at = fields.filled("created_at")?;
    let name = fields.filled("name")?;
    Ok(RunMeta {
        schema_version,
        run_id: id.clone(),
        repo_id: found_repo_id.unwrap_or_default(),
        title: fields
            .text("title")?
            .or_else(|| name.clone())
            .unwrap_or_default(),
        name,
        runner: fields.text("runner")?.unwrap_or_default(),
        runner_cmd: fields.text("runner_cmd")?.unwrap_or_default(),
        parent_branch: fields.text("parent_branch")?.unwrap_or_default(),
        branch: fields.text("branch")?.unwrap_or_default(),
        worktree_path: fields.text("worktree_path")?.unwrap_or_default().into(),
        created_at: created_at.ok_or_else(|| BadMeta::new("`created_at` is missing or empty"))?,
        tmux_session_name: fields.filled("tmux_session_name")?,
        flags: fields.object("flags", flags)?,
        setup: fields.object("setup", setup)?,
        pr_number: fields.integer("pr_number")?.filter(|number| *number != 0),
        pr_url: fields.filled("pr_url")?,
        last_push_at: fields.filled("last_push_at")?,
        last_verify_at: fields.filled("last_verify_at")?,
        last_report_sync_at: fields.filled("last_report_sync_at")?,
        last_report_hash: fields.filled("last_report_hash")?,
        archive: fields.object("archive", archive)?,
    })
}

fn schema_version(fields: &Fields<'_>) -> Result<String, BadMeta> {
    match fields.filled("schema_version")? {
        None => Err(BadMeta::new("`schema_version` is missing or empty")),
        Some(version) if version.split('.').next() == Some("1") => Ok(version),
        Some(version) => Err(BadMeta {
            schema_version: Some(version.clone()),
            ..BadMeta::new(format!("version {version} of the format is unknown"))
        }),
    }
}

fn flags(fields: &Fields<'_>) -> Result<Flags, BadMeta> {
    Ok(Flags {
        setup_failed: fields.boolean("setup_failed")?.unwrap_or_default(),
        tmux_failed: fields.boolean("tmux_failed")?.unwrap_or_default(),
        needs_attention: fields.boolean("needs_attention")?.unwrap_or_default(),
        needs_attention_reason: fields.filled("needs_attention_reason")?,
        abandoned: fields.boolean("abandoned")?.unwrap_or_default(),
    })
}

fn setup(fields: &Fields<'_>) -> Result<Setup, BadMeta> {
    Ok(Setup {
        command: fields.text("command")?.unwrap_or_default(),
        exit_code: fields.integer("exit_code")?.unwrap_or_default(),
        duration_ms: fields.integer("duration_ms")?.unwrap_or_default(),
        timed_out: fields.boolean("timed_out")?.unwrap_or_default(),
        log_path: fields.text("log_path")?.unwrap_or_default(),
        output_ok: fields.boolean("output_ok")?,
        output_summary: fields.filled("output_summary")?,
    })
}

fn archive(fields: &Fields<'_>) -> Result<Archive, BadMeta> {
    Ok(Archive {
        archived_at: fields.filled("archived_at")?,
        merged_at: fields.filled("merged_at")?,
    })
}

/// A typed look at an object; the text is the path to it, for messages.
struct Fields<'a>(&'a Map<String, Value>, &'a str);

impl Fields<'_> {
    fn get<T>(
        &self,
        key: &str,
        kind: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, BadMeta> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(BadMeta::new(format!("`{}{key}` is not {kind}", self.1))),
            },
        }
    }

    fn text(&self, key: &str) -> Result<Option<String>, BadMeta> {
        self.get(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A text that is not empty.
    fn filled(&self, key: &str) -> Result<Option<String>, BadMeta> {
        Ok(self.text(key)?.filter(|text| !text.is_empty()))
    }

    fn integer(&self, key: &str) -> Result<Option<i64>, BadMeta> {
        self.get(key, "an integer", Value::as_i64)
    }

    fn boolean(&self, key: &str) -> Result<Option<bool>, BadMeta> {
        self.get(key, "true or false", Value::as_bool)
    }

    fn object<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Fields<'_>) -> Result<T, BadMeta>,
    ) -> Result<Option<T>, BadMeta> {
        let map = self.get(key, "an object", |value| value.as_object().cloned())?;
        let path = format!("{key}.");
        map.map(|map| read(&Fields(&map, &path))).transpose()
    }
}

/// A JSON value in which no object repeats a key.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if values.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` is repeated")));
            }
            let Strict(value) = map.next_value()?;
            values.insert(key, value);
        }
        Ok(values.into())
    }
}

#[cfg(test)]
mod tests {
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

    fn vectors() -> Vec<Value> {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/vectors/store-meta.json"
        );
        let text = std::fs::read_to_string(path).unwrap();
        let Value::Object(mut file) = serde_json::from_str(&text).unwrap() else {
            panic!("not an object");
        };
        serde_json::from_value(file.remove("cases").unwrap()).unwrap()
    }

    fn of_kind<'a>(cases: &'a [Value], kind: &str) -> Vec<&'a Value> {
        let cases: Vec<_> = cases.iter().filter(|case| case["kind"] == kind).collect();
        assert!(!cases.is_empty());
        cases
    }

    #[test]
    fn new_documents_have_exactly_the_recorded_bytes() {
        for case in of_kind(&vectors(), "new") {
            let text = |key: &str| case["input"][key].as_str().unwrap().to_owned();
            let new = NewRun {
                run_id: text("run_id").parse().unwrap(),
                repo_id: text("repo_id"),
                title: text("title"),
                runner: text("runner"),
                runner_cmd: text("runner_cmd"),
                parent_branch: text("parent_branch"),
                branch: text("branch"),
                worktree_path: text("worktree_path").into(),
                created_at: text("created_at").parse().unwrap(),
            };
            let written = meta_text(&new);
            assert_eq!(
                written,
                case["expected_text"].as_str().unwrap(),
                "{}",
                case["id"]
            );
            let read = parse_meta(&written, &new.run_id, None).unwrap();
            assert_eq!(read.title, new.title);
        }
    }

    #[test]
    fn recorded_documents_are_read_or_refused_as_recorded() {
        for case in of_kind(&vectors(), "read") {
            let id = case["dir_run_id"].as_str().unwrap().parse().unwrap();
            let repo_id = case["dir_repo_id"].as_str();
            let read = parse_meta(case["text"].as_str().unwrap(), &id, repo_id);
            match case["expected"].get("value") {
                Some(value) => {
                    let read = serde_json::to_value(read.unwrap()).unwrap();
                    assert_eq!(&read, value, "{}", case["id"]);
                }
                None => {
                    assert_eq!(case["expected"]["error"], "E_STORE_CORRUPT");
                    read.unwrap_err();
                }
            }
        }
    }

    #[test]
    fn all_control_characters_survive_in_lower_case_hex() {
        let text: String = (0..0x20u8)
            .map(char::from)
            .chain("\"\\/<>&\u{2028}\u{7f}".chars())
            .collect();
        let mut out = String::new();
        push_string(&mut out, &text);
        assert!(out.contains("\\u001f\\\"\\\\/<>&\u{2028}\u{7f}"), "{out}");
        assert!(out.contains("\\b\\t\\n\\u000b\\f\\r"), "{out}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
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
        assert_eq!(error.place, Some((2, 1)));
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
}
