//! Whatever text a user or a repository can set, it is a text: no shell and no git takes it for a
//! command or an option.

mod commands;
mod repository;
mod source;

use std::path::Path;

use crate::support::{Output, Sandbox};

/// What a text tries to create, wherever it is executed.
const CANARY: &str = "INJECTED";

/// Texts that do something to whoever takes them for more than a text.
const HOSTILE: [&str; 7] = [
    "$(touch INJECTED) `touch INJECTED`; touch INJECTED; #",
    "'; touch INJECTED; '",
    "\"; touch INJECTED; \"$(touch INJECTED)\"",
    "--upload-pack=touch INJECTED",
    "-ccore.fsmonitor=touch INJECTED",
    "--output=INJECTED",
    "x\ntouch INJECTED\n",
];

/// All of them in the long form of these tests; else `count`, others at every turn.
fn texts(turn: usize, count: usize) -> Vec<&'static str> {
    let all = std::env::var_os("RUNR_TEST_LONG").is_some();
    let at = |n: usize| HOSTILE[(turn + 3 * n) % HOSTILE.len()];
    (0..if all { HOSTILE.len() } else { count })
        .map(at)
        .collect()
}

/// Checks that nothing was executed, and that the command ended as commands may end.
#[track_caller]
fn expect_harmless(sandbox: &Sandbox, output: &Output) {
    let codes = [0, 1, 2, 3, 4, 5, 124];
    let known = output.code.is_some_and(|code| codes.contains(&code));
    assert!(known, "{output}");
    assert!(!output.text().contains("panicked"), "{output}");
    let root = sandbox.scratch().join("..");
    assert!(!is_below(&root), "it was executed: {output}");
    assert!(!Path::new(CANARY).exists() && !Path::new("/").join(CANARY).exists());
}

fn is_below(dir: &Path) -> bool {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        entry.file_name() == CANARY || (is_dir && is_below(&entry.path()))
    })
}

#[test]
fn the_canary_is_found_where_something_is_executed() {
    let sandbox = Sandbox::bare();
    assert!(!is_below(&sandbox.scratch().join("..")));
    sandbox.command("sh").args(&["-c", HOSTILE[0]]).output();
    assert!(is_below(&sandbox.scratch().join("..")));
}
