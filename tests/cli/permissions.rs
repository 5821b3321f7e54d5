//! Who may read what runr keeps, under every umask, and what a replaced file keeps.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::support::{Output, Sandbox, Script, Shop};

const UMASKS: [u32; 3] = [0o000, 0o022, 0o077];

/// Runs `runr store` under an umask.
fn store(shop: &Shop, umask: u32, args: &[&str]) -> Output {
    runr(
        &shop.sandbox,
        umask,
        &[&["store"], args].concat(),
        Some(&shop.data()),
    )
}

fn runr(sandbox: &Sandbox, umask: u32, args: &[&str], data: Option<&Path>) -> Output {
    let shell = format!("umask {umask:03o}; exec \"$@\"");
    let words = [&["-c", &shell, "sh", env!("CARGO_BIN_EXE_runr")], args].concat();
    let mut command = sandbox.command("/bin/sh").args(&words);
    if let Some(data) = data {
        command = command.env("RUNR_DATA_DIR", data);
    }
    command
        .env(
            "RUNR_WORKER_SCRIPT",
            sandbox.scratch().join("../script.json"),
        )
        .output()
        .exits(0)
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

/// Everything below a directory, itself included.
fn all(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    let mut next = 0;
    while next < found.len() {
        if found[next].is_dir() {
            let entries = fs::read_dir(&found[next]).unwrap();
            found.extend(entries.map(|entry| entry.unwrap().path()));
        }
        next += 1;
    }
    found
}

/// Creates a run, changes it and appends an event; its directory.
fn work(shop: &Shop, umask: u32, place: &[&str]) -> PathBuf {
    let with = |args: &[&str]| store(shop, umask, &[args, place].concat());
    let id = with(&["new", "--title", "t"]).stdout.trim().to_owned();
    with(&["set", &id, "pr_number=5"]);
    with(&["events", &id, "--append", "stop"]);
    PathBuf::from(with(&["path", &id]).stdout.trim())
}

#[test]
fn a_data_directory_is_for_its_owner_alone_under_every_umask() {
    for umask in UMASKS {
        let shop = Shop::new();
        let run = work(&shop, umask, &[]);
        for name in ["meta.json", "events.jsonl", ".lock", "logs"] {
            assert!(run.join(name).exists(), "{name}");
        }
        for path in all(&shop.data()) {
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(
                mode(&path),
                expected,
                "umask {umask:03o}: {}",
                path.display()
            );
        }
    }
}

#[test]
fn a_store_in_a_repository_follows_the_umask_but_keeps_documents_and_logs_private() {
    for umask in UMASKS {
        let shop = Shop::new();
        let runs = shop.sandbox.repo().join(".runr/runs");
        let run = work(&shop, umask, &["--runs", runs.to_str().unwrap()]);
        for (path, expected) in [
            (runs.clone(), 0o777 & !umask),
            (run.clone(), 0o777 & !umask),
            (run.join("logs"), 0o700),
            (run.join("meta.json"), 0o600),
            (run.join("events.jsonl"), 0o600),
            (run.join(".lock"), 0o600),
        ] {
            assert_eq!(
                mode(&path),
                expected,
                "umask {umask:03o}: {}",
                path.display()
            );
        }
    }
}

#[test]
fn a_run_of_the_harness_keeps_its_logs_and_artifacts_private() {
    for umask in [0o000, 0o077] {
        let sandbox = Sandbox::scripted(&Script::happy(1));
        let args = ["run", "--task", crate::support::TASK, "--worktree"];
        runr(&sandbox, umask, &args, None);
        let run = sandbox.run_dir(&sandbox.run_ids()[0]);
        assert_eq!(mode(&run), 0o777 & !umask);
        assert_eq!(mode(&run.join("meta.json")), 0o600);
        for lock in [".lock", "owner.lock"] {
            assert_eq!(mode(&run.join(lock)), 0o600, "{lock}");
        }
        // Nobody else gets at what is in them, whatever its own mode.
        for folder in ["logs", "artifacts"] {
            assert_eq!(
                mode(&run.join(folder)),
                0o700,
                "umask {umask:03o}: {folder}"
            );
        }
        assert_eq!(mode(&run.join("timeline.jsonl")), 0o666 & !umask);
    }
}

/// A group that is not that of new files; none where this user has no second one to give.
fn other_group(place: &Path) -> Option<u32> {
    let own = place.metadata().unwrap().gid();
    let groups = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mine = groups.lines().find_map(|line| line.strip_prefix("Groups:"));
    let mine = mine.unwrap_or_default().split_whitespace();
    let candidates = mine.filter_map(|group| group.parse().ok()).chain([own + 1]);
    let probe = place.join("probe");
    fs::write(&probe, "").unwrap();
    let found = candidates
        .filter(|group| *group != own)
        .find(|group| chown(&probe, None, Some(*group)).is_ok());
    fs::remove_file(probe).unwrap();
    if found.is_none() {
        eprintln!("skipped: this user has one group only");
    }
    found
}

#[test]
fn a_replaced_document_keeps_its_mode_and_its_group() {
    for umask in UMASKS {
        let shop = Shop::new();
        let run = work(&shop, umask, &[]);
        let meta = run.join("meta.json");
        for given in [0o600, 0o640, 0o664, 0o666, 0o400] {
            fs::set_permissions(&meta, fs::Permissions::from_mode(given)).unwrap();
            let id = run.file_name().unwrap().to_str().unwrap();
            store(&shop, umask, &["set", id, &format!("x={given}")]);
            assert_eq!(mode(&meta), given, "umask {umask:03o}");
        }
        let Some(group) = other_group(&shop.sandbox.scratch()) else {
            return;
        };
        fs::set_permissions(&meta, fs::Permissions::from_mode(0o660)).unwrap();
        chown(&meta, None, Some(group)).unwrap();
        let id = run.file_name().unwrap().to_str().unwrap();
        store(&shop, umask, &["set", id, "x=group"]);
        assert_eq!(
            (mode(&meta), meta.metadata().unwrap().gid()),
            (0o660, group)
        );
    }
}

#[test]
fn a_repository_that_a_group_shares_stays_shared() {
    let shop = Shop::new();
    let Some(group) = other_group(&shop.sandbox.scratch()) else {
        return;
    };
    let runs = shop.sandbox.repo().join(".runr/runs");
    fs::create_dir_all(&runs).unwrap();
    chown(&runs, None, Some(group)).unwrap();
    fs::set_permissions(&runs, fs::Permissions::from_mode(0o2775)).unwrap();
    let run = work(&shop, 0o002, &["--runs", runs.to_str().unwrap()]);
    for path in all(&runs) {
        assert_eq!(path.metadata().unwrap().gid(), group, "{}", path.display());
    }
    assert_eq!(mode(&run), 0o2775);
    // What its owner opened for the group stays open, and the group's.
    let meta = run.join("meta.json");
    fs::set_permissions(&meta, fs::Permissions::from_mode(0o660)).unwrap();
    let id = run.file_name().unwrap().to_str().unwrap();
    store(
        &shop,
        0o077,
        &["set", id, "x=1", "--runs", runs.to_str().unwrap()],
    );
    assert_eq!(
        (mode(&meta), meta.metadata().unwrap().gid()),
        (0o660, group)
    );
}
