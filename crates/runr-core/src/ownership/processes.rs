//! Which processes there are, as far as claims ask.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What tells a process from every other one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in the ticks of its system; 0 if the system does not tell.
    pub start: u64,
    /// The boot of the system it runs on; empty if the system does not tell.
    pub boot_id: String,
    /// The namespace in which the number means anything; empty if the system does not tell.
    pub pid_ns: String,
    /// The name of the host.
    pub host: String,
}

/// The processes of this machine; the core never asks the system itself.
pub trait Processes: Send + Sync + fmt::Debug {
    /// This process. After a fork it is another one.
    fn own(&self) -> Process;

    /// Whether any process that can be seen from here has this number.
    fn exists(&self, pid: u32) -> bool;

    /// Whether this very process has certainly ended. What cannot be seen from here (another host,
    /// boot or namespace) is not certain.
    fn has_ended(&self, process: &Process) -> bool;
}
