//! What a run wrote: timeline events, and the order of fields in results.

use serde_json::Value;

/// One line of a timeline.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) payload: Value,
}

impl Event {
    /// Parses a whole timeline and checks what holds for each: LF at the end of every line, `seq`
    /// from 1 without gaps, the five fields in order.
    #[track_caller]
    pub(crate) fn parse_all(text: &str) -> Vec<Self> {
        assert!(text.ends_with('\n'), "the timeline's last line has no LF");
        let parse = |(index, line): (usize, &str)| {
            let value: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("timeline line {}: {error}: {line}", index + 1));
            assert_leading_fields(&value, &["seq", "timestamp", "type", "source", "payload"]);
            assert_eq!(
                value["seq"],
                index as u64 + 1,
                "seq of timeline line {}",
                index + 1
            );
            Self {
                kind: value["type"].as_str().unwrap().to_owned(),
                payload: value["payload"].clone(),
            }
        };
        text.lines().enumerate().map(parse).collect()
    }
}

/// The strings of a JSON array.
#[track_caller]
pub(crate) fn strings(value: &Value) -> Vec<String> {
    let items = value
        .as_array()
        .unwrap_or_else(|| panic!("not a list: {value}"));
    items
        .iter()
        .map(|item| {
            item.as_str()
                .unwrap_or_else(|| panic!("not text: {item}"))
                .to_owned()
        })
        .collect()
}

/// The keys of a JSON object, in order.
#[track_caller]
pub(crate) fn names(value: &Value) -> Vec<&str> {
    let object = value
        .as_object()
        .unwrap_or_else(|| panic!("not an object: {value}"));
    object.keys().map(String::as_str).collect()
}

/// Checks that the first fields are exactly these; further ones may follow.
#[track_caller]
pub(crate) fn assert_leading_fields(value: &Value, fields: &[&str]) {
    let found = names(value);
    let leading = &found[..fields.len().min(found.len())];
    assert_eq!(leading, fields, "leading fields of {value}");
}

/// Checks that those of the fields that are present stand in this order.
#[track_caller]
pub(crate) fn assert_ordered_fields(value: &Value, fields: &[&str]) {
    let found: Vec<&str> = names(value)
        .into_iter()
        .filter(|name| fields.contains(name))
        .collect();
    let expected: Vec<&str> = fields
        .iter()
        .copied()
        .filter(|name| value.get(name).is_some())
        .collect();
    assert_eq!(found, expected, "order of fields in {value}");
}
