//! Mounted file systems that go away with the test, also when it fails.

use std::path::{Path, PathBuf};

use crate::form::{is_root, succeeds};

/// A mounted file system; dropped, it is unmounted.
#[derive(Debug)]
pub(crate) struct Mount {
    point: PathBuf,
}

impl Mount {
    /// Mounts at `point`, which is made; `None` where that is not allowed.
    pub(crate) fn new(point: &Path, words: &[&str]) -> Option<Self> {
        if !is_root() {
            return None;
        }
        std::fs::create_dir_all(point).unwrap();
        let at = [point.to_str().unwrap()];
        let words: Vec<&str> = ["mount"].iter().chain(words).chain(&at).copied().collect();
        let point = point.to_owned();
        succeeds(&words).then_some(Self { point })
    }

    /// A file system in memory.
    pub(crate) fn memory(point: &Path, options: &str) -> Option<Self> {
        // Only for its owner, as a data directory must be.
        let options = format!("{options},mode=700");
        Self::new(point, &["-t", "tmpfs", "-o", &options, "tmpfs"])
    }

    /// Changes its options.
    pub(crate) fn change(&self, options: &str) {
        let options = format!("remount,{options}");
        let point = self.point.to_str().unwrap();
        assert!(succeeds(&["mount", "-o", &options, point]), "{options}");
    }

    /// Pages in use and pages in all.
    pub(crate) fn pages(&self) -> (u64, u64) {
        let stat = rustix::fs::statvfs(&self.point).unwrap();
        (stat.f_blocks - stat.f_bfree, stat.f_blocks)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let point = self.point.to_str().unwrap();
        // A child may still be in there; then it is unmounted as soon as that is gone.
        let gone = succeeds(&["umount", point]) || succeeds(&["umount", "--lazy", point]);
        if !gone && !std::thread::panicking() {
            panic!("{point} cannot be unmounted");
        }
    }
}
