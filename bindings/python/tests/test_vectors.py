"""The recorded behaviour of the pure rules, replayed through the public functions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import runr

VECTORS = Path(__file__).resolve().parents[3] / "tests" / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def excepted(file: str) -> set[str]:
    """The cases that a rule excludes, by name."""
    text = (VECTORS / "exceptions.toml").read_text(encoding="utf-8")
    rows = re.findall(r'^file = "(.*)"\ncase = "(.*)"$', text, re.MULTILINE)
    return {case for named, case in rows if named == file}


@pytest.mark.parametrize("row", load("phase-globs.json")["patterns"], ids=lambda row: row["pattern"])
def test_globs(row: dict[str, Any]) -> None:
    if f"feature {row['feature']}" in excepted("phase-globs.json"):
        pytest.skip(f"feature {row['feature']} is named in exceptions.toml")
    for path in row["matches"]:
        assert runr.glob_match(row["pattern"], path), path
    for path in row["non_matches"]:
        assert not runr.glob_match(row["pattern"], path), path


@pytest.mark.parametrize("case", load("phase-scope-guard.json")["cases"], ids=lambda case: case["id"])
def test_scope_guard(case: dict[str, Any]) -> None:
    scope, expect = case["scope"], case["expect"]
    result = runr.check_scope(
        case["changed_files"],
        scope["allowlist"],
        scope["denylist"],
        scope["lockfiles"],
        case["allow_deps"],
        scope["env_allowlist"],
        scope["presets"],
    )
    for key in ("effective_allowlist", "env_touched", "semantic_changed", "scope_violations", "lockfile_violations"):
        assert result[key] == expect[key], key
    assert result["ok"] == expect["implement_ok"]
    assert runr.preflight_reasons(result, allow_dirty=case["allow_dirty"]) == expect["preflight_reasons"]


OWNERSHIP = load("phase-ownership.json")


def test_owned_entries_get_their_stored_form() -> None:
    for case in OWNERSHIP["normalize"]:
        stored = runr.normalize_owns([case["raw"]])
        assert stored == ([] if case["normalized"] is None else [case["normalized"]]), case


def test_owned_paths() -> None:
    for case in OWNERSHIP["cases"]:
        noise = {} if case["env_allowlist"] == "default" else {"env_allowlist": case["env_allowlist"]}
        assert runr.check_owned_paths(case["changed_files"], case["owns"], **noise) == case["expect"]


def test_overlaps() -> None:
    for case in OWNERSHIP["overlap"]:
        assert runr.globs_overlap(case["a"], case["b"]) is case["overlap"], case
        assert runr.globs_overlap(case["b"], case["a"]) is case["overlap"], case


def test_collisions() -> None:
    for case in OWNERSHIP["collisions"]:
        assert runr.file_collisions(case["files_expected"], case["active_runs"]) == case["collisions"]


def test_stop_reasons() -> None:
    registry = {row["stop_reason"]: row for row in runr.stop_reasons()}
    for row in load("phase-stop-reasons.json")["rows"]:
        reason = row["stop_reason"]
        if reason in registry:
            for key, value in row.items():
                if not (reason == "parallel_file_collision" and key == "suggested_command"):
                    assert registry[reason][key] == value, (reason, key)
        step = runr.next_action(reason, "20260101000000", other_run="20260102000000")
        command = row["suggested_command"]
        if command is not None:
            command = command.replace("{run_id}", "20260101000000").replace("{other_run}", "20260102000000")
        assert (step["next_action"], step["suggested_command"]) == (row["next_action"], command), reason


def test_transitions() -> None:
    recorded = load("phase-transitions.json")
    phases = list(recorded["legal"])
    for source, targets in recorded["legal"].items():
        for target in phases:
            assert runr.legal_transition(source, target) is (target in targets), (source, target)
    for case in recorded["resume_target"]:
        assert runr.resume_target(case["phase"], case["last_successful_phase"]) == case["expect_resume_phase"]
    for case in recorded["update"]:
        state = {"phase": case["phase"], "phase_attempt": case["phase_attempt"]}
        entered = runr.enter_phase(state, case["to"])
        assert {key: entered[key] for key in case["expect"]} == case["expect"], case


def test_tiers_evidence_replies_and_fingerprints() -> None:
    for case in load("phase-verify-tiers.json")["cases"]:
        chosen = runr.select_tiers(
            case["risk_triggers"], case["changed_files"], case["risk_level"], case["last_milestone"]
        )
        assert (chosen["tiers"], chosen["reasons"]) == (case["expect"]["tiers"], case["expect"]["reasons"])
    for case in load("phase-no-changes-evidence.json")["cases"]:
        verdict = runr.check_no_changes_evidence(case["evidence"], case["allowlist"])
        expect = case["expect"]
        assert (verdict["ok"], verdict["satisfied_by"]) == (expect["ok"], expect["satisfied_by"]), case
    replies = load("phase-worker-replies.json")
    for case in replies["unwrap"]:
        assert runr.unwrap_output(case["output_mode"], case["stdout"]) == case["expect_text"]
    for case in replies["replies"]:
        parsed = runr.parse_reply(case["stage"], case["output"])
        assert parsed["ok"] == case["expect"]["ok"], case
        if parsed["ok"]:
            assert parsed["value"] == case["expect"]["value"]
    for case in load("phase-fingerprint.json")["cases"]:
        assert runr.compare_fingerprints(case["original"], case["current"]) == case["expect"]
    for case in load("phase-review-fingerprint.json")["cases"]:
        assert runr.review_fingerprint(case["changes"]) == case["fingerprint"]


def test_task_files() -> None:
    for case in load("phase-task-files.json")["cases"]:
        if not case["expect"]["ok"]:
            with pytest.raises(runr.InvalidInput) as refused:
                runr.parse_task(case["text"])
            assert refused.value.code == "E_TASK_INVALID"
            continue
        task = runr.parse_task(case["text"])
        assert {key: task[key] for key in case["expect"]} == case["expect"]


WRITTEN = json.loads((VECTORS.parent / "cases" / "scope.json").read_text(encoding="utf-8"))


def judged(family: dict[str, Any], path: str) -> tuple[bool, bool, bool]:
    result = runr.check_scope(
        [path],
        family.get("allowlist", []),
        family.get("denylist", []),
        family.get("lockfiles"),
        family.get("allow_deps", False),
        family.get("env_allowlist"),
        family.get("presets", []),
    )
    lists = ("scope_violations", "lockfile_violations", "env_touched")
    outside, lockfile, noise = (bool(result[name]) for name in lists)
    assert result["ok"] is not (outside or lockfile)
    return outside, lockfile, noise


def test_written_cases_of_the_scope_guard() -> None:
    bare: dict[str, Any] = {"lockfiles": [], "env_allowlist": []}
    for family in WRITTEN["allow"]:
        policy = {**bare, "allowlist": [family["pattern"]]}
        for name, outside in (("in", False), ("out", True)):
            for path in family[name]:
                assert judged(policy, path) == (outside, False, False), (family["pattern"], path)
    for family in WRITTEN["deny"]:
        policy = {**bare, "denylist": [family["pattern"]]}
        for name, outside in (("in", True), ("out", False)):
            for path in family[name]:
                assert judged(policy, path) == (outside, False, False), (family["pattern"], path)
    for family in WRITTEN["scope"]:
        for at, name in enumerate(("outside", "lockfile", "noise", "fine")):
            for path in family[name]:
                assert judged(family, path) == (at == 0, at == 1, at == 2), (family["about"], path)


def test_written_cases_of_owned_paths() -> None:
    for family in WRITTEN["owns"]:
        for name, ok in (("inside", True), ("outside", False), ("noise", True)):
            for path in family[name]:
                assert runr.check_owned_paths([path], family["owns"])["ok"] is ok, (family["owns"], path)
