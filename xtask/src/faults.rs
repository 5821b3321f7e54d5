//! The suites that break storage call by call, kill processes, and look at what is left.

use crate::built::cargo;
use crate::steps::Steps;
use crate::{Failure, mutants};

/// A suite and the words cargo needs to run it.
struct Suite {
    about: &'static str,
    chosen: &'static [&'static str],
}

const SUITES: [Suite; 15] = [
    Suite {
        about: "faults: locks, and one contract for all file systems",
        chosen: &["--package", "runr-core", "--lib", "fs::"],
    },
    Suite {
        about: "faults: every storage call fails once, or for good",
        chosen: &["--package", "runr-core", "--test", "storage_faults"],
    },
    Suite {
        about: "faults: the power is cut after every operation",
        chosen: &["--package", "runr-core", "--test", "crash_replay"],
    },
    Suite {
        about: "faults: many processes on one file, and killed writers",
        chosen: &["--package", "runr-core", "--test", "storage_processes"],
    },
    Suite {
        about: "faults: the lock of a repository, and holders that die",
        chosen: &["--package", "runr-core", "--test", "repository_lock"],
    },
    Suite {
        about: "faults: the protocol of ownership in every order",
        chosen: &["--package", "runr-core", "--test", "ownership_model"],
    },
    Suite {
        about: "faults: work items: laws, crowds, killed preparations",
        chosen: &["--package", "runr-core", "--test", "identity"],
    },
    Suite {
        about: "faults: work items: indexes of any form, read and changed in passing",
        chosen: &["--package", "runr-core", "--lib", "identity::"],
    },
    Suite {
        about: "faults: every system call of a process fails",
        chosen: &[
            "--package",
            "runr-cli",
            "--test",
            "faults",
            "syscall_faults::",
        ],
    },
    Suite {
        about: "faults: full disks, limits, and disks that may not be written",
        chosen: &["--package", "runr-cli", "--test", "faults", "disk_full::"],
    },
    Suite {
        about: "faults: power cuts",
        chosen: &["--package", "runr-cli", "--test", "faults", "power_cut::"],
    },
    Suite {
        about: "faults: signals at any moment",
        chosen: &["--package", "runr-cli", "--test", "faults", "signals::"],
    },
    Suite {
        about: "faults: clocks that jump, and namespaces",
        chosen: &["--package", "runr-cli", "--test", "faults", "clock::"],
    },
    Suite {
        about: "faults: claims: killed, suspended, in crowds and containers, beside older programs",
        chosen: &["--package", "runr-cli", "--test", "claims"],
    },
    Suite {
        about: "faults: killed runs",
        chosen: &["--package", "runr-cli", "--test", "kills"],
    },
];

/// Runs all suites; a failed one does not keep the others from running.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let long = match words {
        [] => false,
        ["--long"] => true,
        _ => return Err("usage: cargo xtask faults [--long]".into()),
    };
    let mut steps = Steps::default();
    for suite in SUITES {
        let mut test = cargo(&["test", "--locked"]);
        // Seeds are printed by passing tests too: a run that found nothing can be repeated.
        test.args(suite.chosen).args(["--", "--nocapture"]);
        if long {
            test.env("RUNR_TEST_LONG", "1");
        }
        if let Err(failure) = steps.run(suite.about, &mut test) {
            eprintln!("xtask: {failure}");
        }
    }
    if let Err(failure) = steps.check("faults: mutants", || mutants::run(&[])) {
        eprintln!("xtask: {failure}");
    }
    if steps.summary() {
        Ok(())
    } else {
        Err("a fault suite failed".into())
    }
}
