//! Looking at the runs of a store.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::clues::Clues;
use super::salvage::rebuilt;
use super::{
    Circumstances, Diagnosis, Finding, LOCK, MetaFile, OWNER_LOCK, Remedy, is_empty_shell,
    is_temporary, remedy,
};
use crate::error::{Code, Error, Result};
use crate::fs::{
    Dir, Entry, Journal, Kind, Lock, Open, Sequenced, open_dir_if_present, read_range,
};
use crate::id::RunId;
use crate::store::ops::{LOGS, META, RunStore};
use crate::time::Timestamp;

const TIMELINE: &str = "timeline.jsonl";
const EVENTS: &str = "events.jsonl";
/// The greatest document that is read.
const META_LIMIT: u64 = 4 << 20;
/// How much of a journal is read for what it says of its run.
const CLUES_LIMIT: u64 = 1 << 20;
/// How old an unfinished directory must be before it counts as given up.
const GIVEN_UP: Duration = Duration::from_secs(60 * 60);

impl RunStore {
    /// Everything that is wrong with the runs. Takes no lock that anybody waits for and changes
    /// nothing. What cannot be looked at is a finding too.
    #[must_use]
    pub fn diagnose(&self, now: Timestamp) -> Vec<Finding> {
        let ids = match self.ids() {
            Ok(ids) => ids,
            Err(error) => return vec![self.unreadable(None, &self.root, error)],
        };
        let of_runs = ids.iter().flat_map(|id| self.diagnose_run(id));
        let mut findings: Vec<_> = of_runs.collect();
        findings.extend(self.unfinished(now));
        findings
    }

    pub(super) fn diagnose_run(&self, id: &RunId) -> Vec<Finding> {
        let dir = self.run_dir(id);
        let looked = Lock::is_held(&self.storage, &dir, OWNER_LOCK)
            .and_then(|driven| Ok((driven, self.look(id)?)));
        match looked {
            Ok((driven, Some(mut seen))) => {
                // A temporary file of a writer at work is none of ours.
                if driven || Lock::is_held(&self.storage, &dir, LOCK).unwrap_or(true) {
                    seen.temporaries.clear();
                }
                let there = |name: &String| seen.dir.stat(name).is_ok();
                seen.temporaries.retain(there);
                self.findings(id, &seen, driven)
            }
            Ok((_, None)) => Vec::new(),
            Err(error) => vec![self.unreadable(Some(id), &dir, error)],
        }
    }

    /// What is there of a run; `None` if it is gone.
    pub(super) fn look(&self, id: &RunId) -> Result<Option<Seen>> {
        let Some(dir) = open_dir_if_present(self.storage.as_ref(), &self.run_dir(id))? else {
            return Ok(None);
        };
        let failed = |name: &str| {
            let path = dir.path().join(name);
            move |error| Error::io("read", &path, error)
        };
        let entries = dir.list().map_err(failed(""))?;
        let meta = read_meta(dir.as_ref()).map_err(failed(META))?;
        let logs_are_empty = match entries.iter().find(|entry| entry.name == LOGS) {
            Some(entry) if entry.kind == Kind::Dir => {
                let logs = dir.open_dir(LOGS).and_then(|logs| logs.list());
                logs.map_err(failed(LOGS))?.is_empty()
            }
            _ => true,
        };
        let is_empty = is_empty_shell(&entries, logs_are_empty);
        let wrong = meta.diagnosis(id, self.repo_id(), is_empty);
        let mut seen = Seen {
            dir,
            entries,
            meta,
            wrong,
            new_text: None,
            temporaries: Vec::new(),
        };
        match seen.wrong {
            // They go with the directory.
            Some((Diagnosis::Abandoned, _)) => {}
            _ => seen.temporaries = seen.temporary_files(),
        }
        if let Some((Diagnosis::MetaMissing | Diagnosis::MetaBroken, _)) = seen.wrong {
            let clues = seen.clues(id)?;
            seen.new_text = rebuilt(id, self.repo_id(), seen.meta.text(), &clues);
        }
        Ok(Some(seen))
    }

    pub(super) fn findings(&self, id: &RunId, seen: &Seen, is_driven: bool) -> Vec<Finding> {
        let given = Circumstances {
            is_driven,
            can_be_rebuilt: seen.new_text.is_some(),
        };
        let path = seen.dir.path();
        let finding = |path: Utf8PathBuf, diagnosis, reason| {
            self.finding(Some(id), path, diagnosis, reason, remedy(diagnosis, given))
        };
        let mut findings = Vec::new();
        for name in &seen.temporaries {
            let reason = "a process died while it wrote".to_owned();
            findings.push(finding(path.join(name), Diagnosis::Leftover, reason));
        }
        if let Some((diagnosis, reason)) = &seen.wrong {
            let path = match diagnosis {
                Diagnosis::Abandoned => path.to_owned(),
                _ => path.join(META),
            };
            findings.push(finding(path, *diagnosis, reason.clone()));
        }
        for name in [EVENTS, TIMELINE] {
            let journal = path.join(name);
            if let Err(error) = self.check_journal(id, name) {
                findings.push(match error.code() {
                    Code::StoreCorrupt => {
                        finding(journal, Diagnosis::JournalDamaged, error.to_string())
                    }
                    _ => self.unreadable(Some(id), &journal, error),
                });
            }
        }
        if findings.iter().any(|it| it.remedy == Remedy::Quarantine) {
            // It goes as it is.
            findings.retain(|it| it.diagnosis != Diagnosis::Leftover);
        }
        findings
    }

    fn check_journal(&self, id: &RunId, name: &str) -> Result<()> {
        match name {
            EVENTS => self.events_journal(id).replay(u64::MAX).map(drop),
            _ => {
                let path = self.run_dir(id);
                let journal = Journal::<Numbered>::new(self.storage.clone(), path, name);
                journal.replay(u64::MAX).map(drop)
            }
        }
    }

    fn finding(
        &self,
        id: Option<&RunId>,
        path: Utf8PathBuf,
        diagnosis: Diagnosis,
        reason: String,
        remedy: Remedy,
    ) -> Finding {
        Finding {
            run_id: id.cloned(),
            repo_id: self.repo_id().map(str::to_owned),
            path,
            diagnosis,
            reason,
            remedy,
            done: false,
            kept: None,
            error: None,
        }
    }

    fn unreadable(&self, id: Option<&RunId>, path: &Utf8Path, error: Error) -> Finding {
        let path = error.path().unwrap_or(path).to_owned();
        let reason = error.to_string();
        let finding = self.finding(id, path, Diagnosis::Unreadable, reason, Remedy::Inspect);
        Finding {
            error: Some(Arc::new(error)),
            ..finding
        }
    }

    /// Creations that were given up before anybody could see a run.
    fn unfinished(&self, now: Timestamp) -> Vec<Finding> {
        let found = self.list_unfinished(now);
        found.unwrap_or_else(|error| vec![self.unreadable(None, &self.root, error)])
    }

    fn list_unfinished(&self, now: Timestamp) -> Result<Vec<Finding>> {
        let Some(root) = open_dir_if_present(self.storage.as_ref(), &self.root)? else {
            return Ok(Vec::new());
        };
        let failed = |name: &str, error| Error::io("list", &self.root.join(name), error);
        let mut findings = Vec::new();
        for entry in root.list().map_err(|error| failed("", error))? {
            if !is_temporary(&entry.name) || ![Kind::Dir, Kind::File].contains(&entry.kind) {
                continue;
            }
            let stat = match root.stat(&entry.name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(|error| failed(&entry.name, error))?,
            };
            if now.since(stat.modified) > GIVEN_UP {
                let (path, reason) = (
                    self.root.join(&entry.name),
                    "a process died while it created a run",
                );
                let (diagnosis, remedy) = (Diagnosis::Leftover, Remedy::Remove);
                findings.push(self.finding(None, path, diagnosis, reason.to_owned(), remedy));
            }
        }
        Ok(findings)
    }
}

/// What is there of a run.
pub(super) struct Seen {
    pub(super) dir: Box<dyn Dir>,
    pub(super) entries: Vec<Entry>,
    pub(super) meta: MetaFile,
    /// What is wrong with `meta.json`, and why.
    wrong: Option<(Diagnosis, String)>,
    /// What `meta.json` can become.
    pub(super) new_text: Option<String>,
    temporaries: Vec<String>,
}

impl Seen {
    fn temporary_files(&self) -> Vec<String> {
        let files = self.entries.iter().filter(|it| it.kind == Kind::File);
        let names = files.map(|entry| entry.name.clone());
        names.filter(|name| is_temporary(name)).collect()
    }

    fn clues(&self, id: &RunId) -> Result<Clues> {
        let read = |name: &str| match read_start(self.dir.as_ref(), name, CLUES_LIMIT) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => Err(Error::io("read", &self.dir.path().join(name), error)),
        };
        Ok(Clues::of(id, &read(TIMELINE)?, &read(EVENTS)?))
    }
}

/// A line of a timeline, as far as its journal looks at it.
#[derive(Serialize, Deserialize)]
struct Numbered {
    seq: u64,
}

impl Sequenced for Numbered {
    fn seq(&self) -> u64 {
        self.seq
    }
}

fn read_meta(dir: &dyn Dir) -> io::Result<MetaFile> {
    match dir.stat(META) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(MetaFile::Missing),
        Ok(stat) if stat.kind != Kind::File => return Ok(MetaFile::NotAFile),
        other => drop(other?),
    }
    match dir.read(META, META_LIMIT) {
        Ok(contents) => Ok(MetaFile::Bytes(contents.bytes)),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Ok(MetaFile::TooLarge(read_start(dir, META, CLUES_LIMIT)?))
        }
        Err(error) => Err(error),
    }
}

/// The beginning of a file; nothing if it is missing or no regular file.
fn read_start(dir: &dyn Dir, name: &str, limit: u64) -> io::Result<Vec<u8>> {
    let size = match dir.stat(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(stat) if stat.kind != Kind::File => return Ok(Vec::new()),
        stat => stat?.size,
    };
    let file = dir.open(name, Open::Read)?;
    read_range(file.as_ref(), 0, size.min(limit))
}
