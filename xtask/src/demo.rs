//! The demo: a small real project, three tasks, the script worker as agent.
//!
//! The project, its tasks and the worker's answers are in `examples/demo/`. Everything else is as in
//! daily use: `runr init`, worktrees, gates, checkpoint commits. A promise that does not hold is a
//! failure of the demo.

mod place;
mod story;

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use self::place::Place;
use self::story::{Played, STORIES};
use crate::built::{self, Profile};
use crate::{Failure, steps};

/// Where people read along: standard output, unless that belongs to a program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    /// A person looks at standard output.
    Out,
    /// Standard output is for JSON.
    Err,
}

impl Stage {
    fn line(self, text: &str) {
        // A reader who went away is no reason to leave the work half done.
        drop(match self {
            Self::Out => writeln!(std::io::stdout(), "{text}"),
            Self::Err => writeln!(std::io::stderr(), "{text}"),
        });
    }

    fn stdio(self) -> Stdio {
        match self {
            Self::Out => std::io::stdout().into(),
            Self::Err => std::io::stderr().into(),
        }
    }
}

/// Runs the demo and keeps its repository.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let stage = match words {
        [] => Stage::Out,
        ["--json"] => Stage::Err,
        _ => return Err("usage: cargo xtask demo [--json]".into()),
    };
    let folder = tempfile::Builder::new()
        .prefix("runr-demo-")
        .tempdir()
        .map_err(|why| format!("cannot make a folder for the demo: {why}"))?
        .keep();
    let (place, played) = play(stage, &folder)?;
    show_reports(&place, &played)?;
    show_next(&place, &played);
    if matches!(stage, Stage::Err) {
        let [first, ..] = played.as_slice() else {
            return Err("no task was run".into());
        };
        let line = json!({
            "run_id": first.run_id,
            "outcome": first.outcome,
            "checkpoints": first.checkpoints,
            "repo": place.repo(),
        });
        println!("{line}");
    }
    Ok(())
}

/// The same, as a check: nothing is shown unless it fails, nothing is kept.
pub(crate) fn check(steps: &mut steps::Steps) -> Result<(), Failure> {
    steps.check("examples: demo", || {
        let folder = tempfile::tempdir().map_err(|why| format!("cannot make a folder: {why}"))?;
        play(Stage::Out, folder.path()).map(drop)
    })
}

fn play(stage: Stage, folder: &std::path::Path) -> Result<(Place, Vec<Played>), Failure> {
    stage.line("building runr ...");
    let place = Place::prepare(stage, folder, &built::runr(Profile::Dev)?)?;
    let played = STORIES
        .iter()
        .map(|story| story.play(&place))
        .collect::<Result<_, _>>()?;
    Ok((place, played))
}

fn show_reports(place: &Place, played: &[Played]) -> Result<(), Failure> {
    for run in played {
        place.heading(&format!("The report of {}", run.task));
        let report = place.shown(&["report", &run.run_id, "--tail", "6"], &[])?;
        if report != 0 {
            return Err(format!("`runr report` ended with {report}"));
        }
    }
    Ok(())
}

fn show_next(place: &Place, played: &[Played]) {
    place.heading("As promised");
    for run in played {
        place.line(&format!("  {:<13} {}", run.task, run.verdict));
    }
    place.heading("Next");
    place.line("The repository is kept. To look around in it:");
    place.line(&format!("  cd {}", place.repo()));
    let (name, value) = place.variable();
    place.line(&format!("  export {name}={value}"));
    place.line(&format!("  PATH={}:$PATH", place.program_folder()));
    let Some(first) = played.first() else {
        return;
    };
    place.line("  runr status --all");
    place.line(&format!("  git log -p main..runr/{}", first.run_id));
    if let Some(stopped) = played.last() {
        place.line(&format!("  runr report {}", stopped.run_id));
    }
    place.line("  runr doctor");
}
