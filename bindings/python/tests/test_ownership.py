"""The functions of the format under their Python names."""

from __future__ import annotations

import math
import pathlib
import subprocess
import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import runr

RECORD = ".pi/runner-coordination/acme/shop/pr-17.json"
TARGET: dict[str, Any] = {"repo": "acme/shop", "pr": 17}


@pytest.fixture(autouse=True)
def _no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNR_RUN_ID", "RUNR_TOKEN", "DEVLOOPS_RUN_ID", "PI_SUBAGENT_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


def claim(cwd: pathlib.Path, run_id: Any = "run-1", **options: Any) -> Any:
    return runr.claim_runner_ownership(**{**TARGET, "cwd": cwd, "run_id": run_id, **options})


def test_the_constants_are_those_of_the_format() -> None:
    assert runr.RUNNER_COORDINATION_SCHEMA_VERSION == 2
    assert runr.RUNNER_COORDINATION_SUPPORTED_SCHEMA_VERSIONS == (1, 2)
    words = {"run_id_required", "active_run_exists", "ownership_missing", "ownership_lost"}
    assert words < set(runr.RUNNER_OWNERSHIP_ERROR.values())
    assert runr.RUNNER_OWNERSHIP_ERROR["OWNERSHIP_LOST"] == "ownership_lost"


@pytest.mark.parametrize("pr", [17, "17", " 0x11 ", 17.0, [17], "1.7e1"])
def test_a_pr_may_be_whatever_becomes_a_number(pr: Any, tmp_path: pathlib.Path) -> None:
    answer = claim(tmp_path, pr=pr)
    assert (answer["ok"], answer["pr"]) == (True, 17)


@pytest.mark.parametrize("pr", [None, math.nan, -math.inf, 0, -17, 1.5, "", "1_7", {}, [], [1, 2]])
def test_nothing_else_is_a_pr(pr: Any, tmp_path: pathlib.Path) -> None:
    target = {"repo": "acme/shop", "pr": pr}
    for refused in (
        lambda: claim(tmp_path, pr=pr),
        lambda: runr.create_runner_coordination_state(**target),
        lambda: runr.default_runner_coordination_file_path_for_target(target, tmp_path),
        lambda: runr.normalize_runner_coordination_state(None, target),
    ):
        with pytest.raises(runr.InvalidInput) as error:
            refused()
        assert error.value.code == "E_TARGET_INVALID"
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_id_is_none_and_a_conflict_is_an_answer(tmp_path: pathlib.Path) -> None:
    for run_id in (None, "", " \ufeff ", 5, True, {}, ["run-1"]):
        answer = claim(tmp_path, run_id)
        assert (answer["ok"], answer["error"]) == (False, "run_id_required")
    lone = "run-\ud83d"
    first = claim(tmp_path, lone, now="yesterday")
    assert first["activeRun"] == {"runId": lone, "claimedAt": "yesterday", "updatedAt": "yesterday"}
    second = claim(tmp_path, "run-2")
    assert (second["ok"], second["error"]) == (False, "active_run_exists")
    assert "token" not in first and "token" not in second
    third = claim(tmp_path, "run-2", mode="takeover")
    assert (third["status"], third["previousRun"]["runId"]) == ("taken_over", lone)


def test_times_may_be_datetimes(tmp_path: pathlib.Path) -> None:
    now = datetime(2026, 1, 10, 12, tzinfo=timezone(timedelta(hours=2)))
    assert claim(tmp_path, now=now)["activeRun"]["claimedAt"] == "2026-01-10T10:00:00.000Z"
    later = now + timedelta(minutes=31)
    for then in (later, later.timestamp() * 1000):
        found = runr.detect_stale_runner(**TARGET, cwd=tmp_path, now=then, env={})
        assert (found["ok"], found["error"]) == (False, "stale_runner")
        stale = found["staleRunner"]
        assert stale is not None and stale["updatedAgeMs"] == 31 * 60_000
    for function in (runr.claim_runner_ownership, runr.detect_stale_runner):
        with pytest.raises(runr.InvalidInput, match="time zone"):
            function(**TARGET, cwd=tmp_path, now=datetime(2026, 1, 10))


def test_the_environment_names_the_run(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ensure(**options: Any) -> Any:
        return runr.ensure_async_runner_ownership(**TARGET, cwd=tmp_path, **options)

    assert ensure()["status"] == "skipped_no_async_run_id"
    monkeypatch.setenv("PI_SUBAGENT_RUN_ID", "run-1")
    monkeypatch.setenv("NO_TEXT", "\udcff")
    assert ensure()["status"] == "claimed_new"
    assert ensure()["status"] == "owner_confirmed"
    assert ensure(env={"RUNR_RUN_ID": "run-2", "X": "\udcff"})["error"] == "ownership_lost"
    assert ensure(env={})["status"] == "skipped_no_async_run_id"


def test_worktrees_share_records_unless_they_are_told_not_to(
    repo: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    subprocess.run(["git", "worktree", "add", "--quiet", "../tree"], cwd=repo, check=True)
    main, tree = repo.resolve(), tmp_path.resolve() / "tree"
    where = runr.default_runner_coordination_file_path_for_target
    assert where({"repo": "Acme/Shop", "pr": "17"}, tree) == str(main / RECORD)
    assert where(TARGET, tree, "cwd") == str(tree / RECORD)
    assert claim(tree)["filePath"] == str(main / RECORD)
    assert claim(main, "run-2")["ok"] is False
    assert claim(tree, "run-2", root="cwd")["filePath"] == str(tree / RECORD)
    named = claim(tree, "run-3", file_path=tmp_path / "a" / "record.json")
    assert (named["ok"], named["filePath"]) == (True, str(tmp_path / "a" / "record.json"))


def test_a_state_of_another_program_gets_its_normal_form() -> None:
    raw = {"target": TARGET, "schemaVersion": 1, "activeRun": {"runId": " run-1 "}, "history": 5}
    assert runr.normalize_runner_coordination_state(raw, TARGET) == {
        "schemaVersion": 2,
        "target": TARGET,
        "activeRun": {"runId": "run-1", "claimedAt": None, "updatedAt": None},
        "previousRun": None,
        "history": [],
        "exitSignals": [],
    }
    assert runr.normalize_runner_coordination_state(None, TARGET) is None
    for state, code in (({**raw, "schemaVersion": 3}, "E_RECORD_SCHEMA"), ("x", "E_STORE_CORRUPT")):
        with pytest.raises(runr.StoreError) as error:
            runr.normalize_runner_coordination_state(state, TARGET)
        assert error.value.code == code


def test_a_heartbeat_compares_the_token(tmp_path: pathlib.Path) -> None:
    target = "acme/shop#17"
    owner = runr.own(target, "run-1", root=tmp_path)
    answer = runr.owner_heartbeat(target, "run-1", owner.token, tmp_path)
    assert (answer["ok"], answer["token"]) == (True, owner.token)
    refused = runr.owner_heartbeat(target, "run-1", owner.token - 1, tmp_path)
    assert (refused["ok"], refused["error"]) == (False, "ownership_lost")
    owner.release()


def test_a_repair_frees_a_record_that_nobody_can_read(tmp_path: pathlib.Path) -> None:
    claim(tmp_path)
    record = tmp_path / RECORD
    record.write_text("{broken")
    with pytest.raises(runr.StoreError):
        claim(tmp_path)
    repaired = runr.owner_repair("acme/shop#17", tmp_path)
    assert repaired["ok"] and repaired["actions"]
    assert claim(tmp_path)["ok"]


def test_threads_of_one_process_lose_nothing(tmp_path: pathlib.Path) -> None:
    def record(name: str) -> None:
        for count in range(10):
            answer = runr.record_exit_signal_for_runner(
                **TARGET,
                cwd=tmp_path,
                run_id=name,
                reason=str(count),
                require_active_owner=False,
            )
            assert answer["ok"]

    claim(tmp_path)
    threads = [threading.Thread(target=record, args=[f"run-{n}"]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = runr.load_runner_coordination_state(**TARGET, cwd=tmp_path)["state"]
    assert state is not None
    for thread_name in ("run-0", "run-1", "run-2", "run-3"):
        reasons = [s["reason"] for s in state["exitSignals"] if s["runId"] == thread_name]
        assert reasons == [str(count) for count in range(10)]
