//! Every system call of a command fails: once, for good, with each error, or the process dies.
//!
//! What is there afterwards is what was there before, or what the command was to do; and the exit
//! status says which.

mod harness;
mod later;
mod recorded;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::form::{Budget, copy_dir, each, long, skip};
use crate::kept::{Found, Kept, RUN};
use crate::strace::{Calls, Fault, is_usable};
use crate::support::{Output, Random, Sandbox, seed};

/// A command of the store.
struct Operation {
    words: &'static [&'static str],
    /// Another one of the kind, which must succeed afterwards.
    next: &'static [&'static str],
    /// Whether it needs the run.
    on_a_run: bool,
}

const OPERATIONS: [Operation; 5] = [
    Operation {
        words: &["new", "--run-id", RUN, "--title", "t", "--runner", "r"],
        next: &["new", "--run-id", "gh-18", "--title", "t"],
        on_a_run: false,
    },
    Operation {
        words: &["set", RUN, "/n=2"],
        next: &["set", RUN, "/n=3"],
        on_a_run: true,
    },
    Operation {
        words: &["events", RUN, "--append", "push", "--data", "{\"k\":1}"],
        next: &["events", RUN, "--append", "merge"],
        on_a_run: true,
    },
    Operation {
        words: &["show", RUN],
        next: &["show", RUN],
        on_a_run: true,
    },
    Operation {
        words: &["ls"],
        next: &["ls"],
        on_a_run: true,
    },
];

/// An operation with all it takes to judge it.
struct Bench {
    operation: &'static Operation,
    template: PathBuf,
    before: Found,
    after: Found,
    /// What it prints when all is well.
    says: String,
    calls: Calls,
}

impl Bench {
    fn prepare(sandbox: &Sandbox, operation: &'static Operation) -> Self {
        let dir = sandbox.scratch().join(operation.words[0]);
        let template = dir.join("template");
        fs::create_dir_all(&template).unwrap();
        if operation.on_a_run {
            // Made by the very call the trials make, so that the repository is the same.
            let _kept = Kept::at(sandbox, &template).with_run();
        }
        let fresh = |name: &str| {
            copy_dir(&template, &dir.join(name));
            Kept::at(sandbox, dir.join(name))
        };
        let clean = fresh("clean");
        let before = clean.found();
        let says = clean.store(operation.words).exits(0).stdout;
        let traced = fresh("traced").command(operation.words);
        Self {
            operation,
            before,
            after: clean.found(),
            says: says.replace(clean.data.to_str().unwrap(), ""),
            calls: Calls::count(traced, &dir.join("trace")),
            template,
        }
    }

    /// Lets the operation fail in a copy of the template, and judges what is there.
    fn try_out(&self, kept: &Kept<'_>, fault: &Fault, log: &Path) {
        if kept.data.exists() {
            fs::remove_dir_all(&kept.data).unwrap();
        }
        copy_dir(&self.template, &kept.data);
        let command = kept.command(self.operation.words);
        let output = fault
            .strike(command, log)
            .limit(Duration::from_secs(30))
            .output();
        assert!(fault.struck(log), "{fault} did not strike: {output}");
        let found = kept.found();
        self.assert_temporaries(&found, fault, &output);
        if self.before == self.after {
            self.judge_reader(kept, fault, &output);
        }
        self.judge(&found.seen(), fault, &output);
        let next = kept.store(self.operation.next);
        assert_eq!(next.code, Some(0), "after {fault}: {next}");
        let found = kept.found();
        let gone = self.operation.words[0] == "new" || found.leftovers.is_empty();
        assert!(gone, "the next write leaves {:?}", found.leftovers);
    }

    fn assert_temporaries(&self, found: &Found, fault: &Fault, output: &Output) {
        // A new run has three documents: its own and the two of its repository.
        let documents = if self.operation.words[0] == "new" {
            3
        } else {
            1
        };
        let most = if fault.leaves_a_way_out() {
            0
        } else {
            documents
        };
        assert!(
            found.leftovers.len() <= most,
            "{fault}: {:?}: {output}",
            found.leftovers
        );
    }

    /// Old or new, and the exit status is the truth.
    fn judge(&self, found: &Found, fault: &Fault, output: &Output) {
        let (old, new) = (*found == self.before, *found == self.after);
        assert!(
            old || new,
            "neither old nor new after {fault}: {found:?}\n{output}"
        );
        if fault.kills() {
            return;
        }
        let (is_right, what) = match output.code {
            // What was not flushed was not done. The run itself was, where the rest is a warning.
            Some(0 | 5) => {
                let warned = output.stderr.starts_with("Warning: cannot ");
                (new && (warned || !fault.loses_a_flush()), "done")
            }
            Some(1..=4) => match serde_json::from_str::<serde_json::Value>(&output.stdout) {
                Ok(error) if error["committed"] == true => (new, "committed"),
                Ok(error) => {
                    let code = error["code"].as_str().unwrap();
                    assert!(code.starts_with("E_"), "{fault}: {output}");
                    assert_ne!(code, "E_INTERNAL", "{fault}: {output}");
                    (old, "refused")
                }
                // The message could not be written either.
                Err(_) => (fault.call == "write", "silent"),
            },
            _ => (false, "no exit status of ours"),
        };
        assert!(
            is_right,
            "{what}, but old {old}, new {new}: {fault}: {output}"
        );
    }

    /// What a reader prints is right, or it says that it failed.
    fn judge_reader(&self, kept: &Kept<'_>, fault: &Fault, output: &Output) {
        // A list names what it could not read, and shows the rest.
        let names_it = output.stderr.starts_with("Warning: cannot ")
            || output.stdout.contains("\"broken\": true");
        if output.code == Some(0) && !names_it {
            let says = output.stdout.replace(kept.data.to_str().unwrap(), "");
            // What is known of a repository is joined as far as it can be read.
            let of_the_run = |text: &str| -> Vec<String> {
                let joined =
                    |line: &&str| line.contains("\"repo_key\"") || line.contains("\"origin_url\"");
                text.lines()
                    .filter(|line| !joined(line))
                    .map(str::to_owned)
                    .collect()
            };
            assert_eq!(
                of_the_run(&says),
                of_the_run(&self.says),
                "{fault}: {output}"
            );
        }
    }
}

#[test]
fn a_command_of_the_store_whose_system_calls_fail_leaves_the_old_or_the_new() {
    const NAME: &str = "failing system calls";
    if !is_usable() {
        return skip(NAME, "needs `strace`, and leave to trace");
    }
    let seed = seed();
    println!("seed {seed}: repeat with RUNR_TEST_SEED={seed}");
    let sandbox = Sandbox::bare();
    // Its address is what a run's repository is known by.
    sandbox.git(&["remote", "add", "origin", "git@github.com:a/b.git"]);
    let benches: Vec<Bench> = OPERATIONS
        .iter()
        .map(|operation| Bench::prepare(&sandbox, operation))
        .collect();
    for bench in &benches {
        for fault in bench.calls.beyond() {
            let dir = sandbox.scratch().join("beyond");
            copy_dir(&bench.template, &dir);
            let kept = Kept::at(&sandbox, &dir);
            let log = sandbox.scratch().join("beyond.log");
            let command = fault.strike(kept.command(bench.operation.words), &log);
            command.output().exits(0);
            assert!(!fault.struck(&log), "{fault} is one of the calls");
            fs::remove_dir_all(&dir).unwrap();
        }
    }
    let mut cases: Vec<(&Bench, Fault)> = Vec::new();
    for bench in &benches {
        cases.extend(bench.calls.faults().into_iter().map(|fault| (bench, fault)));
    }
    Random::new(seed).shuffle(&mut cases);
    let budget = Budget::short(Duration::from_secs(12));
    let done = each(&cases, budget, |lane, (bench, fault)| {
        let dir = sandbox.scratch().join(format!("lane{lane}"));
        let log = dir.with_extension("log");
        bench.try_out(&Kept::at(&sandbox, dir), fault, &log);
    });
    println!("{done} of {} faults, seed {seed}", cases.len());
    // A slow machine tries fewer; one that tries next to none proves nothing.
    assert!(done >= if long() { cases.len() } else { 50 });
}
