//! What a preparation costs, counted in calls, and what is left when any of them fails.

use std::io::ErrorKind;

use runr_core::fs::{Fault, FaultFs, Lasting, MemoryFs};
use runr_core::identity::{Flow, PrepReport, PrepRequest, PrepStatus, WorkItems};
use serde_json::Value;

fn items(fs: &FaultFs) -> WorkItems {
    WorkItems::open(fs.storage(), "/")
}

fn prep(fs: &FaultFs, flow: Flow) -> PrepReport {
    let request = PrepRequest::new(flow).reference("#17");
    items(fs)
        .prep(&request, "2026-02-03T04:05:06Z".parse().unwrap())
        .unwrap()
}

fn text(fs: &FaultFs, dir: &str, name: &str) -> Option<Value> {
    let dir = fs.storage().open_dir(dir.into()).ok()?;
    let bytes = dir.read(name, 1 << 20).ok()?.bytes;
    Some(serde_json::from_slice(&bytes).expect("a torn file"))
}

#[test]
fn a_preparation_costs_four_flushes_and_one_for_each_new_directory() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let flushes = |flow| {
        drop(fs.take_calls());
        assert_eq!(prep(&fs, flow).status, PrepStatus::Verified);
        FaultFs::flushes(&fs.take_calls())
    };
    // `.runs`, the work item, its flow.
    assert_eq!(flushes(Flow::Plan), 4 + 3);
    assert_eq!(flushes(Flow::Build), 4 + 1);
    assert_eq!(flushes(Flow::Build), 4);
}

#[test]
fn finding_a_work_item_writes_nothing() {
    let fs = FaultFs::new(MemoryFs::new().into());
    prep(&fs, Flow::Plan);
    drop(fs.take_calls());
    assert!(items(&fs).find("#17").unwrap().is_some());
    let calls = fs.take_calls();
    assert!(calls.len() <= 25, "{calls:?}");
    assert!(
        !calls
            .iter()
            .any(|call| ["sync", "sync_dir", "write", "open_lock"].contains(call)),
        "{calls:?}"
    );
}

/// Old or new, never anything else; and the next preparation ends where it should have.
#[test]
fn a_failed_call_leaves_the_old_or_the_new_files_and_the_next_preparation_converges() {
    for lasting in [Lasting::Once, Lasting::FromThenOn] {
        for fault in [
            Fault::Error(ErrorKind::StorageFull),
            Fault::Short,
            Fault::Torn,
        ] {
            for nth in 1.. {
                let fs = FaultFs::new(MemoryFs::new().into());
                prep(&fs, Flow::Plan);
                fs.fail(nth, fault, lasting);
                let report = prep(&fs, Flow::Build);
                let reached = fs.heal();
                let failed = report.status == PrepStatus::CannotProceed;
                let meta = text(&fs, "/.runs/gh-17", "run_meta.json").unwrap();
                let index = text(&fs, "/.runs", "index.json").unwrap();
                let (count, flow) = (
                    meta["iterations"].as_u64().unwrap(),
                    &index["runs"][0]["last_flow"],
                );
                let whole = (1..=2).contains(&count) && (flow == "plan" || flow == "build");
                assert!(
                    whole && (failed || (count == 2 && flow == "build")),
                    "{nth}: {report:?}"
                );
                if failed {
                    assert!(report.error.is_some() && !report.missing_required.is_empty());
                }
                let again = prep(&fs, Flow::Build);
                assert_eq!(
                    (again.status, again.iterations),
                    (PrepStatus::Verified, Some(count + 1))
                );
                assert_eq!(
                    text(&fs, "/.runs", "index.json").unwrap()["runs"]
                        .as_array()
                        .unwrap()
                        .len(),
                    1
                );
                if !reached {
                    assert!(nth > 20, "only {nth} calls");
                    break;
                }
            }
        }
    }
}
