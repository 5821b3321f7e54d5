//! A merge of three trees by git, in its object store alone.

use runr_core::{Error, Result};

use super::commit::CommitId;
use crate::harness::Git;

/// What came of a merge.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Merged {
    /// The tree that holds both sides.
    Tree(CommitId),
    Conflict(Conflict),
}

/// Where both sides changed the same places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) files: Vec<String>,
    pub(crate) messages: Vec<String>,
}

/// Brings what `theirs` changed since `base` into `ours`.
pub(super) fn merge(
    git: &Git,
    base: &CommitId,
    ours: &CommitId,
    theirs: &CommitId,
) -> Result<Merged> {
    let args = [
        "merge-tree",
        "--write-tree",
        "-z",
        "--name-only",
        "--messages",
        &format!("--merge-base={base}"),
        ours.as_str(),
        theirs.as_str(),
    ];
    let (clean, text) = git.ask(&args)?;
    let unreadable = || Error::internal(format!("git merge-tree said `{text}`"));
    if !clean {
        return parse_conflict(&text)
            .map(Merged::Conflict)
            .ok_or_else(unreadable);
    }
    let tree = text.split('\0').next().and_then(CommitId::parse);
    tree.map(Merged::Tree).ok_or_else(unreadable)
}

/// Reads the tree, the files up to an empty field, then the messages: how many paths, the paths, a
/// kind and the text.
fn parse_conflict(text: &str) -> Option<Conflict> {
    let mut fields = text.split('\0');
    CommitId::parse(fields.next()?)?;
    let mut files: Vec<String> = fields
        .by_ref()
        .take_while(|field| !field.is_empty())
        .map(str::to_owned)
        .collect();
    files.dedup();
    let mut messages = Vec::new();
    while let Some(count) = fields.next().filter(|field| !field.is_empty()) {
        for _ in 0..count.parse::<usize>().ok()? {
            fields.next()?;
        }
        let (kind, message) = (fields.next()?, fields.next()?);
        if kind != "Auto-merging" {
            messages.push(message.trim().to_owned());
        }
    }
    Some(Conflict { files, messages })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "89fc57d3e6d0da6b01cd9d119c409228ca683460";

    #[test]
    fn a_conflict_names_its_files_and_says_why() {
        let text = format!(
            "{TREE}\0a\0b c\0\0\
             1\0a\0Auto-merging\0Auto-merging a\n\0\
             1\0a\0CONFLICT (contents)\0CONFLICT (content): Merge conflict in a\n\0\
             2\0b c\0d\0CONFLICT (rename/rename)\0CONFLICT (rename/rename): b c\n\0"
        );
        let conflict = parse_conflict(&text).unwrap();
        assert_eq!(conflict.files, ["a", "b c"]);
        let expected = [
            "CONFLICT (content): Merge conflict in a",
            "CONFLICT (rename/rename): b c",
        ];
        assert_eq!(conflict.messages, expected);
    }

    #[test]
    fn what_is_no_conflict_is_not_read_as_one() {
        for bad in [
            String::new(),
            "fatal".to_owned(),
            format!("{TREE}\0a\0\0x\0"),
            format!("{TREE}\0a\0\02\0a\0"),
        ] {
            assert_eq!(parse_conflict(&bad), None, "{bad}");
        }
    }
}
