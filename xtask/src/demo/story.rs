//! The three tasks of the demo, and what must have come of each.

use serde_json::Value;

use super::place::Place;
use crate::Failure;

/// A task and how it must end.
#[derive(Debug)]
pub(crate) struct Story {
    /// The task file without its ending; the worker's answers have the same name.
    task: &'static str,
    about: &'static str,
    exit: i32,
    stop_reason: &'static str,
    checkpoints: usize,
    /// What must be true beyond that.
    holds: fn(&Place, &Played) -> Result<&'static str, Failure>,
}

/// In the order of a guided tour.
pub(crate) const STORIES: [Story; 3] = [
    Story {
        task: "discount",
        about: "A task of two milestones",
        exit: 0,
        stop_reason: "complete",
        checkpoints: 2,
        holds: each_milestone_is_a_commit,
    },
    Story {
        task: "removal",
        about: "A task whose first version fails its own test",
        exit: 0,
        stop_reason: "complete",
        checkpoints: 1,
        holds: the_failure_led_to_the_fix,
    },
    Story {
        task: "currency",
        about: "A task whose worker leaves its scope",
        exit: 1,
        stop_reason: "guard_violation",
        checkpoints: 0,
        holds: nothing_left_the_worktree,
    },
];

/// What came of a task.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) task: &'static str,
    pub(crate) run_id: String,
    /// The word of the report.
    pub(crate) outcome: String,
    pub(crate) checkpoints: Vec<String>,
    /// What was promised and held, in a sentence.
    pub(crate) verdict: &'static str,
    status: Value,
    report: Value,
}

impl Story {
    /// Runs the task in a worktree of its own and checks what came of it.
    pub(crate) fn play(&self, place: &Place) -> Result<Played, Failure> {
        place.heading(self.about);
        let script = place.script(self.task)?;
        let file = format!("{}.md", self.task);
        let args = ["run", "--task", &file, "--worktree"];
        let exit = place.shown(&args, &[("RUNR_WORKER_SCRIPT", &script)])?;
        let wrong = |what: String| format!("the run of {} {what}", self.task);
        if exit != self.exit {
            return Err(wrong(format!("ended with {exit}, not with {}", self.exit)));
        }
        let mut played = Played::of_latest(self.task, place)?;
        if played.status["stop_reason"] != self.stop_reason {
            let found = &played.status["stop_reason"];
            return Err(wrong(format!("stopped for {found}")));
        }
        if played.checkpoints.len() != self.checkpoints {
            let found = played.checkpoints.len();
            return Err(wrong(format!("has {found} checkpoints")));
        }
        played.verdict = (self.holds)(place, &played).map_err(wrong)?;
        place.line(&format!("\nas promised: {}", played.verdict));
        Ok(played)
    }
}

impl Played {
    fn of_latest(task: &'static str, place: &Place) -> Result<Self, Failure> {
        let status = place.asked(&["status", "latest"])?;
        let report = place.asked(&["report", "latest", "--json"])?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let milestones = status["milestones"].as_array().cloned();
        Ok(Self {
            task,
            run_id: text(&status["run_id"]).ok_or("`runr status` names no run")?,
            outcome: text(&report["outcome"]).ok_or("`runr report` names no outcome")?,
            checkpoints: milestones
                .unwrap_or_default()
                .iter()
                .filter_map(|milestone| text(&milestone["checkpoint_sha"]))
                .collect(),
            verdict: "",
            status,
            report,
        })
    }

    fn branch(&self) -> String {
        format!("runr/{}", self.run_id)
    }
}

fn each_milestone_is_a_commit(place: &Place, run: &Played) -> Result<&'static str, Failure> {
    let range = format!("main..{}", run.branch());
    let commits = place.git(&["rev-list", "--reverse", &range])?;
    if !commits.lines().eq(run.checkpoints.iter()) {
        return Err(format!("has the commits {commits:?}"));
    }
    main_is_untouched(place)?;
    Ok("two milestones, two verified commits on a branch of their own, the checkout untouched")
}

/// The second call must have been asked because of the failure, with its words, and the result must
/// stand the test that the first version failed.
fn the_failure_led_to_the_fix(place: &Place, run: &Played) -> Result<&'static str, Failure> {
    if run.report["verify"]["retries"] != 1 {
        return Err(format!("has these verifications: {}", run.report["verify"]));
    }
    let calls = place.calls(run.task)?;
    let asked: Vec<&str> = calls
        .iter()
        .filter(|call| call["stage"] == "implement")
        .filter_map(|call| call["prompt"].as_str())
        .collect();
    let [first, second] = asked.as_slice() else {
        return Err(format!("asked the implementer {} times", asked.len()));
    };
    let failure = "AssertionError: 1 != 2";
    if first.contains(failure) || !second.contains(failure) {
        return Err("did not tell the implementer what failed".into());
    }
    let fixed = place.git(&["show", &format!("{}:src/cart.py", run.branch())])?;
    if !fixed.contains("kept = [line for line in self.lines if line[0] != name]") {
        return Err("committed something else than the fix".into());
    }
    main_is_untouched(place)?;
    Ok("the failing test went back to the worker, only the mended version was committed")
}

fn nothing_left_the_worktree(place: &Place, run: &Played) -> Result<&'static str, Failure> {
    if run.status["guard_violation_files"] != serde_json::json!(["deploy/settings.json"]) {
        return Err(format!("names {}", run.status["guard_violation_files"]));
    }
    let range = format!("main..{}", run.branch());
    if place.git(&["rev-list", "--count", &range])? != "0" {
        return Err("committed something".into());
    }
    main_is_untouched(place)?;
    Ok("stopped with the file named, nothing committed, the exit code is 1")
}

fn main_is_untouched(place: &Place) -> Result<(), Failure> {
    match place.git(&["status", "--porcelain"])?.as_str() {
        "" => Ok(()),
        changed => Err(format!("changed the checkout: {changed}")),
    }
}
