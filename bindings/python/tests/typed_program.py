"""Never run: what a typed host program looks like to the type checker."""

from __future__ import annotations

from pathlib import Path

import runr
from runr.types import Outcome, ScopeResult, StopReason


def drive(task: Path) -> str | None:
    with runr.own("acme/shop#17", "gh-17") as owner, runr.Run.start(
        task, worktree=True, own=owner, allow=["src/**"], verify=["pytest -q"]
    ) as run:
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
    runr.Run.start("login.md", owns="owner/name#17")  # type: ignore[call-arg]
    # So is a target that is none.
    runr.Run.start("login.md", own=17)  # type: ignore[arg-type]


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


def owned(run_id: str) -> int:
    with runr.own({"kind": "issue", "repo": "acme/shop", "issue": 17}, run_id, ttl=60) as owner:
        owner.check()
        number: int = owner.act(lambda: 1)
        token: int = owner.token
    answer = runr.claim_runner_ownership(repo="acme/shop", pr=17, run_id=run_id)
    if not answer["ok"]:
        word: str = answer["error"]
        return len(word + answer["message"])
    state = runr.load_runner_coordination_state(repo="acme/shop", pr="17")["state"]
    return number + token + (0 if state is None else len(state["history"]))


def not_owned() -> None:
    # A mode that does not exist is seen before the program runs.
    runr.claim_runner_ownership(repo="a/b", pr=1, mode="steal")  # type: ignore[arg-type]
    # So is a function for an action that needs arguments.
    runr.own("a/b#1", "run-1").act(lambda x: x)  # type: ignore[arg-type, misc]
