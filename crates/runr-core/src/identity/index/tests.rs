//! A walk sees what a scan of the whole text sees, or nothing.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// 256 cases of each law, in the long form 10,000.
pub(in crate::identity) fn cases() -> ProptestConfig {
    let long = std::env::var_os("RUNR_TEST_LONG").is_some();
    ProptestConfig::with_cases(if long { 10_000 } else { 256 })
}

pub(in crate::identity) const IDS: [&str; 5] = ["a", "gh-1", "gh-2", "gh-3", "z"];

fn field() -> impl Strategy<Value = String> {
    let key = select(vec![
        "run_id",
        "issue_number",
        "pr_number",
        "canonical_key",
        "github_repo",
        "status",
        "runs",
        "issue\\u005fnumber",
        "x",
        "x y",
    ]);
    let value = select(vec![
        "null",
        "true",
        "false",
        "0",
        "7",
        "-7",
        "1.5e3",
        "01",
        "7a",
        "\"gh-2\"",
        "\"a\\\"b\"",
        "\"\u{e4}\u{1f600}\\ud800\"",
        "\"7\"",
        "{\"a\": [1, \"]\"]}",
        "[]",
        "{}",
        "\"no end",
        "\"\t\"",
    ]);
    (key, value).prop_map(|(key, value)| format!("\"{key}\":{value}"))
}

/// An entry; most are like each other.
fn entry() -> impl Strategy<Value = Vec<String>> {
    let usual = |id| {
        vec![
            format!("\"run_id\":\"{id}\""),
            "\"issue_number\":5".to_owned(),
            "\"status\":null".to_owned(),
        ]
    };
    prop_oneof![
        20 => select(IDS.to_vec()).prop_map(usual),
        1 => prop::collection::vec(field(), 0..4),
    ]
}

#[derive(Debug, Clone)]
struct Layout {
    newline: &'static str,
    indent: &'static str,
    colon: &'static str,
}

fn layout() -> impl Strategy<Value = Layout> {
    let styles = [
        ("\n", "  ", ": "),
        ("\r\n", "\t", ":"),
        ("", "", ":"),
        ("", " ", ": "),
        ("\n\n", "", " : "),
    ];
    select(styles.to_vec()).prop_map(|(newline, indent, colon)| Layout {
        newline,
        indent,
        colon,
    })
}

fn object(layout: &Layout, depth: usize, members: &[String]) -> String {
    let Layout {
        newline,
        indent,
        colon,
    } = layout;
    let line = |depth: usize| format!("{newline}{}", indent.repeat(depth));
    let members: Vec<_> = members
        .iter()
        .map(|member| {
            format!(
                "{}{}",
                line(depth + 1),
                member.replacen("\":", &format!("\"{colon}"), 1)
            )
        })
        .collect();
    format!("{{{}{}}}", members.join(","), line(depth))
}

/// The text of an index in any layout; a few are damaged.
pub(in crate::identity) fn text() -> impl Strategy<Value = String> {
    let around = prop::collection::vec(
        select(vec![
            "\"version\":1",
            "\"version\":2",
            "\"x\":{\"runs\": [1]}",
            "\"runs\":3",
        ]),
        0..2,
    );
    let entries = (prop::collection::vec(entry(), 0..40), any::<bool>());
    let damage = prop_oneof![6 => Just(None), 1 => (any::<prop::sample::Index>(), select(vec!["", ",", "]", "\"", "\u{e4}"])).prop_map(Some)];
    let bom = prop_oneof![9 => Just(""), 1 => Just("\u{feff}")];
    (around.clone(), entries, around, layout(), damage, bom).prop_map(
        |(before, (mut entries, sorted), after, layout, damage, bom)| {
            if sorted {
                entries.sort();
            }
            let gap = format!("{}{}", layout.newline, layout.indent.repeat(2));
            let entries: Vec<_> = entries
                .iter()
                .map(|entry| format!("{gap}{}", object(&layout, 2, entry)))
                .collect();
            let runs = format!(
                "\"runs\":[{}{}{}]",
                entries.join(","),
                layout.newline,
                layout.indent
            );
            let own = |texts: &[&'static str]| {
                texts
                    .iter()
                    .map(|&text| text.to_owned())
                    .collect::<Vec<_>>()
            };
            let members = [own(&before), vec![runs], own(&after)].concat();
            let mut text = format!("{bom}{}{}", object(&layout, 0, &members), layout.newline);
            if let Some((at, new)) = damage {
                let places: Vec<_> = text
                    .char_indices()
                    .map(|(at, c)| at..at + c.len_utf8())
                    .collect();
                text.replace_range(at.get(&places).clone(), new);
            }
            text
        },
    )
}

fn seen<'t>(index: &Index<'t>) -> Vec<(Range<usize>, Vec<Option<&'t str>>)> {
    let text = index.text.unwrap();
    let fields = |place: &EntryPlace| {
        (0..FIELDS.len())
            .map(|nth| place.field(nth).map(|span| &text[span]))
            .collect()
    };
    index
        .entries
        .iter()
        .map(|place| (place.span(), fields(place)))
        .collect()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_walk_sees_what_a_scan_sees_and_takes_nothing_that_a_scan_refuses(text in text()) {
        if let Some(walked) = Index::walked(&text) {
            let scanned = Index::scanned(&text).unwrap();
            prop_assert_eq!(walked.runs(), scanned.runs());
            prop_assert_eq!(seen(&walked), seen(&scanned));
        }
    }
}

#[test]
fn the_usual_index_is_walked() {
    let text = "{\n  \"version\": 1,\n  \"runs\": [\n    {\n      \"run_id\": \"a\"\n    },\n    {\n      \"run_id\": \"b\"\n    }\n  ]\n}\n";
    let index = Index::walked(text).unwrap();
    assert_eq!(
        index
            .rows()
            .map(|row| row.id().unwrap())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
}

#[test]
fn an_entry_may_be_nested_as_deeply_as_the_rules_say_and_no_deeper() {
    for (levels, fits) in [(124, true), (125, false)] {
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let entries = format!("{{\"x\": 1}}, {{\"x\": {deep}}}, {{\"x\": {deep}}}");
        let text = format!("{{\"version\": 1, \"runs\": [{entries}]}}");
        assert_eq!(Index::walked(&text).is_some(), fits, "{levels}");
        assert_eq!(Index::scanned(&text).is_ok(), fits, "{levels}");
    }
}
