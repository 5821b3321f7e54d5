"""A real run in a real repository, with this program as the agent."""

from __future__ import annotations

import asyncio
import pathlib
import subprocess
from typing import Any

import pytest

import runr
from greeter import FILE, TASK, agent, options, work, write


def test_the_quick_start(
    repo: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo / "login.md").write_text(TASK)
    monkeypatch.chdir(repo)
    item = runr.prep(flow="build", refs=["#17"])
    with runr.own("acme/shop#17", item["run_id"], ttl=60) as owner, runr.Run.start(
        "login.md", worktree=True, own=owner, allow=["src/**"], verify=[f"test -f {FILE}"]
    ) as run:
        for call in run:
            call.reply(agent(call.prompt, cwd=call.cwd))
    print(run.outcome["next_action"], run.outcome["suggested_command"])
    assert capsys.readouterr().out == "none None\n"
    assert run.outcome["stop_reason"] == "complete"
    branch = runr.status(run.run_id)["branch"]
    shown = ["git", "show", f"{branch}:{FILE}"]
    assert subprocess.check_output(shown, cwd=repo, text=True) == "hello\n"


def test_the_quick_start_in_its_async_form(
    repo: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drive() -> runr.Run:
        async with runr.Run.start(
            "login.md", worktree=True, allow=["src/**"], verify=[f"test -f {FILE}"]
        ) as run:
            async for call in run:
                await call.reply_async(agent(call.prompt, cwd=call.cwd))
        return run

    (repo / "login.md").write_text(TASK)
    monkeypatch.chdir(repo)
    assert asyncio.run(drive()).outcome["stop_reason"] == "complete"


def test_a_run_with_a_reference_is_linked_to_its_work_item(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo), flow="build", refs=["#17"]) as run:
        for call in run:
            call.reply(work(call))
    status = runr.status("#17", repo)
    assert (status["run_id"], status["work_item"]) == (run.run_id, "gh-17")
    assert (repo / ".runs" / "gh-17" / "build").is_dir()
    with pytest.raises(runr.InvalidInput):
        runr.Run.start(**options(repo), flow="dance")


def owner_of(repo: pathlib.Path) -> str | None:
    state = runr.load_runner_coordination_state(repo="acme/shop", pr=17, cwd=repo)["state"]
    active = state and state["activeRun"]
    return active and active["runId"]


def test_a_run_works_under_a_guard_and_leaves_it_alone(repo: pathlib.Path) -> None:
    target = {"kind": "pr", "repo": "acme/shop", "pr": 17}
    with runr.own(target, "gh-17", root=repo) as owner:
        with runr.Run.start(**options(repo), own=owner) as run:
            for call in run:
                call.reply(work(call))
        assert run.outcome["stop_reason"] == "complete"
        owner.check()
    claim = {"target": "acme/shop#17", "run_id": "gh-17", "token": owner.token, "shared": True}
    assert runr.status(run.run_id, repo)["claim"] == claim
    trailers = ["git", "log", "-1", "--format=%(trailers:key=Runr-Token,valueonly)"]
    branch = runr.status(run.run_id, repo)["branch"]
    token = subprocess.check_output([*trailers, branch], cwd=repo, text=True)
    assert int(token) == owner.token
    with pytest.raises(runr.OwnershipLost):
        runr.Run.start(**options(repo), own=owner)


def test_a_run_claims_a_target_and_gives_it_back(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo), own="acme/shop#17") as run:
        assert owner_of(repo) == run.run_id
        with pytest.raises(runr.OwnershipLost) as caught:
            runr.Run.start(**options(repo), own="acme/shop#17")
        assert caught.value.code == "E_OWNERSHIP_LOST"
    assert owner_of(repo) is None
    assert [row["run_id"] for row in runr.runs(repo)] == [run.run_id]
    with runr.Run.resume(run.run_id, repo) as again:
        assert owner_of(repo) == again.run_id
        for call in again:
            call.reply(work(call))
    assert again.outcome["stop_reason"] == "complete"
    with pytest.raises(runr.InvalidInput) as invalid:
        runr.Run.start(**options(repo), own="acme")
    assert invalid.value.code == "E_TARGET_INVALID"


def test_a_run_that_loses_its_target_stops_for_that(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo), own="acme/shop#17") as run:
        call = next(run)
        with runr.own("acme/shop#17", "rescuer", takeover=True, root=repo):
            with pytest.raises(runr.Refused) as late:
                call.reply(work(call))
            assert late.value.code == "E_CALL_LATE"
        assert list(run) == []
    assert run.outcome["stop_reason"] == "ownership_lost"


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


def test_a_program_submits_what_a_run_has_done(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo)) as run:
        for call in run:
            call.reply(work(call))
    planned = runr.submit(run.run_id, "main", dry_run=True, root=repo)
    assert (planned["outcome"], planned["verified"], planned["dry_run"]) == ("planned", False, True)
    moved = runr.submit("latest", "main", root=repo)
    assert (moved["outcome"], moved["verified"]) == ("moved", True)
    main = subprocess.check_output(["git", "rev-parse", "main"], cwd=repo, text=True).strip()
    assert moved["new_sha"] == main == moved["commits"][-1]["to"]
    assert runr.submit(run.run_id, "main", squash=True, root=repo)["outcome"] == "nothing_to_move"
    with pytest.raises(runr.InvalidInput) as nowhere:
        runr.submit(run.run_id, "no-such-branch", root=repo)
    assert nowhere.value.hint == "git branch no-such-branch <commit>"


def test_a_run_of_this_very_process_is_seen_running_and_then_stopped(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo)) as run:
        for call in run:
            status = runr.status(run.run_id, repo)
            assert (status["liveness"], status["phase"]) == ("running", call.stage.upper())
            assert [row["status"] for row in runr.runs(repo)] == ["running"]
            call.reply(work(call))
    assert runr.status(run.run_id, repo)["liveness"] == "stopped"


def test_a_call_says_what_is_asked_of_whom_and_until_when(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo), worker="mine") as run:
        call = next(run)
        assert (call.stage, call.milestone, call.attempt, call.worker) == ("plan", 0, 1, "mine")
        assert call.schema["type"] == "object"
        assert call.deadline.endswith("Z")
        assert call.fix is None
        assert TASK.strip() in call.prompt


def test_an_exception_leaves_a_run_that_can_be_resumed(repo: pathlib.Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with runr.Run.start(**options(repo)) as run:
            for call in run:
                if call.stage == "implement":
                    raise ZeroDivisionError
                call.reply(work(call))
    assert run.outcome["stop_reason"] == "interrupted"
    assert run.outcome["suggested_command"] == f"runr resume {run.run_id}"
    stages = []
    with runr.Run.resume(run.run_id, repo) as again:
        for call in again:
            stages.append(call.stage)
            call.reply(work(call))
    assert stages == ["implement", "review"]
    assert again.outcome["stop_reason"] == "complete"


def test_a_file_outside_of_the_scope_stops_the_run(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo)) as run:
        for call in run:
            if call.stage == "implement":
                write(call, "README.md")
            call.reply(work(call))
    assert run.outcome["stop_reason"] == "guard_violation"
    assert run.outcome["next_action"] == "resolve_scope_violation"
    assert runr.status(run.run_id, repo)["guard_violation_files"] == ["README.md"]


def test_a_failed_check_is_the_next_call_to_fix(repo: pathlib.Path) -> None:
    given = options(repo)
    (check,) = given["verify"] = [f"cat {FILE}"]
    fixes = []
    with runr.Run.start(**given) as run:
        for call in run:
            if call.stage == "implement":
                fixes.append(call.fix)
                if call.fix is None:
                    write(call, "src/other.txt")
                    call.ok("forgot the file")
                    continue
            call.reply(work(call))
    first, second = fixes
    assert first is None and second is not None
    assert (second["attempt"], second["failed_command"]) == (2, check)
    assert FILE in second["error_output"]
    assert second["changed_files"] == ["src/other.txt"]
    assert run.outcome["stop_reason"] == "complete"


def test_what_the_reviewer_asks_for_stands_in_the_next_prompt(repo: pathlib.Path) -> None:
    wish = "Greet in French: « bonjour », not `hello`."
    prompts = []
    reviews = 0
    with runr.Run.start(**options(repo)) as run:
        for call in run:
            if call.stage == "implement":
                prompts.append(call.prompt)
                write(call, FILE, f"version {len(prompts)}\n")
                call.ok("written")
            elif call.stage == "review":
                reviews += 1
                call.request_changes([wish]) if reviews == 1 else call.approve()
            else:
                call.reply(work(call))
    assert [wish in prompt for prompt in prompts] == [False, True]
    assert run.outcome["stop_reason"] == "complete"


def test_the_event_loop_turns_while_the_checks_run(repo: pathlib.Path) -> None:
    phases: list[str] = []

    async def tick(run: runr.Run) -> None:
        while True:
            await asyncio.sleep(0.01)
            phases.append(run.outcome["phase"])

    async def drive() -> runr.Run:
        run = runr.Run.start(**{**options(repo), "verify": ["sleep 1"]})
        async with run:
            ticker = asyncio.create_task(tick(run))
            async for call in run:
                await call.reply_async(work(call))
            ticker.cancel()
        return run

    assert asyncio.run(drive()).outcome["stop_reason"] == "complete"
    # 100 on an idle machine; a blocked loop would have seen the phase once at most.
    assert phases.count("VERIFY") > 20


def test_a_cancelled_task_leaves_an_interrupted_run(repo: pathlib.Path) -> None:
    async def drive(run: runr.Run) -> None:
        async with run:
            async for call in run:
                await call.reply_async(work(call))

    async def cancel(run: runr.Run) -> None:
        task = asyncio.create_task(drive(run))
        while run.outcome["phase"] != "VERIFY":
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run = runr.Run.start(**{**options(repo), "verify": ["sleep 60"]})
    asyncio.run(cancel(run))
    assert run.outcome["stop_reason"] == "interrupted"
    assert runr.status(run.run_id, repo)["liveness"] == "stopped"


def test_a_run_stops_at_its_cost_and_goes_on_with_a_higher_limit(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo), max_cost=0.5) as run:
        for call in run:
            call.reply(work(call), usage={"cost_usd": 0.5, "output_tokens": 7})
    assert run.outcome["stop_reason"] == "cost_budget_exceeded"
    with runr.Run.resume(run.run_id, repo, max_cost=9) as run:
        for call in run:
            call.reply(work(call))
    assert run.outcome["stop_reason"] == "complete"
    usage = runr.report_run(run.run_id, repo)["usage"]
    assert (usage["cost_usd"], usage["output_tokens"], usage["unknown_calls"]) == (0.5, 7, 2)


def test_a_plan_waits_for_its_approval(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo), approve_plan=True) as run:
        assert [call.stage for call in run if not call.reply(work(call))] == ["plan"]
    assert run.outcome["stop_reason"] == "approval_required"
    assert runr.approve(run.run_id, repo)["changed"] is True
    with runr.Run.resume(run.run_id, repo) as run:
        stages = [call.stage for call in run if not call.reply(work(call))]
    assert stages == ["implement", "review"]
    assert run.outcome["stop_reason"] == "complete"


def test_an_agent_that_cannot_say_why_it_failed_ends_the_run_with_its_reason(
    repo: pathlib.Path,
) -> None:
    with runr.Run.start(**options(repo)) as run:
        for call in run:
            call.fail("rate_limit", "come back later", retry_at="2099-01-01T00:00:00Z")
    assert run.outcome["stop_reason"] == "rate_limited"
    assert runr.status(run.run_id, repo)["retry_at"] == "2099-01-01T00:00:00.000Z"


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


def started(repo: pathlib.Path, run: runr.Run) -> dict[str, Any]:
    """What the run recorded when it started."""
    import json

    timeline = repo / ".runr/runs" / run.run_id / "timeline.jsonl"
    record = json.loads(timeline.read_text("utf-8").splitlines()[0])
    assert record["type"] == "run_started"
    payload: dict[str, Any] = record["payload"]
    return payload


def test_every_option_reaches_the_run(repo: pathlib.Path) -> None:
    (repo / "README.md").write_text("not committed\n")
    flags = {
        "worktree": False,
        "fast": True,
        "allow_deps": True,
        "allow_dirty": True,
        "allow_unverified": True,
        "no_branch": True,
        "force_parallel": True,
        "worker": "mine",
        "time_minutes": 7.5,
        "max_ticks": 9,
        "max_cost": 1.5,
        "approve_plan": False,
        "auto_resume": True,
        "skip_doctor": True,
        "own": "acme/shop#17",
    }
    with runr.Run.start(
        task_text=TASK,
        root=repo,
        config={
            "agent": {"name": "a", "version": "1"},
            "scope": {"denylist": ["x"]},
            "verification": {},
        },
        allow=["src/**", "README.md"],
        deny=["src/secret/**"],
        verify=["true"],
        **flags,
    ) as run:
        recorded = started(repo, run)
    assert recorded["options"] == flags
    assert recorded["scope_lock"] == {
        "allowlist": ["src/**", "README.md"],
        "denylist": ["src/secret/**"],
    }
    assert recorded["branch"] == "main"


def test_a_config_file_needs_trust_and_a_config_value_does_not(repo: pathlib.Path) -> None:
    import json

    config = {
        "agent": {"name": "a", "version": "1"},
        "scope": {"allowlist": ["src/**"]},
        "verification": {"tier0": [f"test -f {FILE}"]},
    }
    given = {"task_text": TASK, "root": repo, "worktree": True}
    with runr.Run.start(**given, config=config) as run:
        assert started(repo, run)["scope_lock"]["allowlist"] == ["src/**"]
    other = {**config, "verification": {"tier0": [f"test -s {FILE}"]}}
    (repo / ".runr/runr.config.json").write_text(json.dumps(other))
    with pytest.raises(runr.Untrusted) as caught:
        runr.Run.start(**given)
    assert caught.value.code == "E_UNTRUSTED"
    assert runr.trust(repo)["approved"] is True
    with runr.Run.start(**given) as run:
        for call in run:
            call.reply(work(call))
    assert run.outcome["stop_reason"] == "complete"


def test_without_a_config_the_program_must_give_scope_and_checks(repo: pathlib.Path) -> None:
    given = {"task_text": TASK, "root": repo, "worktree": True}
    for part in ({}, {"allow": ["src/**"]}, {"verify": ["true"]}):
        with pytest.raises(runr.NotFound) as caught:
            runr.Run.start(**given, **part)
        assert caught.value.code == "E_CONFIG_NOT_FOUND"
    assert runr.runs(repo) == []


def test_a_plan_that_is_left_out_cannot_wait_for_approval(repo: pathlib.Path) -> None:
    with pytest.raises(runr.InvalidInput) as caught:
        runr.Run.start(**options(repo), fast=True, approve_plan=True)
    assert caught.value.code == "E_USAGE"


@pytest.mark.parametrize("name", ["detach", "max_costs"])
def test_an_option_that_does_not_exist_is_refused_by_name(name: str, repo: pathlib.Path) -> None:
    for begin in (
        lambda: runr.Run.start(**options(repo), **{name: True}),
        lambda: runr.Run.resume("latest", repo, **{name: True}),
    ):
        with pytest.raises(runr.InvalidInput) as caught:
            begin()
        assert (caught.value.code, caught.value.message) == ("E_USAGE", f"unknown option {name}")
    assert not (repo / ".runr").exists()


def test_a_program_that_wants_to_detach_learns_what_does(repo: pathlib.Path) -> None:
    detached: dict[str, Any] = {"detach": True}
    for begin in (
        lambda: runr.Run.start(**options(repo), **detached),
        lambda: runr.Run.resume("latest", repo, **detached),
    ):
        with pytest.raises(runr.InvalidInput) as caught:
            begin()
        assert caught.value.code == "E_USAGE" and caught.value.hint is not None
        assert "run_command(['run', '--detach', ..])" in caught.value.hint
        assert "`runr run --detach`" in caught.value.hint
