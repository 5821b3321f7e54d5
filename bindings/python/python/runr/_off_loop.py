"""Waiting without blocking an event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


async def off_loop(work: Callable[[], T], cancel: Callable[[], None] | None = None) -> T:
    """Runs ``work`` on a thread of its own and awaits it.

    Not on the shared executor: it has few threads, and a call may wait for minutes. When the
    awaiting task is cancelled, ``cancel`` is called and the work is awaited before the
    cancellation goes on, so no thread is left behind with the run.
    """
    # Here, not above: half the time of `import runr` would go into it.
    import asyncio

    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def body() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - it is handed over, not swallowed
            error = raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            pass  # The loop is closed: nobody awaits the answer any more.

    threading.Thread(target=body, name="runr", daemon=True).start()
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        if cancel is not None:
            cancel()
            await asyncio.wait([done])
            done.exception()
        raise
