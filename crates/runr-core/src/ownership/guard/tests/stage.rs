//! The world around a guard.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::error::{Code, Error, Result};
use crate::ownership::guard::{Guard, OwnOptions, World};
use crate::ownership::{
    Change, ClaimStore, Claimant, ExitNote, Mode, Now, Outcome, Process, Processes, Record,
    RunName, Snapshot, Swap, Target, Token, Version, fencing, ops,
};
use crate::ownership::{MemoryClaims, claim_store::Decide};
use crate::store::Suffixes;
use crate::time::{Clock, Timestamp};

/// Longer than any test waits for a heartbeat.
pub(super) const LONG: Duration = Duration::from_secs(3600);
/// So short that the guard is lost as soon as its heartbeats fail.
pub(super) const SHORT: Duration = Duration::from_millis(30);
/// A pause between heartbeats that nobody notices.
pub(super) const OFTEN: Duration = Duration::from_millis(2);

pub(super) fn run(name: &str) -> RunName {
    RunName::new(name).unwrap()
}

pub(super) fn lasting(ttl: Duration) -> OwnOptions {
    OwnOptions {
        ttl,
        ..OwnOptions::default()
    }
}

/// Waits for something that another thread does.
#[track_caller]
pub(super) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Lets so much time pass on the guard's own clock without a heartbeat.
pub(super) fn silence(guard: &Guard, time: Duration) {
    let began = Instant::now().checked_sub(time).unwrap();
    guard.kept.life().alive(began, None);
}

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) store: Arc<Claims>,
    pub(super) machine: Arc<Machine>,
    pub(super) clock: Arc<Hands>,
    pub(super) target: Target,
    suffixes: Arc<Counter>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            store: Arc::default(),
            machine: Arc::default(),
            clock: Arc::new(Hands(AtomicI64::new(1_770_000_000_000))),
            target: Target::pr("acme/shop", 17).unwrap(),
            suffixes: Arc::default(),
        }
    }

    pub(super) fn world(&self) -> World {
        World {
            clock: Arc::clone(&self.clock) as _,
            processes: Arc::clone(&self.machine) as _,
            suffixes: Arc::clone(&self.suffixes) as _,
        }
    }

    pub(super) fn own(&self, name: &str, options: OwnOptions) -> Result<Guard> {
        let store = Arc::clone(&self.store) as _;
        Guard::acquire(store, self.target.clone(), run(name), options, self.world())
    }

    /// A guard without heartbeats.
    pub(super) fn still(&self, name: &str, options: OwnOptions) -> Result<Guard> {
        let store = Arc::clone(&self.store) as _;
        Guard::claim(store, self.target.clone(), run(name), options, self.world())
    }

    /// A guard with a long lease and many heartbeats.
    pub(super) fn beating(&self, name: &str) -> Guard {
        let guard = self.still(name, lasting(LONG)).unwrap();
        guard.kept.start(OFTEN).unwrap();
        guard
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now().into()
    }

    pub(super) fn take_over(&self, name: &str) -> Token {
        let caller = Claimant::plain(Some(run(name)));
        let mode = Mode::Takeover {
            expect: None,
            only_if_expired: false,
        };
        let (store, machine, now) = (&*self.store, &*self.machine, self.now());
        let outcome = ops::claim(store, &self.target, &caller, &mode, machine, &now).unwrap();
        assert!(outcome.ok(), "{outcome:?}");
        outcome.token.unwrap()
    }

    /// An exit signal of somebody who knows no token.
    pub(super) fn signal(&self, name: &str, reason: &str) -> Outcome {
        let caller = Claimant::plain(Some(run(name)));
        let note = ExitNote {
            reason: Some(reason.into()),
            require_active_owner: true,
        };
        ops::record_exit_signal(&*self.store, &self.target, &caller, &note, &self.now()).unwrap()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.store.claims.load(&self.target).unwrap()
    }

    pub(super) fn record(&self) -> Record {
        self.snapshot().record.unwrap()
    }

    pub(super) fn owner(&self) -> Option<String> {
        self.record().owner().map(ToString::to_string)
    }

    pub(super) fn token(&self) -> Option<Token> {
        fencing::current_token(&self.snapshot())
    }

    pub(super) fn exit_reasons(&self) -> Vec<String> {
        let signals = self.record().exit_signals.into_iter();
        signals.map(|it| it.reason.unwrap().to_string()).collect()
    }

    pub(super) fn updated_at(&self) -> String {
        let active = self.record().active_run.unwrap();
        active.updated_at.unwrap().to_string()
    }
}

/// Claims in memory with a lock, that fail and hang on demand.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) claims: MemoryClaims,
    /// How many changes are still going to fail.
    pub(super) failing: AtomicUsize,
    pub(super) unreadable: AtomicBool,
    /// How many changes were tried.
    pub(super) updates: AtomicUsize,
    name: String,
    holder: Mutex<Option<ThreadId>>,
    free: Condvar,
    hanging: Mutex<bool>,
    moved: Condvar,
}

impl Default for Claims {
    fn default() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self {
            claims: MemoryClaims::new(),
            failing: AtomicUsize::new(0),
            unreadable: AtomicBool::new(false),
            updates: AtomicUsize::new(0),
            name: format!("stage-{}", NEXT.fetch_add(1, Ordering::SeqCst)),
            holder: Mutex::default(),
            free: Condvar::new(),
            hanging: Mutex::default(),
            moved: Condvar::new(),
        }
    }
}

impl Claims {
    pub(super) fn fail(&self, times: usize) {
        self.failing.store(times, Ordering::SeqCst);
    }

    /// Lets heartbeats hang, or go on.
    pub(super) fn hang(&self, hanging: bool) {
        *self.hanging.lock().unwrap() = hanging;
        self.moved.notify_all();
    }

    pub(super) fn updates(&self) -> usize {
        self.updates.load(Ordering::SeqCst)
    }

    fn obey(&self) -> Result<()> {
        if thread::current().name() == Some("runr-heartbeat") {
            let hanging = self.hanging.lock().unwrap();
            drop(self.moved.wait_while(hanging, |hanging| *hanging).unwrap());
        }
        let fewer = |left: usize| left.checked_sub(1);
        let failing = self
            .failing
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
        match failing {
            Ok(_) => Err(Error::new(Code::Io, "the disk is gone")),
            Err(_) => Ok(()),
        }
    }

    fn lock(&self) -> Result<Locked<'_>> {
        let me = thread::current().id();
        let mut holder = self.holder.lock().unwrap();
        while let Some(other) = *holder {
            if other == me {
                return Err(Error::new(Code::LockTimeout, "entered twice"));
            }
            holder = self.free.wait(holder).unwrap();
        }
        *holder = Some(me);
        Ok(Locked(self))
    }
}

struct Locked<'a>(&'a Claims);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        *self.0.holder.lock().unwrap() = None;
        self.0.free.notify_one();
    }
}

impl ClaimStore for Claims {
    fn location(&self, target: &Target) -> String {
        format!("{}:{target}", self.name)
    }

    fn load(&self, target: &Target) -> Result<Snapshot> {
        if self.unreadable.load(Ordering::SeqCst) {
            return Err(Error::new(Code::StoreCorrupt, "not JSON"));
        }
        self.claims.load(target)
    }

    fn compare_and_set(&self, target: &Target, read: &Version, change: &Change) -> Result<Swap> {
        self.claims.compare_and_set(target, read, change)
    }

    fn update(&self, target: &Target, decide: &mut Decide<'_>) -> Result<()> {
        self.updates.fetch_add(1, Ordering::SeqCst);
        self.obey()?;
        let _locked = self.lock()?;
        self.claims.update(target, decide)
    }
}

/// A machine on which this process can become another one, and others can end.
#[derive(Debug)]
pub(super) struct Machine {
    pid: AtomicU32,
    pub(super) start: AtomicU64,
    ended: Mutex<Vec<u32>>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            pid: AtomicU32::new(7),
            start: AtomicU64::new(1),
            ended: Mutex::default(),
        }
    }
}

impl Machine {
    pub(super) fn become_pid(&self, pid: u32) {
        self.pid.store(pid, Ordering::SeqCst);
    }

    pub(super) fn end(&self, pid: u32) {
        self.ended.lock().unwrap().push(pid);
    }
}

impl Processes for Machine {
    fn own(&self) -> Process {
        Process {
            pid: self.pid.load(Ordering::SeqCst),
            start: self.start.load(Ordering::SeqCst),
            boot_id: "boot".to_owned(),
            pid_ns: "ns".to_owned(),
            host: "host".to_owned(),
        }
    }

    fn exists(&self, pid: u32) -> bool {
        !self.ended.lock().unwrap().contains(&pid)
    }

    fn has_ended(&self, process: &Process) -> bool {
        !self.exists(process.pid)
    }
}

/// A clock that is moved by hand.
#[derive(Debug)]
pub(super) struct Hands(AtomicI64);

impl Hands {
    pub(super) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Suffixes for Counter {
    fn next(&self) -> Result<u64> {
        Ok(self.0.fetch_add(1, Ordering::SeqCst))
    }
}
