//! The examples that need nothing but this workspace are run; those of the bindings are run by the
//! tests of the bindings.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::built::{self, Profile};
use crate::steps::Steps;
use crate::{Failure, demo, places};

const TASK: &str = "# Say hello\n\n## Goal\nWrite src/hello.txt.\n";

/// Runs the demo, and the quick-starts for the shell and for Rust.
pub(crate) fn test(steps: &mut Steps) -> Result<(), Failure> {
    let demo = demo::check(steps);
    let shell = steps.check("examples: quickstart.sh", || quickstart(shell));
    let rust = steps.check("examples: quickstart.rs", || quickstart(rust));
    demo.and(shell).and(rust)
}

/// A good check makes a commit and ends with 0, a check that always fails does neither.
fn quickstart(program: fn(&Place) -> Result<Command, Failure>) -> Result<(), Failure> {
    for (check, good) in [("test -f src/hello.txt", true), ("false", false)] {
        let place = Place::new()?;
        let status = place
            .isolated(&mut program(&place)?)
            .args([&place.repo(), &place.folder().join("hello.md")])
            .arg(check)
            .status()
            .map_err(|why| format!("cannot start the example: {why}"))?;
        if status.success() != good {
            return Err(format!("with the check `{check}` it ended with {status}"));
        }
        let commits = place.git(&["rev-list", "--count", "--branches=runr/*", "^main"])?;
        let expected = if good { "1" } else { "0" };
        if commits != expected {
            return Err(format!(
                "with the check `{check}` it made {commits} commits"
            ));
        }
    }
    Ok(())
}

fn shell(place: &Place) -> Result<Command, Failure> {
    let mut program = Command::new(places::root().join("examples/quickstart.sh"));
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let bin = place.runr.parent().map(Path::to_path_buf);
    let folders = bin.into_iter().chain(std::env::split_paths(&folders));
    let path = std::env::join_paths(folders).map_err(|why| why.to_string())?;
    program.env("PATH", path);
    Ok(program)
}

fn rust(_place: &Place) -> Result<Command, Failure> {
    Ok(Command::new(built::example("quickstart")?))
}

/// A prepared repository, and a worker that answers from a file.
struct Place {
    folder: tempfile::TempDir,
    runr: PathBuf,
}

impl Place {
    fn new() -> Result<Self, Failure> {
        let place = Self {
            folder: tempfile::tempdir().map_err(|why| format!("cannot make a folder: {why}"))?,
            runr: built::runr(Profile::Dev)?,
        };
        std::fs::create_dir(place.repo()).map_err(|why| format!("cannot make a folder: {why}"))?;
        place.write("hello.md", TASK)?;
        place.write("worker.json", &format!("{:#}\n", worker()))?;
        place.git(&["init", "--quiet", "--initial-branch=main"])?;
        place.git(&["config", "user.name", "Example"])?;
        place.git(&["config", "user.email", "example@localhost"])?;
        let init = place
            .isolated(&mut Command::new(&place.runr))
            .args(["init", "--quiet"])
            .stdout(Stdio::null())
            .status()
            .map_err(|why| format!("cannot start runr: {why}"))?;
        if !init.success() {
            return Err(format!("`runr init` ended with {init}"));
        }
        place.git(&["add", "--all"])?;
        place.git(&["commit", "--quiet", "--message", "base"])?;
        Ok(place)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn repo(&self) -> PathBuf {
        self.folder().join("repo")
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        std::fs::write(self.folder().join(name), text)
            .map_err(|why| format!("cannot write {name}: {why}"))
    }

    fn git(&self, args: &[&str]) -> Result<String, Failure> {
        let output = self
            .isolated(&mut Command::new("git"))
            .args(args)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|why| format!("cannot start git: {why}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(format!("git {args:?} ended with {}", output.status))
        }
    }

    /// Nothing of the user's settings reaches the command.
    fn isolated<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let stand_in = places::root().join("examples/stand_in.py");
        command
            .current_dir(self.repo())
            .env("RUNR_CONFIG_DIR", self.folder().join("settings"))
            .env("RUNR_WORKER_SCRIPT", self.folder().join("worker.json"))
            .env("AGENT", format!("python3 '{}'", stand_in.display()))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::null())
    }
}

fn worker() -> serde_json::Value {
    let milestone = json!({"goal": "hello", "done_checks": ["it is there"], "risk_level": "low"});
    json!({
        "plan": [{"reply": {"milestones": [milestone]}}],
        "implement": [{
            "files": {"src/hello.txt": "hello\n"},
            "reply": {"status": "ok", "handoff_memo": "written"},
        }],
        "review": [{"reply": {"status": "approve", "changes": []}}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line of the README's quick-starts stands in the example that the tests run.
    #[test]
    fn the_readme_shows_what_the_examples_do() {
        let read = |name: &str| std::fs::read_to_string(places::root().join(name)).unwrap();
        let readme = read("README.md");
        let quick_starts = readme.split("\n## Quick-starts\n").nth(1).unwrap();
        let quick_starts = quick_starts.split("\n## ").next().unwrap();
        for (language, file) in [
            ("sh", "quickstart.sh"),
            ("python", "quickstart.py"),
            ("js", "quickstart.mjs"),
            ("rust", "quickstart.rs"),
        ] {
            let example = read(&format!("examples/{file}"));
            let lines: Vec<&str> = example.lines().map(str::trim).collect();
            let block = quick_starts
                .split(&format!("```{language}\n"))
                .nth(1)
                .and_then(|rest| rest.split("```").next())
                .unwrap_or_else(|| panic!("no block for {language}"));
            for line in block.lines().map(str::trim).filter(|line| !line.is_empty()) {
                assert!(lines.contains(&line), "{file} has no line `{line}`");
            }
        }
    }

    /// A promise whose test was renamed or removed would be an empty one.
    #[test]
    fn every_test_the_guarantees_name_exists() {
        let root = places::root();
        let text = std::fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
        let mut sources = String::new();
        for folder in ["tests", "crates", "xtask/src"] {
            gather(&root.join(folder), &mut sources);
        }
        let named: Vec<&str> = text
            .split('`')
            .filter(|word| word.contains("::") && !word.ends_with(':') && !word.contains(' '))
            .filter_map(|word| word.rsplit("::").next())
            .collect();
        assert!(named.len() > 50, "only {} tests are named", named.len());
        for name in named {
            let found = sources.contains(&format!("fn {name}("));
            assert!(found, "there is no test {name}");
        }
        for (ending, folder) in [
            (".py", places::python().join("tests")),
            (".mjs", places::node().join("test")),
        ] {
            for name in text.split('`').filter(|word| word.ends_with(ending)) {
                assert!(folder.join(name).is_file(), "there is no file {name}");
            }
        }
    }

    fn gather(folder: &Path, sources: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                gather(&path, sources);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
}
