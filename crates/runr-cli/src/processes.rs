//! The processes of this system: which there are, what tells them apart, and how a group of them is
//! ended.

use std::process::ExitStatus;

use runr_core::ownership::{Process, Processes};
use rustix::process::{Pid, Signal};

/// The namespaces of a system's first process have fixed names.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";
const FIRST_TIME_NAMESPACE: &str = "time:[4026531834]";

/// The processes that this one can see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemProcesses;

impl Processes for SystemProcesses {
    fn own(&self) -> Process {
        let pid = std::process::id();
        Process {
            pid,
            start: stat_of(pid).map_or(0, |stat| stat.start),
            boot_id: clock_id(),
            pid_ns: pid_namespace(),
            host: host_name(),
        }
    }

    fn exists(&self, pid: u32) -> bool {
        exists(pid)
    }

    fn has_ended(&self, process: &Process) -> bool {
        let told = process.start != 0 && !process.boot_id.is_empty() && !process.pid_ns.is_empty();
        let here = process.host == host_name()
            && process.boot_id == clock_id()
            && process.pid_ns == pid_namespace();
        told && here && !is_running(process.pid, process.start)
    }
}

/// Whether the process that had this number when it started then is still at work.
pub(crate) fn is_running(pid: u32, start: u64) -> bool {
    match stat_of(pid) {
        Some(stat) => stat.start == start && !stat.zombie,
        // Hidden from us, perhaps; it is certain only where nobody has the number.
        None => exists(pid),
    }
}

/// Whether any process of this machine has this number.
pub(crate) fn exists(pid: u32) -> bool {
    // A process of another user is one too.
    pid_of(pid).is_some_and(|pid| {
        let asked = rustix::process::test_kill_process(pid);
        matches!(asked, Ok(()) | Err(rustix::io::Errno::PERM))
    })
}

pub(crate) fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// The name of this host.
pub(crate) fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// This boot, with the namespace of time unless it is the first one: where the start of a process
/// means anything. Empty where the system does not tell.
fn clock_id() -> String {
    with_namespaces(&[time_namespace()])
}

/// Identifies where a process's number and start mean anything: this boot, and within it the
/// namespaces of processes and of time, unless they are the first ones. Empty where the system does
/// not tell.
pub(crate) fn boot_id() -> String {
    let pids = Some(pid_namespace()).filter(|name| !name.is_empty() && name != FIRST_PID_NAMESPACE);
    with_namespaces(&[pids, time_namespace()])
}

fn with_namespaces(namespaces: &[Option<String>]) -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut id = boot.trim().to_owned();
    for name in namespaces.iter().flatten() {
        id.push(' ');
        id.push_str(name);
    }
    id
}

/// The namespace in which the numbers of processes mean anything.
fn pid_namespace() -> String {
    namespace("pid").unwrap_or_default()
}

fn time_namespace() -> Option<String> {
    namespace("time").filter(|name| name != FIRST_TIME_NAMESPACE)
}

fn namespace(kind: &str) -> Option<String> {
    let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
    Some(link.display().to_string())
}

pub(crate) struct Stat {
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) start: u64,
    pub(crate) zombie: bool,
}

pub(crate) fn stat_of(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, blanks and parentheses included.
    let fields: Vec<&str> = text[text.rfind(')')? + 1..]
        .split_ascii_whitespace()
        .collect();
    Some(Stat {
        zombie: *fields.first()? == "Z",
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

pub(crate) fn all_processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
}

/// The processes of a group that are still at work.
pub(crate) fn members(group: u32) -> Vec<u32> {
    let is_member = |pid: &u32| stat_of(*pid).is_some_and(|s| s.group == group && !s.zombie);
    all_processes().filter(is_member).collect()
}

pub(crate) fn signal_group(pid: Pid, signal: Signal) {
    // ESRCH: the group is gone, which is what was wanted.
    let _gone = rustix::process::kill_process_group(pid, signal);
}

/// Waits for the end of a child and leaves it unreaped, so that its number cannot mean another
/// process or group.
pub(crate) fn wait_unreaped(pid: Pid) -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    loop {
        match waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.is_ok(),
        }
    }
}

/// The exit status as a shell reports it: 128 + n for a signal.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_told_and_has_not_ended() {
        let own = SystemProcesses.own();
        assert_eq!(own.pid, std::process::id());
        assert!(own.start > 0 && !own.boot_id.is_empty() && !own.host.is_empty());
        assert!(own.pid_ns.starts_with("pid:["));
        assert!(!SystemProcesses.has_ended(&own));
        assert!(SystemProcesses.exists(own.pid));
    }

    #[test]
    fn another_start_is_another_process_and_what_is_elsewhere_is_not_certain() {
        let own = SystemProcesses.own();
        let earlier = Process {
            start: own.start - 1,
            ..own.clone()
        };
        assert!(SystemProcesses.has_ended(&earlier));
        for elsewhere in [
            Process {
                host: "elsewhere".to_owned(),
                ..earlier.clone()
            },
            Process {
                boot_id: "another".to_owned(),
                ..earlier.clone()
            },
            Process {
                pid_ns: "pid:[1]".to_owned(),
                ..earlier.clone()
            },
            Process {
                start: 0,
                ..earlier.clone()
            },
        ] {
            assert!(!SystemProcesses.has_ended(&elsewhere), "{elsewhere:?}");
        }
    }

    #[test]
    fn a_child_that_has_ended_has_ended_before_it_is_reaped() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let process = Process {
            start: stat_of(pid).map_or(1, |stat| stat.start),
            pid,
            ..SystemProcesses.own()
        };
        assert!(wait_unreaped(Pid::from_child(&child)));
        assert!(SystemProcesses.has_ended(&process));
        child.wait().unwrap();
        assert!(SystemProcesses.has_ended(&process));
    }
}
