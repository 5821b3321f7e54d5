//! The process group of a command that runs under a claim.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use runr_core::Error;
use runr_core::ownership::Guard;
use rustix::process::{Pid, Signal};

use crate::host::Host;
use crate::processes::{exit_code, members, signal_group, wait_unreaped};

/// How long the group may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How often signals are looked for.
const SLICE: Duration = Duration::from_millis(25);

/// A command in its own process group.
pub(super) struct Child {
    process: std::process::Child,
    pid: Pid,
}

/// How it ended.
pub(super) enum End {
    /// By itself, or by a signal that was not ours.
    Exited {
        /// The exit status as a shell reports it.
        status: u8,
        /// The signal that ended it.
        signal: Option<i32>,
    },
    /// The claim was lost, and the group was ended.
    Lost(Error),
}

enum Event {
    Ended,
    Lost,
}

impl End {
    /// Why the run ends, if it did not end well.
    pub(super) fn complaint(&self) -> Option<String> {
        match self {
            Self::Exited {
                signal: Some(signal),
                ..
            } => Some(format!("the command was ended by signal {signal}")),
            Self::Exited { status: 0, .. } | Self::Lost(_) => None,
            Self::Exited { status, .. } => {
                Some(format!("the command ended with exit status {status}"))
            }
        }
    }
}

impl Child {
    /// Starts a command. A terminal is not handed on: a group in the background that reads from one
    /// is stopped. With `quiet` standard output is left to us.
    pub(super) fn start(
        command: &[String],
        variables: &[(&str, String)],
        quiet: bool,
    ) -> io::Result<Self> {
        let [program, arguments @ ..] = command else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut start = Command::new(program);
        start
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .process_group(0);
        if io::stdin().is_terminal() {
            start.stdin(Stdio::null());
        }
        if quiet {
            start.stdout(io::stderr().as_fd().try_clone_to_owned()?);
        }
        let process = start.spawn()?;
        let pid = Pid::from_child(&process);
        Ok(Self { process, pid })
    }

    /// Waits until the command has ended, or ends it when the claim is lost; meanwhile passes on the
    /// signals of this process.
    pub(super) fn attend(mut self, guard: &Guard, host: &Host) -> io::Result<End> {
        let (tell, events) = mpsc::channel();
        let told_of_loss = tell.clone();
        let pid = self.pid;
        // Nobody listens any more only when nobody has to.
        guard.on_loss(Box::new(move |_| drop(told_of_loss.send(Event::Lost))));
        let waiter = std::thread::spawn(move || {
            wait_unreaped(pid);
            drop(tell.send(Event::Ended));
        });
        let mut relay = Relay::new(host);
        let lost = loop {
            match events.recv_timeout(SLICE) {
                Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => break None,
                Ok(Event::Lost) => break guard.check().err(),
                Err(RecvTimeoutError::Timeout) => relay.pass_on(self.pid),
            }
        };
        if lost.is_some() {
            self.end_group(&events, &mut relay);
        }
        let status = self.process.wait()?;
        drop(waiter.join());
        Ok(match lost {
            Some(error) => End::Lost(error),
            None => {
                use std::os::unix::process::ExitStatusExt;
                End::Exited {
                    status: u8::try_from(exit_code(status)).unwrap_or(1),
                    signal: status.signal(),
                }
            }
        })
    }

    /// Asks the group to end, and ends it when that was in vain. The command itself is not reaped
    /// before, so its number cannot mean another group.
    fn end_group(&self, events: &Receiver<Event>, relay: &mut Relay<'_>) {
        signal_group(self.pid, Signal::TERM);
        // What is stopped would not hear of it.
        signal_group(self.pid, Signal::CONT);
        let deadline = Instant::now() + GRACE;
        let mut ended = false;
        while Instant::now() < deadline {
            if ended && members(self.process.id()).is_ok_and(|members| members.is_empty()) {
                break;
            }
            match events.recv_timeout(SLICE) {
                Ok(Event::Ended) => ended = true,
                Ok(Event::Lost) => {}
                Err(RecvTimeoutError::Timeout) => relay.pass_on(self.pid),
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(SLICE),
            }
        }
        signal_group(self.pid, Signal::KILL);
    }
}

/// The signals of this process on their way to the group.
struct Relay<'a> {
    host: &'a Host,
    cancelled: bool,
}

impl<'a> Relay<'a> {
    fn new(host: &'a Host) -> Self {
        Self {
            host,
            cancelled: false,
        }
    }

    fn pass_on(&mut self, group: Pid) {
        if let Some(signals) = &self.host.signals {
            signals.pass_on(&|number| {
                if let Some(signal) = Signal::from_named_raw(number) {
                    signal_group(group, signal);
                }
            });
        } else if self.host.cancel.is_cancelled() && !self.cancelled {
            // A program that embeds us has only this word.
            self.cancelled = true;
            signal_group(group, Signal::TERM);
        }
    }
}
