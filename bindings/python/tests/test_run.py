"""The front of a run: iteration, answers, leaving."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

import runr
from scripted import question, scripted


def test_a_loop_answers_every_call_in_order() -> None:
    run, session = scripted(question("c1", "plan"), question("c2"))
    with run:
        for call in run:
            call.reply({"for": call.id})
    assert session.replies() == [{"reply": {"for": "c1"}}, {"reply": {"for": "c2"}}]
    assert session.leaving() == [("close",)]
    assert run.outcome["phase"] == "STOPPED"
    assert repr(run) == "<runr.Run 20260101000000>"


def test_each_answer_has_the_shape_of_its_stage() -> None:
    run, session = scripted(question())
    (call,) = run
    call.reply("free text")
    call.plan([{"goal": "g", "done_checks": ["d"], "risk_level": "low"}])
    call.ok("memo")
    call.blocked("why")
    call.no_changes({"files_checked": ["a"]})
    call.approve()
    call.request_changes(["x"])
    assert [message["reply"] for message in session.replies()] == [
        "free text",
        {"milestones": [{"goal": "g", "done_checks": ["d"], "risk_level": "low"}]},
        {"status": "ok", "handoff_memo": "memo"},
        {"status": "blocked", "handoff_memo": "why"},
        {
            "status": "no_changes_needed",
            "handoff_memo": "no changes needed",
            "evidence": {"files_checked": ["a"]},
        },
        {"status": "approve", "changes": []},
        {"status": "request_changes", "changes": ["x"]},
    ]


def test_a_failure_of_the_agent_carries_its_time_in_utc() -> None:
    run, session = scripted(question())
    (call,) = run
    east = timezone(timedelta(hours=2))
    call.fail("rate_limit", "later", retry_at=datetime(2026, 1, 1, 2, 0, tzinfo=east))
    call.fail("crash", "boom")
    assert session.replies() == [
        {
            "fail": {
                "kind": "rate_limit",
                "message": "later",
                "retry_at": "2026-01-01T00:00:00.000Z",
            }
        },
        {"fail": {"kind": "crash", "message": "boom", "retry_at": None}},
    ]
    with pytest.raises(runr.InvalidInput) as caught:
        call.fail("rate_limit", "later", retry_at=datetime(2026, 1, 1))
    assert caught.value.code == "E_USAGE"


def test_an_answer_says_what_it_cost() -> None:
    run, session = scripted(question())
    (call,) = run
    call.reply({"status": "ok", "handoff_memo": "done"}, usage={"cost_usd": 0.5})
    call.fail("crash", "boom", usage={"input_tokens": 3})
    asyncio.run(call.reply_async("text", usage={"output_tokens": 7}))
    asyncio.run(call.fail_async("timeout", "late"))
    assert [reply.get("usage") for reply in session.replies()] == [
        {"cost_usd": 0.5},
        {"input_tokens": 3},
        {"output_tokens": 7},
        None,
    ]


def test_a_reply_that_is_neither_text_nor_object_is_refused() -> None:
    run, session = scripted(question())
    (call,) = run
    for wrong in (b"bytes", 1, ["list"], None):
        with pytest.raises(TypeError):
            call.reply(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="keys"):
        call.reply({"a": {1: 2}})
    with pytest.raises(runr.InvalidInput):
        call.reply({"a": float("nan")})
    assert session.replies() == []


def test_a_call_is_frozen_hashable_and_comparable() -> None:
    run, _ = scripted(question("c1"), question("c2"), question("c1"))
    first, second, again = run
    assert first == again and first != second
    assert len({first, second, again}) == 2
    with pytest.raises(AttributeError):
        first.prompt = "other"
    assert repr(first) == "<runr.WorkerCall c1 implement attempt 1>"


def test_an_exception_in_the_block_stops_the_run_and_is_never_hidden() -> None:
    run, session = scripted(question())
    with pytest.raises(ZeroDivisionError):
        with run:
            for _ in run:
                raise ZeroDivisionError
    assert session.leaving() == [("stop", "signal"), ("close",)]


def test_a_failure_to_stop_does_not_replace_the_exception_of_the_block() -> None:
    run, session = scripted()
    session.stop_error = runr.StoreError("disk full", code="E_IO")
    with pytest.raises(ZeroDivisionError):
        with run:
            raise ZeroDivisionError
    assert session.leaving() == [("stop", "signal"), ("close",)]


def test_leaving_the_block_early_closes_the_run() -> None:
    run, session = scripted(question(), question())
    with run:
        for _ in run:
            break
    assert session.leaving() == [("close",)]


def test_stop_is_recorded_as_asked_for() -> None:
    run, session = scripted()
    run.stop()
    assert session.leaving() == [("stop", "stop_request")]


def test_the_async_form_never_waits_on_the_event_loop() -> None:
    async def drive() -> None:
        async with run:
            async for call in run:
                await call.reply_async({"for": call.id})

    run, session = scripted(question("c1"), question("c2"))
    asyncio.run(drive())
    assert [entry for entry in session.told if entry[0] == "thread"] == [("thread", False)] * 3
    assert session.replies() == [{"reply": {"for": "c1"}}, {"reply": {"for": "c2"}}]
    assert session.leaving() == [("close",)]


def test_an_exception_in_the_async_block_stops_the_run() -> None:
    async def drive() -> None:
        async with run:
            async for _ in run:
                raise ZeroDivisionError

    run, session = scripted(question())
    with pytest.raises(ZeroDivisionError):
        asyncio.run(drive())
    assert session.leaving() == [("stop", "signal"), ("close",)]


def test_cancelling_the_task_cancels_the_waiting_call() -> None:
    async def drive() -> None:
        task = asyncio.create_task(anext(run))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run, session = scripted()
    session.wait_for_cancel = True
    asyncio.run(drive())
    assert session.cancelled.is_set()


def test_errors_of_the_session_reach_the_async_caller() -> None:
    async def drive() -> None:
        await anext(run)

    run, session = scripted()

    def fail() -> str:
        raise runr.InvalidInput("a call is unanswered", code="E_USAGE")

    session.next_call = fail  # type: ignore[method-assign]
    with pytest.raises(runr.InvalidInput, match="unanswered"):
        asyncio.run(drive())
