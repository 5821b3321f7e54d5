//! The disk: what runs and worktrees take of it, and what is left.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use serde::Serialize;

use super::{Finding, Level, Subject, found};
use crate::harness::Layout;

/// Less is a warning.
const ENOUGH: u64 = 1 << 30;
/// A tree with very many files is not counted to its end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of the disk that a repository is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Disk {
    #[serde(rename = "worktrees_bytes")]
    worktrees: u64,
    #[serde(rename = "runs_bytes")]
    runs: u64,
    /// Whether both were counted to the end.
    complete: bool,
    /// Nothing where the system does not tell.
    #[serde(rename = "free_bytes")]
    free: Option<u64>,
}

impl Disk {
    pub(super) fn look(layout: &Layout) -> Self {
        let deadline = Instant::now() + PATIENCE;
        let mut usage = Usage::default();
        let mut of = |dir: &Utf8Path| {
            let before = usage.bytes;
            let complete = usage.add(dir, deadline);
            (usage.bytes - before, complete)
        };
        let (worktrees, all_worktrees) = of(&layout.worktrees);
        let (runs, all_runs) = of(&layout.runs_dir());
        let told = rustix::fs::statvfs(layout.repo_root.as_std_path());
        Self {
            worktrees,
            runs,
            complete: all_worktrees && all_runs,
            free: told.ok().map(|it| it.f_bavail.saturating_mul(it.f_frsize)),
        }
    }
}

pub(super) fn disk(subject: &Subject<'_>) -> Finding {
    subject
        .disk
        .as_ref()
        .map_or_else(|| found(Level::Skip, "no repository"), judge)
}

fn judge(disk: &Disk) -> Finding {
    let least = if disk.complete { "" } else { "at least " };
    let free = disk.free.map_or("unknown".to_owned(), human);
    let detail = format!(
        "worktrees take {least}{}, runs {least}{}; {free} are free",
        human(disk.worktrees),
        human(disk.runs)
    );
    match disk.free {
        Some(free) if free < ENOUGH => found(Level::Warn, detail),
        _ => found(Level::Ok, detail),
    }
}

/// A size in the unit that fits.
fn human(bytes: u64) -> String {
    let unit = |of: u64, name: &str| {
        let tenths = u128::from(bytes) * 10 / u128::from(of);
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => unit(1 << 10, "KiB"),
        0x10_0000..0x4000_0000 => unit(1 << 20, "MiB"),
        _ => unit(1 << 30, "GiB"),
    }
}

/// What files take on the disk, each once whatever its names.
#[derive(Default)]
struct Usage {
    bytes: u64,
    linked: HashSet<(u64, u64)>,
}

impl Usage {
    /// Adds what is below a directory; whether all of it was seen in time. Links are not followed,
    /// and what cannot be read counts nothing.
    fn add(&mut self, dir: &Utf8Path, deadline: Instant) -> bool {
        let mut open = vec![dir.as_std_path().to_owned()];
        while let Some(dir) = open.pop() {
            if Instant::now() > deadline {
                return false;
            }
            let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
            for entry in entries {
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                if metadata.is_dir() {
                    open.push(entry.path());
                } else if metadata.nlink() > 1
                    && !self.linked.insert((metadata.dev(), metadata.ino()))
                {
                    continue;
                }
                // The system counts in these, whatever the blocks of the disk are.
                self.bytes += metadata.blocks() * 512;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_gibibyte_is_a_warning() {
        let level = |free| {
            let disk = Disk {
                worktrees: 0,
                runs: 0,
                complete: true,
                free,
            };
            judge(&disk).level
        };
        assert_eq!(level(Some(ENOUGH - 1)), Level::Warn);
        assert_eq!(level(Some(ENOUGH)), Level::Ok);
        assert_eq!(level(None), Level::Ok);
    }

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        let told = [0, 1023, 1536, 5 << 20, (1 << 30) - 1, 1 << 30, u64::MAX].map(human);
        let expected = [
            "0 B",
            "1023 B",
            "1.5 KiB",
            "5.0 MiB",
            "1023.9 MiB",
            "1.0 GiB",
            "17179869183.9 GiB",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_file_with_two_names_is_counted_once_and_a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(path.join("a"), vec![b'x'; 1 << 20]).unwrap();
        let once = |usage: &mut Usage| {
            assert!(usage.add(path, Instant::now() + PATIENCE));
            usage.bytes
        };
        let before = once(&mut Usage::default());
        std::fs::hard_link(path.join("a"), path.join("b")).unwrap();
        std::os::unix::fs::symlink("/usr", path.join("usr")).unwrap();
        assert!((1..2 << 20).contains(&before), "{before}");
        assert_eq!(once(&mut Usage::default()), before);
        assert!(!Usage::default().add(path, Instant::now() - PATIENCE));
    }
}
