//! Claims in files, which programs without tokens read and write too.
//!
//! What it costs, once everything is there: a change of owner five flushes (one for the archive, two
//! each for sidecar and record, in this order), every other change two. The first claim of a target
//! costs one more for the new archive, and one for each directory that has to be made.
//!
//! Every change is made under two locks: the kernel's, for which ours queue and which dies with its
//! holder, and inside it the lock directory of the old protocol, which the other programs see.
//!
//! A process that dies between sidecar and record leaves a sidecar that does not fit: the next
//! operation adopts the record as it stands, under a new token. Only tokens are lost.

pub(super) mod archive;
pub(super) mod lock_dir;
pub(super) mod lock_owner;
mod place;
pub(super) mod stored;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use self::lock_dir::{LockDir, World};
pub use self::place::Place;
use self::stored::Files;
use super::claim_store::{Change, ClaimStore, Decide, Snapshot, Swap, Version};
use super::fencing::current_token;
use super::model::Record;
use super::processes::Processes;
use super::record::read_record;
use super::target::Target;
use crate::error::Result;
use crate::fs::{
    Dir, Durability, Lock, MAX_DOCUMENT, Patience, Storage, Wait, confined, create_dirs,
    open_dir_if_present, read_whole,
};
use crate::mutant::without;
use crate::time::Clock;

/// The longest wait for a lock directory, in which ours hold the kernel's lock.
const LOCK_DIR_WAIT: Duration = Duration::from_secs(5);
/// The mode of new directories, less the umask.
const DIR_MODE: u32 = 0o777;
/// How often, and after which rest, a reader looks again at a claim that is being changed.
const LOOKS: u32 = 3;
const REST: Duration = Duration::from_millis(5);

/// Claims in files below a root: `<root>/.pi/runner-coordination/<owner>/<name>/pr-<n>.json` and its
/// kin. Below the root no link is followed.
///
/// What is missing below the root is made by the first operation that may write, even if it writes
/// nothing.
#[derive(Debug, Clone)]
pub struct FileClaims {
    storage: Storage,
    confined: Storage,
    root: Utf8PathBuf,
    place: Option<Place>,
    single_host: bool,
    wait: Wait,
    durability: Durability,
    processes: Arc<dyn Processes>,
    clock: Arc<dyn Clock>,
}

impl FileClaims {
    /// Claims below `root`. Nobody but this machine uses them, they are fully durable, and a lock is
    /// waited for as long as usual.
    #[must_use]
    pub fn at(
        storage: Storage,
        root: impl Into<Utf8PathBuf>,
        processes: Arc<dyn Processes>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let root = root.into();
        Self {
            confined: confined(Storage::clone(&storage), &root),
            storage,
            root,
            place: None,
            single_host: true,
            wait: Wait::USUAL,
            durability: Durability::Full,
            processes,
            clock,
        }
    }

    /// Keeps the record in this file, whatever the target. Its directory is taken as it is, be it
    /// reached through links.
    #[must_use]
    pub fn file(self, path: impl AsRef<Utf8Path>) -> Self {
        self.place(Place::of(path).shared())
    }

    /// Keeps the claim in these files, whatever the target.
    #[must_use]
    pub fn place(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Sets whether no other machine uses the directory. Only then is the lock directory of another
    /// program removed when its process does not exist here.
    #[must_use]
    pub fn single_host(mut self, single_host: bool) -> Self {
        self.single_host = single_host;
        self
    }

    /// Sets how long to wait for each of the two locks; for the lock directory never more than five
    /// seconds.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// Sets what survives a power cut.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The record of a target.
    #[must_use]
    pub fn path(&self, target: &Target) -> Utf8PathBuf {
        self.place_of(target).record()
    }

    pub(super) fn place_of(&self, target: &Target) -> Place {
        match &self.place {
            Some(place) => place.clone(),
            None => Place::of_target(&self.root, target),
        }
    }

    /// What the files of a claim are reached through.
    fn storage(&self) -> &Storage {
        match self.place {
            Some(_) => &self.storage,
            None => &self.confined,
        }
    }

    /// The directory of a place, made where it is missing.
    pub(super) fn made_dir(&self, place: &Place) -> Result<Box<dyn Dir>> {
        self.reached(&place.dir, |storage, path| {
            create_dirs(storage, path, DIR_MODE, self.durability)
        })
    }

    /// The directory of a place, if there is one.
    pub(super) fn present_dir(&self, place: &Place) -> Result<Option<Box<dyn Dir>>> {
        self.reached(&place.dir, |storage, path| {
            open_dir_if_present(storage.as_ref(), path)
        })
    }

    /// Reaches for a directory, and if it cannot be had, for what it is without links: how the root
    /// and the directory of a place are reached is the caller's business.
    fn reached<T>(
        &self,
        dir: &Utf8Path,
        reach: impl Fn(&Storage, &Utf8Path) -> Result<T>,
    ) -> Result<T> {
        let reached = reach(self.storage(), dir);
        if reached.is_ok() {
            return reached;
        }
        match self.without_links(dir) {
            Some((storage, path)) => reach(&storage, &path),
            None => reached,
        }
    }

    fn without_links(&self, dir: &Utf8Path) -> Option<(Storage, Utf8PathBuf)> {
        let real = |base: &Utf8Path| match base.as_str() {
            "" => self.storage.real_path(Utf8Path::new(".")).ok(),
            _ => self.storage.real_path(base).ok(),
        };
        let (base, real) = match &self.place {
            // What is missing of it is made, and is no link.
            Some(_) => dir.ancestors().find_map(|base| Some((base, real(base)?)))?,
            None => (self.root.as_path(), real(&self.root)?),
        };
        let path = real.join(dir.strip_prefix(base).ok()?);
        (path != dir).then(|| (confined(self.storage.clone(), real), path))
    }

    pub(super) fn files<'a>(
        &self,
        dir: &'a dyn Dir,
        place: &'a Place,
        target: &'a Target,
    ) -> Files<'a> {
        Files {
            dir,
            place,
            target,
            archive: archive::journal(self.storage(), place),
            durability: self.durability,
        }
    }

    /// How long to wait for the kernel's lock.
    pub(super) fn lock_wait(&self) -> Wait {
        self.wait.clone()
    }

    pub(super) fn world(&self) -> World<'_> {
        World {
            processes: self.processes.as_ref(),
            single_host: self.single_host,
            now: self.clock.now(),
        }
    }

    /// Does something under the locks.
    fn locked<T>(&self, target: &Target, act: impl FnOnce(&Files<'_>) -> Result<T>) -> Result<T> {
        let place = self.place_of(target);
        let dir = self.made_dir(&place)?;
        let dir = dir.as_ref();
        let lock = || Lock::acquire_in(dir, &place.names.lock, self.lock_wait());
        let _kernel = (!without("claim-lock")).then(lock).transpose()?;
        let name = place
            .names
            .lock_dir
            .as_deref()
            .filter(|_| !without("lock-dir"));
        // Given up before the kernel's lock: nobody of ours ever meets one of ours.
        let _shared = name
            .map(|name| {
                let patience = Patience::new(self.lock_wait().at_most(LOCK_DIR_WAIT));
                LockDir { dir, name }.take(self.world(), &patience, &held_hint(target))
            })
            .transpose()?;
        act(&self.files(dir, &place, target))
    }

    /// The record with as few calls as possible; none if it is not at hand.
    fn read_quickly(&self, target: &Target) -> Option<Record> {
        let file = self.storage().open_file(&self.path(target)).ok()?;
        let bytes = read_whole(file.as_ref(), MAX_DOCUMENT).ok()?;
        read_record(std::str::from_utf8(&bytes).ok()?, target).ok()?
    }
}

impl ClaimStore for FileClaims {
    fn location(&self, target: &Target) -> String {
        self.path(target).into_string()
    }

    fn load(&self, target: &Target) -> Result<Snapshot> {
        let place = self.place_of(target);
        let Some(dir) = self.present_dir(&place)? else {
            return Ok(Snapshot::of_record(None));
        };
        let files = self.files(dir.as_ref(), &place, target);
        for _ in 0..LOOKS {
            let snapshot = files.load()?.snapshot;
            // The sidecar is written before the record: it may not fit for a moment.
            if snapshot.fence.is_none() || current_token(&snapshot).is_some() {
                return Ok(snapshot);
            }
            thread::sleep(REST);
        }
        Ok(files.load()?.snapshot)
    }

    fn read(&self, target: &Target) -> Result<Option<Record>> {
        if let Some(record) = self.read_quickly(target) {
            return Ok(Some(record));
        }
        let place = self.place_of(target);
        match self.present_dir(&place)? {
            None => Ok(None),
            Some(dir) => self.files(dir.as_ref(), &place, target).record(),
        }
    }

    fn compare_and_set(&self, target: &Target, read: &Version, change: &Change) -> Result<Swap> {
        self.locked(target, |files| {
            let before = files.load()?;
            if before.snapshot.version != *read {
                return Ok(Swap::Conflict);
            }
            files.store(&before, change).map(Swap::Stored)
        })
    }

    fn update(&self, target: &Target, decide: &mut Decide<'_>) -> Result<()> {
        self.locked(target, |files| {
            let before = files.load()?;
            match decide(&before.snapshot)? {
                None => Ok(()),
                Some(change) => files.store(&before, &change).map(drop),
            }
        })
    }
}

/// What a person does about a lock that nobody seems to hold.
fn held_hint(target: &Target) -> String {
    let repair = repair_command(target);
    format!("see that the program has ended, then run `{repair}`")
}

/// What a person does about a file that cannot be used.
fn broken_hint(target: &Target) -> String {
    let repair = repair_command(target);
    format!("`{repair}` moves it aside and rebuilds what is known; nothing was changed yet")
}

fn repair_command(target: &Target) -> String {
    let (flag, value) = match target {
        Target::Pr(_, number) => ("--pr", number.to_string()),
        Target::Issue(_, number) => ("--issue", number.to_string()),
        Target::Branch(_, name) => ("--branch", name.to_string()),
    };
    let repo = shell_word(&target.slug().to_string());
    let value = shell_word(&value);
    format!("runr owner repair --repo {repo} {flag} {value}")
}

/// A word of a command line, quoted where a shell would read more into it.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/+@%-".contains(c);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
