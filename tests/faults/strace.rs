//! Failing system calls of a real process, by `strace`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use crate::form::succeeds;
use crate::support::Command;

/// The calls that may fail. Names that this machine does not have are passed over.
const CALLS: &[&str] = &[
    "openat",
    "read",
    "pread64",
    "write",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat",
    "renameat2",
    "flock",
    "close",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "getrandom",
    "getdents64",
    "fstat",
    "newfstatat",
];

const ERRORS: &[&str] = &[
    "EIO", "ENOSPC", "EDQUOT", "EACCES", "EROFS", "EINTR", "EMFILE", "ENOMEM",
];

/// Whether processes can be traced here.
pub(crate) fn is_usable() -> bool {
    succeeds(&["strace", "-qq", "-o", "/dev/null", "true"])
}

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Error(&'static str),
    Kill,
}

/// One way in which one command fails.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) call: &'static str,
    pub(crate) effect: Effect,
    /// The first call that fails, by the process's own count.
    pub(crate) at: usize,
    /// Whether all later ones fail as well.
    pub(crate) lasting: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, at, .. } = self;
        let lasting = if self.lasting { "+" } else { "" };
        match self.effect {
            Effect::Error(error) => write!(f, "{call}:error={error}:when={at}{lasting}"),
            Effect::Kill => write!(f, "{call}:signal=SIGKILL:when={at}{lasting}"),
        }
    }
}

impl Fault {
    pub(crate) fn kills(&self) -> bool {
        self.effect == Effect::Kill
    }

    /// Whether what was written may not have reached the disk. An interrupted flush is repeated.
    pub(crate) fn loses_a_flush(&self) -> bool {
        self.call.contains("sync") && self.effect != Effect::Error("EINTR")
    }

    /// Whether the process still could remove what it had begun.
    pub(crate) fn leaves_a_way_out(&self) -> bool {
        let cannot_remove = self.call.starts_with("unlink");
        let cannot_open = self.lasting && self.call == "openat";
        !(self.kills() || cannot_remove || cannot_open)
    }

    /// Puts the command under this fault. Its children are other programs, and are left alone.
    pub(crate) fn strike(&self, command: Command, log: &Path) -> Command {
        let inject = format!("inject={self}");
        let trace = format!("trace={}", self.call);
        let log = log.to_str().unwrap();
        let words = ["strace", "-qq", "-o", log, "-e", &trace, "-e", &inject];
        command.under(&words)
    }

    pub(crate) fn struck(&self, log: &Path) -> bool {
        let text = fs::read_to_string(log).unwrap();
        let mark = if self.kills() {
            "killed by SIGKILL"
        } else {
            "(INJECTED)"
        };
        text.contains(mark)
    }
}

/// The calls a process makes once it runs its own code: the loader's are not runr's.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Per call, those of its numbers that may fail.
    numbers: BTreeMap<&'static str, Vec<usize>>,
    /// Per call, how often it is made in all.
    counts: BTreeMap<&'static str, usize>,
    /// Whether the process talks with children. No kernel fails the read of a pipe, or leaves open
    /// what is closed: injected, the one is a panic of the standard library, the other hangs. And
    /// how often a pipe is read differs, so that the reads of files cannot be told by their number.
    has_pipes: bool,
}

impl Calls {
    /// Counts those of a command that succeeds.
    pub(crate) fn count(command: Command, log: &Path) -> Self {
        let names: Vec<String> = CALLS.iter().map(|call| format!("?{call}")).collect();
        let trace = format!("trace={},rt_sigaction", names.join(","));
        let log = log.to_str().unwrap();
        let words = ["strace", "-qq", "-y", "-o", log, "-e", &trace];
        command.under(&words).output().exits(0);
        Self::read(&fs::read_to_string(log).unwrap())
    }

    fn read(text: &str) -> Self {
        let mut calls = Self::default();
        for line in text.lines() {
            // The last thing before the command line is read.
            if line.starts_with("rt_sigaction(SIGXFSZ") {
                calls.numbers.clear();
            }
            let Some((name, rest)) = line.split_once('(') else {
                continue;
            };
            let Some(call) = CALLS.iter().find(|call| **call == name) else {
                continue;
            };
            let count = calls.counts.entry(call).or_insert(0);
            *count += 1;
            calls.numbers.entry(call).or_default().push(*count);
            let subject = rest.split(',').next().unwrap();
            calls.has_pipes |= *call == "read" && subject.contains("<pipe:");
        }
        if calls.has_pipes {
            calls.numbers.remove("close");
            calls.numbers.remove("read");
        }
        assert!(calls.numbers.len() > 3, "not a trace of runr: {text}");
        calls
    }

    /// The faults to try: each call once and for good, each error, and death.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (call, at) in self.numbers.iter().flat_map(|(call, numbers)| {
            let at = |at: &usize| (*call, *at);
            numbers.iter().map(at).collect::<Vec<_>>()
        }) {
            let fault = |effect, lasting| Fault {
                call,
                effect,
                at,
                lasting,
            };
            for error in ERRORS {
                faults.push(fault(Effect::Error(error), false));
                // A call that is interrupted for ever is repeated for ever.
                if *error != "EINTR" {
                    faults.push(fault(Effect::Error(error), true));
                }
            }
            faults.push(fault(Effect::Kill, false));
        }
        faults
    }

    /// Faults one call beyond the last: they strike nobody.
    pub(crate) fn beyond(&self) -> Vec<Fault> {
        let beyond = |call: &&'static str| Fault {
            call,
            effect: Effect::Error("EIO"),
            at: self.counts[call] + 1,
            lasting: true,
        };
        self.numbers.keys().map(beyond).collect()
    }
}
