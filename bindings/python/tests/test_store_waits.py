"""While another process holds the lock of a run, everybody else goes on."""

from __future__ import annotations

import asyncio
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import runr

ID = "20260110120000-a3f2"

HOLDER = """
import runr, sys
def hold(document):
    print("held", flush=True)
    sys.stdin.readline()
    return {**document, "holder": "was here"}
runr.RunStore.open(sys.argv[1]).update(sys.argv[2], hold)
"""


class Holder:
    """Another process, within its update of the run."""

    def __init__(self, store: runr.RunStore) -> None:
        assert store.root is not None
        self._child = subprocess.Popen(
            [sys.executable, "-c", HOLDER, store.root, ID],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._child.stdout is not None
        assert self._child.stdout.readline() == "held\n"

    def release(self) -> None:
        self._child.communicate("go\n", timeout=60)
        assert self._child.returncode == 0

    def kill(self) -> None:
        self._child.kill()
        self._child.communicate()


@pytest.fixture
def store(tmp_path: pathlib.Path) -> runr.RunStore:
    store = runr.RunStore.open(tmp_path / "runs")
    store.create(run_id=ID, title="t", worktree_check=False)
    store.append_event(ID, "first")
    return store


@pytest.fixture
def holder(store: runr.RunStore) -> Iterator[Holder]:
    holder = Holder(store)
    yield holder
    holder.kill()


def mark(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "x": 1}


WRITES: dict[str, Callable[[runr.RunStore], object]] = {
    "function": lambda store: store.update(ID, mark),
    "values": lambda store: store.update(ID, set={"/x": 1}),
    "append_event": lambda store: store.append_event(ID, "stop"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_other_threads_run_while_a_write_waits_for_the_lock(
    write: Callable[[runr.RunStore], object], store: runr.RunStore, holder: Holder
) -> None:
    ended: list[str] = []

    def tick() -> None:
        # Ends the wait, so a wait that kept the interpreter for itself would never end.
        for _ in range(20):
            threading.Event().wait(0.01)
        ended.append("ticks")
        holder.release()

    ticker = threading.Thread(target=tick)
    ticker.start()
    write(store)
    ended.append("write")
    ticker.join()
    assert ended == ["ticks", "write"]
    assert store.read(ID)["holder"] == "was here"


def test_readers_wait_for_nobody(store: runr.RunStore, holder: Holder) -> None:
    assert "holder" not in store.read(ID)
    assert [row["run_id"] for row in store.list()] == [ID]
    assert store.resolve("latest")["run_id"] == ID
    assert [event["event"] for event in store.events(ID)] == ["first"]
    holder.release()
    assert store.read(ID)["holder"] == "was here"


def test_the_lock_of_a_killed_process_is_free_at_once(
    store: runr.RunStore, holder: Holder
) -> None:
    holder.kill()
    assert "holder" not in store.update(ID, mark)


def test_an_event_loop_goes_on_while_updates_wait_on_threads(
    store: runr.RunStore, holder: Holder
) -> None:
    async def main() -> None:
        waiting = [asyncio.create_task(asyncio.to_thread(store.update, ID, one_more)) for _ in "1234"]
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
        await asyncio.to_thread(holder.release)
        await asyncio.gather(*waiting)

    def one_more(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "pr_number": document.get("pr_number", 0) + 1}

    asyncio.run(main())
    assert store.read(ID)["pr_number"] == 4
