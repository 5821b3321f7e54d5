//! One run that is killed, resumed, killed again, and brought to its end.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Config, Random, Running, Sandbox, Script, approve, milestone, plan};

/// A reader knows the truth about a killed run after this time.
const TRUTH_WITHIN: Duration = Duration::from_secs(1);

/// Kills per life; then the run is left in peace.
const KILLS: usize = 4;

/// What a run nobody kills leaves behind, and how long it takes.
#[derive(Debug)]
pub(crate) struct Reference {
    base_tree: String,
    checkpoints: Vec<(u64, String)>,
    takes: Duration,
}

/// What happened in a life, or in several.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) kills: usize,
    /// Kills after the run's first event: those it has to survive.
    pub(crate) recorded: usize,
    pub(crate) resumes_killed: usize,
}

impl Tally {
    pub(crate) fn add(self, other: Self) -> Self {
        Self {
            kills: self.kills + other.kills,
            recorded: self.recorded + other.recorded,
            resumes_killed: self.resumes_killed + other.resumes_killed,
        }
    }
}

impl Reference {
    /// Runs once without a kill.
    pub(crate) fn record() -> Self {
        let sandbox = sandbox();
        let run = sandbox.run(&["--worktree"], 0);
        let checkpoints = sandbox.checkpoints(&run.id);
        assert_eq!(
            checkpoints
                .iter()
                .map(|(index, _)| *index)
                .collect::<Vec<_>>(),
            [0, 1]
        );
        assert_ne!(
            checkpoints[0].1, checkpoints[1].1,
            "the milestones differ, or nothing could go wrong"
        );
        Self {
            base_tree: base_tree(&sandbox),
            checkpoints,
            takes: run.output.took,
        }
    }
}

/// Two milestones. A step names its file by the milestone and writes it whole, so that doing it
/// again changes nothing; every part takes its time, so that kills hit them all.
fn sandbox() -> Sandbox {
    let sandbox =
        Sandbox::with(&Config::new().tier("tier0", &["sleep 0.05; test -f src/base.txt"]));
    let slow = |mut step: serde_json::Value, ms: u64| {
        step["sleep_ms"] = json!(ms);
        step
    };
    let part = json!({
        "reply": {"status": "ok", "handoff_memo": "written"},
        "files": {"src/part{milestone}.txt": "a part of the whole\n"},
    });
    sandbox.script(&Script::new(
        slow(plan(&[milestone("goal 1"), milestone("goal 2")]), 60),
        &[slow(part, 120)],
        &[slow(approve(), 60)],
    ));
    sandbox
}

fn base_tree(sandbox: &Sandbox) -> String {
    sandbox.git(&["rev-parse", "main^{tree}"])
}

/// Lives one life; panics with the seed where the run does not end as the reference did.
pub(crate) fn live(reference: &Reference, random: &mut Random, seed: u64) -> Tally {
    let sandbox = sandbox();
    assert_eq!(
        base_tree(&sandbox),
        reference.base_tree,
        "both start from the same tree"
    );
    let mut tally = Tally::default();
    let mut known = None;
    while tally.kills < KILLS {
        let resumed = known.is_some();
        let running = proceed(&sandbox, known.as_deref());
        if !killed_at(running, random.moment(reference.takes), seed) {
            break;
        }
        tally.kills += 1;
        tally.resumes_killed += usize::from(resumed);
        known = recorded_run(&sandbox);
        match &known {
            Some(id) => {
                tally.recorded += 1;
                assert_truth(&sandbox, id, seed);
            }
            None => assert_unrecorded_runs_harm_nobody(&sandbox),
        }
    }
    let id = finish(&sandbox, known, seed);
    assert_same_end(&sandbox, &id, reference, seed);
    tally
}

/// Starts the run, or resumes the one that is known.
fn proceed(sandbox: &Sandbox, known: Option<&str>) -> Running {
    match known {
        Some(id) => sandbox.runr(&["resume", id]).spawn(),
        None => sandbox.run_command(&["--worktree"]).spawn(),
    }
}

/// Kills at the moment; false when the command had ended by then, which must be in success.
fn killed_at(mut running: Running, moment: Duration, seed: u64) -> bool {
    std::thread::sleep(moment);
    if running.has_ended() {
        let output = running.wait();
        assert_eq!(output.code, Some(0), "seed {seed}: {output}");
        return false;
    }
    running.signal(Signal::KILL);
    // It may still have ended in that very moment.
    running.wait().code.is_none()
}

/// The run whose first event is on disk; what came before was never acknowledged to anybody.
fn recorded_run(sandbox: &Sandbox) -> Option<String> {
    sandbox
        .run_ids()
        .into_iter()
        .rev()
        .find(|id| !sandbox.events_so_far(id).is_empty())
}

/// `status` says within a second that nobody drives the run any more, and contradicts no event.
fn assert_truth(sandbox: &Sandbox, id: &str, seed: u64) {
    let killed = Instant::now();
    let status = sandbox.status(id);
    let took = killed.elapsed();
    // A resume notes several things before it goes on; the run is stopped until it does.
    let events = sandbox.events_so_far(id);
    let turning = events
        .iter()
        .rev()
        .find(|event| ["stop", "run_resumed", "phase_start"].contains(&event.kind.as_str()));
    let stopped = turning.is_some_and(|event| event.kind == "stop");
    let expected = if stopped { "stopped" } else { "stale" };
    assert_eq!(
        status["liveness"], expected,
        "seed {seed}: {status}\n{events:?}"
    );
    assert!(took < TRUTH_WITHIN, "seed {seed}: status took {took:?}");
    let checkpoints = events
        .iter()
        .filter(|event| event.kind == "checkpoint_complete")
        .count();
    assert_eq!(
        status["milestone_index"], checkpoints,
        "seed {seed}: {status}"
    );
}

/// A directory without events is shown as what it is; it neither hangs nor crashes a reader.
fn assert_unrecorded_runs_harm_nobody(sandbox: &Sandbox) {
    for id in sandbox.run_ids() {
        let output = sandbox
            .runr(&["status", &id])
            .limit(Duration::from_secs(10))
            .output();
        assert!(
            matches!(output.code, Some(0 | 1 | 4)) && !output.stderr.contains("panicked"),
            "{output}"
        );
    }
}

/// Resumes until the run is complete, and checks that no event that was on disk is lost.
fn finish(sandbox: &Sandbox, known: Option<String>, seed: u64) -> String {
    let id = match known {
        Some(id) => id,
        None => recorded_run(sandbox).unwrap_or_else(|| sandbox.run(&["--worktree"], 0).id),
    };
    let whole_lines = |text: String| text[..text.rfind('\n').map_or(0, |end| end + 1)].to_owned();
    let acknowledged = whole_lines(sandbox.timeline_text(&id));
    let output = sandbox.runr(&["resume", &id]).output();
    assert_eq!(output.code, Some(0), "seed {seed}: {output}");
    assert!(
        sandbox.timeline_text(&id).starts_with(&acknowledged),
        "seed {seed}: an event is lost"
    );
    id
}

fn assert_same_end(sandbox: &Sandbox, id: &str, reference: &Reference, seed: u64) {
    // Reading the timeline checks that `seq` counts from 1 without gaps.
    assert_eq!(
        sandbox.checkpoints(id),
        reference.checkpoints,
        "seed {seed}: checkpoints of {id}"
    );
    let expected: Vec<String> = (0..2)
        .map(|n| format!("chore(runr): checkpoint {id} milestone {n}"))
        .collect();
    assert_eq!(
        sandbox.subjects("main", &format!("runr/{id}")),
        expected,
        "seed {seed}: commits of {id}"
    );
    let status = sandbox.status(id);
    assert_eq!(
        (&status["stop_reason"], &status["liveness"]),
        (&json!("complete"), &json!("stopped")),
        "seed {seed}"
    );
    assert!(
        !crate::has_children(&sandbox.run_dir(id)),
        "seed {seed}: somebody still works for {id}"
    );
    let worktree = sandbox.worktree(id);
    assert_eq!(
        sandbox.git_in(&worktree, &["status", "--porcelain"]),
        "",
        "seed {seed}: the worktree is clean"
    );
    assert_eq!(
        base_tree(sandbox),
        reference.base_tree,
        "seed {seed}: the user's branch did not move"
    );
    let record = |n: usize| {
        let revision = if n == 0 {
            format!("runr/{id}~1")
        } else {
            format!("runr/{id}")
        };
        format!(
            ".runr/checkpoints/{}.json",
            sandbox.git(&["rev-parse", &revision])
        )
    };
    assert!(
        (0..2).all(|n| sandbox.exists(&record(n))),
        "seed {seed}: each checkpoint has its record"
    );
}
