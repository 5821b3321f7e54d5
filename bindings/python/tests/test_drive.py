"""A real run in a real repository, with this program as the agent."""

from __future__ import annotations

import asyncio
import pathlib
import subprocess
from typing import Any

import pytest

import runr

TASK = "# Greet\n\n## Goal\nWrite src/hello.txt.\n"


@pytest.fixture
def repo(tmp_path: pathlib.Path) -> pathlib.Path:
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["config", "user.name", "A Tester"],
        ["config", "user.email", "tester@localhost"],
        ["commit", "--quiet", "--allow-empty", "--message", "start"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def options(repo: pathlib.Path) -> dict[str, Any]:
    return {
        "task_text": TASK,
        "root": repo,
        "worktree": True,
        "allow": ["src/**"],
        "verify": ["test -f src/hello.txt"],
    }


def work(call: runr.WorkerCall) -> dict[str, Any]:
    """What a good agent would answer, the file included."""
    if call.stage == "plan":
        step = {"goal": "greet", "files_expected": ["src/hello.txt"], "done_checks": ["it is there"]}
        return {"milestones": [{**step, "risk_level": "low"}]}
    if call.stage == "implement":
        target = pathlib.Path(call.cwd) / "src/hello.txt"
        target.parent.mkdir(exist_ok=True)
        target.write_text("hello\n")
        return {"status": "ok", "handoff_memo": "written"}
    return {"status": "approve", "changes": []}


def test_a_program_drives_a_run_to_its_end(repo: pathlib.Path) -> None:
    stages = []
    with runr.Run.start(**options(repo)) as run:
        for call in run:
            stages.append(call.stage)
            call.reply(work(call))
    assert stages == ["plan", "implement", "review"]
    assert run.outcome == {
        "run_id": run.run_id,
        "phase": "STOPPED",
        "stop_reason": "complete",
        "milestones_completed": 1,
        "next_action": "none",
        "suggested_command": None,
    }
    assert runr.status(run.run_id, repo)["run_id"] == run.run_id
    assert [row["run_id"] for row in runr.runs(repo)] == [run.run_id]
    assert runr.report_run("latest", root=repo)["outcome"] == "complete"


def test_the_async_form_drives_the_same_run(repo: pathlib.Path) -> None:
    async def drive() -> runr.Run:
        run = await asyncio.to_thread(lambda: runr.Run.start(**options(repo)))
        async with run:
            async for call in run:
                await call.reply_async(work(call))
        return run

    assert asyncio.run(drive()).outcome["stop_reason"] == "complete"


def test_an_exception_leaves_a_run_that_can_be_resumed(repo: pathlib.Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with runr.Run.start(**options(repo)) as run:
            for call in run:
                if call.stage == "implement":
                    raise ZeroDivisionError
                call.reply(work(call))
    assert run.outcome["stop_reason"] == "interrupted"
    with runr.Run.resume(run.run_id, repo) as again:
        for call in again:
            call.reply(work(call))
    assert again.outcome["stop_reason"] == "complete"


def test_the_next_call_is_refused_while_one_is_unanswered(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo)) as run:
        next(run)
        with pytest.raises(runr.InvalidInput) as caught:
            next(run)
    assert caught.value.code == "E_USAGE"


def test_a_reply_after_the_stop_is_too_late(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo)) as run:
        call = next(run)
        run.stop()
        with pytest.raises(runr.Refused) as caught:
            call.reply(work(call))
    assert caught.value.code == "E_CALL_LATE"
    assert run.outcome["stop_reason"] == "interrupted"
