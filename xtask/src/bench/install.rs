//! How long it takes from a package to the first checkpoint, as the README tells it.
//!
//! The packages are those of `cargo xtask dist`; without them there is nothing to measure. The peer
//! is the installation alone, which the package manager needs for any package of this size.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::Bench;
use super::row::{Pair, Row, Unit, timed};
use super::whole_run::write;
use crate::{Failure, places, python};

/// An installation takes seconds, and its time varies little.
const ROUNDS: usize = 3;

pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let dist = places::dist();
    let (wheel, tarball) = (package(&dist, "whl"), package(&dist, "tgz"));
    let (Some(wheel), Some(tarball)) = (wheel, tarball) else {
        eprintln!("no packages in dist/: nothing to install; `cargo xtask dist` makes them");
        return Ok(Vec::new());
    };
    eprintln!("measuring installations ...");
    let folder = bench.folder.path().join("install");
    let pip = Pip::new(&folder, &wheel)?;
    let npm = Npm {
        folder: folder.join("npm"),
        tarball,
    };
    let packages: [(&str, &str, &dyn Package); 2] = [
        ("pip install to first checkpoint", "pip install", &pip),
        ("npm install to first checkpoint", "npm install", &npm),
    ];
    let round = Cell::new(0);
    let mut rows = Vec::new();
    for (what, peer, package) in packages {
        let fresh = |with_task: bool| {
            round.set(round.get() + 1);
            package.remove()?;
            let project = Project::new(&folder.join(format!("project-{}", round.get())))?;
            timed(|| {
                let runr = package.install()?;
                if with_task {
                    project.first_task(&runr)?;
                }
                Ok::<(), Failure>(())
            })
        };
        let rounds = bench.rounds.min(ROUNDS);
        let mut pair = Pair::measure(rounds, || fresh(true), || fresh(false))?;
        let names = [what, peer, "synced; the installation is not"];
        rows.push(pair.row(names, Unit::TimesThePeer, Some("< 60 s")));
    }
    Ok(rows)
}

/// A package and its manager.
trait Package {
    /// Undoes an installation.
    fn remove(&self) -> Result<(), Failure>;

    /// Installs the package; where its command is.
    fn install(&self) -> Result<PathBuf, Failure>;
}

struct Pip {
    place: PathBuf,
    wheel: String,
}

impl Pip {
    fn new(folder: &Path, wheel: &Path) -> Result<Self, Failure> {
        let place = folder.join("venv");
        let mut venv = Command::new(python::tool("python"));
        run(venv.args(["-m", "venv"]).arg(&place))?;
        let wheel = wheel.display().to_string();
        Ok(Self { place, wheel })
    }

    fn pip(&self, words: &[&str]) -> Result<(), Failure> {
        let mut pip = Command::new(self.place.join("bin/pip"));
        run(pip.args(words))
    }
}

impl Package for Pip {
    fn remove(&self) -> Result<(), Failure> {
        self.pip(&["uninstall", "--quiet", "--yes", "runr"])
    }

    fn install(&self) -> Result<PathBuf, Failure> {
        self.pip(&["install", "--quiet", "--no-index", &self.wheel])?;
        Ok(self.place.join("bin/runr"))
    }
}

struct Npm {
    folder: PathBuf,
    tarball: PathBuf,
}

impl Package for Npm {
    fn remove(&self) -> Result<(), Failure> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("cannot remove {}: {why}", self.folder.display()));
            }
            _ => {}
        }
        write(&self.folder.join("package.json"), "{\"private\": true}\n")
    }

    fn install(&self) -> Result<PathBuf, Failure> {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--offline"]);
        run(npm.arg(&self.tarball).current_dir(&self.folder))?;
        Ok(self.folder.join("node_modules/.bin/runr"))
    }
}

/// A small project with a check, and a worker that answers from a file.
struct Project {
    repo: PathBuf,
    settings: PathBuf,
    script: PathBuf,
}

impl Project {
    fn new(folder: &Path) -> Result<Self, Failure> {
        let project = Self {
            repo: folder.join("repo"),
            settings: folder.join("settings"),
            script: folder.join("worker.json"),
        };
        write(&project.repo.join("src/base.txt"), "base\n")?;
        let makefile = "test:\n\ttest -f src/login.txt\n";
        write(&project.repo.join("Makefile"), makefile)?;
        let worker = json!({
            "plan": [{"reply": {"milestones": [
                {"goal": "a file", "done_checks": ["it is there"], "risk_level": "low"}
            ]}}],
            "implement": [{
                "files": {"src/login.txt": "remembered\n"},
                "reply": {"status": "ok", "handoff_memo": "written"},
            }],
            "review": [{"reply": {"status": "approve", "changes": []}}],
        });
        write(&project.script, &format!("{worker:#}\n"))?;
        project.git(&["init", "--quiet", "--initial-branch=main"])?;
        project.git(&["config", "user.name", "Bench"])?;
        project.git(&["config", "user.email", "bench@localhost"])?;
        project.git(&["add", "--all"])?;
        project.git(&["commit", "--quiet", "--message", "base"])?;
        Ok(project)
    }

    /// What the README's first task does after the installation.
    fn first_task(&self, runr: &Path) -> Result<(), Failure> {
        self.run(runr, &["init"])?;
        self.git(&["add", ".runr", ".gitignore"])?;
        self.git(&["commit", "--quiet", "--message", "Prepare runr"])?;
        let task = "# Remember the user\n\n## Goal\nThe session survives a restart.\n";
        write(&self.repo.join(".runr/tasks/login.md"), task)?;
        self.run(runr, &["run", "--task", "login.md", "--worktree"])?;
        self.run(runr, &["report", "latest"])
    }

    fn git(&self, words: &[&str]) -> Result<(), Failure> {
        self.run(Path::new("git"), words)
    }

    /// Nothing of the user's settings reaches the program.
    fn run(&self, program: &Path, words: &[&str]) -> Result<(), Failure> {
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(&self.repo)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("RUNR_CONFIG_DIR", &self.settings)
            .env("RUNR_WORKER_SCRIPT", &self.script);
        run(&mut command)
    }
}

fn run(command: &mut Command) -> Result<(), Failure> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let status = command
        .status()
        .map_err(|why| format!("cannot start {}: {why}", command.get_program().display()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}"))
    }
}

/// The package of this kind, if it was made: `dist` leaves one of each.
fn package(dist: &Path, kind: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dist).ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == kind))
        .max()
}
