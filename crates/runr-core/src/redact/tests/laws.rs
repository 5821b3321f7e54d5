//! What holds for every text.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::redact::hints::Hints;
use crate::redact::rules::Pass;

/// Pieces that rules are made of, so that random texts come near to every one of them.
fn pieces() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "password",
        "token",
        "api_key",
        "secret",
        "Authorization",
        "Bearer",
        "basic",
        "=",
        ":",
        ": ",
        " = ",
        "\"",
        "'",
        "`",
        "\\",
        "\\\"",
        "\\n",
        "\\u000a",
        "\n",
        " ",
        "\t",
        ",",
        ";",
        "&",
        "@",
        "/",
        "://",
        "$",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "<",
        ">",
        " --token ",
        " --password ",
        "curl",
        " -u ",
        " --user ",
        "me:",
        "correcthorse",
        "://me:",
        "h1:",
        "sha256:",
        "xoxb-",
        "glpat-ABCdefGHIjklMNOpqrSU",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN ",
        "-----",
        "hunter2",
        "x",
        "7",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZkdISUpLTE1OT1A",
        "sk-abcdef1234567890abcdef",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "MIIEvQIBADAN",
        "é",
        "open sesame",
        "[REDACTED]",
        "[REDACT",
        "3f786850e387550fdab836ed7e6dc881de23001b",
        "sha512-",
        "eyJhbGciOi.",
    ]);
    prop_oneof![9 => words.prop_map(str::to_owned), 1 => "[ -~]{1,12}"]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(pieces(), 0..24).prop_map(|pieces| pieces.concat())
}

fn redactor() -> Redactor {
    Redactor::new(&["open sesame".to_owned()])
}

/// A JSON value whose texts and keys are anything.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4).prop_map(|pairs| {
                let map: serde_json::Map<String, Value> = pairs.into_iter().collect();
                Value::from(map)
            }),
        ]
    })
}

fn in_pieces(redactor: &Redactor, bytes: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut stream, mut clean, mut rest) = (redactor.stream(), Vec::new(), bytes);
    for cut in cuts.iter().cycle().take(4096) {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        stream.push(piece, &mut clean);
        rest = after;
    }
    stream.push(rest, &mut clean);
    stream.finish(&mut clean);
    clean
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 1500 } else { 50_000 }))]

    #[test]
    fn redacting_twice_is_redacting_once(text in text()) {
        let once = redactor().text(&text);
        prop_assert_eq!(redactor().text(&once), once);
    }

    #[test]
    fn no_secret_stands_where_there_is_no_hint(text in text()) {
        let text = text.replace('\n', "");
        for pass in [Pass::Values, Pass::Shapes, Pass::Addresses, Pass::Names] {
            let spans = redactor().spans(pass, text.as_bytes(), 0, text.len());
            let hint = Hints::new(&redactor(), pass, text.as_bytes(), 0).next(0);
            prop_assert!(spans.is_empty() || hint.is_some(), "{pass:?} of {text}");
        }
    }

    #[test]
    fn clean_json_stays_json(document in document(), pretty: bool) {
        let text = if pretty {
            serde_json::to_string_pretty(&document).unwrap()
        } else {
            document.to_string()
        };
        let clean = redactor().text(&text);
        let parsed: Result<Value, _> = serde_json::from_str(&clean);
        prop_assert!(parsed.is_ok(), "{} became {}", text, clean);
    }

    #[test]
    fn pieces_of_any_size_give_the_same(text in text(), cuts in prop::collection::vec(1usize..20, 1..6)) {
        let whole = redactor().bytes(text.as_bytes());
        let cut = in_pieces(&redactor(), text.as_bytes(), &cuts);
        prop_assert_eq!(String::from_utf8_lossy(&cut), String::from_utf8_lossy(&whole));
    }

    #[test]
    fn a_secret_goes_whatever_stands_around_it(before in text(), after in text()) {
        let token = "glpat-ABCdefGHIjklMNOpqrST";
        let clean = redactor().text(&format!("{before} {token} {after}"));
        prop_assert!(!clean.contains(token), "{}", clean);
    }
}

#[test]
fn a_json_value_is_redacted_text_by_text() {
    let mut value =
        json!({"note": "password=hunter2", "sha": "password=hunter2", "n": 1, "l": ["token=a1"]});
    redactor().value(&mut value, &|key| key == "sha");
    let expected = json!({"note": "password=[REDACTED]", "sha": "password=hunter2", "n": 1, "l": ["token=[REDACTED]"]});
    assert_eq!(value, expected);
}
