//! How late the event loop of a host program is while checks run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use super::Bench;
use super::row::{Pair, Row, Unit};
use super::whole_run::Arena;
use crate::{Failure, places};

/// A check that takes a while, prints a lot and leaves one core to the loop.
const CHECK: &str = "head -c 50000000 /dev/zero | tr '\\0' '\\n' && sleep 0.3";
const PYTHON: &str = include_str!("event_loop.py");
const NODE: &str = include_str!("event_loop.mjs");

pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    eprintln!("measuring event loops ...");
    let arena = Arena::new(bench, "event-loop")?;
    let script = |name: &str, text: &str| {
        let path = arena.folder().join(name);
        std::fs::write(&path, text)
            .map(|()| path)
            .map_err(|why| format!("cannot write {name}: {why}"))
    };
    let rounds = bench.rounds.to_string();
    let mut python = Command::new(places::venv().join("bin/python"));
    python
        .arg(script("event_loop.py", PYTHON)?)
        .args([&rounds])
        .arg(arena.fresh("python")?)
        .arg(CHECK);
    let mut node = Command::new("node");
    node.arg(script("event_loop.mjs", NODE)?)
        .arg(places::node())
        .args([&rounds])
        .arg(arena.fresh("node")?)
        .arg(CHECK);
    Ok(vec![
        row("asyncio", python, arena.folder())?,
        row("Node", node, arena.folder())?,
    ])
}

#[derive(Deserialize)]
struct Lags {
    runr: Vec<f64>,
    plain: Vec<f64>,
}

fn row(runtime: &str, mut program: Command, settings: &Path) -> Result<Row, Failure> {
    let output = program
        .env("RUNR_CONFIG_DIR", settings.join("settings"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| format!("cannot start {runtime}: {why}; `cargo xtask dev` first"))?;
    if !output.status.success() {
        return Err(format!(
            "{runtime} ended with {}; `cargo xtask dev` first",
            output.status
        ));
    }
    let lags: Lags = serde_json::from_slice(&output.stdout)
        .map_err(|why| format!("{runtime} printed no lags: {why}"))?;
    let of = |micros: &[f64]| {
        let times = micros.iter().map(|us| Duration::from_secs_f64(us / 1e6));
        times.collect::<Vec<_>>()
    };
    let names = [
        &format!("greatest lag of a {runtime} loop during VERIFY"),
        "the same loop while a plain child runs the check",
        "-",
    ];
    Ok(Pair::of(of(&lags.runr), of(&lags.plain)).row(names, Unit::TimesThePeer, Some("< 50 ms")))
}
