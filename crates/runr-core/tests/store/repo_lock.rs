//! The lock of a repository.

use std::time::Duration;

use runr_core::Code;
use runr_core::fs::Wait;
use runr_core::store::{Holder, RunStore};
use serde_json::json;

use crate::world::{World, fails, now, put, set};

fn holder(pid: u32) -> Holder {
    Holder::new(pid, "here", now(), "push")
}

#[test]
fn the_repository_lock_excludes_and_names_its_holder() {
    let world = World::new();
    let wait = Duration::from_millis(60);
    let guard = world
        .store
        .lock_repository(&holder(4711), wait, &|_| true)
        .unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| world.store.lock_repository(&holder(1), wait, &|_| true));
        let error = fails(
            other.join().unwrap(),
            Code::LockTimeout,
            &["lock_path", "waited_ms"],
        );
        assert_eq!(error.to_json()["holder"]["pid"], 4711);
        assert!(
            error
                .to_string()
                .contains("by process 4711 since 2026-01-10"),
            "{error}"
        );
    });
    // Runs are updated all the same.
    let run = world.create("gh-17");
    world.store.update(&run, |_| Ok(())).unwrap();
    drop(guard);
    drop(
        world
            .store
            .lock_repository(&holder(1), wait, &|_| true)
            .unwrap(),
    );
}

#[test]
fn a_lock_file_of_another_program_is_honoured_while_its_process_lives() {
    let world = World::new();
    world.create("gh-17");
    let repo = world
        .fs
        .storage()
        .open_dir("/data/repos/abcd1234ef567890".into())
        .unwrap();
    let text = r#"{"pid":77,"created_at":"2026-01-10T11:00:00Z","cmd":"merge"}"#;
    put(repo.as_ref(), ".lock", text.as_bytes());
    let wait = Duration::from_millis(120);
    let error = fails(
        world
            .store
            .lock_repository(&holder(1), wait, &|pid| pid == 77),
        Code::LockTimeout,
        &["lock_path", "waited_ms", "holder"],
    );
    let form = error.to_json();
    assert_eq!(
        form["holder"],
        json!({"pid": 77, "since": "2026-01-10T11:00:00Z", "cmd": "merge"})
    );
    drop(
        world
            .store
            .lock_repository(&holder(1), wait, &|_| false)
            .unwrap(),
    );
    let left = repo.read(".lock", 4096).unwrap().bytes;
    assert_eq!(left, text.as_bytes(), "not ours to remove");
}

#[test]
fn a_lock_file_that_cannot_be_read_does_not_block_for_ever() {
    let world = World::new();
    world.create("gh-17");
    let repo = world
        .fs
        .storage()
        .open_dir("/data/repos/abcd1234ef567890".into())
        .unwrap();
    put(repo.as_ref(), ".lock", b"");
    let start = std::time::Instant::now();
    let wait = Duration::from_secs(10);
    drop(
        world
            .store
            .lock_repository(&holder(1), wait, &|_| true)
            .unwrap(),
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_name_is_taken_under_the_lock_of_the_repository_and_other_changes_are_not() {
    let world = World::new();
    let run = world.create("gh-17");
    let store = world.store.clone().wait(Wait::No);
    let name =
        |store: &RunStore, name: &str| store.update_values(&run, &[set("/name", json!(name))]);
    let short = Duration::from_millis(1);
    let held = world
        .store
        .lock_repository(&holder(7), short, &|_| true)
        .unwrap();
    // Who holds the lock of the repository may take names.
    name(&store, "mine").unwrap();
    let text = world.text(&run);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            fails(name(&store, "fix"), Code::LockTimeout, &["lock_path"]);
            assert_eq!(world.text(&run), text);
            store.update_values(&run, &[set("/x", json!(1))]).unwrap();
        });
        other.join().unwrap();
        // One that waits gets it, and sees what was written meanwhile.
        let patient = world
            .store
            .clone()
            .wait(Wait::UpTo(Duration::from_secs(60)));
        let waiting = scope.spawn(move || name(&patient, "fix").unwrap().name);
        std::thread::sleep(Duration::from_millis(50));
        drop(held);
        assert_eq!(waiting.join().unwrap().as_deref(), Some("fix"));
    });
}
