//! The processes of this system: which there are, what tells them apart, and how a group of them is
//! ended.

use std::io;
use std::process::ExitStatus;

use runr_core::ownership::{Process, Processes};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::presence::if_there;

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
            start: stat_of(pid).ok().flatten().map_or(0, |stat| stat.start),
            boot_id: clock_id().unwrap_or_default(),
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
            && clock_id().is_ok_and(|id| id == process.boot_id)
            && process.pid_ns == pid_namespace();
        told && here && !is_running(process.pid, process.start)
    }
}

/// Whether the process that had this number when it started then is still at work.
pub(crate) fn is_running(pid: u32, start: u64) -> bool {
    match stat_of(pid) {
        Ok(Some(stat)) => stat.start == start && !stat.zombie,
        // Hidden from us, perhaps; it is certain only where nobody has the number.
        Ok(None) | Err(_) => exists(pid),
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
fn clock_id() -> io::Result<String> {
    with_namespaces(&[time_namespace()?])
}

/// Identifies where a process's number and start mean anything: this boot, and within it the
/// namespaces of processes and of time, unless they are the first ones. Empty where the system does
/// not tell.
pub(crate) fn boot_id() -> io::Result<String> {
    let pids = namespace("pid")?.filter(|name| name != FIRST_PID_NAMESPACE);
    with_namespaces(&[pids, time_namespace()?])
}

fn with_namespaces(namespaces: &[Option<String>]) -> io::Result<String> {
    let boot = if_there(std::fs::read_to_string("/proc/sys/kernel/random/boot_id"))?;
    let boot = boot.unwrap_or_default();
    let mut id = boot.trim().to_owned();
    for name in namespaces.iter().flatten() {
        id.push(' ');
        id.push_str(name);
    }
    Ok(id)
}

/// The namespace in which the numbers of processes mean anything.
fn pid_namespace() -> String {
    namespace("pid").ok().flatten().unwrap_or_default()
}

fn time_namespace() -> io::Result<Option<String>> {
    Ok(namespace("time")?.filter(|name| name != FIRST_TIME_NAMESPACE))
}

fn namespace(kind: &str) -> io::Result<Option<String>> {
    let link = if_there(std::fs::read_link(format!("/proc/self/ns/{kind}")))?;
    Ok(link.map(|link| link.display().to_string()))
}

pub(crate) struct Stat {
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) start: u64,
    pub(crate) zombie: bool,
}

/// What is known of a process; nothing of one that is gone, or hidden from us.
pub(crate) fn stat_of(pid: u32) -> io::Result<Option<Stat>> {
    let text = if_running(std::fs::read_to_string(format!("/proc/{pid}/stat")))?;
    Ok(text.and_then(|text| parse_stat(&text)))
}

/// What was read of a process, unless it is gone. Any other failure may pass, and is no word about
/// the process.
pub(crate) fn if_running<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(problem) if Errno::from_io_error(&problem) == Some(Errno::SRCH) => Ok(None),
        read => if_there(read),
    }
}

fn parse_stat(text: &str) -> Option<Stat> {
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

/// All processes that can be seen; none where the system does not tell.
pub(crate) fn all_processes() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in if_there(std::fs::read_dir("/proc"))?.into_iter().flatten() {
        let name = entry?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(pids)
}

/// The processes of a group that are still at work.
pub(crate) fn members(group: u32) -> io::Result<Vec<u32>> {
    let mut members = Vec::new();
    for pid in all_processes()? {
        let stat = stat_of(pid)?;
        let is_member = stat.is_some_and(|stat| stat.group == group && !stat.zombie);
        members.extend(is_member.then_some(pid));
    }
    Ok(members)
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
    fn only_a_process_that_is_not_there_is_gone() {
        let read = |errno: Errno| if_running::<()>(Err(errno.into()));
        for gone in [Errno::NOENT, Errno::SRCH] {
            assert_eq!(read(gone).unwrap(), None, "{gone:?}");
        }
        for unknown in [Errno::MFILE, Errno::NOMEM, Errno::IO, Errno::ACCESS] {
            assert!(read(unknown).is_err(), "{unknown:?}");
        }
    }

    #[test]
    fn a_child_that_has_ended_has_ended_before_it_is_reaped() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let process = Process {
            start: stat_of(pid).unwrap().map_or(1, |stat| stat.start),
            pid,
            ..SystemProcesses.own()
        };
        assert!(wait_unreaped(Pid::from_child(&child)));
        assert!(SystemProcesses.has_ended(&process));
        child.wait().unwrap();
        assert!(SystemProcesses.has_ended(&process));
    }
}
