//! A machine to claim on, and a look at what stands on its disk.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use camino::Utf8PathBuf;
use runr_core::fs::{Dir, Open, Storage, real};
use runr_core::ownership::{
    ArchivedKind, ClaimStore, Claimant, FileClaims, HolderKind, Mode, Now, Outcome, Process,
    Processes, RunName, Target, Token, claim, release,
};
use runr_core::{Clock, Result, Timestamp};
use serde_json::Value;

/// Where the tests keep their claims: present in every file system in memory.
pub(crate) const FOLDER: &str = "/.pi/runner-coordination/acme/shop";
pub(crate) const RECORD: &str = "pr-17.json";
pub(crate) const FENCE: &str = "pr-17.fence.json";
pub(crate) const ARCHIVE: &str = "pr-17.history.jsonl";
pub(crate) const LOCK: &str = "pr-17.json.lock";

/// A machine on which chosen processes live.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) own: Process,
    living: Mutex<BTreeSet<u32>>,
}

impl Machine {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            own: process(1000),
            living: Mutex::new(BTreeSet::from([1000])),
        })
    }

    pub(crate) fn lives(&self, pid: u32, lives: bool) {
        let mut living = self.living.lock().unwrap();
        if lives {
            living.insert(pid);
        } else {
            living.remove(&pid);
        }
    }
}

pub(crate) fn process(pid: u32) -> Process {
    Process {
        pid,
        start: 17,
        boot_id: "this-boot".to_owned(),
        pid_ns: "ns".to_owned(),
        host: "this-host".to_owned(),
    }
}

impl Processes for Machine {
    fn own(&self) -> Process {
        self.own.clone()
    }

    fn exists(&self, pid: u32) -> bool {
        self.living.lock().unwrap().contains(&pid)
    }

    fn has_ended(&self, process: &Process) -> bool {
        let here = process.host == self.own.host && process.boot_id == self.own.boot_id;
        here && !self.exists(process.pid)
    }
}

/// A clock that goes on by a second whenever it is looked at.
#[derive(Debug)]
pub(crate) struct Ticks(AtomicI64);

impl Ticks {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_770_000_000_000)))
    }
}

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1000, Ordering::SeqCst))
    }
}

pub(crate) fn target() -> Target {
    Target::pr("acme/shop", 17).unwrap()
}

pub(crate) fn plain(run: &str) -> Claimant {
    Claimant::plain(RunName::new(run))
}

pub(crate) fn guard(run: &str, pid: u32) -> Claimant {
    Claimant {
        kind: HolderKind::Guard,
        process: Some(process(pid)),
        ..plain(run)
    }
}

/// Claims below `/` of a file system, and all that goes with them.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) storage: Storage,
    pub(crate) machine: Arc<Machine>,
    pub(crate) clock: Arc<Ticks>,
    pub(crate) claims: FileClaims,
}

impl World {
    pub(crate) fn new(storage: Storage) -> Self {
        Self::at(storage, "/")
    }

    pub(crate) fn at(storage: Storage, root: impl Into<Utf8PathBuf>) -> Self {
        let (machine, clock) = (Machine::new(), Ticks::new());
        let claims = FileClaims::at(
            Storage::clone(&storage),
            root,
            Arc::clone(&machine) as _,
            Arc::clone(&clock) as _,
        );
        Self {
            storage,
            machine,
            clock,
            claims,
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(FileClaims) -> FileClaims) -> Self {
        self.claims = change(self.claims);
        self
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now().into()
    }

    pub(crate) fn claim_as(&self, caller: &Claimant, mode: &Mode) -> Result<Outcome> {
        let machine = self.machine.as_ref();
        claim(&self.claims, &target(), caller, mode, machine, &self.now())
    }

    pub(crate) fn claim(&self, run: &str) -> Result<Outcome> {
        self.claim_as(&plain(run), &Mode::Claim)
    }

    pub(crate) fn take_over(&self, run: &str) -> Result<Outcome> {
        self.claim_as(&plain(run), &takeover())
    }

    pub(crate) fn release(&self, run: &str) -> Result<Outcome> {
        release(&self.claims, &target(), &plain(run), &self.now())
    }

    /// Who owns the target, by a look without a lock.
    pub(crate) fn owner(&self) -> Option<String> {
        let record = self.claims.read(&target()).unwrap();
        Some(record?.owner()?.to_string())
    }

    pub(crate) fn token(&self) -> Option<Token> {
        let fence = self.claims.load(&target()).unwrap().fence;
        fence.map(|fence| fence.token)
    }

    pub(crate) fn dir(&self) -> Box<dyn Dir> {
        let place = self.claims.path(&target());
        self.storage.open_dir(place.parent().unwrap()).unwrap()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        names(self.dir().as_ref())
    }

    pub(crate) fn text(&self, name: &str) -> String {
        let bytes = self.dir().read(name, 1 << 30).unwrap().bytes;
        String::from_utf8(bytes).unwrap()
    }

    /// Puts a file in the place of what has its name.
    pub(crate) fn put(&self, name: &str, text: &str) {
        put(self.dir().as_ref(), name, text.as_bytes());
    }

    /// Makes a lock directory, as another program does.
    pub(crate) fn lock(&self, owner: Option<&str>) {
        let dir = self.dir();
        dir.create_dir(LOCK, 0o755).unwrap();
        if let Some(owner) = owner {
            put(
                dir.open_dir(LOCK).unwrap().as_ref(),
                "owner.json",
                owner.as_bytes(),
            );
        }
    }

    /// Makes the folder of the claims, as an operation that changes nothing does.
    pub(crate) fn folder(&self) {
        self.release("nobody").unwrap();
    }

    pub(crate) fn has_lock(&self) -> bool {
        self.dir().stat(LOCK).is_ok()
    }

    /// The lines of the archive: kind, token, type of the event.
    pub(crate) fn archived(&self) -> Vec<(ArchivedKind, u64, String)> {
        let text = self.text(ARCHIVE);
        let lines = text.lines().enumerate().map(|(at, line)| {
            let line: Value = serde_json::from_str(line).unwrap();
            let keys: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys, ["token", "kind", "event", "seq"]);
            assert_eq!(line["seq"], at + 1);
            let kind = serde_json::from_value(line["kind"].clone()).unwrap();
            let event = line["event"]["type"].as_str().unwrap().to_owned();
            (kind, line["token"].as_u64().unwrap(), event)
        });
        lines.collect()
    }
}

pub(crate) fn takeover() -> Mode {
    Mode::Takeover {
        expect: None,
        only_if_expired: false,
    }
}

pub(crate) fn names(dir: &dyn Dir) -> Vec<String> {
    let mut names: Vec<_> = dir.list().unwrap().into_iter().map(|it| it.name).collect();
    names.sort();
    names
}

pub(crate) fn put(dir: &dyn Dir, name: &str, bytes: &[u8]) {
    drop(dir.unlink(name));
    let mut file = dir.open(name, Open::CreateNew(0o644)).unwrap();
    assert_eq!(file.write(bytes).unwrap(), bytes.len());
    file.close().unwrap();
}

/// A real directory that goes with the test.
pub(crate) fn real_world() -> (tempfile::TempDir, World) {
    let keep = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(keep.path().canonicalize().unwrap()).unwrap();
    (keep, World::at(real(), root))
}
