//! What the source starts.

use std::fs;
use std::path::Path;

/// Every place that starts a process: what it starts is an argument list, except for the gate, which
/// runs approved commands.
const STARTS: [(&str, &str); 7] = [
    ("harness/git.rs", "program("),
    ("harness/process.rs", "\"/bin/sh\""),
    ("harness/receipt/diff.rs", "installed(\"gzip\""),
    ("harness/question.rs", "self.program"),
    ("processes.rs", "\"true\""),
    ("commands/detach.rs", "program"),
    ("commands/owner/exec/child.rs", "program"),
];

/// Who names a shell: the gate, the notice at a stop, which is an approved command too, and a stub
/// of a test.
const SHELLS: [&str; 3] = [
    "harness/process.rs",
    "harness/notify.rs",
    "harness/git/program.rs",
];

fn each_source(dir: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            each_source(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            look(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn only_approved_commands_are_given_to_a_shell() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for part in ["runr-cli/src", "runr-core/src"] {
        each_source(&crates.join(part), &mut |path, text| {
            // A command of somebody else's name is one of clap's.
            for (_, behind) in text
                .match_indices("Command::new(")
                .map(|(at, m)| (at, &text[at + m.len()..]))
            {
                let started = behind.split([')', ',']).next().unwrap();
                let known = |(file, what): &(&str, &str)| path.ends_with(file) && *what == started;
                assert!(
                    STARTS.iter().any(known),
                    "{} starts {started}: is it an argument list, and whose?",
                    path.display()
                );
            }
            let runs_approved = SHELLS.iter().any(|file| path.ends_with(file));
            for shell in ["/bin/sh", "\"sh\"", "\"bash\"", "sh -c"] {
                assert!(
                    runs_approved || !text.contains(shell),
                    "{} names {shell}",
                    path.display()
                );
            }
        });
    }
}
