//! The programs of this checkout, built on demand.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Failure, places};

/// How a program is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As the tests build it, so that little is left to do.
    Dev,
    /// As it is shipped.
    Release,
}

/// The `runr` of this checkout.
pub(crate) fn runr(profile: Profile) -> Result<PathBuf, Failure> {
    executable("runr", &["--package", "runr-cli", "--bin", "runr"], profile)
}

/// The Rust program among the examples.
pub(crate) fn example(name: &str) -> Result<PathBuf, Failure> {
    let chosen = ["--package", "runr-cli", "--example", name];
    executable(name, &chosen, Profile::Dev)
}

/// Builds a program and asks cargo where it is, which depends on more than the target folder.
fn executable(name: &str, chosen: &[&str], profile: Profile) -> Result<PathBuf, Failure> {
    let mut build = cargo(&["build", "--quiet", "--locked"]);
    build.args(chosen);
    if profile == Profile::Release {
        build.arg("--release");
    }
    let output = build
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| format!("cannot start cargo: {why}"))?;
    if !output.status.success() {
        return Err(format!("cannot build {name}"));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cargo did not say where {name} is"))
}

/// The cargo that runs this task, so that a chosen toolchain stays chosen.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    crate::steps::command(cargo, args, &places::root())
}
