//! Repair of a claim in files, on demand of a person.
//!
//! What cannot be used is never deleted: it is kept beside its replacement as `<file>.broken-<n>`.
//! The owner and the history are told anew by the archive, as far as they stand in it; exit signals
//! and the signs of life since the last change do not. A sidecar that is lost gets a higher token, so
//! whoever held the claim asks for it anew.
//!
//! Where somebody is seen to live who holds the lock or the claim, nothing is done.
//!
//! Limits: what is no regular file is moved rather than copied, so for a moment there is no record;
//! should the repair be killed just then, the target is nobody's.

mod aside;
mod look;
mod mend;
mod past;

use std::thread;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use self::mend::Mender;
use super::files::FileClaims;
use super::files::lock_dir::LockDir;
use super::rules::Now;
use super::target::Target;
use crate::error::{Code, Error, Result};
use crate::fs::{Lock, Patience, Wait};

/// How long a lock directory that tells nothing may be one that is just being made.
const BEING_MADE: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_millis(10);

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// Who lives, so that nothing may be done; in words.
    pub living: Option<String>,
    /// What was done, in this order; nothing if nothing was wrong.
    pub actions: Vec<Action>,
}

/// A thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What.
    pub deed: Deed,
    /// The file or directory that it was done to, or that came of it.
    pub path: Utf8PathBuf,
    /// More of it, in words.
    pub detail: String,
}

/// What a repair can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A lock directory that nobody holds was removed.
    LockRemoved,
    /// What stood in the place of a lock directory was moved aside.
    LockMoved,
    /// A record that cannot be used is kept under another name.
    RecordKept,
    /// The record says again what is known.
    RecordRebuilt,
    /// A sidecar that cannot be used is kept under another name.
    SidecarKept,
    /// The sidecar holds a token again.
    SidecarRebuilt,
    /// A damaged archive is kept under another name.
    ArchiveKept,
    /// The archive goes on after its last good line.
    ArchiveMended,
}

impl Deed {
    /// The word in results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LockRemoved => "lock_removed",
            Self::LockMoved => "lock_moved",
            Self::RecordKept => "record_kept",
            Self::RecordRebuilt => "record_rebuilt",
            Self::SidecarKept => "sidecar_kept",
            Self::SidecarRebuilt => "sidecar_rebuilt",
            Self::ArchiveKept => "archive_kept",
            Self::ArchiveMended => "archive_mended",
        }
    }
}

impl Repaired {
    fn refused(living: String) -> Self {
        Self {
            living: Some(living),
            actions: Vec::new(),
        }
    }

    /// Whether nothing is wrong any more; if not, somebody lives who must end first.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.living.is_none()
    }

    /// The JSON form: `ok`, where it was refused `error` and `message`, and `actions`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let actions = self.actions.iter().map(|action| {
            json!({
                "action": action.deed.as_str(),
                "path": action.path,
                "detail": action.detail,
            })
        });
        let actions: Vec<_> = actions.collect();
        match &self.living {
            None => json!({"ok": true, "actions": actions}),
            Some(living) => json!({
                "ok": false, "error": "live_holder", "message": living, "actions": actions,
            }),
        }
    }
}

/// Repairs the claim of a target.
///
/// # Errors
/// `E_RECORD_SCHEMA` for a record of a later version, which is not broken; `E_LOCK_TIMEOUT` if
/// another program takes the lock meanwhile; `E_META_WRITE_FAILED`; `E_IO`.
pub fn repair(claims: &FileClaims, target: &Target, now: &Now) -> Result<Repaired> {
    let place = claims.place_of(target);
    let Some(dir) = claims.present_dir(&place)? else {
        return Ok(Repaired::default());
    };
    let dir = dir.as_ref();
    let _kernel = match Lock::acquire_in(dir, &place.names.lock, claims.lock_wait()) {
        Err(error) if is_deadline(&error) => return Ok(Repaired::refused(error.to_string())),
        other => other?,
    };
    let mut mender = Mender::new(
        claims.files(dir, &place, target),
        claims.world(),
        now,
        false,
    );
    let lock = place.names.lock_dir.as_deref();
    let lock = lock.map(|name| LockDir { dir, name });
    if let Some(lock) = lock
        && let Some(living) = free(lock, &mut mender)?
    {
        return Ok(Repaired::refused(living));
    }
    let wait = Patience::new(Wait::UpTo(BEING_MADE));
    let hint = "another program has just taken it; try again";
    let _shared = lock
        .map(|lock| lock.take(claims.world(), &wait, hint))
        .transpose()?;
    mender.mend()?;
    Ok(mender.done())
}

/// What a repair would do as things stand. Takes no lock and makes nothing.
///
/// # Errors
/// As [`repair`].
pub fn examine(claims: &FileClaims, target: &Target, now: &Now) -> Result<Repaired> {
    let place = claims.place_of(target);
    let Some(dir) = claims.present_dir(&place)? else {
        return Ok(Repaired::default());
    };
    let dir = dir.as_ref();
    let mut mender = Mender::new(claims.files(dir, &place, target), claims.world(), now, true);
    if let Some(name) = place.names.lock_dir.as_deref()
        && let Some(living) = free(LockDir { dir, name }, &mut mender)?
    {
        return Ok(Repaired::refused(living));
    }
    mender.mend()?;
    Ok(mender.done())
}

/// Whether somebody held a lock for the whole wait: only a living process can.
fn is_deadline(error: &Error) -> bool {
    let cancelled = error.context().contains_key("cancelled");
    error.code() == Code::LockTimeout && error.is_retryable() && !cancelled
}

/// Removes the lock directory; who holds it, if that one is seen to live.
fn free(lock: LockDir<'_>, mender: &mut Mender<'_>) -> Result<Option<String>> {
    let start = Instant::now();
    while let Some(found) = lock.look()? {
        let path = lock.dir.path().join(lock.name);
        if !found.is_dir {
            mender.aside(Deed::LockMoved, lock.name, "it is no directory", false)?;
            break;
        }
        let Some(owner) = found.owner() else {
            if start.elapsed() < BEING_MADE {
                thread::sleep(LOOK);
            } else if mender.is_dry || lock.remove(&found)? {
                mender.note(Deed::LockRemoved, path, "nothing tells who held it");
                break;
            }
            continue;
        };
        if mender.lives(&owner) {
            let living = format!("{path} is held by {}, which lives", owner.describe());
            return Ok(Some(living));
        }
        if mender.is_dry || lock.remove(&found)? {
            let detail = format!("it was held by {}", owner.describe());
            mender.note(Deed::LockRemoved, path, &detail);
            break;
        }
    }
    Ok(None)
}
