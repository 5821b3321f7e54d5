//! Doing what helps, or saying what would be done.
//!
//! A repair may be killed in every moment: the next one finds what is left and finishes.

use camino::Utf8PathBuf;

use super::look::{Seen, State};
use super::{Action, Deed, Repaired, aside};
use crate::error::Result;
use crate::mutant::without;
use crate::ownership::claim_store::Change;
use crate::ownership::fencing::{
    Archived, ArchivedKind, Fence, HolderKind, Token, adopt, digest, plain,
};
use crate::ownership::files::lock_dir::World;
use crate::ownership::files::lock_owner::LockOwner;
use crate::ownership::files::stored::{Files, Loaded, Text};
use crate::ownership::model::{ActiveRun, Record, RunName};
use crate::ownership::processes::Process;
use crate::ownership::rules::Now;

/// A repair under way.
#[derive(Debug)]
pub(super) struct Mender<'a> {
    files: Files<'a>,
    world: World<'a>,
    now: &'a Now,
    /// Nothing is done; it is only said.
    pub(super) is_dry: bool,
    result: Repaired,
}

impl<'a> Mender<'a> {
    pub(super) fn new(files: Files<'a>, world: World<'a>, now: &'a Now, is_dry: bool) -> Self {
        Self {
            files,
            world,
            now,
            is_dry,
            result: Repaired::default(),
        }
    }

    pub(super) fn done(self) -> Repaired {
        self.result
    }

    pub(super) fn note(&mut self, deed: Deed, path: Utf8PathBuf, detail: &str) {
        self.result.actions.push(Action {
            deed,
            path,
            detail: detail.to_owned(),
        });
    }

    /// Whether the holder of a lock directory is seen to live.
    pub(super) fn lives(&self, owner: &LockOwner) -> bool {
        owner.is_seen_alive(self.world.processes, !self.is_dry)
    }

    /// Mends the files of the claim.
    pub(super) fn mend(&mut self) -> Result<()> {
        let seen = Seen::look(&self.files)?;
        if let Some(living) = self.living_holder(&seen) {
            self.result.living = Some(living);
            return Ok(());
        }
        let record = self.known_record(&seen);
        let fence = self.new_fence(&seen, record.as_ref());
        let token = fence
            .as_ref()
            .or(seen.fence.usable())
            .map(|fence| fence.token);
        let archived = token.filter(|_| fence.is_some() || seen.damage.is_some());
        let archive: Vec<_> = archived
            .map(|token| Archived {
                token,
                kind: ArchivedKind::Change,
                event: adopt(record.as_ref().and_then(Record::owner), self.now),
            })
            .into_iter()
            .collect();
        self.keep(&seen, record.is_some())?;
        self.store(seen, record, fence, archive)
    }

    /// A guard that is seen to live holds a claim whose record is broken.
    fn living_holder(&self, seen: &Seen) -> Option<String> {
        let holder = &seen.fence.usable()?.holder;
        let process = holder
            .process
            .as_ref()
            .filter(|process| self.is_alive(process))?;
        let keeps = holder.kind != HolderKind::Plain
            && seen.record.is_broken()
            && !without("repair-living");
        let run = holder.run_id.as_deref().unwrap_or("nobody");
        keeps.then(|| {
            format!(
                "the claim is held by process {} of the run {run}, which lives",
                process.pid
            )
        })
    }

    fn is_alive(&self, process: &Process) -> bool {
        let own = self.world.processes.own();
        let is_here = process.host == own.host
            && process.boot_id == own.boot_id
            && process.pid_ns == own.pid_ns;
        is_here
            && self.world.processes.exists(process.pid)
            && !self.world.processes.has_ended(process)
    }

    /// The record after the repair.
    fn known_record(&self, seen: &Seen) -> Option<Record> {
        match &seen.record {
            State::Missing => None,
            State::Usable(_, record) => record.clone(),
            State::Broken(..) => {
                let told = seen.past.record(self.files.target, self.now);
                told.or_else(|| self.record_of_holder(seen.fence.usable()?))
            }
        }
    }

    /// All that a sidecar knows of the record.
    fn record_of_holder(&self, fence: &Fence) -> Option<Record> {
        let run = RunName::new(fence.holder.run_id.as_deref()?)?;
        Some(Record {
            active_run: Some(ActiveRun::new(run, self.now)),
            ..Record::new(self.files.target.clone())
        })
    }

    /// The sidecar, if there must be another one.
    fn new_fence(&self, seen: &Seen, record: Option<&Record>) -> Option<Fence> {
        let digest = digest(record);
        let fits = |fence: &Fence| !seen.record.is_broken() || fence.digest == digest;
        if !seen.has_lost_fence() && seen.fence.usable().is_none_or(fits) {
            return None;
        }
        let by_time = u64::try_from(self.now.at.as_millis()).unwrap_or_default();
        let known = [
            seen.fence.usable().map(|fence| fence.token),
            seen.fence.text().and_then(token_in),
            seen.past.highest(),
            Some(Token(by_time)),
        ];
        let token = known.into_iter().flatten().max().unwrap_or(Token(by_time));
        Some(Fence {
            token: token.next(),
            digest,
            holder: plain(record.and_then(Record::owner)),
        })
    }

    /// Keeps what cannot be used beside what comes in its place.
    fn keep(&mut self, seen: &Seen, is_rebuilt: bool) -> Result<()> {
        let place = self.files.place;
        let names = &place.names;
        if let State::Broken(_, reason) = &seen.record {
            // A record that cannot be told again must go.
            self.aside(Deed::RecordKept, &names.record, reason, is_rebuilt)?;
        }
        if let State::Broken(_, reason) = &seen.fence {
            self.aside(Deed::SidecarKept, &names.fence, reason, true)?;
        }
        if let Some(damage) = &seen.damage {
            let stays = damage.offset.is_some();
            self.aside(Deed::ArchiveKept, &names.archive, &damage.reason, stays)?;
            if let Some(offset) = damage.offset.filter(|_| !self.is_dry) {
                self.files.archive.cut_in(self.files.dir, offset)?;
            }
        }
        Ok(())
    }

    /// Keeps something under another name; as a copy if it stays.
    pub(super) fn aside(
        &mut self,
        deed: Deed,
        name: &str,
        reason: &str,
        stays: bool,
    ) -> Result<()> {
        let aside = aside::name_for(self.files.dir, name)?;
        if !self.is_dry && !without("repair-keep") {
            aside::keep(self.files.dir, name, &aside, stays)?;
        }
        self.note(deed, self.files.place.dir.join(aside), reason);
        Ok(())
    }

    fn store(
        &mut self,
        seen: Seen,
        record: Option<Record>,
        fence: Option<Fence>,
        archive: Vec<Archived>,
    ) -> Result<()> {
        let is_mended = seen.damage.is_some() && !archive.is_empty();
        let rebuilt = record.filter(|_| seen.record.is_broken());
        let before = Loaded::of(seen.record.text().cloned(), seen.fence.text().cloned());
        let token = fence.as_ref().map(|fence| fence.token);
        let said = rebuilt.as_ref().map(describe);
        if !self.is_dry {
            match rebuilt {
                Some(record) => {
                    let change = Change {
                        archive,
                        fence,
                        record,
                    };
                    self.files.store(&before, &change)?;
                }
                None => {
                    self.files
                        .store_sidecar(&before, &archive, fence.as_ref())?;
                }
            }
        }
        let place = self.files.place;
        if is_mended {
            let detail = "it goes on after the lines before the damage";
            self.note(Deed::ArchiveMended, place.archive(), detail);
        }
        if let Some(token) = token {
            let detail = format!("the token is {token}");
            self.note(Deed::SidecarRebuilt, place.fence(), &detail);
        }
        if let Some(said) = said {
            self.note(Deed::RecordRebuilt, place.record(), &said);
        }
        Ok(())
    }
}

/// What a rebuilt record says.
fn describe(record: &Record) -> String {
    let events = record.history.len();
    match record.owner() {
        Some(owner) => format!("the owner is {owner}; {events} events are known"),
        None => format!("nobody is the owner; {events} events are known"),
    }
}

/// The token in a sidecar that is none, if it can be made out.
fn token_in(text: &Text) -> Option<Token> {
    let value: serde_json::Value = serde_json::from_str(&text.text).ok()?;
    serde_json::from_value(value.get("token")?.clone()).ok()
}
