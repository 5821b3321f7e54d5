"""Never run: what a typed host program looks like to the type checker."""

from __future__ import annotations

from pathlib import Path

import runr
from runr.types import Outcome, ScopeResult, StopReason


def drive(task: Path) -> str | None:
    with runr.Run.start(task, worktree=True, allow=["src/**"], verify=["pytest -q"]) as run:
        for call in run:
            if call.stage == "plan":
                call.plan([{"goal": "g", "done_checks": ["d"], "risk_level": "low"}])
            elif call.stage == "implement":
                call.ok("memo" if call.fix is None else call.fix["error_output"])
            else:
                call.approve()
    outcome: Outcome = run.outcome
    return outcome["suggested_command"]


def misuse() -> None:
    # An option that does not exist is seen before the program runs.
    runr.Run.start("login.md", own="owner/name#17")  # type: ignore[call-arg]


def look() -> list[str]:
    scope: ScopeResult = runr.check_scope([], [], [], [], False, [], [])
    rows: list[StopReason] = runr.stop_reasons()
    try:
        runr.RunStore.open(Path("runs")).create(title="t")
        for finding in runr.RunStore.data().repair(fix=True):
            if finding["remedy"] == "quarantine":
                return [finding["kept"] or finding["reason"]]
    except runr.RunrError as error:
        code: str = error.code
        return [code]
    return [*scope["scope_violations"], *(row["stop_reason"] for row in rows)]
