//! What git prints, read into what the harness asks about.

use std::collections::HashSet;

use runr_core::{Error, Result};

/// What `git status` tells in one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TreeStatus {
    pub(crate) head: String,
    /// Absent when detached.
    pub(crate) branch: Option<String>,
    /// Tracked changes and untracked files, one by one; both names of a rename.
    pub(crate) changed: Vec<String>,
    /// Untracked among `changed`.
    pub(crate) untracked: Vec<String>,
    /// Files git ignores, one by one.
    pub(crate) ignored: Vec<String>,
    /// Entries that are repositories of their own.
    pub(crate) repositories: HashSet<String>,
    /// Entries whose index differs from HEAD.
    pub(crate) staged: Vec<String>,
}

/// What a range of commits touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Each path once, in the order of the log.
    pub(crate) paths: Vec<String>,
    /// Those that are, or were, repositories of their own.
    pub(crate) repositories: HashSet<String>,
}

/// Reads `git log --raw -z`: a mark per commit, then pairs of modes and path.
pub(super) fn parse_touched(text: &str) -> Result<Touched> {
    let mut touched = Touched::default();
    let mut known = HashSet::new();
    let mut parts = text.split('\0');
    while let Some(part) = parts.next() {
        let Some(modes) = part.trim_start_matches('\n').strip_prefix(':') else {
            continue; // The mark of a commit, or the end.
        };
        let path = parts
            .next()
            .ok_or_else(|| Error::internal(format!("git log said `{part}`")))?;
        if modes.split(' ').take(2).any(|mode| mode == "160000") {
            touched.repositories.insert(path.to_owned());
        }
        if known.insert(path) {
            touched.paths.push(path.to_owned());
        }
    }
    Ok(touched)
}

pub(super) fn parse_status(text: &str) -> Result<TreeStatus> {
    let mut status = TreeStatus::default();
    let mut entries = text.split('\0');
    while let Some(entry) = entries.next() {
        let unreadable = || Error::internal(format!("git status said `{entry}`"));
        match entry.split_once(' ') {
            None if entry.is_empty() => {}
            None => return Err(unreadable()),
            Some(("#", header)) => match header.split_once(' ') {
                Some(("branch.oid", oid)) => status.head = oid.to_owned(),
                Some(("branch.head", name)) if name != "(detached)" => {
                    status.branch = Some(name.to_owned())
                }
                _ => {}
            },
            Some(("1", rest)) => {
                let path = nth_field(rest, 7).ok_or_else(unreadable)?;
                status.tracked(rest, path);
            }
            Some(("2", rest)) => {
                let path = nth_field(rest, 8).ok_or_else(unreadable)?;
                status.tracked(rest, path);
                let old = entries.next().ok_or_else(unreadable)?.to_owned();
                status.tracked(rest, old);
            }
            Some(("u", rest)) => {
                let path = nth_field(rest, 9).ok_or_else(unreadable)?;
                status.tracked(rest, path);
            }
            Some(("?", path)) => {
                status.untracked.push(path.to_owned());
                status.changed.push(path.to_owned());
            }
            Some(("!", path)) => status.ignored.push(path.to_owned()),
            Some(_) => return Err(unreadable()),
        }
    }
    Ok(status)
}

impl TreeStatus {
    /// Takes up what an other index holds.
    pub(crate) fn absorb(&mut self, other: Self) {
        let name = |path: &String| path.trim_end_matches('/').to_owned();
        let known: HashSet<String> = self.changed.iter().map(name).collect();
        let more = other.changed.into_iter();
        self.changed
            .extend(more.filter(|path| !known.contains(&name(path))));
        self.repositories.extend(other.repositories);
    }

    /// A tracked entry: `rest` begins with the two states and the kind of submodule.
    fn tracked(&mut self, rest: &str, path: String) {
        if !rest.starts_with('.') {
            self.staged.push(path.clone());
        }
        let is_repository = nth_field(rest, 1).is_some_and(|kind| kind.starts_with('S'))
            || rest.split(' ').skip(2).take(3).any(|mode| mode == "160000");
        if is_repository {
            self.repositories.insert(path.clone());
        }
        self.changed.push(path);
    }
}

fn nth_field(rest: &str, n: usize) -> Option<String> {
    rest.splitn(n + 1, ' ').nth(n).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lists_both_names_of_a_rename_and_paths_with_blanks() {
        let text = "# branch.oid abc\0# branch.head main\0\
            1 .M N... 100644 100644 100644 a b src/with blank.rs\0\
            2 R. N... 100644 100644 100644 a b R100 new name.rs\0old name.rs\0\
            ? keys/a.key\0! .env\0";
        let status = parse_status(text).unwrap();
        assert_eq!(status.head, "abc");
        assert_eq!(status.branch.as_deref(), Some("main"));
        assert_eq!(
            status.changed,
            [
                "src/with blank.rs",
                "new name.rs",
                "old name.rs",
                "keys/a.key"
            ]
        );
        assert_eq!(status.untracked, ["keys/a.key"]);
        assert_eq!(status.ignored, [".env"]);
    }

    #[test]
    fn staged_entries_and_repositories_are_told_apart() {
        let text = "1 A. N... 0 100644 100644 a b new\0\
            1 .M S.M. 160000 160000 160000 a b sub\0\
            1 .M N... 100644 100644 100644 a b plain\0";
        let status = parse_status(text).unwrap();
        assert_eq!(status.staged, ["new"]);
        assert_eq!(status.repositories, HashSet::from(["sub".to_owned()]));
    }

    #[test]
    fn the_log_tells_every_path_once_with_odd_names_and_gitlinks() {
        let text = "\u{1}\0\n:0 100644 a b A\0\nlead\0:0 160000 a b A\0sub\0\u{1}\0\n:100644 0 a b D\0\nlead\0";
        let touched = parse_touched(text).unwrap();
        assert_eq!(touched.paths, ["\nlead", "sub"]);
        assert_eq!(touched.repositories, HashSet::from(["sub".to_owned()]));
    }

    #[test]
    fn a_detached_head_has_no_branch() {
        let status = parse_status("# branch.oid abc\0# branch.head (detached)\0").unwrap();
        assert_eq!(status.branch, None);
    }

    #[test]
    fn lines_that_are_no_status_are_an_error() {
        assert!(parse_status("nonsense\0").is_err());
        assert!(parse_status("1 too short\0").is_err());
    }
}
