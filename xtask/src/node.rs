//! Building and testing the npm package.

use std::process::Command;

use crate::built::{self, Profile};
use crate::steps::{Steps, command};
use crate::{Failure, places};

/// The tools of the package are installed, and the addon is built for tests.
pub(crate) fn build(steps: &mut Steps) -> Result<(), Failure> {
    environment(steps)?;
    steps.run("node: build", &mut npm(&["run", "build:debug"]))
}

/// The types, and the tests of the package; some of them start `runr` and the Python package too.
pub(crate) fn test(steps: &mut Steps, long: bool) -> Result<(), Failure> {
    steps.run("node: types", &mut npm(&["run", "types"]))?;
    let mut tests = npm(&["test"]);
    tests.env("RUNR_TEST_BINARY", built::runr(Profile::Dev)?);
    if long {
        tests.env("RUNR_TEST_LONG", "1");
    }
    steps.run("node: test", &mut tests)
}

/// Installs the locked tools, unless they are installed already.
pub(crate) fn environment(steps: &mut Steps) -> Result<(), Failure> {
    let lock = places::node().join("package-lock.json");
    let wanted = std::fs::read_to_string(&lock)
        .map_err(|why| format!("cannot read {}: {why}", lock.display()))?;
    let stamp = places::node().join("node_modules/installed-package-lock.json");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    steps.run("node: tools", &mut npm(&["ci", "--no-audit", "--no-fund"]))?;
    std::fs::write(&stamp, wanted).map_err(|why| format!("cannot write {}: {why}", stamp.display()))
}

/// The declarations a build just wrote are the committed ones, so that every change of the native
/// surface is seen in review.
pub(crate) fn unchanged_declarations(steps: &mut Steps) -> Result<(), Failure> {
    steps.check("node: native.d.ts is the committed one", || {
        let file = "bindings/node/native.d.ts";
        let diff = command("git", &["diff", "--exit-code", "--", file], &places::root())
            .status()
            .map_err(|why| format!("cannot start git: {why}"))?;
        if diff.success() {
            return Ok(());
        }
        Err(format!(
            "the build changed {file}; look at it and commit it"
        ))
    })
}

/// `npm` in the folder of the package.
pub(crate) fn npm(args: &[&str]) -> Command {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    command(program, args, &places::node())
}
