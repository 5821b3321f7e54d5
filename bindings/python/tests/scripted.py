"""A session that follows a script: the front of a run is tested without a repository."""

from __future__ import annotations

import json
import threading
from typing import Any

import runr


class ScriptedSession:
    """Yields the given calls, then ends; notes everything it is told."""

    def __init__(self, calls: list[dict[str, Any]]) -> None:
        self.calls = calls
        self.told: list[tuple[Any, ...]] = []
        self.stop_error: Exception | None = None
        self.cancelled = threading.Event()
        self.wait_for_cancel = False

    def run_id(self) -> str:
        return "20260101000000"

    def next_call(self) -> str | None:
        if self.wait_for_cancel:
            assert self.cancelled.wait(10)
            return None
        self.told.append(("thread", threading.current_thread() is threading.main_thread()))
        return json.dumps(self.calls.pop(0)) if self.calls else None

    def reply(self, call_id: str, message: str) -> None:
        self.told.append(("reply", call_id, json.loads(message)))

    def outcome(self) -> str:
        return json.dumps({"run_id": self.run_id(), "phase": "STOPPED"})

    def stop(self, cause: str) -> None:
        self.told.append(("stop", cause))
        if self.stop_error is not None:
            raise self.stop_error

    def close(self) -> None:
        self.told.append(("close",))

    def cancel(self) -> None:
        self.cancelled.set()

    def replies(self) -> list[Any]:
        return [entry[2] for entry in self.told if entry[0] == "reply"]

    def leaving(self) -> list[tuple[Any, ...]]:
        return [entry for entry in self.told if entry[0] in ("stop", "close")]


def question(call_id: str = "c1", stage: str = "implement") -> dict[str, Any]:
    return {
        "id": call_id,
        "stage": stage,
        "prompt": "do it",
        "cwd": "/tmp",
        "milestone": 0,
        "attempt": 1,
        "deadline": "2026-01-01T00:00:00.000Z",
        "schema": {"type": "object"},
        "worker": "claude",
        "fix": None,
    }


def scripted(*calls: dict[str, Any]) -> tuple[runr.Run, ScriptedSession]:
    session = ScriptedSession(list(calls))
    return runr.Run(session), session  # type: ignore[arg-type]
