//! A run that something strikes, and how it is brought to its end.

use std::fmt::Display;

use serde_json::json;

use crate::support::{Output, Sandbox, Script, approve, milestone, ok, plan};

/// A repository for a run of so many milestones; a step that is repeated writes the same again.
pub(crate) fn runnable(milestones: usize) -> Sandbox {
    let goals = vec![milestone("a goal"); milestones];
    let part = ok(json!({"src/part{milestone}.txt": "a part of the whole\n"}));
    Sandbox::scripted(&Script::new(plan(&goals), &[part], &[approve()]))
}

/// Whether the command ended by itself, with an exit status that means something.
pub(crate) fn is_ours(output: &Output) -> bool {
    matches!(output.code, Some(0..=5)) && !output.stderr.contains("panicked")
}

/// The whole lines of a timeline: what was acknowledged.
fn acknowledged(sandbox: &Sandbox, id: &str) -> String {
    let text = sandbox.timeline_text(id);
    text[..text.rfind('\n').map_or(0, |end| end + 1)].to_owned()
}

/// Resumes the run that ended with `output`, or starts another where none was recorded; its id.
/// Nothing that was recorded is lost, and the tree is clean in the end.
pub(crate) fn brought_to_its_end(sandbox: &Sandbox, output: &Output, what: &dyn Display) -> String {
    let recorded = sandbox
        .run_ids()
        .into_iter()
        .rev()
        .find(|id| !sandbox.events_so_far(id).is_empty());
    let id = match recorded {
        None => {
            assert_ne!(output.code, Some(0), "{what}: {output}");
            sandbox.run(&["--worktree"], 0).id
        }
        Some(id) if output.code == Some(0) => id,
        Some(id) => {
            let acknowledged = acknowledged(sandbox, &id);
            let resumed = sandbox.runr(&["resume", &id]).output();
            assert_eq!(
                resumed.code,
                Some(0),
                "after {what}: {output}\nresumed: {resumed}\n{acknowledged}"
            );
            let kept = sandbox.timeline_text(&id).starts_with(&acknowledged);
            assert!(kept, "{what}: an event is lost");
            id
        }
    };
    let changes = sandbox.git_in(&sandbox.worktree(&id), &["status", "--porcelain"]);
    assert_eq!(changes, "", "{what}");
    id
}
