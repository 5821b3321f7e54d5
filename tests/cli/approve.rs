//! A plan that somebody must approve before anything is changed.

use serde_json::json;

use crate::support::{Sandbox, Script};

#[test]
fn a_run_with_approval_stops_after_the_plan_until_somebody_approves_it() {
    let sandbox = Sandbox::scripted(&Script::happy(2));
    let run = sandbox.run(&["--approve-plan"], 1);
    let status = sandbox.status(&run.id);
    assert_eq!(status["stop_reason"], "approval_required");
    assert_eq!(sandbox.calls("implement").len(), 0);
    let report = sandbox.runr(&["report", &run.id, "--json"]).output().json();
    assert_eq!(
        report["suggested_command"],
        format!("runr approve {}", run.id)
    );

    let early = sandbox.runr(&["resume", &run.id]).output();
    assert_eq!(early.code, Some(1), "{early:?}");
    assert_eq!(
        sandbox.status(&run.id)["stop_reason"],
        "approval_required",
        "a resume passes no plan that nobody approved"
    );
    assert_eq!(sandbox.calls("implement").len(), 0);
    assert_eq!(
        sandbox.calls("plan").len(),
        1,
        "the plan is not asked for again"
    );

    let approved = sandbox.runr(&["approve", &run.id]).output();
    assert_eq!(
        (approved.code, approved.stdout.trim()),
        (Some(0), format!("runr resume {}", run.id).as_str())
    );
    let again = sandbox
        .runr(&["approve", &run.id, "--json"])
        .output()
        .json();
    assert_eq!(again["changed"], json!(false));
    let resumed = sandbox.runr(&["resume", &run.id]).output();
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    let approvals = sandbox.timeline(&run.id);
    let approvals = approvals.iter().filter(|e| e.kind == "plan_approved");
    assert_eq!(approvals.count(), 1);
    assert_eq!(sandbox.status(&run.id)["milestone_index"], 2);
}

#[test]
fn only_a_plan_that_waits_for_approval_is_approved() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    let run = sandbox.run(&[], 0);
    let refused = sandbox.runr(&["approve", &run.id, "--json"]).output();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let unknown = sandbox.runr(&["approve", "20200101000000"]).output();
    assert_eq!(unknown.code, Some(4));
    let unparsable = Script::from_value(json!({"plan": [{"reply": "no JSON"}]}));
    let sandbox = Sandbox::scripted(&unparsable);
    let run = sandbox.run(&["--approve-plan"], 1);
    let planless = sandbox.runr(&["approve", &run.id]).output();
    assert_eq!(planless.code, Some(2));
    assert!(
        planless.stderr.contains("no plan to approve"),
        "{planless:?}"
    );
    let both = sandbox.run_command(&["--approve-plan", "--fast"]).output();
    assert_eq!(both.code, Some(2));
}
