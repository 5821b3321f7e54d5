//! One wheel and one npm tarball for this platform, each installed once to see that it works.

use std::path::{Path, PathBuf};

use crate::steps::{Steps, command};
use crate::{Failure, node, places, python};

/// Builds both packages in release form into `dist/`.
pub(crate) fn run() -> Result<(), Failure> {
    let dist = places::dist();
    empty(&dist)?;
    let dist_text = dist.display().to_string();
    let mut steps = Steps::default();
    python::environment(&mut steps)?;
    let wheel = ["build", "--release", "--locked", "--out", &dist_text];
    steps.run("dist: wheel", &mut python::maturin(&wheel))?;
    node::environment(&mut steps)?;
    steps.run("dist: addon", &mut node::npm(&["run", "build"]))?;
    let pack = ["pack", "--pack-destination", &dist_text];
    steps.run("dist: tarball", &mut node::npm(&pack))?;
    let wheel = only(&dist, "whl")?;
    let tarball = only(&dist, "tgz")?;
    try_wheel(&mut steps, &wheel)?;
    try_tarball(&mut steps, &tarball)?;
    println!("{}\n{}", wheel.display(), tarball.display());
    Ok(())
}

/// Removes the packages of an earlier build, so that the folder never holds two.
fn empty(dist: &Path) -> Result<(), Failure> {
    let fail = |why: std::io::Error| format!("cannot empty {}: {why}", dist.display());
    std::fs::create_dir_all(dist).map_err(fail)?;
    for entry in std::fs::read_dir(dist).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path
            .extension()
            .is_some_and(|kind| kind == "whl" || kind == "tgz")
        {
            std::fs::remove_file(path).map_err(fail)?;
        }
    }
    Ok(())
}

fn only(dist: &Path, kind: &str) -> Result<PathBuf, Failure> {
    let entries =
        std::fs::read_dir(dist).map_err(|why| format!("cannot read {}: {why}", dist.display()))?;
    let found: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == kind))
        .collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(format!("expected one .{kind} file, found {}", found.len())),
    }
}

/// Installs the wheel into a fresh environment and asks its command for the version.
fn try_wheel(steps: &mut Steps, wheel: &Path) -> Result<(), Failure> {
    let place = fresh("wheel")?;
    let python = python::tool("python");
    steps.run(
        "dist: fresh environment",
        &mut command(python, &["-m", "venv", "."], &place),
    )?;
    let wheel = wheel.display().to_string();
    let install = [
        "install",
        "--quiet",
        "--no-index",
        "--disable-pip-version-check",
        &wheel,
    ];
    let pip = place.join("bin/pip");
    steps.run(
        "dist: install the wheel",
        &mut command(pip, &install, &place),
    )?;
    let runr = place.join("bin/runr");
    steps.run(
        "dist: the command of the wheel",
        &mut command(runr, &["--version"], &place),
    )
}

/// Installs the tarball into a fresh folder and asks its command for the version.
fn try_tarball(steps: &mut Steps, tarball: &Path) -> Result<(), Failure> {
    let place = fresh("tarball")?;
    let tarball = tarball.display().to_string();
    std::fs::write(place.join("package.json"), "{\"private\": true}\n")
        .map_err(|why| format!("cannot write in {}: {why}", place.display()))?;
    let install = ["install", "--no-audit", "--no-fund", "--offline", &tarball];
    let mut npm = node::npm(&install);
    steps.run("dist: install the tarball", npm.current_dir(&place))?;
    let runr = place.join("node_modules/.bin/runr");
    steps.run(
        "dist: the command of the tarball",
        &mut command(runr, &["--version"], &place),
    )
}

/// An empty folder below the build folder.
fn fresh(name: &str) -> Result<PathBuf, Failure> {
    let place = places::dist().join("try").join(name);
    let fail = |why: std::io::Error| format!("cannot empty {}: {why}", place.display());
    if place.exists() {
        std::fs::remove_dir_all(&place).map_err(fail)?;
    }
    std::fs::create_dir_all(&place).map_err(fail)?;
    Ok(place)
}
