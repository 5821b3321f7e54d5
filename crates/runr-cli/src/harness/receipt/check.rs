//! Whether a run is still as its receipt says. Nothing here writes, fetches or runs anything but a
//! git that reads.

use std::collections::BTreeMap;
use std::io;

use runr_core::phase::ops::{RunFiles, TIMELINE};
use runr_core::phase::receipt::{
    FileReceipt, Found, FoundCommit, Kind, Receipt, Status, Verdict, check_commit, check_file,
    check_receipt,
};
use runr_core::phase::state::fold;
use runr_core::phase::story::Story;
use runr_core::{Error, Result};

use super::files::hash_of;
use super::read;
use crate::harness::git::Git;

/// Checks everything that the receipt of a run tells of.
///
/// # Errors
/// `E_STORE_CORRUPT` for a receipt that is none, or a timeline that cannot be read; `E_IO`.
pub(crate) fn verify(files: &RunFiles, git: &Git) -> Result<Verdict> {
    let records = files.records()?;
    let story = Story::of(&records);
    let receipt = read(files)?;
    let run_id = files.run_id().to_string();
    let mut entries = vec![check_receipt(
        &run_id,
        receipt.as_ref(),
        &fold(&records),
        &story,
    )];
    if let Some(receipt) = &receipt {
        entries.push(check_file(
            Kind::Timeline,
            &receipt.timeline,
            find(files, &receipt.timeline),
        ));
        let checked = |kind| move |file: &FileReceipt| check_file(kind, file, find(files, file));
        let artifacts = receipt.artifacts_written.values();
        entries.extend(artifacts.map(checked(Kind::Artifact)));
        entries.extend(receipt.logs.iter().map(checked(Kind::Log)));
        let objects = Objects::ask(git, receipt)?;
        let commits = receipt.milestones.iter();
        entries.extend(commits.map(|made| check_commit(made, objects.commit(&made.commit))));
    }
    Ok(Verdict {
        version: 1,
        run_id,
        ok: entries.iter().all(|entry| entry.status == Status::Ok),
        stop_seq: receipt.as_ref().map(|receipt| receipt.stop_seq),
        stop_reason: receipt.map(|receipt| receipt.stop_reason),
        entries,
    })
}

fn find(files: &RunFiles, receipt: &FileReceipt) -> Found {
    let path = files.dir().join(&receipt.path);
    let looked = || -> io::Result<Found> {
        let file = files.storage().open_file_beneath(files.dir(), &path)?;
        let size = file.stat()?.regular()?.size;
        // The timeline grows after a stop, by notes; what stood there stays.
        let covered = match receipt.bytes {
            Some(bytes) if receipt.path == TIMELINE && size >= bytes => bytes,
            Some(bytes) if size != bytes => return Ok(Found::OtherLength(size)),
            _ => size,
        };
        let sha256 = hash_of(file.as_ref(), covered)?;
        Ok(Found::File { sha256 })
    };
    match looked() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
        Err(error) => Found::Unreadable(error.to_string()),
    }
}

/// What git says of the objects a receipt names.
struct Objects(BTreeMap<String, String>);

impl Objects {
    fn ask(git: &Git, receipt: &Receipt) -> Result<Self> {
        let mut known = BTreeMap::new();
        if receipt.milestones.is_empty() {
            return Ok(Self(known));
        }
        let ids = |made: &runr_core::phase::receipt::MilestoneReceipt| {
            [
                made.commit.clone(),
                format!("{}^{{tree}}", made.commit),
                made.tree.clone(),
            ]
        };
        let questions: Vec<String> = receipt.milestones.iter().flat_map(ids).collect();
        let answer = git.ask_of_objects(&(questions.join("\n") + "\n"))?;
        let mut lines = answer.lines();
        for question in questions {
            let unexpected = || Error::internal("git did not answer every question");
            let line = lines.next().ok_or_else(unexpected)?;
            known.insert(question, line.to_owned());
        }
        Ok(Self(known))
    }

    /// Id and type of an object; nothing for a missing one.
    fn object(&self, question: &str) -> Option<(&str, &str)> {
        let (id, kind) = self.0.get(question)?.rsplit_once(' ')?;
        ["commit", "tree", "blob", "tag"]
            .contains(&kind)
            .then_some((id, kind))
    }

    fn commit(&self, commit: &str) -> FoundCommit {
        match self.object(commit) {
            None => FoundCommit::Nothing,
            Some((_, "commit")) => match self.object(&format!("{commit}^{{tree}}")) {
                Some((tree, _)) => FoundCommit::Commit {
                    tree: tree.to_owned(),
                    whole: self.object(tree).is_some_and(|(_, kind)| kind == "tree"),
                },
                None => FoundCommit::Nothing,
            },
            Some((_, kind)) => FoundCommit::Other(kind.to_owned()),
        }
    }
}
