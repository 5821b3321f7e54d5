"""The pure functions: values in, values out, nothing on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from . import _wire
from .types import (
    ActiveRun,
    Collision,
    EnteredPhase,
    Evidence,
    EvidenceResult,
    FingerprintDifference,
    NextStep,
    OutputMode,
    OwnedPathsResult,
    ParsedReply,
    ParsedTask,
    Phase,
    PhasePosition,
    RiskLevel,
    RiskTrigger,
    ScopeResult,
    Stage,
    StopReason,
    Tier,
    Tiers,
)

# Needed where an argument hides the name `list`.
Texts = list[str]


def check_scope(
    changed: Sequence[str],
    allowlist: Sequence[str],
    denylist: Sequence[str],
    lockfiles: Sequence[str],
    allow_deps: bool,
    env_allowlist: Sequence[str],
    presets: Sequence[str],
) -> ScopeResult:
    """Judges changed files against the scope of a run."""
    args = {
        "changed": changed,
        "allowlist": allowlist,
        "denylist": denylist,
        "lockfiles": lockfiles,
        "allow_deps": allow_deps,
        "env_allowlist": env_allowlist,
        "presets": presets,
    }
    return cast(ScopeResult, _wire.call("check_scope", args))


def preflight_reasons(scope_result: ScopeResult, allow_dirty: bool = False) -> list[str]:
    """Why a run may not start in a tree with these changes; empty if it may."""
    args = {"scope_result": scope_result, "allow_dirty": allow_dirty}
    return cast("list[str]", _wire.call("preflight_reasons", args))


def glob_match(pattern: str, path: str) -> bool:
    """Whether a pattern matches a path of the repository.

    >>> glob_match("src/**", "src/a/b.py")
    True
    """
    return cast(bool, _wire.call("glob_match", {"pattern": pattern, "path": path}))


def globs_overlap(a: str, b: str) -> bool:
    """Whether some path is matched by both patterns."""
    return cast(bool, _wire.call("globs_overlap", {"a": a, "b": b}))


def normalize_owns(list: Sequence[str]) -> list[str]:
    """The ``owns`` entries of a task in the form they are compared in."""
    return cast(Texts, _wire.call("normalize_owns", {"list": list}))


def check_owned_paths(
    changed: Sequence[str],
    owns: Sequence[str],
    env_allowlist: Sequence[str] | None = None,
) -> OwnedPathsResult:
    """Judges changed files against the paths a task owns."""
    args = {"changed": changed, "owns": owns}
    found = _wire.call("check_owned_paths", args, env_allowlist=env_allowlist)
    return cast(OwnedPathsResult, found)


def file_collisions(
    files_expected: Sequence[str], active_runs: Sequence[ActiveRun]
) -> list[Collision]:
    """The live runs that plan to touch the same files."""
    args = {"files_expected": files_expected, "active_runs": active_runs}
    return cast("list[Collision]", _wire.call("file_collisions", args))


def stop_reasons() -> list[StopReason]:
    """The registry of stop reasons."""
    return cast("list[StopReason]", _wire.call("stop_reasons"))


def next_action(stop_reason: str | None, run_id: str, other_run: str | None = None) -> NextStep:
    """What to do about a run that stopped for a reason; None means it is running."""
    args = {"stop_reason": stop_reason, "run_id": run_id}
    return cast(NextStep, _wire.call("next_action", args, other_run=other_run))


def select_tiers(
    risk_triggers: Sequence[RiskTrigger],
    changed_files: Sequence[str],
    risk_level: RiskLevel,
    last_milestone: bool,
    min_tier: Tier | None = None,
) -> Tiers:
    """The verification tiers of a pass, and why."""
    args = {
        "risk_triggers": risk_triggers,
        "changed_files": changed_files,
        "risk_level": risk_level,
        "last_milestone": last_milestone,
    }
    return cast(Tiers, _wire.call("select_tiers", args, min_tier=min_tier))


def check_no_changes_evidence(
    evidence: Evidence | None, allowlist: Sequence[str]
) -> EvidenceResult:
    """Whether the evidence shows that nothing had to be changed."""
    args = {"evidence": evidence, "allowlist": allowlist}
    return cast(EvidenceResult, _wire.call("check_no_changes_evidence", args))


def unwrap_output(output_mode: OutputMode, stdout: str) -> str:
    """The text of a worker's reply, out of what its process printed."""
    args = {"output_mode": output_mode, "stdout": stdout}
    return cast(str, _wire.call("unwrap_output", args))


def parse_reply(stage: Stage, text: str) -> ParsedReply:
    """The validated reply in a text, or why there is none."""
    return cast(ParsedReply, _wire.call("parse_reply", {"stage": stage, "text": text}))


def parse_task(text: str) -> ParsedTask:
    """A task file, taken apart."""
    return cast(ParsedTask, _wire.call("parse_task", {"text": text}))


def legal_transition(from_: Phase, to: Phase, /) -> bool:
    """Whether a run may go from one phase to another.

    >>> legal_transition("PLAN", "IMPLEMENT")
    True
    >>> legal_transition("PLAN", "REVIEW")
    False
    """
    return cast(bool, _wire.call("legal_transition", {"from": from_, "to": to}))


def resume_target(phase: Phase, last_successful_phase: Phase | None) -> Phase:
    """The phase in which a stopped run goes on by itself."""
    args = {"phase": phase, "last_successful_phase": last_successful_phase}
    return cast(Phase, _wire.call("resume_target", args))


def enter_phase(state: PhasePosition, to: Phase) -> EnteredPhase:
    """The position of a run after a change of phase."""
    return cast(EnteredPhase, _wire.call("enter_phase", {"state": state, "to": to}))


def compare_fingerprints(
    original: Mapping[str, Any], current: Mapping[str, Any]
) -> list[FingerprintDifference]:
    """What in the environment differs from the environment of the run."""
    args = {"original": original, "current": current}
    return cast("list[FingerprintDifference]", _wire.call("compare_fingerprints", args))


def review_fingerprint(changes: Sequence[str]) -> str:
    """16 hex digits that tell whether a reviewer asks for the same again."""
    return cast(str, _wire.call("review_fingerprint", {"changes": changes}))


def fold(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The state of a run after these events."""
    return cast("dict[str, Any]", _wire.call("fold", {"events": events}))


def report(events: Sequence[Mapping[str, Any]], state: Mapping[str, Any]) -> dict[str, Any]:
    """The report on a run with these events and this state."""
    return cast("dict[str, Any]", _wire.call("report", {"events": events, "state": state}))


def data_dir(
    env: Mapping[str, str] | None = None, home: str | None = None, os: str | None = None
) -> str:
    """The data directory: by ``RUNR_DATA_DIR``, ``AGENCY_DATA_DIR``, or the place of the system."""
    return cast(str, _wire.call("data_dir", env=env, home=home, os=os))


def repo_key(origin_url: str | None, repo_root: str) -> str:
    """What tells a repository from others."""
    args = {"origin_url": origin_url, "repo_root": _wire.path(repo_root)}
    return cast(str, _wire.call("repo_key", args))


def repo_id(origin_url: str | None, repo_root: str) -> str:
    """The id of a repository: 16 hex digits of its key's SHA-256."""
    args = {"origin_url": origin_url, "repo_root": _wire.path(repo_root)}
    return cast(str, _wire.call("repo_id", args))


def branch_name(title: str, run_id: str, prefix: str = "runr") -> str:
    """The branch of a run.

    >>> branch_name("Fix the login!", "20260110120000-a3f2")
    'runr/fix-the-login-a3f2'
    """
    args = {"title": title, "run_id": run_id, "prefix": prefix}
    return cast(str, _wire.call("branch_name", args))


def new_run_meta(
    run_id: str,
    repo_id: str,
    title: str,
    runner: str,
    runner_cmd: str,
    parent_branch: str,
    branch: str,
    worktree_path: str,
    created_at: str | datetime,
) -> str:
    """The text of the ``meta.json`` of a new run."""
    args = {
        "run_id": run_id,
        "repo_id": repo_id,
        "title": title,
        "runner": runner,
        "runner_cmd": runner_cmd,
        "parent_branch": parent_branch,
        "branch": branch,
        "worktree_path": _wire.path(worktree_path),
        "created_at": _wire.time(created_at),
    }
    return cast(str, _wire.call("new_run_meta", args))


def apply_meta_ops(text: str, ops: Sequence[Mapping[str, Any]]) -> str:
    """The text of a ``meta.json`` after some changes; all that they do not concern is kept."""
    return cast(str, _wire.call("apply_meta_ops", {"text": text, "ops": ops}))
