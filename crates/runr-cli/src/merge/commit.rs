//! Commits, as git tells of them.

use std::fmt;

use runr_core::{Error, Result};

use crate::harness::Git;

/// The id of an object: nothing that git could take for an option or an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitId(String);

impl CommitId {
    /// The whole id in lower-case hexadecimal digits, by SHA-1 or SHA-256.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_id = matches!(text.len(), 40 | 64) && text.bytes().all(is_digit);
        is_id.then(|| Self(text.to_owned()))
    }

    /// What git has just printed.
    pub(super) fn printed(text: &str) -> Result<Self> {
        let id = text.trim();
        Self::parse(id).ok_or_else(|| Error::internal(format!("git named an object `{id}`")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the repository has this commit. It is not fetched.
    pub(crate) fn exists(&self, git: &Git) -> Result<bool> {
        let answer = git.ask_of_objects(&format!("{self}\n"))?;
        Ok(answer.trim_end() == format!("{self} commit"))
    }

    /// The tree of the commit.
    pub(super) fn tree(&self, git: &Git) -> Result<Self> {
        Self::printed(&git.run(&["rev-parse", "--verify", &format!("{self}^{{tree}}")])?)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who wrote a commit, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Author {
    pub(super) name: String,
    pub(super) mail: String,
    /// Seconds and zone, as git keeps them.
    pub(super) date: String,
}

/// A commit to be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) id: CommitId,
    /// The first one; what the commit changed is told against it.
    pub(super) parent: CommitId,
    pub(super) is_merge: bool,
    pub(super) author: Author,
    pub(super) message: String,
}

/// One commit in fields, each with a NUL behind it.
const FORMAT: &str = "--format=%H%x00%P%x00%an%x00%ae%x00%ad%x00%B";
const FIELDS: usize = 6;

/// The commits after `base` up to `last` along the first parents, the oldest first.
pub(super) fn commits(git: &Git, base: &CommitId, last: &CommitId) -> Result<Vec<Commit>> {
    let range = format!("{base}..{last}");
    let args = [
        "log",
        "--first-parent",
        "--reverse",
        "--no-show-signature",
        "--encoding=UTF-8",
        "--date=raw",
        "-z",
        FORMAT,
        &range,
        "--",
    ];
    parse(&git.run(&args)?)
}

fn parse(text: &str) -> Result<Vec<Commit>> {
    let mut fields: Vec<&str> = text.split('\0').collect();
    fields.pop(); // Behind the last NUL is nothing.
    let commits = fields.chunks(FIELDS).map(|fields| {
        let unreadable = || Error::internal(format!("git log said `{}`", fields.join(" ")));
        let [id, parents, name, mail, date, message] = fields else {
            return Err(unreadable());
        };
        let mut parents = parents.split(' ');
        let parent = parents.next().and_then(CommitId::parse);
        Ok(Commit {
            id: CommitId::printed(id)?,
            parent: parent.ok_or_else(unreadable)?,
            is_merge: parents.next().is_some(),
            author: Author {
                name: (*name).to_owned(),
                mail: (*mail).to_owned(),
                date: (*date).to_owned(),
            },
            message: (*message).to_owned(),
        })
    });
    commits.collect()
}

/// Whether each commit stands on the one before, and the first on the base.
pub(super) fn is_straight(base: &CommitId, commits: &[Commit]) -> bool {
    let before = std::iter::once(base).chain(commits.iter().map(|commit| &commit.id));
    before
        .zip(commits)
        .all(|(before, commit)| commit.parent == *before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> CommitId {
        CommitId::parse(&digit.to_string().repeat(40)).unwrap()
    }

    fn record(own: char, parents: &[char], message: &str) -> String {
        let parents: Vec<String> = parents.iter().map(|it| id(*it).to_string()).collect();
        let parents = parents.join(" ");
        format!(
            "{}\0{parents}\0A B\0a@b\01700000000 +0130\0{message}\0",
            id(own)
        )
    }

    #[test]
    fn only_a_whole_id_is_an_id() {
        let short = "a".repeat(39);
        let upper = "A".repeat(40);
        for bad in ["", "HEAD", "--all", "main", &short, &upper, "a..b"] {
            assert_eq!(CommitId::parse(bad), None, "{bad}");
        }
        for length in [40, 64] {
            assert!(CommitId::parse(&"0a".repeat(length / 2)).is_some());
        }
    }

    #[test]
    fn commits_are_read_with_their_whole_message() {
        let text = record('b', &['a'], "subject\n\nbody\n") + &record('c', &['b', 'e'], "");
        let commits = parse(&text).unwrap();
        let (first, second) = (&commits[0], &commits[1]);
        assert_eq!(first.message, "subject\n\nbody\n");
        assert_eq!(first.author.date, "1700000000 +0130");
        assert!(!first.is_merge && second.is_merge);
        assert_eq!(second.parent, id('b'));
        assert_eq!(parse("").unwrap(), []);
        assert!(parse("x\0y\0").is_err());
        assert!(parse(&record('b', &[], "a root")).is_err());
    }

    #[test]
    fn a_history_that_does_not_begin_at_its_base_is_not_straight() {
        let text = record('b', &['a'], "") + &record('c', &['b', 'e'], "");
        let commits = parse(&text).unwrap();
        assert!(is_straight(&id('a'), &commits));
        assert!(is_straight(&id('a'), &[]));
        assert!(!is_straight(&id('e'), &commits));
        assert!(!is_straight(&id('a'), &commits[1..]));
    }
}
