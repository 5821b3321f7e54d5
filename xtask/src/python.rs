//! Building and testing the Python package.

use std::path::PathBuf;
use std::process::Command;

use crate::steps::{Steps, command};
use crate::{Failure, places};

/// The environment has what the package needs, and the module is built into it.
pub(crate) fn build(steps: &mut Steps) -> Result<(), Failure> {
    environment(steps)?;
    steps.run("python: build", &mut maturin(&["develop", "--locked"]))
}

/// The tests of the package.
pub(crate) fn test(steps: &mut Steps) -> Result<(), Failure> {
    let mut pytest = command(
        tool("python"),
        &["-m", "pytest", "-q", "--tb=short"],
        &places::python(),
    );
    steps.run("python: pytest", &mut pytest)
}

/// Creates `.venv` and installs the tools, unless they are the listed ones already.
pub(crate) fn environment(steps: &mut Steps) -> Result<(), Failure> {
    let root = places::root();
    let wanted = places::python().join("requirements-dev.txt");
    let wanted = std::fs::read_to_string(&wanted)
        .map_err(|why| format!("cannot read {}: {why}", wanted.display()))?;
    let stamp = places::venv().join("installed-requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if !tool("python").exists() {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
        let mut create = command(python, &["-m", "venv", ".venv"], &root);
        steps.run("python: environment", &mut create)?;
    }
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        "requirements-dev.txt",
    ];
    steps.run(
        "python: tools",
        &mut command(tool("python"), &install, &places::python()),
    )?;
    std::fs::write(&stamp, wanted).map_err(|why| format!("cannot write {}: {why}", stamp.display()))
}

/// `maturin` in the environment of the checkout.
pub(crate) fn maturin(args: &[&str]) -> Command {
    let mut maturin = command(tool("maturin"), args, &places::python());
    // Else it looks for an environment of its own in the folders above.
    maturin.env("VIRTUAL_ENV", places::venv());
    maturin
}

/// A program of the environment.
pub(crate) fn tool(name: &str) -> PathBuf {
    let bin = if cfg!(windows) { "Scripts" } else { "bin" };
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    places::venv().join(bin).join(name)
}
