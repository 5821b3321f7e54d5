//! Proof: what shows that a milestone is done, or that it needs no change.

use serde::{Deserialize, Serialize};

use super::model::Evidence;
use crate::glob::{Dots, GlobSet};

/// The longest search output that counts as proof, in characters.
pub const MAX_GREP_OUTPUT: usize = 8_192;

/// Whether a claim of `no_changes_needed` is backed by anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "insufficient evidence must stop the run"]
pub struct EvidenceVerdict {
    /// Whether some evidence suffices.
    pub ok: bool,
    /// The first kind that suffices: `files_checked`, `grep_output` or `commands_run`.
    pub satisfied_by: Option<String>,
    /// Why nothing does.
    pub errors: Vec<String>,
}

/// Judges the evidence for `no_changes_needed`; an empty allowlist allows every path.
///
/// It is proof only together with an unchanged tree, and claimed commands must be run again.
pub fn check_no_changes_evidence(
    evidence: Option<&Evidence>,
    allowlist: &[String],
) -> EvidenceVerdict {
    let Some(evidence) = evidence else {
        return insufficient(vec!["there is no evidence".to_owned()]);
    };
    let mut errors = Vec::new();
    for (kind, verdict) in [
        ("files_checked", files_checked(evidence, allowlist)),
        ("grep_output", grep_output(evidence)),
        ("commands_run", commands_run(evidence)),
    ] {
        match verdict {
            Some(Ok(())) => {
                return EvidenceVerdict {
                    ok: true,
                    satisfied_by: Some(kind.to_owned()),
                    errors: Vec::new(),
                };
            }
            Some(Err(why)) => errors.push(format!("{kind}: {why}")),
            None => {}
        }
    }
    if errors.is_empty() {
        errors.push("none of files_checked, grep_output, commands_run is given".to_owned());
    }
    insufficient(errors)
}

fn insufficient(errors: Vec<String>) -> EvidenceVerdict {
    EvidenceVerdict {
        ok: false,
        satisfied_by: None,
        errors,
    }
}

/// None: not offered. Otherwise whether it suffices.
type Offer = Option<Result<(), String>>;

fn files_checked(evidence: &Evidence, allowlist: &[String]) -> Offer {
    let files = evidence
        .files_checked
        .as_ref()
        .filter(|files| !files.is_empty())?;
    let allowed = GlobSet::new(allowlist, Dots::Skip);
    let outside = |file: &&String| {
        !allowlist.is_empty() && !allowed.as_ref().is_ok_and(|allowed| allowed.matches(file))
    };
    let outside: Vec<_> = files.iter().filter(outside).map(String::as_str).collect();
    Some(match outside.as_slice() {
        [] => Ok(()),
        outside => Err(format!("outside the allowlist: {}", outside.join(", "))),
    })
}

fn grep_output(evidence: &Evidence) -> Offer {
    let output = evidence
        .grep_output
        .as_ref()
        .filter(|output| !output.trim().is_empty())?;
    Some(match output.chars().count() {
        0..=MAX_GREP_OUTPUT => Ok(()),
        length => Err(format!(
            "{length} characters, at most {MAX_GREP_OUTPUT} count"
        )),
    })
}

fn commands_run(evidence: &Evidence) -> Offer {
    let commands = evidence
        .commands_run
        .as_ref()
        .filter(|commands| !commands.is_empty())?;
    Some(
        match commands.iter().find(|command| command.exit_code != 0) {
            None => Ok(()),
            Some(failed) => Err(format!(
                "`{}` exited with {}",
                failed.command, failed.exit_code
            )),
        },
    )
}

/// A command the harness ran itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRun {
    /// The command line.
    pub command: String,
    /// Its exit code.
    pub exit_code: i64,
}

/// An expected file, and whether the milestone accounts for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedFile {
    /// Repository-relative path.
    pub path: String,
    /// Whether it is there, or was deleted by the milestone.
    pub exists: bool,
}

/// What the reviewer sees first, and what no approval overrides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "an approval counts only with a gate that passed"]
pub struct EvidenceGate {
    /// Whether everything below is in order.
    pub evidence_gates_passed: bool,
    /// Commands of the selected tiers.
    pub commands_required: Vec<String>,
    /// Commands that ran, with their exit codes.
    pub commands_run: Vec<CommandRun>,
    /// Required commands that did not run.
    pub commands_missing: Vec<String>,
    /// Files the plan named.
    pub files_expected: Vec<String>,
    /// Which of them are accounted for.
    pub files_exist: Vec<ExpectedFile>,
}

/// Weighs what was to be proved against what was proved.
///
/// Each expected file comes with whether it exists or was deleted by the milestone. At least one
/// command must have run, unless none is configured and `allow_unverified` accepts that.
pub fn evidence_gate(
    required: &[String],
    run: &[CommandRun],
    files_expected: &[(String, bool)],
    allow_unverified: bool,
) -> EvidenceGate {
    let ran = |command: &String| run.iter().any(|one| one.command == *command);
    let commands_missing: Vec<_> = required.iter().filter(|c| !ran(c)).cloned().collect();
    let files_exist: Vec<_> = (files_expected.iter().cloned())
        .map(|(path, exists)| ExpectedFile { path, exists })
        .collect();
    EvidenceGate {
        evidence_gates_passed: commands_missing.is_empty()
            // Nothing missing and nothing run means that nothing was required.
            && (allow_unverified || !run.is_empty())
            && run.iter().all(|one| one.exit_code == 0)
            && files_exist.iter().all(|file| file.exists),
        commands_required: required.to_vec(),
        commands_run: run.to_vec(),
        commands_missing,
        files_expected: files_expected
            .iter()
            .map(|(path, _)| path.clone())
            .collect(),
        files_exist,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::vectors::replay;

    #[test]
    fn every_recorded_claim_is_judged_again() {
        replay("phase-no-changes-evidence.json", "cases", 34, |case| {
            let evidence: Option<Evidence> =
                serde_json::from_value(case["evidence"].clone()).unwrap();
            let allowlist: Vec<String> = serde_json::from_value(case["allowlist"].clone()).unwrap();
            let verdict = check_no_changes_evidence(evidence.as_ref(), &allowlist);
            let actual = json!({
                "ok": verdict.ok,
                "satisfied_by": verdict.satisfied_by,
                "error_count": verdict.errors.len(),
            });
            (case["expect"].clone(), actual)
        });
    }

    #[test]
    fn a_flood_of_search_output_proves_nothing() {
        let evidence = |length: usize| Evidence {
            grep_output: Some("z".repeat(length)),
            ..Evidence::default()
        };
        assert!(check_no_changes_evidence(Some(&evidence(MAX_GREP_OUTPUT)), &[]).ok);
        assert!(!check_no_changes_evidence(Some(&evidence(MAX_GREP_OUTPUT + 1)), &[]).ok);
    }

    fn run(command: &str, exit_code: i64) -> CommandRun {
        CommandRun {
            command: command.to_owned(),
            exit_code,
        }
    }

    #[test]
    fn the_gate_needs_every_command_a_zero_exit_and_every_file() {
        let required = ["lint".to_owned(), "test".to_owned()];
        let both = [run("lint", 0), run("test", 0)];
        let there = [("src/a.rs".to_owned(), true)];
        let gone = [("src/a.rs".to_owned(), false)];
        assert!(evidence_gate(&required, &both, &there, false).evidence_gates_passed);
        assert!(!evidence_gate(&required, &both, &gone, false).evidence_gates_passed);
        let failed = [run("lint", 0), run("test", 1)];
        assert!(!evidence_gate(&required, &failed, &there, false).evidence_gates_passed);
        let missing = evidence_gate(&required, &both[..1], &there, true);
        assert!(!missing.evidence_gates_passed);
        assert_eq!(missing.commands_missing, ["test"]);
    }

    #[test]
    fn nothing_run_passes_only_where_nothing_is_required_and_that_was_accepted() {
        assert!(!evidence_gate(&[], &[], &[], false).evidence_gates_passed);
        assert!(evidence_gate(&[], &[], &[], true).evidence_gates_passed);
        assert!(!evidence_gate(&["test".to_owned()], &[], &[], true).evidence_gates_passed);
        assert!(!evidence_gate(&[], &[run("extra", 1)], &[], true).evidence_gates_passed);
    }
}
