//! Who drives a run: the owner lock, the tree lock and the heartbeat.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::{Lock, LockGuard, Storage, Wait};
use runr_core::mutant::without;
use runr_core::phase::ops::{Live, OWNER_LOCK, RunFiles};
use runr_core::{Clock, Code, Error, Result};
use sha2::{Digest, Sha256};

use super::beside::Beside;
use super::process;
use crate::host::Host;
use crate::processes::host_name;

/// A probe holds a lock for an instant, so who wants to own it tries for this long.
const PATIENCE: Duration = Duration::from_millis(250);
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Held while a run is driven; released by the kernel when the driver dies.
pub(crate) struct Ownership {
    // Dropped in this order: the heartbeat ends before the lock goes.
    _heartbeat: Heartbeat,
    owner: LockGuard,
    tree: Option<LockGuard>,
}

impl Ownership {
    /// Makes this process the driver and says so at once, before any child can hold the lock.
    ///
    /// # Errors
    /// `E_RUN_ACTIVE` when another process drives the run.
    pub(crate) fn take(files: &RunFiles, host: &Host) -> Result<Self> {
        let owner = take_owner_lock(files, &host.storage)?;
        Ok(Self {
            _heartbeat: Heartbeat::start(files.clone(), host.clock.clone())?,
            owner,
            tree: None,
        })
    }

    /// Holds the working tree, too.
    pub(crate) fn hold_tree(&mut self, tree: LockGuard) {
        self.tree = Some(tree);
    }

    /// A handle that keeps the owner lock held in a child.
    pub(crate) fn inheritable(&self) -> Result<Option<std::fs::File>> {
        self.owner.inheritable()
    }
}

/// Takes the lock that makes this process the driver.
///
/// # Errors
/// `E_RUN_ACTIVE` when another process drives the run.
pub(crate) fn take_owner_lock(files: &RunFiles, storage: &Storage) -> Result<LockGuard> {
    let name = if without("owner-lock") {
        format!("{OWNER_LOCK}.{}", std::process::id())
    } else {
        OWNER_LOCK.to_owned()
    };
    match Lock::acquire(storage, files.dir(), &name, Wait::UpTo(PATIENCE)) {
        Err(error) if error.code() == Code::LockTimeout => Err(active(files)),
        other => other,
    }
}

/// What refuses a step that needs a run which nobody drives.
pub(crate) fn active(files: &RunFiles) -> Error {
    let mut busy = Error::new(Code::RunActive, "Run is still running")
        .with("run_id", files.run_id().as_str())
        .hint(format!("runr status {}", files.run_id()));
    if let Some(live) = files.live() {
        busy = busy
            .with("pid", live.pid)
            .with("host", live.host)
            .with("heartbeat_at", live.heartbeat_at.to_string());
    }
    busy
}

/// The lock file of a working tree.
fn tree_lock_name(tree: &Utf8Path) -> Result<String> {
    let real = tree
        .canonicalize_utf8()
        .map_err(|source| Error::io("resolve", tree, source))?;
    let digest = super::hex(&Sha256::digest(real.as_str()));
    if without("tree-lock") {
        return Ok(format!(".tree-{}.lock", std::process::id()));
    }
    Ok(format!(".tree-{}.lock", &digest[..16]))
}

/// Takes the working tree for one run.
///
/// # Errors
/// `E_TREE_BUSY` naming the run that uses it.
pub(crate) fn take_tree(
    storage: &Storage,
    runs_dir: &Utf8Path,
    tree: &Utf8Path,
) -> Result<LockGuard> {
    let name = tree_lock_name(tree)?;
    match Lock::acquire(storage, runs_dir, &name, Wait::UpTo(PATIENCE)) {
        Err(error) if error.code() == Code::LockTimeout => {
            let user = user_of(storage, runs_dir, tree);
            let who = user.clone().unwrap_or_else(|| "(starting)".to_owned());
            Err(Error::new(
                Code::TreeBusy,
                format!("Working tree is in use by run {who}"),
            )
            .at(tree)
            .with("tree", tree.as_str())
            .with("run_id", user)
            .hint("--worktree"))
        }
        other => other,
    }
}

/// The live run whose tree this is; only for the message.
fn user_of(storage: &Storage, runs_dir: &Utf8Path, tree: &Utf8Path) -> Option<String> {
    let store = runr_core::store::RunStore::open(storage.clone(), runs_dir);
    let real = tree.canonicalize_utf8().ok()?;
    store.ids().ok()?.into_iter().rev().take(50).find_map(|id| {
        let files = RunFiles::new(storage.clone(), id.clone(), store.run_dir(&id));
        let state = files.is_driven().ok()?.then(|| files.state().ok())??;
        let path = Utf8PathBuf::from(&state.repo_path)
            .canonicalize_utf8()
            .ok()?;
        (path == real).then(|| id.to_string())
    })
}

/// Rewrites `live.json` until it is dropped. Never decides anything: the lock does.
struct Heartbeat {
    _thread: Beside,
}

impl Heartbeat {
    fn start(files: RunFiles, clock: Arc<dyn Clock>) -> Result<Self> {
        let mine = process::identity_of(std::process::id())
            .map_err(|source| Error::io("identify the driver of", files.dir(), source))?;
        let host = host_name();
        let write = move || {
            files.write_live(&Live {
                pid: mine.pid,
                start: mine.start,
                boot_id: mine.boot_id.clone(),
                host: host.clone(),
                heartbeat_at: clock.now(),
            })
        };
        write()?;
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(HEARTBEAT) {
                // A failed heartbeat costs only the age shown to people.
                drop(write());
            }
        });
        Ok(Self {
            _thread: Beside::over(thread, Some(stop)),
        })
    }
}
