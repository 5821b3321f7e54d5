//! Trees and files that mean harm: a clear answer, nothing written, nothing outside touched.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use runr_core::identity::{Action, Flow, PrepReport, PrepRequest, PrepStatus};

use crate::place::Place;

fn prep(place: &Place) -> PrepReport {
    let request = PrepRequest::new(Flow::Build).run_id("blk");
    place.prep(&request, "2026-02-03T04:05:06Z")
}

/// Nothing but the lock may have come.
fn refused(place: &Place, code: &str) {
    let before = place.contents();
    let report = prep(place);
    assert_eq!(report.status, PrepStatus::CannotProceed, "{report:?}");
    assert_eq!(report.recommended_action, Action::FixEnv);
    assert_eq!(report.error, Some(code), "{:?}", report.notes);
    assert!(!report.missing_required.is_empty());
    assert_eq!(place.contents(), before);
}

#[test]
fn an_unreadable_index_stops_everything_and_stays() {
    let deep = format!(
        "{{\"version\": 1, \"x\": {}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for (text, code) in [
        (
            "{\"version\":1,\"runs\":[{\"run_id\":\"a\"",
            "E_STORE_CORRUPT",
        ),
        ("[]", "E_STORE_CORRUPT"),
        ("{\"version\": 1, \"runs\": {}}", "E_STORE_CORRUPT"),
        (
            "{\"version\": 1, \"version\": 1, \"runs\": []}",
            "E_STORE_CORRUPT",
        ),
        ("{\"version\": 2, \"runs\": []}", "E_INDEX_VERSION"),
        ("{\"version\": \"1\", \"runs\": []}", "E_INDEX_VERSION"),
        ("{\"version\": 1.0, \"runs\": []}", "E_INDEX_VERSION"),
        (
            "{\"version\": 1, \"runs\": [{\"run_id\": \"blk\", \"run_id\": \"blk\"}]}",
            "E_STORE_CORRUPT",
        ),
        (deep.as_str(), "E_STORE_CORRUPT"),
    ] {
        let place = Place::new();
        place.file(".runs/index.json", text);
        refused(&place, code);
    }
}

#[test]
fn a_blank_index_counts_as_none_and_an_odd_one_keeps_its_oddities() {
    for (text, must) in [
        ("", "\"version\": 1"),
        (" \n", "\"version\": 1"),
        ("{\"runs\": []}", "\"run_id\": \"blk\""),
        ("{\"version\": 1, \"n\": 1e3}", "\"n\": 1e3"),
        ("\u{feff}{\"version\": 1, \"runs\": []}", "\u{feff}{"),
        ("{\r\n  \"version\": 1,\r\n  \"runs\": []\r\n}", "\r\n"),
    ] {
        let place = Place::new();
        place.file(".runs/index.json", text);
        assert_eq!(prep(&place).status, PrepStatus::Verified, "{text:?}");
        let after = place.text(".runs/index.json");
        assert!(after.contains(must) && after.contains("\"blk\""), "{after}");
    }
}

#[test]
fn unreadable_metadata_stop_everything_and_stay() {
    for text in [
        "{",
        "[]",
        "null",
        "{\"run_id\": \"blk\"} x",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\": NaN}",
        "{\"a\": 1,}",
    ] {
        let place = Place::new();
        place.file(".runs/blk/run_meta.json", text);
        refused(&place, "E_STORE_CORRUPT");
    }
    let place = Place::new();
    place.file(".runs/blk/run_meta.json", "{\"aliases\": 1}");
    refused(&place, "E_META_SHAPE");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for path in [".runs/index.json", ".runs/blk/run_meta.json"] {
        let place = Place::new();
        place.file(path, "");
        fs::write(place.root().join(path), b"{\"a\": \"\xff\"}").unwrap();
        refused(&place, "E_STORE_CORRUPT");
    }
}

#[test]
fn what_is_larger_than_its_limit_is_refused_before_it_is_read() {
    for (path, size) in [
        (".runs/index.json", (64 << 20) + 1),
        (".runs/blk/run_meta.json", (4 << 20) + 1),
    ] {
        let place = Place::new();
        place.file(path, "");
        // Sparse: it costs no space.
        fs::File::options()
            .write(true)
            .open(place.root().join(path))
            .unwrap()
            .set_len(size)
            .unwrap();
        let report = prep(&place);
        assert_eq!(
            (report.status, report.error),
            (PrepStatus::CannotProceed, Some("E_STORE_CORRUPT"))
        );
        assert_eq!(fs::metadata(place.root().join(path)).unwrap().len(), size);
    }
}

#[test]
fn an_id_in_the_index_that_leads_elsewhere_is_not_used() {
    for id in ["../outside", "/etc", "..", "a/b", "x\\u0000y"] {
        let place = Place::new();
        place.file("outside/run_meta.json", "{}");
        place.file(
            ".runs/index.json",
            &format!(
                "{{\"version\": 1, \"runs\": [{{\"run_id\": \"{id}\", \"issue_number\": 7}}]}}"
            ),
        );
        let request = PrepRequest::new(Flow::Build).reference("#7");
        let report = place.prep(&request, "2026-02-03T04:05:06Z");
        assert_eq!(
            (report.run_id.as_deref(), report.status),
            (Some("gh-7"), PrepStatus::Unverified),
            "{id}"
        );
        assert_eq!(place.text("outside/run_meta.json"), "{}");
        assert!(!place.root().join("outside/build").exists());
    }
}

#[test]
fn a_link_in_place_of_a_directory_is_refused() {
    for at in [".runs/blk", ".runs/blk/build"] {
        let place = Place::new();
        place.file("outside/keep", "x");
        let link = place.root().join(at);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(place.root().join("outside"), &link).unwrap();
        refused(&place, "E_RUN_PATH");
    }
    let place = Place::new();
    place.file(".runs/blk/build", "a file");
    refused(&place, "E_RUN_PATH");
}

#[test]
fn the_directory_of_all_may_be_a_link_into_the_repository_only() {
    let place = Place::new();
    place.dir("elsewhere/runs");
    symlink("elsewhere/runs", place.root().join(".runs")).unwrap();
    assert_eq!(prep(&place).status, PrepStatus::Verified);
    assert!(place.root().join("elsewhere/runs/blk/build").is_dir());
    let (place, outside) = (Place::new(), Place::new());
    symlink(outside.root(), place.root().join(".runs")).unwrap();
    refused(&place, "E_RUN_PATH");
    assert!(outside.contents().is_empty());
    let place = Place::new();
    place.file(".runs", "a file");
    refused(&place, "E_RUN_PATH");
}

#[test]
fn a_link_or_a_pipe_in_place_of_a_file_does_no_harm() {
    for path in [".runs/index.json", ".runs/blk/run_meta.json"] {
        let place = Place::new();
        place.file("outside", "{}");
        let link = place.root().join(path);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(place.root().join("outside"), &link).unwrap();
        let report = prep(&place);
        assert_eq!(report.status, PrepStatus::CannotProceed, "{report:?}");
        assert_eq!(place.text("outside"), "{}");

        let place = Place::new();
        let pipe = place.root().join(path);
        fs::create_dir_all(pipe.parent().unwrap()).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        // Opening it for reading would wait for ever.
        assert_eq!(prep(&place).status, PrepStatus::CannotProceed);
    }
}

#[test]
fn a_missing_root_is_not_made() {
    let place = Place::new();
    let root = place.root().join("missing");
    let items = runr_core::identity::WorkItems::open(runr_core::fs::real(), &root);
    let report = items
        .prep(
            &PrepRequest::new(Flow::Build),
            "2026-02-03T04:05:06Z".parse().unwrap(),
        )
        .unwrap();
    assert_eq!(report.status, PrepStatus::CannotProceed);
    assert!(!root.exists());
}
