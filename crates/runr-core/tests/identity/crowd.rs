//! Many processes at once, and killed ones. The children are this test binary again, in a role
//! that the environment names.

use std::env;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use camino::Utf8Path;
use runr_core::fs::{Wait, real};
use runr_core::identity::{Flow, PrepRequest, PrepStatus, WorkItems};
use serde_json::Value;

use crate::place::Place;

fn prep(root: &Utf8Path, id: &str) {
    let items = WorkItems::open(real(), root).wait(Wait::UpTo(Duration::from_secs(120)));
    let request = PrepRequest::new(Flow::Build).run_id(id);
    let report = items
        .prep(&request, "2026-02-03T04:05:06Z".parse().unwrap())
        .unwrap();
    assert_eq!(report.status, PrepStatus::Verified, "{report:?}");
}

/// What the children do; in the parent this test has nothing to say.
#[test]
fn played_by_a_child() {
    let (Ok(id), Ok(root), Ok(times)) = (
        env::var("RUNR_TEST_ITEM"),
        env::var("RUNR_TEST_DIR"),
        env::var("RUNR_TEST_TIMES"),
    ) else {
        return;
    };
    for _ in 0..times.parse::<u64>().unwrap() {
        prep(root.as_str().into(), &id);
    }
}

fn child(place: &Place, id: &str, times: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "crowd::played_by_a_child"])
        .env("RUNR_TEST_ITEM", id)
        .env("RUNR_TEST_DIR", place.root())
        .env("RUNR_TEST_TIMES", times.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn index(place: &Place) -> Vec<Value> {
    let index: Value = serde_json::from_str(&place.text(".runs/index.json")).expect("a torn index");
    index["runs"].as_array().unwrap().clone()
}

fn iterations(place: &Place, id: &str) -> u64 {
    let meta = place.text(&format!(".runs/{id}/run_meta.json"));
    let meta: Value = serde_json::from_str(&meta).expect("torn metadata");
    meta["iterations"].as_u64().unwrap()
}

#[test]
fn sixty_four_processes_prepare_sixty_four_work_items() {
    let times = if env::var_os("RUNR_TEST_LONG").is_some() {
        10
    } else {
        2
    };
    let place = Place::new();
    prep(place.root(), "first");
    let ids: Vec<_> = (0..64).map(|n| format!("item-{n:02}")).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                assert!(!index(&place).is_empty());
                reads += 1;
            }
            reads
        });
        let mut children: Vec<_> = ids.iter().map(|id| child(&place, id, times)).collect();
        let ended: Vec<_> = children
            .iter_mut()
            .map(|child| child.wait().unwrap())
            .collect();
        done.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(std::process::ExitStatus::success));
        assert!(reader.join().unwrap() > 0);
    });
    let listed: Vec<_> = index(&place)
        .iter()
        .map(|it| it["run_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((listed.len(), listed.is_sorted()), (65, true));
    for id in &ids {
        assert_eq!(iterations(&place, id), times, "{id}");
    }
}

#[test]
fn a_killed_preparation_leaves_old_or_new_and_a_rerun_converges() {
    let rounds = if env::var_os("RUNR_TEST_LONG").is_some() {
        500
    } else {
        40
    };
    let seed = env::var("RUNR_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        u64::from(now.subsec_nanos())
    });
    eprintln!("RUNR_TEST_SEED={seed}");
    let place = Place::new();
    prep(place.root(), "gh-17");
    let mut random = seed | 1;
    let mut before = iterations(&place, "gh-17");
    for _ in 0..rounds {
        let mut child = child(&place, "gh-17", 1_000_000);
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros(2_000 + (random >> 33) % 20_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let count = iterations(&place, "gh-17");
        assert!(count >= before);
        assert_eq!(index(&place).len(), 1);
        prep(place.root(), "gh-17");
        before = iterations(&place, "gh-17");
        assert_eq!(before, count + 1);
        let dir = std::fs::read_dir(place.root().join(".runs/gh-17")).unwrap();
        let left = dir.filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .ends_with(".tmp")
        });
        assert_eq!(left.count(), 0);
    }
    assert!(before > rounds, "the children did nothing");
}
