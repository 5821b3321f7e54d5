//! What others may have planted in the place of the files of a claim, on a real disk.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use runr_core::fs::Wait;
use runr_core::ownership::ClaimStore;
use runr_core::{Code, Error};

use crate::world::{ARCHIVE, FENCE, LOCK, RECORD, World, real_world, target};

/// A claim of `a` on a disk, where files can be replaced.
struct Trap {
    keep: tempfile::TempDir,
    world: World,
    /// Nothing may become of it.
    outside: PathBuf,
}

/// What can be planted.
const KINDS: [&str; 5] = [
    "directory",
    "full directory",
    "link",
    "dangling link",
    "pipe",
];

impl Trap {
    fn new() -> Self {
        let (keep, world) = real_world();
        let world = world.with(|claims| claims.wait(Wait::No));
        world.claim("a").unwrap();
        let outside = keep.path().join("outside");
        fs::write(&outside, "outside").unwrap();
        Self {
            keep,
            world,
            outside,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        let record = self.world.claims.path(&target());
        record.with_file_name(name).into_std_path_buf()
    }

    /// Puts a strange thing in the place of a file.
    fn plant(&self, name: &str, kind: &str) {
        let path = self.path(name);
        drop(fs::remove_file(&path));
        match kind {
            "directory" => fs::create_dir(path).unwrap(),
            "full directory" => fs::create_dir_all(path.join("within")).unwrap(),
            "link" => symlink(&self.outside, path).unwrap(),
            "dangling link" => symlink(self.keep.path().join("nowhere"), path).unwrap(),
            _ => pipe(&path),
        }
    }

    /// Whether nothing happened outside.
    fn is_calm(&self) {
        assert_eq!(fs::read_to_string(&self.outside).unwrap(), "outside");
        assert!(!self.keep.path().join("nowhere").exists());
    }

    #[track_caller]
    fn refused(&self, code: Code) -> Error {
        let error = self.world.take_over("b").unwrap_err();
        assert_eq!(error.code(), code, "{error:?}");
        self.is_calm();
        error
    }
}

fn pipe(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_record_that_is_no_file_is_reported_and_left_alone() {
    for kind in KINDS {
        let trap = Trap::new();
        trap.plant(RECORD, kind);
        let error = trap.refused(Code::StoreCorrupt);
        assert_eq!(error.path().unwrap(), &trap.world.claims.path(&target()));
        assert!(
            error.hint_text().unwrap().contains("runr owner repair"),
            "{error:?}"
        );
        let read = trap.world.claims.read(&target()).unwrap_err();
        assert_eq!(read.code(), Code::StoreCorrupt, "{kind}");
        assert!(fs::symlink_metadata(trap.path(RECORD)).is_ok());
        assert!(!trap.path(LOCK).exists());
    }
}

#[test]
fn a_record_that_cannot_be_one_is_reported_and_left_alone() {
    for text in [
        "",
        "\u{feff}{}",
        "[]",
        "{}",
        "{\"schemaVersion\":3}",
        "nul",
        "\"text\"",
    ] {
        let trap = Trap::new();
        fs::write(trap.path(RECORD), text).unwrap();
        let error = trap.world.take_over("b").unwrap_err();
        let codes = [Code::StoreCorrupt, Code::RecordSchema];
        assert!(codes.contains(&error.code()), "{text}: {error:?}");
        let message = error.to_string();
        assert!(
            message.contains(RECORD) && !message.contains("lock"),
            "{message}"
        );
        assert_eq!(fs::read_to_string(trap.path(RECORD)).unwrap(), text);
    }
    let trap = Trap::new();
    fs::write(trap.path(RECORD), b"\xff\xfe").unwrap();
    trap.refused(Code::StoreCorrupt);
    // A hundred megabytes of nothing.
    let file = fs::File::create(trap.path(RECORD)).unwrap();
    file.set_len(100 << 20).unwrap();
    trap.refused(Code::StoreCorrupt);
    assert_eq!(
        trap.world.claims.read(&target()).unwrap_err().code(),
        Code::StoreCorrupt
    );
    assert_eq!(fs::metadata(trap.path(RECORD)).unwrap().len(), 100 << 20);
}

#[test]
fn a_record_of_null_is_none() {
    let trap = Trap::new();
    fs::write(trap.path(RECORD), "null\n").unwrap();
    assert_eq!(trap.world.owner(), None);
    assert!(trap.world.claim("b").unwrap().ok());
}

#[test]
fn a_sidecar_that_is_none_is_replaced_under_a_higher_token() {
    for kind in ["link", "dangling link", "pipe", "rubbish", "bytes", "large"] {
        let trap = Trap::new();
        let before = trap.world.token().unwrap();
        match kind {
            "rubbish" => fs::write(trap.path(FENCE), "{\"token\":\"7\"}").unwrap(),
            "bytes" => fs::write(trap.path(FENCE), b"\xff").unwrap(),
            "large" => fs::write(trap.path(FENCE), vec![b' '; 1 << 20]).unwrap(),
            kind => trap.plant(FENCE, kind),
        }
        assert_eq!(trap.world.token(), None, "{kind}");
        let taken = trap.world.take_over("b").unwrap();
        assert!(taken.token.unwrap() > before, "{kind}");
        assert_eq!(trap.world.token(), taken.token);
        trap.is_calm();
    }
    // A directory cannot be replaced. That is said, and the claim is as it was.
    let trap = Trap::new();
    trap.plant(FENCE, "directory");
    let error = trap.refused(Code::MetaWriteFailed);
    assert!(
        error.hint_text().unwrap().contains("runr owner repair"),
        "{error:?}"
    );
    assert_eq!(trap.world.owner().unwrap(), "a");
}

#[test]
fn an_archive_that_is_none_is_reported() {
    for kind in KINDS {
        let trap = Trap::new();
        trap.plant(ARCHIVE, kind);
        let error = trap.world.take_over("b").unwrap_err();
        let codes = [Code::Io, Code::MetaWriteFailed];
        assert!(codes.contains(&error.code()), "{kind}: {error:?}");
        assert!(
            error.hint_text().unwrap().contains("runr owner repair"),
            "{error:?}"
        );
        assert_eq!(error.path().unwrap().file_name(), Some(ARCHIVE));
        assert_eq!(trap.world.owner().unwrap(), "a");
        trap.is_calm();
    }
}

#[test]
fn a_lock_directory_that_is_none_keeps_others_out_and_stays() {
    for kind in ["link", "dangling link", "pipe"] {
        let trap = Trap::new();
        trap.plant(LOCK, kind);
        trap.refused(Code::LockTimeout);
        assert!(fs::symlink_metadata(trap.path(LOCK)).is_ok());
    }
}

#[test]
fn the_owner_file_in_a_lock_directory_is_read_only_if_it_is_one() {
    let dead = "{\"pid\":4242}";
    for kind in ["link", "pipe", "directory"] {
        let trap = Trap::new();
        fs::write(&trap.outside, dead).unwrap();
        let owner = format!("{LOCK}/owner.json");
        fs::create_dir(trap.path(LOCK)).unwrap();
        trap.plant(&owner, kind);
        let error = trap.world.take_over("b").unwrap_err();
        assert_eq!(error.code(), Code::LockTimeout, "{kind}");
        assert!(trap.path(LOCK).exists());
    }
    // One that is reached through a link is not one of this record.
    let trap = Trap::new();
    let elsewhere = trap.keep.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("owner.json"), dead).unwrap();
    symlink(&elsewhere, trap.path(LOCK)).unwrap();
    trap.refused(Code::LockTimeout);
    assert!(elsewhere.join("owner.json").exists());
}

#[test]
fn a_kernel_lock_that_is_none_is_an_error() {
    for kind in KINDS {
        let trap = Trap::new();
        trap.plant(&format!("{RECORD}.oslock"), kind);
        trap.refused(Code::Io);
        assert_eq!(trap.world.owner().unwrap(), "a");
    }
}

#[test]
fn what_stands_under_the_names_of_unfinished_files_is_removed_not_followed() {
    let names = [
        format!(".{RECORD}.tmp"),
        format!(".{FENCE}.tmp"),
        format!(".{LOCK}.tmp"),
        format!(".{LOCK}.gone.tmp"),
    ];
    for name in &names {
        for kind in ["link", "dangling link", "pipe"] {
            let trap = Trap::new();
            trap.plant(name, kind);
            trap.world.take_over("b").unwrap();
            assert!(
                fs::symlink_metadata(trap.path(name)).is_err(),
                "{name} {kind}"
            );
            trap.is_calm();
        }
    }
}
