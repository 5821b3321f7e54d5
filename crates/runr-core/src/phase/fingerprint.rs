//! Fingerprints: has the environment changed, was the same thing asked for or broken twice?

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::Serialize;
use serde_json::Value;

use crate::hash::sha256_hex;

/// One field in which two environments differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The name of the field; `worker:<name>` for the version of a worker.
    pub field: String,
    /// What the run started with.
    pub original: Value,
    /// What there is now.
    pub current: Value,
}

/// The differences between the environment of a run and the present one, in fixed order.
///
/// An absent value equals `null`. Workers that only the present environment knows do not matter:
/// the run never used them. An empty list means that the run may go on.
#[must_use]
pub fn compare_fingerprints(original: &Value, current: &Value) -> Vec<Difference> {
    const FIELDS: [&str; 3] = ["node_version", "package_manager", "lockfile_hash"];
    const WORKERS: &str = "worker_versions";

    let fixed = FIELDS
        .iter()
        .map(|field| ((*field).to_owned(), &original[*field], &current[*field]));
    let workers = original[WORKERS]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, version)| (format!("worker:{name}"), version, &current[WORKERS][name]));
    fixed
        .chain(workers)
        .filter(|(_, before, now)| before != now)
        .map(|(field, before, now)| Difference {
            field,
            original: before.clone(),
            current: now.clone(),
        })
        .collect()
}

/// The fingerprint of what a reviewer asked for: equal for equal lists, two empty ones included.
#[must_use]
pub fn review_fingerprint(changes: &[String]) -> String {
    short_hash(&changes.join("\n"))
}

/// The fingerprint of a failed verification: equal when the same command failed in the same way.
///
/// What differs between two runs of an unchanged program is taken out of the output first:
///
/// | in the output | counts as |
/// |---|---|
/// | terminal escape sequences, trailing blanks, carriage returns | nothing |
/// | the random first name below a directory for temporary files | `<tmp>` |
/// | UUIDs, `0x...` addresses, 8 and more hexadecimal digits | `<hex>` |
/// | durations such as `1.23s`, `45 ms`, `2m 3s` | `<time>` |
/// | any other run of digits: dates, times of day, pids, ports, counts | `#` |
///
/// Hence `expected 3, got 4` and `expected 3, got 5` are alike; that is harmless, because equal
/// fingerprints are only reported and never end a run.
#[must_use]
pub fn failure_fingerprint(command: &str, output: &str) -> String {
    // The NUL keeps the end of the command apart from the beginning of the output.
    short_hash(&format!("{command}\0{}", normalise(output)))
}

fn short_hash(text: &str) -> String {
    let mut hash = sha256_hex(text.as_bytes());
    hash.truncate(16);
    hash
}

/// Terminal escape sequences and carriage returns; they go first, since they end in letters that
/// would otherwise hide the word boundary before a number.
#[expect(
    clippy::expect_used,
    reason = "a constant pattern, compiled by the tests"
)]
static INVISIBLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\x1b\[[0-9;?]*[A-Za-z]|\r|(?m:[ \t]+$)").expect("constant pattern")
});

/// What differs between two runs of an unchanged program; of alternatives the first one wins.
#[expect(
    clippy::expect_used,
    reason = "a constant pattern, compiled by the tests"
)]
static VOLATILE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        (?<tmp>  (?:/private)? (?:/var/folders/[^/\s]+/[^/\s]+/T | /var/tmp | /tmp) / [^/\s'":]+
              |  (?i: \b[a-z]:\\ [^\s'"]* \\temp\\ [^\\\s'"]+ ) )
      | (?<hex>  (?i: \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b
                    | \b0x[0-9a-f]+\b
                    | \b[0-9a-f]{8,}\b ) )
      | (?<time> \b[0-9]+(?:\.[0-9]+)?\ ?(?:[nuµm]?s|sec(?:ond)?s?|m(?:in(?:ute)?s?)?|h(?:ours?)?)
                 (?:\ ?[0-9]+(?:\.[0-9]+)?\ ?(?:[nuµm]?s|sec(?:ond)?s?|m(?:in(?:ute)?s?)?))*\b )
      | (?<number> [0-9]+(?:\.[0-9]+)? )
        "#,
    )
    .expect("constant pattern")
});

fn normalise(output: &str) -> String {
    let visible = INVISIBLE.replace_all(output, "");
    let stable = VOLATILE.replace_all(&visible, |found: &Captures<'_>| {
        let only_digits = found[0].bytes().all(|byte| byte.is_ascii_digit());
        if found.name("tmp").is_some() {
            "<tmp>"
        } else if found.name("hex").is_some() && !only_digits {
            "<hex>"
        } else if found.name("time").is_some() {
            "<time>"
        } else {
            "#"
        }
    });
    stable.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(text: &str) -> Vec<Value> {
        let vectors: Value = serde_json::from_str(text).unwrap();
        let cases = vectors["cases"].as_array().unwrap().clone();
        assert!(!cases.is_empty());
        cases
    }

    #[test]
    fn environments_differ_where_the_vectors_say() {
        for case in cases(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/vectors/phase-fingerprint.json"
        ))) {
            let found = compare_fingerprints(&case["original"], &case["current"]);
            assert_eq!(
                serde_json::to_value(found).unwrap(),
                case["expect"],
                "{case}"
            );
        }
    }

    #[test]
    fn a_worker_that_is_gone_is_a_difference_and_an_absent_value_is_null() {
        let original = serde_json::json!({"worker_versions": {"claude": "1.0", "codex": null}});
        let found = compare_fingerprints(&original, &serde_json::json!({"node_version": null}));
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].field.as_str(), &found[0].current),
            ("worker:claude", &Value::Null)
        );
    }

    #[test]
    fn reviews_have_the_recorded_fingerprints() {
        for case in cases(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/vectors/phase-review-fingerprint.json"
        ))) {
            let changes: Vec<String> = serde_json::from_value(case["changes"].clone()).unwrap();
            assert_eq!(review_fingerprint(&changes), case["fingerprint"], "{case}");
        }
    }

    #[test]
    fn what_changes_from_run_to_run_does_not_change_the_fingerprint() {
        let alike = [
            ("FAIL in 1.23s", "FAIL in 950ms"),
            ("took 2m 3s", "took 1m59.5s"),
            ("at 2026-02-03T04:05:06.789Z", "at 2026-11-13T14:15:16Z"),
            ("panicked at 0x7ffd1c", "panicked at 0x55"),
            ("object 3fa85f6457", "object 9bc85f6457"),
            (
                "id 3fa85f64-5717-4562-b3fc-2c963f66afa6",
                "id 00000000-5717-4562-b3fc-2c963f66afa6",
            ),
            (
                "/tmp/.tmpX1y2/src/a.rs missing",
                "/tmp/pytest-of-me/src/a.rs missing",
            ),
            (
                "/private/var/folders/ab/cd/T/q1/a",
                "/var/folders/zz/yy/T/q2/a",
            ),
            ("\x1b[32m1.5s\x1b[0m ok  ", "3s ok\r"),
            ("pid 17 on port 40123", "pid 4711 on port 80"),
            ("epoch 1770091506789", "epoch 9"),
        ];
        for (one, other) in alike {
            assert_eq!(normalise(one), normalise(other));
            assert_eq!(
                failure_fingerprint("npm test", one),
                failure_fingerprint("npm test", other)
            );
        }
    }

    #[test]
    fn another_failure_or_another_command_changes_the_fingerprint() {
        let print = failure_fingerprint("npm test", "a.test.ts: expected true");
        assert_eq!(print.len(), 16);
        for (command, output) in [
            ("npm test", "b.test.ts: expected true"),
            ("npm test", "a.test.ts: expected false"),
            ("npm run lint", "a.test.ts: expected true"),
            ("npm testa", ".test.ts: expected true"),
        ] {
            assert_ne!(
                failure_fingerprint(command, output),
                print,
                "{command}: {output}"
            );
        }
        assert_ne!(
            normalise("/tmp/x/a.rs missing"),
            normalise("/tmp/x/b.rs missing")
        );
        assert_eq!(
            normalise("3 matches, 4 more hits"),
            "# matches, # more hits"
        );
    }
}
