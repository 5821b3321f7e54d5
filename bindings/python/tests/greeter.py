"""A small task and an agent that does it well."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import runr

TASK = "# Greet\n\n## Goal\nWrite src/hello.txt.\n"
FILE = "src/hello.txt"
STEP = {
    "goal": "greet",
    "files_expected": [FILE],
    "done_checks": ["it is there"],
    "risk_level": "low",
}


def options(repo: pathlib.Path) -> dict[str, Any]:
    return {
        "task_text": TASK,
        "root": repo,
        "worktree": True,
        "allow": ["src/**"],
        "verify": [f"test -f {FILE}"],
    }


def write(call: runr.WorkerCall, name: str, text: str = "hello\n") -> None:
    target = pathlib.Path(call.cwd) / name
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)


def work(call: runr.WorkerCall) -> dict[str, Any]:
    """What a good agent would answer, the file included."""
    if call.stage == "plan":
        return {"milestones": [STEP]}
    if call.stage == "implement":
        write(call, FILE)
        return {"status": "ok", "handoff_memo": "written"}
    return {"status": "approve", "changes": []}


def agent(prompt: str, cwd: str) -> str:
    """The same agent, which sees nothing but a prompt and a directory and answers with prose."""
    if prompt.startswith("# Plan"):
        answer: dict[str, Any] = {"milestones": [STEP]}
    elif prompt.startswith("# Implement"):
        target = pathlib.Path(cwd) / FILE
        target.parent.mkdir(exist_ok=True)
        target.write_text("hello\n")
        answer = {"status": "ok", "handoff_memo": "written"}
    else:
        answer = {"status": "approve", "changes": []}
    return f"Here it is.\nBEGIN_JSON\n{json.dumps(answer)}\nEND_JSON\n"
