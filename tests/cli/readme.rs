//! The README's first task, typed as it stands there.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::support::{Sandbox, Script};

/// The lines of the first shell block below a heading.
fn block(heading: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let section = readme.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    block.lines().map(str::to_owned).collect()
}

#[test]
fn the_first_task_of_the_readme_ends_with_a_checkpoint() {
    let mut lines = block("The first task");
    let (install, enter) = (lines.remove(0), lines.remove(0));
    assert!(install.starts_with("cargo install "), "{install}");
    assert!(enter.starts_with("cd "), "{enter}");

    let sandbox = Sandbox::bare();
    sandbox.write("Makefile", "test:\n\ttest -s src/part1.txt\n");
    sandbox.commit("a project with a check");
    let base = sandbox.head();
    let (script, log) = ("worker.json", "calls.jsonl");
    let [script, log] = [script, log].map(|name| sandbox.scratch().join(name));
    let text = Script::happy(1).text(log.to_str().unwrap());
    std::fs::write(&script, text).unwrap();
    let runr = Path::new(env!("CARGO_BIN_EXE_runr")).parent().unwrap();
    let usual = std::env::var_os("PATH").unwrap();
    let folders = std::iter::once(runr.to_owned()).chain(std::env::split_paths(&usual));

    let start = Instant::now();
    let typed = sandbox
        .command("sh")
        .args(&["-eu", "-c", &lines.join("\n")]);
    let typed = typed
        .env("PATH", std::env::join_paths(folders).unwrap())
        .env("RUNR_WORKER_SCRIPT", &script);
    let output = typed.output().exits(0);
    let time = start.elapsed().as_secs_f64();
    writeln!(std::io::stderr(), "init to first checkpoint: {time:.1} s").ok();

    let ids = sandbox.run_ids();
    assert_eq!(ids.len(), 1, "{output}");
    assert_eq!(sandbox.checkpoints(&ids[0]).len(), 1, "{output}");
    let branch = format!("runr/{}", ids[0]);
    let base = sandbox.git(&["merge-base", &branch, &base]);
    assert!(
        sandbox
            .changed(&base, &branch)
            .contains(&"src/part1.txt".to_owned())
    );
    assert!(
        output.stdout.contains("complete"),
        "the report says so: {output}"
    );
    assert_eq!(sandbox.git(&["status", "--porcelain", "src"]), "");
}
