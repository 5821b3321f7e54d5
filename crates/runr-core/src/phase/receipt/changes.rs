//! What a run changed, as git counts it.

use serde::{Deserialize, Serialize};

/// Files that are named; the rest are counted.
pub const MAX_NAMED: usize = 500;

/// A patch of more bytes is compressed.
const MANY_BYTES: u64 = 50 * 1024;
/// A patch of more lines is compressed.
const MANY_LINES: u64 = 2000;
/// A patch of more files is compressed.
const MANY_FILES: u64 = 100;

/// What differs between two commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// How much.
    pub totals: Totals,
    /// The first files, in git's order.
    pub named: Vec<FileChange>,
}

/// How much differs between two commits. A rename is two files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Files.
    pub files_changed: u64,
    /// Lines that came; those of binary files are not counted.
    pub lines_added: u64,
    /// Lines that went.
    pub lines_deleted: u64,
    /// Files without lines.
    pub binary_files: u64,
}

/// One changed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Its path as git prints it: in quotes if it holds control characters.
    pub path: String,
    /// Lines that came and went; absent for a binary file.
    pub lines: Option<(u64, u64)>,
}

impl Changes {
    /// Adds a line of `git diff --numstat`; `false` for anything else.
    pub fn add(&mut self, line: &str) -> bool {
        let mut fields = line.splitn(3, '\t');
        let (Some(added), Some(deleted), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return false;
        };
        let lines = match (added.parse::<u64>(), deleted.parse::<u64>()) {
            (Ok(added), Ok(deleted)) => Some((added, deleted)),
            _ if added == "-" && deleted == "-" => None,
            _ => return false,
        };
        let totals = &mut self.totals;
        let (added, deleted) = lines.unwrap_or_default();
        totals.files_changed += 1;
        totals.lines_added = totals.lines_added.saturating_add(added);
        totals.lines_deleted = totals.lines_deleted.saturating_add(deleted);
        totals.binary_files += u64::from(lines.is_none());
        if self.named.len() < MAX_NAMED {
            let path = path.to_owned();
            self.named.push(FileChange { path, lines });
        }
        true
    }

    /// The text of `files.txt`: a path per line, and how many more there are.
    #[must_use]
    pub fn files_text(&self) -> String {
        let mut text: String = self.named.iter().map(|f| f.path.clone() + "\n").collect();
        if let Some(more) = self.beyond(self.named.len()) {
            text.push_str(&more);
            text.push('\n');
        }
        text
    }

    /// The text of `diffstat.txt`.
    #[must_use]
    pub fn stat_text(&self) -> String {
        let lines = self.stat_lines(MAX_NAMED);
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// A line for each of the first files, how many more there are, and the sum.
    #[must_use]
    pub fn stat_lines(&self, limit: usize) -> Vec<String> {
        let shown = self.named.len().min(limit);
        let named = &self.named[..shown];
        let width = named.iter().map(|file| file.path.chars().count()).max();
        let width = width.unwrap_or(0).min(60);
        let mut lines: Vec<String> = named
            .iter()
            .map(|file| match file.lines {
                Some((added, deleted)) => format!(" {:width$} | +{added} -{deleted}", file.path),
                None => format!(" {:width$} | binary", file.path),
            })
            .collect();
        lines.extend(self.beyond(shown));
        lines.push(self.totals.to_string());
        lines
    }

    fn beyond(&self, shown: usize) -> Option<String> {
        let more = self.totals.files_changed.saturating_sub(shown as u64);
        let files = if more == 1 { "file" } else { "files" };
        (more > 0).then(|| format!("...{more} more {files}"))
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            files_changed: files,
            lines_added: added,
            lines_deleted: deleted,
            ..
        } = self;
        let plural = if *files == 1 { "" } else { "s" };
        write!(f, " {files} file{plural} changed, +{added} -{deleted}")
    }
}

/// Whether a patch is kept compressed.
#[must_use]
pub const fn is_bulky(bytes: u64, lines: u64, files: u64) -> bool {
    bytes > MANY_BYTES || lines > MANY_LINES || files > MANY_FILES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_s_numbers_are_summed_up() {
        let mut changes = Changes::default();
        assert!(changes.add("3\t1\tsrc/a.txt"));
        assert!(changes.add("-\t-\tlogo.png"));
        assert!(changes.add("1\t0\t\"a\\tb\""));
        assert!(!changes.add("diff --git a/x b/x"));
        assert!(!changes.add("x\ty\tz") && !changes.add(""));
        let totals = Totals {
            files_changed: 3,
            lines_added: 4,
            lines_deleted: 1,
            binary_files: 1,
        };
        assert_eq!(changes.totals, totals);
        assert_eq!(changes.files_text(), "src/a.txt\nlogo.png\n\"a\\tb\"\n");
        let stat = " src/a.txt | +3 -1\n logo.png  | binary\n \"a\\tb\"    | +1 -0\n 3 files changed, +4 -1\n";
        assert_eq!(changes.stat_text(), stat);
    }

    #[test]
    fn beyond_the_limit_files_are_counted_and_not_named() {
        let mut changes = Changes::default();
        for n in 0..=MAX_NAMED {
            assert!(changes.add(&format!("1\t0\tf{n}")));
        }
        let text = changes.files_text();
        assert_eq!(text.lines().count(), MAX_NAMED + 1);
        assert!(text.ends_with("f499\n...1 more file\n"), "{text}");
        let lines = changes.stat_lines(20);
        assert_eq!(lines.len(), 22);
        assert_eq!(lines[20], "...481 more files");
        assert_eq!(lines[21], " 501 files changed, +501 -0");
    }

    #[test]
    fn a_patch_is_bulky_above_each_of_three_limits() {
        assert!(!is_bulky(50 * 1024, 2000, 100));
        assert!(is_bulky(50 * 1024 + 1, 0, 0));
        assert!(is_bulky(0, 2001, 0));
        assert!(is_bulky(0, 0, 101));
    }
}
