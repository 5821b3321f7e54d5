//! The dialect against its truth table, and the laws that tie matching and overlap together.

use proptest::prelude::*;
use serde_json::Value;

use super::{Dots, Glob, GlobSet, glob_match, globs_overlap};
use crate::vectors::{replay, vectors};

fn texts(value: &Value) -> Vec<&str> {
    let items = value.as_array().unwrap().iter();
    items.map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn the_truth_table_of_the_dialect_holds() {
    let table = vectors("phase-globs.json");
    let mut wrong = Vec::new();
    let mut rows = 0;
    for row in table["patterns"].as_array().unwrap() {
        let pattern = row["pattern"].as_str().unwrap();
        // Listed in exceptions.toml: extended globs are not part of the dialect.
        if row["feature"] == "ext" {
            continue;
        }
        rows += 1;
        let set = GlobSet::new([pattern], Dots::Skip).unwrap();
        for (paths, expected) in [("matches", true), ("non_matches", false)] {
            for path in texts(&row[paths]) {
                if (glob_match(pattern, path), set.matches(path)) != (expected, expected) {
                    wrong.push(format!("{pattern} on {path}: expected {expected}"));
                }
            }
        }
    }
    assert_eq!(rows, 25);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_overlap_table_holds() {
    replay("phase-ownership.json", "overlap", 60, |row| {
        let overlap = globs_overlap(row["a"].as_str().unwrap(), row["b"].as_str().unwrap());
        (row["overlap"].clone(), overlap.into())
    });
}

#[test]
fn a_wildcard_passes_over_hidden_segments_unless_the_list_forbids() {
    for (pattern, path) in [
        ("*.pem", ".pem"),
        ("**/*.pem", ".ssh/k.pem"),
        ("src/**", "src/.cache/x"),
        ("?env", ".env"),
        ("[.]env", ".env"),
        ("*[.e]nv", ".env"),
        ("**", ".env"),
    ] {
        let glob = Glob::parse(pattern).unwrap();
        assert!(!glob.matches(path), "{pattern} {path}");
        assert!(glob.matches_hidden(path), "{pattern} {path}");
    }
    assert!(glob_match("*[.e]nv", "xenv") && glob_match("*[.e]nv", "env"));
    assert!(glob_match(".*/**", ".ssh/k.pem"));
    assert!(!Glob::parse("src/*").unwrap().matches_hidden("src/"));
}

#[test]
fn a_negated_class_negates_and_what_is_not_closed_is_literal() {
    assert!(!glob_match("src/[!a].ts", "src/a.ts") && glob_match("src/[!a].ts", "src/b.ts"));
    assert!(glob_match("[a", "[a") && glob_match("{a", "{a") && glob_match("a[b/c]d", "a[b/c]d"));
    assert!(glob_match("src/[[]id].tsx", "src/[id].tsx"));
    assert!(glob_match("?", "ü") && !glob_match("?", "üü"));
    assert!(!glob_match("", "") && !glob_match("**", ""));
}

#[test]
fn an_exploding_pattern_is_refused_and_never_allows() {
    let bomb = "{a,b}".repeat(20);
    assert!(Glob::parse(&bomb).is_err());
    assert!(GlobSet::new([bomb.as_str()], Dots::Skip).is_err());
    assert!(!glob_match(&bomb, &"a".repeat(20)));
    assert!(
        globs_overlap(&bomb, "src/**"),
        "what cannot be decided counts as a collision"
    );
}

#[test]
fn a_path_without_wildcard_claims_itself_and_everything_below() {
    assert!(globs_overlap("src/foo", "src/foo/bar/**") && globs_overlap("src", "src/.env"));
    assert!(!globs_overlap("src/foo", "src/foobar") && !globs_overlap("src/*.ts", "src/x/y.ts"));
    assert!(globs_overlap("docs/", "docs/a") && !globs_overlap("docs/", "doc"));
    assert!(globs_overlap("**/*.rs", "crates/core/**") && !globs_overlap("a/{b,c}/**", "a/d/**"));
    assert!(
        !globs_overlap("", "") && !globs_overlap("", "**"),
        "nothing claims nothing"
    );
}

#[test]
fn classes_and_runs_meet_only_where_a_character_is_shared() {
    assert!(globs_overlap("[a-m]x", "[m-z]x") && !globs_overlap("[a-l]x", "[m-z]x"));
    assert!(!globs_overlap("[!a]", "a*[!a]b"));
    assert!(globs_overlap("*.ts", "a*") && !globs_overlap("*.ts", "*.rs"));
    assert!(!globs_overlap("*", ".env") && globs_overlap(".*", ".env"));
    assert!(
        !globs_overlap("*.env", ".env"),
        "the run is empty and the dot is hidden"
    );
    assert!(!globs_overlap("[.]x", ".x") && globs_overlap("a*b*c", "*b?c"));
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ab.]{1,2}",
        2 => Just("*".to_owned()),
        1 => Just("?".to_owned()),
        1 => Just("[ab]".to_owned()),
        1 => Just("[!a]".to_owned()),
        1 => Just("{a,.b,b*}".to_owned()),
    ];
    let one = prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat());
    let segment = prop_oneof![3 => one, 1 => Just("**".to_owned())];
    prop::collection::vec(segment, 1..4).prop_map(|segments| segments.join("/"))
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab.]{1,3}", 1..4).prop_map(|segments| segments.join("/"))
}

/// Whether `pattern` claims `path`: by matching it, or by naming it or something above it.
fn claims(glob: &Glob, path: &str) -> bool {
    let plain = !glob.as_str().contains(['*', '?', '[', '{']);
    let below = path.strip_prefix(glob.as_str().trim_start_matches("./"));
    glob.matches(path) || (plain && below.is_some_and(|rest| rest.starts_with('/')))
}

fn parsed(pattern: &str) -> Glob {
    Glob::parse(pattern).unwrap()
}

/// Every path of at most three segments, each of one or two characters.
fn small_paths() -> Vec<String> {
    let chars = ["a", "b", "."];
    let pairs = chars.iter().flat_map(|a| chars.map(|b| format!("{a}{b}")));
    let names: Vec<_> = pairs.chain(chars.map(str::to_owned)).collect();
    let longer = |paths: &[String]| -> Vec<String> {
        let below =
            |path: &String| -> Vec<_> { names.iter().map(|n| format!("{path}/{n}")).collect() };
        paths.iter().flat_map(below).collect()
    };
    let two = longer(&names);
    let three = longer(&two);
    [names.clone(), two, three].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn overlap_is_symmetric_and_reflexive(a in pattern(), b in pattern()) {
        prop_assert_eq!(globs_overlap(&a, &b), globs_overlap(&b, &a));
        prop_assert!(globs_overlap(&a, &a));
    }

    #[test]
    fn a_path_that_both_claim_implies_overlap(a in pattern(), b in pattern(), path in path()) {
        if claims(&parsed(&a), &path) && claims(&parsed(&b), &path) {
            prop_assert!(globs_overlap(&a, &b), "{} {} {}", a, b, path);
        }
    }

    #[test]
    fn a_set_agrees_with_its_patterns(
        patterns in prop::collection::vec(pattern(), 0..5), path in path()
    ) {
        for dots in [Dots::Skip, Dots::Match] {
            let set = GlobSet::new(&patterns, dots).unwrap();
            let any = patterns.iter().any(|pattern| {
                let glob = Glob::parse(pattern).unwrap();
                match dots {
                    Dots::Skip => glob.matches(&path),
                    Dots::Match => glob.matches_hidden(&path),
                }
            });
            prop_assert_eq!(set.matches(&path), any);
        }
    }

    #[test]
    fn a_list_that_forbids_covers_all_that_the_same_list_allows(p in pattern(), path in path()) {
        let glob = Glob::parse(&p).unwrap();
        prop_assert!(!glob.matches(&path) || glob.matches_hidden(&path));
    }

    #[test]
    fn any_text_is_a_pattern(text in ".{0,40}", path in path()) {
        if let Ok(glob) = Glob::parse(&text) {
            let covered = glob.matches(&path);
            prop_assert!(!covered || glob.overlaps(&glob));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn overlap_is_exact_on_short_patterns(a in short_pattern(), b in short_pattern()) {
        let (one, other) = (parsed(&a), parsed(&b));
        let met = small_paths().into_iter().find(|path| claims(&one, path) && claims(&other, path));
        prop_assert_eq!(globs_overlap(&a, &b), met.is_some(), "{} {} {:?}", a, b, met);
    }
}

/// Patterns whose common paths, if there are any, include one of [`small_paths`]: a run need not
/// be longer than the other side's two characters, and a claim such as `a/b` meets `**/c` three
/// segments deep.
fn short_pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a"),
        Just("b"),
        Just("."),
        Just("*"),
        Just("?"),
        Just("[!a]")
    ];
    let one = prop::collection::vec(piece, 1..=2).prop_map(|pieces| pieces.concat());
    let segment = prop_oneof![4 => one, 1 => Just("**".to_owned())];
    prop::collection::vec(segment, 1..=2).prop_map(|segments| segments.join("/"))
}
