use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn rules() -> Rules {
    Rules::default()
}

fn bad(text: &str) -> BadJson {
    scan(text, &rules()).unwrap_err()
}

fn editor(text: &str) -> Editor {
    Editor::new(text, rules().bom(Bom::Keep)).unwrap()
}

fn set(text: &str, path: &[&str], value: &str) -> String {
    let steps: Vec<_> = path.iter().map(|key| Step::Key(key)).collect();
    let mut editor = editor(text);
    editor.set(&steps, value).unwrap();
    editor.finish()
}

fn removed(text: &str, path: &[&str]) -> String {
    let steps: Vec<_> = path.iter().map(|key| Step::Key(key)).collect();
    let mut editor = editor(text);
    editor.remove(&steps).unwrap();
    editor.finish()
}

#[test]
fn spans_and_spellings_are_kept() {
    let text =
        "\t{ \"a\\u0062\" : [1e3, -0, 1.50,123456789012345678901234] ,\"s\":\"\\ud800\"}\r\n";
    let tree = scan(text, &rules()).unwrap();
    let root = tree.root();
    let numbers: Vec<_> = root.get("ab").unwrap().elements().map(Node::text).collect();
    assert_eq!(numbers, ["1e3", "-0", "1.50", "123456789012345678901234"]);
    let keys: Vec<_> = root.members().map(Member::key_text).collect();
    assert_eq!(keys, ["\"a\\u0062\"", "\"s\""]);
    let lone = root.get("s").unwrap();
    assert_eq!(
        (lone.as_str(), lone.as_str_lossy()),
        (None, Some("\u{fffd}".into()))
    );
    assert_eq!(lone.text(), "\"\\ud800\"");
}

#[test]
fn what_is_no_json_is_named_with_its_place() {
    for (text, offset, part) in [
        ("", 0, "ends"),
        ("   ", 3, "ends"),
        ("NaN", 0, "NaN"),
        ("[1,Infinity]", 3, "Infinity"),
        ("[-Infinity]", 2, "Infinity"),
        ("[nan]", 1, "nan"),
        ("{} x", 3, "follows"),
        ("{}{}", 2, "follows"),
        ("[1,]", 3, "a value"),
        ("{\"a\":1,}", 7, "a key"),
        ("{a:1}", 1, "a key"),
        ("{\"a\" 1}", 5, "`:`"),
        ("{\"a\":1]", 6, "`,` or `}`"),
        ("[1}", 2, "`,` or `]`"),
        ("[1 2]", 3, "`,` or `]`"),
        ("[01]", 2, "begins with 0"),
        ("[1.]", 3, "a digit"),
        ("[+1]", 1, "a value"),
        ("[.5]", 1, "a value"),
        ("[1e]", 3, "a digit"),
        ("[tru]", 1, "a value"),
        ("[\"a]", 1, "no end"),
        ("[\"a\nb\"]", 3, "control"),
        ("[\"\\x\"]", 2, "escape"),
        ("[\"\\u12g4\"]", 2, "digits"),
        ("[1] // why", 4, "follows"),
        ("{'a':1}", 1, "a key"),
        ("\u{feff}{}", 0, "byte order mark"),
        ("[", 1, "ends"),
    ] {
        let error = bad(text);
        assert!(error.reason.contains(part), "{text:?}: {error}");
        assert_eq!(error.offset, offset, "{text:?}: {error}");
    }
}

#[test]
fn a_place_is_a_line_and_a_column_of_characters() {
    let error = bad("{\n \"é\": x\n}");
    assert_eq!((error.line, error.column, error.offset), (2, 7, 9));
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_offset() {
    let error = scan_bytes(b"{\"a\":\"\xff\"}", &rules()).unwrap_err();
    assert_eq!(
        (error.offset, error.reason.as_str()),
        (6, "it is not UTF-8")
    );
    assert!(scan_bytes(b"{}", &rules()).is_ok());
}

#[test]
fn a_byte_order_mark_is_kept_where_it_is_welcome() {
    assert_eq!(set("\u{feff}{\"a\":1}", &["a"], "2"), "\u{feff}{\"a\":2}");
    assert!(scan("\u{feff}{}", &rules()).is_err());
}

#[test]
fn depth_and_size_have_limits_and_cost_no_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(scan(&nested(127), &rules()).is_ok());
    assert_eq!(bad(&nested(128)).offset, 127);
    assert_eq!(bad(&nested(100_000)).offset, 127);
    assert_eq!(bad(&"[{\"a\":".repeat(100_000)).offset, 63 * 6 + 1);
    let small = rules().max_bytes(4);
    assert!(scan("[10]", &small).is_ok());
    assert!(
        scan("[100]", &small)
            .unwrap_err()
            .reason
            .contains("larger than 4")
    );
}

#[test]
fn ten_megabytes_of_anything_take_bounded_time() {
    let large = rules().max_bytes(usize::MAX);
    let size = 10 << 20;
    let texts = [
        "[".repeat(size),
        "{\"a\":".repeat(size / 5),
        format!("\"{}\"", "x".repeat(size)),
        format!("[{}1]", "1,".repeat(size / 2)),
        "9".repeat(size),
        "\n".repeat(size),
    ];
    for text in texts {
        let start = std::time::Instant::now();
        drop(scan(&text, &large));
        let took = start.elapsed();
        assert!(took.as_secs() < 10, "{took:?}");
    }
}

#[test]
fn deep_levels_stay_opaque_when_asked() {
    let tree = scan(r#"{"a":{"b":{"c":1,"c":2}},"d":3}"#, &rules().levels(1)).unwrap();
    let a = tree.root().get("a").unwrap();
    assert_eq!(a.text(), r#"{"b":{"c":1,"c":2}}"#);
    assert_eq!(a.elements().count(), 0);
    assert_eq!(tree.root().get("d").unwrap().as_i64(), Some(3));
    assert!(tree.repeated_key().is_none());
    assert!(scan(r#"{"a":{"b":{"c":01}}}"#, &rules().levels(1)).is_err());
}

#[test]
fn repeated_keys_are_found_by_their_meaning() {
    let repeated = |text: &str| {
        let tree = scan(text, &rules()).unwrap();
        tree.repeated_key()
            .map(|member| member.key_text().to_owned())
    };
    assert_eq!(
        repeated(r#"{"a":1,"\u0061":2}"#).as_deref(),
        Some(r#""\u0061""#)
    );
    assert_eq!(
        repeated(r#"[{"a":1},{"a":[{"b":1,"b":1}]}]"#).as_deref(),
        Some("\"b\"")
    );
    assert_eq!(
        repeated(r#"{"\ud800":1,"\ud801":2,"\\d800":3,"�":4}"#),
        None
    );
    assert_eq!(
        repeated(r#"{"\ud800":1,"\uD800":2}"#).as_deref(),
        Some(r#""\uD800""#)
    );
    // As many as are compared, and as many as are hashed.
    for members in [2, 32, 33, 1000] {
        let all: Vec<_> = (1..members).map(|n| format!("\"{n}\":0")).collect();
        let all = all.join(",");
        assert_eq!(repeated(&format!("{{{all},\"x\":0}}")), None, "{members}");
        let found = repeated(&format!("{{{all},\"\\u0031\":0}}"));
        assert_eq!(found.as_deref(), Some("\"\\u0031\""), "{members}");
    }
}

#[test]
fn an_edit_at_a_level_that_repeats_a_key_is_refused_and_elsewhere_not() {
    let text = r#"{"a":{"x":1,"x":2},"b":1}"#;
    let mut editor = editor(text);
    let error = editor
        .set(&[Step::Key("a"), Step::Key("y")], "1")
        .unwrap_err();
    assert_eq!(error.offset, 12);
    assert_eq!(editor.text(), text);
    editor.set(&[Step::Key("b")], "2").unwrap();
    assert_eq!(editor.text(), r#"{"a":{"x":1,"x":2},"b":2}"#);
}

#[test]
fn new_members_follow_the_manner_of_their_neighbours() {
    for (text, path, value, expected) in [
        ("{}", vec!["a"], "1", "{\n  \"a\": 1\n}"),
        ("{}\r\n", vec!["a"], "1", "{\r\n  \"a\": 1\r\n}\r\n"),
        (
            "{\"a\":1}",
            vec!["b"],
            "{\"c\": [1, 2]}",
            "{\"a\":1,\"b\":{\"c\":[1,2]}}",
        ),
        (
            "{\"a\": 1}",
            vec!["b"],
            "[1,2]",
            "{\"a\": 1, \"b\": [1, 2]}",
        ),
        ("{ \"a\": 1 }", vec!["b"], "2", "{ \"a\": 1, \"b\": 2 }"),
        (
            "{ \"a\": 1,\"c\": 2 }",
            vec!["b"],
            "2",
            "{ \"a\": 1,\"c\": 2,\"b\": 2 }",
        ),
        (
            "{\n\t\"a\" : 1\n}\n",
            vec!["b"],
            "{\"c\":[]}",
            "{\n\t\"a\" : 1,\n\t\"b\" : {\n\t\t\"c\" : []\n\t}\n}\n",
        ),
        (
            "{\r\n    \"a\": 1,\r\n\r\n    \"z\": {}\r\n}",
            vec!["z", "y", "x"],
            "true",
            "{\r\n    \"a\": 1,\r\n\r\n    \"z\": {\r\n        \"y\": {\r\n            \"x\": true\r\n        }\r\n    }\r\n}",
        ),
        (
            "{\n  \"a\": 1,\n\n  \"b\": 2\n\n}",
            vec!["c"],
            "3",
            "{\n  \"a\": 1,\n\n  \"b\": 2,\n  \"c\": 3\n\n}",
        ),
        (
            "{\n  \"l\": [1, 2]\n}",
            vec!["l"],
            "[3]",
            "{\n  \"l\": [3]\n}",
        ),
        (
            "{\n  \"l\": 1\n}",
            vec!["l"],
            "[3]",
            "{\n  \"l\": [\n    3\n  ]\n}",
        ),
    ] {
        assert_eq!(set(text, &path, value), expected, "{text:?}");
    }
}

#[test]
fn elements_are_inserted_where_asked() {
    let insert = |text: &str, index: usize| {
        let mut editor = editor(text);
        editor.insert(&[Step::Key("l")], index, "9").unwrap();
        editor.finish()
    };
    assert_eq!(insert(r#"{"l": [1, 2]}"#, 0), r#"{"l": [9, 1, 2]}"#);
    assert_eq!(insert(r#"{"l": [1, 2]}"#, 1), r#"{"l": [1, 9, 2]}"#);
    assert_eq!(insert(r#"{"l": [1, 2]}"#, 7), r#"{"l": [1, 2, 9]}"#);
    assert_eq!(insert(r#"{"l":[]}"#, 0), r#"{"l":[9]}"#);
    assert_eq!(
        insert("{\n  \"l\": [\n    1,\n    2\n  ]\n}", 1),
        "{\n  \"l\": [\n    1,\n    9,\n    2\n  ]\n}"
    );
    assert_eq!(
        insert("{\n  \"l\": []\n}", 1),
        "{\n  \"l\": [\n    9\n  ]\n}"
    );
}

#[test]
fn a_member_leaves_with_one_comma() {
    assert_eq!(
        removed(r#"{"a": 1, "b": 2, "c": 3}"#, &["a"]),
        r#"{"b": 2, "c": 3}"#
    );
    assert_eq!(
        removed(r#"{"a": 1, "b": 2, "c": 3}"#, &["b"]),
        r#"{"a": 1, "c": 3}"#
    );
    assert_eq!(
        removed(r#"{"a": 1, "b": 2, "c": 3}"#, &["c"]),
        r#"{"a": 1, "b": 2}"#
    );
    assert_eq!(removed("{\n  \"a\": 1\n}\n", &["a"]), "{}\n");
    assert_eq!(removed("{\"a\": 1}", &["x", "y"]), "{\"a\": 1}");
}

#[test]
fn the_same_value_in_another_spelling_changes_nothing() {
    let text = r#"{"a": 1e2, "b": "\u0041", "c": {"x": [ ], "y": 1.50}}"#;
    assert_eq!(set(text, &["a"], "100.0"), text);
    assert_eq!(set(text, &["b"], "\"A\""), text);
    assert_eq!(set(text, &["c"], r#"{"y":1.5,"x":[]}"#), text);
    // Readers can tell these apart.
    assert_ne!(set(text, &["a"], "100"), text);
    let long = r#"{"a": 1234567890123456789012}"#;
    assert_ne!(set(long, &["a"], "1234567890123456789013"), long);
}

#[test]
fn numbers_are_compared_by_their_exact_value() {
    for (a, b, same) in [
        ("1.0", "1.00", true),
        ("1e1", "10.0", true),
        ("0.0", "0e9", true),
        ("-0.0", "0.0", false),
        ("0.1", "0.10000000000000000001", false),
        ("1e400", "10e399", true),
        ("1e99999999999999999999", "1e99999999999999999998", false),
        ("1", "1.0", false),
        ("10", "1e1", false),
    ] {
        assert_eq!(number_eq(a, b), same, "{a} {b}");
    }
}

#[test]
fn a_value_too_deep_or_too_large_for_its_place_is_refused() {
    let deep = format!("{}{}", "[".repeat(126), "]".repeat(126));
    let mut editor = editor(r#"{"a":{"b":1}}"#);
    editor.set(&[Step::Key("a")], &deep).unwrap();
    scan(editor.text(), &rules()).unwrap();
    let mut editor = Editor::new(r#"{"a":{"b":1}}"#, rules()).unwrap();
    assert!(
        editor
            .set(&[Step::Key("a"), Step::Key("b")], &deep)
            .is_err()
    );
    let mut small = Editor::new("{\"a\":1}", rules().max_bytes(10)).unwrap();
    assert!(small.set(&[Step::Key("a")], "\"12345\"").is_err());
    assert_eq!(small.text(), "{\"a\":1}");
    assert!(small.set(&[Step::Key("a")], "nonsense").is_err());
}

#[test]
fn all_control_characters_survive_in_lower_case_hex() {
    let text: String = (0..0x20u8)
        .map(char::from)
        .chain("\"\\/<>&\u{2028}\u{7f}".chars())
        .collect();
    let out = quote(&text);
    assert!(out.contains("\\u001f\\\"\\\\/<>&\u{2028}\u{7f}"), "{out}");
    assert!(out.contains("\\b\\t\\n\\u000b\\f\\r"), "{out}");
    assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
}

// ----- laws -----

/// Any JSON value that serde_json can hold exactly.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|float| json!(float)),
        "\\PC{0,4}".prop_map(Value::from),
        "[\\x00-\\x7f]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner).prop_map(Value::Object),
        ]
    })
}

fn object(
    inner: impl Strategy<Value = Value>,
) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    prop::collection::vec(("[a-d\"\\\\é]{0,2}", inner), 0..4)
        .prop_map(|members| members.into_iter().collect())
}

/// A text of a value with white space anywhere, and escapes nobody needs.
fn spelled(value: &Value, noise: &mut impl Iterator<Item = u8>) -> String {
    const SPACES: [&str; 8] = ["", "", " ", "\n", "\n  ", "\r\n\t", "\n\n ", ""];
    let space = |noise: &mut dyn Iterator<Item = u8>| {
        SPACES[usize::from(noise.next().unwrap_or(0)) % SPACES.len()]
    };
    let string = |text: &str, noise: &mut dyn Iterator<Item = u8>| {
        if noise.next().unwrap_or(0).is_multiple_of(2) {
            return quote(text);
        }
        let units: String = text
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04X}"))
            .collect();
        format!("\"{units}\"")
    };
    match value {
        Value::Array(list) => {
            let mut items = Vec::new();
            for item in list {
                let (before, after) = (space(noise), space(noise));
                items.push(format!("{before}{}{after}", spelled(item, noise)));
            }
            format!("[{}]", items.join(","))
        }
        Value::Object(map) => {
            let mut items = Vec::new();
            for (key, item) in map {
                let spaces = [space(noise), space(noise), space(noise)];
                let key = string(key, noise);
                let item = spelled(item, noise);
                items.push(format!(
                    "{}{key}{}:{}{item}",
                    spaces[0], spaces[1], spaces[2]
                ));
            }
            format!("{{{}{}}}", items.join(","), space(noise))
        }
        Value::String(text) => string(text, noise),
        other => other.to_string(),
    }
}

/// A document that is an object, its value, and some noise that spelled it.
fn document() -> impl Strategy<Value = (String, serde_json::Map<String, Value>)> {
    (object(value()), prop::collection::vec(any::<u8>(), 0..64)).prop_map(|(map, noise)| {
        let text = spelled(&Value::Object(map.clone()), &mut noise.into_iter());
        (text, map)
    })
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The bytes that differ lie between the common beginning and the common end of two texts.
fn changed_span(before: &str, after: &str) -> (usize, usize) {
    let start = before
        .bytes()
        .zip(after.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let end = before
        .bytes()
        .rev()
        .zip(after.bytes().rev())
        .take_while(|(a, b)| a == b)
        .count();
    (start, end)
}

proptest! {
    #[test]
    fn a_scan_sees_what_a_parser_sees((text, map) in document()) {
        let tree = scan(&text, &rules()).unwrap();
        prop_assert_eq!(tree.root().to_value(), Value::Object(map));
        prop_assert_eq!(parsed(&text), tree.root().to_value());
    }

    #[test]
    fn setting_a_member_is_parse_modify_serialise((text, mut map) in document(), key in "[a-d\"\\\\é]{0,2}", new in value()) {
        let mut editor = editor(&text);
        let there = scan(&text, &rules()).unwrap();
        let old = there.root().get(&key).map(Node::span);
        let raw = new.to_string();
        editor.set(&[Step::Key(&key)], &raw).unwrap();
        let after = editor.text().to_owned();
        let same = map.get(&key) == Some(&new);
        map.insert(key.clone(), new);
        prop_assert_eq!(parsed(&after), Value::Object(map));
        // Nothing outside of the value, or of the new member, is touched.
        let (start, end) = changed_span(&text, &after);
        match old {
            _ if same => prop_assert_eq!(&after, &text),
            Some(span) => prop_assert!(start >= span.start && text.len() - end <= span.end),
            None => {
                let brace = there.root().span().end - 1;
                let last = there.root().members().last().map_or(1, |member| member.value.span().end);
                prop_assert!(start >= last && text.len() - end <= brace);
            }
        }
        // Once more changes nothing more.
        prop_assert!(!editor.set(&[Step::Key(&key)], &raw).unwrap());
        prop_assert_eq!(editor.text(), &after);
    }

    #[test]
    fn removing_a_member_is_parse_modify_serialise((text, mut map) in document(), key in "[a-d\"\\\\é]{0,2}") {
        let mut editor = editor(&text);
        let was_there = editor.remove(&[Step::Key(&key)]).unwrap();
        prop_assert_eq!(was_there, map.shift_remove(&key).is_some());
        prop_assert_eq!(parsed(editor.text()), Value::Object(map));
        if !was_there {
            prop_assert_eq!(editor.text(), &text);
        }
        prop_assert!(!editor.remove(&[Step::Key(&key)]).unwrap());
    }

    #[test]
    fn appending_is_parse_modify_serialise(list in prop::collection::vec(value(), 0..4), noise in prop::collection::vec(any::<u8>(), 0..64), new in value(), index in 0usize..6) {
        let text = spelled(&json!({"l": list}), &mut noise.into_iter());
        let mut editor = editor(&text);
        editor.insert(&[Step::Key("l")], index, &new.to_string()).unwrap();
        let mut expected = list;
        expected.insert(index.min(expected.len()), new);
        prop_assert_eq!(parsed(editor.text()), json!({"l": expected}));
    }

    #[test]
    fn setting_what_is_there_is_byte_identical((text, map) in document()) {
        let mut editor = editor(&text);
        for (key, value) in &map {
            prop_assert!(!editor.set(&[Step::Key(key)], &value.to_string()).unwrap());
        }
        prop_assert_eq!(editor.text(), &text);
    }

    #[test]
    fn any_bytes_are_scanned_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        agrees_with_a_parser(&bytes);
    }

    #[test]
    fn any_bytes_of_json_are_scanned_or_refused(bytes in "[\\[\\]{}:,\"\\\\ 0-9eE.+a-u\\-\\n]{0,48}") {
        agrees_with_a_parser(bytes.as_bytes());
    }
}

/// Never panics, and accepts what a strict parser accepts; more only where that is meant.
fn agrees_with_a_parser(bytes: &[u8]) {
    let ours = scan_bytes(bytes, &rules());
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => {
            let tree = ours.unwrap();
            if tree.repeated_key().is_none() {
                assert_eq!(tree.root().to_value(), value);
            }
        }
        Err(error) => {
            let text = error.to_string();
            let meant = ["surrogate", "out of range", "hex escape"]
                .iter()
                .any(|word| text.contains(word));
            assert!(ours.is_err() || meant, "{text}: {bytes:?}");
        }
    }
}
