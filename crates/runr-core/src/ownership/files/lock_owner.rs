//! What a lock directory tells of its holder, and whether it may be removed.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde_json::Value;

use crate::mutant::without;
use crate::ownership::processes::{Process, Processes};
use crate::time::Timestamp;

/// Of what another program says, no more than this is repeated.
const MAX_SAID: usize = 64;

/// The file in a lock directory: two keys that all programs know, and what ours add.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Text<'a> {
    pid: u32,
    acquired_at: Timestamp,
    host: &'a str,
    boot: &'a str,
    start: u64,
    nonce: String,
}

/// The text for a lock directory of this process, unlike every other one.
pub(super) fn text(own: &Process, now: Timestamp) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let text = Text {
        pid: own.pid,
        acquired_at: now,
        host: &own.host,
        boot: &own.boot_id,
        start: own.start,
        nonce: NEXT.fetch_add(1, Ordering::Relaxed).to_string(),
    };
    // Numbers and strings always have a JSON form.
    serde_json::to_string_pretty(&text).unwrap_or_default() + "\n"
}

/// The holder of a lock directory, as far as its file tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::ownership) struct LockOwner {
    /// The number of its process; none if it cannot be one.
    pub(in crate::ownership) pid: Option<u32>,
    acquired_at: Option<String>,
    host: Option<String>,
    boot: Option<String>,
    nonce: Option<String>,
}

impl LockOwner {
    /// Reads the file; none if it is no JSON object.
    pub(super) fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let members = value.as_object()?;
        let string = |key: &str| members.get(key)?.as_str().map(str::to_owned);
        let pid = members.get("pid").and_then(Value::as_u64);
        Some(Self {
            pid: pid
                .and_then(|pid| u32::try_from(pid).ok())
                .filter(|pid| *pid > 0),
            acquired_at: string("acquiredAt"),
            host: string("host"),
            boot: string("boot"),
            nonce: string("nonce"),
        })
    }

    /// Whether a process of ours on this machine made it: such a one holds the kernel's lock, too,
    /// or is dead.
    fn is_ours(&self, own: &Process) -> bool {
        let is = |said: &Option<String>, known: &str| {
            !known.is_empty() && said.as_deref() == Some(known)
        };
        self.nonce.is_some() && (is(&self.boot, &own.boot_id) || is(&self.host, &own.host))
    }

    /// Whether a process is seen to live that it may be. What another machine does is not seen from
    /// here. Under the kernel's lock one of ours is dead.
    pub(in crate::ownership) fn is_seen_alive(
        &self,
        processes: &dyn Processes,
        under_the_lock: bool,
    ) -> bool {
        let own = processes.own();
        let is_here = self.host.as_ref().is_none_or(|host| *host == own.host);
        let may_live = is_here && !(under_the_lock && self.is_ours(&own));
        may_live && self.pid.is_some_and(|pid| processes.exists(pid))
    }

    /// The holder for a person: process, time and host, `unknown` where it does not tell.
    pub(in crate::ownership) fn describe(&self) -> String {
        let pid = self.pid.map(|pid| pid.to_string());
        let [pid, at, host] = [pid, self.acquired_at.clone(), self.host.clone()]
            .map(|said| said.map_or_else(|| "unknown".to_owned(), short));
        format!("process {pid} (since {at}, host {host})")
    }

    /// The same for a program.
    pub(super) fn to_json(&self) -> Value {
        let short = |said: &Option<String>| said.clone().map(short);
        serde_json::json!({
            "pid": self.pid,
            "acquiredAt": short(&self.acquired_at),
            "host": short(&self.host),
        })
    }
}

fn short(text: String) -> String {
    text.chars().take(MAX_SAID).collect()
}

/// A lock directory as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ownership) struct Found {
    /// Whether it is a directory: what else has its name keeps others out as well.
    pub(in crate::ownership) is_dir: bool,
    /// Whether a process of ours made it, even if it does not say so.
    pub(super) is_marked: bool,
    /// Its file.
    pub(super) text: Option<String>,
}

impl Found {
    /// Who holds it; none if it does not tell.
    pub(in crate::ownership) fn owner(&self) -> Option<LockOwner> {
        self.text.as_deref().and_then(LockOwner::read)
    }

    /// Whether it is nobody's any more. To be asked under the kernel's lock, which every holder of
    /// ours has; `single_host` says that no other machine uses the directory.
    pub(super) fn is_abandoned(&self, processes: &dyn Processes, single_host: bool) -> bool {
        if !self.is_dir {
            return false;
        }
        match self.owner() {
            Some(owner) if owner.is_ours(&processes.own()) => !without("lock-orphan"),
            // A dead process of another program. Without the number of one, nobody can tell.
            Some(LockOwner { pid: Some(pid), .. }) => {
                (single_host || without("single-host"))
                    && (!processes.exists(pid) || without("foreign-alive"))
            }
            // What a power cut left of one of ours: its file was never synced.
            _ => self.is_marked && single_host,
        }
    }
}
