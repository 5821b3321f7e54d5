//! The recorded cases of `tests/vectors/`, and one way to replay them.

use serde_json::Value;

/// A whole vector file.
pub(crate) fn vectors(file: &str) -> Value {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/");
    serde_json::from_str(&std::fs::read_to_string(format!("{root}{file}")).unwrap()).unwrap()
}

/// Replays the cases under `list`, of which there must be `count`; `run` returns what the case
/// expects and what came out. Every difference is printed.
pub(crate) fn replay(file: &str, list: &str, count: usize, run: impl Fn(&Value) -> (Value, Value)) {
    let all = vectors(file);
    let cases = all[list].as_array().unwrap();
    let mut wrong = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let (expected, actual) = run(case);
        if expected != actual {
            let id = case["id"]
                .as_str()
                .map_or_else(|| i.to_string(), str::to_owned);
            wrong.push(format!(
                "{list} {id}: {case}\n  expected {expected}\n  actual   {actual}"
            ));
        }
    }
    assert_eq!(cases.len(), count, "{file} {list}");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
