"""How late an asyncio program is while a check runs: driven by runr, and as a plain child process.

Usage: event_loop.py ROUNDS REPOSITORY CHECK. Prints {"runr": [..], "plain": [..]}, the greatest
lag of each round in microseconds.
"""

import asyncio
import json
import sys
import time

import runr

TICK = 0.001


class Ticker:
    """Sleeps for a millisecond again and again, and notes by how much it woke too late."""

    def __init__(self, counts):
        self.worst = 0.0
        self.counts = counts

    async def __aenter__(self):
        self.task = asyncio.create_task(self.tick())
        return self

    async def __aexit__(self, *raised):
        self.task.cancel()

    async def tick(self):
        while True:
            began, counted = time.perf_counter(), self.counts()
            await asyncio.sleep(TICK)
            if counted and self.counts():
                self.worst = max(self.worst, time.perf_counter() - began - TICK)


def answer(call):
    if call.stage == "implement":
        with open(f"{call.cwd}/src/part.txt", "a") as part:
            part.write("a part\n")
        return {"status": "ok", "handoff_memo": "written"}
    return {"status": "approve", "changes": []}


async def with_runr(root, check):
    options = {"allow": ["src/**"], "verify": [check], "worktree": True, "fast": True}
    async with runr.Run.start(task_text="# Event loop", root=root, **options) as run:
        async with Ticker(lambda: run.outcome["phase"] == "VERIFY") as ticker:
            async for call in run:
                await call.reply_async(answer(call))
    assert run.outcome["stop_reason"] == "complete", run.outcome
    return ticker.worst * 1e6


async def plain(root, check):
    async with Ticker(lambda: True) as ticker:
        nowhere = asyncio.subprocess.DEVNULL
        child = await asyncio.create_subprocess_shell(check, cwd=root, stdout=nowhere)
        assert await child.wait() == 0
    return ticker.worst * 1e6


def main(rounds, root, check):
    lags = {"runr": [], "plain": []}
    for _ in range(int(rounds)):
        lags["runr"].append(asyncio.run(with_runr(root, check)))
        lags["plain"].append(asyncio.run(plain(root, check)))
    print(json.dumps(lags))


main(*sys.argv[1:])
