//! A plan that nobody has begun with is judged once more.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Config, Sandbox, Script, approve, milestone, ok, plan};

/// A plan that names one file.
fn naming(path: &str) -> Value {
    let mut goal = milestone("goal 1");
    goal["files_expected"] = json!([path]);
    plan(&[goal])
}

/// Names a file outside the scope first, then one inside it.
fn refused() -> (Sandbox, String) {
    let sandbox = Sandbox::with(&Config::new());
    sandbox.script(&Script::from_value(json!({
        "plan": [naming("docs/guide.txt"), naming("src/part.txt")],
        "implement": [ok(json!({"src/part.txt": "a part\n"}))],
        "review": [approve()],
    })));
    let id = sandbox.run(&["--worktree"], 1).id;
    assert_eq!(sandbox.status(&id)["stop_reason"], "plan_scope_violation");
    (sandbox, id)
}

#[test]
fn a_plan_outside_the_scope_is_not_followed_but_made_anew() {
    let (sandbox, id) = refused();
    let planned = sandbox.runr(&["resume", &id, "--json"]).output().exits(0);
    assert_eq!(planned.json()["resume"]["phase"], "PLAN");
    sandbox.runr(&["resume", &id]).output().exits(0);
    assert_eq!(sandbox.calls("plan").len(), 2);
    let plans = sandbox.payloads(&id, "plan_generated");
    let named = &plans[1]["milestones"][0]["files_expected"];
    assert_eq!(named, &json!(["src/part.txt"]));
}

#[test]
fn a_wider_scope_makes_a_refused_plan_good() {
    let (sandbox, id) = refused();
    sandbox.configure(&Config::new().allow(&["src/**", "docs/**"]));
    sandbox.commit("a wider scope");
    let wider = ["resume", &id, "--config", ".runr/runr.config.json"];
    sandbox.runr(&wider).output().exits(0);
    assert_eq!(sandbox.calls("plan").len(), 1);
    assert_eq!(sandbox.calls("implement").len(), 1);
}

#[test]
fn a_plan_that_meets_a_live_run_waits_for_its_end() {
    let script = Script::new(
        naming("src/part.txt"),
        &[ok(json!({"src/part.txt": "a part\n"}))],
        &[approve()],
    );
    let sandbox = Sandbox::scripted(&script.clone().sleeping("implement", 60_000));
    let (first, running) = sandbox.run_until_implement(&["--worktree"]);
    sandbox.script(&script);
    let second = sandbox.run(&[], 1).id;
    let stops = || {
        let status = sandbox.status(&second);
        assert_eq!(status["stop_reason"], "parallel_file_collision");
        let stop = sandbox.payloads(&second, "stop").pop().unwrap();
        assert_eq!(stop["other_run"], first.as_str());
    };
    stops();
    sandbox.runr(&["resume", &second]).output().exits(1);
    stops();
    assert_eq!(sandbox.payloads(&second, "phase_start").len(), 1);
    running.signal(Signal::INT);
    running.wait().exits(130);
    sandbox.runr(&["resume", &second]).output().exits(0);
    assert_eq!(sandbox.payloads(&second, "plan_generated").len(), 1);
    assert_eq!(sandbox.checkpoints(&second).len(), 1);
}
