//! An upsert in passing does what an upsert of the text does.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::fs::{MemoryFs, Storage};
use crate::identity::index::tests::{IDS, cases, text};
use crate::json::{Editor, Rules, Step};

fn entry(id: &str, title: Option<&str>) -> IndexEntry {
    serde_json::from_value(serde_json::json!({
        "run_id": id, "task_title": title, "updated_at": "2026-02-03T04:05:06Z", "last_flow": "gate",
    }))
    .unwrap()
}

fn document(text: &str, window: usize) -> Document {
    let storage: Storage = MemoryFs::new().into();
    let document = Document::new(storage, "/", "index.json").window(window);
    document.create(text).unwrap();
    document
}

/// The text after an upsert, if it can be made in passing.
fn in_passing(text: &str, entry: &IndexEntry, window: usize) -> Option<String> {
    let document = document(text, window);
    let passage = Upserting::new(entry.pointer().unwrap());
    let declined = |_: Option<&str>| Err(crate::Error::internal("declined"));
    document.change(passage, declined).ok()?;
    document.read().unwrap()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn an_index_file_is_upserted_like_its_text(
        text in text(),
        id in select(IDS.to_vec()),
        title in prop::option::of(select(vec!["t", "\u{e4}\"\\"])),
        window in select(vec![1, 7, 64, 300, 1000, 100_000]),
    ) {
        let entry = entry(id, title);
        let document = document(&text, window);
        let said = upsert_index_in(&document, &entry);
        let after = document.read().unwrap().unwrap();
        match upsert_index(Some(&text), &entry) {
            Ok(expected) => {
                let said = said.unwrap();
                prop_assert_eq!((said.changed, said.notes), (expected.changed, expected.notes));
                prop_assert_eq!(after, expected.text);
            }
            Err(expected) => {
                prop_assert_eq!(said.unwrap_err().to_json(), expected.to_json());
                prop_assert_eq!(after, text);
            }
        }
    }
}

fn index(ids: &[&str]) -> String {
    let entries: Vec<_> = ids
        .iter()
        .map(|id| format!("    {{\n      \"run_id\": \"{id}\",\n      \"status\": null\n    }}"))
        .collect();
    format!(
        "{{\n  \"version\": 1,\n  \"runs\": [\n{}\n  ]\n}}\n",
        entries.join(",\n")
    )
}

#[test]
fn the_usual_changes_are_made_in_passing() {
    let text = index(&["b", "c", "c", "d", "e", "f", "g"]);
    for id in ["a", "c", "cc", "g", "h"] {
        let entry = entry(id, None);
        let expected = upsert_index(Some(&text), &entry).unwrap().text;
        for window in [40, 90, 200, text.len() - 1] {
            let after = in_passing(&text, &entry, window);
            assert_eq!(after.as_ref(), Some(&expected), "{id}, {window}");
        }
    }
}

#[test]
fn entries_in_disorder_are_changed_in_passing_where_that_shows_early() {
    let text = index(&["g", "f", "b", "c", "x", "y"]);
    for id in ["c", "z", "y"] {
        let entry = entry(id, None);
        let expected = upsert_index(Some(&text), &entry).unwrap().text;
        assert_eq!(in_passing(&text, &entry, 200), Some(expected), "{id}");
    }
}

#[test]
fn an_entry_that_turns_out_to_stand_elsewhere_is_not_upserted_in_passing() {
    for ids in [
        &["b", "x", "y", "z", "a"][..],
        &["b", "x", "y", "z", "b", "c"],
    ] {
        assert_eq!(
            in_passing(&index(ids), &entry("c", None), 90),
            None,
            "{ids:?}"
        );
    }
}

#[test]
fn what_is_equal_or_small_is_not_changed_in_passing() {
    let text = index(&["a", "b"]);
    let once = upsert_index(Some(&text), &entry("a", None)).unwrap().text;
    assert_eq!(in_passing(&once, &entry("a", None), 40), None);
    assert!(in_passing(&once, &entry("b", None), 40).is_some());
    assert_eq!(in_passing(&text, &entry("a", None), text.len()), None);
}

#[test]
fn a_character_may_be_cut_by_the_end_of_a_window() {
    let text = index(&["a", "b", "c"]).replace("null", "\"\u{e4}\u{1f600}\"");
    let entry = entry("b", None);
    let expected = upsert_index(Some(&text), &entry).unwrap().text;
    for window in 40..140 {
        assert_eq!(
            in_passing(&text, &entry, window).as_ref(),
            Some(&expected),
            "{window}"
        );
    }
}

/// An insertion that looks at one entry alone is that of the editor, which sees all of them.
#[test]
fn a_new_entry_is_laid_out_as_by_an_editor() {
    let gaps = ["", " ", "  ", "\n", "\n  ", "\r\n\t", "\n\n    "];
    for (gap, first) in gaps
        .into_iter()
        .flat_map(|gap| gaps.map(|first| (gap, first)))
    {
        let entries = format!("{first}{{\"run_id\":\"b\"}},{gap}{{\"run_id\": \"d\"}}");
        let text = format!("{{{first}\"version\": 1,{gap}\"runs\": [{entries}{gap}]}}");
        for (id, position) in [("a", 0), ("c", 1), ("e", 2)] {
            let entry = entry(id, None);
            let mut editor = Editor::new(&*text, Rules::default()).unwrap();
            let new = entry.pointer().unwrap().new_entry();
            editor.insert(&[Step::Key("runs")], position, &new).unwrap();
            let after = upsert_index(Some(&text), &entry).unwrap().text;
            assert_eq!(after, editor.finish(), "{text:?}");
        }
    }
}
